/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes or extends a table, chooses how rows get in, and prepares the statements. See
 * pg_target.h. */
#include "plugins/pgsql/pg_target.h"

#include "base/memory.h"
#include "plugins/pathacct_plugin.h"
#include "plugins/pgsql/pg_statement.h"
#include "plugins/sql/sql_settings.h"
#include "plugins/sql/sql_statement.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define INDEX_COLUMNS_MAX 32 /* most of an index, for a server with its usual INDEX_MAX_KEYS */

void pg_target_free(void *arg)
{
    struct pg_target *t = arg;

    if (!t)
        return;
    pg_table_clear(&t->table);
    pg_encoder_free(t->encoder);
    mem_free(t->name);
    mem_free(t->copy_sql);
    mem_free(t->lock_sql);
    mem_free(t->merge_sql);
    mem_free(t->grouped_sql);
    mem_free(t->update_sql);
    mem_free(t->insert_sql);
    mem_free(t->insert_rest_sql);
    mem_free(t->left_out_sql);
    mem_free(t->empty_sql);
    mem_free(t->unmerged);
    text_clear(&t->waiting);
    mem_free(t);
}

/* ---- making tables ---- */

struct making {
    const struct pg_target_context *context;
    const char *table; /* as configured */
    const char *quoted;
    struct sql_fault *fault;
};

static int refuse_table(const struct making *m, enum pg_fault_id id, const char *what)
{
    pg_fault_set_own(m->fault, id, what);
    return -EINVAL;
}

/* Runs a definition. Another writer may make the same table at the same moment, which fails like a
 * row of equal key. */
static int run_definition(const struct making *m, struct text *sql)
{
    struct pg_connection *c = m->context->connection;
    int err = pg_connection_run(c, text_cstr(sql), 0, NULL);

    if (err == 0)
        return 0;
    *m->fault = *pg_connection_fault(c);
    if (err != -EILSEQ)
        return err;
    pg_fault_change(m->fault, PG_FAULT_BUSY);
    return -EAGAIN;
}

static int make_key(const struct making *m)
{
    const struct pg_target_context *x = m->context;
    struct text sql = {0};
    int err;

    if (x->is_unaggregated || x->settings->dont_try_update || x->columns->key_count == 0)
        return 0;
    if (x->columns->key_count > INDEX_COLUMNS_MAX) {
        x->host->log(x->host, PA_LOG_NOTICE,
                     "table %s gets no unique key, which can have %d columns only: rows of equal "
                     "key are looked for under a lock, slowly",
                     m->quoted, INDEX_COLUMNS_MAX);
        return 0;
    }
    text_append_string(&sql, "DROP INDEX IF EXISTS ");
    sql_append_key_name(&sql, x->settings->dialect, m->table);
    text_append_string(&sql, "; ");
    sql_append_create_key(&sql, x->settings->dialect, x->columns, m->table);
    err = run_definition(m, &sql);
    text_clear(&sql);
    return err;
}

/* Rows that grow again and again find room for their new version beside the old one. */
static int create_table(const struct making *m)
{
    const struct pg_target_context *x = m->context;
    struct text sql = {0};
    int err;

    sql_append_create_table(&sql, x->settings->dialect, x->columns, m->table);
    if (!x->is_unaggregated && !x->settings->dont_try_update)
        text_append_string(&sql, " WITH (fillfactor = 70)");
    err = run_definition(m, &sql);
    text_clear(&sql);
    return err == 0 ? make_key(m) : err;
}

static int make_table(const struct making *m, const char *schema_text)
{
    struct text sql = {0};
    int err;

    if (!schema_text && m->context->settings->creates_table) {
        err = create_table(m);
        if (err == 0)
            m->context->host->log(m->context->host, PA_LOG_NOTICE, "made the table %s", m->quoted);
        return err;
    }
    if (!schema_text) {
        text_append_printf(&sql, "there is no table %s in database %s", m->quoted,
                           m->context->settings->db);
        err = refuse_table(m, PG_FAULT_TABLE_MISSING, text_cstr(&sql));
        text_clear(&sql);
        return err;
    }
    text_append_string(&sql, schema_text);
    err = run_definition(m, &sql);
    text_clear(&sql);
    if (err == 0)
        m->context->host->log(m->context->host, PA_LOG_NOTICE,
                              "made the table %s with sql_table_schema", m->quoted);
    return err;
}

