/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiles a template (RFC 7011 section 3.4.1) to a plan. For each needed member the rows of
 * elements.def are walked in their order. Most members take the first element that the template
 * has; the others have a function here. The plan of the way back of a biflow (RFC 5103) comes from
 * the same rows: a reverse element if there is one, else the opposite member's.
 */
#include "nfacctd/plan_builder.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "flow/header_members.h"

static void zero_member(struct plan_builder *c, enum flow_member member)
{
    flow_needs_add(&c->zeros, member);
}

static bool compile_first(struct plan_builder *c, enum flow_member member)
{
    struct element_selection sel = builder_select(c, member);
    enum element_type type;
    size_t row = 0;
    int field = builder_next(c, &sel, &row, &type);

    if (field == NO_FIELD)
        return false;
    struct plan_op *op = builder_op(c, builder_op_for(type, c->fields[field].len), member);
    builder_ref(c, op, field, type);
    if (type == ELEMENT_TEXT || type == ELEMENT_SEGMENT_LIST)
        builder_copy(c, field);
    return true;
}

static bool is_v6(enum element_type type)
{
    return type == ELEMENT_IPV6 || type == ELEMENT_IPV6_BY_LEN || type == ELEMENT_UINT_V6;
}

static bool is_by_len(enum element_type type)
{
    return type == ELEMENT_IPV4_BY_LEN || type == ELEMENT_IPV6_BY_LEN;
}

static bool is_address(enum element_type type)
{
    return type == ELEMENT_IPV4 || type == ELEMENT_IPV6 || is_by_len(type);
}

static bool has_address(const struct plan_builder *c, bool v6)
{
    static const enum flow_member addresses[] = {FLOW_src_addr, FLOW_dst_addr};

    for (size_t i = 0; i < 2; i++) {
        struct element_selection sel = builder_select(c, addresses[i]);
        enum element_type type;
        for (size_t row = 0; builder_next(c, &sel, &row, &type) != NO_FIELD;)
            if (is_v6(type) == v6)
                return true;
    }
    return false;
}

/* Takes the first element of each address family; the record tells which of the two counts. A mask
 * of one family says nothing of addresses of the other. */
static bool compile_by_version(struct plan_builder *c, enum flow_member member)
{
    struct element_selection sel = builder_select(c, member);
    int found[2] = {NO_FIELD, NO_FIELD};
    enum element_type type, types[2] = {0};
    size_t row = 0;

    for (int field; (field = builder_next(c, &sel, &row, &type)) != NO_FIELD;) {
        if (found[is_v6(type)] == NO_FIELD) {
            found[is_v6(type)] = field;
            types[is_v6(type)] = type;
        }
    }
    if (found[0] == NO_FIELD && found[1] == NO_FIELD)
        return false;
    int which = found[0] == NO_FIELD;
    bool is_addr = is_address(types[which]);
    if ((found[0] != NO_FIELD && found[1] != NO_FIELD) || (!is_addr && has_address(c, !which))) {
        bool any_by_len = is_by_len(types[0]) || is_by_len(types[1]);
        struct plan_op *op = builder_op(c,
                                        any_by_len ? PLAN_ADDR_NONZERO
                                        : is_addr  ? PLAN_ADDR_BY_VERSION
                                                   : PLAN_UINT_BY_VERSION,
                                        member);
        op->arg = 1; /* how many are IPv4 */
        builder_ref(c, op, found[0], types[0]);
        builder_ref(c, op, found[1], types[1]);
        return true;
    }
    builder_ref(c, builder_op(c, builder_op_for(types[which], c->fields[found[which]].len), member),
                found[which], types[which]);
    return true;
}

/* Adds the fields of address family `v6` that feed the members `from`, in order. */
static void add_family(struct plan_builder *c, struct plan_op *op, const enum flow_member *from,
                       size_t from_count, bool v6)
{
    for (size_t i = 0; i < from_count; i++) {
        struct element_selection sel = builder_select(c, from[i]);
        enum element_type type;
        size_t row = 0;
        for (int field; (field = builder_next(c, &sel, &row, &type)) != NO_FIELD;) {
            if (is_v6(type) == v6)
                builder_ref(c, op, field, type);
        }
    }
}

