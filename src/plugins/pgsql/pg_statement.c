/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts the statements together. In all of them s is the rows that came, t the table. See
 * pg_statement.h. */
#include "plugins/pgsql/pg_statement.h"

#include "base/memory.h"
#include "base/text.h"
#include "plugins/sql/sql_statement.h"

#include <string.h>

static char *take_string(struct text *sql)
{
    char *string = mem_strdup(text_cstr(sql));

    text_clear(sql);
    return string;
}

static const struct pg_table_column *table_column(const struct pg_statement *st, uint32_t index)
{
    return pg_table_find(st->table, st->columns->items[index].name);
}

/* True if the column is sent as text and the server has another type. */
static bool is_cast(const struct pg_statement *st, uint32_t index)
{
    return pg_encoder_type(st->encoder, index) != table_column(st, index)->type;
}

/* Appends what a column of the key is in the unique index. */
static void append_term(const struct pg_statement *st, uint32_t index, const char *prefix,
                        struct text *out)
{
    const char *name = st->columns->items[index].name;

    if (table_column(st, index)->is_hashed) {
        sql_append_text_key(out, st->dialect, prefix, name);
        return;
    }
    text_append_string(out, prefix);
    sql_append_name(out, name);
}

/* Appends a.k1 = b.k1 AND... in the terms of the unique index, so that the server can use it. */
static void append_match(const struct pg_statement *st, const char *a, const char *b,
                         struct text *out)
{
    const char *before = "";

    for (uint32_t i = 0; i < st->columns->count; i++) {
        const struct sql_column *c = &st->columns->items[i];
        if (c->role != SQL_ROLE_KEY)
            continue;
        text_append_string(out, before);
        append_term(st, i, a, out);
        text_append_string(out, " = ");
        append_term(st, i, b, out);
        before = " AND ";
    }
    if (st->columns->key_count == 0)
        text_append_string(out, "1 = 1"); /* `aggregate: none` has no key */
}

void pg_statement_append_temporary(const struct pg_statement *st, struct text *out)
{
    text_append_printf(out, "CREATE TEMPORARY TABLE %s", strchr(st->temporary, '.') + 1);
    for (uint32_t i = 0; i < st->columns->count; i++) {
        text_append_string(out, i ? ", " : " (");
        sql_append_name(out, st->columns->items[i].name);
        text_append_printf(out, " %s", is_cast(st, i) ? "text" : table_column(st, i)->type_name);
    }
    text_append_string(out, ") ON COMMIT DELETE ROWS");
}

char *pg_statement_copy(const struct pg_statement *st, const char *into)
{
    struct text sql = {0};

    text_append_printf(&sql, "COPY %s (", into);
    sql_append_columns(&sql, st->columns, "");
    text_append_string(&sql, ") FROM STDIN (FORMAT binary)");
    return take_string(&sql);
}

/* Appends s."a", s."b"::numeric AS "b" FROM rows s. */
static void append_row_columns(const struct pg_statement *st, struct text *out)
{
    for (uint32_t i = 0; i < st->columns->count; i++) {
        text_append_string(out, i ? ", s." : "s.");
        sql_append_name(out, st->columns->items[i].name);
        if (!is_cast(st, i))
            continue;
        text_append_printf(out, "::%s AS ", table_column(st, i)->type_name);
        sql_append_name(out, st->columns->items[i].name);
    }
    text_append_printf(out, " FROM %s s", st->temporary);
}

static void append_rows(const struct pg_statement *st, struct text *out)
{
    text_append_string(out, "SELECT ");
    append_row_columns(st, out);
}

static void append_call(const struct pg_statement *st, uint32_t index, const char *function,
                        struct text *out)
{
    text_append_printf(out, "%s(s.", function);
    sql_append_name(out, st->columns->items[index].name);
    text_append_printf(out, ")::%s", table_column(st, index)->type_name);
}

/* Appends the microseconds of the least (greatest) known time, which stands in the column before:
 * (array_agg(s."r" ORDER BY nullif(s."t", 0), s."r"))[1] */
static void append_residual(const struct pg_statement *st, uint32_t index, struct text *out)
{
    const struct sql_column *c = &st->columns->items[index], *time = c - 1;
    const char *direction = c->role == SQL_ROLE_MIN ? "" : " DESC NULLS LAST";

    text_append_string(out, "(array_agg(s.");
    sql_append_name(out, c->name);
    text_append_string(out, " ORDER BY nullif(s.");
    sql_append_name(out, time->name);
    text_append_printf(out, ", %s)%s, s.", time->default_value, direction);
    sql_append_name(out, c->name);
    text_append_printf(out, "%s))[1]", direction);
}

static void append_combined(const struct pg_statement *st, uint32_t index, struct text *out)
{
    const struct sql_column *c = &st->columns->items[index];

    switch (c->role) {
    case SQL_ROLE_KEY:
        text_append_string(out, "s.");
        sql_append_name(out, c->name);
        return;
    case SQL_ROLE_SUM:
        append_call(st, index, "sum", out);
        break;
    case SQL_ROLE_OR:
        append_call(st, index, "bit_or", out);
        break;
    case SQL_ROLE_MIN:
    case SQL_ROLE_MAX:
        if (c->source == SQL_SOURCE_RESIDUAL) {
            append_residual(st, index, out);
            break;
        }
        text_append_printf(out, "coalesce(%s(nullif(s.", c->role == SQL_ROLE_MIN ? "min" : "max");
        sql_append_name(out, c->name);
        text_append_printf(out, ", %s)), %s)", c->default_value, c->default_value);
        break;
    case SQL_ROLE_REPLACE:
        append_call(st, index, "max", out);
        break;
    }
    text_append_string(out, " AS ");
    sql_append_name(out, c->name);
}

