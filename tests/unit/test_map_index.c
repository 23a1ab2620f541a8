/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the index of a map finds the rows that hold. The reference asks every row of random
 * maps one by one; the list of exporters that may send is tested likewise. */
#include "base/text.h"
#include "maps/allow_list.h"
#include "maps/map_file.h"
#include "maps/map_index.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct map_key keys[] = {
    {.name = "ip", .type = MAP_PREFIX, .is_match = true},
    {.name = "in", .type = MAP_NUMBER, .is_match = true, .max = UINT32_MAX},
    {.name = "out", .type = MAP_NUMBER, .is_match = true, .max = UINT32_MAX},
    {.name = NULL},
};
static const struct map_index_keys index_keys = {0, 1, 2};

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
    uint8_t v4[4] = {(uint8_t)(10 + random_below(2)), (uint8_t)(random_below(4) * 64), 0,
                     (uint8_t)random_below(4)};
    uint8_t v6[16] = {0x20, 0x01, (uint8_t)(random_below(4) * 64)};
    v6[8] = (uint8_t)(random_below(2) * 255);
    v6[15] = (uint8_t)random_below(3);
    if (random_below(20) == 0)
        memset(v6, random_below(2) ? 0xff : 0, sizeof v6);
    return random_below(2) ? ip_addr_v4(v4) : ip_addr_v6(v6);
}

static void append_random_prefix(struct text *t)
{
    static const unsigned lengths[] = {0, 7, 8, 9, 10, 24, 31, 32, 63, 64, 65, 127, 128};
    struct ip_addr addr = random_address();
    struct ip_prefix prefix = {.len =
                                   (uint8_t)lengths[random_below(addr.family == IP_V4 ? 8 : 13)]};
    char out[IP_PREFIX_TEXT_LEN];
    prefix.addr = ip_addr_mask(&addr, prefix.len);
    ip_prefix_format(&prefix, out);
    text_append_string(t, out);
}

static void append_random_number(struct text *t)
{
    uint32_t low = random_below(10);
    if (random_below(10) == 0)
        low = UINT32_MAX - random_below(2);
    text_append_uint(t, low);
    if (low < 10 && random_below(3) == 0)
        text_append_printf(t, "-%u", low + random_below(5));
}

static void append_random_cell(struct text *t, const char *name, void (*append)(struct text *t))
{
    if (random_below(3) == 0)
        return;
    text_append_printf(t, " %s=", name);
    for (uint32_t i = 0, count = 1 + random_below(3); i < count; i++) {
        text_append_string(t, i ? "," : "");
        text_append_string(t, random_below(4) ? "" : "-");
        append(t);
    }
}

static struct map_file *random_map(uint32_t row_count)
{
    struct text t = {0}, errors = {0};
    struct map_file *file;
    for (uint32_t i = 0; i < row_count; i++) {
        append_random_cell(&t, "ip", append_random_prefix);
        append_random_cell(&t, "in", append_random_number);
        append_random_cell(&t, "out", append_random_number);
        text_append_char(&t, '\n');
    }
    if (map_file_parse("m", text_cstr(&t), t.len, keys, NULL, &errors, &file) < 0)
        fail_msg("%s", text_cstr(&errors));
    text_clear(&t);
    text_clear(&errors);
    return file;
}

static uint32_t random_iface(void)
{
    return random_below(10) ? random_below(15) : UINT32_MAX - random_below(3);
}

static void look_up_once(const struct map_file *file, const struct map_index *index)
{
    struct ip_addr addr = random_address();
    uint32_t in = random_iface(), out = random_iface();
    size_t count, all_count, expected = 0, expected_all = 0;
    const struct map_node *node = map_index_exporter(index, &addr);
    const uint32_t *rows = map_node_rows(node, in, out, &count);
    const uint32_t *all = map_node_all_rows(node, &all_count);
    for (size_t i = 0; i < file->row_count; i++) {
        struct map_cell *const *cells = file->rows[i].cells;
        if (!map_cell_has_address(cells[0], &addr))
            continue;
        assert_true(expected_all < all_count && all[expected_all] == i);
        expected_all++;
        if (!map_cell_has_number(cells[1], in) || !map_cell_has_number(cells[2], out))
            continue;
        assert_true(expected < count && rows[expected] == i);
        expected++;
    }
    assert_int_equal(count, expected);
    assert_int_equal(all_count, expected_all);
    if (!map_node_uses_iface(node))
        assert_int_equal(count, all_count);
}

static void the_index_finds_the_rows_that_hold_in_order(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 200; round++) {
        struct map_file *file = random_map(round % 20);
        struct map_index *index;
        assert_int_equal(map_index_new(file, &index_keys, &index), 0);
        for (int i = 0; i < 200; i++)
            look_up_once(file, index);
        map_index_free(index);
        map_file_free(file);
    }
}

static void rows_that_overlap_without_end_are_refused_not_stored(void **state)
{
    struct text t = {0}, errors = {0};
    struct map_file *file;
    struct map_index *index;
    (void)state;
    for (int i = 0; i < 1000; i++) /* each row holds for all but one: a billion parts */
        text_append_printf(&t, "ip=-10.0.%d.%d in=-%d out=-%d\n", i / 256, i % 256, i, i);
    assert_int_equal(map_file_parse("m", text_cstr(&t), t.len, keys, NULL, &errors, &file), 0);
    assert_int_equal(map_index_new(file, &index_keys, &index), -E2BIG);
    map_file_free(file);
    text_clear(&t);
    text_clear(&errors);
}

static void an_allow_list_holds_what_one_of_its_prefixes_holds(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 200; round++) {
        struct text t = {0}, errors = {0};
        struct allow_list *list;
        struct ip_prefix prefixes[20];
        uint32_t count = round % 20;
        text_append_string(&t, "! who may send\n");
        for (uint32_t i = 0; i < count; i++) {
            size_t start = t.len;
            append_random_prefix(&t);
            assert_int_equal(ip_prefix_parse(text_cstr(&t) + start, &prefixes[i]), 0);
            text_append_string(&t, " \r\n");
        }
        assert_int_equal(allow_list_parse("a", text_cstr(&t), t.len, &errors, &list), 0);
        for (int k = 0; k < 100; k++) {
            struct ip_addr addr = random_address();
            bool expected = false;
            for (uint32_t i = 0; i < count; i++)
                expected = expected || ip_prefix_contains(&prefixes[i], &addr);
            assert_int_equal(allow_list_contains(list, &addr), expected);
        }
        allow_list_free(list);
        text_clear(&t);
        text_clear(&errors);
    }
}

static void an_allow_list_with_errors_names_all_lines(void **state)
{
    static const char text[] = "192.0.2.1\n192.0.2.1/33\n\n10.0.0.0/8 192.0.2.2\nrouter.example\n";
    struct allow_list *list;
    struct text errors = {0};
    (void)state;
    assert_int_equal(allow_list_parse("a", text, strlen(text), &errors, &list), -EINVAL);
    assert_null(strstr(text_cstr(&errors), "a:1:"));
    assert_non_null(strstr(text_cstr(&errors), "a:2: 192.0.2.1/33: expected one"));
    assert_non_null(strstr(text_cstr(&errors), "a:4: "));
    assert_non_null(
        strstr(text_cstr(&errors), "a:5: router.example: expected one address or prefix"));
    text_clear(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_index_finds_the_rows_that_hold_in_order),
        cmocka_unit_test(rows_that_overlap_without_end_are_refused_not_stored),
        cmocka_unit_test(an_allow_list_holds_what_one_of_its_prefixes_holds),
        cmocka_unit_test(an_allow_list_with_errors_names_all_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
