/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bgp_agent_map: rows of exporters and their interfaces, each with a peer, and some with a filter. */
#include "maps/agent_map.h"

#include "base/memory.h"
#include "base/text.h"
#include "maps/flow_filter.h"
#include "maps/iface_rows.h"
#include "maps/map_file.h"
#include "maps/map_source.h"
#include <errno.h>
#include <string.h>

enum { KEY_BGP_IP, KEY_BGP_PORT, KEY_IP, KEY_IN, KEY_OUT, KEY_FILTER };
static const struct map_key keys[] = {
    [KEY_BGP_IP] = {.name = "bgp_ip",
                    .type = MAP_ADDRESS,
                    .is_required = true,
                    .alias = "bmp_ip|id"},
    [KEY_BGP_PORT] =
        {.name = "bgp_port", .type = MAP_NUMBER, .min = 1, .max = UINT16_MAX, .alias = "bmp_port"},
    [KEY_IP] = {.name = "ip", .type = MAP_PREFIX, .is_match = true},
    [KEY_IN] = {.name = "in", .type = MAP_NUMBER, .is_match = true, .max = UINT32_MAX},
    [KEY_OUT] = {.name = "out", .type = MAP_NUMBER, .is_match = true, .max = UINT32_MAX},
    [KEY_FILTER] = {.name = "filter", .type = MAP_TEXT, .is_match = true},
    {.name = NULL},
};
static const struct map_refusal refusals[] = {
    {NULL, NULL},
};

enum filter_kind { FILTER_NONE, FILTER_IPV4, FILTER_IPV6, FILTER_EXPRESSION };

struct agent_row {
    struct agent_peer peer;
    enum filter_kind filter_kind;
    struct flow_filter *filter; /* FILTER_EXPRESSION */
    unsigned uses;              /* enum agent_map_use */
};

struct agent_map {
    struct map_file *file;
    struct iface_rows index;
    struct row_search *exporters; /* rows by exporter alone */
    struct agent_row *rows;
    unsigned uses; /* of all rows */
    struct flow_needs needs;
};

/* Takes the filter of a row. Nearly all filters are "ip" or "ip6": dual-stack routers have a
 * session for each family. */
static int take_filter(struct agent_row *row, const struct map_cell *cell, struct text *error)
{
    if (strcmp(cell->text, "ip") == 0)
        row->filter_kind = FILTER_IPV4;
    else if (strcmp(cell->text, "ip6") == 0)
        row->filter_kind = FILTER_IPV6;
    else
        row->filter_kind = FILTER_EXPRESSION;
    return row->filter_kind == FILTER_EXPRESSION ? flow_filter_new(cell->text, error, &row->filter)
                                                 : 0;
}

static void take_needs(struct agent_map *map, const struct map_row *row,
                       const struct agent_row *agent)
{
    if (row->cells[KEY_IN])
        flow_needs_add(&map->needs, FLOW_in_iface);
    if (row->cells[KEY_OUT])
        flow_needs_add(&map->needs, FLOW_out_iface);
    if (agent->filter_kind != FILTER_NONE)
        flow_needs_add(&map->needs, FLOW_dst_addr);
    if (agent->filter_kind == FILTER_EXPRESSION)
        flow_filter_add_needs(&map->needs);
}

/* Tells what the peers of an exporter depend on, by a row that it has. */
static unsigned uses_of(struct map_cell *const *cells, enum filter_kind kind)
{
    unsigned uses = AGENT_HAS_ROWS;

    if (cells[KEY_IN] || cells[KEY_OUT])
        uses |= AGENT_BY_IFACE;
    if (kind == FILTER_IPV4 || kind == FILTER_IPV6)
        uses |= AGENT_BY_FAMILY;
    if (kind == FILTER_EXPRESSION)
        uses |= AGENT_BY_FILTER;
    return uses;
}

static int take_rows(struct agent_map *map, const struct map_file *file, struct text *errors)
{
    int result = 0;

    map->rows = mem_calloc(file->row_count + 1, sizeof *map->rows);
    for (size_t i = 0; i < file->row_count; i++) {
        struct map_cell *const *cells = file->rows[i].cells;
        struct agent_row *row = &map->rows[i];
        struct text error = {0};
        row->peer.address = cells[KEY_BGP_IP]->items[0].prefix.addr;
        row->peer.port = cells[KEY_BGP_PORT] ? (uint16_t)cells[KEY_BGP_PORT]->items[0].low : 0;
        if (cells[KEY_FILTER] && take_filter(row, cells[KEY_FILTER], &error) < 0) {
            text_append_printf(errors, "%s:%u: filter: %s\n", file->name, file->rows[i].line,
                               text_cstr(&error));
            result = -EINVAL;
        }
        take_needs(map, &file->rows[i], row);
        row->uses = uses_of(cells, row->filter_kind);
        map->uses |= row->uses;
        text_clear(&error);
    }
    return result;
}

