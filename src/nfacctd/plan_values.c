/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carries out the operations whose outcome depends on a record's values (RFC 7011 section 6.1 has
 * their encodings), or on what options said. */
#include "nfacctd/plan_values.h"
#include "nfacctd/sampling.h"

#include <string.h>

#include "base/reader.h"
#include "flow/header_members.h"
#include "flow/packet_tunnel.h"

#define NTP_TO_UNIX_S   INT64_C(2208988800) /* RFC 5905 figure 4 */
#define NTP_ERA_S       (INT64_C(1) << 32)
#define RD_TYPE_VRF     UINT64_C(65535) /* flow/members.def */
#define SEGMENT_ID_MASK UINT32_C(0xffffff)
#define DAY_NS          (86400 * NS_PER_S)
#define PROTO_ICMP      1
#define PROTO_ICMPV6    58

static struct ip_addr ref_addr(const struct plan_ref *ref, const uint8_t *record)
{
    if (ref->len == 4)
        return ip_addr_v4(record + ref->offset);
    if (ref->len != 16)
        return (struct ip_addr){0};
    return ref->type == ELEMENT_IPV4_BY_LEN ? element_ipv4_in_16(record + ref->offset)
                                            : ip_addr_v6(record + ref->offset);
}

static bool ref_is_zero(const struct plan_ref *ref, const uint8_t *record)
{
    for (uint16_t i = 0; i < ref->len; i++) {
        if (record[ref->offset + i] != 0)
            return false;
    }
    return true;
}

/* RFC 7011 section 6.1.9: the fraction's last 11 bits mean nothing in microseconds. */
static int64_t time_ntp(uint64_t value, bool is_micro)
{
    int64_t seconds = (int64_t)(value >> 32) - NTP_TO_UNIX_S;
    uint64_t fraction = value & UINT32_MAX;
    uint64_t half = UINT64_C(1) << 31;

    if (value >> 32 == 0)
        return 0;
    if (value >> 63 == 0) /* after February 2036 */
        seconds += NTP_ERA_S;
    if (is_micro)
        return seconds * NS_PER_S +
               (int64_t)(((fraction & ~UINT64_C(0x7ff)) * 1000000 + half) >> 32) * NS_PER_US;
    return seconds * NS_PER_S + (int64_t)((fraction * 1000000000 + half) >> 32);
}

/* Returns the time of an uptime whose exporter told when it started (IPFIX has no uptime in its
 * header). */
static int64_t time_since_init(const struct plan_context *context, uint32_t uptime,
                               uint64_t init_ms)
{
    struct plan_context at = *context;
    at.has_whole_seconds = false; /* the start is known to the millisecond */
    int64_t init_ns = plan_time_since_epoch(init_ms, NS_PER_MS);

    if (init_ns == 0 || init_ns > context->export_ns)
        return 0;
    at.uptime =
        (uint32_t)((uint64_t)(context->export_ns - init_ns) / (uint64_t)context->uptime_unit_ns);
    return plan_time_since_boot(&at, uptime);
}

static bool is_within_a_day(int64_t ns, int64_t of_ns)
{
    return ns > of_ns - DAY_NS && ns < of_ns + DAY_NS;
}

/* Some exporters count plain microseconds or nanoseconds since 1970. Read as NTP these are decades
 * off. */
static int64_t time_ntp_or_plain(uint64_t value, bool is_micro, int64_t export_ns)
{
    int64_t ns = time_ntp(value, is_micro);
    const int64_t units_ns[] = {is_micro ? NS_PER_US : 1, is_micro ? 1 : NS_PER_US};

    if (is_within_a_day(ns, export_ns))
        return ns;
    for (size_t i = 0; i < sizeof units_ns / sizeof units_ns[0]; i++) {
        int64_t plain_ns = plan_time_since_epoch(value, units_ns[i]);
        if (is_within_a_day(plain_ns, export_ns))
            return plain_ns;
    }
    return ns;
}

/* Seconds since 1970, then parts of one. */
static int64_t time_in_16(const uint8_t *bytes, int64_t part_ns)
{
    int64_t ns = plan_time_since_epoch(wire_u64(bytes), NS_PER_S);
    uint64_t parts = wire_u64(bytes + 8);

    return ns > 0 && parts < (uint64_t)(NS_PER_S / part_ns) ? ns + (int64_t)parts * part_ns : ns;
}

