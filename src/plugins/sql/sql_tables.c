/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds a row's table by a hash of its bin and of the values in the name. See sql_tables.h. */
#include "plugins/sql/sql_tables.h"
#include "base/clock.h"
#include "base/keyed_table.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/sql/sql_settings.h"
#include "plugins/text/file_name.h"
#include <errno.h>
#include <string.h>
#include <xxhash.h>

#define ROUTE_COUNT       1024 /* a power of two */
#define SAY_FULL_AGAIN_NS (600 * NS_PER_S)

/* Where rows of one bin and equal values of the name's columns go. */
struct route {
    uint64_t hash;
    struct text key;
    struct sql_table *table; /* NULL: none in this transaction */
};

/* Values of the name's columns that have a table. */
struct value_entry {
    struct keyed_entry entry; /* two halves of a hash of them */
    int64_t used_s;
};

struct name_entry {
    struct keyed_entry entry; /* the hash of the table's name */
    struct sql_table *table;
};

struct sql_tables {
    const struct pa_host *host;
    const struct sql_settings *settings;
    const struct pa_schema *schema;
    void (*forget)(void *own);
    struct sql_table **items;
    uint32_t count, capacity;
    struct keyed_table names;  /* of the items */
    struct keyed_table values; /* of which rows came, the least recently used first */
    int64_t said_full_ns;
    struct route *routes;
    bool is_constant; /* all rows have one name */
    int64_t written_s;
    struct text key, name;
    char *last_name;
};

static void entry_discard(void *arg, struct keyed_entry *entry)
{
    (void)arg;
    mem_free(entry);
}

struct sql_tables *sql_tables_new(const struct pa_host *host, const struct sql_settings *settings,
                                  const struct pa_schema *schema, void (*forget)(void *own))
{
    struct sql_tables *tables = mem_zalloc(sizeof *tables);

    tables->host = host;
    tables->settings = settings;
    keyed_table_init(&tables->names, SIZE_MAX, entry_discard, NULL);
    keyed_table_init(&tables->values, SIZE_MAX, entry_discard, NULL);
    tables->schema = schema;
    tables->forget = forget;
    tables->is_constant =
        !file_name_has_time(settings->table_name) && !file_name_has_columns(settings->table_name);
    tables->routes = mem_calloc(ROUTE_COUNT, sizeof *tables->routes);
    return tables;
}

static void remember_last(struct sql_tables *tables, const char *name)
{
    if (tables->last_name && strcmp(tables->last_name, name) == 0)
        return;
    mem_free(tables->last_name);
    tables->last_name = mem_strdup(name);
}

void sql_tables_forget(struct sql_tables *tables)
{
    for (uint32_t i = 0; i < tables->count; i++) {
        struct sql_table *table = tables->items[i];
        if (table->own)
            tables->forget(table->own);
        mem_free(table->name);
        mem_free(table);
    }
    tables->count = 0;
    keyed_table_empty(&tables->names);
    for (uint32_t i = 0; i < ROUTE_COUNT; i++)
        tables->routes[i].table = NULL;
}

void sql_tables_free(struct sql_tables *tables)
{
    if (!tables)
        return;
    sql_tables_forget(tables);
    for (uint32_t i = 0; i < ROUTE_COUNT; i++)
        text_clear(&tables->routes[i].key);
    keyed_table_clear(&tables->names);
    keyed_table_clear(&tables->values);
    mem_free(tables->routes);
    mem_free(tables->items);
    text_clear(&tables->key);
    text_clear(&tables->name);
    mem_free(tables->last_name);
    mem_free(tables);
}

bool sql_tables_name_now(const struct sql_settings *settings, struct text *out)
{
    if (file_name_has_columns(settings->table_name))
        return false;
    file_name_append(settings->table_name, NULL, NULL, clock_wall().ns / NS_PER_S, out);
    return true;
}

static void forget_idle_values(struct sql_tables *tables)
{
    struct keyed_entry *oldest;

    while ((oldest = tables->values.used.oldest) &&
           ((struct value_entry *)oldest)->used_s < tables->written_s - SQL_VALUE_IDLE_S) {
        keyed_table_remove(&tables->values, oldest);
        mem_free(oldest);
    }
}

void sql_tables_begin(struct sql_tables *tables, int64_t time_ns)
{
    tables->written_s = time_ns / NS_PER_S;
    forget_idle_values(tables);
    if (tables->count > SQL_TABLES_MAX)
        sql_tables_forget(tables);
    for (uint32_t i = 0; i < ROUTE_COUNT; i++)
        tables->routes[i].table = NULL;
    for (uint32_t i = 0; i < tables->count; i++) {
        tables->items[i]->is_used = false;
        tables->items[i]->row_count = 0;
    }
}

static struct sql_table *find_item(const struct sql_tables *tables, uint64_t hash, const char *name)
{
    struct keyed_entry *e = keyed_table_find(&tables->names, hash, 0);

    for (; e; e = keyed_table_next(e)) {
        struct sql_table *table = ((struct name_entry *)e)->table;
        if (strcmp(table->name, name) == 0)
            return table;
    }
    return NULL;
}

static int find_by_name(struct sql_tables *tables, const char *name, int64_t time_s,
                        struct sql_table **ret_table)
{
    uint64_t hash = keyed_table_hash(&tables->names, name, strlen(name));
    struct sql_table *table = find_item(tables, hash, name);

