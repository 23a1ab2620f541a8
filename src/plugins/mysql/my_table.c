/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the server's information_schema about a table. See my_table.h. */
#include "plugins/mysql/my_table.h"

#include "base/memory.h"
#include "base/text.h"
#include "plugins/sql/sql_columns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct my_column *my_table_find(const struct my_table *table, const char *name)
{
    for (uint32_t i = 0; i < table->column_count; i++)
        if (strcasecmp(table->columns[i].name, name) == 0)
            return &table->columns[i];
    return NULL;
}

void my_table_clear(struct my_table *table)
{
    for (uint32_t i = 0; i < table->column_count; i++) {
        mem_free(table->columns[i].name);
        mem_free(table->columns[i].expression);
    }
    mem_free(table->columns);
    mem_free(table->engine);
    mem_free(table->narrow_index);
    *table = (struct my_table){0};
}

/* ---- columns ---- */

/* Appends WHERE table_schema = ... AND table_name = .... */
static void append_where(struct my_connection *connection, const char *table, struct text *sql)
{
    const char *dot = strrchr(table, '.');

    text_append_string(sql, " WHERE t.table_schema = ");
    if (dot && dot > table && dot[1]) {
        my_append_literal(connection, sql, table, (size_t)(dot - table));
        table = dot + 1;
    } else {
        text_append_string(sql, "DATABASE()");
    }
    text_append_string(sql, " AND t.table_name = ");
    my_append_literal(connection, sql, table, strlen(table));
}

static int run_query(struct my_connection *connection, const char *select, const char *table,
                     const char *order, MYSQL_RES **ret_rows)
{
    struct text sql = {0};
    int err;

    text_append_string(&sql, select);
    append_where(connection, table, &sql);
    text_append_string(&sql, order);
    err = my_connection_ask(connection, text_cstr(&sql), ret_rows);
    text_clear(&sql);
    return err;
}

static bool is_yes(const char *value)
{
    return value && *value == '1';
}

/* Character sets that hold all of Unicode, or its first plane; all others get ASCII alone. */
static uint8_t sequence_max_of(const char *character_set)
{
    static const char *const all[] = {"utf8mb4", "utf16", "utf16le", "utf32"};
    static const char *const first_plane[] = {"utf8", "utf8mb3", "ucs2"};

    if (!character_set)
        return 4; /* bytes */
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(character_set, all[i]) == 0)
            return 4;
    for (size_t i = 0; i < sizeof first_plane / sizeof first_plane[0]; i++)
        if (strcmp(character_set, first_plane[i]) == 0)
            return 3;
    return 1;
}

static uint64_t number_of(const char *value)
{
    return value ? strtoull(value, NULL, 10) : 0;
}

static int read_columns(struct my_connection *connection, const char *table,
                        struct my_table *ret_table)
{
    /* MariaDB shows a default of NULL as the word; a default with a parenthesis calls a function. */
    static const char select[] =
        "SELECT t.column_name, COALESCE(t.generation_expression, ''),"
        " t.data_type IN ('char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext', 'enum',"
        " 'set', 'binary', 'varbinary', 'tinyblob', 'blob', 'mediumblob', 'longblob'),"
        " COALESCE(t.collation_name, '_bin') NOT LIKE '%\\_bin' AND t.collation_name NOT LIKE "
        "'%\\_cs',"
        " t.character_set_name, t.character_maximum_length, t.character_octet_length,"
        " t.is_nullable = 'NO' AND t.column_default IS NULL AND t.extra NOT LIKE '%auto_increment%'"
        " AND COALESCE(t.generation_expression, '') = '',"
        " t.column_default IS NOT NULL AND t.column_default <> 'NULL'"
        " AND t.column_default NOT LIKE '%(%' AND t.column_default NOT LIKE 'current_timestamp%'"
        " AND t.extra NOT LIKE '%auto_increment%',"
        " t.extra LIKE '%auto_increment%' OR (t.is_nullable = 'YES'"
        " AND COALESCE(t.column_default, 'NULL') = 'NULL'"
        " AND COALESCE(t.generation_expression, '') = '')"
        " FROM information_schema.columns t";
    MYSQL_RES *rows;
    MYSQL_ROW row;
    int err = run_query(connection, select, table, " ORDER BY t.ordinal_position", &rows);

    if (err < 0)
        return err;
    ret_table->columns = mem_calloc((size_t)mysql_num_rows(rows) + 1, sizeof *ret_table->columns);
    while ((row = mysql_fetch_row(rows)))
        ret_table->columns[ret_table->column_count++] =
            (struct my_column){.name = mem_strdup(row[0]),
                               .expression = mem_strdup(row[1]),
                               .is_text = is_yes(row[2]),
                               .is_blind = is_yes(row[3]),
                               .sequence_max = sequence_max_of(row[4]),
                               .char_max = number_of(row[5]),
                               .byte_max = number_of(row[6]),
                               .needs_value = is_yes(row[7]),
                               .has_constant_default = is_yes(row[8]),
                               .tells_apart = is_yes(row[9])};
    mysql_free_result(rows);
    return ret_table->column_count > 0 ? 0 : -ENOENT;
}