static int64_t time_of(const struct plan_context *context, const struct plan_ref *ref,
                       const uint8_t *record, uint64_t init_ms)
{
    uint64_t value = plan_ref_uint(ref, record);

    if (ref->len == 0)
        return 0;
    switch (ref->type) {
    case ELEMENT_TIME_S:
        return plan_time_since_epoch(value, NS_PER_S);
    case ELEMENT_TIME_MS:
        return plan_time_since_epoch(value, NS_PER_MS);
    case ELEMENT_TIME_NTP_US:
    case ELEMENT_TIME_NTP_NS: {
        bool is_micro = ref->type == ELEMENT_TIME_NTP_US;
        if (ref->len == 16 && value == 0)
            return time_in_16(record + ref->offset, is_micro ? NS_PER_US : 1);
        return time_ntp_or_plain(value, is_micro, context->export_ns);
    }
    case ELEMENT_TIME_DELTA_US: {
        int64_t ago_ns = plan_time_since_epoch(value, NS_PER_US);
        return ago_ns < context->export_ns ? context->export_ns - ago_ns : 0;
    }
    case ELEMENT_TIME_UPTIME:
        if (context->has_uptime)
            return plan_time_since_boot(context, (uint32_t)value);
        return init_ms > 0 ? time_since_init(context, (uint32_t)value, init_ms) : 0;
    default:
        return 0;
    }
}

static int64_t value_time(const struct plan_op *op, const struct plan_ref *refs,
                          const struct plan_context *context, const uint8_t *record)
{
    const struct plan_ref *last = &refs[op->ref_count - 1];
    uint64_t init_ms = last->type == ELEMENT_SYSTEM_INIT ? plan_ref_uint(last, record) : 0;
    int64_t ns = 0;

    if (context->start_is_export && op->arg && refs->type == ELEMENT_TIME_UPTIME && init_ms == 0)
        return context->export_ns;
    for (uint16_t i = 0; i < op->ref_count && ns == 0; i++)
        ns = time_of(context, &refs[i], record, init_ms);
    return ns == 0 && op->arg ? context->export_ns : ns;
}

static uint16_t value_etype(uint32_t ip_version)
{
    return ip_version == 4 ? 0x0800 : ip_version == 6 ? 0x86dd : 0;
}

static struct ip_addr value_nonzero(const struct plan_op *op, const struct plan_ref *refs,
                                    const uint8_t *record, uint8_t ip_version)
{
    uint32_t first = ip_version == 6 ? op->arg : 0;

    for (uint32_t i = 0; i < op->ref_count; i++) {
        const struct plan_ref *ref = &refs[(first + i) % op->ref_count];
        if (!ref_is_zero(ref, record))
            return ref_addr(ref, record);
    }
    /* All are zero: an address of 0 says that there was a field for it. */
    return op->ref_count > 0 ? ref_addr(&refs[first % op->ref_count], record) : (struct ip_addr){0};
}

/* Returns what ipVersion says, else the family that has an address. */
static uint8_t value_version(const struct plan_op *op, const struct plan_ref *refs,
                             const uint8_t *record)
{
    uint64_t said = plan_ref_uint(&refs[0], record);

    if (said == 4 || said == 6)
        return (uint8_t)said;
    for (uint32_t i = 1; i < op->ref_count; i++) { /* those of IPv4 come first */
        if (!ref_is_zero(&refs[i], record))
            return ref_addr(&refs[i], record).family == IP_V6 ? 6 : 4;
    }
    return 4;
}

/* A flow seen at ingress has the VLAN of ingress or none, likewise at egress; without a direction
 * the first one counts. */
static uint16_t value_vlan(const struct plan_ref *refs, const uint8_t *record)
{
    static const uint8_t orders[][4] = {{VLAN_IN, VLAN_DOT1Q_IN},
                                        {VLAN_OUT, VLAN_DOT1Q_OUT},
                                        {VLAN_IN, VLAN_OUT, VLAN_DOT1Q_IN, VLAN_DOT1Q_OUT}};
    const struct plan_ref *said = &refs[VLAN_DIRECTION];
    uint64_t direction = said->len > 0 ? plan_ref_uint(said, record) : 2;
    const uint8_t *order = orders[direction > 1 ? 2 : direction];
    int count = direction > 1 ? 4 : 2;

    for (int i = 0; i < count; i++) {
        uint16_t vlan = (uint16_t)plan_ref_uint(&refs[order[i]], record);
        if (vlan != 0)
            return vlan;
    }
    return 0;
}

