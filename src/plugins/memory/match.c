/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds the alternatives that a row matches. A shape is a set of columns with values; each shape
 * has an index of its alternatives. Of equal alternatives the index holds the first and the others
 * follow it: within the index each would have to walk past all before it, and a client chooses how
 * many there are. See match.h.
 */
#define XXH_INLINE_ALL
#include "plugins/memory/match.h"
#include "base/address.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/row_index.h"
#include <errno.h>

struct shape {
    uint64_t fixed;    /* a bit for each column that has a value */
    uint64_t prefixes; /* and for each whose value is a prefix, of these lengths: */
    uint8_t lens[MATCH_COLUMNS_MAX];
    struct row_index index;
};

struct alternative_link {
    /* The next equal alternative; 0: this is the last (0 itself is always a first) */
    uint32_t next;
    uint32_t last; /* in the first of equal alternatives: the last of them */
};

struct match {
    const struct pa_schema *schema;
    uint16_t columns[MATCH_COLUMNS_MAX];
    size_t column_count;
    struct pa_bytes *values;        /* column_count values for each alternative */
    struct alternative_link *links; /* one for each */
    size_t count, capacity;
    struct shape shapes[MATCH_SHAPES_MAX];
    size_t shape_count;
    uint64_t seed;
};

int match_new(const struct pa_schema *schema, const uint16_t *columns, size_t column_count,
              struct match **ret_match)
{
    struct match *m;

    if (column_count == 0 || column_count > MATCH_COLUMNS_MAX)
        return -EINVAL;
    for (size_t i = 0; i < column_count; i++) {
        if (columns[i] >= schema->column_count)
            return -EINVAL;
        for (size_t k = 0; k < i; k++)
            if (columns[k] == columns[i])
                return -EINVAL;
    }
    m = mem_zalloc(sizeof *m);
    m->schema = schema;
    m->seed = hash_seed();
    m->column_count = column_count;
    memcpy(m->columns, columns, column_count * sizeof *columns);
    *ret_match = m;
    return 0;
}

void match_free(struct match *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->count * m->column_count; i++)
        mem_free((void *)(uintptr_t)m->values[i].data);
    for (size_t i = 0; i < m->shape_count; i++)
        row_index_clear(&m->shapes[i].index);
    mem_free(m->values);
    mem_free(m->links);
    mem_free(m);
}

static const struct pa_column *column_of(const struct match *m, size_t i)
{
    return &m->schema->columns[m->columns[i]];
}

/* Hashes one value after the other, so that rows and alternatives hash alike. */
static uint64_t hash_more(uint64_t hash, struct pa_bytes value)
{
    return hash_bytes(value.data, value.len, hash);
}

/* A prefix: an address without the bits beyond its length, then that length. */
enum { ADDRESS_SIZE = sizeof(struct ip_addr), PREFIX_SIZE = ADDRESS_SIZE + 1 };
struct prefix_value {
    uint8_t bytes[PREFIX_SIZE];
};

static bool is_prefix(const struct pa_column *column, struct pa_bytes value)
{
    return column->kind == PA_KIND_ADDR && value.len == PREFIX_SIZE;
}

/* Makes of an address the prefix of that length that it lies in. */
static void prefix_make(const uint8_t *address, uint8_t len, struct prefix_value *ret_prefix)
{
    struct ip_addr addr;

    memcpy(&addr, address, sizeof addr);
    if (addr.family == IP_V4 || addr.family == IP_V6)
        addr = ip_addr_mask(&addr, len > 32 && addr.family == IP_V4 ? 32 : len);
    memcpy(ret_prefix->bytes, &addr, sizeof addr);
    ret_prefix->bytes[ADDRESS_SIZE] = len;
}

static bool prefix_makes_sense(const uint8_t *bytes)
{
    uint8_t family = bytes[ADDRESS_SIZE - 1], len = bytes[ADDRESS_SIZE];

    return (family == IP_V4 && len <= 32) || (family == IP_V6 && len <= 128);
}

static struct shape *shape_for(struct match *m, const struct shape *wanted)
{
    for (size_t i = 0; i < m->shape_count; i++)
        if (m->shapes[i].fixed == wanted->fixed && m->shapes[i].prefixes == wanted->prefixes &&
            memcmp(m->shapes[i].lens, wanted->lens, sizeof wanted->lens) == 0)
            return &m->shapes[i];
    if (m->shape_count == MATCH_SHAPES_MAX)
        return NULL;
    m->shapes[m->shape_count] = *wanted;
    row_index_init(&m->shapes[m->shape_count].index);
    return &m->shapes[m->shape_count++];
}

static bool values_equal(const struct match *m, const struct pa_bytes *wanted,
                         const struct pa_bytes *row)
{
    for (size_t i = 0; i < m->column_count; i++)
        if (wanted[i].data &&
            (wanted[i].len != row[i].len ||
             (row[i].len > 0 && memcmp(wanted[i].data, row[i].data, row[i].len) != 0)))
            return false;
    return true;
}

