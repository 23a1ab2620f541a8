/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One worker's rows of one instance. A batch goes through in steps: flows are chosen, rows are made
 * of them, keys hashed, candidate rows found, compared and added to. The cost of a large table is
 * memory latency, and the processor has only so many lines on their way: so the steps of one block
 * of entries lie in between those of the blocks before it, whose slots and rows are being fetched
 * meanwhile.
 */
#define XXH_INLINE_ALL
#include "pipeline/aggregate.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/row_index.h"
#include "base/row_number.h"
#include "flow/decoder.h"
#include "handover/dictionary.h"
#include "pipeline/row_fill.h"
#include <errno.h>
#include <string.h>

enum {
    ENTRIES_MAX = 256, /* flows in one pass */
    BLOCK = 32,        /* of them at a time in one step */
    ROW_UNIT = 8,      /* a row's number: its place in the pool, in such units */
    SEGMENTS_MAX = (UINT64_C(1) << 32) / SEGMENT_SIZE * ROW_UNIT,
    REPLAY_PENDING_MAX = 4, /* hand-overs on their way before reading waits */
    PARTS_MAX = 4096,       /* bins that one pro-rated flow may touch */
};

struct aggregate {
    alignas(CACHE_LINE) const struct aggregate_plan *plan;
    struct outlet *outlet;
    struct outlet_lane *lane;
    struct ledger *ledger;
    struct dictionary *dictionary;
    struct row_index index;
    struct key_hash key_hash;
    uint32_t row_size, key_size, rows_per_segment;
    /* the open table */
    uint8_t *memory;        /* of the pool */
    uint32_t first_segment; /* in the pool; SEGMENT_NONE */
    uint32_t rows_in_last;
    struct segment *last_segment; /* that rows are added to, or NULL */
    uint64_t row_count;
    struct handover_totals open;
    /* a batch under way */
    uint32_t entry_count;
    const struct flow *flows[ENTRIES_MAX]; /* or parts of flows */
    int64_t bins[ENTRIES_MAX];
    uint32_t hashes[ENTRIES_MAX];
    uint8_t *candidates[ENTRIES_MAX]; /* the first row of that hash, or NULL */
    uint8_t *rows;                    /* what the entries would be as rows of their own */
    uint8_t *parts;                   /* copies of pro-rated flows; NULL without pro-rating */
    uint32_t flow_stride;
    struct time_bin_cache bin_cache;
    struct handover_totals added, dropped; /* in the batch */
    uint64_t options_filtered, options_dropped;
    struct aggregate_end last_end;
    const struct value_list *lists[VALUE_LIST_COUNT]; /* for the batch under way */
};

static void totals_add_flow(struct handover_totals *totals, const struct flow *flow)
{
    totals->flows += flow->flows;
    totals->packets += flow->packets;
    totals->bytes += flow->bytes;
}

/* Counts a flow that there is no room for. */
static void drop_flow(struct aggregate *a, const struct flow *flow)
{
    totals_add_flow(&a->dropped, flow);
    a->options_dropped += flow->is_option;
}

static void totals_double(struct handover_totals *totals)
{
    totals->flows *= 2;
    totals->packets *= 2;
    totals->bytes *= 2;
}

/* Enters into the ledger what was added to the table since the last time. */
static void settle_added(struct aggregate *a)
{
    a->open.flows += a->added.flows;
    a->open.packets += a->added.packets;
    a->open.bytes += a->added.bytes;
    ledger_add(&a->ledger->open, &a->added);
    a->added = (struct handover_totals){0};
}

struct aggregate *aggregate_new(const struct aggregate_plan *plan, struct outlet *outlet,
                                struct outlet_lane *lane, uint32_t flow_stride,
                                struct ledger *ledger)
{
    struct aggregate *a = mem_aligned_zalloc(CACHE_LINE, sizeof *a);

