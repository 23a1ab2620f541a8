/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes or extends a table, chooses how rows get in, and prepares the statements. See
 * my_target.h. */
#include "plugins/mysql/my_target.h"

#include "base/memory.h"
#include "base/sha256.h"
#include "base/text.h"
#include "plugins/mysql/my_definition.h"
#include "plugins/pathacct_plugin.h"
#include "plugins/sql/sql_settings.h"
#include "plugins/sql/sql_statement.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VALUE_MARK "\x01" /* stands before the name of a column whose value is meant */

void my_target_free(void *arg)
{
    struct my_target *t = arg;

    if (!t)
        return;
    my_table_clear(&t->table);
    my_values_clear(&t->values);
    for (uint32_t i = 0; i < t->part_count; i++)
        mem_free(t->parts[i].text);
    mem_free(t->parts);
    mem_free(t->theirs);
    mem_free(t->name);
    mem_free(t->shown);
    mem_free(t->lock_name);
    mem_free(t->insert_sql);
    mem_free(t->insert_end);
    mem_free(t->unmatched_at);
    text_clear(&t->waiting);
    text_clear(&t->unmatched);
    mem_free(t);
}

/* ---- making tables ---- */

struct making {
    const struct my_target_context *context;
    const char *table; /* as configured */
    const char *quoted;
    const char *shown; /* quoted as people do it, whose sessions have another sql_mode */
    struct sql_fault *fault;
};

static char *take_string(struct text *text)
{
    char *string = mem_strdup(text_cstr(text));

    text_clear(text);
    return string;
}

/* Makes quotes of names those that any session understands, for statements that people run. */
static void show_quotes(struct text *sql)
{
    for (size_t i = 0; i < sql->len; i++)
        if (sql->data[i] == '"')
            sql->data[i] = '`';
}

static char *show_name(const char *quoted)
{
    struct text shown = {0};

    text_append_string(&shown, quoted);
    show_quotes(&shown);
    return take_string(&shown);
}

static int refuse_table(const struct making *m, enum my_fault_id id, struct text *what)
{
    my_fault_set_own(m->fault, id, text_cstr(what));
    text_clear(what);
    return -EINVAL;
}

static int side_failed(const struct making *m, int err)
{
    *m->fault = *my_connection_fault(m->context->side);
    if (err != -EILSEQ)
        return err;
    my_fault_change(m->fault, MY_FAULT_MISUSED); /* no row is at fault */
    return -EINVAL;
}

static int run_definition(const struct making *m, const char *sql)
{
    int err = my_connection_ask(m->context->side, sql, NULL);

    return err < 0 ? side_failed(m, err) : 0;
}

/* Runs sql_table_schema, which was written for the server's own settings. */
static int run_schema(const struct making *m, const char *schema_text)
{
    int err = run_definition(m, "SET SESSION sql_mode = @@GLOBAL.sql_mode");

    if (err == 0)
        err = run_definition(m, schema_text);
    my_connection_close(m->context->side); /* with the settings that it has now */
    if (err == 0)
        err = my_connection_open(m->context->side) < 0 ? side_failed(m, -EAGAIN) : 0;
    return err;
}

static bool only_inserts(const struct my_target_context *x)
{
    return x->settings->dont_try_update;
}

static int make_table(const struct making *m, const char *schema_text)
{
    const struct my_target_context *x = m->context;
    struct text sql = {0};
    int err;

    if (!schema_text && !x->settings->creates_table) {
        text_append_printf(&sql, "there is no table %s in database %s", m->shown, x->settings->db);
        return refuse_table(m, MY_FAULT_TABLE_MISSING, &sql);
    }
    if (schema_text) {
        err = run_schema(m, schema_text);
    } else {
        my_append_create(&sql, x->columns, m->quoted, !only_inserts(x));
        err = run_definition(m, text_cstr(&sql));
        text_clear(&sql);
    }
    if (err == 0)
        x->host->log(x->host, PA_LOG_NOTICE, "made the table %s%s", m->shown,
                     schema_text ? " with sql_table_schema" : "");
    return err;
}