static uint32_t rate_clamp(uint64_t rate)
{
    return rate < UINT32_MAX ? (uint32_t)rate : UINT32_MAX;
}

/* Returns the rate that the record itself tells; 0: it does not. */
static uint64_t rate_in_record(const struct plan_ref *refs, const uint8_t *record)
{
    for (int i = RATE_RANDOM_INTERVAL; i <= RATE_INTERVAL; i++) {
        uint64_t rate = plan_ref_uint(&refs[i], record);
        if (rate > 0)
            return rate;
    }
    for (int i = RATE_PACKET_INTERVAL; i <= RATE_TIME_INTERVAL;
         i += 2) { /* so many sampled, so many passed over */
        uint64_t interval = plan_ref_uint(&refs[i], record);
        uint64_t space = plan_ref_uint(&refs[i + 1], record);
        if (interval > 0 && refs[i + 1].len > 0)
            return (interval + space) / interval;
    }
    uint64_t size = plan_ref_uint(&refs[RATE_SIZE], record);
    const struct plan_ref *population = &refs[RATE_POPULATION];
    return size > 0 && population->len > 0 ? plan_ref_uint(population, record) / size : 0;
}

bool plan_rate_is_common(const struct plan_ref *refs, const struct plan_context *context)
{
    for (int i = 0; i < RATE_SLOT_COUNT; i++) {
        bool is_of_interface = i >= RATE_INTERFACE_IN && i <= RATE_DIRECTION;
        if (refs[i].len > 0 && (!is_of_interface || context->options->has_interface_rates))
            return false;
    }
    return true;
}

/* Finds what options say of one of the record's interfaces, in that direction (0 ingress, 1 egress)
 * or in both. */
static bool interface_rate(const struct plan_ref *refs, const struct plan_context *context,
                           const uint8_t *record, uint32_t direction, uint64_t *ret_rate)
{
    const struct plan_ref *ref = &refs[direction ? RATE_INTERFACE_OUT : RATE_INTERFACE_IN];
    uint64_t interface = plan_ref_uint(ref, record);

    return ref->len > 0 && (sampling_option(context, OPTION_INTERFACE_RATE,
                                            option_interface_id(interface, direction), ret_rate) ||
                            sampling_option(context, OPTION_INTERFACE_RATE, interface, ret_rate));
}

/* The direction of the record says at which interface it was sampled. */
static bool rate_of_interfaces(const struct plan_ref *refs, const struct plan_context *context,
                               const uint8_t *record, uint64_t *ret_rate)
{
    uint64_t direction =
        refs[RATE_DIRECTION].len > 0 ? plan_ref_uint(&refs[RATE_DIRECTION], record) : 2;

    if (!context->options->has_interface_rates)
        return false;
    if (direction < 2)
        return interface_rate(refs, context, record, (uint32_t)direction, ret_rate);
    return interface_rate(refs, context, record, 0, ret_rate) ||
           interface_rate(refs, context, record, 1, ret_rate);
}

uint32_t plan_sampling_rate(const struct plan_ref *refs, struct plan_context *context,
                            const uint8_t *record)
{
    uint64_t sampler = plan_ref_uint(&refs[RATE_SAMPLER], record), rate;
    bool has_sampler = refs[RATE_SAMPLER].len > 0;
    bool has_options = context->options->rate_count > 0;

    if (has_sampler && has_options && sampling_option(context, OPTION_SAMPLER_RATE, sampler, &rate))
        return rate_clamp(rate);
    rate = rate_in_record(refs, record);
    if (rate == 0)
        rate = context->header_rate;
    if (rate > 0 || !has_options)
        return rate_clamp(rate);
    if (sampling_option(context, OPTION_TEMPLATE_RATE, context->template_id, &rate) ||
        rate_of_interfaces(refs, context, record, &rate))
        return rate_clamp(rate);
    bool names_sampler = has_sampler && sampler != 0;
    if (!names_sampler && sampling_default(context, &rate))
        return rate_clamp(rate);
    rate = sampling_assumed(context, names_sampler);
    context->rate_assumed += rate > 0;
    return rate_clamp(rate);
}

/*
 * Reads labels down to the bottom of the stack (RFC 3032 section 2.1); entries below it are empty.
 */
static uint32_t read_labels(const struct plan_op *op, const struct plan_ref *refs,
                            const uint8_t *record, uint32_t labels[PACKET_HEADER_LABELS])
{
    uint32_t count = 0;

    for (uint16_t i = 0; i < op->ref_count && count < PACKET_HEADER_LABELS; i++) {
        uint32_t entry = (uint32_t)plan_ref_uint(&refs[i], record);
        if (refs[i].len == 4)
            entry >>= 8; /* the time to live */
        if (entry == 0)
            break;
        labels[count++] = entry >> 4;
        if (entry & 1)
            break;
    }
    return count;
}

