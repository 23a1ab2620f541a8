/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that rows arrive in SQLite files exactly once, in tables that are made or found, and add
 * up there. SQLite itself reads them back. */
#include "base/memory.h"
#include "plugins/sql/sql_settings.h"
#include "plugins/sqlite3/sqlite_plugin.h"
#include "plugins/text/output_keys.h"
#include "support/fake_host.h"
#include "support/folder.h"
#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BIN_S INT64_C(1795301340) /* 2026-11-21 22:49:00 UTC */

struct world {
    struct test_folder folder;
    char path[96], result[4096];
    struct fake_host host;
    struct rows rows;
    void *plugin;
    uint64_t seq;
};

static struct world *world_new(const char *aggregate, uint32_t bin_seconds)
{
    struct world *w = calloc(1, sizeof *w);

    test_folder_make(&w->folder);
    snprintf(w->path, sizeof w->path, "%s/flows.db", w->folder.path);
    fake_host_init(&w->host, sql_keys, output_keys);
    rows_init(&w->rows, aggregate, bin_seconds);
    fake_host_set(&w->host, "sql_db", w->path);
    return w;
}

static void set(struct world *w, const char *key, const char *value)
{
    fake_host_set(&w->host, key, value);
}

static void start(struct world *w)
{
    assert_int_equal(sqlite_plugin_open(&w->host.host, &w->rows.schema, &w->plugin), 0);
}

static void stop(struct world *w)
{
    sqlite_plugin_close(w->plugin);
    w->plugin = NULL;
}

static void world_free(struct world *w)
{
    stop(w);
    rows_clear(&w->rows);
    test_folder_remove(&w->folder);
    free(w);
}

/*
 * Opens the backend again with another aggregate, as after a restart with a changed configuration.
 */
static void restart_with(struct world *w, const char *aggregate, uint32_t bin_seconds)
{
    stop(w);
    rows_clear(&w->rows);
    rows_init(&w->rows, aggregate, bin_seconds);
    start(w);
}

/* Asks SQLite; returns the answer's rows joined by "\n" and its columns by "|". */
static const char *query(struct world *w, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    size_t len = 0;

    assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    w->result[0] = 0;
    while (sqlite3_step(stmt) == SQLITE_ROW)
        for (int i = 0; i < sqlite3_column_count(stmt); i++)
            len += (size_t)snprintf(w->result + len, sizeof w->result - len, "%s%s",
                                    i     ? "|"
                                    : len ? "\n"
                                          : "",
                                    (const char *)sqlite3_column_text(stmt, i));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return w->result;
}

