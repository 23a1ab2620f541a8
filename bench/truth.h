/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The truth about the flows that flowgen sent, for each way of looking at them: a digest of the
 * text that an output must have, and the number of rows that aggregation leaves. */
#include <stdint.h>

enum truth_view {
    TRUTH_MATRIX,        /* exporter, input interface, next hop, peer AS, destination AS */
    TRUTH_MATRIX_NO_BGP, /* the same where nothing is known of BGP: no peer AS */
    TRUTH_TUPLE,         /* addresses, ports, protocol */
    TRUTH_DUMP,          /* these, TCP flags, start and end; a row a flow */
    TRUTH_EXPORTER,      /* exporter alone */
    TRUTH_VIEW_COUNT
};

/* A flow with addresses in host order and times in milliseconds since 1970. */
struct truth_flow {
    uint32_t exporter, iface, next_hop, peer_as, origin_as, src, dst;
    uint16_t sport, dport;
    uint8_t proto, tcp_flags;
    uint64_t start_ms, end_ms, packets, bytes;
};

struct truth *truth_new(void);
void truth_free(struct truth *truth); /* NULL is fine */
void truth_add(struct truth *truth, const struct truth_flow *flow);
/* Prints the views as members of a JSON object, each with the number of its rows. */
void truth_print(const struct truth *truth);
