/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks the rows of pre_tag_map for the flows of a batch. The index names candidates; each is asked
 * for what the index has left open. Some flows are looked up together, so that they wait for memory together. */
#include "base/memory.h"
#include "maps/tag_map_private.h"

#include <string.h>

enum { RETURNS_MIN = 32 };

static bool conditions_hold(const struct tag_map *map, uint32_t first, uint32_t count,
                            const struct flow *flow)
{
    const struct tag_condition *condition = &map->conditions[first];

    for (uint32_t i = 0; i < count; i++)
        if (!tag_condition_holds(&condition[i], flow))
            return false;
    return true;
}

/* Asks all conditions of a row. */
static bool row_holds(const struct tag_map *map, const struct tag_row *row, const struct flow *flow)
{
    return conditions_hold(map, row->first_condition, row[1].first_condition - row->first_condition,
                           flow);
}

/* Asks what the index has left open of a row that it gave. */
static bool candidate_holds(const struct tag_map *map, const struct tag_row *row,
                            const struct flow *flow)
{
    return row->open_count == 0 ||
           conditions_hold(map, row->first_condition, row->open_count, flow);
}

static uint64_t stacked(enum tag_stack stack, uint64_t before, uint64_t tag)
{
    if (stack == STACK_SUM)
        return before + tag;
    return stack == STACK_OR ? before | tag : tag;
}

/* Appends a label. What would go beyond the bound is left out. A label that was joined before is the
 * last text of the arena and grows in its place, so that a flow takes no more than the bound. */
static void label_append(const struct tag_map *map, const struct tag_deed *deed,
                         struct tag_result *result, struct arena *labels)
{
    const char *text = map->texts + deed->label_place;
    struct flow_bytes *label = &result->label;
    size_t len = (size_t)label->len + 1 + deed->label_len;
    size_t last = arena_rounded(label->len);

    if (label->len == 0) {
        *label = (struct flow_bytes){.data = (const uint8_t *)text, .len = deed->label_len};
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
    memcpy(joined + label->len + 1, text, deed->label_len);
    *label = (struct flow_bytes){.data = joined, .len = (uint32_t)len};
}

/* Sets what a row sets beside its tag. */
static void deed_apply(const struct tag_map *map, const struct tag_row *row,
                       const struct tag_deed *deed, struct tag_result *result, struct arena *labels)
{
    if (deed->has_tag2)
        result->tag2 = stacked((enum tag_stack)row->stack, result->tag2, deed->tag2);
    if (deed->has_tos) {
        result->tos = deed->tos;
        result->has_tos = true;
    }
    if (deed->label_len > 0)
        label_append(map, deed, result, labels);
}

/* Sets what a row sets. Returns the row to go on at; 0: the walk ends here. */
static inline uint32_t row_apply(const struct tag_map *map, uint32_t at, struct tag_result *result,
                                 struct arena *labels)
{
    struct tag_row *row = &map->rows[at];

    if (row->has_tag) {
        uint64_t tag = row->counts ? atomic_fetch_add_explicit(&row->tag, 1, memory_order_relaxed)
                                   : atomic_load_explicit(&row->tag, memory_order_relaxed);
        result->tag = stacked((enum tag_stack)row->stack, result->tag, tag);
    }
    if (!row->does_more)
        return 0;
    deed_apply(map, row, &map->deeds[at], result, labels);
    return map->deeds[at].jump;
}

/* Gives a flow away before its walk ends. */
static void give(struct tag_returns *returns, uint32_t flow, struct tag_result *result)
{
    if (returns->count == returns->capacity) {
        returns->capacity = returns->capacity ? 2 * returns->capacity : RETURNS_MIN;
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
        if (!row_holds(map, &map->rows[i], flow))
            continue;
        uint32_t next = row_apply(map, i, ret_result, labels);
        if (next == 0)
            return;
        if (map->deeds[i].returns)
            give(returns, 0, ret_result);
        i = next - 1; /* the loop goes on at the row */
    }
}

/* Some flows that are looked up together. */
struct tag_walk {
    const struct flow_batch *batch;
    uint32_t start, count; /* which of the batch */
    struct row_lookup lookup;
    struct row_column columns[TAG_KEY_COUNT];
};

/* Goes through the candidates of a flow. True: a label was cut. */
static inline bool walk_one(const struct tag_map *map, const struct tag_walk *walk, uint32_t index,
                            struct arena *labels, struct tag_result *ret_result,
                            struct tag_returns *returns)
{
    const struct flow *flow = flow_batch_at(walk->batch, walk->start + index);
    bool is_cut = false;
    uint32_t from = 0, at;

