/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The records that switches and routers put into nearly every sample; gateway.h has the third of
 * them. They stand in a header so that the loop over records keeps its reader in registers. */
#include "sfacctd/sflow_decoder.h"

/* Takes what is needed of a packet's first bytes; `protocol` says which header they begin with.
 * Returns the length that the IP header states; 0: there is none. */
uint32_t flow_sample_set_packet(struct flow_sample *sample, uint32_t protocol,
                                const uint8_t *header, uint32_t header_len);

/* Returns whether a frame is said to be no longer than what was seen of it: perhaps the agent does
 * not know how long it was. */
HOT_INLINE bool flow_record_is_whole(const uint8_t *fixed, uint32_t header_len, bool has_stripped)
{
    return wire_u32(fixed + 4) <= (uint64_t)header_len + (has_stripped ? wire_u32(fixed + 8) : 0);
}

/* The functions below decode a record as those of structures.def do, but are told the datagram's
 * version as a constant. */
HOT_INLINE void flow_record_header(struct flow_sample *sample, struct reader *r, uint8_t version)
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
    if (!sample->decoder->needs_header && !flow_record_is_whole(fixed, header_len, has_stripped))
        return;
    uint32_t ip_len = flow_sample_set_packet(sample, wire_u32(fixed), header, header_len);
    if (ip_len > sample->flow->bytes && flow_record_is_whole(fixed, header_len, has_stripped))
        sample->flow->bytes = ip_len;
}

HOT_INLINE void flow_record_switch(struct flow_sample *sample, struct reader *r)
{
    const uint8_t *p = reader_bytes(r, 16);

    if (!p)
        return;
    uint32_t in_vlan = wire_u32(p), out_vlan = wire_u32(p + 8);
    uint32_t in_priority = wire_u32(p + 4), out_priority = wire_u32(p + 12);
    /* The numbers from 4095 on mean that no VLAN is known. */
    sample->switch_in_vlan = in_vlan < 4095 ? (uint16_t)in_vlan : 0;
    sample->switch_out_vlan = out_vlan < 4095 ? (uint16_t)out_vlan : 0;
    sample->has_switch = true;
    if (in_priority > 0 && in_priority < 8)
        sample->switch_cos = (uint8_t)in_priority;
    else
        sample->switch_cos = out_priority < 8 ? (uint8_t)out_priority : 0;
}

HOT_INLINE void flow_record_router(struct flow_sample *sample, struct reader *r)
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
    if (next_hop.family == IP_V4 && !sample->decoder->settings->use_ip_next_hop)
        return;
    if (WANTS(sample, bgp_next_hop) && !sample->has_next_hop) {
        wire_addr_put(&next_hop, &flow->bgp_next_hop);
        sample->has_next_hop = !wire_addr_is_zero(&next_hop);
    }
}
