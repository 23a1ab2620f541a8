/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The maps of the source side: an index finds rows that may hold (row_search.h), and each is asked
 * whether it does, as in pre_tag_map. The fields of the index are the keys. */
#include "maps/ingress_map.h"

#include "base/memory.h"
#include "base/text.h"
#include "flow/exporter.h"
#include "maps/exporter_names.h"
#include "maps/map_file.h"
#include "maps/map_source.h"
#include "maps/row_search.h"
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
    uint8_t key;
    enum tag_key tag_key;
} flow_keys[] = {
    {KEY_IN, TAG_KEY_in},         {KEY_OUT, TAG_KEY_out},         {KEY_SRC_MAC, TAG_KEY_src_mac},
    {KEY_VLAN, TAG_KEY_vlan},     {KEY_SRC_NET, TAG_KEY_src_net}, {KEY_DST_NET, TAG_KEY_dst_net},
    {KEY_FILTER, TAG_KEY_filter},
};
enum { FLOW_KEY_COUNT = sizeof flow_keys / sizeof *flow_keys };

/* A look-up in a large map waits for memory, so that what it reads of a row lies together. */
struct ingress_row {
    uint32_t value;
    uint32_t first_condition; /* in the map's conditions */
    uint8_t condition_count;
    bool is_of_path; /* id=bgp */
    bool asks_path;
    bool is_known;                    /* the index leaves nothing of it open */
    struct ip_prefix exporter;        /* where the row names one; else len is EXPORTERS */
    const struct map_cell *exporters; /* where it names several, or others than some */
    const struct map_cell *next_hop, *peer_as;
};
enum { EXPORTERS = UINT8_MAX };

struct ingress_map {
    struct map_file *file;
    struct row_search *search;
    struct exporter_names names;
    struct ingress_row *rows;
    struct tag_condition *conditions;
    uint32_t condition_count;
    uint64_t fields; /* that the index looks at */
    bool asks_path;
    bool has_open; /* the index leaves something of some row open */
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

/* A row's choices for the index, as many as it takes. */
struct choices {
    struct row_choice items[ROW_CHOICES_MAX];
    size_t count;
    bool is_open; /* they do not ask all that the row does */
};

static void choose_cell(struct choices *choices, uint8_t key, const struct map_cell *cell)
{
    if (!cell)
        return;
    if (choices->count < ROW_CHOICES_MAX &&
        row_choice_of_cell(&choices->items[choices->count], key, keys[key].type, cell))
        choices->count++;
    else
        choices->is_open = true;
}

static void choose_condition(struct choices *choices, uint8_t key,
                             const struct tag_condition *condition, const struct map_cell *cell)
{
    struct row_choice *choice = &choices->items[choices->count];
    bool is_all = false;

    if (choices->count == ROW_CHOICES_MAX ||
        !tag_condition_choice(condition, cell, choice, &is_all)) {
        choices->is_open = true;
        return;
    }
    choice->field = key;
    choices->count++;
    choices->is_open = choices->is_open || !is_all;
}

static int take_conditions(struct ingress_map *map, size_t index, struct choices *choices,
                           struct text *errors)
{
    struct map_cell *const *cells = map->file->rows[index].cells;
    struct ingress_row *row = &map->rows[index];
    int err = 0;

