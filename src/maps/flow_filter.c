/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aggregate_filter: libpcap compiles an expression to classic BPF, whose interpreter
 * (bpf_filter) then runs over headers that are written from the flow. */
#include "maps/flow_filter.h"
#include "base/memory.h"
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <pcap/pcap.h>
#include <string.h>

enum { EXPRESSIONS_MAX = 16, FRAME_MAX = 128, SNAPLEN = 65535, ETHERNET_LEN = 14, VLAN_LEN = 4 };

struct flow_filter {
    uint32_t count;
    struct {
        struct bpf_program program;
        bool is_tagged; /* it says `vlan` */
    } expressions[EXPRESSIONS_MAX];
};

struct frame {
    uint8_t bytes[FRAME_MAX];
    uint32_t len;      /* of the headers */
    uint32_t wire_len; /* of the packet */
};

static void put_u8(struct frame *f, uint8_t v)
{
    f->bytes[f->len++] = v;
}

static void put_u16(struct frame *f, uint16_t v)
{
    put_u8(f, (uint8_t)(v >> 8));
    put_u8(f, (uint8_t)v);
}

static void put_u32(struct frame *f, uint32_t v)
{
    put_u16(f, (uint16_t)(v >> 16));
    put_u16(f, (uint16_t)v);
}

static void put_bytes(struct frame *f, const void *data, size_t len)
{
    memcpy(f->bytes + f->len, data, len);
    f->len += (uint32_t)len;
}

static void put_ipv4(struct frame *f, const struct flow *flow, uint32_t len)
{
    put_u8(f, 0x45);
    put_u8(f, flow->tos);
    put_u16(f, (uint16_t)(len > UINT16_MAX ? UINT16_MAX : len));
    put_u32(f, 0); /* id, not a fragment */
    put_u8(f, 64);
    put_u8(f, flow->proto);
    put_u16(f, 0);
    put_bytes(f, flow->src_addr.bytes + 12, 4);
    put_bytes(f, flow->dst_addr.bytes + 12, 4);
}

static void put_ipv6(struct frame *f, const struct flow *flow, uint32_t len)
{
    uint32_t payload = len > 40 ? len - 40 : 0;

    put_u32(f, 6U << 28 | (uint32_t)flow->tos << 20);
    put_u16(f, (uint16_t)(payload > UINT16_MAX ? UINT16_MAX : payload));
    put_u8(f, flow->proto);
    put_u8(f, 64);
    put_bytes(f, flow->src_addr.bytes, 16);
    put_bytes(f, flow->dst_addr.bytes, 16);
}

static void put_transport(struct frame *f, const struct flow *flow)
{
    switch (flow->proto) {
    case IPPROTO_TCP:
        put_u16(f, flow->src_port);
        put_u16(f, flow->dst_port);
        put_u32(f, 0);
        put_u32(f, 0);
        put_u8(f, (uint8_t)(5 << 4 | (flow->tcp_flags >> 8 & 0x0f)));
        put_u8(f, (uint8_t)flow->tcp_flags);
        put_u16(f, 0);
        put_u32(f, 0);
        break;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        put_u16(f, flow->dst_port); /* type, code */
        put_u16(f, 0);
        put_u32(f, 0);
        break;
    default: /* UDP, SCTP and others that begin with ports */
        put_u16(f, flow->src_port);
        put_u16(f, flow->dst_port);
        put_u32(f, 0);
        break;
    }
}

