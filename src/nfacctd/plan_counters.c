/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes and packets of a record that may have them in several ways. Octets and packets of the same
 * observation are a pair: delta counts, those after a middlebox, totals. The first pair that has
 * something counts; two are not mixed, but for a side that the first does not have in the template.
 * Octets of layer 2 stand in where those of IP are missing, and a section of a packet where all is.
 */
#include "nfacctd/plan_values.h"

#include <string.h>

#include "nfacctd/domain.h"

enum { PAIR_COUNT = 4, FIRST_TOTAL_PAIR = 2 };

/* The counters of one record, before totals become differences. A slot is -1 if the template has
 * none. */
struct counts {
    uint64_t bytes, packets;
    int bytes_slot, packets_slot; /* enum counter_slot */
    bool has_octets;              /* some element of IP octets is not 0 */
    bool is_by_pair_of_totals;    /* all deltas are 0 */
};

static uint64_t slot_value(const struct plan_ref *refs, int slot, const uint8_t *record)
{
    return slot < 0 ? 0 : plan_ref_uint(&refs[slot], record);
}

/* The slot of octets or packets (side 0 or 1) in the pair, or the first one that has that side. */
static int side_of(const struct plan_ref *refs, int pair, int side)
{
    if (refs[2 * pair + side].len > 0)
        return 2 * pair + side;
    for (int i = 0; i <= PAIR_COUNT; i++) { /* the last is that of directions */
        if (refs[2 * i + side].len > 0)
            return 2 * i + side;
    }
    return -1;
}

static bool is_whole(const struct plan_ref *refs, int pair)
{
    return refs[2 * pair].len > 0 && refs[2 * pair + 1].len > 0;
}

static struct counts choose_pair(const struct plan_ref *refs, const uint8_t *record)
{
    struct counts counts = {0};
    int chosen = -1;

    for (int i = 0; i < PAIR_COUNT; i++) {
        uint64_t octets = slot_value(refs, 2 * i, record);
        counts.has_octets = counts.has_octets || octets > 0;
        if (octets == 0 && slot_value(refs, 2 * i + 1, record) == 0)
            continue;
        /* Half a pair of deltas gives way to a whole one, with which it would be mixed. */
        if (chosen < 0 || (i < FIRST_TOTAL_PAIR && !is_whole(refs, chosen) && is_whole(refs, i)))
            chosen = i;
    }
    counts.is_by_pair_of_totals = chosen >= FIRST_TOTAL_PAIR;
    if (chosen < 0) /* all are 0: directions, if the template has no pairs */
        chosen = PAIR_COUNT;
    counts.bytes_slot = side_of(refs, chosen, 0);
    counts.packets_slot = side_of(refs, chosen, 1);
    counts.bytes = slot_value(refs, counts.bytes_slot, record);
    counts.packets = slot_value(refs, counts.packets_slot, record);
    if (counts.bytes_slot == COUNTER_DIRECTION_OCTETS)
        counts.has_octets = counts.bytes > 0;
    return counts;
}

/* Octets of a record that has none of IP: of the frame's IP packet, of layer 2, of the frame. */
static void choose_layer2(const struct plan_op *op, const struct plan_ref *refs,
                          const uint8_t *record, uint64_t frame_bytes, struct counts *counts)
{
    static const int slots[] = {COUNTER_L2_DELTA, COUNTER_POST_L2_DELTA, COUNTER_L2_TOTAL,
                                COUNTER_POST_L2_TOTAL, COUNTER_FRAME_SIZE};
    bool has_frame = op->arg & COUNTERS_HAVE_FRAME;
    bool is_one_packet = has_frame && counts->packets <= 1;

    for (size_t i = 0; i < sizeof slots / sizeof slots[0]; i++) {
        if (is_one_packet && frame_bytes > 0)
            break;
        if (slots[i] == COUNTER_FRAME_SIZE && frame_bytes > 0)
            break;
        uint64_t octets = slot_value(refs, slots[i], record);
        if (octets == 0)
            continue;
        counts->bytes = octets;
        counts->bytes_slot = slots[i];
        return;
    }
    counts->bytes = frame_bytes > 0                     ? frame_bytes
                    : op->arg & COUNTERS_FRAME_IS_WHOLE ? refs[COUNTER_SECTION].len
                                                        : 0;
    counts->bytes_slot = -1;
}

/* The exporter's start of the flow, in a form that is the same in all its records. */
static uint64_t stable_start(const struct plan_ref *ref, const struct flow *flow,
                             const uint8_t *record)
{
    if (ref->type == ELEMENT_TIME_UPTIME)
        return plan_ref_uint(ref, record);
    return plan_ref_uint(ref, record) == 0 && ref->len <= sizeof(uint64_t)
               ? 0
               : (uint64_t)flow->start_ns;
}

