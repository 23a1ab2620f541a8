/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decodes sFlow version 5 datagrams (sFlow.org, "sFlow Version 5", July 2004): a header, then
 * samples, each with its format and length, and in each sample records of the same make. Unknown
 * structures are skipped by their length, so one that is bad costs no more than itself.
 */
#include "sfacctd/flow_record.h"
#include "sfacctd/flow_sample.h"
#include "sfacctd/gateway.h"

enum sample_format {
    SAMPLE_FLOW = SAMPLE_FORMAT_FLOW,
    SAMPLE_COUNTERS = 2,
    SAMPLE_FLOW_EXPANDED = 3,
    SAMPLE_COUNTERS_EXPANDED = 4,
    SAMPLE_DISCARDED_PACKET = 5,
};

/* Names the formats of records: enterprise << 12 | format. */
enum format {
#define FLOW_RECORD(enterprise, number, name, function, help)                                      \
    FORMAT_##name = (enterprise) << 12 | (number),
#include "sfacctd/structures.def"
};

/* Decodes a record of any format; returns whether it fits its length. The function is kept apart so
 * that the loop's reader has no address and stays in registers. */
APART bool decode_any(struct flow_sample *sample, uint32_t format, struct reader r)
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
#include "sfacctd/structures.def"
    default:
        counter_add(&exporter->counters.unknown_records, 1);
        break;
    }
    return !r.failed;
}

/*
 * Decodes a record. The formats that routers and switches put into nearly every sample come first.
 */
HOT_INLINE bool decode_record(struct flow_sample *sample, uint32_t format, struct reader r)
{
    if (format == FORMAT_sampled_header)
        flow_record_header(sample, &r, 5);
    else if (format == FORMAT_extended_router)
        flow_record_router(sample, &r);
    else if (format == FORMAT_extended_gateway)
        gateway_decode(sample, &r, 5);
    else if (format == FORMAT_extended_switch)
        flow_record_switch(sample, &r);
    else
        return decode_any(sample, format, r);
    return !r.failed;
}

HOT_INLINE void decode_records(struct flow_sample *sample, struct reader left, uint32_t count)
{
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

/* Reads what stands before the records of a compact sample, in which class and format are the upper
 * bits of the words that they belong to. */
HOT_INLINE bool read_compact(struct reader *r, struct sample_header *h)
{
    const uint8_t *p = reader_bytes(r, 32);

    if (!p)
        return false;
    uint32_t source = wire_u32(p + 4), input = wire_u32(p + 20), output = wire_u32(p + 24);
    *h = (struct sample_header){.counts = {wire_u32(p), wire_u32(p + 12), wire_u32(p + 16)},
                                .source_class = source >> 24,
                                .source_index = source & 0xffffff,
                                .sampling_rate = wire_u32(p + 8),
                                .in_iface = interface_compact(input),
                                .out_iface = interface_compact(output),
                                .is_discarded = output >> 30 == INTERFACE_DISCARDED,
                                .discard_reason = output & 0x3fffffff,
                                .record_count = wire_u32(p + 28)};
    return true;
}

HOT_INLINE bool read_expanded(struct reader *r, struct sample_header *h)
{
    const uint8_t *p = reader_bytes(r, 44);

    if (!p)
        return false;
    *h = (struct sample_header){.counts = {wire_u32(p), wire_u32(p + 16), wire_u32(p + 20)},
                                .source_class = wire_u32(p + 4),
                                .source_index = wire_u32(p + 8),
                                .sampling_rate = wire_u32(p + 12),
                                .in_iface = interface_number(wire_u32(p + 24), wire_u32(p + 28)),
                                .out_iface = interface_number(wire_u32(p + 32), wire_u32(p + 36)),
                                .is_discarded = wire_u32(p + 32) == INTERFACE_DISCARDED,
                                .discard_reason = wire_u32(p + 36),
                                .record_count = wire_u32(p + 40)};
    return true;
}

HOT_INLINE void decode_flow_sample(struct sflow_message *msg, struct reader r, bool is_expanded)
{
    size_t len = reader_left(&r);
    struct sample_header header;
    struct flow_sample sample;

    if (!(is_expanded ? read_expanded(&r, &header) : read_compact(&r, &header))) {
        exporter_drop(msg->exporter, DROP_bad_sample, "flow sample of %zu bytes", len);
        return;
    }
    header.format = is_expanded ? SAMPLE_FLOW_EXPANDED : SAMPLE_FLOW;
    flow_sample_note(msg, &header);
    flow_sample_start(&sample, msg, &header, len);
    decode_records(&sample, r, header.record_count);
    flow_sample_finish(&sample);
}

APART void decode_counter_sample(struct sflow_message *msg, struct reader *r, bool is_expanded)
{
    struct counter_source source = {.sequence = reader_u32(r)};
    size_t len = reader_left(r);

    source.source_class = reader_u32(r);
    if (is_expanded) {
        source.source_index = reader_u32(r);
    } else {
        source.source_index = source.source_class & 0xffffff;
        source.source_class >>= 24;
    }
    uint32_t record_count = reader_u32(r);
    if (r->failed)
        exporter_drop(msg->exporter, DROP_bad_sample, "counter sample of %zu bytes", len);
    else
        counter_sample_decode(msg, &source, record_count, r);
}

/*
 * Decodes a notification of one packet that was discarded (sFlow.org, "Dropped Packet Notification
 * Structures"), which the agent sends as it happens, up to a rate. The packet is not sampled, so it
 * stands for itself alone, and sampled traffic may hold it too: it becomes a flow only if that is
 * asked for.
 */
APART void decode_discarded_packet(struct sflow_message *msg, struct reader *r)
{
    size_t len = reader_left(r);
    struct sample_header header = {.sampling_rate = 1, .format = SAMPLE_DISCARDED_PACKET};
    struct flow_sample sample;

    header.counts.sequence = reader_u32(r);
    header.source_class = reader_u32(r);
    header.source_index = reader_u32(r);
    uint32_t drops = reader_u32(r);
    header.in_iface = interface_number(INTERFACE_SINGLE, reader_u32(r));
    header.out_iface = interface_number(INTERFACE_SINGLE, reader_u32(r));
    uint32_t reason = reader_u32(r);
    uint32_t record_count = reader_u32(r);
    if (r->failed) {
        exporter_drop(msg->exporter, DROP_bad_sample, "discarded packet of %zu bytes", len);
        return;
    }
    counter_add(&msg->exporter->counters.discarded_packets, 1);
    if (!msg->decoder->settings->skip_sequence_check)
        agent_note_discard(&msg->decoder->agents, msg->agent, msg->exporter, header.source_class,
                           header.source_index, drops);
    if (!msg->decoder->settings->account_discards)
        return;
    flow_sample_start(&sample, msg, &header, len);
    flow_sample_set_discard(&sample, reason);
    decode_records(&sample, *r, record_count);
    flow_sample_finish(&sample);
}

HOT_INLINE void decode_sample(struct sflow_message *msg, uint32_t format, struct reader r)
{
    switch (format) {
    case SAMPLE_FLOW:
    case SAMPLE_FLOW_EXPANDED:
        decode_flow_sample(msg, r, format == SAMPLE_FLOW_EXPANDED);
        break;
    case SAMPLE_COUNTERS:
    case SAMPLE_COUNTERS_EXPANDED:
        decode_counter_sample(msg, &r, format == SAMPLE_COUNTERS_EXPANDED);
        break;
    case SAMPLE_DISCARDED_PACKET:
        decode_discarded_packet(msg, &r);
        break;
    default:
        exporter_drop(msg->exporter, DROP_unknown_sample, "enterprise %u format %u", format >> 12,
                      format & 0xfff);
        break;
    }
}

static void decode_samples(struct sflow_message *msg, const struct reader *r, uint32_t count)
{
    struct reader left = *r;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t format, len;
        struct reader sample;
        if (!sflow_read_structure(&left, &format, &len, &sample)) {
            exporter_drop(msg->exporter, DROP_bad_sample_length,
                          "sample %u of %u: %u bytes, beyond the datagram's end", i + 1, count,
                          len);
            return;
        }
        decode_sample(msg, format, sample);
    }
    if (reader_left(&left) > 0)
        exporter_drop(msg->exporter, DROP_bad_sample_count, "%zu bytes after %u samples",
                      reader_left(&left), count);
}

