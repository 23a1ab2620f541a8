/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Adds up rows by the texts of some columns: an index over those texts finds a row's group. See
 * groups.h. */
#define XXH_INLINE_ALL
#include "pmacct/groups.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/row_index.h"
#include "base/text.h"
#include <errno.h>
#include <stdlib.h>

struct groups {
    struct query_output *output;
    size_t *cells; /* which cell of the output each column is */
    size_t column_count;
    const struct pa_column *metrics[METRIC_COUNT]; /* NULL: the table does not have it */
    struct group *items;
    size_t count, capacity;
    struct row_index index;
    uint64_t seed;
    struct text key;
};

static int find_cell(const struct groups *g, const char *name, size_t *ret_cell)
{
    for (size_t i = 0; i < query_cell_count(g->output); i++)
        if (!strcmp(query_cell_column(g->output, i)->name, name)) {
            *ret_cell = i;
            return 0;
        }
    return -ENOENT;
}

static int find_columns(struct groups *g, const struct query *query, char *const *columns,
                        struct text *error)
{
    for (size_t i = 0; i < g->column_count; i++) {
        const struct pa_column *c = query_column(query, columns[i]);
        if (c && c->combine == PA_COMBINE_KEY && find_cell(g, c->name, &g->cells[i]) == 0)
            continue;
        text_append_printf(error, "unknown primitive '%s': this table has ", columns[i]);
        query_append_columns(query, error);
        return -EINVAL;
    }
    return 0;
}

int groups_new(const struct query *query, const struct query_output_options *options,
               char *const *columns, size_t column_count, struct text *error,
               struct groups **ret_groups)
{
    struct groups *g = mem_zalloc(sizeof *g);
    struct query_output_options plain = *options;
    int err;

    plain.form = QUERY_FORMATTED;
    plain.is_event = plain.has_all_columns = false;
    row_index_init(&g->index);
    g->seed = hash_seed();
    g->column_count = column_count;
    g->cells = mem_calloc(column_count + 1, sizeof *g->cells);
    for (int i = 0; i < METRIC_COUNT; i++)
        g->metrics[i] = query_column(query, metric_names[i]);
    err = query_output_new(query, &plain, &g->output);
    if (err < 0)
        text_append_string(error, "the table's columns make no sense to this program");
    else
        err = find_columns(g, query, columns, error);
    if (err < 0) {
        groups_free(g);
        return err;
    }
    *ret_groups = g;
    return 0;
}

void groups_free(struct groups *g)
{
    if (!g)
        return;
    groups_clear(g);
    query_output_free(g->output);
    row_index_clear(&g->index);
    text_clear(&g->key);
    mem_free(g->items);
    mem_free(g->cells);
    mem_free(g);
}

void groups_clear(struct groups *g)
{
    for (size_t i = 0; i < g->count; i++)
        mem_free((void *)(uintptr_t)g->items[i].key);
    g->count = 0;
    row_index_reset(&g->index);
}

/* Finds the group with this key; otherwise returns NULL and sets `at` to the key's place in the
 * index. */
static struct group *find_by_key(const struct groups *g, const char *key, size_t len,
                                 uint32_t *hash, uint32_t *at)
{
    uint32_t number;

    *hash = (uint32_t)hash_bytes(key, len, g->seed);
    *at = *hash & g->index.mask;
    while (row_index_next(&g->index, *hash, at, &number)) {
        struct group *item = &g->items[number];
        if (item->key_len == len && memcmp(item->key, key, len) == 0)
            return item;
    }
    return NULL;
}

static struct group *add_group(struct groups *g, uint32_t hash, uint32_t at)
{
    if (g->count == g->capacity) {
        g->capacity = g->capacity ? g->capacity * 2 : 64;
        g->items = mem_realloc_array(g->items, g->capacity, sizeof *g->items);
    }
    g->items[g->count] =
        (struct group){.key = mem_dup(g->key.data, g->key.len), .key_len = g->key.len};
    row_index_put(&g->index, hash, at, (uint32_t)g->count);
    return &g->items[g->count++];
}

/* An exporter may send a text with a zero byte, which would end the text here: replaces it. */
static void hide_zero_bytes(char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (data[i] == '\0')
            data[i] = '?';
}

void groups_add(struct groups *g, const struct pa_batch *batch, const uint8_t *row)
{
    struct group *item;
    uint32_t hash, at;

    text_reset(&g->key);
    for (size_t i = 0; i < g->column_count; i++) {
        size_t start = g->key.len;
        query_cell_append(g->output, g->cells[i], batch, row, &g->key);
        text_append_char(&g->key, '\0');
        hide_zero_bytes(g->key.data + start, g->key.len - start - 1);
    }
    row_index_reserve(&g->index, 1);
    item = find_by_key(g, g->key.data, g->key.len, &hash, &at);
    if (!item)
        item = add_group(g, hash, at);
    for (int i = 0; i < METRIC_COUNT; i++)
        if (g->metrics[i])
            item->sums[i] += query_number(g->metrics[i], row);
    item->row_count++;
}

size_t groups_count(const struct groups *g)
{
    return g->count;
}

const struct group *groups_at(const struct groups *g, size_t index)
{
    return &g->items[index];
}

const struct group *groups_find(const struct groups *g, const char *key, size_t key_len)
{
    uint32_t hash, at;

    return find_by_key(g, key, key_len, &hash, &at);
}

/* Groups of equal sums are ordered by key, so that a table does not jump about. */
static int compare_sums(const void *a, const void *b, void *metric)
{
    const struct group *x = a, *y = b;
    uint64_t m = x->sums[*(const enum metric *)metric], n = y->sums[*(const enum metric *)metric];
    size_t len = x->key_len < y->key_len ? x->key_len : y->key_len;
    int order;

    if (m != n)
        return m < n ? 1 : -1;
    order = memcmp(x->key, y->key, len);
    return order != 0 ? order : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

void groups_sort(struct groups *g, enum metric metric)
{
    if (g->count > 1)
        qsort_r(g->items, g->count, sizeof *g->items, compare_sums, &metric);
}

size_t groups_column_count(const struct groups *g)
{
    return g->column_count;
}

const struct pa_column *groups_column(const struct groups *g, size_t index)
{
    return query_cell_column(g->output, g->cells[index]);
}

bool groups_has(const struct groups *g, enum metric metric)
{
    return g->metrics[metric] != NULL;
}
