/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the index of maps leaves out no row that holds, and gives candidates in the order of
 * the file. The reference asks every row of random maps one by one. */
#include "base/text.h"
#include "maps/map_file.h"
#include "maps/row_search.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { KEY_IP, KEY_IN, KEY_NET, KEY_COUNT, EXTRA_FIELDS = 20 };
static const struct map_key keys[] = {
    {.name = "ip", .type = MAP_PREFIX, .is_match = true},
    {.name = "in", .type = MAP_NUMBER, .is_match = true, .max = UINT32_MAX},
    {.name = "net", .type = MAP_PREFIX, .is_match = true},
    {.name = NULL},
};

/* xorshift; the seed is fixed so that a failure comes again. */
static uint64_t random_state = 0x9e3779b97f4a7c15;
static uint32_t random_below(uint32_t bound)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 32) % bound);
}

/* Returns addresses that differ in few bits, so that prefixes overlap and addresses hit them. */
static struct ip_addr random_address(void)
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
    struct ip_addr addr = random_address();
    char out[IP_PREFIX_TEXT_LEN];
    while (addr.family == IP_NONE)
        addr = random_address();
    struct ip_prefix prefix = {.len = lengths[random_below(addr.family == IP_V4 ? 6 : 11)]};
    prefix.addr = ip_addr_mask(&addr, prefix.len);
    ip_prefix_format(&prefix, out);
    text_append_string(t, out);
}

static void append_number(struct text *t)
{
    uint32_t low = random_below(9);
    text_append_printf(t, "%u", low);
    if (random_below(4) == 0)
        text_append_printf(t, "-%u", low + random_below(random_below(4) ? 5 : 100));
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

static struct row_search *search_of(const struct map_file *file)
{
    struct row_search *search = row_search_new();
    for (size_t i = 0; i < file->row_count; i++) {
        struct row_choice choices[KEY_COUNT];
        size_t count = 0;
        for (size_t key = 0; key < KEY_COUNT; key++)
            count += row_choice_of_cell(&choices[count], (uint8_t)key, keys[key].type,
                                        file->rows[i].cells[key]);
        row_search_add(search, (uint32_t)i, choices, count);
    }
    row_search_finish(search);
    return search;
}

static bool row_holds(const struct map_row *row, const struct ip_addr *ip, uint32_t in,
                      const struct ip_addr *net)
{
    return map_cell_has_address(row->cells[KEY_IP], ip) &&
           map_cell_has_number(row->cells[KEY_IN], in) &&
           map_cell_has_address(row->cells[KEY_NET], net);
}

static void look_up_once(const struct map_file *file, const struct row_search *search)
{
    struct ip_addr ip = random_address(), net = random_address();
    uint32_t in = random_below(12);
    struct row_value values[KEY_COUNT] = {row_value_address(&ip), row_value_number(in),
                                          row_value_address(&net)};
    struct row_cursor cursor;
    uint32_t from = 0;
    row_search_begin(search, values, &cursor);
    for (uint32_t i = 0; i < file->row_count; i++) {
        if (!row_holds(&file->rows[i], &ip, in, &net))
            continue;
        if (random_below(8) == 0) /* as after a jump: from a row further down */
            from = i + random_below(3);
        if (from > i)
            continue;
        uint32_t row = row_search_next(search, values, &cursor, from);
        for (; row < i; row = row_search_next(search, values, &cursor, row + 1))
            assert_false(row_holds(&file->rows[row], &ip, in, &net));
        assert_int_equal(row, i);
        from = i + 1;
    }
}

static void candidates_are_all_rows_that_hold_in_order(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 300; round++) {
        struct map_file *file = random_map(round % 60);
        struct row_search *search = search_of(file);
        for (int i = 0; i < 200; i++)
            look_up_once(file, search);
        row_search_free(search);
        map_file_free(file);
    }
}

/* A flow that rows of more shapes hold for than a cursor has room for. */
static void more_hits_than_a_cursor_holds_are_found(void **state)
{
    struct row_search *search = row_search_new();
    struct row_value values[EXTRA_FIELDS];
    struct row_cursor cursor;
    uint32_t row = 0;
    (void)state;
    for (uint32_t i = 0; i < EXTRA_FIELDS; i++) {
        struct row_choice choice = {
            .field = (uint8_t)i, .count = 1, .terms = {{row_value_number(i), 0}}};
        values[i] = row_value_number(i);
        row_search_add(search, 2 * i, &choice, 1);
        row_search_add(search, 2 * i + 1, &choice, 1);
    }
    row_search_finish(search);
    assert_int_equal(row_search_fields(search), (1U << EXTRA_FIELDS) - 1);
    row_search_begin(search, values, &cursor);
    for (uint32_t i = 0; i < 2 * EXTRA_FIELDS; i++) {
        row = row_search_next(search, values, &cursor, row);
        assert_int_equal(row, i);
        row++;
    }
    assert_int_equal(row_search_next(search, values, &cursor, row), ROW_NONE);
    row_search_free(search);
}

static void a_row_that_asks_for_nothing_is_a_candidate_for_all(void **state)
{
    struct row_search *search = row_search_new();
    const struct row_value *values = NULL;
    struct row_cursor cursor;
    (void)state;
    row_search_add(search, 0, NULL, 0);
    row_search_add(search, 1, NULL, 0);
    row_search_finish(search);
    assert_int_equal(row_search_unkeyed(search), 2);
    row_search_begin(search, NULL, &cursor);
    assert_int_equal(row_search_next(search, values, &cursor, 0), 0);
    assert_int_equal(row_search_next(search, values, &cursor, 1), 1);
    assert_int_equal(row_search_next(search, values, &cursor, 2), ROW_NONE);
    row_search_free(search);
    search = row_search_new();
    row_search_finish(search);
    row_search_begin(search, NULL, &cursor);
    assert_int_equal(row_search_next(search, values, &cursor, 0), ROW_NONE);
    row_search_free(search);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(candidates_are_all_rows_that_hold_in_order),
        cmocka_unit_test(more_hits_than_a_cursor_holds_are_found),
        cmocka_unit_test(a_row_that_asks_for_nothing_is_a_candidate_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
