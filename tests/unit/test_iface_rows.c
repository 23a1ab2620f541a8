/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that rows by exporter and interfaces are found, and what bgp_agent_map tells of an exporter. The
 * reference asks every row of random maps one by one. */
#include "base/text.h"
#include "maps/agent_map.h"
#include "maps/iface_rows.h"
#include "maps/map_file.h"
#include "support/random_values.h"
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
static const struct iface_keys row_keys = {0, 1, 2};

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

static void look_up_together(const struct map_file *file, const struct iface_rows *rows)
{
    uint32_t flow_count = 1 + random_below(ROW_TOGETHER);
    struct ip_addr exporters[ROW_TOGETHER];
    uint32_t in[ROW_TOGETHER], out[ROW_TOGETHER];
    struct iface_lookup lookup;
    for (uint32_t i = 0; i < flow_count; i++) {
        exporters[i] = random_address();
        in[i] = random_iface();
        out[i] = random_iface();
        iface_lookup_put(&lookup, i, &exporters[i], in[i], out[i]);
    }
    iface_rows_find(rows, &lookup, flow_count);
    for (uint32_t i = 0; i < flow_count; i++) {
        uint32_t at = iface_rows_next(rows, &lookup, i, 0);
        for (size_t row = 0; row < file->row_count; row++) {
            struct map_cell *const *cells = file->rows[row].cells;
            if (!map_cell_has_address(cells[0], &exporters[i]) ||
                !map_cell_has_number(cells[1], in[i]) || !map_cell_has_number(cells[2], out[i]))
                continue;
            assert_int_equal(at, row);
            at = iface_rows_next(rows, &lookup, i, at + 1);
        }
        assert_int_equal(at, ROW_NONE);
    }
}

static void the_rows_that_hold_are_found_in_order(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 300; round++) {
        struct map_file *file = random_map(round % 40);
        struct iface_rows rows;
        iface_rows_init(&rows, file, &row_keys);
        for (int i = 0; i < 20; i++)
            look_up_together(file, &rows);
        iface_rows_clear(&rows);
        map_file_free(file);
    }
}

/* An index that cuts each key where rows begin and end has a billion parts for these. */
static void rows_that_overlap_without_end_are_found(void **state)
{
    struct text t = {0}, errors = {0};
    struct map_file *file;
    struct iface_rows rows;
    struct iface_lookup lookup;
    struct ip_addr exporter = ip_addr_v4((uint8_t[]){10, 0, 0, 0});
    (void)state;
    for (int i = 0; i < 1000; i++)
        text_append_printf(&t, "ip=-10.0.%d.%d in=-%d out=-%d\n", i / 256, i % 256, i, i);
    assert_int_equal(map_file_parse("m", text_cstr(&t), t.len, keys, NULL, &errors, &file), 0);
    iface_rows_init(&rows, file, &row_keys);
    iface_lookup_put(&lookup, 0, &exporter, 1, 2);
    iface_rows_find(&rows, &lookup, 1);
    assert_int_equal(iface_rows_next(&rows, &lookup, 0, 0), 3);
    assert_int_equal(iface_rows_next(&rows, &lookup, 0, 4), 4);
    iface_rows_clear(&rows);
    map_file_free(file);
    text_clear(&t);
    text_clear(&errors);
}

/* Compares what a map tells of an exporter with what its rows say one by one. */
static void what_peers_depend_on_is_what_an_exporters_rows_ask_for(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 200; round++) {
        struct text t = {0}, errors = {0};
        struct agent_map *map;
        struct ip_prefix prefixes[20];
        unsigned uses[20];
        uint32_t count = round % 20;
        for (uint32_t i = 0; i < count; i++) {
            static const char *const rests[] = {
                "", " in=1", " out=-2", " filter='ip'", " filter='tcp'", " filter='ip6' in=2"};
            static const unsigned rest_uses[] = {0,
                                                 AGENT_BY_IFACE,
                                                 AGENT_BY_IFACE,
                                                 AGENT_BY_FAMILY,
                                                 AGENT_BY_FILTER,
                                                 AGENT_BY_FAMILY | AGENT_BY_IFACE};
            uint32_t rest = random_below(6);
            size_t start;
            text_append_printf(&t, "bgp_ip=192.0.2.%u%s ip=", i + 1, rests[rest]);
            start = t.len;
            append_random_prefix(&t);
            assert_int_equal(ip_prefix_parse(text_cstr(&t) + start, &prefixes[i]), 0);
            uses[i] = AGENT_HAS_ROWS | rest_uses[rest];
            text_append_char(&t, '\n');
        }
        assert_int_equal(agent_map_parse("m", text_cstr(&t), t.len, &errors, &map), 0);
        for (int k = 0; k < 50; k++) {
            struct ip_addr addr = random_address();
            unsigned expected = 0;
            for (uint32_t i = 0; i < count; i++)
                expected |= ip_prefix_contains(&prefixes[i], &addr) ? uses[i] : 0;
            assert_int_equal(agent_map_uses(map, &addr), expected);
        }
        agent_map_free(map);
        text_clear(&t);
        text_clear(&errors);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rows_that_hold_are_found_in_order),
        cmocka_unit_test(rows_that_overlap_without_end_are_found),
        cmocka_unit_test(what_peers_depend_on_is_what_an_exporters_rows_ask_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