/* -ENOENT: columns were added, look at the table again. */
static int add_columns(const struct making *m, const struct my_table *table)
{
    const struct my_target_context *x = m->context;
    struct text sql = {0}, what = {0};
    uint32_t count = my_append_alter(&sql, x->columns, table, m->quoted, !only_inserts(x));
    int err = 0;

    if (sql.len > 0 && x->settings->creates_table) {
        err = run_definition(m, text_cstr(&sql));
        if (err == 0) {
            show_quotes(&sql);
            x->host->log(x->host, PA_LOG_NOTICE, "%s", text_cstr(&sql));
            err = -ENOENT;
        }
    } else if (count > 0) {
        show_quotes(&sql);
        text_append_printf(&what, "table %s lacks columns of `aggregate`; run %s", m->shown,
                           text_cstr(&sql));
        if (!x->settings->is_optimized)
            text_append_string(&what, "; or, for the columns of `aggregate` alone, "
                                      "sql_optimize_clauses: true");
        err = refuse_table(m, MY_FAULT_COLUMN_MISSING, &what);
    }
    text_clear(&sql);
    return err;
}

/* ---- judging tables ---- */

/* True the first time that this is asked of a table. */
static bool is_news(const struct making *m, const char *of)
{
    struct text entry = {0};
    struct text *told = m->context->told;

    text_append_printf(&entry, "%s %s\n", m->shown, of);
    bool is_new = !strstr(text_cstr(told), text_cstr(&entry));
    if (is_new)
        text_append_string(told, text_cstr(&entry));
    text_clear(&entry);
    return is_new;
}

static int judge_values(const struct making *m, const struct my_table *table)
{
    struct text what = {0};

    for (uint32_t i = 0; i < table->column_count; i++) {
        const struct my_column *c = &table->columns[i];
        if (!c->needs_value || sql_columns_find(m->context->columns, c->name))
            continue;
        text_append_printf(&what,
                           "column %s of table %s is NOT NULL without a default, and no primitive "
                           "of `aggregate` fills it: ALTER TABLE %s ALTER COLUMN %s SET DEFAULT "
                           "..., or leave sql_optimize_clauses out",
                           c->name, m->shown, m->shown, c->name);
        return refuse_table(m, MY_FAULT_TABLE_UNFIT, &what);
    }
    return 0;
}

/* Rows that cannot be taken back are there twice when their transaction is written again. */
static int judge_engine(const struct making *m, const struct my_table *table)
{
    const struct my_target_context *x = m->context;
    struct text what = {0};

    if (table->has_transactions)
        return 0;
    if (!x->settings->is_exactly_once || x->host->is_tolerant) {
        if (is_news(m, "engine"))
            x->host->log(x->host, PA_LOG_WARNING,
                         "table %s (%s) has no transactions: rows are written at least once, some "
                         "twice after a failure",
                         m->shown, table->engine);
        return 0;
    }
    text_append_printf(&what,
                       "table %s (%s) has no transactions, without which rows could be written "
                       "twice; run ALTER TABLE %s ENGINE=InnoDB; or, to write at least once, "
                       "set sql_exactly_once: false",
                       m->shown, table->engine, m->shown);
    return refuse_table(m, MY_FAULT_ENGINE_UNFIT, &what);
}

/* True if the column's texts can differ in case alone. */
static bool has_words(const struct sql_column *c)
{
    uint8_t format = c->value.format;

    return c->source == SQL_SOURCE_COLUMN && c->type == SQL_TYPE_TEXT &&
           (format == PA_FORMAT_TEXT || format == PA_FORMAT_LABEL || format == PA_FORMAT_CLASS ||
            format == PA_FORMAT_CUSTOM_TEXT);
}

/* Warns, once for each table, of rows that are the same to it though they are not to us. */
static void tell_doubts(const struct making *m, const struct my_table *table)
{
    const struct my_target_context *x = m->context;

    if (table->narrow_index && is_news(m, "narrow"))
        x->host->log(x->host, PA_LOG_WARNING,
                     "the unique index %s of table %s covers less than the key of `aggregate`: of "
                     "rows that differ in the rest alone the first is written, the others are "
                     "refused and counted; drop it, or make `aggregate` smaller",
                     table->narrow_index, m->shown);
    if (only_inserts(x))
        return;
    for (uint32_t i = 0; i < x->columns->count; i++) {
        const struct sql_column *c = &x->columns->items[i];
        const struct my_column *theirs = my_table_find(table, c->name);
        if (c->role != SQL_ROLE_KEY || !has_words(c) || !theirs || !theirs->is_blind)
            continue;
        if (is_news(m, c->name))
            x->host->log(
                x->host, PA_LOG_WARNING,
                "texts of column %s of table %s that differ in case alone are one row, as "
                "its collation says; ALTER TABLE ... MODIFY with COLLATE utf8mb4_bin keeps "
                "them apart",
                c->name, m->shown);
    }
}