static int read_engine(struct my_connection *connection, const char *table,
                       struct my_table *ret_table)
{
    MYSQL_RES *rows;
    MYSQL_ROW row;
    int err = run_query(connection,
                        "SELECT COALESCE(t.engine, t.table_type), e.transactions = 'YES'"
                        " FROM information_schema.tables t"
                        " LEFT JOIN information_schema.engines e ON e.engine = t.engine",
                        table, "", &rows);

    if (err < 0)
        return err;
    row = mysql_fetch_row(rows);
    if (row) {
        ret_table->engine = mem_strdup(row[0] ? row[0] : "unknown");
        ret_table->has_transactions = is_yes(row[1]);
    }
    mysql_free_result(rows);
    return row ? 0 : -ENOENT;
}

/* ---- unique keys ---- */

/* Holds what is known of a unique key while its columns are read. */
struct unique_key {
    const struct my_table *table;
    const struct sql_columns *columns;
    uint8_t *has;     /* one byte for each of our columns: 1 if it is in the key */
    bool is_partial;  /* of a text it has only the beginning, or an expression is in it */
    bool has_others;  /* columns that may differ among rows of equal key */
    bool tells_apart; /* a column in it is never the same for two rows */
};

static void add_column(struct unique_key *key, const char *name)
{
    const struct sql_column *c = sql_columns_find(key->columns, name);
    const struct my_column *theirs = my_table_find(key->table, name);

    if (c)
        key->has[c - key->columns->items] = 1;
    if (c ? c->role != SQL_ROLE_KEY : !theirs || !theirs->has_constant_default)
        key->has_others = true;
    if (!c && theirs && theirs->tells_apart)
        key->tells_apart = true;
}

/* Adds the columns of which the server makes MY_KEY_NAME: names in quotes, ` or " by its mode. */
static void add_named(struct unique_key *key, const char *expression)
{
    for (const char *p = strpbrk(expression, "`\""); p; p = strpbrk(p, "`\"")) {
        const char *end = strchr(p + 1, *p);
        if (!end)
            return;
        char *name = mem_strndup(p + 1, (size_t)(end - p - 1));
        add_column(key, name);
        mem_free(name);
        p = end + 1;
    }
}

static bool covers_key(const struct unique_key *key)
{
    for (uint32_t i = 0; i < key->columns->count; i++)
        if (key->columns->items[i].role == SQL_ROLE_KEY && !key->has[i])
            return false;
    return true;
}

/* Notes what a unique key that is read means for the table. */
static void judge_key(const struct unique_key *key, const char *name, struct my_table *table,
                      bool *ret_adds_up)
{
    bool covers = !key->is_partial && covers_key(key);

    if (covers && !key->has_others)
        *ret_adds_up = true;
    if (!covers && !key->tells_apart && !table->narrow_index)
        table->narrow_index = mem_strdup(name);
    if (!covers && strcmp(name, MY_KEY_NAME) == 0)
        table->is_own_key_narrow = true;
}

static void read_key_column(struct unique_key *key, const MYSQL_ROW row)
{
    const struct my_column *c = row[1] ? my_table_find(key->table, row[1]) : NULL;

    key->is_partial |= !c || row[2];
    if (c && strcmp(c->name, MY_KEY_NAME) == 0 && *c->expression)
        add_named(key, c->expression);
    else if (c)
        add_column(key, c->name);
}

static int read_keys(struct my_connection *connection, const char *table,
                     const struct sql_columns *columns, struct my_table *ret_table)
{
    MYSQL_RES *rows;
    MYSQL_ROW row;
    struct unique_key key = {.table = ret_table, .columns = columns};
    char *name = NULL;
    bool adds_up = false;
    int err =
        run_query(connection,
                  "SELECT t.index_name, t.column_name, t.sub_part"
                  " FROM information_schema.statistics t",
                  table, " AND t.non_unique = 0 ORDER BY t.index_name, t.seq_in_index", &rows);

    if (err < 0)
        return err;
    key.has = mem_calloc(columns->count + 1, 1);
    do {
        row = mysql_fetch_row(rows);
        if (name && (!row || strcmp(row[0], name) != 0)) {
            judge_key(&key, name, ret_table, &adds_up);
            mem_free(name);
            name = NULL;
        }
        if (row && !name) {
            name = mem_strdup(row[0]);
            memset(key.has, 0, columns->count);
            key.is_partial = key.has_others = key.tells_apart = false;
        }
        if (row)
            read_key_column(&key, row);
    } while (row);
    mem_free(key.has);
    mysql_free_result(rows);
    ret_table->has_own_key = my_table_find(ret_table, MY_KEY_NAME) != NULL;
    ret_table->is_for_all = adds_up && !ret_table->narrow_index;
    return 0;
}

int my_table_look_up(struct my_connection *connection, const char *table,
                     const struct sql_columns *columns, struct my_table *ret_table)
{
    struct my_table found = {0};
    int err = read_columns(connection, table, &found);

    if (err == 0)
        err = read_engine(connection, table, &found);
    if (err == 0)
        err = read_keys(connection, table, columns, &found);
    if (err < 0) {
        my_table_clear(&found);
        return err;
    }
    *ret_table = found;
    return 0;
}
