/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks the rows of pre_tag_map for the flows of a batch. The index names candidates; each is asked
 * whether it holds. A few flows are looked up side by side, so that they wait for memory together. */
#include "base/memory.h"
#include "maps/tag_map_private.h"

#include <string.h>

enum { SIDE_BY_SIDE = 32 };

static bool row_holds(const struct tag_map *map, const struct tag_row *row, const struct flow *flow)
{
    const struct tag_condition *condition = &map->conditions[row->first_condition];

    for (uint32_t i = 0; i < row->condition_count; i++)
        if (!tag_condition_holds(&condition[i], flow))
            return false;
    return true;
}

static uint64_t stacked(enum tag_stack stack, uint64_t before, uint64_t tag)
{
    if (stack == STACK_SUM)
        return before + tag;
    return stack == STACK_OR ? before | tag : tag;
}

/* Appends a label. What would go beyond the bound is left out. A label that was joined before is the
 * last text of the arena and grows in its place, so that a flow takes no more than the bound. */
static void label_append(const struct tag_map *map, const struct tag_row *row,
                         struct tag_result *result, struct arena *labels)
{
    const char *text = map->texts + row->label_place;
    struct flow_bytes *label = &result->label;
    size_t len = (size_t)label->len + 1 + row->label_len;
    size_t last = arena_rounded(label->len);

    if (label->len == 0) {
        *label = (struct flow_bytes){.data = (const uint8_t *)text, .len = row->label_len};
        return;
    }
    if (len > TAG_LABEL_MAX) {
        result->is_label_cut = true;
        return;
    }
    if (labels->used >= last && label->data == labels->data + labels->used - last)
        labels->used -= last;
    uint8_t *joined = arena_take(labels, len);
    if (!joined) {
        result->is_label_cut = true;
        return;
    }
    memmove(joined, label->data, label->len);
    joined[label->len] = ',';
    memcpy(joined + label->len + 1, text, row->label_len);
    *label = (struct flow_bytes){.data = joined, .len = (uint32_t)len};
}

static void row_apply(const struct tag_map *map, struct tag_row *row, struct tag_result *result,
                      struct arena *labels)
{
    if (row->has_tag) {
        uint64_t tag = row->counts ? atomic_fetch_add_explicit(&row->tag, 1, memory_order_relaxed)
                                   : atomic_load_explicit(&row->tag, memory_order_relaxed);
        result->tag = stacked((enum tag_stack)row->stack, result->tag, tag);
    }
    if (row->has_tag2)
        result->tag2 = stacked((enum tag_stack)row->stack, result->tag2, row->tag2);
    if (row->has_tos) {
        result->tos = row->tos;
        result->has_tos = true;
    }
    if (row->label_len > 0)
        label_append(map, row, result, labels);
}

/* Gives a flow away before its walk ends. */
static void give(struct tag_returns *returns, uint32_t flow, struct tag_result *result)
{
    if (returns->count == returns->capacity) {
        returns->capacity = returns->capacity ? 2 * returns->capacity : SIDE_BY_SIDE;
        returns->items = mem_realloc(returns->items, returns->capacity * sizeof returns->items[0]);
    }
    returns->items[returns->count++] = (struct tag_returned){flow, *result};
    *result = (struct tag_result){0};
}

void tag_map_scan(const struct tag_map *map, const struct flow *flow, struct arena *labels,
                  struct tag_result *ret_result, struct tag_returns *returns)
{
    *ret_result = (struct tag_result){0};
    for (uint32_t i = 0; i < map->row_count; i++) {
        struct tag_row *row = &map->rows[i];
        if (!row_holds(map, row, flow))
            continue;
        row_apply(map, row, ret_result, labels);
        if (row->jump == 0)
            return;
        if (row->returns)
            give(returns, 0, ret_result);
        i = row->jump - 1; /* the loop goes on at the row */
    }
}

/* Fetches what the index looks at. */
static void take_values(const struct tag_map *map, const struct flow *flow,
                        struct row_value *values)
{
    for (uint32_t i = 0; i < map->field_count; i++)
        values[map->fields[i]] = tag_condition_value((enum tag_key)map->fields[i], flow);
}

static uint32_t next_row(const struct tag_map *map, const struct flow *flow,
                         struct row_cursor *cursor, uint32_t from)
{
    struct row_value values[ROW_FIELDS_MAX];

    if (cursor->is_wide)
        take_values(map, flow, values);
    return row_search_next(map->search, values, cursor, from);
}

/* Goes through the candidates of a flow. True: a label was cut. */
static bool walk_one(const struct tag_map *map, const struct flow_batch *batch, uint32_t index,
                     struct row_cursor *cursor, struct arena *labels, struct tag_result *ret_result,
                     struct tag_returns *returns)
{
    const struct flow *flow = flow_batch_at(batch, index);
    bool is_cut = false;
    uint32_t from = 0, at;

    *ret_result = (struct tag_result){0};
    while ((at = next_row(map, flow, cursor, from)) != ROW_NONE) {
        struct tag_row *row = &map->rows[at];
        from = at + 1;
        if (!row_holds(map, row, flow))
            continue;
        row_apply(map, row, ret_result, labels);
        from = row->jump;
        if (from == 0)
            break;
        if (row->returns) {
            is_cut = is_cut || ret_result->is_label_cut;
            give(returns, index, ret_result);
        }
    }
    return is_cut || ret_result->is_label_cut;
}

/* Fetches what is known of the first candidates of each shape: first the rows of all flows, then
 * their conditions. */
static void prefetch_rows(const struct tag_map *map, const struct row_cursor *cursors,
                          uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < cursors[i].count; k++)
            __builtin_prefetch(&map->rows[row_search_hit(map->search, &cursors[i], k)], 1);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t k = 0; k < cursors[i].count; k++) {
            uint32_t row = row_search_hit(map->search, &cursors[i], k);
            __builtin_prefetch(&map->conditions[map->rows[row].first_condition]);
        }
}

static bool walk_side_by_side(const struct tag_map *map, const struct flow_batch *batch,
                              uint32_t start, uint32_t count, struct arena *labels,
                              struct tag_result *results, struct tag_returns *returns)
{
    struct row_cursor cursors[SIDE_BY_SIDE];
    struct row_value values[ROW_FIELDS_MAX];
    bool is_cut = false;

    for (uint32_t i = 0; i < count; i++) {
        take_values(map, flow_batch_at(batch, start + i), values);
        row_search_start(map->search, values, &cursors[i]);
    }
    for (uint32_t i = 0; i < count; i++)
        row_search_sift(map->search, &cursors[i]);
    for (uint32_t i = 0; i < count; i++)
        row_search_settle(map->search, &cursors[i]);
    prefetch_rows(map, cursors, count);
    for (uint32_t i = 0; i < count; i++)
        if (walk_one(map, batch, start + i, &cursors[i], labels, &results[start + i], returns))
            is_cut = true;
    return is_cut;
}

bool tag_map_walk(const struct tag_map *map, const struct flow_batch *batch, struct arena *labels,
                  struct tag_result *results, struct tag_returns *returns)
{
    bool is_cut = false;

    returns->count = 0;
    for (uint32_t start = 0; start < batch->count; start += SIDE_BY_SIDE) {
        uint32_t left = batch->count - start;
        uint32_t count = left < SIDE_BY_SIDE ? left : SIDE_BY_SIDE;
        if (walk_side_by_side(map, batch, start, count, labels, results, returns))
            is_cut = true;
    }
    return is_cut;
}