/* Appends a query that puts rows of equal key together. */
static void append_groups(const struct pg_statement *st, struct text *out)
{
    text_append_string(out, "SELECT ");
    for (uint32_t i = 0; i < st->columns->count; i++) {
        text_append_string(out, i ? ", " : "");
        append_combined(st, i, out);
    }
    text_append_string(out, " FROM (");
    append_rows(st, out);
    text_append_string(out, ") s GROUP BY ");
    if (st->columns->key_count == 0)
        text_append_string(out, "()");
    sql_append_keys(out, st->columns, "s.");
}

/* Appends the order of rows, which is the same for all writers: by bytes, where the database would
 * compare words. */
static void append_order(const struct pg_statement *st, struct text *out)
{
    const char *before = " ORDER BY ";

    for (uint32_t i = 0; i < st->columns->count; i++) {
        const struct sql_column *c = &st->columns->items[i];
        if (c->role != SQL_ROLE_KEY)
            continue;
        text_append_string(out, before);
        text_append_string(out, "s.");
        sql_append_name(out, c->name);
        if (table_column(st, i)->has_collation)
            text_append_string(out, " COLLATE \"C\"");
        before = ", ";
    }
}

static void append_insert(const struct pg_statement *st, struct text *out)
{
    text_append_printf(out, "INSERT INTO %s AS t (", st->name);
    sql_append_columns(out, st->columns, "");
    text_append_string(out, ") ");
}

char *pg_statement_merge(const struct pg_statement *st, bool is_grouped)
{
    struct text sql = {0}, update = {0};

    append_insert(st, &sql);
    if (is_grouped) {
        text_append_string(&sql, "SELECT s.* FROM (");
        append_groups(st, &sql);
        text_append_string(&sql, ") s");
    } else if (st->adds_up) {
        text_append_string(&sql, "SELECT s.* FROM (");
        append_rows(st, &sql);
        text_append_string(&sql, ") s");
    } else {
        append_rows(st, &sql);
    }
    if (!st->adds_up)
        return take_string(&sql);
    append_order(st, &sql);
    sql_append_update(&update, st->columns, st->dialect, "t.", "excluded.");
    text_append_printf(&sql, " ON CONFLICT (%s) DO %s%s", st->table->conflict_columns,
                       update.len > 0 ? "UPDATE SET " : "NOTHING", text_cstr(&update));
    text_clear(&update);
    return take_string(&sql);
}

/* If the table has several rows of equal key, which only others can have written, one grows, so
 * that each flow counts once. ctid is the place of a row, which nobody moves while the table is
 * locked. */
char *pg_statement_update(const struct pg_statement *st)
{
    struct text sql = {0};

    text_append_string(&sql, "WITH g AS (");
    append_groups(st, &sql);
    text_append_string(&sql, "), m AS (SELECT ");
    if (st->columns->key_count > 0) {
        text_append_string(&sql, "DISTINCT ON (");
        sql_append_keys(&sql, st->columns, "g.");
        text_append_string(&sql, ") ");
    }
    text_append_printf(&sql, "t.tableoid AS at_table, t.ctid AS at_row, g.* FROM g JOIN %s t ON ",
                       st->name);
    append_match(st, "t.", "g.", &sql);
    if (st->columns->key_count == 0) {
        text_append_string(&sql, " LIMIT 1");
    } else {
        text_append_string(&sql, " ORDER BY ");
        sql_append_keys(&sql, st->columns, "g.");
        text_append_string(&sql, ", t.ctid");
    }
    text_append_printf(&sql, ") UPDATE %s AS t SET ", st->name);
    sql_append_update(&sql, st->columns, st->dialect, "t.", "m.");
    text_append_string(&sql, " FROM m WHERE t.tableoid = m.at_table AND t.ctid = m.at_row");
    return take_string(&sql);
}

char *pg_statement_update_unique(const struct pg_statement *st)
{
    struct text sql = {0};

    text_append_printf(&sql, "UPDATE %s AS t SET ", st->name);
    sql_append_update(&sql, st->columns, st->dialect, "t.", "s.");
    text_append_string(&sql, " FROM (");
    append_rows(st, &sql);
    text_append_string(&sql, ") s WHERE ");
    append_match(st, "t.", "s.", &sql);
    return take_string(&sql);
}

static void append_not_there(const struct pg_statement *st, struct text *out)
{
    text_append_printf(out, ") s WHERE NOT EXISTS (SELECT FROM %s x WHERE ", st->name);
    append_match(st, "x.", "s.", out);
    text_append_string(out, ")");
}

/* Appends an INSERT in the order of the key, which is the order of the index. */
static void append_insert_new(const struct pg_statement *st, bool is_grouped, struct text *out)
{
    append_insert(st, out);
    text_append_string(out, "SELECT s.* FROM (");
    if (is_grouped)
        append_groups(st, out);
    else
        append_rows(st, out);
    append_not_there(st, out);
    append_order(st, out);
}

char *pg_statement_insert(const struct pg_statement *st, bool is_grouped)
{
    struct text sql = {0};

    append_insert_new(st, is_grouped, &sql);
    return take_string(&sql);
}

char *pg_statement_insert_rest(const struct pg_statement *st)
{
    struct text sql = {0};

    append_insert_new(st, true, &sql);
    text_append_string(&sql, " ON CONFLICT DO NOTHING");
    return take_string(&sql);
}

/* ctid is the place of a row, and COPY puts rows into an empty table one behind the other. */
char *pg_statement_left_out(const struct pg_statement *st)
{
    struct text sql = {0};

    text_append_string(&sql,
                       "SELECT s.row_number FROM (SELECT row_number() OVER (ORDER BY s.ctid), ");
    append_row_columns(st, &sql);
    append_not_there(st, &sql);
    return take_string(&sql);
}
