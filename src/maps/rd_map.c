/* SPDX-License-Identifier: GPL-2.0-or-later */
/* flow_to_rd_map: an index finds rows that may hold (row_search.h), and each is asked whether it
 * does. The fields of the index are the keys, and one for the VRF on the other side. */
#include "maps/rd_map.h"

#include "base/memory.h"
#include "base/route_distinguisher.h"
#include "base/text.h"
#include "maps/exporter_names.h"
#include "maps/map_file.h"
#include "maps/map_source.h"
#include "maps/row_search.h"
#include <errno.h>

enum {
    KEY_ID,
    KEY_IP,
    KEY_IN,
    KEY_OUT,
    KEY_NEXT_HOP,
    KEY_LABEL,
    KEY_VPN,
    FIELD_EGRESS_VPN,
    FIELD_COUNT
};
static const struct map_key keys[] = {
    [KEY_ID] = {.name = "id", .type = MAP_TEXT, .is_required = true},
    [KEY_IP] = {.name = "ip", .type = MAP_PREFIX, .is_match = true, .is_required = true},
    [KEY_IN] = {.name = "in", .type = MAP_NUMBER, .is_match = true, .max = UINT32_MAX},
    [KEY_OUT] = {.name = "out", .type = MAP_NUMBER, .is_match = true, .max = UINT32_MAX},
    [KEY_NEXT_HOP] = {.name = "bgp_nexthop", .type = MAP_PREFIX, .is_match = true},
    [KEY_LABEL] = {.name = "mpls_label_bottom",
                   .type = MAP_NUMBER,
                   .is_match = true,
                   .max = (1U << 20) - 1},
    [KEY_VPN] =
        {.name = "mpls_vpn_id", .type = MAP_NUMBER, .is_match = true, .min = 1, .max = UINT32_MAX},
    {.name = NULL},
};

struct rd_map {
    struct map_file *file;
    struct row_search *search;
    struct exporter_names names;
    uint64_t *rds; /* by row */
    struct flow_needs needs;
};

/* Lets the index find a row: by its VRF at ingress, and, as another entry, at egress. */
static void index_row(struct rd_map *map, size_t index)
{
    struct map_cell *const *cells = map->file->rows[index].cells;
    struct row_choice choices[FIELD_COUNT];
    size_t count = 0;
    bool has_vpn = false;

    for (int key = KEY_IP; key <= KEY_VPN; key++) {
        has_vpn = row_choice_of_cell(&choices[count], key, keys[key].type, cells[key]);
        count += has_vpn;
    }
    row_search_add(map->search, (uint32_t)index, choices, count);
    if (!has_vpn)
        return;
    choices[count - 1].field = FIELD_EGRESS_VPN;
    row_search_add(map->search, (uint32_t)index, choices, count);
}

static int take_rows(struct rd_map *map, struct text *errors)
{
    int result = 0;

    map->rds = mem_calloc(map->file->row_count + 1, sizeof *map->rds);
    map->search = row_search_new();
    for (size_t i = 0; i < map->file->row_count; i++) {
        const struct map_row *row = &map->file->rows[i];
        const char *text = row->cells[KEY_ID]->text;
        index_row(map, i);
        if (route_distinguisher_parse(text, &map->rds[i]) == 0)
            continue;
        text_append_printf(errors,
                           "%s:%u: id=%s: expected a route distinguisher such as 0:65000:1, "
                           "1:192.0.2.1:1 or 2:4200000000:1, or 0:0:0 for the global table\n",
                           map->file->name, row->line, text);
        result = -EINVAL;
    }
    return result;
}

static void take_needs(struct rd_map *map)
{
    static const enum flow_member members[] = {[KEY_IN] = FLOW_in_iface,
                                               [KEY_OUT] = FLOW_out_iface,
                                               [KEY_NEXT_HOP] = FLOW_bgp_next_hop,
                                               [KEY_LABEL] = FLOW_mpls_label_bottom,
                                               [KEY_VPN] = FLOW_ingress_vrf};

    flow_needs_add(&map->needs, FLOW_vpn_rd);
    flow_needs_add(&map->needs, FLOW_vpn_rd_origin);
    for (size_t i = 0; i < map->file->row_count; i++)
        for (size_t key = KEY_IN; key <= KEY_VPN; key++)
            if (map->file->rows[i].cells[key])
                flow_needs_add(&map->needs, members[key]);
    if (flow_needs_has(&map->needs, FLOW_ingress_vrf))
        flow_needs_add(&map->needs, FLOW_egress_vrf);
}