static void run(struct world *w, const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static uint8_t *add(struct world *w, const char *src, uint64_t packets, uint64_t bytes)
{
    uint8_t *row = rows_add(&w->rows);

    rows_set_addr(&w->rows, row, "src_host", src);
    rows_set_uint(&w->rows, row, "packets", packets);
    rows_set_uint(&w->rows, row, "bytes", bytes);
    if (w->rows.schema.bin_offset >= 0)
        rows_set_bin(&w->rows, row, BIN_S);
    return row;
}

/* Runs a transaction of hand-overs first..last; returns the result of the first call that fails. */
static int transact(struct world *w, uint64_t first, uint64_t last)
{
    struct pa_source source;
    struct pa_transaction t = fake_host_transaction(&w->host, &source, first, last, BIN_S + 61);
    struct pa_batch batch = rows_batch(&w->rows);
    int err;

    t.row_count = batch.row_count;
    err = sqlite_plugin_begin(w->plugin, &t);
    if (err == 0)
        err = sqlite_plugin_write(w->plugin, &batch);
    if (err == 0)
        err = sqlite_plugin_commit(w->plugin, &t);
    if (err < 0)
        sqlite_plugin_abort(w->plugin);
    return err;
}

/* Writes all rows so far as the next hand-over; then there are none. */
static void write_rows(struct world *w)
{
    w->seq++;
    assert_int_equal(transact(w, w->seq, w->seq), 0);
    rows_reset(&w->rows);
}

static bool has_logged(const struct world *w, const char *part)
{
    return strstr(w->host.log, part) != NULL;
}

/* ---- */

static void a_made_table_has_the_columns_and_the_key_of_aggregate(void **state)
{
    struct world *w = world_new("src_host, dst_port, proto, tag, flows", 60);

    (void)state;
    set(w, "sql_table_create", "true");
    start(w);
    rows_set_uint(&w->rows, add(w, "10.0.0.1", 3, 300), "proto", 6);
    write_rows(w);
    assert_string_equal(query(w, "SELECT name FROM pragma_table_info('acct')"),
                        "stamp_updated\nstamp_inserted\ntag\nip_src\nport_dst\nip_proto\nflows\n"
                        "packets\nbytes");
    assert_string_equal(query(w, "SELECT name FROM pragma_index_info('acct_key')"),
                        "stamp_inserted\ntag\nip_src\nport_dst\nip_proto");
    assert_string_equal(query(w, "SELECT * FROM acct"),
                        "2026-11-21 22:50:01|2026-11-21 22:49:00|0|10.0.0.1|0|tcp|0|3|300");
    world_free(w);
}

static void rows_of_equal_key_add_up_whoever_made_the_table(void **state)
{
    static const char *const tables[] = {
        NULL,
        "CREATE TABLE acct (ip_src TEXT, packets INT, bytes INT, PRIMARY KEY (ip_src))",
        "CREATE TABLE acct (bytes INT, packets INT, ip_src CHAR(45))", /* no key at all */
        /* The key's other column is the same for all rows. */
        "CREATE TABLE acct (ip_src TEXT, packets INT, bytes INT, vlan INT NOT NULL DEFAULT 0,"
        " PRIMARY KEY (vlan, ip_src))",
        /* NULLs are all different, so this key keeps no rows apart that are alike. */
        "CREATE TABLE acct (ip_src TEXT, packets INT, bytes INT, vlan INT, PRIMARY KEY (vlan, "
        "ip_src))",
        "CREATE TABLE acct (ip_src TEXT, packets INT, bytes INT);"
        "CREATE UNIQUE INDEX some_key ON acct (ip_src) WHERE packets > 10",
        "CREATE TABLE acct (ip_src TEXT, packets INT, bytes INT);"
        "CREATE UNIQUE INDEX some_key ON acct (lower(ip_src), ip_src)",
    };

    (void)state;
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        struct world *w = world_new("src_host", 0);
        set(w, tables[i] ? "sql_optimize_clauses" : "sql_table_create", "true");
        if (tables[i])
            run(w, tables[i]);
        start(w);
        for (uint64_t n = 1; n <= 3; n++) {
            add(w, "10.0.0.1", n, 100 * n);
            add(w, "2001:db8::1", 10 * n, 1);
            write_rows(w);
        }
        assert_string_equal(query(w, "SELECT ip_src, packets, bytes FROM acct ORDER BY 1"),
                            "10.0.0.1|6|600\n2001:db8::1|60|3");
        assert_int_equal(w->host.rejected_count, 0);
        world_free(w);
    }
}

static void flags_times_and_unknown_times_combine_by_their_rules(void **state)
{
    struct world *w = world_new("src_host, tcpflags, timestamp_min, timestamp_max", 0);
    static const int64_t times[][2] = {{0, 0},
                                       {5250000000, 5250000000},
                                       {5000007000, 6000000000},
                                       {7000000000, 5999999000},
                                       {0, 0}};

    (void)state;
    set(w, "sql_table_create", "true");
    start(w);
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        uint8_t *row = add(w, "10.0.0.1", 1, 1);
        rows_set_uint(&w->rows, row, "tcpflags", 1u << i);
        rows_set_uint(&w->rows, row, "timestamp_min", (uint64_t)times[i][0]);
        rows_set_uint(&w->rows, row, "timestamp_max", (uint64_t)times[i][1]);
        write_rows(w);
    }
    assert_string_equal(query(w, "SELECT tcp_flags, timestamp_min, timestamp_min_residual,"
                                 " timestamp_max, timestamp_max_residual, packets FROM acct"),
                        "31|1970-01-01 00:00:05|7|1970-01-01 00:00:06|0|5");
    world_free(w);
}

