/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the index of maps leaves out no row that holds, and gives candidates in the order of
 * the file. The reference asks every row of random maps one by one. */
#include "base/text.h"
#include "maps/map_file.h"
#include "maps/row_search.h"
#include "support/random_values.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KEY_IP, KEY_IN, KEY_NET, KEY_COUNT, PAIR_FIELDS = 14 };
static const struct map_key keys[] = {
    {.name = "ip", .type = MAP_PREFIX, .is_match = true},
    {.name = "in", .type = MAP_NUMBER, .is_match = true, .max = UINT64_MAX},
    {.name = "net", .type = MAP_PREFIX, .is_match = true},
    {.name = NULL},
};

/* Returns addresses that differ in few bits, so that prefixes overlap and addresses hit them. */
static struct ip_addr random_address_or_none(void)
{
    uint8_t v4[4] = {10, (uint8_t)(random_below(4) * 64), 0, (uint8_t)random_below(3)};
    uint8_t v6[16] = {0x20, 0x01, (uint8_t)(random_below(4) * 64)};
    v6[8] = (uint8_t)(random_below(2) * 255);
    v6[15] = (uint8_t)random_below(3);
    if (random_below(30) == 0)
        return (struct ip_addr){.family = IP_NONE};
    return random_below(2) ? ip_addr_v4(v4) : ip_addr_v6(v6);
}

static void append_prefix(struct text *t)
{
    static const uint8_t lengths[] = {0, 9, 10, 24, 31, 32, 63, 64, 65, 127, 128};
    struct ip_addr addr = random_address_or_none();
    char out[IP_PREFIX_TEXT_LEN];
    while (addr.family == IP_NONE)
        addr = random_address_or_none();
    struct ip_prefix prefix = {.len = lengths[random_below(addr.family == IP_V4 ? 6 : 11)]};
    prefix.addr = ip_addr_mask(&addr, prefix.len);
    ip_prefix_format(&prefix, out);
    text_append_string(t, out);
}

static void append_number(struct text *t)
{
    uint64_t low = random_below(9);
    if (random_below(10) == 0)
        low |= (uint64_t)random_below(3) << 32;
    text_append_printf(t, "%" PRIu64, low);
    if (random_below(4) == 0)
        text_append_printf(t, "-%" PRIu64, low + random_below(random_below(4) ? 5 : 100));
}

static void append_cell(struct text *t, size_t key)
{
    if (random_below(2))
        return;
    text_append_printf(t, "%s=", keys[key].name);
    for (uint32_t left = random_below(5) ? 1 : 1 + random_below(20); left > 0; left--) {
        if (random_below(6) == 0)
            text_append_char(t, '-');
        if (keys[key].type == MAP_PREFIX)
            append_prefix(t);
        else
            append_number(t);
        text_append_char(t, left > 1 ? ',' : ' ');
    }
}

static struct map_file *random_map(uint32_t row_count)
{
    struct text t = {0}, errors = {0};
    struct map_file *file;
    for (uint32_t i = 0; i < row_count; i++) {
        size_t start = t.len;
        while (t.len == start)
            for (size_t key = 0; key < KEY_COUNT; key++)
                append_cell(&t, key);
        text_append_char(&t, '\n');
    }
    if (map_file_parse("m", text_cstr(&t), t.len, keys, NULL, &errors, &file) < 0)
        fail_msg("%s", text_cstr(&errors));
    text_clear(&t);
    text_clear(&errors);
    return file;
}

/* An index, and of which rows it says that it leaves nothing open. */
struct indexed {
    const struct map_file *file;
    struct row_search *search;
    bool *is_exact;
};

/* Notes something else of each row. */
static void note_rows(struct row_search *search, uint32_t count)
{
    uint32_t *notes = test_calloc(count + 1, sizeof *notes);
    for (uint32_t i = 0; i < count; i++)
        notes[i] = i + 7;
    row_search_note(search, notes);
    test_free(notes);
}

static void check_note(const struct row_lookup *lookup, uint32_t index)
{
    uint32_t first = lookup->first[index];
    assert_int_equal(lookup->notes[index], first == ROW_NONE ? 0 : first + 7);
}

static struct indexed index_of(const struct map_file *file)
{
    struct indexed x = {file, row_search_new(), test_calloc(file->row_count + 1, sizeof(bool))};
    for (size_t i = 0; i < file->row_count; i++) {
        struct row_choice choices[KEY_COUNT];
        size_t count = 0;
        bool is_whole = true; /* each cell is a choice */
        for (size_t key = 0; key < KEY_COUNT; key++) {
            const struct map_cell *cell = file->rows[i].cells[key];
            bool is_choice =
                row_choice_of_cell(&choices[count], (uint8_t)key, keys[key].type, cell);
            is_whole = is_whole && (is_choice || !cell);
            count += is_choice;
        }
        bool is_exact = row_search_add(x.search, (uint32_t)i, choices, count);
        x.is_exact[i] = is_whole && is_exact;
    }
    row_search_finish(x.search);
    note_rows(x.search, (uint32_t)file->row_count);
    return x;
}