static int look_up(const struct making *m, const char *schema_text, struct my_table *ret_table)
{
    const struct my_target_context *x = m->context;
    struct text what = {0};
    int err = my_table_look_up(x->side, m->table, x->columns, ret_table);

    if (err == -ENOENT) {
        err = make_table(m, schema_text);
        if (err < 0)
            return err;
        err = my_table_look_up(x->side, m->table, x->columns, ret_table);
        if (err == -ENOENT) {
            text_append_printf(&what, "sql_table_schema does not make the table %s", m->shown);
            return refuse_table(m, MY_FAULT_TABLE_MISSING, &what);
        }
    }
    if (err < 0)
        return side_failed(m, err);
    err = add_columns(m, ret_table);
    if (err == -ENOENT) {
        my_table_clear(ret_table);
        err = my_table_look_up(x->side, m->table, x->columns, ret_table);
        if (err < 0)
            return err == -ENOENT ? -EAGAIN : side_failed(m, err);
    }
    if (err == 0)
        err = judge_values(m, ret_table);
    if (err == 0)
        err = judge_engine(m, ret_table);
    if (err == 0)
        tell_doubts(m, ret_table);
    return err;
}

/* ---- statements ---- */

static enum my_way choose_way(const struct my_target_context *x, const struct my_table *table)
{
    if (table->is_for_all)
        return MY_WAY_UPSERT;
    return only_inserts(x) ? MY_WAY_INSERT : MY_WAY_MATCH;
}

/* Splits the UPDATE at the values that it needs. */
static void split_update(struct my_target *t, const struct sql_columns *columns, const char *sql)
{
    for (;;) {
        const char *mark = strstr(sql, VALUE_MARK);
        size_t len = mark ? (size_t)(mark - sql) : strlen(sql);
        t->parts = mem_realloc_array(t->parts, t->part_count + 1, sizeof *t->parts);
        struct my_update_part *part = &t->parts[t->part_count++];
        *part = (struct my_update_part){.text = mem_strndup(sql, len), .index = UINT32_MAX};
        if (!mark)
            return;
        const char *name = mark + strlen(VALUE_MARK) + 1, *end = strchr(name, '"');
        char *column = mem_strndup(name, (size_t)(end - name));
        part->index = (uint32_t)(sql_columns_find(columns, column) - columns->items);
        mem_free(column);
        sql = end + 1;
    }
}

static void make_update(struct my_target *t, const struct my_target_context *x)
{
    struct text sql = {0};

    text_append_printf(&sql, "UPDATE %s SET ", t->name);
    sql_append_update(&sql, x->columns, x->settings->dialect, "", VALUE_MARK);
    text_append_string(&sql, " WHERE ");
    sql_append_key_match(&sql, x->columns, "", VALUE_MARK);
    /* One row grows of several of equal key, which only others can have written. */
    text_append_string(&sql, " LIMIT 1");
    split_update(t, x->columns, text_cstr(&sql));
    text_clear(&sql);
    t->unmatched_at = mem_calloc(MY_PIECE_UPDATES, sizeof *t->unmatched_at);
}

static void make_statements(struct my_target *t, const struct my_target_context *x)
{
    struct text sql = {0}, end = {0};

    text_append_printf(&sql, "INSERT INTO %s (", t->name);
    sql_append_columns(&sql, x->columns, "");
    text_append_string(&sql, ") VALUES ");
    t->insert_sql = take_string(&sql);
    if (t->way == MY_WAY_UPSERT) {
        text_append_string(&end, " ON DUPLICATE KEY UPDATE ");
        size_t before = end.len;
        sql_append_update(&end, x->columns, x->settings->dialect, "", "VALUES(");
        if (end.len == before) { /* the row has nothing but its key */
            sql_append_name(&end, x->columns->items[0].name);
            text_append_string(&end, " = ");
            sql_append_name(&end, x->columns->items[0].name);
        }
    }
    t->insert_end = take_string(&end);
    if (t->way == MY_WAY_MATCH)
        make_update(t, x);
}