/* Takes the first value that is not zero: of the flow's family, then of the other. arg: how many
 * refs are IPv4. */
static bool compile_nonzero(struct plan_builder *c, enum plan_op_code code, enum flow_member member,
                            const enum flow_member *from, size_t from_count)
{
    struct plan_op *op = builder_op(c, code, member);

    add_family(c, op, from, from_count, false);
    op->arg = op->ref_count;
    add_family(c, op, from, from_count, true);
    if (op->ref_count == 1 && code == PLAN_ADDR_NONZERO && !is_by_len(c->plan->refs[op->ref].type))
        op->code = PLAN_ADDR;
    if (op->ref_count > 0)
        return true;
    c->plan->op_count--;
    return false;
}

/* Follows pmacct's order: the first element that the template has ends the search, even one that
 * may not be used. */
static bool compile_next_hop_by_template(struct plan_builder *c)
{
    static const uint16_t order[] = {18, 47, 15, 63, 140, 62};

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        int field = builder_field(c, 0, order[i]);
        bool is_ip = order[i] == 15 || order[i] == 62;
        if (field == NO_FIELD)
            continue;
        if (is_ip && !c->settings->own->use_ip_next_hop)
            return false;
        enum element_type type =
            element_type_as_read(element_find(0, order[i])->type, c->fields[field].len);
        builder_ref(c, builder_op(c, builder_op_for(type, c->fields[field].len), FLOW_bgp_next_hop),
                    field, type);
        return true;
    }
    return false;
}

static bool compile_bgp_next_hop(struct plan_builder *c)
{
    static const enum flow_member from[] = {FLOW_bgp_next_hop, FLOW_ip_next_hop};

    if (c->settings->own->next_hop_policy == NEXT_HOP_BY_TEMPLATE && !c->is_reverse)
        return compile_next_hop_by_template(c);
    return compile_nonzero(c, PLAN_ADDR_NONZERO, FLOW_bgp_next_hop, from,
                           c->settings->own->use_ip_next_hop ? 2 : 1);
}

/* Takes the first instant that is not zero. arg: the export time stands in if there is none. */
static bool compile_time(struct plan_builder *c, enum flow_member member)
{
    struct element_selection sel = builder_select(c, member);
    struct plan_op *op = builder_op(c, PLAN_TIME, member);
    enum element_type type;
    size_t row = 0;

    for (int field; (field = builder_next(c, &sel, &row, &type)) != NO_FIELD;) {
        builder_ref(c, op, field, type);
        c->plan->has_uptimes = c->plan->has_uptimes || type == ELEMENT_TIME_UPTIME;
    }
    op->arg = member == FLOW_start_ns;
    if (op->ref_count == 0) {
        c->plan->op_count--;
        if (!op->arg)
            return false;
        builder_op(c, PLAN_EXPORT_TIME, member);
        return true;
    }
    int init = builder_field(c, 0, 160);
    if (init != NO_FIELD)
        builder_ref(c, op, init, ELEMENT_SYSTEM_INIT);
    return true;
}

static void add_slot(struct plan_builder *c, struct plan_op *op, uint16_t id)
{
    builder_ref(c, op, builder_field(c, 0, id), ELEMENT_UINT);
}

static bool has_field(const struct plan_builder *c, uint16_t id)
{
    return builder_field(c, 0, id) != NO_FIELD;
}

static bool compile_ip_version(struct plan_builder *c)
{
    static const enum flow_member addresses[] = {FLOW_src_addr, FLOW_dst_addr};
    struct plan_op *op = builder_op(c, PLAN_VERSION, FLOW_ip_version);

    add_slot(c, op, 60);
    add_family(c, op, addresses, 2, false);
    op->arg = op->ref_count;
    add_family(c, op, addresses, 2, true);
    uint32_t v4_count = op->arg - 1, v6_count = op->ref_count - op->arg;
    bool any_by_len = false;
    for (uint32_t i = 1; i < op->ref_count; i++)
        any_by_len = any_by_len || is_by_len(c->plan->refs[op->ref + i].type);
    if ((v4_count > 0 && v6_count > 0) || any_by_len)
        return true;
    c->plan->op_count--;
    if (v4_count + v6_count > 0) {
        c->plan->ip_version = v4_count > 0 ? 4 : 6;
        return true;
    }
    return compile_first(c, FLOW_ip_version);
}

