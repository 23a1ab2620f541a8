/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The maps of the source side: an index finds the rows of an exporter and its interfaces
 * (map_index.h); what else they ask is compared row by row, as in pre_tag_map. */
#include "maps/ingress_map.h"

#include "base/memory.h"
#include "base/text.h"
#include "maps/map_file.h"
#include "maps/map_index.h"
#include "maps/map_source.h"
#include "maps/tag_condition.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEY_ID,
    KEY_IP,
    KEY_IN,
    KEY_OUT,
    KEY_NEXT_HOP,
    KEY_PEER_AS,
    KEY_SRC_MAC,
    KEY_VLAN,
    KEY_SRC_NET,
    KEY_DST_NET,
    KEY_FILTER,
    KEY_COUNT
};
static const struct map_key keys[] = {
    [KEY_ID] = {.name = "id", .type = MAP_TEXT, .is_required = true},
    [KEY_IP] = {.name = "ip", .type = MAP_PREFIX, .is_match = true, .is_required = true},
    [KEY_IN] = {.name = "in", .type = MAP_NUMBER, .is_match = true, .max = UINT32_MAX},
    [KEY_OUT] = {.name = "out", .type = MAP_NUMBER, .is_match = true, .max = UINT32_MAX},
    [KEY_NEXT_HOP] = {.name = "bgp_nexthop", .type = MAP_PREFIX, .is_match = true},
    [KEY_PEER_AS] = {.name = "peer_dst_as",
                     .type = MAP_NUMBER,
                     .is_match = true,
                     .max = UINT32_MAX},
    [KEY_SRC_MAC] = {.name = "src_mac", .type = MAP_TEXT, .is_match = true},
    [KEY_VLAN] = {.name = "vlan", .type = MAP_NUMBER, .is_match = true, .max = 4096},
    [KEY_SRC_NET] = {.name = "src_net", .type = MAP_PREFIX, .is_match = true},
    [KEY_DST_NET] = {.name = "dst_net", .type = MAP_PREFIX, .is_match = true},
    [KEY_FILTER] = {.name = "filter", .type = MAP_TEXT, .is_match = true},
    {.name = NULL},
};

/* The keys that are asked of the flow itself. */
static const struct {
    size_t key;
    enum tag_key tag_key;
} flow_keys[] = {
    {KEY_SRC_MAC, TAG_KEY_src_mac}, {KEY_VLAN, TAG_KEY_vlan},     {KEY_SRC_NET, TAG_KEY_src_net},
    {KEY_DST_NET, TAG_KEY_dst_net}, {KEY_FILTER, TAG_KEY_filter},
};
enum { FLOW_KEY_COUNT = sizeof flow_keys / sizeof *flow_keys };

struct ingress_row {
    bool is_of_path; /* id=bgp */
    uint32_t value;
    const struct map_cell *next_hop, *peer_as;
    struct tag_condition *conditions;
    uint32_t condition_count;
};

struct ingress_map {
    struct map_file *file;
    struct map_index *index;
    struct ingress_row *rows;
    bool asks_path;
    struct flow_needs needs;
};

static int take_value(struct ingress_row *row, const char *text)
{
    char *end;

    row->is_of_path = strcmp(text, "bgp") == 0;
    if (row->is_of_path)
        return 0;
    if (*text < '0' || *text > '9')
        return -EINVAL;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    row->value = (uint32_t)number;
    return errno == 0 && *end == '\0' && number <= UINT32_MAX ? 0 : -EINVAL;
}

static int take_conditions(struct ingress_map *map, size_t index, struct text *errors)
{
    struct map_cell *const *cells = map->file->rows[index].cells;
    struct ingress_row *row = &map->rows[index];
    int err = 0;

    row->conditions = mem_calloc(FLOW_KEY_COUNT, sizeof *row->conditions);
    for (size_t i = 0; i < FLOW_KEY_COUNT; i++) {
        const struct map_cell *cell = cells[flow_keys[i].key];
        struct text error = {0};
        if (!cell)
            continue;
        struct tag_condition *condition = &row->conditions[row->condition_count++];
        if (tag_condition_make(condition, flow_keys[i].tag_key, cell, &error) < 0) {
            text_append_printf(errors, "%s:%u: %s=%s: %s\n", map->file->name,
                               map->file->rows[index].line, keys[flow_keys[i].key].name, cell->text,
                               text_cstr(&error));
            err = -EINVAL;
        }
        text_clear(&error);
        tag_condition_add_needs(condition, &map->needs);
    }
    return err;
}

