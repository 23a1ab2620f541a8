/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A flow sample becomes a flow: what stands before its records, and what remains to be done after.
 */
#include "sfacctd/collector.h"

#include "base/memory.h"
#include <string.h>

#define WANTS(sample, member) flow_needs_has(&(sample)->collector->needs, FLOW_##member)

/* Texts are at most three times as long as their wire form: an AS number or a community of four
 * bytes prints as eleven characters and a separator. */
#define TEXT_FACTOR 3
#define TEXT_EXTRA  256 /* separators, and alignment of each text */

/* forwardingStatus (RFC 7270 section 4.12) of a packet that the output word calls discarded; the
 * codes below 256 are ICMP's for unreachable destinations. */
static uint8_t status_of_discard(uint32_t code)
{
    static const uint8_t above[] = {
        128, /* 256 unknown */
        137, /* 257 TTL exceeded */
        130, /* 258 ACL */
        128, /* 259 no buffer space */
        139, /* 260 RED */
        138, /* 261 traffic shaping or rate limiting */
        133, /* 262 too big */
    };

    if (code < 256)
        return 131; /* unroutable */
    return code - 256 < sizeof above ? above[code - 256] : 128;
}

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

    for (uint32_t i = 0; i < c->clear_count; i++)
        memset((uint8_t *)flow + c->clears[i].offset, 0, c->clears[i].len);
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
    if (WANTS(sample, forwarding_status))
        flow->forwarding_status =
            h->output_format == INTERFACE_DISCARDED ? status_of_discard(h->output) : 0;
    if (WANTS(sample, export_sequence))
        flow->export_sequence = msg->sequence;
    if (WANTS(sample, export_domain))
        flow->export_domain = msg->sub_agent;
    if (WANTS(sample, export_version))
        flow->export_version = msg->version;
    counter_add(&msg->exporter->counters.flow_samples, 1);
    if (!c->settings->skip_sequence_check)
        agent_note_sample(&c->agents, msg->agent, msg->exporter, h->source_class, h->source_index,
                          &(struct sample_counts){h->sequence, h->pool, h->drops});
}

void flow_sample_finish(struct flow_sample *sample)
{
    struct sflow_message *msg = sample->msg;
    struct flow *flow = sample->flow;

    if (!sample->has_packet) {
        counter_add(&msg->exporter->counters.samples_without_packet, 1);
        return;
    }
    if (sample->has_switch && WANTS(sample, vlan)) {
        uint16_t vlan = sample->switch_in_vlan ? sample->switch_in_vlan : sample->switch_out_vlan;
        if (vlan != 0)
            flow->vlan = vlan;
    }
    flow_batch_push(sample->collector->batch);
    msg->order++;
    msg->flow_count++;
}