static bool compile_vlan(struct plan_builder *c)
{
    struct plan_op *op = builder_op(c, PLAN_VLAN, FLOW_vlan);
    static const uint16_t ids[VLAN_SLOT_COUNT] = {
        [VLAN_IN] = 58,         [VLAN_OUT] = 59,       [VLAN_DOT1Q_IN] = 243,
        [VLAN_DOT1Q_OUT] = 254, [VLAN_DIRECTION] = 61,
    };

    if (!has_field(c, 58) && !has_field(c, 59) && !has_field(c, 243) && !has_field(c, 254)) {
        c->plan->op_count--;
        return false;
    }
    for (int slot = 0; slot < VLAN_SLOT_COUNT; slot++)
        add_slot(c, op, ids[slot]);
    return true;
}

static bool compile_sampling_rate(struct plan_builder *c)
{
    static const uint16_t ids[RATE_SLOT_COUNT] = {
        [RATE_RANDOM_INTERVAL] = 50, [RATE_INTERVAL] = 34,       [RATE_PACKET_INTERVAL] = 305,
        [RATE_PACKET_SPACE] = 306,   [RATE_TIME_INTERVAL] = 307, [RATE_TIME_SPACE] = 308,
        [RATE_SIZE] = 309,           [RATE_POPULATION] = 310,
    };
    struct plan_op *op = builder_op(c, PLAN_SAMPLING_RATE, FLOW_sampling_rate);

    add_slot(c, op, has_field(c, 48) ? 48 : 302);
    add_slot(c, op, has_field(c, 10) ? 10 : 252);
    add_slot(c, op, has_field(c, 14) ? 14 : 253);
    add_slot(c, op, 61);
    for (int slot = RATE_RANDOM_INTERVAL; slot < RATE_SLOT_COUNT; slot++)
        add_slot(c, op, ids[slot]);
    return true;
}

static bool compile_labels(struct plan_builder *c, enum flow_member member)
{
    struct element_selection sel = builder_select(c, FLOW_mpls_labels);
    struct plan_op *op = builder_op(c, PLAN_LABELS, member);
    enum element_type type;
    size_t row = 0;

    for (int field; (field = builder_next(c, &sel, &row, &type)) != NO_FIELD;)
        builder_ref(c, op, field, type);
    if (op->ref_count == 0) {
        c->plan->op_count--;
        return false;
    }
    op->arg = member;
    if (member == FLOW_mpls_labels)
        builder_reserve(c, PACKET_HEADER_LABELS * sizeof(uint32_t));
    return true;
}

static bool compile_rd(struct plan_builder *c, enum flow_member member)
{
    struct plan_op *op = builder_op(c, PLAN_RD, member);

    if (!has_field(c, 90) && !has_field(c, 234) && !has_field(c, 235)) {
        c->plan->op_count--;
        return false;
    }
    builder_ref(c, op, builder_field(c, 0, 90), ELEMENT_RD);
    add_slot(c, op, c->is_reverse ? 235 : 234);
    add_slot(c, op, c->is_reverse ? 234 : 235);
    add_slot(c, op, 61);
    op->arg = member;
    return true;
}

/* Takes the name that the record holds, else the one that options gave to its id, or, for a VRF, to
 * the other id if the first is 0 or the global table's. arg: enum option_kind. */
static bool compile_name(struct plan_builder *c, enum flow_member member, uint16_t text_id,
                         uint16_t other_text_id, uint16_t id, uint16_t other_id,
                         enum option_kind kind)
{
    int text = text_id ? builder_field(c, 0, text_id) : NO_FIELD;
    int key = builder_field(c, 0, id);

    if (text == NO_FIELD && other_text_id)
        text = builder_field(c, 0, other_text_id);
    int other_key = other_id ? builder_field(c, 0, other_id) : NO_FIELD;
    if (key == NO_FIELD)
        key = other_key;
    if (text == NO_FIELD && key == NO_FIELD)
        return false;
    struct plan_op *op = builder_op(c, PLAN_NAME, member);
    builder_ref(c, op, text, ELEMENT_TEXT);
    builder_ref(c, op, key, kind == OPTION_APPLICATION ? ELEMENT_APPLICATION : ELEMENT_UINT);
    if (kind == OPTION_VRF_NAME && other_key != NO_FIELD && other_key != key)
        builder_ref(c, op, other_key, ELEMENT_UINT);
    op->arg = kind;
    if (text != NO_FIELD)
        builder_copy(c, text);
    return true;
}

