/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds which rows of elements.def a template has, for the way out and the way back of a biflow
 * (RFC 5103), and appends operations to a plan. */
#include "nfacctd/plan_builder.h"

#include <string.h>

#include "base/memory.h"

#define GROW_BY 32u /* operations and refs are allocated so many at a time */

static const struct {
    enum flow_member a, b;
} opposites[] = {
    {FLOW_src_addr, FLOW_dst_addr},         {FLOW_src_port, FLOW_dst_port},
    {FLOW_in_iface, FLOW_out_iface},        {FLOW_src_as, FLOW_dst_as},
    {FLOW_peer_src_as, FLOW_peer_dst_as},   {FLOW_src_mask, FLOW_dst_mask},
    {FLOW_src_mac, FLOW_dst_mac},           {FLOW_in_vlan, FLOW_out_vlan},
    {FLOW_in_cvlan, FLOW_out_cvlan},        {FLOW_ingress_vrf, FLOW_egress_vrf},
    {FLOW_nat_src_addr, FLOW_nat_dst_addr}, {FLOW_nat_src_port, FLOW_nat_dst_port},
};

/* Members of one way of a flow that say nothing of the other way. */
static const enum flow_member one_way[] = {
    FLOW_bytes,
    FLOW_packets,
    FLOW_tcp_flags,
    FLOW_tos,
    FLOW_flow_label,
    FLOW_bgp_next_hop,
    FLOW_ip_next_hop,
    FLOW_direction,
    FLOW_forwarding_status,
    FLOW_mpls_labels,
    FLOW_srv6_segments,
    FLOW_path_delay_avg_us,
    FLOW_path_delay_min_us,
    FLOW_path_delay_max_us,
};

static enum flow_member opposite(enum flow_member member)
{
    for (size_t i = 0; i < sizeof opposites / sizeof opposites[0]; i++) {
        if (opposites[i].a == member)
            return opposites[i].b;
        if (opposites[i].b == member)
            return opposites[i].a;
    }
    return member;
}

static bool is_one_way(enum flow_member member)
{
    for (size_t i = 0; i < sizeof one_way / sizeof one_way[0]; i++) {
        if (one_way[i] == member)
            return true;
    }
    return false;
}

int builder_raw_field(const struct plan_builder *c, uint32_t enterprise, uint16_t id)
{
    for (uint16_t i = 0; i < c->field_count; i++) {
        if (c->fields[i].id == id && c->fields[i].enterprise == enterprise && c->fields[i].len > 0)
            return i;
    }
    return NO_FIELD;
}

int builder_field(const struct plan_builder *c, uint32_t enterprise, uint16_t id)
{
    int field = builder_raw_field(c, enterprise, id);

    return field != NO_FIELD && template_field_is_misfit(&c->fields[field]) ? NO_FIELD : field;
}

/* Returns what an element says of a packet, as the lowest element that says it; 0: something else. */
static uint16_t kind_of(const struct template_field *field)
{
    if (field->enterprise != 0 || field->len == 0)
        return 0;
    switch (field->id) {
    case 8:
    case 27:
        return 8; /* source address */
    case 12:
    case 28:
        return 12; /* destination address */
    case 4:
    case 5:
    case 6:
    case 7:
    case 11:
    case 31:
        return field->id;
    default:
        return 0;
    }
}

static bool stands_again(const struct plan_builder *c, int field)
{
    uint16_t kind = kind_of(&c->fields[field]);

    for (int i = field + 1; kind != 0 && i < c->field_count; i++) {
        if (kind_of(&c->fields[i]) == kind)
            return true;
    }
    return false;
}

/*
 * Notes the field at the rows of its element. An element that stands twice (RFC 7011 section 8)
 * describes a packet inside a packet, the outer one first. The last one counts, as in pmacct, so
 * that protocol and ports belong to the same packet; where the protocol stands twice, the first one
 * is the tunnel's. Addresses of both families alone say nothing of a tunnel.
 */
static void take_field(struct plan_builder *c, int field, bool has_tunnel)
{
    const struct template_field *f = &c->fields[field];
    bool is_outer = has_tunnel && stands_again(c, field);
    uint32_t enterprise = is_outer ? ENTERPRISE_OUTER : f->enterprise;

    if (is_outer && kind_of(f) == 8)
        c->outer_version = f->id == 8 ? 4 : 6;

    for (uint16_t row = c->lists->first_of_id[f->id % ELEMENT_ID_LISTS]; row < ELEMENT_ROW_COUNT;
         row = c->lists->next_of_id[row]) {
        const struct element *e = &elements[row];
        bool is_responder = e->type == ELEMENT_UINT_RESPONDER; /* has no other reverse element */
        bool is_reverse = enterprise == ENTERPRISE_REVERSE && e->enterprise == 0 && !is_responder;
        if (e->id != f->id || (!is_reverse && e->enterprise != enterprise))
            continue;
        *(is_reverse || is_responder ? &c->row_reverse_field[row] : &c->row_field[row]) = field;
    }
}

