/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Decodes sFlow versions 2 and 4 (RFC 3176). They have neither sub-agents nor lengths: a sample
 * must be understood to find the next one, so one that is not ends the datagram. */
#include "sfacctd/flow_sample.h"

enum { SAMPLE_FLOW = 1, SAMPLE_COUNTERS = 2 };

static void (*const packet_records[])(struct flow_sample *sample, struct reader *r) = {
    [1] = record_header, [2] = record_ipv4, [3] = record_ipv6};
static void (*const extended_records[])(struct flow_sample *sample,
                                        struct reader *r) = {[1] = record_switch,
                                                             [2] = record_router,
                                                             [3] = record_gateway,
                                                             [4] = record_user,
                                                             [5] = record_url};

static void decode_extended(struct flow_sample *sample, struct reader *r)
{
    uint32_t count = reader_u32(r);

    for (uint32_t i = 0; i < count && !r->failed; i++) {
        uint32_t type = reader_u32(r);
        if (type < 1 || type >= sizeof extended_records / sizeof extended_records[0])
            r->failed = true;
        else
            extended_records[type](sample, r);
    }
}

static void decode_flow_sample(struct sflow_message *msg, struct reader *r)
{
    size_t len = reader_left(r);
    struct sample_header h;
    struct flow_sample sample;

    h.counts.sequence = reader_u32(r);
    uint32_t source = reader_u32(r);
    h.source_class = source >> 24;
    h.source_index = source & 0xffffff;
    h.sampling_rate = reader_u32(r);
    h.counts.pool = reader_u32(r);
    h.counts.drops = reader_u32(r);
    h.in_iface = interface_number(INTERFACE_SINGLE, reader_u32(r));
    uint32_t output = reader_u32(r); /* the upper bit: so many interfaces */
    h.out_iface = interface_number(output >> 31 ? INTERFACE_MULTIPLE : INTERFACE_SINGLE, output);
    h.format = SAMPLE_FORMAT_FLOW;
    h.is_discarded = false;
    uint32_t type = reader_u32(r);
    if (type < 1 || type >= sizeof packet_records / sizeof packet_records[0])
        r->failed = true;
    if (r->failed)
        return;
    flow_sample_note(msg, &h);
    flow_sample_start(&sample, msg, &h, len);
    packet_records[type](&sample, r);
    if (!r->failed)
        decode_extended(&sample, r);
    flow_sample_finish(&sample);
}

static void decode_counter_sample(struct sflow_message *msg, struct reader *r)
{
    struct counter_source source = {.sequence = reader_u32(r)};
    uint32_t id = reader_u32(r);

    source.source_class = id >> 24;
    source.source_index = id & 0xffffff;
    reader_u32(r); /* sampling interval */
    uint32_t layout = reader_u32(r);
    if (r->failed || !counter_sample_decode_v4(msg, &source, layout, r))
        r->failed = true;
}

void sflow4_decode(struct sflow_message *msg, struct reader *r)
{
    struct wire_addr wire_agent = sflow_read_addr(r);
    struct ip_addr agent;
    uint32_t sequence = reader_u32(r);

    reader_u32(r); /* uptime */
    uint32_t count = reader_u32(r);
    if (r->failed) {
        exporter_drop(msg->exporter, DROP_truncated_header, "%u bytes", msg->datagram->len);
        return;
    }
    wire_addr_put(&wire_agent, &agent);
    sflow_message_start(msg, &agent, 0, sequence);
    counter_add(&msg->exporter->counters.datagrams_decoded, 1);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t type = reader_u32(r);
        if (type == SAMPLE_FLOW)
            decode_flow_sample(msg, r);
        else if (type == SAMPLE_COUNTERS)
            decode_counter_sample(msg, r);
        else
            r->failed = true;
        if (r->failed) {
            exporter_drop(msg->exporter, DROP_bad_sample_length,
                          "version %u: sample %u of %u: what it holds is not known to its end",
                          msg->version, i + 1, count);
            return;
        }
    }
    if (reader_left(r) > 0)
        exporter_drop(msg->exporter, DROP_bad_sample_count, "%zu bytes after %u samples",
                      reader_left(r), count);
}