static bool compile_interface_name(struct plan_builder *c, bool is_input)
{
    bool is_in_here = is_input != c->is_reverse;

    /* interfaceName in a record names the ingress interface; no other element names interfaces. */
    return compile_name(c, is_input ? FLOW_in_iface_name : FLOW_out_iface_name, is_in_here ? 82 : 0,
                        is_in_here ? 83 : 0, is_in_here ? 10 : 14, is_in_here ? 252 : 253,
                        OPTION_INTERFACE_NAME);
}

static bool compile_vrf_name(struct plan_builder *c, enum flow_member member)
{
    bool is_ingress = (member != FLOW_out_vrf_name) != c->is_reverse;

    return compile_name(c, member, is_ingress ? 236 : 0, 0, is_ingress ? 234 : 235,
                        member != FLOW_vrf_name ? 0
                        : c->is_reverse         ? 234
                                                : 235,
                        OPTION_VRF_NAME);
}

static bool compile_segment_id(struct plan_builder *c, enum flow_member member)
{
    int field = builder_field(c, 0, 351);

    if (field == NO_FIELD)
        return compile_first(c, member);
    struct plan_op *op = builder_op(c, PLAN_SEGMENT_ID, member);
    builder_ref(c, op, field, ELEMENT_SEGMENT_ID);
    op->arg = member == FLOW_vxlan ? 1 : 2;
    return true;
}

/* Type and code of ICMP stand where NetFlow v5 has them, unless the destination port does. */
static void compile_icmp(struct plan_builder *c)
{
    static const uint16_t rows[] = {ELEMENT_ROW_0_32,  ELEMENT_ROW_0_176, ELEMENT_ROW_0_177,
                                    ELEMENT_ROW_0_139, ELEMENT_ROW_0_178, ELEMENT_ROW_0_179};
    const int *fields = c->is_reverse ? c->row_reverse_field : c->row_field;
    struct element_selection sel = builder_select(c, FLOW_proto);
    struct plan_op *op = builder_op(c, PLAN_ICMP, FLOW_dst_port);
    enum element_type type;
    size_t row = 0;
    bool has_any = false;

    builder_ref(c, op, builder_next(c, &sel, &row, &type), ELEMENT_UINT);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        builder_ref(c, op, fields[rows[i]], ELEMENT_UINT);
        has_any = has_any || fields[rows[i]] != NO_FIELD;
    }
    if (!has_any)
        c->plan->op_count--;
}

static bool compile_dst_port(struct plan_builder *c)
{
    bool is_found = compile_first(c, FLOW_dst_port);

    if (!is_found && c->frame_field != NO_FIELD)
        return false; /* the packet has them */
    if (!is_found)
        zero_member(c, FLOW_dst_port);
    compile_icmp(c);
    return true;
}

static bool compile_with(struct plan_builder *c, enum plan_op_code code, enum flow_member member)
{
    builder_op(c, code, member);
    return true;
}

/* The template counts octets of both ways in one record. */
enum { INITIATOR_OCTETS = 231, RESPONDER_OCTETS = 232 };

static bool compile_is_biflow(struct plan_builder *c)
{
    unsigned found = 0;

    for (uint16_t i = 0; i < c->field_count; i++) {
        if (c->fields[i].enterprise != 0)
            continue;
        found |= c->fields[i].id == INITIATOR_OCTETS ? 1U : 0;
        found |= c->fields[i].id == RESPONDER_OCTETS ? 2U : 0;
    }
    if (found != 3)
        return false;
    builder_op(c, PLAN_SET_U8, FLOW_is_biflow)->arg = 1;
    return true;
}

