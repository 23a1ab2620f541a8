/* SPDX-License-Identifier: GPL-2.0-or-later */
/* sampling_map: rows of exporters and their interfaces, each with a rate. */
#include "maps/sampling_map.h"

#include "base/memory.h"
#include "base/text.h"
#include "flow/exporter.h"
#include "maps/iface_rows.h"
#include "maps/map_file.h"
#include "maps/map_source.h"
#include <assert.h>

enum { KEY_ID, KEY_IP, KEY_IN, KEY_OUT };
static const struct map_key keys[] = {
    [KEY_ID] = {.name = "id", .type = MAP_NUMBER, .is_required = true, .min = 1, .max = UINT32_MAX},
    [KEY_IP] = {.name = "ip", .type = MAP_PREFIX, .is_match = true},
    [KEY_IN] = {.name = "in", .type = MAP_NUMBER, .is_match = true, .max = UINT32_MAX},
    [KEY_OUT] = {.name = "out", .type = MAP_NUMBER, .is_match = true, .max = UINT32_MAX},
    {.name = NULL},
};

struct sampling_map {
    struct map_file *file;
    struct iface_rows rows;
    uint32_t *rates; /* by row */
    bool uses_in, uses_out;
};

int sampling_map_parse(const char *name, const char *data, size_t len, struct text *errors,
                       struct sampling_map **ret_map)
{
    static const struct iface_keys row_keys = {KEY_IP, KEY_IN, KEY_OUT};
    struct map_file *file;
    struct sampling_map *map;
    int err = map_file_parse(name, data, len, keys, NULL, errors, &file);

    if (err < 0)
        return err;
    map = mem_zalloc(sizeof *map);
    map->file = file;
    iface_rows_init(&map->rows, file, &row_keys);
    map->rates = mem_calloc(file->row_count + 1, sizeof *map->rates);
    for (size_t i = 0; i < file->row_count; i++) {
        map->rates[i] = (uint32_t)file->rows[i].cells[KEY_ID]->items[0].low;
        map->uses_in = map->uses_in || file->rows[i].cells[KEY_IN];
        map->uses_out = map->uses_out || file->rows[i].cells[KEY_OUT];
    }
    *ret_map = map;
    return 0;
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
    if (err == 0)
        row_search_warn((*ret_map)->rows.search, path, report->warnings);
    map_source_close(&source, err, err < 0 ? 0 : (*ret_map)->file->row_count);
    return err;
}

void sampling_map_free(struct sampling_map *map)
{
    if (!map)
        return;
    iface_rows_clear(&map->rows);
    map_file_free(map->file);
    mem_free(map->rates);
    mem_free(map);
}

bool sampling_map_names(const struct sampling_map *map, const struct ip_addr *exporter)
{
    return iface_rows_names(&map->rows, exporter);
}

static_assert((int)SAMPLING_MAP_TOGETHER == (int)ROW_TOGETHER, "as many as the index takes");

void sampling_map_find(const struct sampling_map *map, const struct flow_batch *batch,
                       uint32_t start, uint32_t count, uint32_t *ret_rates)
{
    struct iface_lookup lookup;

    for (uint32_t i = 0; i < count; i++) {
        const struct flow *flow = flow_batch_at(batch, start + i);
        iface_lookup_put(&lookup, i, &flow->exporter->addr, flow->in_iface, flow->out_iface);
    }
    iface_rows_find(&map->rows, &lookup, count);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t row = iface_rows_next(&map->rows, &lookup, i, 0);
        ret_rates[i] = row != ROW_NONE ? map->rates[row] : 0;
    }
}

void sampling_map_add_needs(const struct sampling_map *map, struct flow_needs *needs)
{
    if (map->uses_in)
        flow_needs_add(needs, FLOW_in_iface);
    if (map->uses_out)
        flow_needs_add(needs, FLOW_out_iface);
}
