/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The plugin mysql, as sql_server.h has it of a server: its sessions, its bounds, and the trial of
 * what writing needs. Rows become statements of many rows, which are sent while the next are made;
 * my_rows.c does that. See my_plugin.h.
 */
#include "plugins/mysql/my_plugin.h"

#include "base/memory.h"
#include "plugins/mysql/my_definition.h"
#include "plugins/mysql/my_state.h"
#include "plugins/sql/sql_statement.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STATEMENT_MAX    ((size_t)1 << 20) /* bytes, where sql_multi_values is not set */
#define PACKET_MARGIN    1024              /* left free of max_allowed_packet */
#define PROGRESS_OPTIONS " ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

/* Names are quoted as in other databases, and a value that does not fit is refused, not bent.
 * Settings of the user's usual sessions must not change what is written. */
static const char session_setup[] =
    "SET SESSION sql_mode = 'ANSI_QUOTES,STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',"
    " innodb_lock_wait_timeout = " MY_LOCK_TIMEOUT_S ", lock_wait_timeout = " MY_LOCK_TIMEOUT_S ";"
    " SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED";

/* ---- state ---- */

static const struct sql_dialect *choose_dialect(const struct pa_host *host)
{
    (void)host;
    return &my_dialect;
}

static void prepare_connections(struct sql_server *s)
{
    struct my_plugin *p = my_plugin_of(s);

    p->setup =
        mem_printf("%s%s", session_setup, s->settings.is_utc ? "; SET time_zone = '+00:00'" : "");
    const struct my_connection_settings connection = {
        .owner = s->host,
        .host = s->settings.host,
        .db = s->settings.db,
        .user = s->settings.user,
        .password = s->settings.password,
        .ca_file = s->settings.ca_file,
        .port = (uint32_t)s->host->setting_number(s->host, "sql_port"),
        .timeout_s = s->answer_timeout_s,
        .program = s->program,
        .setup = p->setup};
    p->connection = my_connection_new(&connection);
    p->side = my_connection_new(&connection);
    p->context = (struct my_target_context){.host = s->host,
                                            .settings = &s->settings,
                                            .columns = &s->columns,
                                            .side = p->side,
                                            .connection = p->connection,
                                            .told = &p->told};
}

static void clear_state(struct sql_server *s)
{
    struct my_plugin *p = my_plugin_of(s);

    my_connection_free(p->connection);
    my_connection_free(p->side);
    text_clear(&p->told);
    text_clear(&p->row);
    mem_free(p->setup);
}

/* ---- sessions ---- */

int my_failed(struct my_plugin *p, int err)
{
    p->server.fault = *my_connection_fault(p->connection);
    return err;
}

static int execute(struct sql_server *s, const char *sql)
{
    struct my_plugin *p = my_plugin_of(s);
    int err = my_connection_ask(p->connection, sql, NULL);

    return err < 0 ? my_failed(p, err) : 0;
}

static int ask_server(struct sql_server *s, const char *sql, sql_row_fn *take, void *arg)
{
    struct my_plugin *p = my_plugin_of(s);
    MYSQL_RES *rows;
    MYSQL_ROW row;
    int err = my_connection_ask(p->connection, sql, &rows);

    if (err < 0)
        return my_failed(p, err);
    while ((row = mysql_fetch_row(rows)))
        take(arg, (const char *const *)row);
    mysql_free_result(rows);
    return 0;
}

static void take_size(void *arg, const char *const *values)
{
    *(size_t *)arg = values[0] ? strtoull(values[0], NULL, 10) : 0;
}

static int ask_bounds(struct my_plugin *p)
{
    size_t packet_max = 0;
    int err = ask_server(&p->server, "SELECT @@max_allowed_packet", take_size, &packet_max);

    if (err < 0)
        return err;
    p->row_max =
        packet_max > UINT64_C(2) * PACKET_MARGIN ? packet_max - PACKET_MARGIN : PACKET_MARGIN;
    p->statement_max =
        p->server.settings.statement_max ? p->server.settings.statement_max : STATEMENT_MAX;
    if (p->statement_max > p->row_max)
        p->statement_max = p->row_max;
    return 0;
}

static int connect_session(struct sql_server *s)
{
    struct my_plugin *p = my_plugin_of(s);
    int err = my_connection_open(p->connection);

    return err < 0 ? my_failed(p, err) : ask_bounds(p);
}

static bool is_connected(const struct sql_server *s)
{
    return my_connection_is_open(((const struct my_plugin *)s)->connection);
}

static void disconnect(struct sql_server *s)
{
    my_connection_close(my_plugin_of(s)->side);
    my_connection_close(my_plugin_of(s)->connection);
}