/* Adds the operation that fills the member from fields and message; false if nothing does. */
static bool compile_member(struct plan_builder *c, enum flow_member member)
{
    switch (member) {
    case FLOW_src_addr:
    case FLOW_dst_addr:
    case FLOW_src_mask:
    case FLOW_dst_mask:
        return compile_by_version(c, member);
    case FLOW_dst_port:
        return compile_dst_port(c);
    case FLOW_bgp_next_hop:
        return compile_bgp_next_hop(c);
    case FLOW_ip_next_hop:
    case FLOW_nat_src_addr:
    case FLOW_nat_dst_addr:
        return compile_nonzero(c, PLAN_ADDR_NONZERO, member, &member, 1);
    case FLOW_exporter_addr:
        if (!c->settings->own->ignore_exporter_address)
            compile_nonzero(c, PLAN_EXPORTER_ADDR, member, &member, 1);
        return true;
    case FLOW_start_ns:
    case FLOW_end_ns:
        return compile_time(c, member);
    case FLOW_export_ns:
        return compile_with(c, PLAN_EXPORT_TIME, member);
    case FLOW_clock_offset_ns:
        return compile_with(c, PLAN_CLOCK_OFFSET, member);
    case FLOW_export_sequence:
        return compile_with(c, PLAN_EXPORT_SEQUENCE, member);
    case FLOW_export_domain:
        return compile_with(c, PLAN_EXPORT_DOMAIN, member);
    case FLOW_export_version:
        return compile_with(c, PLAN_EXPORT_VERSION, member);
    case FLOW_set_id:
        return compile_with(c, PLAN_SET_ID, member);
    case FLOW_is_biflow:
        return compile_is_biflow(c);
    case FLOW_direction:
        if (!compile_first(c, member))
            builder_op(c, PLAN_SET_U8, member)->arg = DIRECTION_UNKNOWN;
        return true;
    case FLOW_ip_version:
        return compile_ip_version(c);
    case FLOW_vlan:
        return compile_vlan(c);
    case FLOW_sampling_rate:
        return compile_sampling_rate(c);
    case FLOW_mpls_labels:
    case FLOW_mpls_label_top:
    case FLOW_mpls_label_bottom:
        return compile_labels(c, member);
    case FLOW_vpn_rd:
    case FLOW_vpn_rd_origin:
        return compile_rd(c, member);
    case FLOW_vrf_name:
    case FLOW_in_vrf_name:
    case FLOW_out_vrf_name:
        return compile_vrf_name(c, member);
    case FLOW_in_iface_name:
        return compile_interface_name(c, true);
    case FLOW_out_iface_name:
        return compile_interface_name(c, false);
    case FLOW_class_name:
        return compile_name(c, member, 96, 0, 95, 0, OPTION_APPLICATION);
    case FLOW_vxlan:
    case FLOW_nvgre:
        return compile_segment_id(c, member);
    default:
        return compile_first(c, member);
    }
}

/* Returns whether run_constants() alone sets the member, in every flow. */
static bool is_always_set(enum flow_member member)
{
    return member == FLOW_exporter || member == FLOW_order || member == FLOW_flows ||
           member == FLOW_arrival_ns || member == FLOW_has_counters;
}

/* Adds the members that needed ones are made from. */
static struct flow_needs needs_with_sources(const struct flow_needs *needs)
{
    struct flow_needs all = *needs;

    if (flow_needs_has(&all, FLOW_src_net)) {
        flow_needs_add(&all, FLOW_src_addr);
        flow_needs_add(&all, FLOW_src_mask);
    }
    if (flow_needs_has(&all, FLOW_dst_net)) {
        flow_needs_add(&all, FLOW_dst_addr);
        flow_needs_add(&all, FLOW_dst_mask);
    }
    flow_needs_add(&all, FLOW_ip_version); /* the choice between families hangs on it */
    return all;
}

/* Returns the field that holds the first bytes of a packet. If there are several, the order of
 * elements.def decides. */
static int find_frame(const struct plan_builder *c)
{
    for (uint16_t row = c->lists->first_frame; row < ELEMENT_ROW_COUNT && !c->is_reverse;
         row = c->lists->next_frame[row]) {
        int field = builder_field(c, elements[row].enterprise, elements[row].id);
        if (field != NO_FIELD)
            return field;
    }
    return NO_FIELD;
}