static void frame_make(const struct flow *flow, bool is_tagged, struct frame *f)
{
    bool is_ipv6 = flow->src_addr.family == IP_V6 || flow->dst_addr.family == IP_V6;
    uint16_t vlan = flow->vlan ? flow->vlan : flow->in_vlan;
    uint64_t len = flow->packets ? flow->bytes / flow->packets : flow->bytes;
    uint16_t etype = is_ipv6 ? 0x86dd : 0x0800;

    if (flow->src_addr.family == IP_NONE && flow->dst_addr.family == IP_NONE && flow->etype)
        etype = flow->etype;
    f->len = 0;
    put_bytes(f, flow->dst_mac.bytes, 6);
    put_bytes(f, flow->src_mac.bytes, 6);
    if (is_tagged && vlan) {
        put_u16(f, 0x8100);
        put_u16(f, (uint16_t)((flow->cos & 7) << 13 | (vlan & 0x0fff)));
    }
    put_u16(f, etype);
    f->wire_len = (uint32_t)(f->len + (len > SNAPLEN ? SNAPLEN : len));
    if (is_ipv6)
        put_ipv6(f, flow, (uint32_t)(len > SNAPLEN ? SNAPLEN : len));
    else
        put_ipv4(f, flow, (uint32_t)(len > SNAPLEN ? SNAPLEN : len));
    put_transport(f, flow);
}

/* True if the expression has `vlan` as a word of its own, not as a part of a name. */
static bool says_vlan(const char *expression)
{
    for (const char *at = strstr(expression, "vlan"); at; at = strstr(at + 1, "vlan"))
        if ((at == expression || !isalnum((unsigned char)at[-1])) && !isalnum((unsigned char)at[4]))
            return true;
    return false;
}

static int expression_add(struct flow_filter *filter, const char *expression, struct text *error)
{
    pcap_t *pcap;
    int err = 0;

    if (filter->count == EXPRESSIONS_MAX) {
        text_append_printf(error, "more than %d expressions", EXPRESSIONS_MAX);
        return -EINVAL;
    }
    pcap = pcap_open_dead(DLT_EN10MB, SNAPLEN);
    if (!pcap) {
        text_append_string(error, "libpcap has no memory");
        return -ENOMEM;
    }
    if (pcap_compile(pcap, &filter->expressions[filter->count].program, expression, 1,
                     PCAP_NETMASK_UNKNOWN) < 0) {
        text_append_printf(error, "'%s': %s; see pcap-filter(7)", expression, pcap_geterr(pcap));
        err = -EINVAL;
    } else {
        filter->expressions[filter->count++].is_tagged = says_vlan(expression);
    }
    pcap_close(pcap);
    return err;
}

int flow_filter_new(const char *expressions, struct text *error, struct flow_filter **ret_filter)
{
    struct flow_filter *filter = mem_zalloc(sizeof *filter);
    char *list = mem_strdup(expressions);
    char *rest = list;
    int err = 0;

    for (char *one; err == 0 && (one = strtok_r(rest, ",", &rest)) != NULL;)
        err = expression_add(filter, one, error);
    if (err == 0 && filter->count == 0) {
        text_append_string(error, "no expression");
        err = -EINVAL;
    }
    mem_free(list);
    if (err < 0) {
        flow_filter_free(filter);
        return err;
    }
    *ret_filter = filter;
    return 0;
}

void flow_filter_free(struct flow_filter *filter)
{
    if (!filter)
        return;
    for (uint32_t i = 0; i < filter->count; i++)
        pcap_freecode(&filter->expressions[i].program);
    mem_free(filter);
}

bool flow_filter_accepts(const struct flow_filter *filter, const struct flow *flow)
{
    struct frame frames[2]; /* untagged, tagged */
    bool is_made[2] = {false, false};

    for (uint32_t i = 0; i < filter->count; i++) {
        bool tagged = filter->expressions[i].is_tagged;
        struct frame *f = &frames[tagged];
        if (!is_made[tagged]) {
            frame_make(flow, tagged, f);
            is_made[tagged] = true;
        }
        if (bpf_filter(filter->expressions[i].program.bf_insns, f->bytes, f->wire_len, f->len))
            return true;
    }
    return false;
}

void flow_filter_add_needs(struct flow_needs *needs)
{
    static const enum flow_member members[] = {
        FLOW_src_addr, FLOW_dst_addr, FLOW_src_port, FLOW_dst_port, FLOW_proto,
        FLOW_tos,      FLOW_src_mac,  FLOW_dst_mac,  FLOW_etype,    FLOW_vlan,
        FLOW_in_vlan,  FLOW_cos,      FLOW_bytes,    FLOW_packets,  FLOW_tcp_flags,
    };

    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        flow_needs_add(needs, members[i]);
}