static struct flow_bytes copy_bytes(struct plan_context *context, const void *data, size_t len)
{
    struct flow_bytes bytes = {0};
    uint8_t *place = len > 0 ? arena_take(context->arena, len) : NULL;

    if (place) {
        memcpy(place, data, len);
        bytes.data = place;
        bytes.len = (uint32_t)len;
    }
    return bytes;
}

static void set_labels(enum flow_member member, struct plan_context *context, struct flow *flow,
                       const uint32_t *labels, uint32_t count)
{
    if (member == FLOW_mpls_label_top)
        flow->mpls_label_top = count > 0 ? labels[0] : 0;
    else if (member == FLOW_mpls_label_bottom)
        flow->mpls_label_bottom = count > 0 ? labels[count - 1] : 0;
    else
        flow->mpls_labels = copy_bytes(context, labels, count * sizeof *labels);
}

static void set_rd(enum flow_member member, struct flow *flow, uint64_t rd, enum rd_origin origin)
{
    if (member == FLOW_vpn_rd)
        flow->vpn_rd = rd;
    else
        flow->vpn_rd_origin = (uint8_t)origin;
}

/* Takes the record's own route distinguisher, else what options say of its VRF. The refs are
 * element 90, the VRF on this side, the VRF on the other, and element 61. The other one counts where
 * this one is none, or the global table (what leaves into a VPN came in without one), or where the
 * record says that it is of the way out. */
static void value_rd(const struct plan_op *op, const struct plan_ref *refs,
                     const struct plan_context *context, const uint8_t *record, struct flow *flow)
{
    uint64_t rd = plan_ref_uint(&refs[0], record);
    uint64_t vrf = plan_ref_uint(&refs[1], record), other = plan_ref_uint(&refs[2], record);

    if (other != 0 && (vrf == 0 || plan_ref_uint(&refs[3], record) == (uint64_t)DIRECTION_EGRESS)) {
        uint64_t this_side = vrf;
        vrf = other;
        other = this_side;
    }
    if (rd != 0)
        set_rd(op->arg, flow, rd, RD_ORIGIN_FLOW);
    else if (vrf == 0)
        set_rd(op->arg, flow, 0, RD_ORIGIN_UNKNOWN);
    else if (option_store_number(context->options, &context->scope, OPTION_VRF_RD, vrf, &rd)) {
        uint64_t other_rd = 0;
        if (rd == 0 && other != 0 &&
            option_store_number(context->options, &context->scope, OPTION_VRF_RD, other, &other_rd))
            rd = other_rd;
        set_rd(op->arg, flow, rd, RD_ORIGIN_FLOW);
    } else
        set_rd(op->arg, flow, RD_TYPE_VRF << 48 | (vrf & UINT32_MAX), RD_ORIGIN_FLOW);
}

/* Copies a text without the zero bytes that pad a fixed length. */
static struct flow_bytes value_text(const struct plan_ref *ref, struct plan_context *context,
                                    const uint8_t *record)
{
    size_t len = ref->len;

    while (len > 0 && record[ref->offset + len - 1] == 0)
        len--;
    return copy_bytes(context, record + ref->offset, len);
}

/* Routers call the table that belongs to no VPN so. */
static bool is_global_vrf(const struct flow_bytes *name)
{
    return name->len == 7 && memcmp(name->data, "default", 7) == 0;
}

static struct flow_bytes value_name(const struct plan_op *op, const struct plan_ref *refs,
                                    struct plan_context *context, const uint8_t *record)
{
    struct flow_bytes name = value_text(&refs[0], context, record);

    if (name.len > 0 || refs[1].len == 0)
        return name;
    uint64_t key = refs[1].type == ELEMENT_APPLICATION
                       ? element_application_key(record + refs[1].offset, refs[1].len)
                       : plan_ref_uint(&refs[1], record);
    name = option_store_text(context->options, &context->scope, op->arg, key);
    if (op->ref_count > 2 && (key == 0 || is_global_vrf(&name))) {
        uint64_t other = plan_ref_uint(&refs[2], record);
        struct flow_bytes other_name = {NULL, 0, 0};
        if (other != 0)
            other_name = option_store_text(context->options, &context->scope, op->arg, other);
        if (other_name.len > 0)
            name = other_name;
    }
    return name;
}