static void index_clear(struct indexed *x)
{
    row_search_free(x->search);
    test_free(x->is_exact);
}

struct looked_up {
    struct ip_addr ip, net;
    uint64_t in;
};

static bool row_holds(const struct map_row *row, const struct looked_up *flow)
{
    return map_cell_has_address(row->cells[KEY_IP], &flow->ip) &&
           map_cell_has_number(row->cells[KEY_IN], flow->in) &&
           map_cell_has_address(row->cells[KEY_NET], &flow->net);
}

/* Walks all candidates of a flow, and compares with a plain scan. */
static void check_walk(const struct indexed *x, const struct row_column *columns, uint32_t index,
                       const struct row_lookup *lookup, const struct looked_up *flow)
{
    uint32_t from = 0, row = 0;
    check_note(lookup, index);
    for (uint32_t i = 0; i <= x->file->row_count; i++) {
        bool is_end = i == x->file->row_count;
        if (!is_end && !row_holds(&x->file->rows[i], flow))
            continue;
        if (!is_end && random_below(8) == 0) /* as after a jump: from a row further down */
            from = i + random_below(3);
        if (from > i)
            continue;
        row = row_search_next(x->search, columns, lookup, index, from);
        for (; row != ROW_NONE && row < i;
             row = row_search_next(x->search, columns, lookup, index, row + 1)) {
            assert_false(row_holds(&x->file->rows[row], flow));
            assert_false(x->is_exact[row]);
        }
        assert_true(is_end ? row == ROW_NONE : row == i);
        from = i + 1;
    }
}

static void look_up_together(const struct indexed *x)
{
    uint32_t count = 1 + random_below(ROW_TOGETHER);
    struct looked_up flows[ROW_TOGETHER];
    struct row_column columns[KEY_COUNT];
    struct row_lookup lookup;
    for (uint32_t i = 0; i < count; i++) {
        flows[i] = (struct looked_up){random_address_or_none(), random_address_or_none(),
                                      random_below(12)};
        if (random_below(10) == 0)
            flows[i].in |= (uint64_t)random_below(3) << 32;
        row_column_put(&columns[KEY_IP], i, row_value_address(&flows[i].ip));
        row_column_put(&columns[KEY_IN], i, row_value_number(flows[i].in));
        row_column_put(&columns[KEY_NET], i, row_value_address(&flows[i].net));
    }
    row_search_start(x->search, columns, count, &lookup);
    row_search_settle(x->search, columns, count, &lookup);
    for (uint32_t i = 0; i < count; i++)
        check_walk(x, columns, i, &lookup, &flows[i]);
}

static void candidates_are_all_rows_that_hold_in_order(void **state)
{
    size_t exact_count = 0;
    (void)state;
    for (uint32_t round = 0; round < 300; round++) {
        struct map_file *file = random_map(round % 60);
        struct indexed x = index_of(file);
        for (int i = 0; i < 20; i++)
            look_up_together(&x);
        for (size_t i = 0; i < file->row_count; i++)
            exact_count += x.is_exact[i];
        index_clear(&x);
        map_file_free(file);
    }
    assert_true(exact_count > 1000);
}

/* Rows of prefixes of all lengths, of which many contain each other, alone and beside another field. */
struct prefix_row {
    struct ip_prefix prefixes[2];
    size_t count;
    bool is_exact;
};

/* Returns an address with few bits that differ from one to the next, all over its length. */
static struct ip_addr spread_address(void)
{
    static const uint8_t bits[] = {0, 3, 7, 9, 15, 18, 21, 22, 24, 27, 29, 30, 31, 33, 40, 62, 63};
    uint8_t bytes[16] = {0};
    bool is_v4 = random_below(3) > 0;
    for (uint32_t left = random_below(4); left > 0; left--) {
        uint8_t bit = bits[random_below(is_v4 ? 13 : 17)];
        bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    }
    return is_v4 ? ip_addr_v4(bytes) : ip_addr_v6(bytes);
}