int rd_map_parse(const char *name, const char *data, size_t len, struct text *errors,
                 struct rd_map **ret_map)
{
    struct rd_map *map = mem_zalloc(sizeof *map);
    int err = map_file_parse(name, data, len, keys, NULL, errors, &map->file);

    if (err == 0)
        err = take_rows(map, errors);
    if (err < 0) {
        rd_map_free(map);
        return err;
    }
    row_search_finish(map->search);
    exporter_names_init(&map->names, map->file, KEY_IP);
    take_needs(map);
    *ret_map = map;
    return 0;
}

int rd_map_read(const char *path, struct map_report *report, struct rd_map **ret_map)
{
    struct map_source source;
    int err = map_source_open(&source, path, report);

    if (err == 0)
        do
            err = rd_map_parse(path, source.content.data, source.content.len, &source.errors,
                               ret_map);
        while (err < 0 && map_source_forgives(&source));
    if (err == 0)
        row_search_warn((*ret_map)->search, path, report->warnings);
    map_source_close(&source, err, err < 0 ? 0 : (*ret_map)->file->row_count);
    return err;
}

void rd_map_free(struct rd_map *map)
{
    if (!map)
        return;
    row_search_free(map->search);
    exporter_names_clear(&map->names);
    map_file_free(map->file);
    mem_free(map->rds);
    mem_free(map);
}

bool rd_map_names(const struct rd_map *map, const struct ip_addr *exporter)
{
    return exporter_names_has(&map->names, exporter);
}

/* A plain number asks for a VRF at either side, a negated one for none that has it. */
static bool has_vpn(const struct map_cell *cell, const struct flow *flow)
{
    if (!cell)
        return true;
    if (!cell->has_plain)
        return map_cell_has_number(cell, flow->ingress_vrf) &&
               map_cell_has_number(cell, flow->egress_vrf);
    return map_cell_has_number(cell, flow->ingress_vrf) ||
           map_cell_has_number(cell, flow->egress_vrf);
}

static bool row_holds(const struct map_row *row, const struct ip_addr *exporter,
                      const struct flow *flow)
{
    return map_cell_has_address(row->cells[KEY_IP], exporter) &&
           map_cell_has_number(row->cells[KEY_IN], flow->in_iface) &&
           map_cell_has_number(row->cells[KEY_OUT], flow->out_iface) &&
           map_cell_has_address(row->cells[KEY_NEXT_HOP], &flow->bgp_next_hop) &&
           map_cell_has_number(row->cells[KEY_LABEL], flow->mpls_label_bottom) &&
           has_vpn(row->cells[KEY_VPN], flow);
}

bool rd_map_find(const struct rd_map *map, const struct ip_addr *exporter, const struct flow *flow,
                 uint64_t *ret_rd)
{
    const struct row_value values[FIELD_COUNT] = {
        [KEY_IP] = row_value_address(exporter),
        [KEY_IN] = row_value_number(flow->in_iface),
        [KEY_OUT] = row_value_number(flow->out_iface),
        [KEY_NEXT_HOP] = row_value_address(&flow->bgp_next_hop),
        [KEY_LABEL] = row_value_number(flow->mpls_label_bottom),
        [KEY_VPN] = row_value_number(flow->ingress_vrf),
        [FIELD_EGRESS_VPN] = row_value_number(flow->egress_vrf),
    };
    struct row_column columns[FIELD_COUNT];
    struct row_lookup lookup;

    for (size_t i = KEY_IP; i < FIELD_COUNT; i++)
        row_column_put(&columns[i], 0, values[i]);
    row_search_start(map->search, columns, 1, &lookup);
    row_search_settle(map->search, columns, 1, &lookup);
    for (uint32_t at = row_search_next(map->search, columns, &lookup, 0, 0); at != ROW_NONE;
         at = row_search_next(map->search, columns, &lookup, 0, at + 1)) {
        if (!row_holds(&map->file->rows[at], exporter, flow))
            continue;
        *ret_rd = map->rds[at];
        return true;
    }
    return false;
}

void rd_map_add_needs(const struct rd_map *map, struct flow_needs *needs)
{
    for (size_t i = 0; i < sizeof needs->bits / sizeof *needs->bits; i++)
        needs->bits[i] |= map->needs.bits[i];
}