/* Writes in place, as the processor would wait for an address that is put together elsewhere and
 * copied. */
static void set_network(struct ip_addr *net, const struct ip_addr *addr, uint8_t mask)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    if (addr->family != IP_V4 || mask > 32) {
        *net = ip_addr_mask(addr, mask);
        return;
    }
    uint32_t bits = wire_u32(addr->bytes + 12) & (uint32_t)(UINT64_C(0xffffffff) << (32 - mask));
    memcpy(net->bytes, mapped, sizeof mapped);
    for (int i = 0; i < 4; i++)
        net->bytes[12 + i] = (uint8_t)(bits >> (24 - 8 * i));
    net->family = IP_V4;
}

static void value_network(const struct plan_op *op, struct flow *flow)
{
    if (op->arg == 0)
        set_network(&flow->src_net, &flow->src_addr, flow->src_mask);
    else
        set_network(&flow->dst_net, &flow->dst_addr, flow->dst_mask);
}

static void value_custom(const struct plan_op *op, const struct plan_ref *ref,
                         const uint8_t *record, uint8_t *place)
{
    size_t len = ref->len < op->arg ? ref->len : op->arg;
    bool is_number = op->size;

    memset(place, 0, op->arg);
    if (is_number) /* the low-order bytes are the last */
        memcpy(place + op->arg - len, record + ref->offset + ref->len - len, len);
    else
        memcpy(place, record + ref->offset, len);
}

/* Type and code of one family; has_any: the record has them. */
static uint16_t icmp_of(const struct plan_ref *refs, const uint8_t *record, bool *has_any)
{
    *has_any = refs[0].len > 0 || refs[1].len > 0;
    if (refs[0].len > 0)
        return (uint16_t)plan_ref_uint(&refs[0], record);
    return (uint16_t)(plan_ref_uint(&refs[1], record) << 8 |
                      (plan_ref_uint(&refs[2], record) & 0xff));
}

/* Where NetFlow v5 has them. Exporters use the elements of IPv4 for ICMPv6 too. */
static void value_icmp(const struct plan_ref *refs, const uint8_t *record, struct flow *flow)
{
    uint64_t proto = plan_ref_uint(&refs[ICMP_PROTO], record);
    bool has_any;

    if (flow->dst_port != 0 || (proto != PROTO_ICMP && proto != PROTO_ICMPV6))
        return;
    int own = proto == PROTO_ICMP ? ICMP_V4 : ICMP_V6;
    flow->dst_port = icmp_of(&refs[own], record, &has_any);
    if (!has_any)
        flow->dst_port = icmp_of(&refs[own == ICMP_V4 ? ICMP_V6 : ICMP_V4], record, &has_any);
}

static enum packet_start frame_start(enum element_type type)
{
    return type == ELEMENT_FRAME_ETHERNET ? PACKET_ETHERNET
           : type == ELEMENT_FRAME_IP     ? PACKET_IP
                                          : PACKET_MPLS;
}

static void value_frame(const struct plan *plan, const struct plan_ref *ref,
                        struct plan_context *context, const uint8_t *record, struct flow *flow)
{
    const struct flow_needs *wanted = &plan->frame_members;
    struct packet packet;