    a->plan = plan;
    a->outlet = outlet;
    a->lane = lane;
    a->ledger = ledger;
    a->flow_stride = flow_stride;
    a->row_size = plan->view->row_size;
    a->key_size = plan->view->key_size;
    a->rows_per_segment = segment_rows(a->row_size);
    a->memory = (void *)pool_segment(lane->pool, 0);
    a->first_segment = SEGMENT_NONE;
    key_hash_init(&a->key_hash);
    a->dictionary = dictionary_new(lane->pool);
    a->rows = mem_calloc(ENTRIES_MAX, a->row_size);
    if (plan->has_pro_rating)
        a->parts = mem_calloc(ENTRIES_MAX, flow_stride);
    if (!plan->is_unaggregated)
        row_index_init(&a->index);
    return a;
}

void aggregate_free(struct aggregate *a)
{
    if (!a)
        return;
    pool_release_chain(a->lane->pool, a->first_segment);
    dictionary_free(a->dictionary);
    row_index_clear(&a->index);
    mem_free(a->rows);
    mem_free(a->parts);
    mem_free(a);
}

/* ---- rows ---- */

static uint8_t *row_at(const struct aggregate *a, uint32_t number)
{
    return a->memory + (size_t)number * ROW_UNIT;
}

static uint32_t row_number(const struct aggregate *a, const uint8_t *row)
{
    return (uint32_t)((size_t)(row - a->memory) / ROW_UNIT);
}

static bool segment_add(struct aggregate *a) ON_THREAD(worker_thread)
{
    struct pool *pool = a->lane->pool;
    uint32_t index;

    if (pool_take(pool, a->plan->is_replay, &index) < 0)
        return false;
    if (index >= SEGMENTS_MAX) { /* its rows have no numbers */
        pool_release(pool, index);
        return false;
    }
    if (a->last_segment)
        a->last_segment->next = index;
    else
        a->first_segment = index;
    a->last_segment = pool_segment(pool, index);
    a->rows_in_last = 0;
    return true;
}

/* Makes room for a row at the end; false: the pool is full. */
static bool row_reserve(struct aggregate *a) ON_THREAD(worker_thread)
{
    return (a->last_segment && a->rows_in_last < a->rows_per_segment) || segment_add(a);
}

/* Returns where the next row goes, once there is room. */
static uint8_t *row_next(const struct aggregate *a)
{
    return a->last_segment->data + (size_t)a->rows_in_last * a->row_size;
}

/* Takes the next `count` rows into the table; they are written already. */
static void rows_push(struct aggregate *a, uint32_t count)
{
    a->rows_in_last += count;
    a->last_segment->used = a->rows_in_last * a->row_size;
    a->row_count += count;
}

/* ---- values of variable length ---- */

static bool dictionary_id(struct aggregate *a, const struct bytes_op *op, const struct flow *flow,
                          uint32_t *ret_id) ON_THREAD(worker_thread)
{
    const struct flow_bytes *value = (const void *)((const uint8_t *)flow + op->flow_offset);
    uint64_t handle = value->handle ? value->handle ^ op->kind : 0;
    size_t len = value->len < DICTIONARY_VALUE_MAX ? value->len : DICTIONARY_VALUE_MAX;

    *ret_id = 0;
    if (len == 0)
        return true;
    if (handle && (*ret_id = dictionary_find(a->dictionary, handle)) != 0)
        return true;
    if (dictionary_put(a->dictionary, value->data, len, a->plan->is_replay, ret_id) < 0)
        return false;
    if (handle)
        dictionary_remember(a->dictionary, handle, *ret_id);
    return true;
}

/* Writes the ids of values of variable length into a row. False: there is no room for one of the
 * values. */
static bool row_set_ids(struct aggregate *a, uint8_t *row, const struct flow *flow)
    ON_THREAD(worker_thread)
{
    for (uint32_t i = 0; i < a->plan->bytes_count; i++) {
        uint32_t id;
        if (!dictionary_id(a, &a->plan->bytes[i], flow, &id))
            return false;
        memcpy(row + a->plan->bytes[i].row_offset, &id, sizeof id);
    }
    return true;
}