void builder_init(struct plan_builder *c)
{
    _Static_assert(NO_FIELD == -1, "all bits of its bytes are set");
    memset(c->row_field, 0xff, sizeof c->row_field);
    memset(c->row_reverse_field, 0xff, sizeof c->row_reverse_field);
    c->lists = element_lists();
    int protocol = builder_field(c, 0, 4);
    bool has_tunnel = protocol != NO_FIELD && stands_again(c, protocol);
    c->outer_version = 0;
    for (uint16_t i = 0; i < c->field_count; i++) {
        if (c->fields[i].len > 0 && !template_field_is_misfit(&c->fields[i]))
            take_field(c, i, has_tunnel);
    }
}

/* Returns whether a value of the type is a member's value. Sections of packets have an operation of
 * their own, and the start of the exporter is no time of a flow. */
static bool feeds_directly(enum element_type type)
{
    return !element_type_is_frame(type) && type != ELEMENT_SYSTEM_INIT && type != ELEMENT_FLOW_ID &&
           type != ELEMENT_ICMP;
}

int builder_next(const struct plan_builder *c, const struct element_selection *sel, size_t *row,
                 enum element_type *ret_type)
{
    unsigned r = sel->is_none ? ELEMENT_ROW_COUNT : c->lists->first_of_member[sel->member];

    for (; r < ELEMENT_ROW_COUNT; r = c->lists->next_of_member[r]) {
        int field = sel->is_reverse ? c->row_reverse_field[r] : c->row_field[r];
        if (r < *row || field == NO_FIELD || !feeds_directly(elements[r].type))
            continue;
        *ret_type = element_type_as_read(elements[r].type, c->fields[field].len);
        *row = r + 1u;
        return field;
    }
    return NO_FIELD;
}

struct element_selection builder_select(const struct plan_builder *c, enum flow_member member)
{
    struct element_selection sel = {member, false, false};
    enum element_type type;
    size_t row = 0;

    if (!c->is_reverse)
        return sel;
    sel.is_reverse = true;
    if (builder_next(c, &sel, &row, &type) != NO_FIELD)
        return sel;
    sel.is_reverse = false;
    sel.member = opposite(member);
    sel.is_none = is_one_way(member);
    return sel;
}

enum plan_op_code builder_op_for(enum element_type type, size_t len)
{
    switch (type) {
    case ELEMENT_IPV4:
    case ELEMENT_IPV6:
        return PLAN_ADDR;
    case ELEMENT_IPV4_BY_LEN:
    case ELEMENT_IPV6_BY_LEN:
        return PLAN_ADDR_NONZERO;
    case ELEMENT_MAC:
        return PLAN_MAC;
    case ELEMENT_TCP_FLAGS:
        return PLAN_TCP_FLAGS;
    case ELEMENT_TEXT:
        return PLAN_TEXT;
    case ELEMENT_SEGMENT_LIST:
        return PLAN_SEGMENT_LIST;
    default:
        return len <= sizeof(uint64_t) ? PLAN_UINT : PLAN_UINT_BY_LEN;
    }
}

struct plan_op *builder_op(struct plan_builder *c, enum plan_op_code code, enum flow_member member)
{
    struct plan *plan = c->plan;

    if (plan->op_count % GROW_BY == 0)
        plan->ops = mem_realloc_array(plan->ops, plan->op_count + GROW_BY, sizeof *plan->ops);
    plan->ops[plan->op_count] = (struct plan_op){
        .code = (uint8_t)code,
        .size = (uint8_t)flow_member_places[member].size,
        .ref = (uint16_t)plan->ref_count,
        .dst = flow_member_places[member].offset,
    };
    return &plan->ops[plan->op_count++];
}

void builder_ref(struct plan_builder *c, struct plan_op *op, int field, enum element_type type)
{
    struct plan *plan = c->plan;
    struct plan_ref ref = {.field = UINT16_MAX, .type = (uint8_t)type};

    if (field != NO_FIELD) {
        ref.field = (uint16_t)field;
        ref.offset = c->offsets[field];
        ref.len = c->fields[field].len;
    }
    if (plan->ref_count % GROW_BY == 0)
        plan->refs = mem_realloc_array(plan->refs, plan->ref_count + GROW_BY, sizeof *plan->refs);
    plan->refs[plan->ref_count++] = ref;
    op->ref_count++;
}

void builder_reserve(struct plan_builder *c, size_t len)
{
    c->plan->arena_len += (uint32_t)arena_rounded(len);
}

void builder_copy(struct plan_builder *c, int field)
{
    if (c->fields[field].len == FIELD_LEN_VARIABLE)
        c->plan->variable_copies++;
    else
        builder_reserve(c, c->fields[field].len);
}