static void compile_frame(struct plan_builder *c)
{
    if (c->frame_field == NO_FIELD)
        return;
    const struct element *element = element_find(0, c->fields[c->frame_field].id);
    struct plan_op *op = builder_op(c, PLAN_FRAME, FLOW_bytes);
    builder_ref(c, op, c->frame_field, element->type);
}

/* Adds the members that tell flows of total counters from each other. */
static void add_members_of_key(struct flow_needs *needs)
{
    static const enum flow_member members[] = {
        FLOW_src_addr,    FLOW_dst_addr, FLOW_src_port, FLOW_dst_port, FLOW_proto,  FLOW_tos,
        FLOW_ingress_vrf, FLOW_in_iface, FLOW_vlan,     FLOW_start_ns, FLOW_end_ns,
    };

    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        flow_needs_add(needs, members[i]);
}

/* IPFIX has no uptime in its header: the latest one of a message's records stands for it. */
static void compile_latest(struct plan_builder *c)
{
    struct plan_op none = {0};
    int field = builder_field(c, 0, 21);

    if (field == NO_FIELD)
        field = builder_field(c, 0, 22);
    if (field == NO_FIELD || has_field(c, 160))
        return;
    c->plan->has_latest = true;
    c->plan->latest_ref = c->plan->ref_count;
    builder_ref(c, &none, field, ELEMENT_TIME_UPTIME);
}

static void compile_members(struct plan_builder *c)
{
    struct flow_needs needs = needs_with_sources(&c->settings->needs);
    bool is_options = c->settings->is_options;
    bool has_more_counters = !is_options && builder_counters(c);

    if (!is_options && builder_has_totals(c))
        add_members_of_key(&needs);

    /* The section comes first, as other operations read members that it writes. */
    compile_frame(c);
    if (!compile_member(c, FLOW_ip_version)) {
        if (c->frame_field != NO_FIELD)
            flow_needs_add(&c->plan->frame_members, FLOW_ip_version);
        zero_member(c, FLOW_ip_version);
    }
    for (enum flow_member m = 0; m < FLOW_MEMBER_COUNT; m++) {
        if (!flow_needs_has(&needs, m) || is_always_set(m) || m == FLOW_ip_version)
            continue;
        if (m == FLOW_src_net || m == FLOW_dst_net || m == FLOW_bytes || m == FLOW_packets)
            continue;
        if (compile_member(c, m))
            continue;
        zero_member(c, m);
        const struct header_member *told =
            c->frame_field != NO_FIELD ? header_member_find(m) : NULL;
        if (told) {
            flow_needs_add(&c->plan->frame_members, m);
            if (told->is_copied)
                builder_copy(c, c->frame_field);
        } else if (m == FLOW_etype) {
            builder_op(c, PLAN_ETYPE, m)->arg = c->outer_version;
        }
    }
    c->plan->tunnel_view = c->settings->tunnel_view;
    c->plan->frame_wants_tunnel =
        packet_wants_tunnel(&c->plan->frame_members, c->settings->tunnel_view);
    if (flow_needs_has(&needs, FLOW_src_net))
        builder_op(c, PLAN_NETWORK, FLOW_src_net)->arg = 0;
    if (flow_needs_has(&needs, FLOW_dst_net))
        builder_op(c, PLAN_NETWORK, FLOW_dst_net)->arg = 1;
    if (has_more_counters)
        builder_counters_op(c);
    if (flow_needs_has(&needs, FLOW_start_ns) || flow_needs_has(&needs, FLOW_end_ns))
        compile_latest(c);
}

static void compile_custom(struct plan_builder *c)
{
    for (uint32_t i = 0; i < c->settings->custom_field_count; i++) {
        const struct custom_field *custom = &c->settings->custom_fields[i];
        uint32_t enterprise = custom->enterprise;
        if (custom->is_reverse)
            enterprise = ENTERPRISE_REVERSE;
        /* A reverse element belongs to the way back if there is one; other elements belong to both
         * ways. */
        bool is_here = !custom->is_reverse || c->is_reverse || !c->plan->reverse;
        int field = is_here ? builder_raw_field(c, enterprise, custom->element) : NO_FIELD;
        if (field == NO_FIELD && c->settings->is_options && enterprise == 0)
            field = builder_raw_field(c, ENTERPRISE_V9_SCOPE, custom->element);
        struct plan_op *op = builder_op(c, custom->len > 0 ? PLAN_CUSTOM : PLAN_CUSTOM_BYTES, 0);
        op->dst = custom->flow_offset;
        op->arg = custom->len;
        op->size = custom->is_number;
        builder_ref(c, op, field, ELEMENT_TEXT);
        if (custom->len == 0 && field != NO_FIELD)
            builder_copy(c, field);
    }
}

