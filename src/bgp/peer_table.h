/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The peers: one slot each, whose number is the RIB's, and the snapshot of them that other threads
 * read. A peer is an address and a router id, so that two speakers behind one address, or a
 * router's two sessions, are both kept. The BGP thread owns the table.
 */
#include "base/log.h"
#include "base/rcu.h"
#include "bgp/bgp.h"
#include "bgp/session.h"
#include <stdatomic.h>

/* Lines that a peer can cause, each with a limit of its own, so that no peer silences another. */
enum { PEER_LOG_STATE, PEER_LOG_TABLE, PEER_LOG_ATTRIBUTES, PEER_LOG_REFUSED, PEER_LOG_COUNT };

struct peer {
    struct bgp_peer_info info; /* families and counts are filled in per snapshot */
    bool is_in_use;
    struct session *session; /* the one that stands for the peer, from OpenConfirm on; NULL: down */
    struct log_limit log_limits[PEER_LOG_COUNT];
};

struct peer_table {
    struct peer *peers;
    uint32_t capacity;
    struct rib *rib;
    struct rcu_queue *retired;
    struct bgp_peers *_Atomic snapshot;
    struct ip_addr *expected; /* see struct bgp_peers */
    size_t expected_count;
};

void peer_table_init(struct peer_table *table, uint32_t capacity, struct rib *rib, struct rcu *rcu);
void peer_table_clear(struct peer_table *table); /* after all readers are gone */

/* Returns the peer's slot; NULL: it has none. */
struct peer *peer_table_find(const struct peer_table *table, const struct ip_addr *address,
                             uint32_t router_id);
/* Returns the peer's slot, a new one if need be. NULL: all hold something of other peers. */
struct peer *peer_table_take(struct peer_table *table, const struct ip_addr *address,
                             uint32_t router_id) ON_THREAD(bgp_thread);
uint32_t peer_table_session_count(const struct peer_table *table);
bool peer_table_has_session(const struct peer_table *table, const struct ip_addr *address);

/* Snapshots have the address in `expected` from now on; all of them are forgotten first. */
void peer_table_expect_none(struct peer_table *table);
void peer_table_expect(struct peer_table *table, const struct ip_addr *address);

/* Publishes what stands now. `is_change`: states, families or addresses changed, not only
 * counts. */
void peer_table_publish(struct peer_table *table, bool is_change) ON_THREAD(bgp_thread);
void peer_table_poll(struct peer_table *table); /* frees old snapshots */
/* Appends the addresses of established peers, each with a line feed. */
void peer_table_list(const struct peer_table *table, struct text *out);
