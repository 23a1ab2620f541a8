/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads the headers of a packet: IEEE 802.3 and 802.1Q, RFC 2516 (PPPoE), RFC 3032 (MPLS), RFC 791
 * (IPv4), RFC 8200 (IPv6), RFC 8754 (segment routing header). Every step consumes bytes, so each
 * loop ends with the section at the latest.
 */
#include "flow/packet_header.h"

#include "base/reader.h"

enum {
    ETYPE_IPV4 = 0x0800,
    ETYPE_VLAN = 0x8100,
    ETYPE_IPV6 = 0x86dd,
    ETYPE_MPLS = 0x8847,
    ETYPE_MPLS_MULTICAST = 0x8848,
    ETYPE_PPPOE_SESSION = 0x8864,
    ETYPE_SERVICE_VLAN = 0x88a8,
    ETYPE_OLD_SERVICE_VLAN = 0x9100,
    PROTO_HOP_BY_HOP = 0,
    PROTO_ICMP = 1,
    PROTO_TCP = 6,
    PROTO_UDP = 17,
    PROTO_ROUTING = 43,
    PROTO_FRAGMENT = 44,
    PROTO_AUTHENTICATION = 51,
    PROTO_ICMPV6 = 58,
    PROTO_DESTINATION_OPTIONS = 60,
    PROTO_SCTP = 132,
    PROTO_UDPLITE = 136,
    PPP_IPV4 = 0x0021,
    PPP_IPV6 = 0x0057,
    ROUTING_TYPE_SEGMENTS = 4,
};

static void set_payload(const struct reader *r, struct packet_header *h)
{
    h->payload = r->pos;
    h->payload_len = reader_left(r);
}

static void parse_transport(struct reader *r, struct packet_header *h)
{
    switch (h->proto) {
    case PROTO_TCP:
    case PROTO_UDP:
    case PROTO_SCTP:
    case PROTO_UDPLITE: {
        const uint8_t *ports = reader_bytes(r, 4);
        if (!ports)
            return;
        h->src_port = wire_u16(ports);
        h->dst_port = wire_u16(ports + 2);
        h->has_ports = true;
        if (h->proto == PROTO_TCP) {
            reader_bytes(r, 8); /* sequence and acknowledgement numbers */
            h->tcp_flags = reader_u16(r) & 0x0fff;
        } else if (h->proto == PROTO_UDP && reader_bytes(r, 4)) { /* length and checksum */
            set_payload(r, h);
        }
        break;
    }
    case PROTO_ICMP:
    case PROTO_ICMPV6:
        h->dst_port = reader_u16(r);
        break;
    default:
        set_payload(r, h);
        break;
    }
}

/* The steps below leave the reader where the next header begins; false: nothing follows. Each is
 * called in one place, so that they become one function whose reader stays in registers. */

static bool parse_ipv4(struct reader *r, struct packet_header *h)
{
    const uint8_t *fixed = reader_bytes(r, 20);
    if (!fixed)
        return false;
    size_t header_len = (size_t)(fixed[0] & 0x0f) * 4;
    h->tos = fixed[1];
    h->ip_len = wire_u16(fixed + 2);
    uint16_t fragment_offset = wire_u16(fixed + 6) & 0x1fff;
    h->proto = fixed[9];
    h->src = fixed + 12;
    h->dst = fixed + 16;
    h->ip_version = 4;
    h->has_ip = true;
    return header_len >= 20 && fragment_offset == 0 && reader_bytes(r, header_len - 20);
}

static bool is_extension(uint8_t proto)
{
    return proto == PROTO_HOP_BY_HOP || proto == PROTO_ROUTING || proto == PROTO_FRAGMENT ||
           proto == PROTO_AUTHENTICATION || proto == PROTO_DESTINATION_OPTIONS;
}

/* `body` is the routing header without its first eight bytes. */
static void set_segments(const uint8_t *start, const uint8_t *body, size_t len,
                         struct packet_header *h)
{
    size_t listed = (size_t)start[4] + 1; /* start[4]: index of the last entry */

    if (start[2] != ROUTING_TYPE_SEGMENTS || len < 16 || h->segment_count > 0)
        return;
    h->segments = body;
    h->segment_count = (uint8_t)(listed < len / 16 ? listed : len / 16);
}

