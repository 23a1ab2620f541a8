/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rarer steps of turning a flow sample into a flow: emptying a full batch, clearing unusual
 * members, and joining what several records tell. */
#include "sfacctd/flow_sample.h"

#include "base/memory.h"

void flow_sample_make_room(struct sflow_decoder *decoder, size_t need)
{
    decoder->batch->full(decoder->batch);
    decoder->arena.used = 0;
    if (decoder->arena.size < need) {
        mem_free(decoder->arena.data);
        decoder->arena.data = mem_alloc(need);
        decoder->arena.size = need;
    }
}

void flow_sample_clear_tail(const struct sflow_decoder *decoder, struct flow *flow)
{
    /* Clears words rather than calling memset(), as ranges are short and calls are not. The stores
     * are volatile because a compiler would make memset() of such a loop. */
    for (uint32_t i = 0; i < decoder->clear_count; i++) {
        volatile uint64_t *word =
            (volatile uint64_t *)(void *)((uint8_t *)flow + decoder->clears[i].offset);
        for (uint32_t left = decoder->clears[i].word_count; left > 0; left--)
            *word++ = 0;
    }
    if (decoder->batch->stride > sizeof *flow)
        memset((uint8_t *)flow + sizeof *flow, 0, decoder->batch->stride - sizeof *flow);
}

/* Sets the VLANs. What the switch says counts before what the header still holds, as in pmacct. */
static void set_vlans(struct flow_sample *sample)
{
    uint16_t outer = sample->stripped_vlan ? sample->stripped_vlan : sample->header_vlan;
    uint16_t in = sample->has_switch ? sample->switch_in_vlan : outer;

    SET(sample, in_vlan, in);
    SET(sample, out_vlan, sample->switch_out_vlan);
    SET(sample, vlan, in ? in : sample->switch_out_vlan ? sample->switch_out_vlan : outer);
    if (sample->stripped_vlan && WANTS(sample, in_cvlan))
        sample->flow->in_cvlan = sample->header_vlan;
}

/* Sets the members of the header around the packet, which agents that sample behind the tunnel's
 * end tell in a record. If the plain primitives mean the inner headers, these are the tunnel's. */
static void set_outer(struct flow_sample *sample)
{
    bool is_v4 = sample->outer_version == 4;
    const uint8_t *addrs = sample->outer + 8, *rest = addrs + (is_v4 ? 8 : 32);
    struct ip_addr src = is_v4 ? ip_addr_v4(addrs) : ip_addr_v6(addrs);
    struct ip_addr dst = is_v4 ? ip_addr_v4(addrs + 4) : ip_addr_v6(addrs + 16);

    SET(sample, encap_src_addr, src);
    SET(sample, encap_dst_addr, dst);
    if (sample->has_tunnel || sample->decoder->tunnel_view != TUNNEL_VIEW_INNER)
        return;
    SET(sample, tunnel_src_addr, src);
    SET(sample, tunnel_dst_addr, dst);
    SET(sample, tunnel_proto, (uint8_t)wire_u32(sample->outer + 4));
    SET(sample, tunnel_src_port, (uint16_t)wire_u32(rest));
    SET(sample, tunnel_dst_port, (uint16_t)wire_u32(rest + 4));
    SET(sample, tunnel_tcp_flags, (uint16_t)wire_u32(rest + 8));
    SET(sample, tunnel_tos, (uint8_t)wire_u32(rest + 12));
}

void flow_sample_combine(struct flow_sample *sample)
{
    if (sample->decoder->needs_vlans)
        set_vlans(sample);
    /* The switch's priority goes with its VLAN. */
    if (sample->switch_cos != 0)
        SET(sample, cos, sample->switch_cos);
    if (sample->outer)
        set_outer(sample);
    if (sample->vni != 0 && WANTS(sample, vxlan) && sample->flow->vxlan == 0)
        sample->flow->vxlan = sample->vni;
}
