/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A table as the server describes it: its columns, and whether a unique index tells which rows are
 * one. */
#include "plugins/pgsql/pg_connection.h"
#include <stdbool.h>
#include <stdint.h>

struct sql_columns;

/* Types with a binary form that is written as it is; all others take text, and the server casts
 * it. */
enum pg_type {
    PG_TYPE_OTHER,
    PG_TYPE_INT2,
    PG_TYPE_INT4,
    PG_TYPE_INT8,
    PG_TYPE_TEXT, /* char(n) and varchar(n) too */
    PG_TYPE_INET,
    PG_TYPE_CIDR,
    PG_TYPE_MACADDR,
    PG_TYPE_TIMESTAMP,
    PG_TYPE_TIMESTAMPTZ
};

struct pg_table_column {
    char *name;
    char *type_name; /* as in CREATE TABLE: character(21) */
    enum pg_type type;
    bool needs_value; /* NOT NULL and no default */
    bool has_collation, has_constant_default;
    uint32_t char_max; /* what char(n) and varchar(n) hold; 0: no bound */
    bool is_hashed;    /* the index of conflict_columns has it as the dialect's text_key */
};

/* An index whose entries have a bound: how many bytes are there for its texts, and which these
 * are, as places in sql_columns. */
struct pg_room {
    uint32_t len;
    uint32_t *columns, column_count;
};

struct pg_table {
    struct pg_table_column *columns;
    uint32_t column_count;
    struct pg_room *rooms;
    uint32_t room_count;
    /* Columns of the unique index that ON CONFLICT can name: those of the key, and perhaps others
     * that always have their default. Joined by ", " and quoted, hashed ones as expressions; NULL:
     * there is no such index. */
    char *conflict_columns;
    bool has_exact_key; /* the index has only columns of the key */
    /* A unique index over less than the key: it refuses some rows; NULL: none. */
    char *narrow_index;
};

/* `table` is quoted. -ENOENT: there is no such table. Other errors are as in pg_connection.h. The
 * columns of the key tell which index is the right one. */
int pg_table_look_up(struct pg_connection *connection, const char *table,
                     const struct sql_columns *columns, struct pg_table *ret_table);
void pg_table_clear(struct pg_table *table);
const struct pg_table_column *pg_table_find(const struct pg_table *table, const char *name);