static int take_rows(struct ingress_map *map, struct text *errors)
{
    int result = 0;

    map->rows = mem_calloc(map->file->row_count + 1, sizeof *map->rows);
    for (size_t i = 0; i < map->file->row_count; i++) {
        const struct map_row *row = &map->file->rows[i];
        struct ingress_row *source = &map->rows[i];
        if (take_value(source, row->cells[KEY_ID]->text) < 0) {
            text_append_printf(errors,
                               "%s:%u: id=%s: expected a number, or bgp for what the path to the "
                               "source says\n",
                               map->file->name, row->line, row->cells[KEY_ID]->text);
            result = -EINVAL;
        }
        if (take_conditions(map, i, errors) < 0)
            result = -EINVAL;
        source->next_hop = row->cells[KEY_NEXT_HOP];
        source->peer_as = row->cells[KEY_PEER_AS];
        map->asks_path =
            map->asks_path || source->is_of_path || source->next_hop || source->peer_as;
        if (row->cells[KEY_IN])
            flow_needs_add(&map->needs, FLOW_in_iface);
        if (row->cells[KEY_OUT])
            flow_needs_add(&map->needs, FLOW_out_iface);
    }
    return result;
}

int ingress_map_parse(const char *name, const char *data, size_t len, struct text *errors,
                      struct ingress_map **ret_map)
{
    static const struct map_index_keys index_keys = {KEY_IP, KEY_IN, KEY_OUT};
    struct ingress_map *map = mem_zalloc(sizeof *map);
    int err = map_file_parse(name, data, len, keys, NULL, errors, &map->file);

    if (err == 0)
        err = take_rows(map, errors);
    if (err == 0) {
        err = map_index_new(map->file, &index_keys, &map->index);
        if (err < 0)
            text_append_printf(
                errors, "%s: too many rows overlap; split ranges and lists so that they do not\n",
                name);
    }
    if (err < 0) {
        ingress_map_free(map);
        return err;
    }
    *ret_map = map;
    return 0;
}

int ingress_map_read(const char *path, struct map_report *report, struct ingress_map **ret_map)
{
    struct map_source source;
    int err = map_source_open(&source, path, report);

    if (err == 0)
        do
            err = ingress_map_parse(path, source.content.data, source.content.len, &source.errors,
                                    ret_map);
        while (err < 0 && map_source_forgives(&source));
    map_source_close(&source, err, err < 0 ? 0 : (*ret_map)->file->row_count);
    return err;
}

void ingress_map_free(struct ingress_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; map->rows && i < map->file->row_count; i++) {
        for (uint32_t k = 0; k < map->rows[i].condition_count; k++)
            tag_condition_clear(&map->rows[i].conditions[k]);
        mem_free(map->rows[i].conditions);
    }
    mem_free(map->rows);
    map_index_free(map->index);
    map_file_free(map->file);
    mem_free(map);
}

bool ingress_map_names(const struct ingress_map *map, const struct ip_addr *exporter)
{
    return map_index_names(map->index, exporter);
}

const struct map_node *ingress_map_exporter(const struct ingress_map *map,
                                            const struct ip_addr *exporter)
{
    return map_index_exporter(map->index, exporter);
}

bool ingress_map_asks_path(const struct ingress_map *map)
{
    return map->asks_path;
}

static bool row_holds(const struct ingress_row *row, const struct flow *flow,
                      const struct source_facts *facts)
{
    if (!map_cell_has_address(row->next_hop, &facts->next_hop) ||
        !map_cell_has_number(row->peer_as, facts->neighbour_as))
        return false;
    for (uint32_t i = 0; i < row->condition_count; i++)
        if (!tag_condition_holds(&row->conditions[i], flow))
            return false;
    return true;
}

uint32_t ingress_map_find(const struct ingress_map *map, const struct map_node *node,
                          const struct flow *flow, const struct source_facts *facts,
                          uint32_t of_path)
{
    size_t count;
    const uint32_t *rows = map_node_rows(node, flow->in_iface, flow->out_iface, &count);

    for (size_t i = 0; i < count; i++) {
        const struct ingress_row *row = &map->rows[rows[i]];
        if (row_holds(row, flow, facts))
            return row->is_of_path ? of_path : row->value;
    }
    return 0;
}

void ingress_map_add_needs(const struct ingress_map *map, struct flow_needs *needs)
{
    for (size_t i = 0; i < sizeof needs->bits / sizeof *needs->bits; i++)
        needs->bits[i] |= map->needs.bits[i];
}
