/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a link layer's frame to a UDP payload: IEEE 802.1Q, RFC 791, RFC 8200, RFC 768. */
#include "input/frame.h"
#include "base/reader.h"
#include "input/fragments.h"
#include <netinet/in.h>
#include <pcap/pcap.h>

enum { ETHERTYPE_IPV4 = 0x0800, ETHERTYPE_IPV6 = 0x86dd, TAGS_MAX = 8, EXTENSION_HEADERS_MAX = 16 };
enum { IPV4_MORE_FRAGMENTS = 0x2000, IPV4_OFFSET_MASK = 0x1fff, UDP_HEADER_LEN = 8 };

bool frame_link_type_is_known(int link_type)
{
    switch (link_type) {
    case DLT_EN10MB:
    case DLT_LINUX_SLL:
    case DLT_LINUX_SLL2:
    case DLT_RAW:
    case DLT_IPV4:
    case DLT_IPV6:
    case DLT_NULL:
    case DLT_LOOP:
        return true;
    default:
        return false;
    }
}

static bool is_vlan_tag(uint16_t type)
{
    return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

/* Leaves `r` at the network header and returns its Ethernet type; 0: not IP. */
static uint16_t network_type(int link_type, struct reader *r)
{
    uint16_t type = 0;

    switch (link_type) {
    case DLT_EN10MB:
        reader_bytes(r, 12);
        type = reader_u16(r);
        break;
    case DLT_LINUX_SLL:
        reader_bytes(r, 14);
        type = reader_u16(r);
        break;
    case DLT_LINUX_SLL2:
        type = reader_u16(r);
        reader_bytes(r, 18);
        break;
    case DLT_NULL:
    case DLT_LOOP: /* an address family whose number differs between systems: the version nibble is
                      surer */
        reader_bytes(r, 4);
        break;
    default:
        break;
    }
    for (int i = 0; i < TAGS_MAX && is_vlan_tag(type); i++) {
        reader_u16(r);
        type = reader_u16(r);
    }
    if (type == 0 && reader_left(r) > 0)
        type = *r->pos >> 4 == 4 ? ETHERTYPE_IPV4 : *r->pos >> 4 == 6 ? ETHERTYPE_IPV6 : 0;
    return r->failed ? 0 : type;
}

static enum frame_result parse_udp(const uint8_t *data, size_t len, struct frame_udp *udp)
{
    struct reader r = reader_make(data, len);
    uint16_t udp_len;

    udp->source_port = reader_u16(&r);
    udp->destination_port = reader_u16(&r);
    udp_len = reader_u16(&r);
    reader_u16(&r); /* checksum: often wrong in captures, where the card computes it */
    if (r.failed || udp_len < UDP_HEADER_LEN)
        return FRAME_BROKEN;
    udp->payload = r.pos;
    udp->payload_len = (uint32_t)reader_left(&r);
    if (udp->payload_len + UDP_HEADER_LEN > udp_len)
        udp->payload_len = udp_len - (uint32_t)UDP_HEADER_LEN; /* Ethernet pads short frames */
    return FRAME_UDP;
}

static enum frame_result parse_fragment(const struct fragment *piece, struct fragments *fragments,
                                        struct frame_udp *udp)
{
    const uint8_t *whole;
    uint32_t whole_len;

    if (!fragments || !fragments_add(fragments, piece, &whole, &whole_len))
        return FRAME_FRAGMENT;
    return parse_udp(whole, whole_len, udp);
}

static enum frame_result parse_ipv4(struct reader *r, int64_t time_ns, struct fragments *fragments,
                                    struct frame_udp *udp)
{
    uint8_t header_len = (uint8_t)((reader_u8(r) & 0x0f) * 4);
    uint16_t total_len, id, offset;
    const uint8_t *source, *destination;
    uint8_t protocol;

    reader_u8(r);
    total_len = reader_u16(r);
    id = reader_u16(r);
    offset = reader_u16(r);
    reader_u8(r);
    protocol = reader_u8(r);
    reader_u16(r);
    source = reader_bytes(r, 4);
    destination = reader_bytes(r, 4);
    if (r->failed || header_len < 20 || (total_len != 0 && total_len < header_len))
        return FRAME_BROKEN;
    reader_bytes(r, header_len - 20U);
    if (r->failed)
        return FRAME_BROKEN;
    if (protocol != IPPROTO_UDP)
        return FRAME_OTHER;
    udp->source = ip_addr_v4(source);
    udp->destination = ip_addr_v4(destination);
    size_t len = reader_left(r);
    if (total_len != 0 && len > (size_t)total_len - header_len) /* 0: segmentation offload */
        len = (size_t)total_len - header_len;
    if ((offset & (IPV4_MORE_FRAGMENTS | IPV4_OFFSET_MASK)) == 0)
        return parse_udp(r->pos, len, udp);
    struct fragment piece = {.source = udp->source,
                             .destination = udp->destination,
                             .id = id,
                             .offset = (offset & IPV4_OFFSET_MASK) * 8U,
                             .is_last = !(offset & IPV4_MORE_FRAGMENTS),
                             .data = r->pos,
                             .len = (uint32_t)len,
                             .time_ns = time_ns};
    return parse_fragment(&piece, fragments, udp);
}

static enum frame_result parse_ipv6(struct reader *r, int64_t time_ns, struct fragments *fragments,
                                    struct frame_udp *udp)
{
    struct fragment piece = {.time_ns = time_ns};
    bool is_fragment = false;
    uint16_t payload_len;
    uint8_t next;

    reader_u32(r);
    payload_len = reader_u16(r);
    next = reader_u8(r);
    reader_u8(r);
    const uint8_t *source = reader_bytes(r, 16);
    const uint8_t *destination = reader_bytes(r, 16);
    if (r->failed)
        return FRAME_BROKEN;
    udp->source = ip_addr_v6(source);
    udp->destination = ip_addr_v6(destination);
    if (payload_len != 0 && reader_left(r) > payload_len)
        *r = reader_part(r, payload_len);
    for (int i = 0; i < EXTENSION_HEADERS_MAX && next != IPPROTO_UDP; i++) {
        if (next == IPPROTO_FRAGMENT) {
            next = reader_u8(r);
            reader_u8(r);
            uint16_t offset = reader_u16(r);
            piece.id = reader_u32(r);
            piece.offset = offset & 0xfff8U;
            piece.is_last = !(offset & 1);
            is_fragment = piece.offset != 0 || !piece.is_last; /* else atomic: RFC 6946 */
            if (is_fragment)
                break;
        } else if (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS) {
            next = reader_u8(r);
            reader_bytes(r, 6U + 8U * reader_u8(r));
        } else {
            return FRAME_OTHER;
        }
    }
    if (r->failed)
        return FRAME_BROKEN;
    if (next != IPPROTO_UDP)
        return FRAME_OTHER;
    if (!is_fragment)
        return parse_udp(r->pos, reader_left(r), udp);
    piece.source = udp->source;
    piece.destination = udp->destination;
    piece.data = r->pos;
    piece.len = (uint32_t)reader_left(r);
    return parse_fragment(&piece, fragments, udp);
}

enum frame_result frame_parse(int link_type, const uint8_t *data, size_t len, int64_t time_ns,
                              struct fragments *fragments, struct frame_udp *ret_udp)
{
    struct reader r = reader_make(data, len);
    uint16_t type = network_type(link_type, &r);

    if (r.failed)
        return FRAME_BROKEN;
    if (type == ETHERTYPE_IPV4)
        return parse_ipv4(&r, time_ns, fragments, ret_udp);
    if (type == ETHERTYPE_IPV6)
        return parse_ipv6(&r, time_ns, fragments, ret_udp);
    return FRAME_OTHER;
}