/* Makes the name of a lock out of the names of database and table, which may be longer. */
static char *make_lock_name(const struct my_target_context *x, const char *table)
{
    struct text name = {0};
    uint8_t hash[SHA256_LEN];

    text_append_printf(&name, "%s.%s", x->settings->db, table);
    sha256(name.data, name.len, hash);
    text_reset(&name);
    text_append_string(&name, "'pathacct ");
    for (int i = 0; i < 16; i++)
        text_append_printf(&name, "%02x", hash[i]);
    text_append_char(&name, '\'');
    return take_string(&name);
}

int my_target_new(const struct my_target_context *context, const char *table,
                  const char *schema_text, struct sql_fault *fault, struct my_target **ret_target)
{
    struct my_target *t = mem_zalloc(sizeof *t);
    struct text quoted = {0};

    sql_append_table(&quoted, context->settings->dialect, table);
    t->name = take_string(&quoted);
    t->shown = show_name(t->name);
    struct making m = {
        .context = context, .table = table, .quoted = t->name, .shown = t->shown, .fault = fault};
    int err = look_up(&m, schema_text, &t->table);
    if (err < 0) {
        my_target_free(t);
        return err;
    }
    t->theirs = mem_calloc(context->columns->count + 1, sizeof *t->theirs);
    for (uint32_t i = 0; i < context->columns->count; i++)
        t->theirs[i] = my_table_find(&t->table, context->columns->items[i].name);
    t->values = (struct my_values){
        .connection = context->connection, .columns = context->columns, .theirs = t->theirs};
    t->way = choose_way(context, &t->table);
    t->lock_name = make_lock_name(context, table);
    make_statements(t, context);
    *ret_target = t;
    return 0;
}

/* ---- trials ---- */

/* To prepare a statement asks for the rights that running it needs. */
static int try_write(const struct making *m)
{
    const struct my_target_context *x = m->context;
    struct text sql = {0}, statement = {0};

    text_append_printf(&statement, "INSERT INTO %s (", m->quoted);
    sql_append_columns(&statement, x->columns, "");
    text_append_string(&statement, ") SELECT ");
    sql_append_columns(&statement, x->columns, "");
    text_append_printf(&statement, " FROM %s WHERE 1 = 0", m->quoted);
    if (!only_inserts(x)) {
        text_append_string(&statement, " ON DUPLICATE KEY UPDATE ");
        sql_append_name(&statement, x->columns->items[0].name);
        text_append_string(&statement, " = VALUES(");
        sql_append_name(&statement, x->columns->items[0].name);
        text_append_string(&statement, ")");
    }
    text_append_string(&sql, "PREPARE pathacct_trial FROM ");
    my_append_literal(x->side, &sql, statement.data, statement.len);
    int err = run_definition(m, text_cstr(&sql));
    text_clear(&sql);
    text_clear(&statement);
    return err;
}

static int look_at_table(const struct making *m)
{
    const struct my_target_context *x = m->context;
    struct my_table found;
    struct text sql = {0};
    int err = my_table_look_up(x->side, m->table, x->columns, &found);

    if (err == -ENOENT && x->settings->schema)
        return 0;
    if (err == -ENOENT && !x->settings->creates_table)
        return make_table(m, NULL); /* only says that it is not there */
    if (err == -ENOENT) {
        my_append_create(&sql, x->columns, m->quoted, !only_inserts(x));
        struct text trial = {0};
        text_append_string(&trial, "PREPARE pathacct_trial FROM ");
        my_append_literal(x->side, &trial, sql.data, sql.len);
        err = run_definition(m, text_cstr(&trial));
        text_clear(&trial);
        text_clear(&sql);
        return err;
    }
    if (err < 0)
        return side_failed(m, err);
    err = x->settings->creates_table ? 0 : add_columns(m, &found);
    if (err == 0)
        err = judge_values(m, &found);
    if (err == 0)
        err = judge_engine(m, &found);
    if (err == 0)
        tell_doubts(m, &found);
    if (err == 0 && !x->settings->creates_table)
        err = try_write(m);
    my_table_clear(&found);
    return err;
}

int my_target_look(const struct my_target_context *context, const char *table,
                   struct sql_fault *fault)
{
    struct text quoted = {0};

    sql_append_table(&quoted, context->settings->dialect, table);
    char *shown = show_name(text_cstr(&quoted));
    const struct making m = {.context = context,
                             .table = table,
                             .quoted = text_cstr(&quoted),
                             .shown = shown,
                             .fault = fault};
    int err = look_at_table(&m);
    text_clear(&quoted);
    mem_free(shown);
    return err;
}
