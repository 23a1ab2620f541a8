/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the server's catalogues about a table (PostgreSQL manual, chapter 53). See pg_table.h. */
#include "plugins/pgsql/pg_table.h"

#include "base/memory.h"
#include "base/text.h"
#include "plugins/pgsql/pg_dialect.h"
#include "plugins/sql/sql_columns.h"
#include "plugins/sql/sql_settings.h"
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
    " a.attgenerated = '' AND pg_get_expr(d.adbin, d.adrelid) !~ '[(]|^NULL',"
    /* The type modifier of char(n) and varchar(n) is n + 4. */
    " CASE WHEN coalesce(nullif(t.typbasetype, 0), a.atttypid) IN (1042, 1043)"
    " THEN greatest(CASE WHEN t.typbasetype <> 0 THEN t.typtypmod ELSE a.atttypmod END, 4) - 4"
    " ELSE 0 END"
    " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped"
    " ORDER BY a.attnum";

/* Selects each column of each unique index that counts for all rows at once. An expression that is
 * the text_key of a column ($2, as the server writes it) stands for that column; any other has no
 * name. */
static const char indexes_query[] =
    "SELECT i.indexrelid::regclass::text, a.attname, i.indkey[k.n] = 0"
    " FROM pg_catalog.pg_index i CROSS JOIN LATERAL generate_series(0, i.indnkeyatts - 1) k(n)"
    " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum > 0"
    " AND NOT a.attisdropped AND (a.attnum = i.indkey[k.n] OR (i.indkey[k.n] = 0"
    " AND replace(pg_get_indexdef(i.indexrelid, k.n + 1, false), format('(%I)::text', a.attname),"
    " quote_ident(a.attname)) = format($2, a.attname)))"
    " WHERE i.indrelid = to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indimmediate"
    " AND i.indpred IS NULL"
    " ORDER BY i.indexrelid, k.n";

/* Selects what an entry of each B-tree is made of: the column of the table (none: an expression)
 * and its length, which is below 0 if it varies. */
static const char rooms_query[] =
    "SELECT i.indexrelid::int8, a.attname, x.attlen"
    " FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid"
    " JOIN pg_catalog.pg_am m ON m.oid = c.relam AND m.amname = 'btree'"
    " JOIN pg_catalog.pg_attribute x ON x.attrelid = i.indexrelid"
    " LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum > 0"
    " AND a.attnum = i.indkey[x.attnum - 1]"
    " WHERE i.indrelid = to_regclass($1) ORDER BY i.indexrelid, x.attnum";

/* The most that a B-tree's entry can have is a third of a page, less what the page needs
 * (BTMaxItemSize in access/nbtree.h of the server, version 12 and later; before it was 8 more). An
 * entry has a header, and each of its columns may need to be aligned. */
#define ENTRY_MAX    2704
#define ENTRY_HEADER 16
#define ALIGNMENT    7
#define OTHER_LEN    64 /* of values that vary in length and are no texts of ours; a hash has 64 */

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
    for (uint32_t i = 0; i < table->room_count; i++)
        mem_free(table->rooms[i].columns);
    mem_free(table->rooms);
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
        ret_table->columns[i] = (struct pg_table_column){
            .name = mem_strdup(PQgetvalue(result, row, 0)),
            .type_name = mem_strdup(PQgetvalue(result, row, 1)),
            .type = type_of(strtol(PQgetvalue(result, row, 2), NULL, 10)),
            .needs_value = is_true(result, row, 3),
            .has_collation = is_true(result, row, 4),
            .has_constant_default = is_true(result, row, 5),
            .char_max = (uint32_t)strtoul(PQgetvalue(result, row, 6), NULL, 10)};
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

/* True if an expression is in it that we do not know. */
static bool is_unknown(const struct index_range *index)
{
    for (int i = index->first; i < index->end; i++)
        if (PQgetisnull(index->result, i, 1))
            return true;
    return false;
}

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

