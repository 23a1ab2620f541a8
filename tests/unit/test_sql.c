/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what SQL backends share: columns by table version, quoted names, which rows sql_preprocess
 * lets pass, and the environment of a trigger. Expected columns and rules are pmacct's. */
#include "plugins/common/row_filter.h"
#include "plugins/sql/sql_columns.h"
#include "plugins/sql/sql_purge.h"
#include "plugins/sql/sql_settings.h"
#include "plugins/sql/sql_statement.h"
#include "plugins/text/output_keys.h"
#include "support/fake_host.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const struct sql_dialect dialect = {
    .name = "test",
    .default_db = "db",
    .type_names = {"U16", "U32", "U64", "PROTO", "TEXT", "ADDRESS", "NUMBER", "MAC", "TIME"},
    .least = "least",
    .greatest = "greatest",
    .folds_case = true,
    .has_old_port_names = true,
};

struct world {
    struct fake_host host;
    struct rows rows;
    struct sql_settings settings;
    struct sql_columns columns;
    char error[512];
};

/* Opens columns for a table. `settings` are key, value, key, value... NULL. Returns the error of
 * settings or columns. */
static int open_world(struct world *w, const char *aggregate, uint32_t bin_seconds,
                      const char *const *settings)
{
    int err;

    memset(w, 0, sizeof *w);
    fake_host_init(&w->host, sql_keys, output_keys);
    rows_init(&w->rows, aggregate, bin_seconds);
    for (; settings && *settings; settings += 2)
        fake_host_set(&w->host, settings[0], settings[1]);
    err = sql_settings_read(&w->host.host, &w->rows.schema, &dialect, w->error, sizeof w->error,
                            &w->settings);
    if (err < 0)
        return err;
    err = sql_columns_init(&w->columns, &w->settings, &w->rows.schema, w->error, sizeof w->error);
    if (err < 0)
        sql_settings_clear(&w->settings);
    return err;
}

static void close_world(struct world *w)
{
    sql_columns_clear(&w->columns);
    sql_settings_clear(&w->settings);
    rows_clear(&w->rows);
}

static void expect_columns(const char *aggregate, const char *version, bool is_optimized,
                           const char *expected)
{
    const char *const settings[] = {"sql_table_version", version, "sql_optimize_clauses",
                                    is_optimized ? "true" : "false", NULL};
    struct text names = {0};
    struct world w;

    assert_int_equal(open_world(&w, aggregate, 0, settings), 0);
    for (uint32_t i = 0; i < w.columns.count; i++)
        text_append_printf(&names, "%s%s", i ? " " : "", w.columns.items[i].name);
    assert_string_equal(text_cstr(&names), expected);
    text_clear(&names);
    close_world(&w);
}

/* pmacct's sql/pmacct-create-table_*.sqlite3 have these lists. */
static void columns_are_those_of_the_tables_version(void **state)
{
    (void)state;
    expect_columns("tag, src_port, src_as", "9", true, "tag as_src port_src packets bytes");
    expect_columns("tag, src_port, src_as", "8", true, "agent_id as_src port_src packets bytes");
    expect_columns("tag, src_port, src_as", "7", true, "agent_id as_src src_port packets bytes");
    expect_columns("tag, src_port, src_as", "5", true, "agent_id ip_src src_port packets bytes");
    expect_columns("src_host", "1", false,
                   "ip_src packets bytes mac_src mac_dst ip_dst src_port dst_port ip_proto");
    expect_columns("flows", "4", false,
                   "flows packets bytes mac_src mac_dst ip_src ip_dst src_port dst_port ip_proto "
                   "agent_id vlan tos");
    expect_columns("peer_dst_as", "1", false,
                   "peer_as_dst packets bytes agent_id as_src as_dst peer_as_src peer_ip_src "
                   "peer_ip_dst comms as_path local_pref med");
    /* A primitive of BGP makes it a table for paths, where AS numbers have columns of their own. */
    expect_columns("src_as, as_path", "1", true, "as_src as_path packets bytes");
}

static void two_primitives_in_one_column_are_refused(void **state)
{
    static const char *const settings[] = {"sql_table_version", "5", NULL};
    struct world w;

    (void)state;
    assert_int_equal(open_world(&w, "src_host, src_as", 0, settings), -EINVAL);
    assert_non_null(strstr(w.error, "column ip_src of version 5"));
    rows_clear(&w.rows);
}

