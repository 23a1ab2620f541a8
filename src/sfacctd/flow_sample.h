/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Turns a flow sample into a flow: the steps before its records are read, and after. They stand in
 * a header so that a sample's own words need not go through memory. */
#include "sfacctd/sflow_decoder.h"

/* Texts are at most three times as long as their wire form: a community of four bytes prints as
 * eleven characters and a separator. */
#define TEXT_FACTOR 3
#define TEXT_EXTRA  256 /* separators, and alignment of each text */

/* Empties the batch; afterwards the arena holds `need` bytes. */
void flow_sample_make_room(struct sflow_decoder *decoder, size_t need);
/* Zeroes the needed members behind the head, and custom primitives, none of which sFlow knows. */
void flow_sample_clear_tail(const struct sflow_decoder *decoder, struct flow *flow);
/* Sets the members that several records tell. */
void flow_sample_combine(struct flow_sample *sample);

HOT_INLINE struct flow *flow_sample_make_flow(struct sflow_decoder *decoder)
{
    struct flow *flow = flow_batch_at(decoder->batch, decoder->batch->count);

    /* The parts become stores of 16 bytes. One memset() of all would become "rep stos", which is
     * slow to begin. */
    memset(flow, 0, 64);
    memset((uint8_t *)flow + 64, 0, 64);
    memset((uint8_t *)flow + 128, 0, FLOW_HEAD_LEN - 128);
    if (decoder->clears_tail)
        flow_sample_clear_tail(decoder, flow);
    return flow;
}

/* Begins a flow sample of `len` bytes: makes room for the flow and its texts, and sets what the
 * sample says before its records. */
HOT_INLINE void flow_sample_start(struct flow_sample *sample, struct sflow_message *msg,
                                  const struct sample_header *h, size_t len)
{
    struct sflow_decoder *decoder = msg->decoder;

    size_t need = len * TEXT_FACTOR + TEXT_EXTRA;
    if (decoder->batch->count == decoder->batch->capacity || arena_left(&decoder->arena) < need)
        flow_sample_make_room(decoder, need);
    struct flow *flow = flow_sample_make_flow(decoder);
    *sample = (struct flow_sample){.msg = msg, .decoder = decoder, .flow = flow};
    flow->exporter = msg->exporter;
    flow->order = msg->order;
    flow->arrival_ns = msg->datagram->received_ns;
    flow->packets = 1;
    flow->flows = 1;
    flow->has_counters = 1;
    if (WANTS(sample, exporter_addr))
        flow->exporter_addr = msg->agent_addr;
    flow->in_iface = h->in_iface;
    flow->out_iface = h->out_iface;
    flow->sampling_rate = h->sampling_rate;
    flow->direction = DIRECTION_UNKNOWN;
    if (h->source_class == 0 && h->source_index != 0 && h->source_index == flow->in_iface)
        flow->direction = DIRECTION_INGRESS;
    else if (h->source_class == 0 && h->source_index != 0 && h->source_index == flow->out_iface)
        flow->direction = DIRECTION_EGRESS;
    if (h->is_discarded)
        flow_sample_set_discard(sample, h->discard_reason);
    if (WANTS(sample, export_sequence))
        flow->export_sequence = msg->sequence;
    if (WANTS(sample, export_domain))
        flow->export_domain = msg->sub_agent;
    if (WANTS(sample, export_version))
        flow->export_version = msg->version;
    if (WANTS(sample, sample_format))
        flow->sample_format = h->format;
}

/* Counts the sample and, by its numbers, what was lost before it. */
HOT_INLINE void flow_sample_note(struct sflow_message *msg, const struct sample_header *h)
{
    struct sflow_decoder *decoder = msg->decoder;

    msg->sample_count++;
    if (!decoder->settings->skip_sequence_check)
        agent_note_sample(&decoder->agents, msg->agent, msg->exporter, h->source_class,
                          h->source_index, h->counts);
}

/* Puts the flow into the batch, unless no record described a packet. */
HOT_INLINE void flow_sample_finish(struct flow_sample *sample)
{
    struct sflow_message *msg = sample->msg;

    if (!sample->has_packet) {
        counter_add(&msg->exporter->counters.samples_without_packet, 1);
        return;
    }
    if (sample->decoder->needs_vlans || sample->outer || sample->vni != 0 ||
        sample->switch_cos != 0)
        flow_sample_combine(sample);
    flow_batch_push(sample->decoder->batch);
    msg->order++;
    msg->flow_count++;
}