static void a_table_grows_with_aggregate_and_its_key_too(void **state)
{
    struct world *w = world_new("src_host", 0);

    (void)state;
    set(w, "sql_table_create", "true");
    start(w);
    add(w, "10.0.0.1", 1, 100);
    write_rows(w);
    restart_with(w, "src_host, dst_port, flows", 0);
    rows_set_uint(&w->rows, add(w, "10.0.0.1", 2, 200), "dst_port", 53);
    add(w, "10.0.0.1", 4, 400);
    write_rows(w);
    assert_string_equal(query(w, "SELECT ip_src, port_dst, packets FROM acct ORDER BY 2"),
                        "10.0.0.1|0|5\n10.0.0.1|53|2");
    assert_true(has_logged(w, "table acct got column port_dst"));
    /* The aggregate has fewer columns than the table, and the others get their default. */
    restart_with(w, "src_host", 0);
    add(w, "10.0.0.1", 8, 800);
    write_rows(w);
    assert_string_equal(query(w, "SELECT ip_src, port_dst, packets FROM acct ORDER BY 2"),
                        "10.0.0.1|0|13\n10.0.0.1|53|2");
    world_free(w);
}

static void what_the_database_holds_is_not_written_again(void **state)
{
    struct world *w = world_new("src_host", 0);
    struct pa_batch batch;
    struct pa_source source;
    struct pa_transaction t;

    (void)state;
    set(w, "sql_table_create", "true");
    start(w);
    add(w, "10.0.0.1", 1, 100);
    assert_int_equal(transact(w, 1, 3), 0);
    restart_with(w, "src_host", 0); /* died before the acknowledgement */
    add(w, "10.0.0.1", 1, 100);
    assert_int_equal(transact(w, 1, 3), PA_DONE_ALREADY);
    assert_int_equal(transact(w, 2, 2), PA_DONE_ALREADY);
    assert_int_equal(transact(w, 4, 4), 0);
    /* The host dies between write and commit. */
    t = fake_host_transaction(&w->host, &source, 5, 5, BIN_S);
    batch = rows_batch(&w->rows);
    t.row_count = 1;
    assert_int_equal(sqlite_plugin_begin(w->plugin, &t), 0);
    assert_int_equal(sqlite_plugin_write(w->plugin, &batch), 0);
    restart_with(w, "src_host", 0);
    add(w, "10.0.0.1", 1, 100);
    assert_int_equal(transact(w, 5, 5), 0);
    assert_string_equal(query(w, "SELECT packets FROM acct"), "3");
    assert_string_equal(query(w, "SELECT instance, worker, seq FROM pathacct_progress"),
                        "|0|1\ntest|0|5");
    w->host.core_id[0] = 2; /* another start of the core counts from 1 */
    assert_int_equal(transact(w, 1, 1), 0);
    assert_string_equal(query(w, "SELECT packets FROM acct"), "4");
    world_free(w);
}

static void the_progress_table_has_a_version_and_a_later_one_is_left_alone(void **state)
{
    struct world *w = world_new("src_host", 0);

    (void)state;
    set(w, "sql_table_create", "true");
    start(w);
    add(w, "10.0.0.1", 1, 100);
    assert_int_equal(transact(w, 1, 3), 0);
    run(w, "DELETE FROM pathacct_progress WHERE core_id = 'version'"); /* as before there was one */
    restart_with(w, "src_host", 0);
    add(w, "10.0.0.1", 1, 100);
    assert_int_equal(transact(w, 1, 3), PA_DONE_ALREADY);
    assert_int_equal(transact(w, 4, 4), 0);
    assert_string_equal(query(w, "SELECT core_id, seq FROM pathacct_progress WHERE seq = 1"),
                        "version|1");
    run(w, "UPDATE pathacct_progress SET seq = 2 WHERE core_id = 'version'");
    restart_with(w, "src_host", 0);
    add(w, "10.0.0.1", 1, 100);
    assert_int_equal(transact(w, 5, 5), -EAGAIN);
    assert_non_null(strstr(w->host.log, "is of version 2, and this program knows version 1: start "
                                        "the later version again"));
    assert_string_equal(query(w, "SELECT packets FROM acct"), "2");
    run(w, "UPDATE pathacct_progress SET seq = 1 WHERE core_id = 'version'");
    assert_int_equal(transact(w, 5, 5), 0);
    assert_string_equal(query(w, "SELECT packets FROM acct"), "3");
    world_free(w);
}

