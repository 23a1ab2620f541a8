/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sampling_map: an index finds the rows of an exporter and its interfaces (map_index.h); each
 * row has a rate. */
#include "maps/sampling_map.h"

#include "base/memory.h"
#include "base/text.h"
#include "maps/map_file.h"
#include "maps/map_index.h"
#include "maps/map_source.h"
#include <errno.h>

enum { KEY_ID, KEY_IP, KEY_IN, KEY_OUT };
static const struct map_key keys[] = {
    [KEY_ID] = {.name = "id", .type = MAP_NUMBER, .is_required = true, .min = 1, .max = UINT32_MAX},
    [KEY_IP] = {.name = "ip", .type = MAP_PREFIX, .is_match = true},
    [KEY_IN] = {.name = "in", .type = MAP_NUMBER, .is_match = true, .max = UINT32_MAX},
    [KEY_OUT] = {.name = "out", .type = MAP_NUMBER, .is_match = true, .max = UINT32_MAX},
    {.name = NULL},
};

struct sampling_map {
    struct map_index *index;
    uint32_t *rates; /* by row */
    size_t row_count;
    bool uses_in, uses_out;
};

static int sampling_map_from_file(const struct map_file *file, struct text *errors,
                                  struct sampling_map **ret_map)
{
    static const struct map_index_keys index_keys = {KEY_IP, KEY_IN, KEY_OUT};
    struct sampling_map *map = mem_zalloc(sizeof *map);
    int err = map_index_new(file, &index_keys, &map->index);

    if (err < 0) {
        text_append_printf(
            errors, "%s: too many rows overlap; split ranges and lists so that they do not\n",
            file->name);
        sampling_map_free(map);
        return err;
    }
    map->row_count = file->row_count;
    map->rates = mem_calloc(file->row_count + 1, sizeof *map->rates);
    for (size_t i = 0; i < file->row_count; i++) {
        map->rates[i] = (uint32_t)file->rows[i].cells[KEY_ID]->items[0].low;
        map->uses_in = map->uses_in || file->rows[i].cells[KEY_IN];
        map->uses_out = map->uses_out || file->rows[i].cells[KEY_OUT];
    }
    *ret_map = map;
    return 0;
}

int sampling_map_parse(const char *name, const char *data, size_t len, struct text *errors,
                       struct sampling_map **ret_map)
{
    struct map_file *file;
    int err = map_file_parse(name, data, len, keys, NULL, errors, &file);

    if (err < 0)
        return err;
    err = sampling_map_from_file(file, errors, ret_map);
    map_file_free(file);
    return err;
}

int sampling_map_read(const char *path, struct map_report *report, struct sampling_map **ret_map)
{
    struct map_source source;
    int err = map_source_open(&source, path, report);

    if (err == 0)
        do
            err = sampling_map_parse(path, source.content.data, source.content.len, &source.errors,
                                     ret_map);
        while (err < 0 && map_source_forgives(&source));
    map_source_close(&source, err, err < 0 ? 0 : (*ret_map)->row_count);
    return err;
}

void sampling_map_free(struct sampling_map *map)
{
    if (!map)
        return;
    map_index_free(map->index);
    mem_free(map->rates);
    mem_free(map);
}

bool sampling_map_names(const struct sampling_map *map, const struct ip_addr *exporter)
{
    return map_index_names(map->index, exporter);
}

const struct map_node *sampling_map_exporter(const struct sampling_map *map,
                                             const struct ip_addr *exporter)
{
    return map_index_exporter(map->index, exporter);
}

uint32_t sampling_map_rate(const struct sampling_map *map, const struct map_node *node,
                           uint32_t in_iface, uint32_t out_iface)
{
    size_t count;
    const uint32_t *rows = map_node_rows(node, in_iface, out_iface, &count);

    return count ? map->rates[rows[0]] : 0;
}

void sampling_map_add_needs(const struct sampling_map *map, struct flow_needs *needs)
{
    if (map->uses_in)
        flow_needs_add(needs, FLOW_in_iface);
    if (map->uses_out)
        flow_needs_add(needs, FLOW_out_iface);
}
