/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves that fss and fsrc of sql_preprocess keep what they promise: sums over many purges are right
 * within what chance allows, under a fixed seed. The variances are of the papers that row_sample.h
 * names: of a sum X of bytes at most z*X by the threshold z, and at most X*X/(k-1) by k rows.
 */
#include "base/text.h"
#include "plugins/common/row_filter.h"
#include "plugins/common/row_sample.h"
#include "plugins/sql/sql_settings.h"
#include "plugins/text/output_keys.h"
#include "support/fake_host.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROWS   500
#define PURGES 2000

struct world {
    struct fake_host host;
    struct rows rows;
    struct row_filter *filter;
    struct row_counter_columns columns;
    struct row_filter_sums sums; /* of all rows */
};

static const struct pa_column *column_of(const struct world *w, const char *name)
{
    for (uint32_t i = 0; i < w->rows.schema.column_count; i++)
        if (strcmp(w->rows.columns[i].name, name) == 0)
            return &w->rows.columns[i];
    return NULL;
}

/* Row i has a port and an AS path of its own; sizes are from 40 bytes to 200 kB, most of them small. */
static void open_world(struct world *w, const char *preprocess, uint32_t row_count)
{
    char error[512], path[32];

    memset(w, 0, sizeof *w);
    fake_host_init(&w->host, sql_keys, output_keys);
    fake_host_set(&w->host, "sql_preprocess", preprocess);
    rows_init(&w->rows, "src_port, as_path, flows", 0);
    for (uint32_t i = 0; i < row_count; i++) {
        uint8_t *row = rows_add(&w->rows);
        uint64_t packets = 1 + i % 10 * (i % 13 == 0 ? 30 : 1),
                 bytes = packets * (40 + 7 * (i % 90));
        snprintf(path, sizeof path, "65000_%u", i);
        rows_set_uint(&w->rows, row, "src_port", i);
        rows_set_text(&w->rows, row, "as_path", path);
        rows_set_uint(&w->rows, row, "packets", packets);
        rows_set_uint(&w->rows, row, "flows", 1);
        rows_set_uint(&w->rows, row, "bytes", bytes);
        w->sums.rows++;
        w->sums.flows++;
        w->sums.packets += packets;
        w->sums.bytes += bytes;
    }
    assert_int_equal(row_filter_read(&w->host.host, "sql", true, &w->rows.schema, error,
                                     sizeof error, &w->filter),
                     0);
    row_filter_seed(w->filter, 42);
    w->columns = (struct row_counter_columns){column_of(w, "packets"), column_of(w, "flows"),
                                              column_of(w, "bytes")};
}

static void close_world(struct world *w)
{
    row_filter_free(w->filter);
    rows_clear(&w->rows);
}

/* Asserts that a row has the path of its port: its texts are its own. */
static void expect_own_path(const struct world *w, const struct pa_batch *batch, const uint8_t *row)
{
    uint16_t port;
    uint32_t id;
    char path[32];

    memcpy(&port, row + column_of(w, "src_port")->offset, sizeof port);
    memcpy(&id, row + column_of(w, "as_path")->offset, sizeof id);
    snprintf(path, sizeof path, "65000_%u", port);
    assert_in_range(id, 1, batch->dictionary_count - 1);
    assert_int_equal(batch->dictionary[id].len, strlen(path));
    assert_memory_equal(batch->dictionary[id].data, path, strlen(path));
}

static void add_batch(const struct world *w, const struct pa_batch *batch, uint64_t least,
                      struct row_filter_sums *sums)
{
    for (uint32_t i = 0; i < batch->row_count; i++) {
        const uint8_t *row = batch->rows + (size_t)i * w->rows.schema.row_size;
        const struct row_counters c = row_counters_load(&w->columns, row);
        assert_true(c.bytes >= least);
        expect_own_path(w, batch, row);
        sums->rows++;
        sums->flows += c.flows;
        sums->packets += c.packets;
        sums->bytes += c.bytes;
    }
}

