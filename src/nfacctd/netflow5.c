/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decodes NetFlow version 5 (a Cisco format without an RFC): a header of 24 bytes and up to 30
 * records of 48. The fixed layout is written down as a template of the same information elements,
 * so that a plan decodes it as it does the others.
 */
#include "nfacctd/netflow_decoder.h"
#include "nfacctd/split.h"

#include "base/clock.h"
#include <netinet/in.h>

enum {
    HEADER_LEN = 24,
    COUNT_AT = 2,
    RECORD_LEN = 48,
    RECORDS_MAX = 30,
    RECORD_PROTO = 38, /* where prot stands in a record */
};

static const struct template_field v5_fields[] = {
    {0, 8, 4},   /* srcaddr */
    {0, 12, 4},  /* dstaddr */
    {0, 15, 4},  /* nexthop */
    {0, 10, 2},  /* input */
    {0, 14, 2},  /* output */
    {0, 2, 4},   /* dPkts */
    {0, 1, 4},   /* dOctets */
    {0, 22, 4},  /* First */
    {0, 21, 4},  /* Last */
    {0, 7, 2},   /* srcport */
    {0, 11, 2},  /* dstport */
    {0, 210, 1}, /* pad1: paddingOctets */
    {0, 6, 1},   /* tcp_flags */
    {0, 4, 1},   /* prot */
    {0, 5, 1},   /* tos */
    {0, 16, 2},  /* src_as */
    {0, 17, 2},  /* dst_as */
    {0, 9, 1},   /* src_mask */
    {0, 13, 1},  /* dst_mask */
    {0, 210, 2}, /* pad2 */
};
#define V5_FIELD_COUNT (sizeof v5_fields / sizeof v5_fields[0])

struct plan *netflow5_plan(const struct plan_settings *settings)
{
    return plan_compile(v5_fields, V5_FIELD_COUNT, settings);
}

/* Clears ports and flags of protocols that have none: exporters leave anything there. ICMP has its
 * type and code in dstport. */
static void clear_meaningless(struct flow *flow, uint8_t proto)
{
    bool has_ports = proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
                     proto == IPPROTO_DCCP || proto == IPPROTO_UDPLITE;

    if (!has_ports)
        flow->src_port = 0;
    if (!has_ports && proto != IPPROTO_ICMP)
        flow->dst_port = 0;
    if (proto != IPPROTO_TCP)
        flow->tcp_flags = 0;
}

/* Decodes a record into the batch. */
static inline void decode_record(struct netflow_message *msg, const uint8_t *record,
                                 uint16_t engine)
{
    struct flow_batch *batch = msg->decoder->batch;

    netflow_message_decode_flows(msg, msg->decoder->v5_plan, record, RECORD_LEN);
    struct flow *flow = flow_batch_at(batch, batch->count - 1);
    flow->engine_type = (uint8_t)(engine >> 8);
    clear_meaningless(flow, record[RECORD_PROTO]);
}

bool netflow5_split(struct netflow_decoder *decoder, struct exporter *exporter,
                    const struct datagram *datagram, struct datagram_parts *parts)
{
    static const struct part_message header = {
        .header_len = HEADER_LEN, .count_at = COUNT_AT, .count_len = 2};
    struct reader r = reader_make(datagram->data, datagram->len);
    struct netflow_message msg;

    reader_u16(&r); /* version */
    uint16_t count = reader_u16(&r);
    reader_bytes(&r, 16);
    uint16_t engine = reader_u16(&r);
    reader_u16(&r); /* sampling */
    if (r.failed || count > RECORDS_MAX || reader_left(&r) < (size_t)count * RECORD_LEN ||
        !datagram_parts_add_message(parts, &header))
        return false;
    netflow_message_start(&msg, decoder, exporter, datagram, 5, engine & 0xff, engine);
    for (uint16_t i = 0; i < count; i++) {
        size_t part =
            datagram_parts_add(parts, PART_RECORD, (size_t)(r.pos - datagram->data), RECORD_LEN);
        parts->parts[part].flow = datagram_parts_next_flow(parts, decoder->batch);
        decode_record(&msg, reader_bytes(&r, RECORD_LEN), engine);
    }
    return true;
}

void netflow5_decode(struct netflow_decoder *decoder, struct exporter *exporter,
                     const struct datagram *datagram)
{
    struct reader r = reader_make(datagram->data, datagram->len);
    struct netflow_message msg;

    reader_u16(&r); /* version */
    uint16_t count = reader_u16(&r);
    uint32_t uptime = reader_u32(&r);
    uint32_t seconds = reader_u32(&r);
    uint32_t nanoseconds = reader_u32(&r);
    uint32_t sequence = reader_u32(&r);
    uint16_t engine = reader_u16(&r);            /* type, id */
    uint16_t sampling = reader_u16(&r) & 0x3fff; /* below two bits of mode */
    if (r.failed) {
        exporter_drop(exporter, DROP_truncated_header, "%u bytes of NetFlow v5", datagram->len);
        return;
    }
    if (count == 0 || count > RECORDS_MAX || reader_left(&r) < (size_t)count * RECORD_LEN) {
        exporter_drop(exporter, DROP_bad_length, "NetFlow v5: %u records in %u bytes", count,
                      datagram->len);
        return;
    }
    netflow_message_start(&msg, decoder, exporter, datagram, 5, engine & 0xff, engine);
    int64_t export_ns = seconds * NS_PER_S + (nanoseconds < NS_PER_S ? nanoseconds : 0);
    netflow_message_note_clock(&msg, export_ns);
    netflow_message_set_export_time(&msg, export_ns);
    msg.context.sequence = sequence;
    netflow_message_check_uptime(&msg, uptime);
    msg.context.header_rate = sampling;
    for (uint16_t i = 0; i < count; i++) {
        const uint8_t *record = reader_bytes(&r, RECORD_LEN);
        decode_record(&msg, record, engine);
    }
    netflow_message_check_sequence(&msg, count);
    counter_add(&exporter->counters.datagrams_decoded, 1);
}