/* Reads the header, which ends with the number of samples; false: it is cut. */
static bool read_header(struct sflow_message *msg, struct reader *r, uint32_t *ret_sample_count)
{
    struct wire_addr wire_agent = sflow_read_addr(r);
    struct ip_addr agent;
    uint32_t sub_agent = reader_u32(r);
    uint32_t sequence = reader_u32(r);

    reader_u32(r); /* uptime */
    *ret_sample_count = reader_u32(r);
    if (r->failed)
        return false;
    wire_addr_put(&wire_agent, &agent);
    sflow_message_start(msg, &agent, sub_agent, sequence);
    return true;
}

void sflow5_decode(struct sflow_message *msg, struct reader *r)
{
    uint32_t sample_count;

    if (!read_header(msg, r, &sample_count)) {
        exporter_drop(msg->exporter, DROP_truncated_header, "%u bytes", msg->datagram->len);
        return;
    }
    counter_add(&msg->exporter->counters.datagrams_decoded, 1);
    decode_samples(msg, r, sample_count);
}

static bool is_of_flows(uint32_t format)
{
    return format == SAMPLE_FLOW || format == SAMPLE_FLOW_EXPANDED ||
           format == SAMPLE_DISCARDED_PACKET;
}

/* Decodes a sample, and adds it as a part. */
static void split_sample(struct sflow_message *msg, uint32_t format, struct reader r,
                         struct datagram_parts *parts, size_t at, size_t len)
{
    const struct flow_batch *batch = msg->decoder->batch;
    bool is_flow = is_of_flows(format);
    uint32_t flow = datagram_parts_next_flow(parts, batch);
    size_t part = datagram_parts_add(parts, is_flow ? PART_RECORD : PART_FOR_ALL, at, len);

    if (!is_flow)
        return;
    parts->parts[part].flow = flow;
    decode_sample(msg, format, r);
    if (datagram_parts_next_flow(parts, batch) == flow) { /* it holds no packet */
        parts->parts[part].flow = PART_NO_FLOW;
        parts->parts[part].kind = PART_UNREAD;
    }
}

bool sflow5_split(struct sflow_message *msg, struct reader *r, struct datagram_parts *parts)
{
    const uint8_t *start = msg->datagram->data;
    uint32_t count;

    if (!read_header(msg, r, &count))
        return false;
    size_t header_len = (size_t)(r->pos - start);
    if (!datagram_parts_add_message(
            parts, &(struct part_message){.header_len = (uint8_t)header_len,
                                          .count_at = (uint8_t)(header_len - sizeof(uint32_t)),
                                          .count_len = sizeof(uint32_t),
                                          .pads_parts = true}))
        return false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t format, len;
        struct reader sample;
        size_t at = (size_t)(r->pos - start);
        if (!sflow_read_structure(r, &format, &len, &sample))
            return false;
        split_sample(msg, format, sample, parts, at, (size_t)(r->pos - start) - at);
    }
    return reader_left(r) == 0;
}
