/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which rows match a request. The reference compares every value of every alternative. */
#include "base/address.h"
#include "plugins/memory/match.h"
#include "support/rows.h"
#include "support/step_count.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { COLUMNS = 3 };

static uint16_t column(const struct rows *rows, const char *name)
{
    for (uint32_t i = 0; i < rows->schema.column_count; i++)
        if (!strcmp(rows->schema.columns[i].name, name))
            return (uint16_t)i;
    return UINT16_MAX;
}

static struct pa_bytes bytes_of(const void *arg, uint32_t id)
{
    const struct pa_batch *batch = arg;

    return batch->dictionary[id];
}

struct found {
    bool is_in[64];
};

static void note(void *arg, size_t alternative)
{
    ((struct found *)arg)->is_in[alternative] = true;
}

static void alternatives_match_as_comparing_them_one_by_one(void **state)
{
    static const char *const paths[] = {"", "1", "1_2", "1_2_3"};
    struct rows rows;
    struct match *match;
    struct pa_batch batch;
    int wanted[64][COLUMNS]; /* -1: any */
    uint16_t columns[COLUMNS];

    (void)state;
    rows_init(&rows, "dst_as, proto, as_path", 0);
    columns[0] = column(&rows, "as_path");
    columns[1] = column(&rows, "dst_as");
    columns[2] = column(&rows, "proto");
    assert_int_equal(match_new(&rows.schema, columns, COLUMNS, &match), 0);
    srand(7);
    for (int n = 0; n < 64; n++) {
        struct pa_bytes values[COLUMNS] = {{0}};
        uint32_t as;
        uint8_t proto;
        for (int i = 0; i < COLUMNS; i++)
            wanted[n][i] = rand() % 5 - 1;
        as = (uint32_t)wanted[n][1];
        proto = (uint8_t)wanted[n][2];
        if (wanted[n][0] >= 0)
            values[0] = (struct pa_bytes){(const uint8_t *)paths[wanted[n][0]],
                                          (uint32_t)strlen(paths[wanted[n][0]])};
        if (wanted[n][1] >= 0)
            values[1] = (struct pa_bytes){(const uint8_t *)&as, sizeof as};
        if (wanted[n][2] >= 0)
            values[2] = (struct pa_bytes){&proto, sizeof proto};
        assert_int_equal(match_add(match, values), 0);
    }
    for (int n = 0; n < 64; n++) {
        uint8_t *row = rows_add(&rows);
        rows_set_text(&rows, row, "as_path", paths[n / 16]);
        rows_set_uint(&rows, row, "dst_as", (uint64_t)(n / 4 % 4));
        rows_set_uint(&rows, row, "proto", (uint64_t)(n % 4));
    }
    batch = rows_batch(&rows);
    for (int n = 0; n < 64; n++) {
        const uint8_t *row = batch.rows + (size_t)n * rows.schema.row_size;
        int have[COLUMNS] = {n / 16, n / 4 % 4, n % 4};
        struct found found = {{false}};
        bool any = false;
        match_each(match, row, bytes_of, &batch, note, &found);
        for (int k = 0; k < 64; k++) {
            bool expected = true;
            for (int i = 0; i < COLUMNS; i++)
                expected = expected && (wanted[k][i] < 0 || wanted[k][i] == have[i]);
            assert_int_equal(found.is_in[k], expected);
            any = any || expected;
        }
        assert_int_equal(match_row(match, row, bytes_of, &batch), any);
    }
    match_free(match);
    rows_clear(&rows);
}

/* The length of a prefix is one byte more than an address; bits beyond it do not count. */
static void prefixes_match_what_lies_in_them(void **state)
{
    static const struct {
        const char *prefix;
        uint8_t len;
        const char *addresses[3]; /* that lie in it; NULL: no more */
    } cases[] = {{"192.0.2.0", 24, {"192.0.2.1", "192.0.2.255"}},
                 {"192.0.2.7", 30, {"192.0.2.5"}}, /* a client may send any bits */
                 {"0.0.0.0", 0, {"192.0.2.1", "10.0.0.1"}},
                 {"2001:db8::", 32, {"2001:db8::1"}},
                 {"::", 0, {"2001:db8::1", "2001:db9::1"}},
                 {"10.0.0.1", 32, {"10.0.0.1"}}};
    static const char *const all[] = {"192.0.2.1",   "192.0.2.255", "192.0.2.5", "10.0.0.1",
                                      "2001:db8::1", "2001:db9::1", "::"};
    struct rows rows;
    struct match *match;
    struct pa_batch batch;
    uint16_t column_number;

    (void)state;
    rows_init(&rows, "src_host", 0);
    column_number = column(&rows, "src_host");
    assert_int_equal(match_new(&rows.schema, &column_number, 1, &match), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[sizeof(struct ip_addr) + 1];
        struct ip_addr addr;
        assert_int_equal(ip_addr_parse(cases[i].prefix, &addr), 0);
        memcpy(bytes, &addr, sizeof addr);
        bytes[sizeof addr] = cases[i].len;
        assert_int_equal(match_add(match, &(struct pa_bytes){bytes, sizeof bytes}), 0);
        bytes[sizeof addr] = addr.family == IP_V4 ? 33 : 129;
        assert_int_equal(match_add(match, &(struct pa_bytes){bytes, sizeof bytes}), -EINVAL);
    }
    for (size_t n = 0; n < sizeof all / sizeof all[0]; n++) {
        struct ip_addr addr;
        assert_int_equal(ip_addr_parse(all[n], &addr), 0);
        memcpy(rows_add(&rows) + rows.schema.columns[column_number].offset, &addr, sizeof addr);
    }
    batch = rows_batch(&rows);
    for (size_t n = 0; n < sizeof all / sizeof all[0]; n++) {
        struct found found = {{false}};
        match_each(match, batch.rows + n * rows.schema.row_size, bytes_of, &batch, note, &found);
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            bool is_in = strcmp(cases[i].prefix, "::") == 0 && strcmp(all[n], "::") == 0;
            for (size_t a = 0; a < 3 && cases[i].addresses[a]; a++)
                is_in |= strcmp(cases[i].addresses[a], all[n]) == 0;
            is_in |= cases[i].len == 0 && strchr(cases[i].prefix, '.') && strchr(all[n], '.');
            assert_int_equal(found.is_in[i], is_in || (i == 0 && n == 2));
        }
    }
    match_free(match);
    rows_clear(&rows);
}

