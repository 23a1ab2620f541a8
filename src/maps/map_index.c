/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The index of a map: a tree of three levels (exporter, input, output), made once per map. A
 * node cuts its level's axis into parts, and has a child for each. */
#include "maps/map_index.h"

#include "base/memory.h"
#include "maps/map_file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A bound for the entries of all row lists together, at some hundred MB; only rows that overlap
 * by the thousand come near it. */
#define INDEX_MAX_ENTRIES ((size_t)16 << 20)

/* A place on the axis that a level cuts: an address as a number of 128 bits, or an interface in
 * `low`. */
struct point {
    uint64_t high, low;
};

enum level { LEVEL_EXPORTER, LEVEL_IN, LEVEL_OUT, LEVEL_COUNT };

/* Part `i` reaches from starts[i] to just before starts[i + 1]; starts[0] is zero. */
struct map_node {
    uint32_t part_count;
    struct point *starts;
    struct map_node *children; /* one per part; NULL at the last level */
    uint32_t *rows;            /* that come this far */
    size_t row_count;
};

struct map_index {
    struct map_node v4, v6;
};

/* A list of rows under construction. */
struct row_list {
    uint32_t *rows;
    size_t count, capacity;
};

struct index_builder {
    const struct map_file *file;
    const struct map_index_keys *keys;
    enum ip_family family;
    size_t entry_count; /* of all lists */
};

static int compare_points(const struct point *a, const struct point *b)
{
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    return a->low == b->low ? 0 : a->low < b->low ? -1 : 1;
}

static int compare_points_qsort(const void *a, const void *b)
{
    return compare_points(a, b);
}

static struct point point_of_address(const struct ip_addr *addr)
{
    struct point p = {0, 0};

    for (int i = 0; i < 8; i++) {
        p.high = p.high << 8 | addr->bytes[i];
        p.low = p.low << 8 | addr->bytes[8 + i];
    }
    return p;
}

static struct ip_addr address_of_point(const struct point *p, enum ip_family family)
{
    struct ip_addr addr = {.family = (uint8_t)family};

    for (int i = 0; i < 8; i++) {
        addr.bytes[i] = (uint8_t)(p->high >> (56 - 8 * i));
        addr.bytes[8 + i] = (uint8_t)(p->low >> (56 - 8 * i));
    }
    return addr;
}

/* Finds the first and last point of an item; false if it is of the other family. */
static bool item_span(const struct index_builder *b, enum level level, const struct map_item *item,
                      struct point *first, struct point *last)
{
    if (level != LEVEL_EXPORTER) {
        *first = (struct point){0, item->low};
        *last = (struct point){0, item->high};
        return true;
    }
    const struct ip_prefix *prefix = &item->prefix;
    if (prefix->addr.family != b->family)
        return false;
    unsigned host_bits = (b->family == IP_V4 ? 32 : 128) - prefix->len;
    *first = point_of_address(&prefix->addr);
    *last = *first;
    last->low |= host_bits >= 64 ? UINT64_MAX : (UINT64_C(1) << host_bits) - 1;
    if (host_bits > 64)
        last->high |= host_bits >= 128 ? UINT64_MAX : (UINT64_C(1) << (host_bits - 64)) - 1;
    return true;
}

static const struct map_cell *cell_of(const struct index_builder *b, enum level level, uint32_t row)
{
    const size_t keys[LEVEL_COUNT] = {b->keys->ip, b->keys->in, b->keys->out};

    return b->file->rows[row].cells[keys[level]];
}

static bool holds_at(const struct index_builder *b, enum level level, uint32_t row,
                     const struct point *p)
{
    const struct map_cell *cell = cell_of(b, level, row);

    if (level != LEVEL_EXPORTER)
        return map_cell_has_number(cell, p->low);
    struct ip_addr addr = address_of_point(p, b->family);
    return map_cell_has_address(cell, &addr);
}

/* Returns the part that `p` lies in. */
static uint32_t find_part(const struct map_node *node, const struct point *p)
{
    uint32_t low = 0, high = node->part_count;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_points(&node->starts[middle], p) <= 0)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Cuts an axis where items begin, and just behind where they end. */
static void node_cut(const struct index_builder *b, enum level level, struct map_node *node)
{
    size_t count = 1;
    struct point first, last;

    for (size_t i = 0; i < node->row_count; i++) {
        const struct map_cell *cell = cell_of(b, level, node->rows[i]);
        count += cell ? 2 * cell->item_count : 0;
    }
    struct point *starts = mem_calloc(count, sizeof *starts);
    count = 1;
    for (size_t i = 0; i < node->row_count; i++) {
        const struct map_cell *cell = cell_of(b, level, node->rows[i]);
        for (size_t k = 0; cell && k < cell->item_count; k++) {
            if (!item_span(b, level, &cell->items[k], &first, &last))
                continue;
            starts[count++] = first;
            last.low++;
            last.high += last.low == 0;
            if (last.low || last.high) /* not past the end of the axis */
                starts[count++] = last;
        }
    }
    qsort(starts, count, sizeof *starts, compare_points_qsort);
    uint32_t kept = 1;
    for (size_t i = 1; i < count; i++)
        if (compare_points(&starts[i], &starts[kept - 1]) != 0)
            starts[kept++] = starts[i];
    node->starts = starts;
    node->part_count = kept;
}

