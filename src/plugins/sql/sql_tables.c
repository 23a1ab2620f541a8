/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds a row's table by a hash of its bin and of the values in the name. See sql_tables.h. */
#include "plugins/sql/sql_tables.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/sql/sql_settings.h"
#include "plugins/text/file_name.h"
#include <errno.h>
#include <string.h>
#include <xxhash.h>

#define ROUTE_COUNT 1024 /* a power of two */

/* Where rows of one bin and equal values of the name's columns go. */
struct route {
    uint64_t hash;
    struct text key;
    struct sql_table *table; /* NULL: none in this transaction */
};

struct sql_tables {
    const struct sql_settings *settings;
    const struct pa_schema *schema;
    void (*forget)(void *own);
    struct sql_table **items;
    uint32_t count, capacity;
    struct route *routes;
    bool is_constant; /* all rows have one name */
    int64_t written_s;
    struct text key, name;
    char *last_name;
};

struct sql_tables *sql_tables_new(const struct sql_settings *settings,
                                  const struct pa_schema *schema, void (*forget)(void *own))
{
    struct sql_tables *tables = mem_zalloc(sizeof *tables);

    tables->settings = settings;
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

void sql_tables_begin(struct sql_tables *tables, int64_t time_ns)
{
    tables->written_s = time_ns / NS_PER_S;
    if (tables->count > SQL_TABLES_MAX)
        sql_tables_forget(tables);
    for (uint32_t i = 0; i < ROUTE_COUNT; i++)
        tables->routes[i].table = NULL;
    for (uint32_t i = 0; i < tables->count; i++) {
        tables->items[i]->is_used = false;
        tables->items[i]->row_count = 0;
    }
}

static int find_by_name(struct sql_tables *tables, const char *name, int64_t time_s,
                        struct sql_table **ret_table)
{
    struct sql_table *table;

    if (tables->settings->dialect->name_max > 0 &&
        strlen(name) > tables->settings->dialect->name_max)
        return -ENAMETOOLONG;
    for (uint32_t i = 0; i < tables->count; i++)
        if (strcmp(tables->items[i]->name, name) == 0) {
            *ret_table = tables->items[i];
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
    *ret_table = table;
    return 0;
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
        text_reset(&tables->name);
        file_name_append(tables->settings->table_name, batch, row, time_s, &tables->name);
        err = find_by_name(tables, text_cstr(&tables->name), time_s, &route->table);
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
    file_name_append(tables->settings->schema, batch, row, table->time_s, out);
}
