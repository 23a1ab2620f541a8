/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens the tunnels: RFC 2784 and 2890 (GRE), 7637 (NVGRE), 7348 (VXLAN),
 * draft-ietf-nvo3-vxlan-gpe, RFC 8926 (Geneve), 3GPP TS 29.281 (GTP-U), RFC 2003, 2473 and 4213 (IP
 * in IP), RFC 4023 and 7510 (MPLS in IP, over UDP), RFC 8986 (SRv6: Ethernet is protocol 143),
 * draft-foschiano-erspan.
 */
#include "flow/packet_tunnel.h"

#include "base/reader.h"
#include "flow/header_members.h"

enum {
    PROTO_IPV4 = 4,
    PROTO_UDP = 17,
    PROTO_IPV6 = 41,
    PROTO_GRE = 47,
    PROTO_MPLS = 137,
    PROTO_ETHERNET = 143,
    PORT_GTP_U = 2152,
    PORT_VXLAN = 4789,
    PORT_VXLAN_GPE = 4790,
    PORT_GENEVE = 6081,
    PORT_MPLS = 6635,
    PORT_VXLAN_LINUX = 8472, /* Linux's default, older than the assigned one */
    ETYPE_IPV4 = 0x0800,
    ETYPE_IPV6 = 0x86dd,
    ETYPE_ETHERNET = 0x6558, /* transparent Ethernet bridging */
    ETYPE_MPLS = 0x8847,
    ETYPE_MPLS_MULTICAST = 0x8848,
    ETYPE_ERSPAN = 0x88be, /* types I and II */
    ETYPE_ERSPAN_3 = 0x22eb,
};

/* A tunnel's header tells how its payload begins; the reader then stands at that payload. */
struct inside {
    bool is_known;
    enum packet_start start;
};

static const struct inside nothing;

static struct inside inside_is(enum packet_start start)
{
    return (struct inside){true, start};
}

static struct inside inside_of_etype(uint16_t etype)
{
    switch (etype) {
    case ETYPE_IPV4:
    case ETYPE_IPV6:
        return inside_is(PACKET_IP);
    case ETYPE_ETHERNET:
        return inside_is(PACKET_ETHERNET);
    case ETYPE_MPLS:
    case ETYPE_MPLS_MULTICAST:
        return inside_is(PACKET_MPLS);
    default:
        return nothing;
    }
}

static struct inside open_erspan_3(struct reader *r)
{
    const uint8_t *header = reader_bytes(r, 12);

    if (!header)
        return nothing;
    bool has_subheader = header[11] & 0x01;
    bool is_ip = (header[10] >> 2 & 0x1f) == 2; /* frame type */
    if (has_subheader)
        reader_bytes(r, 8);
    return inside_is(is_ip ? PACKET_IP : PACKET_ETHERNET);
}

static struct inside open_gre(struct reader *r, struct packet *p)
{
    uint16_t flags = reader_u16(r);
    uint16_t protocol = reader_u16(r);
    bool has_sequence = flags & 0x1000;

    if (flags & 0x4007) /* source routes (RFC 1701) or another version: PPTP */
        return nothing;
    if (flags & 0x8000)
        reader_u32(r); /* checksum */
    if (flags & 0x2000) {
        uint32_t key = reader_u32(r);
        if (protocol == ETYPE_ETHERNET)
            p->nvgre = key >> 8;
    }
    if (has_sequence)
        reader_u32(r);
    if (protocol == ETYPE_ERSPAN_3)
        return open_erspan_3(r);
    if (protocol == ETYPE_ERSPAN) {
        if (has_sequence) /* type II; type I has neither that nor a header */
            reader_bytes(r, 8);
        return inside_is(PACKET_ETHERNET);
    }
    return inside_of_etype(protocol);
}

/*
 * Opens VXLAN and VXLAN-GPE. The latter's next protocol counts where a flag says that it is there.
 */
static struct inside open_vxlan(struct reader *r, bool is_gpe, struct packet *p)
{
    const uint8_t *header = reader_bytes(r, 8);
    enum { FLAG_NETWORK = 0x08, FLAG_PROTOCOL = 0x04 };

    if (!header || !(header[0] & FLAG_NETWORK))
        return nothing;
    p->vxlan = wire_u32(header + 4) >> 8;
    if (!is_gpe || !(header[0] & FLAG_PROTOCOL))
        return inside_is(PACKET_ETHERNET);
    switch (header[3]) {
    case 1:
    case 2:
        return inside_is(PACKET_IP);
    case 3:
        return inside_is(PACKET_ETHERNET);
    case 5:
        return inside_is(PACKET_MPLS);
    default: /* 4, a service header (RFC 8300), among them */
        return nothing;
    }
}

