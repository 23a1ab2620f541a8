/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Chooses the operation that reads the counters of a template. Most templates have one element of
 * octets and one of packets, which are read as other numbers are; the others get PLAN_COUNTERS. */
#include "nfacctd/plan_builder.h"

/* The element of each slot, 0: none; on the way back that of the responder. */
static const struct {
    uint16_t row, row_back; /* enum element_row */
} slots[] = {
    [COUNTER_OCTETS] = {ELEMENT_ROW_0_1, ELEMENT_ROW_0_1},
    [COUNTER_PACKETS] = {ELEMENT_ROW_0_2, ELEMENT_ROW_0_2},
    [COUNTER_POST_OCTETS] = {ELEMENT_ROW_0_23, ELEMENT_ROW_0_23},
    [COUNTER_POST_PACKETS] = {ELEMENT_ROW_0_24, ELEMENT_ROW_0_24},
    [COUNTER_TOTAL_OCTETS] = {ELEMENT_ROW_0_85, ELEMENT_ROW_0_85},
    [COUNTER_TOTAL_PACKETS] = {ELEMENT_ROW_0_86, ELEMENT_ROW_0_86},
    [COUNTER_POST_TOTAL_OCTETS] = {ELEMENT_ROW_0_171, ELEMENT_ROW_0_171},
    [COUNTER_POST_TOTAL_PACKETS] = {ELEMENT_ROW_0_172, ELEMENT_ROW_0_172},
    [COUNTER_DIRECTION_OCTETS] = {ELEMENT_ROW_0_231, ELEMENT_ROW_0_232},
    [COUNTER_DIRECTION_PACKETS] = {ELEMENT_ROW_0_298, ELEMENT_ROW_0_299},
    [COUNTER_L2_DELTA] = {ELEMENT_ROW_0_352, ELEMENT_ROW_0_352},
    [COUNTER_POST_L2_DELTA] = {ELEMENT_ROW_0_417, ELEMENT_ROW_0_417},
    [COUNTER_L2_TOTAL] = {ELEMENT_ROW_0_353, ELEMENT_ROW_0_353},
    [COUNTER_POST_L2_TOTAL] = {ELEMENT_ROW_0_418, ELEMENT_ROW_0_418},
    [COUNTER_FRAME_SIZE] = {ELEMENT_ROW_0_312, ELEMENT_ROW_0_312},
};
#define SLOTS (sizeof slots / sizeof slots[0])

struct found {
    int field[SLOTS];
    int octets, packets;           /* fields of pairs */
    int only_octets, only_packets; /* slots, if there is one */
    bool has_layer2, has_totals;
};

static int slot_field(const struct plan_builder *c, size_t slot)
{
    return c->is_reverse ? c->row_reverse_field[slots[slot].row_back]
                         : c->row_field[slots[slot].row];
}

static void find_counters(const struct plan_builder *c, struct found *f)
{
    *f = (struct found){.only_octets = -1, .only_packets = -1};
    for (int slot = 0; slot < (int)SLOTS; slot++) {
        f->field[slot] = slot_field(c, (size_t)slot);
        if (f->field[slot] == NO_FIELD)
            continue;
        bool is_octets = slot % 2 == 0;
        if (slot >= COUNTER_L2_DELTA) {
            f->has_layer2 = true;
        } else if (slot < COUNTER_DIRECTION_OCTETS) {
            *(is_octets ? &f->octets : &f->packets) += 1;
            *(is_octets ? &f->only_octets : &f->only_packets) = slot;
        } else if (is_octets ? f->octets > 0 : f->packets > 0) {
            f->field[slot] = NO_FIELD; /* a direction stands for no other element */
        } else {
            *(is_octets ? &f->only_octets : &f->only_packets) = slot;
        }
        f->has_totals = f->has_totals || counter_slot_is_total(slot);
    }
}

static void read_as_number(struct plan_builder *c, const struct found *f, int slot,
                           enum flow_member member)
{
    if (slot < 0)
        flow_needs_add(&c->zeros, member);
    else
        builder_ref(
            c, builder_op(c, builder_op_for(ELEMENT_UINT, c->fields[f->field[slot]].len), member),
            f->field[slot], ELEMENT_UINT);
}

bool builder_counters(struct plan_builder *c)
{
    struct found f;

    find_counters(c, &f);
    if (f.octets <= 1 && f.packets <= 1 && !f.has_layer2 && !f.has_totals &&
        c->frame_field == NO_FIELD) {
        read_as_number(c, &f, f.only_octets, FLOW_bytes);
        read_as_number(c, &f, f.only_packets, FLOW_packets);
        return false;
    }
    if (c->frame_field != NO_FIELD) {
        flow_needs_add(&c->plan->frame_members, FLOW_bytes);
        flow_needs_add(&c->plan->frame_members, FLOW_packets);
    }
    return true;
}

bool builder_has_totals(const struct plan_builder *c)
{
    struct found f;

    find_counters(c, &f);
    return f.has_totals;
}

/* The first of the elements that the member is made from. */
static void ref_first(struct plan_builder *c, struct plan_op *op, enum flow_member member)
{
    struct element_selection sel = builder_select(c, member);
    enum element_type type = ELEMENT_UINT;
    size_t row = 0;
    int field = builder_next(c, &sel, &row, &type);

    builder_ref(c, op, field, type);
}

void builder_counters_op(struct plan_builder *c)
{
    struct found f;
    bool has_frame = c->frame_field != NO_FIELD;

    find_counters(c, &f);
    struct plan_op *op = builder_op(c, PLAN_COUNTERS, FLOW_bytes);
    for (size_t slot = 0; slot < SLOTS; slot++)
        builder_ref(c, op, f.field[slot], ELEMENT_UINT);
    builder_ref(c, op, c->frame_field, ELEMENT_TEXT);
    builder_ref(c, op, c->row_field[ELEMENT_ROW_0_148], ELEMENT_UINT);
    ref_first(c, op, FLOW_start_ns);
    ref_first(c, op, FLOW_end_ns);
    bool is_ethernet =
        has_frame && element_find(0, c->fields[c->frame_field].id)->type == ELEMENT_FRAME_ETHERNET;
    bool has_packets = f.packets > 0 || f.only_packets >= 0;
    op->arg =
        (has_frame ? COUNTERS_HAVE_FRAME : 0) | (is_ethernet ? COUNTERS_FRAME_IS_WHOLE : 0) |
        (f.has_totals ? COUNTERS_HAVE_TOTALS : 0) | (c->is_reverse ? COUNTERS_OF_WAY_BACK : 0) |
        (f.field[COUNTER_FRAME_SIZE] != NO_FIELD && !has_packets ? COUNTERS_OF_ONE_PACKET : 0);
}
