/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A worker's sFlow decoder: its state, and what the decoders of the versions share. Only this
 * folder includes it; the rest of the program sees sfacctd/decoder.h. */
#include "base/arena.h"
#include "base/reader.h"
#include "base/text.h"
#include "base/thread.h"
#include "flow/datagram_parts.h"
#include "flow/header_members.h"
#include "sfacctd/agent.h"
#include "sfacctd/decoder.h"
#include "sfacctd/settings.h"
#include <string.h>

/* HOT_INLINE marks the steps of every sample: compilers would not inline all of them, and only then
 * does the sample's reader stay in registers. */
#define HOT_INLINE static inline __attribute__((always_inline))
#define APART      static __attribute__((noinline)) /* keeps rarer steps out of it */

/*
 * The bytes of a flow that are zeroed before a sample is decoded into it: the head, which is what
 * the traffic matrix uses, and behind that the needed members, with what stands between two of them
 * if they are close.
 */
#define FLOW_HEAD_LEN ((offsetof(struct flow, ip_next_hop) + 7) & ~(size_t)7)
struct clear_range {
    uint16_t offset, word_count; /* of 8 bytes, aligned */
};

struct counter_log;

struct sflow_decoder {
    const struct sfacctd_settings *settings;
    struct sfacctd_settings own; /* what `settings` is where it only takes datagrams apart */
    struct exporter_table *exporters;
    struct flow_batch *batch;
    struct flow_needs needs;
    bool needs_header; /* some needed member stands in packet headers: */
    bool needs_part[HEADER_PART_COUNT];
    bool needs_vlans;
    bool wants_tunnel; /* or in what a tunnel carries */
    enum tunnel_view tunnel_view;
    struct clear_range clears[FLOW_MEMBER_COUNT];
    uint32_t clear_count;
    bool clears_tail;   /* there are such behind the head, or custom primitives */
    struct arena arena; /* texts of the flows in the batch */
    struct agent_table agents;
    struct counter_log *counter_log; /* NULL: there is no file of counters */
    /* Counter records are numbered in the order they were made: 0, 1, 2... */
    uint64_t counter_sequence;
    struct text counter_fields; /* of the record at hand */
};

/* The message of one datagram while it is decoded. */
struct sflow_message {
    struct sflow_decoder *decoder;
    struct exporter *exporter;
    const struct datagram *datagram;
    struct agent *agent;
    struct ip_addr agent_addr;
    uint8_t version;
    uint32_t sub_agent, sequence;
    uint64_t order; /* of the next flow */
    /* The counts so far; they are added at the exporter when the datagram ends. */
    uint32_t flow_count, sample_count;
};

/* The head of a flow sample, whichever way it is encoded. */
enum { SAMPLE_FORMAT_FLOW = 1 };

struct sample_header {
    struct sample_counts counts;
    uint32_t source_class, source_index;
    uint32_t sampling_rate;
    uint32_t in_iface, out_iface; /* 0: unknown, none, or several */
    uint32_t format;              /* enterprise << 12 | format; before version 5 a flow sample's */
    bool is_discarded;
    uint32_t discard_reason;
    uint32_t record_count; /* of version 5 */
};

/*
 * The ways to tell an interface: by its number, by the reason why there is no output, by how many
 * outputs there are. The greatest number, and all ones, mean that there is no interface on this
 * side: the packet begins or ends in the agent itself (sFlow.org, "sFlow Version 5": interface).
 */
enum interface_format { INTERFACE_SINGLE, INTERFACE_DISCARDED, INTERFACE_MULTIPLE };
#define INTERFACE_NONE UINT32_C(0x3fffffff)

/* Returns the interface's number, or 0, where a word of its own has it. */
static inline uint32_t interface_number(uint32_t format, uint32_t number)
{
    bool is_none = number == INTERFACE_NONE || number == UINT32_MAX;

    return format == INTERFACE_SINGLE && !is_none ? number : 0;
}
/* Does the same where the format is the upper two bits of the word. */
static inline uint32_t interface_compact(uint32_t word)
{
    return word < INTERFACE_NONE ? word : 0;
}

/* A flow sample while its records are read. */
struct flow_sample {
    struct sflow_message *msg;
    struct sflow_decoder *decoder;
    struct flow *flow; /* the batch's next one, not pushed yet */
    bool has_header;   /* a raw packet header was decoded */
    bool has_packet;   /* some record described the packet */
    bool has_gateway;
    bool has_next_hop; /* of a router or gateway */
    bool has_switch;
    bool has_labels;
    uint8_t switch_cos; /* of the ingress VLAN, else of the egress VLAN; 0 is the same as none */
    uint16_t switch_in_vlan, switch_out_vlan;
    uint16_t header_vlan;   /* outermost that the header still has */
    uint16_t stripped_vlan; /* outermost of those that it lost */
    bool has_tunnel;        /* the packet header shows one */
    /* A record of the header around the packet: whole, laid out as sampled_ipv4 or sampled_ipv6. */
    uint8_t outer_version; /* 4 or 6; 0: none */
    const uint8_t *outer;
    uint32_t vni; /* of a tunnel that the packet left or goes into */
};