static void add_prefix_row(struct row_search *search, uint32_t number, struct prefix_row *row)
{
    struct row_choice choices[2];
    row->count = 1 + (random_below(4) == 0);
    for (size_t i = 0; i < row->count; i++) {
        struct ip_addr addr = spread_address();
        uint8_t len = (uint8_t)random_below(addr.family == IP_V4 ? 33 : 129);
        row->prefixes[i] = (struct ip_prefix){ip_addr_mask(&addr, len), len};
        choices[i] = (struct row_choice){
            .field = (uint8_t)i,
            .count = 1,
            .terms = {{row_value_address(&row->prefixes[i].addr), len}},
        };
    }
    row->is_exact = row_search_add(search, number, choices, row->count);
}

static bool prefix_row_holds(const struct prefix_row *row, const struct ip_addr addrs[2])
{
    return ip_prefix_contains(&row->prefixes[0], &addrs[0]) &&
           (row->count == 1 || ip_prefix_contains(&row->prefixes[1], &addrs[1]));
}

static void check_prefix_rows(const struct row_search *search, const struct prefix_row *rows,
                              uint32_t row_count)
{
    struct ip_addr addrs[ROW_TOGETHER][2];
    struct row_column columns[2];
    struct row_lookup lookup;
    for (uint32_t i = 0; i < ROW_TOGETHER; i++)
        for (uint32_t k = 0; k < 2; k++) {
            addrs[i][k] = spread_address();
            row_column_put(&columns[k], i, row_value_address(&addrs[i][k]));
        }
    row_search_start(search, columns, ROW_TOGETHER, &lookup);
    row_search_settle(search, columns, ROW_TOGETHER, &lookup);
    for (uint32_t i = 0; i < ROW_TOGETHER; i++) {
        uint32_t at = row_search_next(search, columns, &lookup, i, 0);
        check_note(&lookup, i);
        for (uint32_t row = 0; row < row_count; row++) {
            bool holds = prefix_row_holds(&rows[row], addrs[i]);
            assert_true(at == row ? holds || !rows[row].is_exact : !holds);
            if (at == row)
                at = row_search_next(search, columns, &lookup, i, row + 1);
        }
        assert_int_equal(at, ROW_NONE);
    }
}

static void prefixes_of_all_lengths_are_found(void **state)
{
    enum { ROWS = 1500 };
    static struct prefix_row rows[ROWS];
    (void)state;
    for (uint32_t count = 1; count <= ROWS; count = 3 * count / 2 + 1) {
        struct row_search *search = row_search_new();
        for (uint32_t i = 0; i < count; i++)
            add_prefix_row(search, i, &rows[i]);
        row_search_finish(search);
        note_rows(search, count);
        for (int i = 0; i < 10; i++)
            check_prefix_rows(search, rows, count);
        row_search_free(search);
    }
}

/* A flow that rows of more shapes hold for than a look-up keeps hashes of. */
static void more_shapes_than_a_lookup_keeps_are_found(void **state)
{
    struct row_search *search = row_search_new();
    struct row_column columns[PAIR_FIELDS];
    struct row_lookup lookup;
    uint32_t row = 0;
    (void)state;
    for (int i = 0; i < PAIR_FIELDS; i++) {
        row_column_put(&columns[i], 0, row_value_number(99));
        row_column_put(&columns[i], 1, row_value_number(i));
        for (int k = 0; k < i; k++) {
            struct row_choice choices[] = {
                {.field = i, .count = 1, .terms = {{row_value_number(i), 0}}},
                {.field = k, .count = 1, .terms = {{row_value_number(k), 0}}}};
            for (int twice = 0; twice < 2; twice++)
                assert_true(row_search_add(search, row++, choices, 2));
        }
    }
    assert_true(row / 2 > ROW_SHAPES_KEPT);
    row_search_finish(search);
    assert_int_equal(row_search_fields(search), (1U << PAIR_FIELDS) - 1);
    row_search_start(search, columns, 2, &lookup);
    row_search_settle(search, columns, 2, &lookup);
    assert_int_equal(row_search_next(search, columns, &lookup, 0, 0), ROW_NONE);
    for (uint32_t i = 0; i <= row; i++)
        assert_int_equal(row_search_next(search, columns, &lookup, 1, i), i < row ? i : ROW_NONE);
    row_search_free(search);
}