static bool parse_ipv6(struct reader *r, struct packet_header *h)
{
    const uint8_t *fixed = reader_bytes(r, 40);
    if (!fixed)
        return false;
    uint32_t first = wire_u32(fixed);
    h->tos = (uint8_t)(first >> 20);
    h->flow_label = first & 0xfffff;
    h->ip_len = UINT32_C(40) + wire_u16(fixed + 4);
    h->proto = fixed[6];
    h->src = fixed + 8;
    h->dst = fixed + 24;
    h->ip_version = 6;
    h->has_ip = true;
    while (is_extension(h->proto)) {
        const uint8_t *start = reader_bytes(r, 8); /* each has at least that */
        if (!start)
            return false;
        bool is_later_fragment = h->proto == PROTO_FRAGMENT && (wire_u16(start + 2) >> 3) != 0;
        size_t more = h->proto == PROTO_FRAGMENT         ? 0
                      : h->proto == PROTO_AUTHENTICATION ? (size_t)start[1] * 4
                                                         : (size_t)start[1] * 8;
        uint8_t proto = h->proto;
        h->proto = start[0];
        size_t there = more < reader_left(r) ? more : reader_left(r);
        if (proto == PROTO_ROUTING)
            set_segments(start, r->pos, there, h);
        if (is_later_fragment || !reader_bytes(r, more))
            return false;
    }
    return true;
}

/* Reads an IP header of the version that its first four bits name; below MPLS nothing else names
 * it. */
static bool parse_ip(struct reader *r, struct packet_header *h)
{
    if (reader_left(r) == 0)
        return false;
    if (*r->pos >> 4 == 4)
        return parse_ipv4(r, h);
    return *r->pos >> 4 == 6 && parse_ipv6(r, h);
}

static bool is_tag(uint16_t etype)
{
    return etype == ETYPE_VLAN || etype == ETYPE_SERVICE_VLAN || etype == ETYPE_OLD_SERVICE_VLAN;
}

static bool parse_labels(struct reader *r, struct packet_header *h)
{
    uint32_t entry;
    do {
        entry = reader_u32(r);
        if (r->failed)
            return false;
        if (h->label_count < PACKET_HEADER_LABELS)
            h->labels[h->label_count++] = entry >> 12;
    } while (!(entry & 0x100)); /* bottom of stack */
    return true;
}

/* Skips version, type, code, session and length (RFC 2516 section 4), then PPP's protocol (RFC
 * 1661). */
static bool parse_pppoe(struct reader *r)
{
    const uint8_t *start = reader_bytes(r, 8);

    return start && start[1] == 0 &&
           (wire_u16(start + 6) == PPP_IPV4 || wire_u16(start + 6) == PPP_IPV6);
}

static bool parse_ethernet(struct reader *r, struct packet_header *h)
{
    const uint8_t *macs = reader_bytes(r, 12);

    if (!macs)
        return false;
    memcpy(h->dst_mac.bytes, macs, 6);
    memcpy(h->src_mac.bytes, macs + 6, 6);
    h->has_mac = true;
    h->etype = reader_u16(r);
    for (int tags = 0; is_tag(h->etype); tags++) {
        uint16_t control = reader_u16(r);
        uint16_t etype = reader_u16(r);
        if (r->failed)
            return false;
        if (tags == 0) {
            h->vlan = control & 0x0fff;
            h->cos = (uint8_t)(control >> 13);
        } else if (tags == 1) {
            h->customer_vlan = control & 0x0fff;
        }
        h->etype = etype;
    }
    return true;
}

/* Reads what stands between the Ethernet header and the IP header. False: no IP follows. */
static bool parse_payload(struct reader *r, struct packet_header *h)
{
    if (h->etype == ETYPE_IPV4 || h->etype == ETYPE_IPV6)
        return true;
    if (h->etype == ETYPE_MPLS || h->etype == ETYPE_MPLS_MULTICAST)
        return parse_labels(r, h);
    return h->etype == ETYPE_PPPOE_SESSION && parse_pppoe(r);
}

void packet_header_parse(enum packet_start start, const uint8_t *data, size_t len,
                         struct packet_header *ret_header)
{
    struct packet_header *h = ret_header;
    struct reader r = reader_make(data, len);

    memset(h, 0, offsetof(struct packet_header, labels));
    if (start == PACKET_MPLS)
        h->etype = ETYPE_MPLS; /* until it is known what is below */
    if (start == PACKET_ETHERNET && !parse_ethernet(&r, h))
        return;
    bool has_payload = start == PACKET_IP || parse_payload(&r, h);
    bool has_transport = has_payload && parse_ip(&r, h);
    if (start != PACKET_ETHERNET || (h->label_count > 0 && h->has_ip))
        h->etype = h->ip_version == 4 ? ETYPE_IPV4 : h->ip_version == 6 ? ETYPE_IPV6 : 0;
    if (has_transport)
        parse_transport(&r, h);
}