/*
 * Makes rows at `rows` out of `count` entries from `from` on, which become the entries from `to`
 * on. Those that the dictionary has no room for are dropped, the others close up; returns how many
 * there are.
 */
static uint32_t rows_make(struct aggregate *a, uint32_t from, uint32_t count, uint32_t to,
                          uint8_t *rows) ON_THREAD(worker_thread)
{
    const struct flow **flows = &a->flows[to];
    uint32_t kept = 0;

    row_fill(a->plan, &a->flows[from], &a->bins[from], count, rows);
    if (a->plan->has_sum)
        row_fill_other_ends(a->plan, &a->flows[from], from, count, rows);
    if (a->plan->squeeze_count > 0)
        row_squeeze(a->plan, a->lists, count, rows);
    if (a->plan->bytes_count == 0)
        return count; /* none was dropped, ever: `from` is `to` */
    for (uint32_t i = 0; i < count; i++) {
        const struct flow *flow = a->flows[from + i];
        uint8_t *row = rows + (size_t)i * a->row_size;
        if (!row_set_ids(a, row, flow)) {
            drop_flow(a, flow);
            continue;
        }
        if (kept != i)
            memcpy(rows + (size_t)kept * a->row_size, row, a->row_size);
        flows[kept++] = flow;
    }
    return kept;
}

/* ---- a batch into the table ---- */

static void entries_hash(struct aggregate *a, uint32_t first, uint32_t end)
{
    const uint32_t row_size = a->row_size, key_size = a->key_size;
    const struct row_index index = a->index;
    const uint8_t *key = a->rows + (size_t)first * row_size;

    for (uint32_t i = first; i < end; i++, key += row_size) {
        a->hashes[i] = key_hash_of(&a->key_hash, key, key_size);
        row_index_prefetch(&index, a->hashes[i]);
    }
}

static void entries_find(struct aggregate *a, uint32_t first, uint32_t end)
{
    const uint32_t row_size = a->row_size;
    const struct row_index index = a->index;

    for (uint32_t i = first; i < end; i++) {
        uint32_t at = a->hashes[i] & index.mask, number;
        uint8_t *row = NULL;
        if (row_index_next(&index, a->hashes[i], &at, &number)) {
            row = row_at(a, number);
            __builtin_prefetch(row, 1);
            for (uint32_t line = CACHE_LINE; line < row_size; line += CACHE_LINE)
                __builtin_prefetch(row + line, 1);
            __builtin_prefetch(row + row_size - 1, 1);
        }
        a->candidates[i] = row;
    }
}

/* Finds the row with this key; NULL: there is none, and *ret_at is where its slot goes. */
static uint8_t *row_find(const struct aggregate *a, const uint8_t *key, uint32_t hash,
                         uint32_t *ret_at)
{
    uint32_t row;

    *ret_at = hash & a->index.mask;
    while (row_index_next(&a->index, hash, ret_at, &row)) {
        uint8_t *p = row_at(a, row);
        if (row_key_equals(p, key, a->key_size))
            return p;
    }
    return NULL;
}

/* Adds an entry that is not at its candidate: it has a new key, or not the first one of its
 * hash, or its row was made since it was looked for. False: the pool is full. */
static __attribute__((noinline)) bool entry_add(struct aggregate *a, uint32_t hash,
                                                const uint8_t *more) ON_THREAD(worker_thread)
{
    uint32_t at;
    uint8_t *row = row_find(a, more, hash, &at);

    if (row) {
        row_combine(a->plan, row, more);
        return true;
    }
    if (!row_reserve(a))
        return false;
    row = row_next(a);
    memcpy(row, more, a->row_size);
    rows_push(a, 1);
    row_index_put(&a->index, hash, at, row_number(a, row));
    return true;
}

