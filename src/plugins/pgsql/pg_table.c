/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the server's catalogues about a table (PostgreSQL manual, chapter 53). See pg_table.h. */
#include "plugins/pgsql/pg_table.h"

#include "base/memory.h"
#include "base/text.h"
#include "plugins/sql/sql_columns.h"
#include "plugins/sql/sql_statement.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Selects the columns. A domain goes by the type that it is made of. A default without parentheses
 * calls no function. */
static const char columns_query[] =
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod),"
    " coalesce(nullif(t.typbasetype, 0), a.atttypid)::int8,"
    " a.attnotnull AND NOT a.atthasdef AND a.attidentity = '', a.attcollation <> 0,"
    " a.attgenerated = '' AND pg_get_expr(d.adbin, d.adrelid) !~ '[(]|^NULL'"
    " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped"
    " ORDER BY a.attnum";

/* Selects each column of each unique index that counts for all rows at once. */
static const char indexes_query[] =
    "SELECT i.indexrelid::regclass::text, a.attname"
    " FROM pg_catalog.pg_index i, pg_catalog.pg_attribute a"
    " WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indimmediate"
    " AND i.indpred IS NULL AND i.indexprs IS NULL AND a.attrelid = i.indrelid"
    " AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1])"
    " ORDER BY i.indexrelid, array_position(i.indkey::int2[], a.attnum)";

/* Translates object identifiers of built-in types (pg_type.dat), which never change. */
static enum pg_type type_of(long oid)
{
    switch (oid) {
    case 21:
        return PG_TYPE_INT2;
    case 23:
        return PG_TYPE_INT4;
    case 20:
        return PG_TYPE_INT8;
    case 25:   /* text */
    case 1042: /* char(n) */
    case 1043: /* varchar(n) */
        return PG_TYPE_TEXT;
    case 869:
        return PG_TYPE_INET;
    case 650:
        return PG_TYPE_CIDR;
    case 829:
        return PG_TYPE_MACADDR;
    case 1114:
        return PG_TYPE_TIMESTAMP;
    case 1184:
        return PG_TYPE_TIMESTAMPTZ;
    default:
        return PG_TYPE_OTHER;
    }
}

const struct pg_table_column *pg_table_find(const struct pg_table *table, const char *name)
{
    for (uint32_t i = 0; i < table->column_count; i++)
        if (!strcmp(table->columns[i].name, name))
            return &table->columns[i];
    return NULL;
}

void pg_table_clear(struct pg_table *table)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        mem_free(table->columns[i].name);
        mem_free(table->columns[i].type_name);
    }
    mem_free(table->columns);
    mem_free(table->conflict_columns);
    mem_free(table->narrow_index);
    *table = (struct pg_table){0};
}

static bool is_true(const PGresult *result, int row, int column)
{
    return *PQgetvalue(result, row, column) == 't';
}

static int read_columns(struct pg_connection *connection, const char *table,
                        struct pg_table *ret_table)
{
    PGresult *result;
    int err = pg_connection_run_params(connection, columns_query, 1, &table, &result);

    if (err < 0)
        return err;
    uint32_t count = (uint32_t)PQntuples(result);
    ret_table->columns = mem_calloc(count + 1, sizeof *ret_table->columns);
    for (uint32_t i = 0; i < count; i++) {
        int row = (int)i;
        ret_table->columns[i] =
            (struct pg_table_column){.name = mem_strdup(PQgetvalue(result, row, 0)),
                                     .type_name = mem_strdup(PQgetvalue(result, row, 1)),
                                     .type = type_of(strtol(PQgetvalue(result, row, 2), NULL, 10)),
                                     .needs_value = is_true(result, row, 3),
                                     .has_collation = is_true(result, row, 4),
                                     .has_constant_default = is_true(result, row, 5)};
    }
    ret_table->column_count = count;
    PQclear(result);
    return count > 0 ? 0 : -ENOENT;
}

/* ---- unique indexes ---- */

struct index_range {
    const PGresult *result;
    int first, end; /* its columns: rows first to end - 1 of the result */
};

static bool index_has(const struct index_range *index, const char *name)
{
    for (int i = index->first; i < index->end; i++)
        if (!strcmp(PQgetvalue(index->result, i, 1), name))
            return true;
    return false;
}

static bool covers_key(const struct index_range *index, const struct sql_columns *columns)
{
    for (uint32_t i = 0; i < columns->count; i++)
        if (columns->items[i].role == SQL_ROLE_KEY && !index_has(index, columns->items[i].name))
            return false;
    return true;
}

/* True if the index's columns beside the key never tell two of our rows apart: they are not
 * written, and their default is the same for all, unlike a serial number. */
static bool has_only_constants_beside(const struct index_range *index, const struct pg_table *table,
                                      const struct sql_columns *columns)
{
    for (int i = index->first; i < index->end; i++) {
        const char *name = PQgetvalue(index->result, i, 1);
        const struct sql_column *c = sql_columns_find(columns, name);
        const struct pg_table_column *theirs = pg_table_find(table, name);
        if (c ? c->role != SQL_ROLE_KEY : !theirs || !theirs->has_constant_default)
            return false;
    }
    return true;
}

/* True if rows that differ in other columns of the key would be the same to the index. */
static bool is_narrow(const struct index_range *index, const struct pg_table *table,
                      const struct sql_columns *columns)
{
    return !covers_key(index, columns) && has_only_constants_beside(index, table, columns);
}

static char *join_columns(const struct index_range *index)
{
    struct text out = {0};

    for (int i = index->first; i < index->end; i++) {
        text_append_string(&out, i > index->first ? ", " : "");
        sql_append_name(&out, PQgetvalue(index->result, i, 1));
    }
    char *joined = mem_strdup(text_cstr(&out));
    text_clear(&out);
    return joined;
}

static void judge_index(const struct index_range *index, const struct sql_columns *columns,
                        struct pg_table *table)
{
    if (!table->conflict_columns && covers_key(index, columns) &&
        has_only_constants_beside(index, table, columns)) {
        table->conflict_columns = join_columns(index);
        table->has_exact_key = (uint32_t)(index->end - index->first) == columns->key_count;
    }
    if (!table->narrow_index && is_narrow(index, table, columns))
        table->narrow_index = mem_strdup(PQgetvalue(index->result, index->first, 0));
}

static int read_indexes(struct pg_connection *connection, const char *name,
                        const struct sql_columns *columns, struct pg_table *table)
{
    PGresult *result;
    int err = pg_connection_run_params(connection, indexes_query, 1, &name, &result);

    if (err < 0)
        return err;
    struct index_range index = {.result = result};
    int count = PQntuples(result);
    for (int i = 1; i <= count; i++) {
        if (i < count && !strcmp(PQgetvalue(result, i, 0), PQgetvalue(result, index.first, 0)))
            continue;
        index.end = i;
        judge_index(&index, columns, table);
        index.first = i;
    }
    PQclear(result);
    return 0;
}

int pg_table_look_up(struct pg_connection *connection, const char *table,
                     const struct sql_columns *columns, struct pg_table *ret_table)
{
    struct pg_table found = {0};
    int err = read_columns(connection, table, &found);

    if (err == 0)
        err = read_indexes(connection, table, columns, &found);
    if (err < 0) {
        pg_table_clear(&found);
        return err;
    }
    *ret_table = found;
    return 0;
}
