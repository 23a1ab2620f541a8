/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Takes datagrams apart for instances that take datagrams and whose pre_tag_map asks for what flows
 * tell. It has a decoder of its own, which learns the same templates as the worker's: datagrams go out
 * before they are decoded for accounting, which may be much later (bgp_wait_for_rib).
 *
 * Records are tagged one by one. Those of one tag leave in one datagram, with the header that they came
 * with; what has no flows leaves in another, for all. Of a datagram all of whose records have one tag
 * nothing is taken away. A worker's feed owns it.
 */
#include "base/arena.h"
#include "base/thread.h"
#include "flow/datagram_parts.h"
#include "flow/decoder.h"
#include "maps/tag_map.h"
#include <stdbool.h>
#include <stdint.h>

struct aggregate;
struct crew;
struct datagram_split;
struct tag_filter;
struct json_t;

/* The wish of an instance: how it tags records. */
struct split_wish {
    const struct tag_map *map;
    const struct tag_filter *filter; /* NULL: none */
    uint64_t post_tag, post_tag2;    /* 0: what the map says */
};

/* A part, tagged. A row with return=true makes two of one. */
struct split_entry {
    uint32_t part;
    bool is_filtered;
    uint64_t tag;
};
struct split_entries {
    struct split_entry *items;
    size_t count, capacity;
};

/* `exporters` are the worker's, of whom it learns which are known; both are borrowed. */
struct datagram_split *datagram_split_new(const struct crew *crew,
                                          const struct exporter_table *exporters,
                                          uint32_t instance_count);
void datagram_split_free(struct datagram_split *split); /* NULL is fine */
/* Takes what decoder_ops.load() takes. */
void datagram_split_load(struct datagram_split *split, const struct json_t *saved,
                         bool (*owns)(const struct ip_addr *exporter, void *arg), void *arg);
/* Makes the decoder fill what maps look at. */
void datagram_split_set_needs(struct datagram_split *split, const struct flow_needs *needs)
    ON_THREAD(worker_thread);
/* Takes templates that came from another collector, as decoder_ops.learn() does. */
void datagram_split_learn(struct datagram_split *split, const struct datagram *datagram)
    ON_THREAD(worker_thread);
void datagram_split_tick(struct datagram_split *split, int64_t now_ns) ON_THREAD(worker_thread);

/* Begins a datagram: nobody has a wish yet. */
void datagram_split_begin(struct datagram_split *split) ON_THREAD(worker_thread);
/* Says what an instance, below `instance_count`, asks of the datagram to come. */
void datagram_split_wish(struct datagram_split *split, uint32_t instance,
                         const struct split_wish *wish) ON_THREAD(worker_thread);
/* Takes the datagram apart. False: it cannot be, or there is nothing in it. */
bool datagram_split_read(struct datagram_split *split, const struct datagram *datagram)
    ON_THREAD(worker_thread);
/* How many parts of the last datagram nobody could read. */
uint32_t datagram_split_unread(const struct datagram_split *split);
/* Gives the parts to an instance that had a wish. Parts that nobody could read are tagged as
 * `unread`, whose part means nothing, says. */
void datagram_split_give(struct datagram_split *split, uint32_t instance,
                         const struct split_entry *unread, const struct datagram *datagram,
                         struct aggregate *aggregate) ON_THREAD(worker_thread);

/* Sets tags of a flow as maps and keys say. Returns whether the filter leaves it out. */
bool split_wish_tag(const struct split_wish *wish, const struct tag_result *result,
                    struct flow *flow);