static void what_makes_no_sense_is_refused(void **state)
{
    struct rows rows;
    struct match *match;
    uint16_t twice[] = {0, 0}, beyond[] = {200};
    uint8_t long_value[9] = {0};
    struct pa_bytes value = {long_value, sizeof long_value};

    (void)state;
    rows_init(&rows, "dst_as", 0);
    assert_int_equal(match_new(&rows.schema, twice, 2, &match), -EINVAL);
    assert_int_equal(match_new(&rows.schema, beyond, 1, &match), -EINVAL);
    assert_int_equal(match_new(&rows.schema, twice, 0, &match), -EINVAL);
    assert_int_equal(match_new(&rows.schema, twice, 1, &match), 0);
    assert_int_equal(match_add(match, &value), -EINVAL);
    value.len = rows.schema.columns[0].width;
    for (int i = 0; i < MATCH_ALTERNATIVES_MAX; i++)
        assert_int_equal(match_add(match, &value), 0);
    assert_int_equal(match_add(match, &value), -ENOSPC);
    match_free(match);
    rows_clear(&rows);
}

static void count(void *arg, size_t alternative)
{
    (void)alternative;
    ++*(int *)arg;
}

/* Alternatives are 0, 1, 0, 1 and so on: each is found as often as it stands there, and none is
 * lost behind another. */
static void equal_alternatives_all_match(void **state)
{
    struct rows rows;
    struct match *match;
    uint16_t column = 0;
    struct pa_batch batch;

    (void)state;
    rows_init(&rows, "dst_as", 0);
    assert_int_equal(match_new(&rows.schema, &column, 1, &match), 0);
    for (uint32_t i = 0; i < MATCH_ALTERNATIVES_MAX; i++) {
        uint32_t number = i % 2;
        struct pa_bytes value = {(const uint8_t *)&number, sizeof number};
        assert_int_equal(match_add(match, &value), 0);
    }
    for (uint32_t i = 0; i < 3; i++)
        rows_set_uint(&rows, rows_add(&rows), "dst_as", i);
    batch = rows_batch(&rows);
    for (int i = 0; i < 3; i++) {
        int found = 0;
        match_each(match, batch.rows + (size_t)i * rows.schema.row_size, bytes_of, &batch, count,
                   &found);
        assert_int_equal(found, i < 2 ? MATCH_ALTERNATIVES_MAX / 2 : 0);
    }
    match_free(match);
    rows_clear(&rows);
}

static void add_seven(void *arg)
{
    uint32_t seven = 7;
    struct pa_bytes value = {(const uint8_t *)&seven, sizeof seven};

    assert_int_equal(match_add(arg, &value), 0);
}

/* A client chooses how many alternatives there are, and the server reads other requests only after
 * this one. */
static void one_more_equal_alternative_costs_the_same(void **state)
{
    struct rows rows;
    struct match *match;
    uint16_t column = 0;
    int64_t few, many;

    (void)state;
    rows_init(&rows, "dst_as", 0);
    assert_int_equal(match_new(&rows.schema, &column, 1, &match), 0);
    add_seven(match);
    few = step_count(add_seven, match);
    while (match_count(match) < MATCH_ALTERNATIVES_MAX - 100)
        add_seven(match);
    many = step_count(add_seven, match);
    match_free(match);
    rows_clear(&rows);
    if (few < 0)
        skip();
    assert_true(many < 4 * few);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alternatives_match_as_comparing_them_one_by_one),
        cmocka_unit_test(prefixes_match_what_lies_in_them),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(equal_alternatives_all_match),
        cmocka_unit_test(one_more_equal_alternative_costs_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
