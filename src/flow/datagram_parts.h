/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The parts of a datagram of exports, for who sends its records on to different places: a decoder
 * takes it apart (decoder_ops.split), and datagram_parts_join() makes datagrams of some of its parts.
 * Places are bytes from the start of the datagram. No thread of its own: one owner.
 */
#include "flow/flow.h"

enum part_kind {
    PART_RECORD, /* a flow */
    PART_UNREAD, /* flows that nobody can read, as their template is not known, or a sample without a packet */
    PART_FOR_ALL, /* no flows: templates, options, counters of interfaces */
};

#define PART_NO_SET  UINT32_MAX
#define PART_NO_FLOW UINT32_MAX

struct datagram_part {
    uint32_t at, len;
    uint32_t count; /* how many units of the header's count it is */
    uint32_t
        set_at; /* where the header of its set is, which is not part of it; PART_NO_SET: it has none */
    uint32_t
        flow; /* number of its flow: the first of the datagram is 0; PART_NO_FLOW: it has none */
    uint16_t message;
    uint8_t kind;     /* enum part_kind */
    bool may_pad_set; /* padding of up to 3 bytes is shorter than any record */
};

/* A message: a datagram has one, but of IPFIX it may have several. */
struct part_message {
    uint32_t at;
    uint8_t header_len;
    uint8_t count_at,
        count_len;     /* where the header counts parts, in 2 or 4 bytes; 0 bytes: it does not */
    uint8_t length_at; /* where it has its length, in 2 bytes; 0: nowhere */
    bool pads_sets, pads_parts; /* to 4 bytes, with zeros */
};

struct datagram_parts {
    struct datagram_part *parts; /* in the order of the wire */
    size_t count, capacity;
    struct part_message *messages;
    size_t message_count, message_capacity;
    /* Flows that the batch held and gave away since the datagram began. */
    uint32_t given_flows;
};

void datagram_parts_clear(struct datagram_parts *parts); /* frees what it holds */
/* Forgets all parts: a new datagram begins. */
void datagram_parts_begin(struct datagram_parts *parts);
/* False: more messages than can be told apart. */
bool datagram_parts_add_message(struct datagram_parts *parts, const struct part_message *message);
/* Adds a part to the last message. Returns its index. */
size_t datagram_parts_add(struct datagram_parts *parts, enum part_kind kind, size_t at, size_t len);
/* The number that the next flow of the batch will have. */
static inline uint32_t datagram_parts_next_flow(const struct datagram_parts *parts,
                                                const struct flow_batch *batch)
{
    return parts->given_flows + batch->count;
}

/* How many bytes the parts of a datagram of `len` bytes may take together. */
static inline size_t datagram_parts_room(size_t len)
{
    return 2 * len + 64;
}
/*
 * Makes a datagram of `count` parts, whose indices ascend and which are all of one message: its header
 * with count and length set anew, and the sets as far as they are in. All else, sequence numbers above
 * all, stays as it came. `out` has datagram_parts_room(). Returns the length.
 */
size_t datagram_parts_join(const struct datagram_parts *parts, const uint8_t *datagram,
                           const uint32_t *indices, size_t count, uint8_t *out);