static char *join_columns(const struct index_range *index, const struct sql_dialect *dialect)
{
    struct text out = {0};

    for (int i = index->first; i < index->end; i++) {
        text_append_string(&out, i > index->first ? ", " : "");
        if (is_true(index->result, i, 2))
            sql_append_text_key(&out, dialect, "", PQgetvalue(index->result, i, 1));
        else
            sql_append_name(&out, PQgetvalue(index->result, i, 1));
    }
    char *joined = mem_strdup(text_cstr(&out));
    text_clear(&out);
    return joined;
}

static void mark_hashed(const struct index_range *index, struct pg_table *table)
{
    for (int i = index->first; i < index->end; i++)
        for (uint32_t k = 0; k < table->column_count; k++)
            if (!strcmp(table->columns[k].name, PQgetvalue(index->result, i, 1)))
                table->columns[k].is_hashed = is_true(index->result, i, 2);
}

static void judge_index(const struct index_range *index, const struct sql_columns *columns,
                        struct pg_table *table)
{
    if (is_unknown(index))
        return;
    if (!table->conflict_columns && covers_key(index, columns) &&
        has_only_constants_beside(index, table, columns)) {
        table->conflict_columns = join_columns(index, columns->settings->dialect);
        mark_hashed(index, table);
        table->has_exact_key = (uint32_t)(index->end - index->first) == columns->key_count;
    }
    if (!table->narrow_index && is_narrow(index, table, columns))
        table->narrow_index = mem_strdup(PQgetvalue(index->result, index->first, 0));
}

static int read_indexes(struct pg_connection *connection, const char *name,
                        const struct sql_columns *columns, struct pg_table *table)
{
    const char *const params[] = {name, pg_text_key_as_shown};
    PGresult *result;
    int err = pg_connection_run_params(connection, indexes_query, 2, params, &result);

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

/* ---- room in indexes ---- */

/* Returns the room of the index whose entry begins at that row of the result; `ret_end` is where
 * the next one begins. */
static struct pg_room measure_index(const PGresult *result, int first,
                                    const struct sql_columns *columns, int *ret_end)
{
    int count = PQntuples(result), end = first;
    int64_t left = ENTRY_MAX - ENTRY_HEADER;
    struct pg_room room = {.columns = mem_calloc((size_t)count + 1, sizeof *room.columns)};

    for (; end < count && !strcmp(PQgetvalue(result, end, 0), PQgetvalue(result, first, 0));
         end++) {
        long len = strtol(PQgetvalue(result, end, 2), NULL, 10);
        const struct sql_column *c = PQgetisnull(result, end, 1)
                                         ? NULL
                                         : sql_columns_find(columns, PQgetvalue(result, end, 1));
        if (len < 0 && c && c->type == SQL_TYPE_TEXT)
            room.columns[room.column_count++] = (uint32_t)(c - columns->items);
        else
            left -= len > 0 ? len : OTHER_LEN;
        left -= ALIGNMENT;
    }
    room.len = left > 0 ? (uint32_t)left : 0;
    *ret_end = end;
    return room;
}

static int read_rooms(struct pg_connection *connection, const char *name,
                      const struct sql_columns *columns, struct pg_table *table)
{
    PGresult *result;
    int end, err = pg_connection_run_params(connection, rooms_query, 1, &name, &result);

    if (err < 0)
        return err;
    table->rooms = mem_calloc((size_t)PQntuples(result) + 1, sizeof *table->rooms);
    for (int i = 0; i < PQntuples(result); i = end) {
        struct pg_room room = measure_index(result, i, columns, &end);
        if (room.column_count > 0)
            table->rooms[table->room_count++] = room;
        else
            mem_free(room.columns);
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
    if (err == 0)
        err = read_rooms(connection, table, columns, &found);
    if (err < 0) {
        pg_table_clear(&found);
        return err;
    }
    *ret_table = found;
    return 0;
}