static void entries_add(struct aggregate *a, uint32_t first, uint32_t end) ON_THREAD(worker_thread)
{
    const struct aggregate_plan *plan = a->plan;
    const uint32_t row_size = a->row_size, key_size = a->key_size;
    const uint8_t *more = a->rows + (size_t)first * row_size;

    for (uint32_t i = first; i < end; i++, more += row_size) {
        uint8_t *row = a->candidates[i];
        if (row && row_key_equals(row, more, key_size))
            row_combine(plan, row, more);
        else if (!entry_add(a, a->hashes[i], more))
            drop_flow(a, a->flows[i]);
    }
}

static void entries_aggregate(struct aggregate *a) ON_THREAD(worker_thread)
{
    uint32_t next = 0, made = 0, found = 0, added = 0;

    row_index_reserve(&a->index, a->entry_count);
    while (next < a->entry_count || added < made) {
        uint32_t count = a->entry_count - next < BLOCK ? a->entry_count - next : BLOCK;
        uint32_t was_made = made;
        if (count > 0) {
            made += rows_make(a, next, count, made, a->rows + (size_t)made * a->row_size);
            next += count;
            entries_hash(a, was_made, made);
        }
        entries_add(a, added, found);
        entries_find(a, found, was_made);
        added = found;
        found = was_made;
    }
}

/* ---- a batch that is appended ---- */

static void hand_over(struct aggregate *a, const struct aggregate_end *end)
    ON_THREAD(worker_thread);

/* Hands over a full segment of a live instance at once; in replay all workers end at the same
 * places of the file. */
static void hand_over_full(struct aggregate *a, int64_t time_ns) ON_THREAD(worker_thread)
{
    struct aggregate_end end = a->last_end;

    if (a->plan->is_replay || !a->last_segment || a->rows_in_last < a->rows_per_segment ||
        ring_is_full(a->lane->ring))
        return;
    end.flags = 0;
    end.time_ns = time_ns;
    hand_over(a, &end);
}

/* Makes rows in the segment itself, as many at a time as it has room for. */
static void entries_append(struct aggregate *a) ON_THREAD(worker_thread)
{
    for (uint32_t first = 0, count; first < a->entry_count; first += count) {
        hand_over_full(a, a->flows[first]->arrival_ns);
        count = a->entry_count - first;
        if (!row_reserve(a)) {
            for (uint32_t i = first; i < a->entry_count; i++)
                drop_flow(a, a->flows[i]);
            return;
        }
        if (count > a->rows_per_segment - a->rows_in_last)
            count = a->rows_per_segment - a->rows_in_last;
        uint32_t kept = rows_make(a, first, count, first, row_next(a));
        rows_push(a, kept);
        for (uint32_t i = 0; i < kept; i++)
            totals_add_flow(&a->added, a->flows[first + i]);
    }
}

/* Brings the entries into the table; afterwards there is room for new ones. */
static void entries_flush(struct aggregate *a) ON_THREAD(worker_thread)
{
    if (a->plan->is_unaggregated)
        entries_append(a);
    else
        entries_aggregate(a);
    a->entry_count = 0;
}

static uint32_t entry_new(struct aggregate *a, const struct flow *flow, int64_t bin_s)
    ON_THREAD(worker_thread)
{
    if (a->entry_count == ENTRIES_MAX)
        entries_flush(a);
    a->flows[a->entry_count] = flow;
    a->bins[a->entry_count] = bin_s;
    return a->entry_count++;
}

/* Enters a flow, or a part of one: for a sum twice, once for each end. The two of a pair are never
 * parted, as there is room for an even number. */
static void entries_enter(struct aggregate *a, const struct flow *flow, int64_t bin_s)
    ON_THREAD(worker_thread)
{
    entry_new(a, flow, bin_s);
    if (a->plan->has_sum)
        entry_new(a, flow, bin_s);
}