/* Appends the statement that adds the missing columns; `ret_has_key` tells whether the key grows
 * with it. */
static uint32_t append_missing(const struct making *m, const struct pg_table *table,
                               struct text *sql, bool *ret_has_key)
{
    const struct sql_columns *columns = m->context->columns;
    uint32_t count = 0;

    *ret_has_key = false;
    text_append_printf(sql, "ALTER TABLE %s", m->quoted);
    for (uint32_t i = 0; i < columns->count; i++) {
        const struct sql_column *c = &columns->items[i];
        if (pg_table_find(table, c->name))
            continue;
        text_append_string(sql,
                           count++ ? ", ADD COLUMN IF NOT EXISTS " : " ADD COLUMN IF NOT EXISTS ");
        sql_append_definition(sql, m->context->settings->dialect, c);
        *ret_has_key |= c->role == SQL_ROLE_KEY;
    }
    return count;
}

/* -ENOENT: columns were added, look at the table again. */
static int add_columns(const struct making *m, const struct pg_table *table)
{
    struct text sql = {0}, what = {0};
    bool has_key;
    uint32_t count = append_missing(m, table, &sql, &has_key);
    int err = 0;

    if (count > 0 && !m->context->settings->creates_table) {
        text_append_printf(&what, "table %s lacks columns of `aggregate`; run %s", m->quoted,
                           text_cstr(&sql));
        if (!m->context->settings->is_optimized)
            text_append_string(&what, "; or, for the columns of `aggregate` alone, "
                                      "sql_optimize_clauses: true");
        err = refuse_table(m, PG_FAULT_COLUMN_MISSING, text_cstr(&what));
    } else if (count > 0) {
        err = run_definition(m, &sql);
        if (err == 0 && has_key)
            err = make_key(m);
        if (err == 0) {
            m->context->host->log(m->context->host, PA_LOG_NOTICE, "%s", text_cstr(&sql));
            err = -ENOENT;
        }
    }
    text_clear(&sql);
    text_clear(&what);
    return err;
}

static int judge_table(const struct making *m, const struct pg_table *table)
{
    struct text what = {0};
    int err = 0;

    for (uint32_t i = 0; i < table->column_count && err == 0; i++) {
        const struct pg_table_column *c = &table->columns[i];
        if (!c->needs_value || sql_columns_find(m->context->columns, c->name))
            continue;
        text_append_printf(&what,
                           "column %s of table %s is NOT NULL without a default, and no primitive "
                           "of `aggregate` fills it: ALTER COLUMN ... SET DEFAULT, or leave "
                           "sql_optimize_clauses out",
                           c->name, m->quoted);
        err = -EINVAL;
    }
    if (err < 0)
        refuse_table(m, PG_FAULT_TABLE_UNFIT, text_cstr(&what));
    text_clear(&what);
    return err;
}

/* Warns of a table whose unique index takes some of our rows for the same, once for each table. */
static void tell_narrow(const struct making *m, const struct pg_table *table)
{
    struct pg_narrow_told *told = m->context->told;

    if (!table->narrow_index || (told->table && strcmp(told->table, m->quoted) == 0))
        return;
    mem_free(told->table);
    told->table = mem_strdup(m->quoted);
    m->context->host->log(m->context->host, PA_LOG_WARNING,
                          "the unique index %s of table %s covers less than the key of "
                          "`aggregate`: of rows that differ in the rest alone the first is "
                          "written, the others are refused and counted; drop it, or make "
                          "`aggregate` smaller",
                          table->narrow_index, m->quoted);
}