static void make_key(const struct plan_op *op, const struct plan_ref *refs,
                     const struct plan_context *context, const uint8_t *record,
                     const struct flow *flow, struct flow_total_key *key)
{
    memset(key, 0, sizeof *key);
    key->domain_id = context->domain_id;
    key->version = context->version;
    key->is_reverse = (op->arg & COUNTERS_OF_WAY_BACK) != 0;
    key->flow_id = plan_ref_uint(&refs[COUNTER_FLOW_ID], record);
    key->start = stable_start(&refs[COUNTER_START], flow, record);
    if (key->flow_id != 0)
        return;
    memcpy(key->packet.src_addr, flow->src_addr.bytes, sizeof key->packet.src_addr);
    memcpy(key->packet.dst_addr, flow->dst_addr.bytes, sizeof key->packet.dst_addr);
    key->family = flow->src_addr.family;
    key->packet.vrf = flow->ingress_vrf;
    key->packet.in_iface = flow->in_iface;
    key->packet.src_port = flow->src_port;
    key->packet.dst_port = flow->dst_port;
    key->packet.vlan = flow->vlan;
    key->packet.proto = flow->proto;
    key->packet.tos = flow->tos;
}

/* The end of the flow; without one the export time, as a total that is lower in a later message is
 * that of another flow. */
static void set_end(const struct plan_ref *ref, const struct plan_context *context,
                    const struct flow *flow, const uint8_t *record, struct flow_total *total)
{
    total->end_is_uptime = ref->len > 0 && ref->type == ELEMENT_TIME_UPTIME;
    if (total->end_is_uptime)
        total->end = (int64_t)plan_ref_uint(ref, record);
    else
        total->end = flow->end_ns != 0 ? flow->end_ns : context->export_ns;
}

/* A delta of 0 is right once the total is known: does the record have one where a total was
 * chosen? */
static bool has_delta_of_0(const struct plan_ref *refs, const struct counts *counts)
{
    if (counts->is_by_pair_of_totals) {
        for (int slot = 0; slot < 2 * FIRST_TOTAL_PAIR; slot++) {
            if (refs[slot].len > 0)
                return true;
        }
        return false;
    }
    return (counts->bytes_slot == COUNTER_L2_TOTAL && refs[COUNTER_L2_DELTA].len > 0) ||
           (counts->bytes_slot == COUNTER_POST_L2_TOTAL && refs[COUNTER_POST_L2_DELTA].len > 0);
}

/* Notes the record's total, and puts the difference where the total was chosen. */
static void take_total(const struct plan_op *op, const struct plan_ref *refs,
                       struct plan_context *context, const uint8_t *record, const struct flow *flow,
                       struct counts *counts)
{
    struct flow_total total = {.received_ns = context->arrival_ns};
    uint64_t bytes, packets;

    for (int i = FIRST_TOTAL_PAIR; i < PAIR_COUNT && total.bytes == 0 && total.packets == 0; i++) {
        total.bytes = slot_value(refs, 2 * i, record);
        total.packets = slot_value(refs, 2 * i + 1, record);
    }
    if (total.bytes == 0)
        total.bytes = slot_value(refs, COUNTER_L2_TOTAL, record);
    if (total.bytes == 0)
        total.bytes = slot_value(refs, COUNTER_POST_L2_TOTAL, record);
    if (total.bytes == 0 && total.packets == 0)
        return;
    make_key(op, refs, context, record, flow, &total.key);
    if (total.key.start != 0)
        total.start_ns = flow->start_ns + context->clock_offset_ns;
    set_end(&refs[COUNTER_END], context, flow, record, &total);
    struct flow_totals *totals =
        &((struct domain_source *)context->exporter->decoder_state)->totals;
    uint64_t evicted_before = totals->evicted_count;
    enum flow_total_outcome outcome = flow_totals_take(totals, &total, &bytes, &packets);
    struct exporter_counters *counters = &context->exporter->counters;
    counter_add(&counters->totals_evicted, totals->evicted_count - evicted_before);
    if (!counter_slot_is_total(counts->bytes_slot) && !counter_slot_is_total(counts->packets_slot))
        return;
    if ((outcome == FLOW_TOTAL_NEXT || outcome == FLOW_TOTAL_LATE) &&
        has_delta_of_0(refs, counts)) {
        bytes = packets = 0;
        outcome = FLOW_TOTAL_NEXT;
    }
    if (counter_slot_is_total(counts->bytes_slot))
        counts->bytes = bytes;
    if (counter_slot_is_total(counts->packets_slot))
        counts->packets = packets;
    if (outcome == FLOW_TOTAL_UNKNOWN)
        counter_add(&counters->total_unknown, 1);
    else if (outcome == FLOW_TOTAL_LATE)
        counter_add(&counters->total_late, 1);
}

void plan_counters(const struct plan_op *op, const struct plan_ref *refs,
                   struct plan_context *context, const uint8_t *record, struct flow *flow)
{
    struct counts counts = choose_pair(refs, record);
    bool has_frame = op->arg & COUNTERS_HAVE_FRAME;
    uint64_t frame_bytes = has_frame ? flow->bytes : 0; /* PLAN_FRAME left them there */

    if (!counts.has_octets)
        choose_layer2(op, refs, record, frame_bytes, &counts);
    if (op->arg & COUNTERS_HAVE_TOTALS)
        take_total(op, refs, context, record, flow, &counts);
    if (counts.packets == 0 && (has_frame || (op->arg & COUNTERS_OF_ONE_PACKET)))
        counts.packets = 1;
    flow->bytes = counts.bytes;
    flow->packets = counts.packets;
}