/* Computes value * part / whole without overflow. */
static uint64_t share_of(uint64_t value, uint64_t part, uint64_t whole)
{
    return (uint64_t)((unsigned __int128)value * part / whole);
}

/*
 * Spreads a flow over the bins that it lived in, by seconds; the remainder goes to the last bin,
 * the flow to the first. A flow binned by its arrival is not spread: its times are not to be
 * trusted.
 */
static void pro_rate(struct aggregate *a, const struct flow *flow) ON_THREAD(worker_thread)
{
    int64_t start_s = flow->start_ns / 1000000000, end_s = flow->end_ns / 1000000000;
    struct time_bin bin = time_bins_find(&a->plan->bins, flow->bin_ns / 1000000000);
    uint64_t duration = (uint64_t)(end_s - start_s), packets = flow->packets, bytes = flow->bytes;
    struct time_bin last;

    if (flow->bin_ns != flow->start_ns || end_s < bin.end_s ||
        (end_s - start_s) / (bin.end_s - bin.start_s) >= PARTS_MAX) {
        entries_enter(a, flow, bin.start_s);
        return;
    }
    last = time_bins_find(&a->plan->bins, end_s);
    for (bool is_first = true; bin.start_s <= last.start_s; is_first = false) {
        bool is_last = bin.start_s == last.start_s;
        int64_t from_s = is_first ? start_s : bin.start_s;
        uint32_t entry = entry_new(a, NULL, bin.start_s);
        struct flow *part = (struct flow *)(void *)(a->parts + (size_t)entry * a->flow_stride);
        memcpy(part, flow, a->flow_stride);
        part->flows = is_first ? flow->flows : 0;
        part->packets =
            is_last ? packets : share_of(flow->packets, (uint64_t)(bin.end_s - from_s), duration);
        part->bytes =
            is_last ? bytes : share_of(flow->bytes, (uint64_t)(bin.end_s - from_s), duration);
        packets -= part->packets;
        bytes -= part->bytes;
        a->flows[entry] = part;
        if (a->plan->has_sum)
            entry_new(a, part, bin.start_s);
        bin = time_bins_find(&a->plan->bins, bin.end_s);
    }
}

static struct handover_totals totals_of(const struct flow_batch *batch)
{
    struct handover_totals totals = {0};

    for (uint32_t i = 0; i < batch->count; i++)
        totals_add_flow(&totals, flow_batch_at(batch, i));
    return totals;
}

/* Takes each flow as it is, without a look at its bin. */
static void entries_take(struct aggregate *a, const struct flow_batch *batch)
    ON_THREAD(worker_thread)
{
    for (uint32_t first = 0, count; first < batch->count; first += count) {
        if (a->entry_count > 0)
            entries_flush(a);
        count = batch->count - first < ENTRIES_MAX ? batch->count - first : ENTRIES_MAX;
        for (uint32_t i = 0; i < count; i++)
            a->flows[i] = flow_batch_at(batch, first + i);
        a->entry_count = count;
    }
}

static void entries_choose(struct aggregate *a, const struct flow_batch *batch,
                           struct handover_totals *filtered) ON_THREAD(worker_thread)
{
    const struct aggregate_plan *plan = a->plan;

    for (uint32_t i = 0; i < batch->count; i++) {
        const struct flow *flow = flow_batch_at(batch, i);
        if ((plan->tag_filter && !tag_filter_accepts(plan->tag_filter, flow)) ||
            (plan->filter && !flow_filter_accepts(plan->filter, flow))) {
            totals_add_flow(filtered, flow);
            a->options_filtered += batch->is_options;
        } else if (plan->has_pro_rating) {
            pro_rate(a, flow);
        } else {
            entries_enter(a, flow,
                          plan->has_bins
                              ? time_bin_cache_start(&a->bin_cache, &plan->bins, flow->bin_ns)
                              : 0);
        }
    }
}