static int look_up(const struct making *m, const char *schema_text, struct pg_table *ret_table)
{
    struct pg_connection *c = m->context->connection;
    int err = pg_table_look_up(c, m->quoted, m->context->columns, ret_table);

    if (err == -ENOENT) {
        err = make_table(m, schema_text);
        if (err < 0)
            return err;
        err = pg_table_look_up(c, m->quoted, m->context->columns, ret_table);
        if (err == -ENOENT)
            return refuse_table(m, PG_FAULT_TABLE_MISSING,
                                "sql_table_schema does not make the table of sql_table");
    }
    if (err == 0) {
        err = add_columns(m, ret_table);
        if (err == -ENOENT) {
            pg_table_clear(ret_table);
            err = pg_table_look_up(c, m->quoted, m->context->columns, ret_table);
        }
        if (err == 0)
            err = judge_table(m, ret_table);
        if (err == 0)
            tell_narrow(m, ret_table);
        return err;
    }
    *m->fault = *pg_connection_fault(c);
    return err;
}

/* ---- ways ---- */

static bool needs_cast(const struct pg_target *t, const struct sql_columns *columns)
{
    for (uint32_t i = 0; i < columns->count; i++)
        if (pg_encoder_type(t->encoder, i) !=
            pg_table_find(&t->table, columns->items[i].name)->type)
            return true;
    return false;
}

static enum pg_way choose_way(const struct pg_target_context *x, const struct pg_target *t)
{
    bool only_inserts = x->settings->dont_try_update || x->is_unaggregated;
    bool has_key = t->table.conflict_columns != NULL;

    if (!only_inserts || (has_key && (!x->settings->uses_copy || x->avoids_copy)))
        return has_key ? PG_WAY_UPSERT : PG_WAY_MATCH;
    return needs_cast(t, x->columns) ? PG_WAY_INSERT : PG_WAY_COPY;
}

static struct pg_encoder *make_encoder(const struct pg_target_context *x,
                                       const struct pg_table *table)
{
    enum pg_type *types = mem_calloc(x->columns->count + 1, sizeof *types);

    for (uint32_t i = 0; i < x->columns->count; i++)
        types[i] = pg_table_find(table, x->columns->items[i].name)->type;
    struct pg_encoder *encoder = pg_encoder_new(x->columns, types);
    mem_free(types);
    return encoder;
}

static int make_temporary(const struct making *m, struct pg_target *t,
                          const struct pg_statement *statement)
{
    struct text sql = {0};
    int err;

    pg_statement_append_temporary(statement, &sql);
    err = run_definition(m, &sql);
    text_clear(&sql);
    if (err == 0)
        t->empty_sql = mem_printf("TRUNCATE %s", statement->temporary);
    return err;
}

static void make_statements(struct pg_target *t, const struct pg_statement *statement)
{
    bool is_straight = t->way == PG_WAY_COPY;

    t->lock_sql = mem_printf("LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE", t->name);
    t->copy_sql = pg_statement_copy(statement, is_straight ? t->name : statement->temporary);
    if (t->way == PG_WAY_INSERT || t->way == PG_WAY_UPSERT)
        t->merge_sql = pg_statement_merge(statement, false);
    if (t->way == PG_WAY_UPSERT)
        t->grouped_sql = pg_statement_merge(statement, true);
    if (t->way == PG_WAY_UPSERT && t->table.has_exact_key) {
        t->update_sql = pg_statement_update_unique(statement);
        t->insert_sql = pg_statement_insert(statement, false);
    }
    if (t->way == PG_WAY_MATCH) {
        t->update_sql = pg_statement_update(statement);
        t->insert_sql = pg_statement_insert(statement, true);
    }
    if (t->way == PG_WAY_MATCH && t->table.narrow_index) {
        t->insert_rest_sql = pg_statement_insert_rest(statement);
        t->left_out_sql = pg_statement_left_out(statement);
    }
}