static void list_add(struct index_builder *b, struct row_list *list, uint32_t row)
{
    if (list->count && list->rows[list->count - 1] == row)
        return;
    if (list->count == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 4;
        list->rows = mem_realloc_array(list->rows, list->capacity, sizeof *list->rows);
    }
    list->rows[list->count++] = row;
    b->entry_count++;
}

static void add_to_parts(struct index_builder *b, enum level level, const struct map_node *node,
                         struct row_list *lists, uint32_t row, uint32_t first, uint32_t last)
{
    for (uint32_t part = first; part <= last && b->entry_count <= INDEX_MAX_ENTRIES; part++)
        if (holds_at(b, level, row, &node->starts[part]))
            list_add(b, &lists[part], row);
}

/* Gives each part its rows. Rows come in the order of the file, so lists do too. */
static void deal_rows(struct index_builder *b, enum level level, const struct map_node *node,
                      struct row_list *lists)
{
    for (size_t i = 0; i < node->row_count; i++) {
        uint32_t row = node->rows[i];
        const struct map_cell *cell = cell_of(b, level, row);
        struct point first, last;
        if (!cell || !cell->has_plain) {
            add_to_parts(b, level, node, lists, row, 0, node->part_count - 1);
            continue;
        }
        for (size_t k = 0; k < cell->item_count; k++)
            if (!cell->items[k].is_negated && item_span(b, level, &cell->items[k], &first, &last))
                add_to_parts(b, level, node, lists, row, find_part(node, &first),
                             find_part(node, &last));
    }
}

/* Makes the levels below a node, whose rows are set. */
static void node_build(struct index_builder *b, enum level level, struct map_node *node)
{
    if (level == LEVEL_COUNT || node->row_count == 0 || b->entry_count > INDEX_MAX_ENTRIES)
        return;
    node_cut(b, level, node);
    struct row_list *lists = mem_calloc(node->part_count, sizeof *lists);
    deal_rows(b, level, node, lists);
    node->children = mem_calloc(node->part_count, sizeof *node->children);
    for (uint32_t i = 0; i < node->part_count; i++) {
        node->children[i].rows = lists[i].rows;
        node->children[i].row_count = lists[i].count;
        node_build(b, level + 1, &node->children[i]);
    }
    mem_free(lists);
}

static void node_clear(struct map_node *node)
{
    for (uint32_t i = 0; node->children && i < node->part_count; i++)
        node_clear(&node->children[i]);
    mem_free(node->children);
    mem_free(node->starts);
    mem_free(node->rows);
}

static void build_family(struct index_builder *b, enum ip_family family, struct map_node *root)
{
    b->family = family;
    root->row_count = b->file->row_count;
    root->rows = mem_calloc(root->row_count ? root->row_count : 1, sizeof *root->rows);
    for (size_t i = 0; i < root->row_count; i++)
        root->rows[i] = (uint32_t)i;
    node_build(b, LEVEL_EXPORTER, root);
}

int map_index_new(const struct map_file *file, const struct map_index_keys *keys,
                  struct map_index **ret_index)
{
    struct map_index *index = mem_zalloc(sizeof *index);
    struct index_builder b = {.file = file, .keys = keys};

    build_family(&b, IP_V4, &index->v4);
    build_family(&b, IP_V6, &index->v6);
    if (b.entry_count > INDEX_MAX_ENTRIES) {
        map_index_free(index);
        return -E2BIG;
    }
    *ret_index = index;
    return 0;
}

void map_index_free(struct map_index *index)
{
    if (!index)
        return;
    node_clear(&index->v4);
    node_clear(&index->v6);
    mem_free(index);
}

/* Returns the child that `p` lies in; NULL where no row holds. */
static const struct map_node *child_at(const struct map_node *node, const struct point *p)
{
    if (!node || !node->children)
        return NULL;
    const struct map_node *child = &node->children[find_part(node, p)];
    return child->row_count ? child : NULL;
}

const struct map_node *map_index_exporter(const struct map_index *index,
                                          const struct ip_addr *exporter)
{
    struct point p = point_of_address(exporter);

    return child_at(exporter->family == IP_V4 ? &index->v4 : &index->v6, &p);
}

bool map_index_names(const struct map_index *index, const struct ip_addr *exporter)
{
    const struct map_node *node = exporter->family == IP_V4 ? &index->v4 : &index->v6;
    struct point p = point_of_address(exporter), next = {p.high, p.low + 1};

    if (!node->children)
        return false;
    next.high += next.low == 0;
    uint32_t part = find_part(node, &p);
    return node->children[part].row_count > 0 && compare_points(&node->starts[part], &p) == 0 &&
           part + 1 < node->part_count && compare_points(&node->starts[part + 1], &next) == 0;
}

const uint32_t *map_node_rows(const struct map_node *node, uint32_t in_iface, uint32_t out_iface,
                              size_t *ret_count)
{
    const struct map_node *leaf = child_at(node, &(struct point){0, in_iface});

    leaf = child_at(leaf, &(struct point){0, out_iface});
    *ret_count = leaf ? leaf->row_count : 0;
    return leaf ? leaf->rows : NULL;
}

const uint32_t *map_node_all_rows(const struct map_node *node, size_t *ret_count)
{
    *ret_count = node ? node->row_count : 0;
    return node ? node->rows : NULL;
}

bool map_node_uses_iface(const struct map_node *node)
{
    for (uint32_t i = 0; node && i < node->part_count; i++)
        if (node->part_count > 1 || (node->children && node->children[i].part_count > 1))
            return true;
    return false;
}