/* Decode one datagram, whose version was seen to be theirs (2 and 4: RFC 3176; 5: sFlow.org's
 * specification), and count it as decoded or refused. */
void sflow4_decode(struct sflow_message *msg, struct reader *r) ON_THREAD(worker_thread);
void sflow5_decode(struct sflow_message *msg, struct reader *r) ON_THREAD(worker_thread);
/* Takes a datagram of version 5 apart, as decoder_ops.split has it: a part is a sample. Versions before
 * it have no lengths. */
bool sflow5_split(struct sflow_message *msg, struct reader *r, struct datagram_parts *parts)
    ON_THREAD(worker_thread);

/*
 * An address in a datagram: its type (0 none, 1 IPv4, 2 IPv6), then its bytes, which are borrowed.
 */
struct wire_addr {
    const uint8_t *bytes;
    uint8_t family; /* enum ip_family */
};
HOT_INLINE struct wire_addr sflow_read_addr(struct reader *r)
{
    size_t left = reader_left(r), len = 4;
    uint32_t type = left >= len ? wire_u32(r->pos) : UINT32_MAX;
    uint8_t family = IP_NONE;

    if (type == 1) {
        family = IP_V4;
        len = 4 + 4;
    } else if (type == 2) {
        family = IP_V6;
        len = 4 + 16;
    } else if (type != 0) {
        len = SIZE_MAX;
    }
    if (left < len) {
        r->failed = true;
        r->pos = r->end;
        return (struct wire_addr){0};
    }
    const uint8_t *bytes = r->pos + 4;
    r->pos += len;
    return (struct wire_addr){bytes, family};
}
static inline void wire_addr_put(const struct wire_addr *from, struct ip_addr *to)
{
    ip_addr_put(to, from->family, from->bytes);
}
HOT_INLINE bool wire_addr_is_zero(const struct wire_addr *a)
{
    uint64_t high, low;

    if (a->family == IP_V4)
        return wire_u32(a->bytes) == 0;
    if (a->family == IP_NONE)
        return true;
    memcpy(&high, a->bytes, 8);
    memcpy(&low, a->bytes + 8, 8);
    return (high | low) == 0;
}
/* Finds exporter and sub-agent and checks the sequence number. Call it when the header has been
 * read. */
void sflow_message_start(struct sflow_message *msg, const struct ip_addr *agent_addr,
                         uint32_t sub_agent, uint32_t sequence);

/* Decode the records of a counter sample, `count` of them; in versions 2 and 4 there is one, of
 * `layout` (RFC 3176). False: it is not whole. */
struct counter_source {
    uint32_t sequence, source_class, source_index;
};
void counter_sample_decode(struct sflow_message *msg, const struct counter_source *source,
                           uint32_t count, struct reader *r);
bool counter_sample_decode_v4(struct sflow_message *msg, const struct counter_source *source,
                              uint32_t layout, struct reader *r);
/* Reads a sample or a record of version 5: its format, its length, and so many bytes, padded.
 * False: they are not there. */
HOT_INLINE bool sflow_read_structure(struct reader *r, uint32_t *ret_format, uint32_t *ret_len,
                                     struct reader *ret_body)
{
    size_t left = reader_left(r);

    *ret_len = 0;
    if (left < 8)
        return false;
    uint32_t len = wire_u32(r->pos + 4);
    *ret_format = wire_u32(r->pos);
    *ret_len = len;
    left -= 8;
    if (len > left)
        return false;
    *ret_body = (struct reader){r->pos + 8, r->pos + 8 + len, false};
    size_t padded = ((size_t)len + 3) & ~(size_t)3;
    r->pos += 8 + (padded < left ? padded : left);
    return true;
}

/* XDR (RFC 4506 section 4.10) pads opaque data to four bytes; the last one's may be missing. */
static inline void sflow_skip_padding(struct reader *r, uint32_t len)
{
    size_t padding = -len & 3;

    r->pos += padding < reader_left(r) ? padding : reader_left(r);
}

/* Copies a text of a flow into the arena, where flow_sample_start() made room. */
struct flow_bytes flow_sample_copy(struct flow_sample *sample, const void *data, size_t len);
/* Notes that the packet was dropped, for a reason of discard_reasons.def. */
void flow_sample_set_discard(struct flow_sample *sample, uint32_t reason);

/* The functions of structures.def decode the body of a record as the message's version has it. If
 * it contradicts its length, the reader has failed and the flow is as it was. */
#define FLOW_RECORD(enterprise, format, name, function, help)                                      \
    void function(struct flow_sample *sample, struct reader *r);
#include "sfacctd/structures.def"

#define WANTS(sample, member) flow_needs_has(&(sample)->decoder->needs, FLOW_##member)
#define SET(sample, member, value)                                                                 \
    do {                                                                                           \
        if (WANTS(sample, member))                                                                 \
            (sample)->flow->member = (value);                                                      \
    } while (0)
