/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps the last total of each flow. Keys of flows are long and many, so an entry has two hashes of
 * its key in place of the key: that two flows have both in common does not happen by chance, and
 * the table's seed is secret.
 */
#include "nfacctd/flow_totals.h"

#include <assert.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/memory.h"

#define PAST_NS    (3600 * NS_PER_S) /* longer than active timeouts are */
#define OTHER_SEED UINT64_C(0x9e3779b97f4a7c15)

static_assert(sizeof(struct flow_total_key) == 72, "keys have no holes");

struct last_total {
    struct keyed_entry entry;
    uint64_t bytes, packets;
    int64_t end, received_ns;
    bool end_is_uptime;
};

static void last_total_discard(void *arg, struct keyed_entry *entry)
{
    struct flow_totals *totals = arg;
    const struct last_total *last = (const struct last_total *)entry;

    totals->evicted_count++;
    if (last->received_ns > totals->evicted_ns)
        totals->evicted_ns = last->received_ns;
    mem_free(entry);
}

void flow_totals_clear(struct flow_totals *totals)
{
    if (totals->has_table)
        keyed_table_clear(&totals->table);
    flow_totals_init(totals, totals->max, totals->first_ns);
}

/* May the flow have been counted before, although nothing is known of it? */
static bool has_past(const struct flow_totals *totals, int64_t start_ns)
{
    return start_ns != 0 &&
           (start_ns < totals->first_ns - PAST_NS || start_ns < totals->evicted_ns);
}

static bool ends_later(const struct flow_total *total, const struct last_total *last)
{
    if (total->end_is_uptime != last->end_is_uptime)
        return false;
    if (total->end_is_uptime)
        return (int32_t)((uint32_t)total->end - (uint32_t)last->end) > 0;
    return total->end > last->end;
}

static void remember(struct last_total *last, const struct flow_total *total)
{
    last->bytes = total->bytes;
    last->packets = total->packets;
    last->received_ns = total->received_ns;
    last->end = total->end;
    last->end_is_uptime = total->end_is_uptime;
}

static enum flow_total_outcome subtract_last(struct last_total *last,
                                             const struct flow_total *total, uint64_t *ret_bytes,
                                             uint64_t *ret_packets)
{
    if (total->bytes >= last->bytes && total->packets >= last->packets) {
        *ret_bytes = total->bytes - last->bytes;
        *ret_packets = total->packets - last->packets;
        remember(last, total);
        return FLOW_TOTAL_NEXT;
    }
    if (!ends_later(total, last)) {
        *ret_bytes = *ret_packets = 0;
        return FLOW_TOTAL_LATE;
    }
    *ret_bytes = total->bytes;
    *ret_packets = total->packets;
    remember(last, total);
    return FLOW_TOTAL_ANEW;
}

enum flow_total_outcome flow_totals_take(struct flow_totals *totals, const struct flow_total *total,
                                         uint64_t *ret_bytes, uint64_t *ret_packets)
{
    if (!totals->has_table) {
        keyed_table_init(&totals->table, totals->max, last_total_discard, totals);
        totals->has_table = true;
        if (totals->first_ns == 0)
            totals->first_ns = total->received_ns;
    }
    uint64_t key0 = keyed_table_hash(&totals->table, &total->key, sizeof total->key);
    uint64_t key1 = hash_bytes(&total->key, sizeof total->key, totals->table.seed ^ OTHER_SEED);
    struct last_total *last = (struct last_total *)keyed_table_find(&totals->table, key0, key1);

    if (last) {
        keyed_table_touch(&totals->table, &last->entry);
        return subtract_last(last, total, ret_bytes, ret_packets);
    }
    bool is_unknown = has_past(totals, total->start_ns);
    last = mem_zalloc(sizeof *last);
    remember(last, total);
    keyed_table_add(&totals->table, &last->entry, key0, key1);
    *ret_bytes = is_unknown ? 0 : total->bytes;
    *ret_packets = is_unknown ? 0 : total->packets;
    return is_unknown ? FLOW_TOTAL_UNKNOWN : FLOW_TOTAL_FIRST;
}