/* Records of options data have nothing that the other sums could count. */
static void count_options(struct aggregate *a, const struct flow_batch *batch)
{
    counter_add(&a->ledger->option_records, batch->count);
    counter_add(&a->ledger->options_filtered, a->options_filtered);
    counter_add(&a->ledger->options_dropped, a->options_dropped);
    a->options_filtered = a->options_dropped = 0;
}

void aggregate_set_list(struct aggregate *a, enum value_list_kind kind,
                        const struct value_list *list)
{
    THREAD_ASSERT(worker_thread);
    a->lists[kind] = list;
}

void aggregate_add(struct aggregate *a, const struct flow_batch *batch)
{
    const struct aggregate_plan *plan = a->plan;
    struct handover_totals decoded = totals_of(batch), filtered = {0};

    THREAD_ASSERT(worker_thread);
    a->added = a->dropped = (struct handover_totals){0};
    if (plan->filter || plan->tag_filter || plan->has_bins || plan->has_sum)
        entries_choose(a, batch, &filtered);
    else
        entries_take(a, batch);
    entries_flush(a);
    if (plan->has_sum) { /* what is counted is entries */
        totals_double(&decoded);
        totals_double(&filtered);
    }
    if (batch->is_options)
        count_options(a, batch);
    ledger_add(&a->ledger->decoded, &decoded);
    if (plan->filter || plan->tag_filter)
        ledger_add(&a->ledger->filtered, &filtered);
    if (a->dropped.flows | a->dropped.packets | a->dropped.bytes)
        ledger_add(&a->ledger->drops[DROP_pool_full], &a->dropped);
    if (!plan->is_unaggregated) {
        /* No row went out meanwhile: what is left over is in the table. */
        ledger_totals_subtract(&decoded, &filtered);
        ledger_totals_subtract(&decoded, &a->dropped);
        a->added = decoded;
    }
    settle_added(a);
}

/* ---- datagrams ---- */

/* Makes the row of a datagram. False: there is no room. */
static bool datagram_row(struct aggregate *a, const struct datagram *d, uint64_t tag,
                         bool is_for_all) ON_THREAD(worker_thread)
{
    const struct aggregate_plan *plan = a->plan;
    uint32_t id;

    hand_over_full(a, d->received_ns);
    if (!row_reserve(a) || dictionary_add(a->dictionary, d->data, d->len, plan->is_replay, &id) < 0)
        return false;
    uint8_t *row = row_next(a);
    memset(row, 0, a->row_size);
    memcpy(row + plan->exporter_offset, &d->source, sizeof d->source);
    memcpy(row + plan->port_offset, &d->source_port, sizeof d->source_port);
    memcpy(row + plan->tag_offset, &tag, sizeof tag);
    row[plan->for_all_offset] = is_for_all;
    memcpy(row + plan->datagram_offset, &id, sizeof id);
    if (plan->has_order)
        memcpy(row + plan->view->order_offset, &d->number, sizeof d->number);
    rows_push(a, 1);
    return true;
}

void aggregate_add_datagram(struct aggregate *a, const struct datagram *d, uint64_t tag,
                            bool is_for_all)
{
    struct handover_totals one = {.flows = 1, .packets = 1, .bytes = d->len};

    THREAD_ASSERT(worker_thread);
    ledger_add(&a->ledger->decoded, &one);
    if (!datagram_row(a, d, tag, is_for_all)) {
        ledger_add(&a->ledger->drops[DROP_pool_full], &one);
        return;
    }
    a->added = one;
    settle_added(a);
}

void aggregate_filter_datagram(struct aggregate *a, const struct datagram *d)
{
    struct handover_totals one = {.flows = 1, .packets = 1, .bytes = d->len};

    THREAD_ASSERT(worker_thread);
    ledger_add(&a->ledger->decoded, &one);
    ledger_add(&a->ledger->filtered, &one);
}

