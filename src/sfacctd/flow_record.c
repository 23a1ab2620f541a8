/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The records of a flow sample, each written straight into the flow. A record that contradicts its
 * own length is counted and leaves the flow as it was; the next one may be good. Record order does
 * not matter: where two tell the same, the packet's own header is believed.
 */
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

static void decode_packet(struct flow_sample *sample, uint32_t protocol, const uint8_t *header,
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

HOT_INLINE void decode_header(struct flow_sample *sample, struct reader *r, uint8_t version)
{
    bool has_stripped = version == 5; /* octets before the header: in frame_len */
    const uint8_t *fixed = reader_bytes(r, has_stripped ? 16 : 12);

    if (!fixed)
        return;
    uint32_t header_len = wire_u32(fixed + (has_stripped ? 12 : 8));
    const uint8_t *header = reader_bytes(r, header_len);
    if (version != 5)
        sflow_skip_padding(r, header_len);
    if (!header || sample->has_header)
        return;
    sample->has_header = sample->has_packet = true;
    sample->flow->bytes = wire_u32(fixed + 4);
    if (sample->collector->needs_header)
        decode_packet(sample, wire_u32(fixed), header, header_len);
}

void record_header(struct flow_sample *sample, struct reader *r)
{
    decode_header(sample, r, sample->msg->version);
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

HOT_INLINE void decode_switch(struct flow_sample *sample, struct reader *r)
{
    const uint8_t *p = reader_bytes(r, 16);

    if (!p)
        return;
    uint32_t in_vlan = wire_u32(p), in_priority = wire_u32(p + 4), out_vlan = wire_u32(p + 8);
    /* 4095 and above stand for none known. */
    sample->switch_in_vlan = in_vlan < 4095 ? (uint16_t)in_vlan : 0;
    sample->switch_out_vlan = out_vlan < 4095 ? (uint16_t)out_vlan : 0;
    sample->has_switch = true;
    if (WANTS(sample, cos) && sample->flow->cos == 0 && in_priority < 8)
        sample->flow->cos = (uint8_t)in_priority;
}

void record_switch(struct flow_sample *sample, struct reader *r)
{
    decode_switch(sample, r);
}

HOT_INLINE void decode_router(struct flow_sample *sample, struct reader *r)
{
    struct wire_addr next_hop = sflow_read_addr(r);
    const uint8_t *masks = reader_bytes(r, 8);
    struct flow *flow = sample->flow;

    if (!masks)
        return;
    uint32_t src_mask = wire_u32(masks), dst_mask = wire_u32(masks + 4);
    SET(sample, src_mask, (uint8_t)(src_mask <= 128 ? src_mask : 0));
    SET(sample, dst_mask, (uint8_t)(dst_mask <= 128 ? dst_mask : 0));
    if (WANTS(sample, ip_next_hop))
        wire_addr_put(&next_hop, &flow->ip_next_hop);
    if (next_hop.family == IP_V4 && !sample->collector->settings->use_ip_next_hop)
        return;
    if (WANTS(sample, bgp_next_hop) && !sample->has_next_hop) {
        wire_addr_put(&next_hop, &flow->bgp_next_hop);
        sample->has_next_hop = !wire_addr_is_zero(&next_hop);
    }
}

void record_router(struct flow_sample *sample, struct reader *r)
{
    decode_router(sample, r);
}

void record_gateway(struct flow_sample *sample, struct reader *r)
{
    gateway_decode(sample, r, sample->msg->version);
}

/* ---- those of a sample of version 5, each named by enterprise << 12 | format ---- */

enum format {
#define FLOW_RECORD(enterprise, number, name, function, help)                                      \
    FORMAT_##name = (enterprise) << 12 | (number),
#define FLOW_SKIPPED(...)
#define COUNTER_RECORD(...)
#define COUNTER_SKIPPED(...)
#include "sfacctd/structures.def"
#undef FLOW_RECORD
#undef FLOW_SKIPPED
#undef COUNTER_RECORD
#undef COUNTER_SKIPPED
};

/* Returns whether the record fits its length. Apart, so that no reader of the loop has an address.
 */
__attribute__((noinline)) static bool decode_any(struct flow_sample *sample, uint32_t format,
                                                 struct reader r)
{
    struct exporter *exporter = sample->msg->exporter;

    switch (format) {
#define FLOW_RECORD(enterprise, number, name, function, help)                                      \
    case (uint32_t)(enterprise) << 12 | (number):                                                  \
        function(sample, &r);                                                                      \
        break;
#define FLOW_SKIPPED(enterprise, number, name, why)                                                \
    case (uint32_t)(enterprise) << 12 | (number):                                                  \
        counter_add(&exporter->counters.skipped_records, 1);                                       \
        break;
#define COUNTER_RECORD(...)
#define COUNTER_SKIPPED(...)
#include "sfacctd/structures.def"
#undef FLOW_RECORD
#undef FLOW_SKIPPED
#undef COUNTER_RECORD
#undef COUNTER_SKIPPED
    default:
        counter_add(&exporter->counters.unknown_records, 1);
        break;
    }
    return !r.failed;
}

/* First those that routers and switches put into nearly every sample. */
HOT_INLINE bool decode_record(struct flow_sample *sample, uint32_t format, struct reader r)
{
    if (format == FORMAT_sampled_header)
        decode_header(sample, &r, 5);
    else if (format == FORMAT_extended_router)
        decode_router(sample, &r);
    else if (format == FORMAT_extended_gateway)
        gateway_decode(sample, &r, 5);
    else if (format == FORMAT_extended_switch)
        decode_switch(sample, &r);
    else
        return decode_any(sample, format, r);
    return !r.failed;
}

void flow_records_decode(struct flow_sample *sample, const struct reader *r, uint32_t count)
{
    struct reader left = *r;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t format, len;
        struct reader record;
        if (!sflow_read_structure(&left, &format, &len, &record)) {
            exporter_drop(sample->msg->exporter, DROP_bad_sample,
                          "record %u of %u: %u bytes, beyond the sample's end", i + 1, count, len);
            return;
        }
        if (!decode_record(sample, format, record))
            exporter_drop(sample->msg->exporter, DROP_bad_flow_record, "enterprise %u format %u",
                          format >> 12, format & 0xfff);
    }
}
