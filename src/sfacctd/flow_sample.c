/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A flow sample becomes a flow: what stands before its records, and what remains to be done after.
 */
#include "sfacctd/collector.h"

#include "base/memory.h"
#include <string.h>

/* Texts are at most three times as long as their wire form: an AS number or a community of four
 * bytes prints as eleven characters and a separator. */
#define TEXT_FACTOR 3
#define TEXT_EXTRA  256 /* separators, and alignment of each text */

static void make_room(struct collector *c, size_t sample_len)
{
    size_t need = sample_len * TEXT_FACTOR + TEXT_EXTRA;

    if (c->batch->count == c->batch->capacity || arena_left(&c->arena) < need) {
        c->batch->full(c->batch);
        c->arena.used = 0;
    }
    if (c->arena.size < need) {
        mem_free(c->arena.data);
        c->arena.data = mem_alloc(need);
        c->arena.size = need;
    }
}

static struct flow *clear_flow(const struct collector *c)
{
    struct flow *flow = flow_batch_at(c->batch, c->batch->count);

    /* Words, not memset(): ranges are short, and a call for each takes longer than they do. As a
     * compiler knows such loops for memset(), their stores are volatile. */
    for (uint32_t i = 0; i < c->clear_count; i++) {
        volatile uint64_t *word =
            (volatile uint64_t *)(void *)((uint8_t *)flow + c->clears[i].offset);
        for (uint32_t left = c->clears[i].word_count; left > 0; left--)
            *word++ = 0;
    }
    if (c->batch->stride > sizeof *flow) /* no custom primitive is known to sFlow */
        memset((uint8_t *)flow + sizeof *flow, 0, c->batch->stride - sizeof *flow);
    return flow;
}

void flow_sample_start(struct flow_sample *sample, struct sflow_message *msg,
                       const struct sample_header *h, size_t len)
{
    struct collector *c = msg->collector;

    make_room(c, len);
    struct flow *flow = clear_flow(c);
    *sample = (struct flow_sample){.msg = msg, .collector = c, .flow = flow};
    flow->exporter = msg->exporter;
    flow->order = msg->order;
    flow->arrival_ns = msg->datagram->received_ns;
    flow->packets = 1;
    flow->flows = 1;
    flow->has_counters = 1;
    flow->has_exported_path = 0;
    flow->bgp_next_hop = (struct ip_addr){0};
    if (WANTS(sample, exporter_addr))
        flow->exporter_addr = msg->agent_addr;
    flow->in_iface = h->input_format == INTERFACE_SINGLE ? h->input : 0;
    flow->out_iface = h->output_format == INTERFACE_SINGLE ? h->output : 0;
    flow->sampling_rate = h->sampling_rate;
    flow->direction = DIRECTION_UNKNOWN;
    if (h->source_class == 0 && h->source_index != 0 && h->source_index == flow->in_iface)
        flow->direction = DIRECTION_INGRESS;
    else if (h->source_class == 0 && h->source_index != 0 && h->source_index == flow->out_iface)
        flow->direction = DIRECTION_EGRESS;
    if (h->output_format == INTERFACE_DISCARDED)
        flow_sample_set_discard(sample, h->output);
    if (WANTS(sample, export_sequence))
        flow->export_sequence = msg->sequence;
    if (WANTS(sample, export_domain))
        flow->export_domain = msg->sub_agent;
    if (WANTS(sample, export_version))
        flow->export_version = msg->version;
}

void flow_sample_note(struct sflow_message *msg, const struct sample_header *h)
{
    struct collector *c = msg->collector;

    msg->sample_count++;
    if (!c->settings->skip_sequence_check)
        agent_note_sample(&c->agents, msg->agent, msg->exporter, h->source_class, h->source_index,
                          &h->counts);
}

/* What the switch says counts before what the header still holds, as in pmacct. */
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

/* Where the plain primitives mean the inner headers, the tunnel's are the outer ones, which agents
 * that sample behind the tunnel's end tell in a record. */
static void set_outer(struct flow_sample *sample)
{
    bool is_v4 = sample->outer_version == 4;
    const uint8_t *addrs = sample->outer + 8, *rest = addrs + (is_v4 ? 8 : 32);
    struct ip_addr src = is_v4 ? ip_addr_v4(addrs) : ip_addr_v6(addrs);
    struct ip_addr dst = is_v4 ? ip_addr_v4(addrs + 4) : ip_addr_v6(addrs + 16);

    SET(sample, encap_src_addr, src);
    SET(sample, encap_dst_addr, dst);
    if (sample->has_tunnel || sample->collector->tunnel_view != TUNNEL_VIEW_INNER)
        return;
    SET(sample, tunnel_src_addr, src);
    SET(sample, tunnel_dst_addr, dst);
    SET(sample, tunnel_proto, (uint8_t)wire_u32(sample->outer + 4));
    SET(sample, tunnel_src_port, (uint16_t)wire_u32(rest));
    SET(sample, tunnel_dst_port, (uint16_t)wire_u32(rest + 4));
    SET(sample, tunnel_tcp_flags, (uint16_t)wire_u32(rest + 8));
    SET(sample, tunnel_tos, (uint8_t)wire_u32(rest + 12));
}

void flow_sample_finish(struct flow_sample *sample)
{
    struct sflow_message *msg = sample->msg;

    if (!sample->has_packet) {
        counter_add(&msg->exporter->counters.samples_without_packet, 1);
        return;
    }
    if (sample->collector->needs_vlans)
        set_vlans(sample);
    if (sample->outer)
        set_outer(sample);
    if (sample->vni != 0 && WANTS(sample, vxlan) && sample->flow->vxlan == 0)
        sample->flow->vxlan = sample->vni;
    flow_batch_push(sample->collector->batch);
    msg->order++;
    msg->flow_count++;
}
