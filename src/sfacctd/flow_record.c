/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records of a flow sample, each written straight into the flow. A record that contradicts its
 * own length is counted and leaves the flow as it was; the next one may be good. Record order does
 * not matter: where two tell the same, the packet's own header is believed.
 */
#include "sfacctd/flow_record.h"
#include "sfacctd/gateway.h"

#include "flow/packet_tunnel.h"
#include <string.h>

enum header_protocol { HEADER_ETHERNET = 1, HEADER_IPV4 = 11, HEADER_IPV6 = 12, HEADER_MPLS = 13 };

/* ---- the packet ---- */

struct flow_bytes flow_sample_copy(struct flow_sample *sample, const void *data, size_t len)
{
    uint8_t *place = len > 0 ? arena_take(&sample->collector->arena, len) : NULL;

    if (!place)
        return (struct flow_bytes){0};
    memcpy(place, data, len);
    return (struct flow_bytes){.data = place, .len = (uint32_t)len};
}

void flow_sample_set_labels(struct flow_sample *sample, const uint32_t *labels, uint32_t count)
{
    if (count == 0)
        return;
    sample->has_labels = true;
    SET(sample, mpls_label_top, labels[0]);
    SET(sample, mpls_label_bottom, labels[count - 1]);
    SET(sample, mpls_labels, flow_sample_copy(sample, labels, count * sizeof *labels));
}

static void set_link(struct flow_sample *sample, const struct packet_header *h)
{
    if (h->has_mac) {
        SET(sample, etype, h->etype);
        SET(sample, src_mac, h->src_mac);
        SET(sample, dst_mac, h->dst_mac);
    }
    if (h->vlan != 0)
        SET(sample, cos, h->cos);
    SET(sample, in_cvlan, h->customer_vlan);
}

static void set_transport(struct flow_sample *sample, const struct packet_header *h)
{
    if (h->has_ports) { /* not ICMP's type and code, as in pmacct */
        SET(sample, src_port, h->src_port);
        SET(sample, dst_port, h->dst_port);
    }
    SET(sample, proto, h->proto);
    SET(sample, tos, h->tos);
    SET(sample, tcp_flags, h->tcp_flags);
    SET(sample, ip_version, h->ip_version);
    SET(sample, flow_label, h->flow_label);
}

/* What nobody needs a member of is passed over at once. */
static void set_packet(struct flow_sample *sample, const struct packet_header *h)
{
    const struct collector *collector = sample->collector;

    if (collector->needs_addresses) {
        if (WANTS(sample, src_addr))
            ip_addr_put(&sample->flow->src_addr, h->ip_version, h->src);
        if (WANTS(sample, dst_addr))
            ip_addr_put(&sample->flow->dst_addr, h->ip_version, h->dst);
    }
    if (collector->needs_transport)
        set_transport(sample, h);
    if (collector->needs_link)
        set_link(sample, h);
    sample->header_vlan = h->vlan;
    flow_sample_set_labels(sample, h->labels, h->label_count);
}

void flow_sample_set_packet(struct flow_sample *sample, uint32_t protocol, const uint8_t *header,
                            uint32_t header_len)
{
    struct collector *collector = sample->collector;
    enum packet_start start;
    struct packet packet;

    if (protocol == HEADER_ETHERNET)
        start = PACKET_ETHERNET;
    else if (protocol == HEADER_IPV4 || protocol == HEADER_IPV6)
        start = PACKET_IP;
    else if (protocol == HEADER_MPLS)
        start = PACKET_MPLS;
    else
        return;
    packet_parse(start, header, header_len, collector->wants_tunnel, collector->tunnel_view,
                 &packet);
    sample->has_tunnel = packet.tunnel != NULL;
    set_packet(sample, packet.plain);
    if (packet.outer.segment_count > 0)
        SET(sample, srv6_segments,
            flow_sample_copy(sample, packet.outer.segments, packet.outer.segment_count * 16u));
    if (collector->wants_tunnel)
        packet_set_tunnel(&packet, &collector->needs, sample->flow);
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

    if (r->failed || sample->has_header)
        return;
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
