/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A worker's sFlow decoder: what it keeps, and what the decoders of the versions share. Inside this
 * folder only; the rest of the program sees sfacctd/decoder.h.
 */
#include "base/arena.h"
#include "base/reader.h"
#include "sfacctd/agent.h"
#include "sfacctd/decoder.h"

/* Bytes of a flow that are zeroed before a sample is decoded into it: members that somebody needs,
 * those between two of them that are close as well. */
struct clear_range {
    uint16_t offset, len;
};

struct collector {
    const struct sfacctd_settings *settings;
    struct exporter_table *exporters;
    struct flow_batch *batch;
    struct flow_needs needs;
    bool needs_header; /* some needed member stands in packet headers */
    bool wants_tunnel; /* or in what a tunnel carries */
    enum tunnel_view tunnel_view;
    struct clear_range clears[FLOW_MEMBER_COUNT];
    uint32_t clear_count;
    struct arena arena; /* texts of the flows in the batch */
    struct agent_table agents;
};

/* One datagram on its way through a decoder. */
struct sflow_message {
    struct collector *collector;
    struct exporter *exporter;
    const struct datagram *datagram;
    struct agent *agent;
    struct ip_addr agent_addr;
    uint8_t version;
    uint32_t sub_agent, sequence;
    uint64_t order;      /* of the next flow */
    uint32_t flow_count; /* so far */
};

/* What a flow sample says before its records, whichever way it is encoded. */
struct sample_header {
    uint32_t sequence, source_class, source_index;
    uint32_t sampling_rate, pool, drops;
    uint32_t input_format, input, output_format, output; /* enum interface_format */
};
enum interface_format { INTERFACE_SINGLE, INTERFACE_DISCARDED, INTERFACE_MULTIPLE };

/* A flow sample while its records are read. */
struct flow_sample {
    struct sflow_message *msg;
    struct collector *collector;
    struct flow *flow; /* the batch's next one, not pushed yet */
    bool has_header;   /* a raw packet header was decoded */
    bool has_packet;   /* some record described the packet */
    bool has_gateway;
    bool has_switch;
    uint16_t switch_in_vlan, switch_out_vlan;
};

/* v2 and v4, RFC 3176; v5, sFlow.org's specification. Decode one datagram, whose version was seen
 * to be theirs; count it as decoded or refused. */
void sflow4_decode(struct sflow_message *msg, struct reader *r);
void sflow5_decode(struct sflow_message *msg, struct reader *r);

/* Reads an address after its type (0 none, 1 IPv4, 2 IPv6). */
struct ip_addr sflow_read_addr(struct reader *r);
/* The header is whole: finds exporter and sub-agent, checks the sequence number. */
void sflow_message_start(struct sflow_message *msg, const struct ip_addr *agent_addr,
                         uint32_t sub_agent, uint32_t sequence);

/* A flow sample that takes `len` bytes: makes room for the flow and its texts. */
void flow_sample_start(struct flow_sample *sample, struct sflow_message *msg,
                       const struct sample_header *header, size_t len);
/* The flow joins the batch, unless no record described a packet. */
void flow_sample_finish(struct flow_sample *sample);

/* One record of v5, named by enterprise << 12 | format. */
void flow_record_decode(struct flow_sample *sample, uint32_t format, struct reader *r);

/* The body of an extended gateway record, as the message's version has it. */
void gateway_decode(struct flow_sample *sample, struct reader *r);