static void several_writers_into_one_table_add_up(void **state)
{
    struct world *w = world_new("src_host", 0);
    void *other, *mine;

    (void)state;
    set(w, "sql_table_create", "true");
    start(w);
    mine = w->plugin;
    w->host.core_id[0] = 9;
    assert_int_equal(sqlite_plugin_open(&w->host.host, &w->rows.schema, &other), 0);
    for (int i = 0; i < 10; i++) {
        w->host.core_id[0] = (uint8_t)(i % 2);
        w->plugin = i % 2 ? other : mine;
        add(w, "10.0.0.1", 1, 1);
        write_rows(w);
    }
    w->plugin = mine;
    sqlite_plugin_close(other);
    assert_string_equal(query(w, "SELECT packets FROM acct"), "10");
    world_free(w);
}

static void a_row_that_the_table_refuses_is_left_out_and_counted(void **state)
{
    struct world *w = world_new("src_host", 0);

    (void)state;
    set(w, "sql_optimize_clauses", "true");
    run(w, "CREATE TABLE acct (ip_src TEXT PRIMARY KEY, packets INT CHECK (packets <> 13), bytes "
           "INT)");
    start(w);
    add(w, "10.0.0.1", 1, 1);
    add(w, "10.0.0.2", 13, 2);
    add(w, "10.0.0.3", 3, 3);
    write_rows(w);
    add(w, "10.0.0.1", 12, 1); /* refused as a sum */
    write_rows(w);
    assert_string_equal(query(w, "SELECT ip_src, packets FROM acct ORDER BY 1"),
                        "10.0.0.1|1\n10.0.0.3|3");
    assert_int_equal(w->host.rejected_count, 2);
    assert_int_equal(fake_host_counter(&w->host, "fault_row_refused"), 2);
    world_free(w);
}

static void a_narrower_key_is_named_before_it_refuses_rows(void **state)
{
    struct world *w = world_new("src_host, dst_port", 0);

    (void)state;
    set(w, "sql_optimize_clauses", "true");
    set(w, "sql_table_version", "9");
    run(w, "CREATE TABLE acct (ip_src TEXT PRIMARY KEY, port_dst INT, packets INT, bytes INT)");
    start(w);
    add(w, "10.0.0.1", 1, 1);
    rows_set_uint(&w->rows, add(w, "10.0.0.1", 2, 2), "dst_port", 53);
    write_rows(w);
    assert_true(has_logged(w, "its unique key (\"ip_src\") lacks port_dst"));
    assert_int_equal(w->host.rejected_count, 1);
    assert_string_equal(query(w, "SELECT packets FROM acct"), "1");
    world_free(w);
}

