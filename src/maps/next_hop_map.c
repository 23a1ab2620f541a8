/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bgp_peer_dst_ip_map: rows in the order of the paths' next hops, and of one next hop in the order of
 * the file; and all exported next hops, in order. */
#include "maps/next_hop_map.h"

#include "base/memory.h"
#include "base/text.h"
#include "maps/exporter_names.h"
#include "maps/map_file.h"
#include "maps/map_source.h"
#include <stdlib.h>

enum { KEY_ID, KEY_NEXT_HOP, KEY_IP };
static const struct map_key keys[] = {
    [KEY_ID] = {.name = "id", .type = MAP_ADDRESS, .is_required = true},
    [KEY_NEXT_HOP] = {.name = "bgp_nexthop", .type = MAP_ADDRESS, .is_required = true},
    [KEY_IP] = {.name = "ip", .type = MAP_PREFIX, .is_match = true},
    {.name = NULL},
};

struct next_hop_row {
    struct ip_addr next_hop, exported;
    const struct map_cell *exporters; /* NULL: all */
    size_t number;                    /* in the file */
};

struct next_hop_map {
    struct map_file *file;
    struct next_hop_row *rows; /* ascending by next_hop, then number */
    struct ip_addr *exported;  /* ascending */
    size_t row_count;
    struct exporter_names names;
};

/* Orders addresses by their bytes alone, as those that are equal may differ in family. */
static int compare_addresses(const void *a, const void *b)
{
    return memcmp(((const struct ip_addr *)a)->bytes, ((const struct ip_addr *)b)->bytes,
                  sizeof((const struct ip_addr *)a)->bytes);
}

static int compare_rows(const void *a, const void *b)
{
    const struct next_hop_row *left = a, *right = b;
    int order = compare_addresses(&left->next_hop, &right->next_hop);

    return order ? order : left->number < right->number ? -1 : 1;
}

static void take_rows(struct next_hop_map *map)
{
    map->row_count = map->file->row_count;
    map->rows = mem_calloc(map->row_count + 1, sizeof *map->rows);
    map->exported = mem_calloc(map->row_count + 1, sizeof *map->exported);
    for (size_t i = 0; i < map->row_count; i++) {
        struct map_cell *const *cells = map->file->rows[i].cells;
        map->rows[i] = (struct next_hop_row){.next_hop = cells[KEY_NEXT_HOP]->items[0].prefix.addr,
                                             .exported = cells[KEY_ID]->items[0].prefix.addr,
                                             .exporters = cells[KEY_IP],
                                             .number = i};
        map->exported[i] = map->rows[i].exported;
    }
    qsort(map->rows, map->row_count, sizeof *map->rows, compare_rows);
    qsort(map->exported, map->row_count, sizeof *map->exported, compare_addresses);
}

int next_hop_map_parse(const char *name, const char *data, size_t len, struct text *errors,
                       struct next_hop_map **ret_map)
{
    struct next_hop_map *map = mem_zalloc(sizeof *map);
    int err = map_file_parse(name, data, len, keys, NULL, errors, &map->file);

    if (err < 0) {
        next_hop_map_free(map);
        return err;
    }
    take_rows(map);
    exporter_names_init(&map->names, map->file, KEY_IP);
    *ret_map = map;
    return 0;
}

int next_hop_map_read(const char *path, struct map_report *report, struct next_hop_map **ret_map)
{
    struct map_source source;
    int err = map_source_open(&source, path, report);

    if (err == 0)
        do
            err = next_hop_map_parse(path, source.content.data, source.content.len, &source.errors,
                                     ret_map);
        while (err < 0 && map_source_forgives(&source));
    map_source_close(&source, err, err < 0 ? 0 : (*ret_map)->row_count);
    return err;
}

void next_hop_map_free(struct next_hop_map *map)
{
    if (!map)
        return;
    map_file_free(map->file);
    mem_free(map->rows);
    mem_free(map->exported);
    exporter_names_clear(&map->names);
    mem_free(map);
}

bool next_hop_map_names(const struct next_hop_map *map, const struct ip_addr *exporter)
{
    return exporter_names_has(&map->names, exporter);
}

bool next_hop_map_has(const struct next_hop_map *map, const struct ip_addr *exported)
{
    return bsearch(exported, map->exported, map->row_count, sizeof *map->exported,
                   compare_addresses) != NULL;
}

bool next_hop_map_is_same(const struct next_hop_map *map, const struct ip_addr *exporter,
                          const struct ip_addr *path_next_hop, const struct ip_addr *exported)
{
    size_t low = 0, high = map->row_count;

    while (low < high) { /* the first row that is not below */
        size_t middle = low + (high - low) / 2;
        if (compare_addresses(&map->rows[middle].next_hop, path_next_hop) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < map->row_count && ip_addr_equal(&map->rows[low].next_hop, path_next_hop); low++)
        if (map_cell_has_address(map->rows[low].exporters, exporter))
            return ip_addr_equal(&map->rows[low].exported, exported);
    return false;
}