/* Puts an alternative into the index, or behind the one that is equal. */
static void shape_put(const struct match *m, struct shape *shape, uint32_t hash,
                      uint32_t alternative)
{
    const struct pa_bytes *values = match_values(m, alternative);
    uint32_t at, first;

    m->links[alternative] = (struct alternative_link){.last = alternative};
    row_index_reserve(&shape->index, 1);
    at = hash & shape->index.mask;
    while (row_index_next(&shape->index, hash, &at, &first))
        if (values_equal(m, match_values(m, first), values)) {
            m->links[m->links[first].last].next = alternative;
            m->links[first].last = alternative;
            return;
        }
    row_index_put(&shape->index, hash, at, alternative);
}

/* The copy of an empty value is not NULL either. */
static struct pa_bytes copy_of(struct pa_bytes value)
{
    uint8_t *copy = NULL;

    if (value.data) {
        copy = mem_alloc((size_t)value.len + 1);
        memcpy(copy, value.data, value.len);
    }
    return (struct pa_bytes){copy, value.len};
}

int match_add(struct match *m, const struct pa_bytes *given)
{
    struct shape wanted = {0}, *shape;
    struct pa_bytes values[MATCH_COLUMNS_MAX];
    struct prefix_value prefixes[MATCH_COLUMNS_MAX];
    uint64_t hash = m->seed;

    for (size_t i = 0; i < m->column_count; i++) {
        const struct pa_column *c = column_of(m, i);
        values[i] = given[i];
        if (!values[i].data)
            continue;
        if (is_prefix(c, values[i])) {
            if (!prefix_makes_sense(values[i].data))
                return -EINVAL;
            wanted.prefixes |= UINT64_C(1) << i;
            wanted.lens[i] = values[i].data[ADDRESS_SIZE];
            prefix_make(values[i].data, wanted.lens[i], &prefixes[i]);
            values[i].data = prefixes[i].bytes;
        } else if (c->kind != PA_KIND_BYTES && values[i].len != c->width) {
            return -EINVAL;
        }
        wanted.fixed |= UINT64_C(1) << i;
        hash = hash_more(hash, values[i]);
    }
    if (m->count == MATCH_ALTERNATIVES_MAX || !(shape = shape_for(m, &wanted)))
        return -ENOSPC;
    if (m->count == m->capacity) {
        m->capacity = m->capacity ? m->capacity * 2 : 16;
        m->values = mem_realloc_array(m->values, m->capacity * m->column_count, sizeof *m->values);
        m->links = mem_realloc_array(m->links, m->capacity, sizeof *m->links);
    }
    for (size_t i = 0; i < m->column_count; i++)
        m->values[m->count * m->column_count + i] = copy_of(values[i]);
    shape_put(m, shape, (uint32_t)hash, (uint32_t)m->count);
    m->count++;
    return 0;
}

size_t match_column_count(const struct match *m)
{
    return m->column_count;
}

uint16_t match_column_at(const struct match *m, size_t index)
{
    return m->columns[index];
}

size_t match_count(const struct match *m)
{
    return m->count;
}

const struct pa_bytes *match_values(const struct match *m, size_t alternative)
{
    return &m->values[alternative * m->column_count];
}

static struct pa_bytes row_value(const struct match *m, size_t i, const uint8_t *row,
                                 match_bytes_fn *bytes, const void *arg)
{
    const struct pa_column *c = column_of(m, i);
    uint32_t id;

    if (c->kind != PA_KIND_BYTES)
        return (struct pa_bytes){row + c->offset, c->width};
    memcpy(&id, row + c->offset, sizeof id);
    return bytes(arg, id);
}

/* Calls `fn` for each match, or stops at the first if `fn` is NULL; returns whether any matched. */
static bool match_walk(const struct match *m, const uint8_t *row, match_bytes_fn *bytes,
                       const void *bytes_arg, match_each_fn *fn, void *arg)
{
    struct pa_bytes exact[MATCH_COLUMNS_MAX], values[MATCH_COLUMNS_MAX];
    struct prefix_value prefixes[MATCH_COLUMNS_MAX];
    bool has_any = false;

    for (size_t i = 0; i < m->column_count; i++)
        exact[i] = row_value(m, i, row, bytes, bytes_arg);
    for (size_t s = 0; s < m->shape_count; s++) {
        const struct shape *shape = &m->shapes[s];
        uint64_t hash = m->seed;
        uint32_t at, alternative;
        for (size_t i = 0; i < m->column_count; i++) {
            values[i] = exact[i];
            if (shape->prefixes >> i & 1) {
                prefix_make(exact[i].data, shape->lens[i], &prefixes[i]);
                values[i] = (struct pa_bytes){prefixes[i].bytes, PREFIX_SIZE};
            }
            if (shape->fixed >> i & 1)
                hash = hash_more(hash, values[i]);
        }
        at = (uint32_t)hash & shape->index.mask;
        while (row_index_next(&shape->index, (uint32_t)hash, &at, &alternative)) {
            if (!values_equal(m, match_values(m, alternative), values))
                continue;
            has_any = true;
            if (!fn)
                return true;
            do
                fn(arg, alternative);
            while ((alternative = m->links[alternative].next) != 0);
        }
    }
    return has_any;
}

bool match_row(const struct match *m, const uint8_t *row, match_bytes_fn *bytes, const void *arg)
{
    return match_walk(m, row, bytes, arg, NULL, NULL);
}

void match_each(const struct match *m, const uint8_t *row, match_bytes_fn *bytes,
                const void *bytes_arg, match_each_fn *fn, void *arg)
{
    match_walk(m, row, bytes, bytes_arg, fn, arg);
}