    row->first_condition = map->condition_count;
    for (size_t i = 0; i < FLOW_KEY_COUNT; i++) {
        const struct map_cell *cell = cells[flow_keys[i].key];
        struct text error = {0};
        if (!cell)
            continue;
        struct tag_condition *condition = &map->conditions[map->condition_count++];
        row->condition_count++;
        if (tag_condition_make(condition, flow_keys[i].tag_key, cell, &error) < 0) {
            text_append_printf(errors, "%s:%u: %s=%s: %s\n", map->file->name,
                               map->file->rows[index].line, keys[flow_keys[i].key].name, cell->text,
                               text_cstr(&error));
            err = -EINVAL;
        } else {
            choose_condition(choices, flow_keys[i].key, condition, cell);
        }
        text_clear(&error);
        tag_condition_add_needs(condition, &map->needs);
    }
    return err;
}

static int take_row(struct ingress_map *map, size_t index, struct text *errors)
{
    const struct map_row *row = &map->file->rows[index];
    struct ingress_row *ingress = &map->rows[index];
    struct choices choices = {.count = 0, .is_open = false};
    int err = 0;

    if (take_value(ingress, row->cells[KEY_ID]->text) < 0) {
        text_append_printf(errors,
                           "%s:%u: id=%s: expected a number, or bgp for what the path to the "
                           "source says\n",
                           map->file->name, row->line, row->cells[KEY_ID]->text);
        err = -EINVAL;
    }
    ingress->exporters = row->cells[KEY_IP];
    ingress->exporter.len = EXPORTERS;
    if (ingress->exporters->item_count == 1 && ingress->exporters->has_plain)
        ingress->exporter = ingress->exporters->items[0].prefix;
    ingress->next_hop = row->cells[KEY_NEXT_HOP];
    ingress->peer_as = row->cells[KEY_PEER_AS];
    choose_cell(&choices, KEY_IP, ingress->exporters);
    if (take_conditions(map, index, &choices, errors) < 0)
        err = -EINVAL;
    choose_cell(&choices, KEY_NEXT_HOP, ingress->next_hop);
    choose_cell(&choices, KEY_PEER_AS, ingress->peer_as);
    ingress->asks_path = ingress->next_hop || ingress->peer_as;
    map->asks_path = map->asks_path || ingress->is_of_path || ingress->asks_path;
    ingress->is_known =
        row_search_add(map->search, (uint32_t)index, choices.items, choices.count) &&
        !choices.is_open;
    map->has_open = map->has_open || !ingress->is_known;
    return err;
}

static size_t count_conditions(const struct map_file *file)
{
    size_t count = 0;

    for (size_t i = 0; i < file->row_count; i++)
        for (size_t k = 0; k < FLOW_KEY_COUNT; k++)
            count += file->rows[i].cells[flow_keys[k].key] != NULL;
    return count;
}

static int take_rows(struct ingress_map *map, struct text *errors)
{
    int err = 0;

    map->rows = mem_calloc(map->file->row_count + 1, sizeof *map->rows);
    map->conditions = mem_calloc(count_conditions(map->file) + 1, sizeof *map->conditions);
    map->search = row_search_new();
    for (size_t i = 0; i < map->file->row_count; i++)
        if (take_row(map, i, errors) < 0)
            err = -EINVAL;
    return err;
}

int ingress_map_parse(const char *name, const char *data, size_t len, struct text *errors,
                      struct ingress_map **ret_map)
{
    struct ingress_map *map = mem_zalloc(sizeof *map);
    int err = map_file_parse(name, data, len, keys, NULL, errors, &map->file);