/* ---- events ---- */

/* Writes the value of a member into the row. -ENOSPC, -EMSGSIZE: as dictionary_put(). */
static int event_value(struct aggregate *a, const struct event *event, unsigned member,
                       uint8_t *row) ON_THREAD(worker_thread)
{
    const struct pa_column *c = &a->plan->view->columns[member];
    uint32_t id;
    int err = 0;

    if (c->kind == PA_KIND_BYTES) {
        const struct event_bytes *b = &event->values[member].bytes;
        uint64_t handle = b->handle ? b->handle ^ (uint64_t)(c->format + 1) << 56 : 0;
        id = handle ? dictionary_find(a->dictionary, handle) : 0;
        if (id == 0)
            err = dictionary_put(a->dictionary, b->data, b->len, a->plan->is_replay, &id);
        if (err < 0)
            return err;
        if (handle && id != 0)
            dictionary_remember(a->dictionary, handle, id);
        memcpy(row + c->offset, &id, sizeof id);
    } else if (c->kind == PA_KIND_ADDR) {
        memcpy(row + c->offset, &event->values[member].addr, c->width);
    } else {
        row_number_store(row + c->offset, c->width, event->values[member].number);
    }
    return 0;
}

/* Makes the row of an event, or gives the error of one of its values. */
static int event_row(struct aggregate *a, const struct event *event, int64_t time_ns)
    ON_THREAD(worker_thread)
{
    const struct aggregate_plan *plan = a->plan;

    hand_over_full(a, time_ns);
    if (!row_reserve(a))
        return -ENOSPC;
    uint8_t *row = row_next(a);
    memset(row, 0, a->row_size);
    row[plan->event_kind_offset] = event->kind;
    for (unsigned m = 0; m < plan->events->member_count; m++) {
        if (!event_has(event, m))
            continue;
        row[plan->event_present_offset + m / 8] |= (uint8_t)(1u << (m % 8));
        int err = event_value(a, event, m, row);
        if (err < 0)
            return err;
    }
    rows_push(a, 1);
    return 0;
}

void aggregate_add_event(struct aggregate *a, const struct event *event, int64_t time_ns)
{
    const struct handover_totals one = {.flows = 1};

    THREAD_ASSERT(worker_thread);
    ledger_add(&a->ledger->decoded, &one);
    int err = event_row(a, event, time_ns);
    if (err < 0) {
        ledger_add(&a->ledger->drops[err == -EMSGSIZE ? DROP_event_too_large : DROP_pool_full],
                   &one);
        return;
    }
    a->added = one;
    settle_added(a);
}

int aggregate_try_event(struct aggregate *a, const struct event *event, int64_t time_ns)
{
    const struct handover_totals one = {.flows = 1};

    THREAD_ASSERT(worker_thread);
    int err = event_row(a, event, time_ns);
    if (err == -ENOSPC)
        return err;
    ledger_add(&a->ledger->decoded, &one);
    if (err < 0) {
        ledger_add(&a->ledger->drops[DROP_event_too_large], &one);
        return 0;
    }
    a->added = one;
    settle_added(a);
    return 0;
}

uint64_t aggregate_pending_count(const struct aggregate *a)
{
    return ring_pending_count(a->lane->ring);
}

bool aggregate_has_rows(const struct aggregate *a)
{
    return a->row_count > 0;
}

void aggregate_hand_over_early(struct aggregate *a, int64_t time_ns)
{
    struct aggregate_end end = a->last_end;

    THREAD_ASSERT(worker_thread);
    if (ring_is_full(a->lane->ring))
        return;
    end.flags = 0;
    end.time_ns = time_ns;
    hand_over(a, &end);
}

/* ---- hand-over ---- */

