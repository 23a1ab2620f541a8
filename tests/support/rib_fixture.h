/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A RIB whose sets of path attributes are interned in a simple way, with short functions to feed it
 * and ask it. Times are in milliseconds. */
#include "base/rcu.h"
#include "bgp/rib.h"

struct rib_fixture {
    struct rcu *rcu;
    struct block_pool *pool; /* holds the sets */
    uint32_t max_peers;
    struct rib *rib;
    struct path_attrs **sets;
    unsigned set_count, set_capacity;
    int64_t mono_ms;
};

/* The facts that a test gives of a path; equal facts are one set. */
struct path_facts {
    const char *next_hop;
    uint32_t neighbour; /* first AS */
    uint32_t local_pref, med;
    uint16_t as_path_len;
};

void rib_fixture_init(struct rib_fixture *fixture, const struct rib_settings *settings);
/* Takes all peers down, and fails if the RIB does not give all sets back. */
void rib_fixture_clear(struct rib_fixture *fixture) ON_THREAD(bgp_thread);

struct path_attrs *rib_fixture_attrs(struct rib_fixture *fixture, const struct path_facts *facts);
/* Gives a reference back; the set goes with the last one. */
void rib_fixture_unref(struct rib_fixture *fixture, struct path_attrs *attrs);
void rib_fixture_up(struct rib_fixture *fixture, uint32_t peer, bool has_add_path)
    ON_THREAD(bgp_thread);
void rib_fixture_down(struct rib_fixture *fixture, uint32_t peer, int64_t now_ms)
    ON_THREAD(bgp_thread);
/* Announces the end of both unicast tables. */
void rib_fixture_loaded(struct rib_fixture *fixture, uint32_t peer) ON_THREAD(bgp_thread);
size_t rib_fixture_announce(struct rib_fixture *fixture, uint32_t peer, const char *prefix,
                            uint32_t path_id, const struct path_facts *facts, int64_t now_ms)
    ON_THREAD(bgp_thread);
size_t rib_fixture_withdraw(struct rib_fixture *fixture, uint32_t peer, const char *prefix,
                            uint32_t path_id, int64_t now_ms) ON_THREAD(bgp_thread);
/* Ticks the RIB until there is nothing more to do at this time. */
void rib_fixture_tick(struct rib_fixture *fixture, int64_t wall_ms, int64_t mono_ms)
    ON_THREAD(bgp_thread);
/* Looks up one flow; `next_hop` is NULL if the flow has none. */
struct rib_query rib_fixture_ask(const struct rib_fixture *fixture, uint32_t peer,
                                 const char *address, const char *next_hop, int64_t from_ms,
                                 int64_t to_ms);