/* Numbers of more than 32 bits, as route distinguishers are, are other ones than their lower halves. */
static void wide_numbers_are_not_their_halves(void **state)
{
    static const uint64_t numbers[] = {7, UINT64_C(7) | UINT64_C(1) << 32, UINT64_C(7) << 32};
    enum { COUNT = sizeof numbers / sizeof *numbers };
    struct row_search *search = row_search_new();
    struct row_column column;
    struct row_lookup lookup;
    (void)state;
    for (uint32_t i = 0; i < COUNT; i++) {
        struct row_choice choice = {.count = 1, .terms = {{row_value_number(numbers[i]), 0}}};
        assert_true(row_search_add(search, i, &choice, 1));
        column.low[i] = numbers[i];
    }
    column.low[COUNT] = UINT64_C(7) | UINT64_C(2) << 32;
    row_search_finish(search);
    row_search_start(search, &column, COUNT + 1, &lookup);
    row_search_settle(search, &column, COUNT + 1, &lookup);
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(row_search_next(search, &column, &lookup, i, 0), i);
        assert_int_equal(row_search_next(search, &column, &lookup, i, i + 1), ROW_NONE);
    }
    assert_int_equal(row_search_next(search, &column, &lookup, COUNT, 0), ROW_NONE);
    row_search_free(search);
}

/* Some of so many stand in the bucket behind their own. */
static void each_of_many_rows_is_found_and_nothing_else(void **state)
{
    enum { ROWS = 20000 };
    struct row_search *search = row_search_new();
    struct row_column column;
    struct row_lookup lookup;
    (void)state;
    for (uint32_t i = 0; i < ROWS; i++) {
        struct row_choice choice = {.count = 1, .terms = {{row_value_number(3 * i), 0}}};
        assert_true(row_search_add(search, i, &choice, 1));
    }
    row_search_finish(search);
    for (uint32_t start = 0; start < 3 * ROWS + ROW_TOGETHER; start += ROW_TOGETHER) {
        for (uint32_t i = 0; i < ROW_TOGETHER; i++)
            column.low[i] = start + i;
        row_search_start(search, &column, ROW_TOGETHER, &lookup);
        row_search_settle(search, &column, ROW_TOGETHER, &lookup);
        for (uint32_t i = 0; i < ROW_TOGETHER; i++) {
            uint32_t row = (start + i) / 3;
            bool is_there = row < ROWS && (start + i) % 3 == 0;
            assert_int_equal(row_search_next(search, &column, &lookup, i, 0),
                             is_there ? row : ROW_NONE);
        }
    }
    row_search_free(search);
}

static void check_unkeyed(uint32_t row_count)
{
    struct row_search *search = row_search_new();
    struct row_lookup lookup;
    for (uint32_t i = 0; i < row_count; i++)
        assert_true(row_search_add(search, i, NULL, 0));
    row_search_finish(search);
    assert_int_equal(row_search_unkeyed(search), row_count);
    row_search_start(search, NULL, 1, &lookup);
    row_search_settle(search, NULL, 1, &lookup);
    for (uint32_t i = 0; i <= row_count; i++)
        assert_int_equal(row_search_next(search, NULL, &lookup, 0, i),
                         i < row_count ? i : ROW_NONE);
    row_search_free(search);
}

static void a_row_that_asks_for_nothing_is_a_candidate_for_all(void **state)
{
    (void)state;
    check_unkeyed(2);
    check_unkeyed(0);
}

/* Rows that an index finds by nothing are told from those that it does, and many of them are warned of. */
static void many_rows_without_a_key_are_warned_of(void **state)
{
    static const struct row_choice everywhere = {.field = 0,
                                                 .count = 1,
                                                 .terms = {{.value = {.family = IP_V4}}}},
                                   by_port = {.field = 1, .count = 1};
    struct row_search *search = row_search_new();
    struct text warnings = {0};
    uint32_t row = 0;

    (void)state;
    while (row < ROW_UNKEYED_MAX)
        row_search_add(search, row++, &everywhere, 1);
    for (int i = 0; i < 10; i++)
        row_search_add(search, row++, &by_port, 1);
    assert_int_equal(row_search_unkeyed(search), ROW_UNKEYED_MAX);
    row_search_warn(search, "x.map", &warnings);
    assert_int_equal(warnings.len, 0);
    row_search_add(search, row++, NULL, 0);
    row_search_warn(search, "x.map", &warnings);
    assert_non_null(strstr(text_cstr(&warnings), "x.map: 1001 rows ask for nothing but filters"));
    text_clear(&warnings);
    row_search_finish(search);
    row_search_free(search);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_are_all_rows_that_hold_in_order),
        cmocka_unit_test(prefixes_of_all_lengths_are_found),
        cmocka_unit_test(more_shapes_than_a_lookup_keeps_are_found),
        cmocka_unit_test(each_of_many_rows_is_found_and_nothing_else),
        cmocka_unit_test(wide_numbers_are_not_their_halves),
        cmocka_unit_test(a_row_that_asks_for_nothing_is_a_candidate_for_all),
        cmocka_unit_test(many_rows_without_a_key_are_warned_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
