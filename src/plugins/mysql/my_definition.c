/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Types, and CREATE and ALTER TABLE. See my_definition.h. */
#include "plugins/mysql/my_definition.h"

#include "plugins/mysql/my_table.h"
#include "plugins/sql/sql_statement.h"

#include <string.h>

/* No column is of type CHAR, whose values depend on the session's sql_mode: such a column cannot be
 * part of MY_KEY_NAME. */
#define ASCII "CHARACTER SET ascii COLLATE ascii_bin"

/* Texts compare by bytes, and those that end in blanks stay as they are. */
#define TABLE_OPTIONS " ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"

const struct sql_dialect my_dialect = {
    .name = "mysql",
    .default_db = "pmacct",
    .type_names = {[SQL_TYPE_U16] = "INT UNSIGNED",
                   [SQL_TYPE_U32] = "INT UNSIGNED",
                   [SQL_TYPE_U64] = "BIGINT UNSIGNED",
                   [SQL_TYPE_PROTO] = "SMALLINT UNSIGNED",
                   [SQL_TYPE_TEXT] = "TEXT",
                   [SQL_TYPE_ADDRESS] = "VARCHAR(45) " ASCII,
                   [SQL_TYPE_NUMERIC_ADDRESS] = "VARBINARY(16)",
                   [SQL_TYPE_MAC] = "VARCHAR(17) " ASCII,
                   [SQL_TYPE_TIME] = "DATETIME",
                   [SQL_TYPE_REAL] = "DOUBLE"},
    .least = "LEAST",
    .greatest = "GREATEST",
    .name_max = 64,
    .has_old_port_names = true,
    .has_numeric_hosts = true,
    .has_multi_values = true,
    .has_unix_times = true,
};

static void append_column(struct text *out, const struct sql_column *c)
{
    bool is_numeric_address = c->type == SQL_TYPE_NUMERIC_ADDRESS;

    sql_append_name(out, c->name);
    text_append_printf(out, " %s NOT NULL DEFAULT %s", my_dialect.type_names[c->type],
                       is_numeric_address ? "x'00000000'" : c->default_value);
}

/* Appends what stands for a column in the text that MY_KEY_NAME is a hash of: digits of base 16,
 * whatever the session's character set, time zone and language. A text stands there by a hash, as
 * the server bounds the results of its functions by max_allowed_packet. */
static void append_key_term(struct text *out, const struct sql_column *c)
{
    const char *before = "HEX(", *behind = ")";

    if (c->type == SQL_TYPE_TEXT) {
        before = "SHA2(";
        behind = ", 256)";
    } else if (c->type == SQL_TYPE_TIME) {
        before = "HEX(TO_SECONDS(";
        behind = "))";
    } else if (c->type == SQL_TYPE_REAL) {
        before = "HEX(ROUND(";
        behind = " * 1000000))";
    }
    text_append_string(out, before);
    sql_append_name(out, c->name);
    text_append_string(out, behind);
}

static void append_key_column(struct text *out, const struct sql_columns *columns)
{
    text_append_string(out, "\"" MY_KEY_NAME "\" BINARY(32) AS (UNHEX(SHA2(CONCAT_WS(','");
    for (uint32_t i = 0; i < columns->count; i++) {
        if (columns->items[i].role != SQL_ROLE_KEY)
            continue;
        text_append_string(out, ", ");
        append_key_term(out, &columns->items[i]);
    }
    text_append_string(out, "), 256))) STORED INVISIBLE");
}

/* Bins come one after the other, so rows of one lie together. */
static void append_key(struct text *out, const struct sql_columns *columns)
{
    const struct sql_column *bin = sql_columns_find(columns, "stamp_inserted");

    text_append_string(out, "UNIQUE KEY \"" MY_KEY_NAME "\" (");
    if (bin && bin->role == SQL_ROLE_KEY)
        text_append_string(out, "\"stamp_inserted\", ");
    text_append_string(out, "\"" MY_KEY_NAME "\")");
}

void my_append_create(struct text *out, const struct sql_columns *columns, const char *table,
                      bool has_key)
{
    text_append_printf(out, "CREATE TABLE IF NOT EXISTS %s", table);
    for (uint32_t i = 0; i < columns->count; i++) {
        text_append_string(out, i ? ", " : " (");
        append_column(out, &columns->items[i]);
    }
    if (has_key && columns->key_count > 0) {
        text_append_string(out, ", ");
        append_key_column(out, columns);
        text_append_string(out, ", ");
        append_key(out, columns);
    }
    text_append_string(out, ")" TABLE_OPTIONS);
}

uint32_t my_append_alter(struct text *out, const struct sql_columns *columns,
                         const struct my_table *found, const char *table, bool has_key)
{
    bool grows = found->is_own_key_narrow;
    const char *before = "";
    uint32_t count = 0;

    for (uint32_t i = 0; i < columns->count; i++) {
        bool is_missing = !my_table_find(found, columns->items[i].name);
        grows |= is_missing && columns->items[i].role == SQL_ROLE_KEY;
        count += is_missing;
    }
    grows = grows && has_key && found->has_own_key && columns->key_count > 0;
    if (count == 0 && !grows)
        return 0;
    text_append_printf(out, "ALTER TABLE %s ", table);
    if (grows)
        text_append_string(out, "DROP KEY \"" MY_KEY_NAME "\", DROP COLUMN \"" MY_KEY_NAME "\"");
    before = grows ? ", " : "";
    for (uint32_t i = 0; i < columns->count; i++) {
        if (my_table_find(found, columns->items[i].name))
            continue;
        text_append_printf(out, "%sADD COLUMN ", before);
        append_column(out, &columns->items[i]);
        before = ", ";
    }
    if (grows) {
        text_append_printf(out, "%sADD COLUMN ", before);
        append_key_column(out, columns);
        text_append_string(out, ", ADD ");
        append_key(out, columns);
    }
    return count;
}