static int compare_order(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static void order_refs(struct plan *plan)
{
    plan->ref_order = mem_calloc(plan->ref_count + 1u, sizeof *plan->ref_order);
    for (uint32_t i = 0; i < plan->ref_count; i++)
        plan->ref_order[i] = (uint32_t)plan->refs[i].field << 16 | i;
    qsort(plan->ref_order, plan->ref_count, sizeof *plan->ref_order, compare_order);
}

/* Returns whether the template counts what came back. */
static bool is_biflow(const struct plan_builder *c)
{
    const struct element_selection bytes = {.member = FLOW_bytes, .is_reverse = true};
    const struct element_selection packets = {.member = FLOW_packets, .is_reverse = true};
    enum element_type type;
    size_t row = 0, packets_row = 0;

    return builder_next(c, &bytes, &row, &type) != NO_FIELD ||
           builder_next(c, &packets, &packets_row, &type) != NO_FIELD;
}

static bool has_counters(const struct plan_builder *c)
{
    enum element_type type;
    size_t row = 0;
    struct element_selection bytes = builder_select(c, FLOW_bytes);
    struct element_selection packets = builder_select(c, FLOW_packets);

    if (c->frame_field != NO_FIELD || builder_next(c, &bytes, &row, &type) != NO_FIELD)
        return true;
    row = 0;
    return builder_next(c, &packets, &row, &type) != NO_FIELD;
}

static struct plan *compile_way(const struct template_field *fields, uint16_t field_count,
                                const uint32_t *offsets, const struct plan_settings *settings,
                                bool is_reverse)
{
    struct plan *plan = mem_zalloc(sizeof *plan);
    struct plan_builder c = {
        .plan = plan,
        .fields = fields,
        .offsets = offsets,
        .field_count = field_count,
        .settings = settings,
        .is_reverse = is_reverse,
    };

    plan->fields = fields;
    plan->field_count = field_count;
    builder_init(&c);
    c.frame_field = find_frame(&c);
    if (!is_reverse && !settings->is_options && is_biflow(&c))
        plan->reverse = compile_way(fields, field_count, offsets, settings, true);
    plan->has_counters = has_counters(&c);
    compile_members(&c);
    compile_custom(&c);
    builder_order(&c);
    return plan;
}

struct plan *plan_compile(const struct template_field *fields, uint16_t field_count,
                          const struct plan_settings *settings)
{
    uint32_t *offsets = mem_calloc(field_count + 1u, sizeof *offsets);
    struct plan *plan = NULL;
    uint32_t len = 0;
    bool is_variable = false;

    for (uint16_t i = 0; i < field_count; i++) {
        offsets[i] = len;
        is_variable = is_variable || fields[i].len == FIELD_LEN_VARIABLE;
        /* A field of variable length takes its length byte at least. */
        len += fields[i].len == FIELD_LEN_VARIABLE ? 1 : fields[i].len;
    }
    if (len > 0)
        plan = compile_way(fields, field_count, offsets, settings, false);
    for (struct plan *p = plan; p; p = p->reverse) {
        p->min_len = len;
        p->record_len = is_variable ? 0 : len;
        if (is_variable)
            order_refs(p);
    }
    mem_free(offsets);
    return plan;
}

struct plan *plan_compile_options(const struct template_field *fields, uint16_t field_count,
                                  const struct plan_settings *settings)
{
    struct plan_settings of_options = *settings;

    of_options.is_options = true;
    return plan_compile(fields, field_count, &of_options);
}

void plan_free(struct plan *plan)
{
    if (!plan)
        return;
    plan_free(plan->reverse);
    mem_free(plan->ops);
    mem_free(plan->refs);
    mem_free(plan->ref_order);
    mem_free(plan);
}