static struct inside open_geneve(struct reader *r, struct packet *p)
{
    const uint8_t *header = reader_bytes(r, 8);

    if (!header || header[0] >> 6 != 0)
        return nothing;
    p->vxlan = wire_u32(header + 4) >> 8;
    reader_bytes(r, (size_t)(header[0] & 0x3f) * 4); /* options */
    return inside_of_etype(wire_u16(header + 2));
}

static struct inside open_gtp(struct reader *r)
{
    const uint8_t *header = reader_bytes(r, 8);
    enum { G_PDU = 255, ANY_OPTION = 0x07, EXTENSION = 0x04 };

    if (!header || header[0] >> 5 != 1 || !(header[0] & 0x10) || header[1] != G_PDU)
        return nothing;
    if (header[0] & ANY_OPTION) {
        const uint8_t *options = reader_bytes(r, 4);
        if (!options)
            return nothing;
        uint8_t next = header[0] & EXTENSION ? options[3] : 0;
        /* An extension is `units` times 4 bytes long, with its length and the type of the next. */
        while (next != 0) {
            uint8_t units = reader_u8(r);
            const uint8_t *extension = units > 0 ? reader_bytes(r, (size_t)units * 4 - 1) : NULL;
            if (!extension)
                return nothing;
            next = extension[(size_t)units * 4 - 2];
        }
    }
    return inside_is(PACKET_IP);
}

static struct inside open_udp(struct reader *r, uint16_t port, struct packet *p)
{
    switch (port) {
    case PORT_VXLAN:
    case PORT_VXLAN_LINUX:
        return open_vxlan(r, false, p);
    case PORT_VXLAN_GPE:
        return open_vxlan(r, true, p);
    case PORT_GENEVE:
        return open_geneve(r, p);
    case PORT_GTP_U:
        return open_gtp(r);
    case PORT_MPLS:
        return inside_is(PACKET_MPLS);
    default:
        return nothing;
    }
}

static struct inside open_tunnel(struct reader *r, struct packet *p)
{
    switch (p->outer.proto) {
    case PROTO_IPV4:
    case PROTO_IPV6:
        return inside_is(PACKET_IP);
    case PROTO_GRE:
        return open_gre(r, p);
    case PROTO_MPLS:
        return inside_is(PACKET_MPLS);
    case PROTO_ETHERNET:
        return inside_is(PACKET_ETHERNET);
    case PROTO_UDP:
        return open_udp(r, p->outer.dst_port, p);
    default:
        return nothing;
    }
}

void packet_parse(enum packet_start start, const uint8_t *data, size_t len, bool wants_tunnel,
                  enum tunnel_view view, struct packet *ret_packet)
{
    struct packet *p = ret_packet;

    packet_header_parse(start, data, len, &p->outer);
    p->plain = &p->outer;
    p->tunnel = NULL;
    p->vxlan = p->nvgre = 0;
    if (!wants_tunnel || p->outer.payload_len == 0)
        return;
    struct reader r = reader_make(p->outer.payload, p->outer.payload_len);
    struct inside inside = open_tunnel(&r, p);
    if (!inside.is_known || r.failed || reader_left(&r) == 0)
        return;
    packet_header_parse(inside.start, r.pos, reader_left(&r), &p->inner);
    if (!p->inner.has_mac && !p->inner.has_ip)
        return; /* cut off too early to tell anything */
    p->plain = view == TUNNEL_VIEW_INNER ? &p->inner : &p->outer;
    p->tunnel = view == TUNNEL_VIEW_INNER ? &p->outer : &p->inner;
}

/* ---- into a flow ---- */

bool packet_wants_tunnel(const struct flow_needs *needs, enum tunnel_view view)
{
    return view == TUNNEL_VIEW_INNER || header_part_is_needed(needs, HEADER_PART_TUNNEL);
}

void packet_set_tunnel(const struct packet *packet, const struct flow_needs *needs,
                       struct flow *flow)
{
    static const struct packet_header none;
    const struct packet *p = packet;
    const struct packet_header *h = p->tunnel ? p->tunnel : &none;

#define IS_WANTED(part, member)                                                                    \
    (HEADER_PART_##part == HEADER_PART_TUNNEL && flow_needs_has(needs, FLOW_##member))
#define HEADER_MEMBER(part, member, is_told, value)                                                \
    if (IS_WANTED(part, member))                                                                   \
        flow->member = value;
#define HEADER_ADDR(part, member, which)                                                           \
    if (IS_WANTED(part, member))                                                                   \
        ip_addr_put(&flow->member, h->ip_version, h->which);
#include "flow/header_members.def"
#undef IS_WANTED
}