static int commit_transaction(struct sql_server *s, const char *sql, uint32_t work_s)
{
    struct my_plugin *p = my_plugin_of(s);
    int err = my_connection_run(p->connection, sql, strlen(sql), work_s, NULL);

    if (err == 0)
        return 0;
    my_failed(p, err);
    if (err != -EILSEQ)
        return err;
    my_fault_change(&s->fault, MY_FAULT_BUSY); /* it is not the fault of a row */
    return -EAGAIN;
}

static void note_commit(struct sql_server *s)
{
    my_unlock_tables(my_plugin_of(s));
    my_connection_close(my_plugin_of(s)->side);
}

static void append_literal(struct sql_server *s, struct text *out, const char *value)
{
    my_append_literal(my_plugin_of(s)->connection, out, value, strlen(value));
}

/* ---- pathacct_progress ---- */

struct engine_found {
    bool is_there, is_right;
};

static void take_engine(void *arg, const char *const *values)
{
    *(struct engine_found *)arg = (struct engine_found){
        .is_there = true, .is_right = values[0] && strcmp(values[0], "InnoDB") == 0};
}

/* Looks whether the table is there, and whether what is written to it can be taken back. */
static int find_progress(struct sql_server *s, bool *ret_is_there)
{
    struct engine_found found = {0};
    int err = ask_server(s,
                         "SELECT engine FROM information_schema.tables WHERE table_schema = "
                         "DATABASE() AND table_name = '" SQL_PROGRESS_TABLE "'",
                         take_engine, &found);

    if (err < 0)
        return err;
    *ret_is_there = found.is_there;
    if (!found.is_there || found.is_right)
        return 0;
    sql_server_set_fault(s, MY_FAULT_ENGINE_UNFIT,
                         SQL_PROGRESS_TABLE
                         " has no transactions; run ALTER TABLE " SQL_PROGRESS_TABLE
                         " ENGINE=InnoDB");
    return -EINVAL;
}

/* ---- trials ---- */

/* To prepare a statement asks for the rights that running it needs, and a server knows best what it
 * would refuse. */
static int try_progress(struct sql_server *s)
{
    struct text sql = {0};
    bool is_there;
    int err = find_progress(s, &is_there);

    if (err == 0) {
        text_append_printf(&sql, "PREPARE pathacct_trial FROM '%s%s'",
                           is_there ? "UPDATE " SQL_PROGRESS_TABLE
                                      " SET seq = seq WHERE worker = -1"
                                    : sql_progress_create,
                           is_there ? "" : PROGRESS_OPTIONS);
        err = execute(s, text_cstr(&sql));
        text_clear(&sql);
    }
    if (err < 0)
        return sql_server_progress_failed(s, err);
    return is_there ? sql_server_check_progress(s, false) : 0;
}

static int try_table(struct sql_server *s, const char *table)
{
    struct my_plugin *p = my_plugin_of(s);
    int err = my_open_side(p);

    return err < 0 ? err : my_target_look(&p->context, table, &s->fault);
}

/* ---- */

static const struct sql_server_ops my_ops = {
    .state_size = sizeof(struct my_plugin),
    .faults = {.rows = my_faults,
               .busy = MY_FAULT_BUSY,
               .misused = MY_FAULT_MISUSED,
               .right_missing = MY_FAULT_RIGHT_MISSING,
               .partition_missing = MY_FAULT_PARTITION_MISSING,
               .progress_missing = MY_FAULT_PROGRESS_MISSING,
               .progress_later = MY_FAULT_PROGRESS_LATER},
    .progress = {.options = PROGRESS_OPTIONS,
                 .keep = " ON DUPLICATE KEY UPDATE seq = seq",
                 .owner = "an administrator",
                 .user_begin = "'",
                 .user_end = "'@'%'"},
    .begin_sql = "START TRANSACTION",
    .connections = "mysql_connections",
    .rows_shortened = "mysql_rows_shortened",
    .dialect = choose_dialect,
    .prepare = prepare_connections,
    .clear = clear_state,
    .connect = connect_session,
    .is_connected = is_connected,
    .disconnect = disconnect,
    .execute = execute,
    .ask = ask_server,
    .commit = commit_transaction,
    .append_literal = append_literal,
    .find_progress = find_progress,
    .make_table = my_make_table,
    .free_table = my_target_free,
    .use_table = my_use_table,
    .write_rows = my_write_rows,
    .send_rows = my_send_rows,
    .drop_rows = my_drop_rows,
    .committed = note_commit,
    .try_progress = try_progress,
    .try_table = try_table,
};

int my_plugin_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                    size_t error_size)
{
    return sql_server_check(&my_ops, host, schema, error, error_size);
}

int my_plugin_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                      size_t error_size)
{
    (void)error, (void)error_size; /* all is logged */
    return sql_server_try_out(&my_ops, host, schema);
}

int my_plugin_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state)
{
    return sql_server_open(&my_ops, host, schema, ret_state);
}