    packet_parse(frame_start(ref->type), record + ref->offset, ref->len, plan->frame_wants_tunnel,
                 plan->tunnel_view, &packet);
    const struct packet *p = &packet;
    const struct packet_header *h = p->plain;
#define IS_WANTED(part, member)                                                                    \
    (HEADER_PART_##part != HEADER_PART_TUNNEL && flow_needs_has(wanted, FLOW_##member))
#define HEADER_MEMBER(part, member, is_told, value)                                                \
    if (IS_WANTED(part, member))                                                                   \
        flow->member = value;
#define HEADER_ADDR(part, member, which)                                                           \
    if (IS_WANTED(part, member))                                                                   \
        ip_addr_put(&flow->member, h->ip_version, h->which);
#define HEADER_BYTES(part, member, is_told, data, len)                                             \
    if (IS_WANTED(part, member))                                                                   \
        flow->member = copy_bytes(context, data, len);
#include "flow/header_members.def"
#undef IS_WANTED
    packet_set_tunnel(&packet, wanted, flow);
}

static void put_member(void *place, const void *value, size_t size)
{
    memcpy(place, value, size);
}
#define PUT_MEMBER(value) put_member(place, &(value), sizeof(value))

static void put_uint(uint8_t *place, size_t size, uint64_t value)
{
    uint32_t u32 = (uint32_t)value;
    uint16_t u16 = (uint16_t)value;

    if (size == 1)
        *place = (uint8_t)value;
    else if (size == 2)
        put_member(place, &u16, size);
    else if (size == 4)
        put_member(place, &u32, size);
    else
        put_member(place, &value, sizeof value);
}

static struct flow_bytes value_bytes(const struct plan_op *op, const struct plan_ref *refs,
                                     struct plan_context *context, const uint8_t *record)
{
    switch (op->code) {
    case PLAN_NAME:
        return value_name(op, refs, context, record);
    case PLAN_TEXT:
        return value_text(refs, context, record);
    case PLAN_SEGMENT_LIST:
        return copy_bytes(context, record + refs->offset, refs->len - refs->len % 16u);
    default:
        return copy_bytes(context, record + refs->offset, refs->len);
    }
}

void plan_value(const struct plan *plan, const struct plan_op *op, const struct plan_ref *refs,
                struct plan_context *context, const uint8_t *record, struct flow *flow)
{
    uint8_t *place = (uint8_t *)flow + op->dst;

    switch (op->code) {
    case PLAN_ADDR_BY_VERSION: {
        struct ip_addr addr = ref_addr(&refs[flow->ip_version == 6], record);
        PUT_MEMBER(addr);
        break;
    }
    case PLAN_UINT_BY_VERSION:
        *place = (uint8_t)plan_ref_uint(&refs[flow->ip_version == 6], record);
        break;
    case PLAN_ADDR_NONZERO: {
        struct ip_addr addr = value_nonzero(op, refs, record, flow->ip_version);
        PUT_MEMBER(addr);
        break;
    }
    case PLAN_EXPORTER_ADDR: {
        struct ip_addr addr = value_nonzero(op, refs, record, flow->ip_version);
        if (ip_addr_is_zero(&addr))
            addr = context->exporter_addr;
        PUT_MEMBER(addr);
        break;
    }
    case PLAN_UINT_BY_LEN:
        put_uint(place, op->size, plan_ref_uint(refs, record));
        break;
    case PLAN_TCP_FLAGS:
        flow->tcp_flags = plan_ref_uint(refs, record) & 0x0fff;
        break;
    case PLAN_MAC:
        memset(place, 0, sizeof(struct mac_addr));
        memcpy(place, record + refs->offset, refs->len);
        break;
    case PLAN_VERSION:
        flow->ip_version = value_version(op, refs, record);
        break;
    case PLAN_TIME: {
        int64_t ns = value_time(op, refs, context, record);
        PUT_MEMBER(ns);
        break;
    }
    case PLAN_ETYPE:
        /* The frame's is that of the outer packet. */
        flow->etype = value_etype(op->arg ? op->arg : flow->ip_version);
        break;
    case PLAN_NETWORK:
        value_network(op, flow);
        break;
    case PLAN_VLAN:
        flow->vlan = value_vlan(refs, record);
        break;
    case PLAN_SAMPLING_RATE:
        flow->sampling_rate = plan_sampling_rate(refs, context, record);
        break;
    case PLAN_LABELS: {
        uint32_t labels[PACKET_HEADER_LABELS];
        set_labels(op->arg, context, flow, labels, read_labels(op, refs, record, labels));
        break;
    }
    case PLAN_RD:
        value_rd(op, refs, context, record, flow);
        break;
    case PLAN_NAME:
    case PLAN_TEXT:
    case PLAN_SEGMENT_LIST:
    case PLAN_CUSTOM_BYTES: {
        struct flow_bytes bytes = value_bytes(op, refs, context, record);
        PUT_MEMBER(bytes);
        break;
    }
    case PLAN_SEGMENT_ID: {
        uint64_t segment = plan_ref_uint(refs, record);
        uint32_t id = segment >> 56 == op->arg ? (uint32_t)segment & SEGMENT_ID_MASK : 0;
        PUT_MEMBER(id);
        break;
    }
    case PLAN_FRAME:
        value_frame(plan, refs, context, record, flow);
        break;
    case PLAN_COUNTERS:
        plan_counters(op, refs, context, record, flow);
        break;
    case PLAN_ICMP:
        value_icmp(refs, record, flow);
        break;
    case PLAN_CUSTOM:
        value_custom(op, refs, record, place);
        break;
    default:
        break;
    }
}