static void combinations_that_make_no_sense_are_refused(void **state)
{
    static const char *const wrong[][6] = {
        {"sql_table", "acct_$dst_port", NULL, NULL, NULL, "$dst_port is neither"},
        {"sql_table", "acct_%q", NULL, NULL, NULL, "sql_table: '%q'"},
        {"sql_table_schema", "/nowhere/schema", NULL, NULL, NULL, "cannot read /nowhere/schema"},
        {"sql_table_schema", "/etc/passwd", "sql_table_create", "true", NULL, "leave one"},
        {"sql_preprocess", "minf=3", NULL, NULL, NULL, "needs the primitive flows"},
        {"sql_preprocess", "minx=3", NULL, NULL, NULL, "minx is not offered"},
        {"sql_preprocess", "minb", NULL, NULL, NULL, "minb=10000"},
        {"sql_preprocess", "minb=x", NULL, NULL, NULL, "not a number"},
        {"sql_preprocess", "usrf=0", NULL, NULL, NULL, "at least 1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct world w;
        assert_int_equal(open_world(&w, "src_host", 0, wrong[i]), -EINVAL);
        if (!strstr(w.error, wrong[i][5]))
            fail_msg("%s: %s", wrong[i][5], w.error);
        rows_clear(&w.rows);
    }
}

static void names_are_quoted_and_folded(void **state)
{
    struct text out = {0};

    (void)state;
    sql_append_table(&out, &dialect, "Flows.Acct\"; DROP TABLE x");
    assert_string_equal(text_cstr(&out), "\"flows\".\"acct\"\"; drop table x\"");
    text_reset(&out);
    sql_append_key_name(&out, &dialect, "Flows.Acct");
    assert_string_equal(text_cstr(&out), "\"flows\".\"acct_key\"");
    text_clear(&out);
}

static void rows_are_added_by_the_rule_of_each_column(void **state)
{
    static const char *const settings[] = {"sql_optimize_clauses", "true", NULL};
    struct text out = {0};
    struct world w;

    (void)state;
    assert_int_equal(open_world(&w, "src_host, tcpflags, flows", 60, settings), 0);
    sql_append_update(&out, &w.columns, &dialect, "t.", "s.");
    assert_string_equal(text_cstr(&out),
                        "\"bytes\" = COALESCE(t.\"bytes\", 0) + s.\"bytes\", "
                        "\"packets\" = COALESCE(t.\"packets\", 0) + s.\"packets\", "
                        "\"flows\" = COALESCE(t.\"flows\", 0) + s.\"flows\", "
                        "\"tcp_flags\" = COALESCE(t.\"tcp_flags\", 0) | s.\"tcp_flags\", "
                        "\"stamp_updated\" = s.\"stamp_updated\"");
    text_reset(&out);
    sql_append_update(&out, &w.columns, &dialect, "", "VALUES(");
    assert_non_null(
        strstr(text_cstr(&out), "\"flows\" = COALESCE(\"flows\", 0) + VALUES(\"flows\"),"));
    text_reset(&out);
    sql_append_key_match(&out, &w.columns, "t.", "s.");
    assert_string_equal(text_cstr(&out), "t.\"stamp_inserted\" = s.\"stamp_inserted\" AND "
                                         "t.\"ip_src\" = s.\"ip_src\"");
    text_clear(&out);
    close_world(&w);
}

static void each_word_of_a_choice_means_what_it_says(void **state)
{
    static const struct {
        const char *key, *word;
        enum sql_locking locking;
        bool is_bgp_table;
    } cases[] = {
        {"sql_locking_style", "table", SQL_LOCK_TABLE, false},
        {"sql_locking_style", "row", SQL_LOCK_ROW, false},
        {"sql_locking_style", "none", SQL_LOCK_NONE, false},
        {"sql_table_type", "original", SQL_LOCK_TABLE, false},
        {"sql_table_type", "bgp", SQL_LOCK_TABLE, true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const settings[] = {cases[i].key, cases[i].word, "sql_table_create", "true",
                                        NULL};
        struct world w;
        assert_int_equal(open_world(&w, "src_host", 0, settings), 0);
        assert_int_equal(w.settings.locking, cases[i].locking);
        assert_int_equal(w.settings.is_bgp_table, cases[i].is_bgp_table);
        assert_string_equal(w.settings.table, "acct");
        close_world(&w);
    }
}

struct sample {
    uint64_t packets, flows, bytes;
};

/* Asserts which of a few rows pass, as letters with their bytes. */
static void expect_passing(const char *preprocess, const char *type, const char *expected)
{
    static const struct sample samples[] = {{1, 1, 40}, {10, 2, 15000}, {100, 1, 4000}};
    const char *const settings[] = {
        "sql_preprocess", preprocess, "sql_preprocess_type", type, "sql_optimize_clauses",
        "true",           NULL};
    struct row_filter_sums left_out = {0};
    struct text found = {0};
    struct pa_batch batch;
    struct world w;

    assert_int_equal(open_world(&w, "src_port, flows", 0, settings), 0);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *row = rows_add(&w.rows);
        rows_set_uint(&w.rows, row, "src_port", 'a' + i);
        rows_set_uint(&w.rows, row, "packets", samples[i].packets);
        rows_set_uint(&w.rows, row, "flows", samples[i].flows);
        rows_set_uint(&w.rows, row, "bytes", samples[i].bytes);
    }
    batch = rows_batch(&w.rows);
    row_filter_begin(w.settings.filter, batch.row_count, 1);
    batch = row_filter_apply(w.settings.filter, &batch, &left_out);
    for (uint32_t i = 0; i < batch.row_count; i++) {
        const uint8_t *row = batch.rows + (size_t)i * w.rows.schema.row_size;
        uint16_t port = 0;
        uint64_t bytes = 0;
        for (uint32_t k = 0; k < w.rows.schema.column_count; k++) {
            const struct pa_column *c = &w.rows.columns[k];
            if (strcmp(c->name, "src_port") == 0)
                memcpy(&port, row + c->offset, sizeof port);
            if (strcmp(c->name, "bytes") == 0)
                memcpy(&bytes, row + c->offset, sizeof bytes);
        }
        text_append_printf(&found, "%c%llu ", port, (unsigned long long)bytes);
    }
    assert_string_equal(text_cstr(&found), expected);
    assert_int_equal(left_out.rows, 3 - batch.row_count);
    text_clear(&found);
    close_world(&w);
}

/* By pmacct's CONFIG-KEYS min* is "at least" and max* "less than"; any is the default. */
static void preprocess_lets_the_rows_pass_that_pmacct_would(void **state)
{
    (void)state;
    expect_passing("minb=4000", "any", "b15000 c4000 ");
    expect_passing("maxb=4000", "any", "a40 ");
    expect_passing("minp=100", "any", "c4000 ");
    expect_passing("maxp=10", "any", "a40 ");
    expect_passing("minf=2", "any", "b15000 ");
    expect_passing("maxf=2", "any", "a40 c4000 ");
    expect_passing("minbpp=1500", "any", "b15000 ");
    expect_passing("minbpp=1501", "any", "");
    expect_passing("maxbpp=41", "any", "a40 c4000 ");
    expect_passing("minppf=6", "any", "c4000 ");
    expect_passing("maxppf=5", "any", "a40 ");
    expect_passing("minb=10000, minp=50", "any", "b15000 c4000 ");
    expect_passing("minb=4000,minp=50", "all", "c4000 ");
    expect_passing("qnum=3,minb=4000", "any", "b15000 c4000 ");
    expect_passing("qnum=4,minb=4000", "any", "a40 b15000 c4000 ");
    expect_passing("usrf=10", "any", "a400 b150000 c40000 ");
    expect_passing("adjb=18", "any", "a58 b15180 c5800 ");
    expect_passing("adjb=-41", "any", "a0 b14590 c0 "); /* never below nothing */
    expect_passing("minb=4000, adjb=-1", "any", "b14990 c3900 ");
}

static void the_trigger_gets_pmaccts_variables(void **state)
{
    char folder[] = "/tmp/test_sql.XXXXXX", program[64], out[64], text[1024] = "";
    const char *const settings[] = {"sql_trigger_exec", program,  "sql_table",
                                    "acct_%Y",          "sql_db", "flows.db",
                                    "log_purges",       "true",   "sql_recovery_backup_host",
                                    "standby",          NULL};
    struct pa_source source;
    struct pa_transaction t;
    struct sql_purge purge;
    struct world w;
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(program, sizeof program, "%s/trigger", folder);
    snprintf(out, sizeof out, "%s/out", folder);
    file = fopen(program, "w");
    fprintf(file,
            "#!/bin/sh\necho \"$SQL_DB $SQL_TABLE $EFFECTIVE_SQL_TABLE $SQL_REFRESH_TIME"
            " $TOTAL_ELEM_NUMBER $EFFECTIVE_ELEM_NUMBER $INSERT_QUERIES_NUMBER"
            " $UPDATE_QUERIES_NUMBER $SQL_RECOVERY_BACKUP_HOST\" > %s\n",
            out);
    fclose(file);
    assert_int_equal(chmod(program, 0700), 0);
    assert_int_equal(open_world(&w, "src_host", 0, settings), 0);
    sql_purge_init(&purge, &w.host.host, &w.settings, &w.rows.schema);
    t = fake_host_transaction(&w.host, &source, 1, 1, 1000);
    t.row_count = 5;
    sql_purge_begin(&purge, &t);
    purge.inserted = 3;
    purge.updated = 1;
    sql_purge_end(&purge, &t, "acct_1970");
    sql_purge_clear(&purge);
    file = fopen(out, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof text, file));
    fclose(file);
    assert_string_equal(text, "flows.db acct_%Y acct_1970 60 5 4 3 1 standby\n");
    assert_non_null(strstr(w.host.log, "QN: 4/5"));
    unlink(out);
    unlink(program);
    rmdir(folder);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_those_of_the_tables_version),
        cmocka_unit_test(two_primitives_in_one_column_are_refused),
        cmocka_unit_test(combinations_that_make_no_sense_are_refused),
        cmocka_unit_test(each_word_of_a_choice_means_what_it_says),
        cmocka_unit_test(names_are_quoted_and_folded),
        cmocka_unit_test(rows_are_added_by_the_rule_of_each_column),
        cmocka_unit_test(preprocess_lets_the_rows_pass_that_pmacct_would),
        cmocka_unit_test(the_trigger_gets_pmaccts_variables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