static void what_the_network_sends_never_becomes_sql(void **state)
{
    struct world *w = world_new("src_host, label, in_iface_name", 0);
    uint8_t *row;

    (void)state;
    set(w, "sql_table_create", "true");
    set(w, "sql_table", "acct_$label");
    start(w);
    row = add(w, "10.0.0.1", 1, 1);
    rows_set_text(&w->rows, row, "label", "x\"; DROP TABLE \"acct");
    rows_set_bytes(&w->rows, row, "in_iface_name", "a'\xff\0b\xc3\xa9\xed\xa0\x80", 10);
    write_rows(w);
    assert_string_equal(
        query(w, "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'acct%'"),
        "acct_x=22=3B=20DROP=20TABLE=20=22acct");
    assert_string_equal(
        query(w, "SELECT label, iface_name_in FROM \"acct_x=22=3B=20DROP=20TABLE=20=22acct\""),
        "x\"; DROP TABLE \"acct|a'\xef\xbf\xbd\xef\xbf\xbd"
        "b\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    world_free(w);
}

static void tables_go_by_bin_and_by_primitive_and_a_schema_file_makes_them(void **state)
{
    struct world *w = world_new("src_host, peer_src_ip", 60);
    char path[128];
    FILE *file;

    (void)state;
    snprintf(path, sizeof path, "%s/schema.sql", w->folder.path);
    file = fopen(path, "w");
    fputs("-- 100% of $nothing\nCREATE TABLE acct_%Y%m%d_%H%M_$peer_src_ip (peer_ip_src TEXT, "
          "ip_src TEXT,"
          " stamp_inserted TEXT, stamp_updated TEXT, packets INT, bytes INT);\n"
          "CREATE INDEX by_time_%H%M_$peer_src_ip ON acct_%Y%m%d_%H%M_$peer_src_ip "
          "(stamp_inserted);\n",
          file);
    fclose(file);
    set(w, "sql_table", "acct_%Y%m%d_%H%M_$peer_src_ip");
    set(w, "sql_table_schema", path);
    set(w, "sql_optimize_clauses", "true");
    start(w);
    rows_set_addr(&w->rows, add(w, "10.0.0.1", 1, 1), "peer_src_ip", "192.0.2.1");
    rows_set_addr(&w->rows, add(w, "10.0.0.1", 2, 2), "peer_src_ip", "192.0.2.2");
    rows_set_bin(&w->rows, add(w, "10.0.0.1", 4, 4), BIN_S + 60);
    write_rows(w);
    assert_string_equal(query(w, "SELECT type, name FROM sqlite_master WHERE name LIKE 'acct%' OR "
                                 "name LIKE 'by%' ORDER BY 2"),
                        "table|acct_20261121_2249_192_0_2_1\ntable|acct_20261121_2249_192_0_2_2\n"
                        "table|acct_20261121_2250__\nindex|by_time_2249_192_0_2_1\n"
                        "index|by_time_2249_192_0_2_2\nindex|by_time_2250__");
    assert_string_equal(query(w, "SELECT peer_ip_src, packets FROM acct_20261121_2249_192_0_2_2"),
                        "192.0.2.2|2");
    world_free(w);
}

static void without_update_rows_are_inserted_or_added_where_a_key_says_so(void **state)
{
    (void)state;
    for (int has_key = 0; has_key < 2; has_key++) {
        struct world *w = world_new("src_host", 0);
        set(w, "sql_optimize_clauses", "true");
        set(w, "sql_dont_try_update", "true");
        run(w, has_key ? "CREATE TABLE acct (ip_src TEXT UNIQUE, packets INT, bytes INT)"
                       : "CREATE TABLE acct (ip_src TEXT, packets INT, bytes INT)");
        start(w);
        for (uint64_t n = 1; n <= 2; n++) {
            add(w, "10.0.0.1", n, n);
            write_rows(w);
        }
        assert_string_equal(query(w, "SELECT packets FROM acct ORDER BY 1"),
                            has_key ? "3" : "1\n2");
        world_free(w);
    }
}

static void equal_flows_of_an_unaggregated_instance_are_two_rows(void **state)
{
    struct world *w = world_new("src_host", 0);

    (void)state;
    set(w, "sql_table_create", "true");
    w->rows.schema.is_unaggregated = 1;
    start(w);
    add(w, "10.0.0.1", 1, 1);
    add(w, "10.0.0.1", 1, 1);
    write_rows(w);
    assert_string_equal(query(w, "SELECT count(*), sum(packets) FROM acct"), "2|2");
    world_free(w);
}

static void addresses_as_numbers_are_numbers_or_sixteen_bytes(void **state)
{
    struct world *w = world_new("src_host", 0);

    (void)state;
    set(w, "sql_table_create", "true");
    set(w, "sql_num_hosts", "true");
    start(w);
    add(w, "10.0.0.1", 1, 1);
    add(w, "2001:db8::1", 2, 2);
    write_rows(w);
    assert_string_equal(query(w, "SELECT ip_src FROM acct WHERE typeof(ip_src) = 'integer'"),
                        "167772161");
    assert_string_equal(query(w, "SELECT hex(ip_src) FROM acct WHERE typeof(ip_src) = 'blob'"),
                        "20010DB8000000000000000000000001");
    world_free(w);
}

static void a_database_that_is_replaced_while_it_is_open_gets_the_next_rows(void **state)
{
    struct world *w = world_new("src_host", 0);

    (void)state;
    set(w, "sql_table_create", "true");
    start(w);
    add(w, "10.0.0.1", 1, 1);
    write_rows(w);
    assert_int_equal(unlink(w->path), 0);
    add(w, "10.0.0.1", 2, 2);
    write_rows(w);
    assert_string_equal(query(w, "SELECT packets FROM acct"), "2");
    world_free(w);
}

static void a_database_in_memory_is_refused(void **state)
{
    struct world *w = world_new("src_host", 0);
    char error[512];

    (void)state;
    set(w, "sql_db", ":memory:");
    assert_int_equal(sqlite_plugin_check(&w->host.host, &w->rows.schema, error, sizeof error),
                     -EINVAL);
    assert_non_null(strstr(error, "gone with the plugin"));
    world_free(w);
}

/* pmacct starts with them, too. */
static void keys_for_other_databases_have_no_effect_and_are_told(void **state)
{
    struct world *w = world_new("src_host", 0);
    char error[512];

    (void)state;
    set(w, "sql_use_copy", "true");
    set(w, "sql_dont_try_update", "true");
    assert_int_equal(sqlite_plugin_check(&w->host.host, &w->rows.schema, error, sizeof error), 0);
    assert_non_null(strstr(w->host.log, "sql_use_copy: no effect here"));
    world_free(w);
}

static void what_sql_preprocess_leaves_out_is_counted(void **state)
{
    struct world *w = world_new("src_host, flows", 0);

    (void)state;
    set(w, "sql_table_create", "true");
    set(w, "sql_preprocess", "minb=1000, adjb=18");
    start(w);
    rows_set_uint(&w->rows, add(w, "10.0.0.1", 2, 999), "flows", 7);
    add(w, "10.0.0.2", 2, 1000);
    write_rows(w);
    assert_string_equal(query(w, "SELECT ip_src, packets, bytes FROM acct"), "10.0.0.2|2|1036");
    assert_int_equal(fake_host_counter(&w->host, "preprocess_left_out_rows"), 1);
    assert_int_equal(fake_host_counter(&w->host, "preprocess_left_out_flows"), 7);
    assert_int_equal(fake_host_counter(&w->host, "preprocess_left_out_packets"), 2);
    assert_int_equal(fake_host_counter(&w->host, "preprocess_left_out_bytes"), 999);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_made_table_has_the_columns_and_the_key_of_aggregate),
        cmocka_unit_test(rows_of_equal_key_add_up_whoever_made_the_table),
        cmocka_unit_test(flags_times_and_unknown_times_combine_by_their_rules),
        cmocka_unit_test(a_table_grows_with_aggregate_and_its_key_too),
        cmocka_unit_test(what_the_database_holds_is_not_written_again),
        cmocka_unit_test(the_progress_table_has_a_version_and_a_later_one_is_left_alone),
        cmocka_unit_test(several_writers_into_one_table_add_up),
        cmocka_unit_test(a_row_that_the_table_refuses_is_left_out_and_counted),
        cmocka_unit_test(a_narrower_key_is_named_before_it_refuses_rows),
        cmocka_unit_test(what_the_network_sends_never_becomes_sql),
        cmocka_unit_test(tables_go_by_bin_and_by_primitive_and_a_schema_file_makes_them),
        cmocka_unit_test(without_update_rows_are_inserted_or_added_where_a_key_says_so),
        cmocka_unit_test(equal_flows_of_an_unaggregated_instance_are_two_rows),
        cmocka_unit_test(addresses_as_numbers_are_numbers_or_sixteen_bytes),
        cmocka_unit_test(a_database_that_is_replaced_while_it_is_open_gets_the_next_rows),
        cmocka_unit_test(a_database_in_memory_is_refused),
        cmocka_unit_test(keys_for_other_databases_have_no_effect_and_are_told),
        cmocka_unit_test(what_sql_preprocess_leaves_out_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