    *ret_result = (struct tag_result){0};
    if (walk->lookup.notes[index] > 0) {
        ret_result->tag = tag_of_note(walk->lookup.notes[index]);
        return false;
    }
    while ((at = row_search_next(map->search, walk->columns, &walk->lookup, index, from)) !=
           ROW_NONE) {
        from = at + 1;
        if (!candidate_holds(map, &map->rows[at], flow))
            continue;
        from = row_apply(map, at, ret_result, labels);
        if (from == 0)
            break;
        if (map->deeds[at].returns) {
            is_cut = is_cut || ret_result->is_label_cut;
            give(returns, walk->start + index, ret_result);
        }
    }
    return is_cut || ret_result->is_label_cut;
}

/* Fetches what is known of the first candidates: first the rows of all flows, then their
 * conditions. */
static void prefetch_rows(const struct tag_map *map, const struct tag_walk *walk)
{
    const uint32_t *first = walk->lookup.first, *notes = walk->lookup.notes;

    for (uint32_t i = 0; i < walk->count; i++)
        if (first[i] != ROW_NONE && notes[i] == 0)
            __builtin_prefetch(&map->rows[first[i]]);
    for (uint32_t i = 0; map->has_open && i < walk->count; i++)
        if (first[i] != ROW_NONE && map->rows[first[i]].open_count > 0)
            __builtin_prefetch(&map->conditions[map->rows[first[i]].first_condition]);
}

static void walk_start(const struct tag_map *map, const struct flow_batch *batch, uint32_t start,
                       struct tag_walk *walk)
{
    uint32_t left = batch->count - start;

    walk->batch = batch;
    walk->start = start;
    walk->count = left < ROW_TOGETHER ? left : ROW_TOGETHER;
    for (uint32_t i = 0; i < map->field_count; i++)
        tag_condition_column((enum tag_key)map->fields[i], batch, start, walk->count,
                             &walk->columns[map->fields[i]]);
    row_search_start(map->search, walk->columns, walk->count, &walk->lookup);
}

static bool walk_rows(const struct tag_map *map, const struct tag_walk *walk, struct arena *labels,
                      struct tag_result *results, struct tag_returns *returns)
{
    bool is_cut = false;

    for (uint32_t i = 0; i < walk->count; i++)
        if (walk_one(map, walk, i, labels, &results[walk->start + i], returns))
            is_cut = true;
    return is_cut;
}

/* While the flows of one walk wait for memory, those before and after them are worked on. */
bool tag_map_walk(const struct tag_map *map, const struct flow_batch *batch, struct arena *labels,
                  struct tag_result *results, struct tag_returns *returns)
{
    enum { STAGES = 3 };
    struct tag_walk walks[STAGES];
    uint32_t walk_count = (batch->count + ROW_TOGETHER - 1) / ROW_TOGETHER;
    bool is_cut = false;

    returns->count = 0;
    for (uint32_t i = 0; i < walk_count + STAGES - 1; i++) {
        struct tag_walk *second = &walks[(i + 2) % STAGES], *third = &walks[(i + 1) % STAGES];
        if (i < walk_count)
            walk_start(map, batch, i * ROW_TOGETHER, &walks[i % STAGES]);
        if (i >= 1 && i - 1 < walk_count) {
            row_search_settle(map->search, second->columns, second->count, &second->lookup);
            prefetch_rows(map, second);
        }
        if (i >= 2 && walk_rows(map, third, labels, results, returns))
            is_cut = true;
    }
    return is_cut;
}