/* Makes the index that tells which rows an exporter has, whatever its flows. */
static void index_exporters(struct agent_map *map)
{
    map->exporters = row_search_new();
    for (size_t i = 0; i < map->file->row_count; i++) {
        struct row_choice choice;
        bool is_choice =
            row_choice_of_cell(&choice, IFACE_IP, MAP_PREFIX, map->file->rows[i].cells[KEY_IP]);
        row_search_add(map->exporters, (uint32_t)i, &choice, is_choice);
    }
    row_search_finish(map->exporters);
}

int agent_map_parse(const char *name, const char *data, size_t len, struct text *errors,
                    struct agent_map **ret_map)
{
    static const struct iface_keys row_keys = {KEY_IP, KEY_IN, KEY_OUT};
    struct agent_map *map = mem_zalloc(sizeof *map);
    int err = map_file_parse(name, data, len, keys, refusals, errors, &map->file);

    if (err == 0)
        err = take_rows(map, map->file, errors);
    if (err < 0) {
        agent_map_free(map);
        return err;
    }
    iface_rows_init(&map->index, map->file, &row_keys);
    index_exporters(map);
    *ret_map = map;
    return 0;
}

int agent_map_read(const char *path, struct map_report *report, struct agent_map **ret_map)
{
    struct map_source source;
    int err = map_source_open(&source, path, report);

    if (err == 0)
        do
            err = agent_map_parse(path, source.content.data, source.content.len, &source.errors,
                                  ret_map);
        while (err < 0 && map_source_forgives(&source));
    if (err == 0)
        row_search_warn((*ret_map)->index.search, path, report->warnings);
    map_source_close(&source, err, err < 0 ? 0 : (*ret_map)->file->row_count);
    return err;
}

void agent_map_free(struct agent_map *map)
{
    if (!map)
        return;
    for (size_t i = 0; map->rows && i < map->file->row_count; i++)
        flow_filter_free(map->rows[i].filter);
    mem_free(map->rows);
    iface_rows_clear(&map->index);
    row_search_free(map->exporters);
    map_file_free(map->file);
    mem_free(map);
}

bool agent_map_names(const struct agent_map *map, const struct ip_addr *exporter)
{
    return iface_rows_names(&map->index, exporter);
}

/* The walk stops where other rows can add nothing. */
unsigned agent_map_uses(const struct agent_map *map, const struct ip_addr *exporter)
{
    struct row_column column;
    struct row_lookup lookup;
    unsigned uses = 0;

    row_column_put(&column, 0, row_value_address(exporter));
    row_search_start(map->exporters, &column, 1, &lookup);
    row_search_settle(map->exporters, &column, 1, &lookup);
    for (uint32_t at = row_search_next(map->exporters, &column, &lookup, 0, 0);
         at != ROW_NONE && uses != map->uses;
         at = row_search_next(map->exporters, &column, &lookup, 0, at + 1))
        if (map_cell_has_address(map->file->rows[at].cells[KEY_IP], exporter))
            uses |= map->rows[at].uses;
    return uses;
}

static bool filter_accepts(const struct agent_row *row, const struct flow *flow)
{
    switch (row->filter_kind) {
    case FILTER_NONE:
        return true;
    case FILTER_IPV4:
        return flow->dst_addr.family == IP_V4;
    case FILTER_IPV6:
        return flow->dst_addr.family == IP_V6;
    case FILTER_EXPRESSION:
        return flow_filter_accepts(row->filter, flow);
    }
    return false;
}

size_t agent_map_find(const struct agent_map *map, const struct ip_addr *exporter,
                      const struct flow *flow, const struct agent_peer **peers)
{
    struct iface_lookup lookup;
    size_t count = 0;

    iface_lookup_put(&lookup, 0, exporter, flow->in_iface, flow->out_iface);
    iface_rows_find(&map->index, &lookup, 1);
    for (uint32_t at = iface_rows_next(&map->index, &lookup, 0, 0);
         at != ROW_NONE && count < AGENT_PEERS_MAX;
         at = iface_rows_next(&map->index, &lookup, 0, at + 1))
        if (filter_accepts(&map->rows[at], flow))
            peers[count++] = &map->rows[at].peer;
    return count;
}

size_t agent_map_peer_count(const struct agent_map *map)
{
    return map->file->row_count;
}

const struct agent_peer *agent_map_peer_at(const struct agent_map *map, size_t index)
{
    return &map->rows[index].peer;
}

void agent_map_add_needs(const struct agent_map *map, struct flow_needs *needs)
{
    for (size_t i = 0; i < sizeof needs->bits / sizeof needs->bits[0]; i++)
        needs->bits[i] |= map->needs.bits[i];
}