static void table_reset(struct aggregate *a)
{
    a->first_segment = SEGMENT_NONE;
    a->last_segment = NULL;
    a->rows_in_last = 0;
    a->row_count = 0;
    a->open = (struct handover_totals){0};
    if (!a->plan->is_unaggregated && a->index.used > 0)
        row_index_reset(&a->index);
}

/* Hands the open table over; the ring has a slot. */
static void hand_over(struct aggregate *a, const struct aggregate_end *end)
{
    struct handover h = {.group = end->group,
                         .epoch = end->epoch,
                         .time_ns = end->time_ns,
                         .flags = end->flags,
                         .row_segment = a->first_segment,
                         .row_count = a->row_count};

    /* Rows may be handed over in the middle of a batch, when the ledger does not know yet what
     * of it is in them. */
    settle_added(a);
    h.totals = a->open;
    dictionary_finish(a->dictionary, &h.dictionary_segment, &h.dictionary_count);
    counter_add(&a->ledger->rows, a->row_count);
    counter_add(&a->ledger->handovers, 1);
    ledger_add(&a->ledger->handed_over, &h.totals);
    ledger_subtract(&a->ledger->open, &h.totals);
    ring_push(a->lane->ring, &h);
    table_reset(a);
}

/* True if the table stays open across an epoch's end. When the pool is nearly full its rows
 * still add up; given up, they would only take more room, as rows of a new epoch. */
static bool stays_open(const struct aggregate *a, const struct aggregate_end *end)
{
    return !a->plan->is_replay && !a->plan->is_unaggregated && !(end->flags & HANDOVER_IS_LAST) &&
           pool_budget_is_tight(&a->outlet->budget) && ring_pending_count(a->lane->ring) > 0;
}

bool aggregate_end(struct aggregate *a, const struct aggregate_end *end)
{
    THREAD_ASSERT(worker_thread);
    aggregate_recycle(a);
    a->last_end = *end;
    if (ring_is_full(a->lane->ring))
        return false;
    if (stays_open(a, end)) {
        struct handover marker = {.group = end->group,
                                  .epoch = end->epoch,
                                  .time_ns = end->time_ns,
                                  .flags = end->flags,
                                  .row_segment = SEGMENT_NONE,
                                  .dictionary_segment = SEGMENT_NONE};
        ring_push(a->lane->ring, &marker);
        return true;
    }
    if (end->flags == 0 && a->row_count == 0)
        return true;
    hand_over(a, end);
    if (end->flags & HANDOVER_ENDS_EPOCH)
        pool_trim(a->lane->pool);
    return true;
}

static void settle_handover(void *arg, const struct handover *handover,
                            const struct handover_outcome *outcome)
{
    struct aggregate *a = arg;

    if (handover)
        ledger_settle(a->ledger, handover, outcome);
    else
        ledger_lose(a->ledger);
}

void aggregate_recycle(struct aggregate *a)
{
    THREAD_ASSERT(worker_thread);
    ring_recycle(a->lane->ring, a->lane->pool, settle_handover, a);
}

bool aggregate_must_wait(const struct aggregate *a)
{
    /* Reading further ahead of the host gains nothing: new memory would be taken where memory
     * that comes back is still in the caches. */
    return a->plan->is_replay &&
           (ring_pending_count(a->lane->ring) > REPLAY_PENDING_MAX ||
            (pool_budget_is_tight(&a->outlet->budget) && ring_pending_count(a->lane->ring) > 0));
}

void aggregate_abandon(struct aggregate *a)
{
    struct handover_totals rest;

    THREAD_ASSERT(worker_thread);
    aggregate_recycle(a);
    rest = ledger_totals(&a->ledger->open);
    ledger_subtract(&a->ledger->open, &rest);
    ledger_add(&a->ledger->drops[DROP_shutdown], &rest);
    rest = ledger_totals(&a->ledger->handed_over);
    ledger_subtract(&a->ledger->handed_over, &rest);
    ledger_add(&a->ledger->drops[DROP_shutdown], &rest);
}