    if (tables->settings->dialect->name_max > 0 &&
        strlen(name) > tables->settings->dialect->name_max)
        return -ENAMETOOLONG;
    if (table) {
        *ret_table = table;
        return 0;
    }
    if (tables->count == tables->capacity) {
        tables->capacity = tables->capacity ? tables->capacity * 2 : 16;
        tables->items =
            mem_realloc_array(tables->items, tables->capacity, sizeof(struct sql_table *));
    }
    table = tables->items[tables->count++] = mem_zalloc(sizeof *table);
    table->name = mem_strdup(name);
    table->time_s = time_s;
    struct name_entry *entry = mem_zalloc(sizeof *entry);
    entry->table = table;
    keyed_table_add(&tables->names, &entry->entry, hash, 0);
    *ret_table = table;
    return 0;
}

/* Returns whether rows of these values, the bytes `key`, may have a table of their own. */
static bool values_have_room(struct sql_tables *tables, const char *key, size_t len)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(key, len, tables->values.seed);
    struct value_entry *value = (struct value_entry *)keyed_table_find(
        &tables->values, (uint64_t)hash.low64, (uint64_t)hash.high64);

    if (!value && tables->values.count >= tables->settings->tables_max)
        return false;
    if (value) {
        keyed_table_touch(&tables->values, &value->entry);
    } else {
        value = mem_zalloc(sizeof *value);
        keyed_table_add(&tables->values, &value->entry, (uint64_t)hash.low64,
                        (uint64_t)hash.high64);
    }
    value->used_s = tables->written_s;
    return true;
}

/* Rows of one value too many go to a table for others: nothing is lost, but what outsiders put into
 * names cannot fill the database with tables. */
static void choose_other_name(struct sql_tables *tables, int64_t time_s)
{
    int64_t now_ns = clock_mono().ns;
    char *own = mem_strdup(text_cstr(&tables->name));

    text_reset(&tables->name);
    file_name_append_other(tables->settings->table_name, time_s, &tables->name);
    tables->host->count(tables->host, "sql_names_beyond_max", 1);
    if (tables->said_full_ns == 0 || now_ns - tables->said_full_ns > SAY_FULL_AGAIN_NS) {
        tables->said_full_ns = now_ns;
        tables->host->log(tables->host, PA_LOG_WARNING,
                          "sql_tables_max: rows of %u values of the $variables in sql_table have "
                          "come within a day; rows for further tables, such as %s, go to %s; raise "
                          "it if so many are meant",
                          tables->settings->tables_max, own, text_cstr(&tables->name));
    }
    mem_free(own);
}

/* Finds the table of a row of which no route is known. The row's key begins with its time. */
static int find_named(struct sql_tables *tables, const struct pa_batch *batch, const uint8_t *row,
                      int64_t time_s, struct sql_table **ret_table)
{
    bool has_room =
        !file_name_has_columns(tables->settings->table_name) ||
        values_have_room(tables, tables->key.data + sizeof time_s, tables->key.len - sizeof time_s);

    text_reset(&tables->name);
    file_name_append(tables->settings->table_name, batch, row, time_s, &tables->name);
    if (!has_room)
        choose_other_name(tables, time_s);
    int err = find_by_name(tables, text_cstr(&tables->name), time_s, ret_table);
    if (err == 0)
        (*ret_table)->is_for_others = !has_room;
    return err;
}

static int find_routed(struct sql_tables *tables, const struct pa_batch *batch, const uint8_t *row,
                       struct sql_table **ret_table)
{
    int64_t time_s = tables->written_s;
    struct route *route;
    uint64_t hash;
    int err;

    if (tables->schema->bin_offset >= 0)
        memcpy(&time_s, row + tables->schema->bin_offset, sizeof time_s);
    text_reset(&tables->key);
    text_append(&tables->key, &time_s, sizeof time_s);
    file_name_append_key(tables->settings->table_name, batch, row, &tables->key);
    hash = XXH3_64bits(tables->key.data, tables->key.len);
    route = &tables->routes[hash & (ROUTE_COUNT - 1)];
    if (!route->table || route->hash != hash || route->key.len != tables->key.len ||
        memcmp(route->key.data, tables->key.data, tables->key.len) != 0) {
        err = find_named(tables, batch, row, time_s, &route->table);
        if (err < 0) {
            route->table = NULL;
            return err;
        }
        route->hash = hash;
        text_reset(&route->key);
        text_append(&route->key, tables->key.data, tables->key.len);
    }
    *ret_table = route->table;
    return 0;
}

int sql_tables_find(struct sql_tables *tables, const struct pa_batch *batch, const uint8_t *row,
                    struct sql_table **ret_table)
{
    int err = 0;

    if (tables->is_constant && tables->count == 1)
        *ret_table = tables->items[0];
    else
        err = find_routed(tables, batch, row, ret_table);
    if (err == 0 && !(*ret_table)->is_used) {
        (*ret_table)->is_used = true;
        remember_last(tables, (*ret_table)->name);
    }
    return err;
}

int sql_tables_each_used(struct sql_tables *tables, int (*fn)(void *arg, struct sql_table *table),
                         void *arg)
{
    int err = 0;

    for (uint32_t i = 0; i < tables->count && err >= 0; i++)
        if (tables->items[i]->is_used)
            err = fn(arg, tables->items[i]);
    return err;
}

const char *sql_tables_last_name(const struct sql_tables *tables)
{
    return tables->last_name ? tables->last_name : "";
}

void sql_tables_append_schema(const struct sql_tables *tables, const struct sql_table *table,
                              const struct pa_batch *batch, const uint8_t *row, struct text *out)
{
    if (table->is_for_others)
        file_name_append_other(tables->settings->schema, table->time_s, out);
    else
        file_name_append(tables->settings->schema, batch, row, table->time_s, out);
}