    if (err == 0)
        err = take_rows(map, errors);
    if (err < 0) {
        ingress_map_free(map);
        return err;
    }
    row_search_finish(map->search);
    map->fields = row_search_fields(map->search);
    exporter_names_init(&map->names, map->file, KEY_IP);
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
    if (err == 0)
        row_search_warn((*ret_map)->search, path, report->warnings);
    map_source_close(&source, err, err < 0 ? 0 : (*ret_map)->file->row_count);
    return err;
}

void ingress_map_free(struct ingress_map *map)
{
    if (!map)
        return;
    for (uint32_t i = 0; i < map->condition_count; i++)
        tag_condition_clear(&map->conditions[i]);
    mem_free(map->conditions);
    mem_free(map->rows);
    row_search_free(map->search);
    exporter_names_clear(&map->names);
    map_file_free(map->file);
    mem_free(map);
}

bool ingress_map_names(const struct ingress_map *map, const struct ip_addr *exporter)
{
    return exporter_names_has(&map->names, exporter);
}

bool ingress_map_asks_path(const struct ingress_map *map)
{
    return map->asks_path;
}

static bool is_exporter(const struct ingress_row *row, const struct ip_addr *exporter)
{
    return row->exporter.len == EXPORTERS ? map_cell_has_address(row->exporters, exporter)
                                          : ip_prefix_contains(&row->exporter, exporter);
}

/* Returns the facts of one flow of those that are looked up together. */
static const struct source_facts *facts_at(const struct source_facts *facts, uint32_t index)
{
    static const struct source_facts nothing;

    return facts ? &facts[index] : &nothing;
}

static bool row_holds(const struct ingress_map *map, const struct ingress_row *row,
                      const struct flow *flow, const struct source_facts *facts)
{
    const struct tag_condition *conditions = &map->conditions[row->first_condition];

    if (!is_exporter(row, &flow->exporter->addr))
        return false;
    if (row->asks_path && (!map_cell_has_address(row->next_hop, &facts->next_hop) ||
                           !map_cell_has_number(row->peer_as, facts->neighbour_as)))
        return false;
    for (uint32_t i = 0; i < row->condition_count; i++)
        if (!tag_condition_holds(&conditions[i], flow))
            return false;
    return true;
}

/* Fetches what the index looks at. */
static void take_columns(const struct ingress_map *map, const struct flow_batch *batch,
                         uint32_t start, uint32_t count, const struct source_facts *facts,
                         struct row_column *columns)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct flow *flow = flow_batch_at(batch, start + i);
        row_column_put(&columns[KEY_IP], i, row_value_address(&flow->exporter->addr));
        if (!map->asks_path)
            continue;
        row_column_put(&columns[KEY_NEXT_HOP], i, row_value_address(&facts_at(facts, i)->next_hop));
        columns[KEY_PEER_AS].low[i] = facts_at(facts, i)->neighbour_as;
    }
    for (size_t i = 0; i < FLOW_KEY_COUNT; i++)
        if (map->fields >> flow_keys[i].key & 1)
            tag_condition_column(flow_keys[i].tag_key, batch, start, count,
                                 &columns[flow_keys[i].key]);
}

void ingress_map_find(const struct ingress_map *map, const struct flow_batch *batch, uint32_t start,
                      uint32_t count, const struct source_facts *facts,
                      struct ingress_answer *ret_answers)
{
    struct row_column columns[KEY_COUNT];
    struct row_lookup lookup;
    const uint32_t *first = lookup.first;

    take_columns(map, batch, start, count, facts, columns);
    row_search_start(map->search, columns, count, &lookup);
    row_search_settle(map->search, columns, count, &lookup);
    for (uint32_t i = 0; i < count; i++)
        if (first[i] != ROW_NONE)
            __builtin_prefetch(&map->rows[first[i]]);
    for (uint32_t i = 0; map->has_open && i < count; i++)
        if (first[i] != ROW_NONE)
            __builtin_prefetch(&map->conditions[map->rows[first[i]].first_condition]);
    for (uint32_t i = 0; i < count; i++) {
        const struct flow *flow = flow_batch_at(batch, start + i);
        ret_answers[i] = (struct ingress_answer){0, false};
        for (uint32_t at = first[i]; at != ROW_NONE;
             at = row_search_next(map->search, columns, &lookup, i, at + 1)) {
            const struct ingress_row *row = &map->rows[at];
            if (!row->is_known && !row_holds(map, row, flow, facts_at(facts, i)))
                continue;
            ret_answers[i] = (struct ingress_answer){row->value, row->is_of_path};
            break;
        }
    }
}

void ingress_map_add_needs(const struct ingress_map *map, struct flow_needs *needs)
{
    for (size_t i = 0; i < sizeof needs->bits / sizeof *needs->bits; i++)
        needs->bits[i] |= map->needs.bits[i];
}