/* Samples one purge. Its rows come in batches of 100, whose dictionaries vanish after each. */
static void purge(const struct world *w, uint64_t epoch, uint64_t least,
                  struct row_filter_sums *written, struct row_filter_sums *left_out)
{
    const struct pa_batch all = rows_batch(&w->rows);

    row_filter_begin(w->filter, all.row_count, epoch);
    for (uint32_t i = 0; i < all.row_count; i += 100) {
        struct pa_batch part = all, passed;
        struct pa_bytes *dictionary = calloc(all.dictionary_count, sizeof *dictionary);
        memcpy(dictionary, all.dictionary, all.dictionary_count * sizeof *dictionary);
        part.dictionary = dictionary;
        part.rows += (size_t)i * w->rows.schema.row_size;
        part.row_count = all.row_count - i < 100 ? all.row_count - i : 100;
        passed = row_filter_apply(w->filter, &part, left_out);
        add_batch(w, &passed, least, written);
        free(dictionary);
    }
    const struct pa_batch rest = row_filter_rest(w->filter);
    add_batch(w, &rest, least, written);
}

/* Samples many purges and asserts that the mean of what is written is within 4 deviations of the
 * truth, for bytes by `byte_variance` of a purge. */
static void expect_unbiased(const struct world *w, uint64_t least, double byte_variance)
{
    struct row_filter_sums written = {0}, left_out = {0};

    for (uint64_t epoch = 1; epoch <= PURGES; epoch++)
        purge(w, epoch, least, &written, &left_out);
    assert_true(fabs((double)written.bytes / PURGES - (double)w->sums.bytes) <=
                4 * sqrt(byte_variance / PURGES));
    /* Packets and flows of a row grow as its bytes do; a row here has at most 1 packet in 40 bytes. */
    assert_true(fabs((double)written.packets / PURGES - (double)w->sums.packets) <=
                4 * sqrt(byte_variance / PURGES) / 40 + 4 * sqrt(ROWS / 4.0 / PURGES));
    assert_true(fabs((double)written.flows / PURGES - (double)w->sums.flows) <=
                4 * sqrt(byte_variance / PURGES) / 40 + 4 * sqrt(ROWS / 4.0 / PURGES));
    assert_int_equal(written.rows + left_out.rows, w->sums.rows * PURGES);
    assert_true(written.rows < left_out.rows);
}

static void a_threshold_keeps_sums_right_on_the_average(void **state)
{
    struct world w;

    (void)state;
    open_world(&w, "fss=10000", ROWS);
    expect_unbiased(&w, 10000, 10000.0 * (double)w.sums.bytes);
    close_world(&w);
}

static void a_fixed_number_keeps_sums_right_on_the_average(void **state)
{
    struct row_filter_sums written = {0}, left_out = {0};
    struct world w;

    (void)state;
    open_world(&w, "fsrc=50", ROWS);
    expect_unbiased(&w, 1, (double)w.sums.bytes * (double)w.sums.bytes / (50 - 1));
    purge(&w, 1, 1, &written, &left_out);
    assert_int_equal(written.rows, 50);
    close_world(&w);
}

static void both_together_keep_sums_right_on_the_average(void **state)
{
    struct world w;

    (void)state;
    open_world(&w, "fss=2000, fsrc=40", ROWS);
    expect_unbiased(&w, 2000,
                    2000.0 * (double)w.sums.bytes +
                        1.5 * (double)w.sums.bytes * (double)w.sums.bytes / (40 - 1));
    close_world(&w);
}