int pg_target_new(const struct pg_target_context *context, const char *table,
                  const char *schema_text, uint32_t number, struct sql_fault *fault,
                  struct pg_target **ret_target)
{
    struct pg_target *t = mem_zalloc(sizeof *t);
    struct text quoted = {0};
    char temporary[64];
    int err;

    sql_append_table(&quoted, context->settings->dialect, table);
    t->name = mem_strdup(text_cstr(&quoted));
    text_clear(&quoted);
    struct making m = {.context = context, .table = table, .quoted = t->name, .fault = fault};
    err = look_up(&m, schema_text, &t->table);
    if (err < 0) {
        pg_target_free(t);
        return err;
    }
    t->encoder = make_encoder(context, &t->table);
    pg_encoder_fit(t->encoder, &t->table);
    t->way = choose_way(context, t);
    snprintf(temporary, sizeof temporary, "pg_temp.pathacct_rows_%u", number);
    struct pg_statement statement = {.columns = context->columns,
                                     .dialect = context->settings->dialect,
                                     .table = &t->table,
                                     .encoder = t->encoder,
                                     .name = t->name,
                                     .temporary = temporary,
                                     .adds_up = t->way == PG_WAY_UPSERT};
    if (t->way != PG_WAY_COPY)
        err = make_temporary(&m, t, &statement);
    if (err < 0) {
        pg_target_free(t);
        return err;
    }
    make_statements(t, &statement);
    *ret_target = t;
    return 0;
}

/* ---- trials ---- */

/* Asks for the rights that writing needs. */
static int look_at_rights(const struct making *m)
{
    const struct pg_target_context *x = m->context;
    bool only_inserts = x->settings->dont_try_update || x->is_unaggregated;
    struct text sql = {0}, what = {0};
    PGresult *result;

    text_append_string(&sql, "SELECT has_table_privilege(t, 'INSERT')");
    if (!only_inserts)
        text_append_string(&sql, " AND has_table_privilege(t, 'SELECT')"
                                 " AND has_table_privilege(t, 'UPDATE')");
    text_append_string(&sql, " FROM to_regclass(");
    pg_append_literal(&sql, m->quoted);
    text_append_string(&sql, ") AS t");
    int err = pg_connection_run(x->connection, text_cstr(&sql), 0, &result);
    text_clear(&sql);
    if (err < 0) {
        *m->fault = *pg_connection_fault(x->connection);
        return err;
    }
    if (*PQgetvalue(result, 0, 0) == 'f') {
        text_append_printf(&what, "no right to write table %s: GRANT %sINSERT ON it", m->quoted,
                           only_inserts ? "" : "SELECT, UPDATE, ");
        err = refuse_table(m, PG_FAULT_RIGHT_MISSING, text_cstr(&what));
    }
    PQclear(result);
    text_clear(&what);
    return err;
}

static int look_at_table(const struct making *m)
{
    const struct sql_settings *settings = m->context->settings;
    struct pg_table found;
    int err = pg_table_look_up(m->context->connection, m->quoted, m->context->columns, &found);

    if (err == -ENOENT && settings->schema)
        return 0;
    if (err == -ENOENT)
        return settings->creates_table ? create_table(m) : make_table(m, NULL);
    if (err < 0) {
        *m->fault = *pg_connection_fault(m->context->connection);
        return err;
    }
    err = settings->creates_table ? 0 : add_columns(m, &found);
    if (err == 0)
        err = judge_table(m, &found);
    if (err == 0)
        tell_narrow(m, &found);
    if (err == 0)
        err = look_at_rights(m);
    pg_table_clear(&found);
    return err;
}

int pg_target_look(const struct pg_target_context *context, const char *table,
                   struct sql_fault *fault)
{
    struct text quoted = {0};

    sql_append_table(&quoted, context->settings->dialect, table);
    const struct making m = {
        .context = context, .table = table, .quoted = text_cstr(&quoted), .fault = fault};
    int err = look_at_table(&m);
    text_clear(&quoted);
    return err;
}
