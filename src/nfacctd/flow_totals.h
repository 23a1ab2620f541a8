/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Total counters (elements 85, 86 and their kind) count from the start of a flow and are exported
 * again each time that the flow goes on, so what counts is the difference to the last one of that
 * flow. One exporter's flows are kept here; one worker owns them.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"
#include "base/keyed_table.h"

/* Names a flow; what is not known is 0. Without holes, as it is compared by its bytes: all of it
 * is cleared before it is filled. */
struct flow_total_key {
    uint64_t flow_id; /* element 148; if it is there, the addresses and what follows do not count */
    uint64_t start;   /* as the exporter says it: whatever does not change between two exports */
    struct {
        uint8_t src_addr[16], dst_addr[16];
        uint32_t vrf, in_iface;
        uint16_t src_port, dst_port, vlan;
        uint8_t proto, tos;
    } packet;
    uint32_t domain_id;
    uint8_t version;
    uint8_t is_reverse; /* the way back of a biflow is a flow of its own */
    uint8_t family;
    uint8_t zero[1];
};

struct flow_total {
    struct flow_total_key key;
    uint64_t bytes, packets;
    int64_t start_ns;    /* by our clock; 0: unknown */
    int64_t end;         /* of the flow; only compared */
    bool end_is_uptime;  /* `end` is an uptime, modulo 2^32 */
    int64_t received_ns; /* the datagram's arrival */
};

enum flow_total_outcome {
    FLOW_TOTAL_FIRST,   /* counts whole */
    FLOW_TOTAL_UNKNOWN, /* the first one, but of a flow of which some may have been counted: 0 */
    FLOW_TOTAL_NEXT,    /* counts the difference */
    FLOW_TOTAL_ANEW,    /* lower, and ends later: another flow of the same name, counts whole */
    FLOW_TOTAL_LATE     /* lower, and does not end later: 0 */
};

struct flow_totals {
    struct keyed_table table; /* by two hashes of the key */
    int64_t first_ns;         /* arrival of the exporter's first datagram; 0: not yet known */
    int64_t evicted_ns;       /* arrival of the newest record of all flows that went; 0: none did */
    uint64_t evicted_count;
    uint32_t max;
    bool has_table;
};

/*
 * Begins an empty table of at most `max` flows; then the least recently seen goes. Flows that began
 * more than an hour before `first_ns`, the arrival of the exporter's first datagram, have a past
 * (0: the first total is the first datagram).
 */
static inline void flow_totals_init(struct flow_totals *totals, uint32_t max, int64_t first_ns)
{
    *totals = (struct flow_totals){.max = max, .first_ns = first_ns};
}

/* Forgets all flows, and is then as it was begun: the same capture is read again. */
void flow_totals_clear(struct flow_totals *totals);

/* Takes a total and turns it into what counts. */
enum flow_total_outcome flow_totals_take(struct flow_totals *totals, const struct flow_total *total,
                                         uint64_t *ret_bytes, uint64_t *ret_packets);