/* Rows at or above the threshold, or as few as are asked for, stay as they are. */
static void what_need_not_be_sampled_is_not(void **state)
{
    static const char *const settings[] = {"fss=40", "fsrc=30", "qnum=31, fsrc=1, fss=1000000"};

    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct row_filter_sums written = {0}, left_out = {0};
        struct world w;
        open_world(&w, settings[i], 30);
        purge(&w, 1, 1, &written, &left_out);
        assert_int_equal(written.rows, 30);
        assert_int_equal(written.packets, w.sums.packets);
        assert_int_equal(written.bytes, w.sums.bytes);
        assert_int_equal(left_out.rows, 0);
        close_world(&w);
    }
}

static void what_is_left_out_is_counted_as_it_came(void **state)
{
    static const char *const settings[] = {"fss=20000", "fsrc=7"};

    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        struct row_filter_sums written = {0}, left_out = {0}, again = {0}, left_again = {0};
        struct world w;
        open_world(&w, settings[i], ROWS);
        purge(&w, 1, 1, &written, &left_out);
        assert_int_equal(written.rows + left_out.rows, ROWS);
        assert_true(left_out.bytes < w.sums.bytes);
        assert_int_equal(left_out.flows, left_out.rows); /* not renormalised */
        /* The same purge is sampled alike, another one is not. */
        purge(&w, 1, 1, &again, &left_again);
        assert_memory_equal(&written, &again, sizeof written);
        assert_memory_equal(&left_out, &left_again, sizeof left_out);
        left_again = again = (struct row_filter_sums){0};
        purge(&w, 2, 1, &again, &left_again);
        assert_int_not_equal(left_out.bytes, left_again.bytes);
        close_world(&w);
    }
}

/* Checks come first, actions last: half of the rows are worth a look, and all counts are doubled. */
static void checks_come_before_sampling_and_actions_after(void **state)
{
    struct row_filter_sums written = {0}, left_out = {0};
    struct world w;

    (void)state;
    open_world(&w, "minb=10000, usrf=2, fsrc=3", ROWS);
    purge(&w, 1, 20000, &written, &left_out);
    assert_int_equal(written.rows, 3);
    assert_int_equal(left_out.rows, ROWS - 3);
    close_world(&w);
}

static void rows_without_bytes_are_kept_where_there_is_room(void **state)
{
    struct row_filter_sums written = {0}, left_out = {0};
    struct world w;

    (void)state;
    open_world(&w, "fsrc=5", 20);
    for (uint32_t i = 0; i < 18; i++) {
        uint8_t *row = w.rows.data + (size_t)i * w.rows.schema.row_size;
        rows_set_uint(&w.rows, row, "bytes", 0);
    }
    purge(&w, 1, 0, &written, &left_out);
    assert_int_equal(written.rows, 5);
    assert_int_equal(left_out.bytes, 0);
    close_world(&w);
}

static void numbers_of_rows_and_bytes_are_asked_for(void **state)
{
    static const char *const wrong[] = {"fss=0", "fsrc=0", "fsrc=-1", "fss=1k", "recover=x"};
    struct fake_host host;
    struct rows rows;
    struct row_filter *filter;
    char error[512];

    (void)state;
    rows_init(&rows, "src_port", 0);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        fake_host_init(&host, sql_keys, output_keys);
        fake_host_set(&host, "sql_preprocess", wrong[i]);
        assert_int_equal(
            row_filter_read(&host.host, "sql", true, &rows.schema, error, sizeof error, &filter),
            -EINVAL);
        assert_non_null(strstr(error, "not a number of at least"));
    }
    rows_clear(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_threshold_keeps_sums_right_on_the_average),
        cmocka_unit_test(a_fixed_number_keeps_sums_right_on_the_average),
        cmocka_unit_test(both_together_keep_sums_right_on_the_average),
        cmocka_unit_test(what_need_not_be_sampled_is_not),
        cmocka_unit_test(what_is_left_out_is_counted_as_it_came),
        cmocka_unit_test(checks_come_before_sampling_and_actions_after),
        cmocka_unit_test(rows_without_bytes_are_kept_where_there_is_room),
        cmocka_unit_test(numbers_of_rows_and_bytes_are_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
