/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decodes the records of a flow sample (sFlow version 5; RFC 3176), each straight into the flow. A
 * record that contradicts its own length is counted and leaves the flow as it was; the next one may
 * be good. Where two tell the same, the packet's own header is believed, whatever their order; but
 * of a header's length and that of an IPv4 or IPv6 record the last one counts.
 */
#include "sfacctd/flow_record.h"
#include "sfacctd/gateway.h"

#include "flow/packet_tunnel.h"
#include <string.h>

enum header_protocol { HEADER_ETHERNET = 1, HEADER_IPV4 = 11, HEADER_IPV6 = 12, HEADER_MPLS = 13 };

/* ---- the packet ---- */

struct flow_bytes flow_sample_copy(struct flow_sample *sample, const void *data, size_t len)
{
    uint8_t *place = len > 0 ? arena_take(&sample->decoder->arena, len) : NULL;

    if (!place)
        return (struct flow_bytes){0};
    memcpy(place, data, len);
    return (struct flow_bytes){.data = place, .len = (uint32_t)len};
}

/* Sets the needed members of one part. `part` is constant where this is called, so that only the
 * rows of that part are left of the table. */
HOT_INLINE void set_part(struct flow_sample *sample, const struct packet *p, enum header_part part)
{
    const struct packet_header *h = p->plain;

    if (!sample->decoder->needs_part[part])
        return;
#define HEADER_MEMBER(row_part, member, is_told, value)                                            \
    if (part == HEADER_PART_##row_part && WANTS(sample, member) && (is_told))                      \
        sample->flow->member = value;
#define HEADER_ADDR(row_part, member, which)                                                       \
    if (part == HEADER_PART_##row_part && WANTS(sample, member))                                   \
        ip_addr_put(&sample->flow->member, h->ip_version, h->which);
#define HEADER_BYTES(row_part, member, is_told, data, len)                                         \
    if (part == HEADER_PART_##row_part && WANTS(sample, member) && (is_told))                      \
        sample->flow->member = flow_sample_copy(sample, data, len);
#include "flow/header_members.def"
}

uint32_t flow_sample_set_packet(struct flow_sample *sample, uint32_t protocol,
                                const uint8_t *header, uint32_t header_len)
{
    struct sflow_decoder *decoder = sample->decoder;
    enum packet_start start;
    struct packet packet;

    if (protocol == HEADER_ETHERNET)
        start = PACKET_ETHERNET;
    else if (protocol == HEADER_IPV4 || protocol == HEADER_IPV6)
        start = PACKET_IP;
    else if (protocol == HEADER_MPLS)
        start = PACKET_MPLS;
    else
        return 0;
    packet_parse(start, header, header_len, decoder->wants_tunnel, decoder->tunnel_view, &packet);
    set_part(sample, &packet, HEADER_PART_ADDRESSES);
    set_part(sample, &packet, HEADER_PART_TRANSPORT);
    set_part(sample, &packet, HEADER_PART_LINK);
    set_part(sample, &packet, HEADER_PART_STACKS);
    if (decoder->wants_tunnel)
        packet_set_tunnel(&packet, &decoder->needs, sample->flow);
    sample->has_tunnel = packet.tunnel != NULL;
    sample->header_vlan = packet.plain->vlan;
    if (packet.plain->label_count > 0)
        sample->has_labels = true;
    return packet.outer.ip_len;
}

void record_header(struct flow_sample *sample, struct reader *r)
{
    flow_record_header(sample, r, sample->msg->version);
}

void record_ethernet(struct flow_sample *sample, struct reader *r)
{
    uint32_t frame_len = reader_u32(r);
    const uint8_t *src = reader_bytes(r, 8); /* six bytes of address, two of padding */
    const uint8_t *dst = reader_bytes(r, 8);
    uint32_t etype = reader_u32(r);

    if (r->failed || sample->has_header)
        return;
    sample->flow->bytes = frame_len; /* above the IP records', which lack the frame */
    sample->has_packet = true;
    if (WANTS(sample, src_mac))
        memcpy(sample->flow->src_mac.bytes, src, 6);
    if (WANTS(sample, dst_mac))
        memcpy(sample->flow->dst_mac.bytes, dst, 6);
    SET(sample, etype, (uint16_t)etype);
}

static void decode_ip(struct flow_sample *sample, struct reader *r, uint8_t version)
{
    size_t addr_len = version == 4 ? 4 : 16;
    uint32_t len = reader_u32(r);
    uint32_t proto = reader_u32(r);
    const uint8_t *src = reader_bytes(r, addr_len);
    const uint8_t *dst = reader_bytes(r, addr_len);
    uint32_t src_port = reader_u32(r);
    uint32_t dst_port = reader_u32(r);
    uint32_t tcp_flags = reader_u32(r);
    uint32_t tos = reader_u32(r);

    if (r->failed)
        return;
    if (sample->has_header) {
        if (len > 0) /* the one that comes last counts, as in pmacct */
            sample->flow->bytes = len;
        return;
    }
    if (sample->flow->bytes == 0)
        sample->flow->bytes = len;
    sample->has_packet = true;
    SET(sample, src_addr, version == 4 ? ip_addr_v4(src) : ip_addr_v6(src));
    SET(sample, dst_addr, version == 4 ? ip_addr_v4(dst) : ip_addr_v6(dst));
    SET(sample, src_port, (uint16_t)src_port);
    SET(sample, dst_port, (uint16_t)dst_port);
    SET(sample, proto, (uint8_t)proto);
    SET(sample, tos, (uint8_t)tos);
    SET(sample, tcp_flags, (uint16_t)tcp_flags);
    SET(sample, ip_version, version);
    if (WANTS(sample, etype) && sample->flow->etype == 0)
        sample->flow->etype = version == 4 ? 0x0800 : 0x86dd;
}

void record_ipv4(struct flow_sample *sample, struct reader *r)
{
    decode_ip(sample, r, 4);
}

void record_ipv6(struct flow_sample *sample, struct reader *r)
{
    decode_ip(sample, r, 6);
}

/* ---- how it was forwarded ---- */

void record_switch(struct flow_sample *sample, struct reader *r)
{
    flow_record_switch(sample, r);
}

void record_router(struct flow_sample *sample, struct reader *r)
{
    flow_record_router(sample, r);
}

void record_gateway(struct flow_sample *sample, struct reader *r)
{
    gateway_decode(sample, r, sample->msg->version);
}
