/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Chooses the BGP peer whose table answers for an exporter: the peer that bgp_agent_map names, else the one
 * whose session address is the exporter's, else the one whose router id it is. Of several sessions
 * of one router the one that has paths of the address family, then the one that speaks it.
 */
#include "bgp/bgp.h"

enum { PEER_NONE = UINT32_MAX };

/*
 * Returns the index of the peer at `address` in `peers`, PEER_NONE if there is none. `port`: of the
 * session at the peer's end, 0 for any; `match_router_id`: the address may also be its router id.
 */
uint32_t peer_choice(const struct bgp_peers *peers, const struct ip_addr *address, uint16_t port,
                     enum rib_family family, bool match_router_id);
struct agent_peer;
/* Returns the first of `agents`, in their order, whose peer has a table of that family; else the
 * first that is there at all. */
uint32_t peer_choice_of_agents(const struct bgp_peers *peers,
                               const struct agent_peer *const *agents, size_t agent_count,
                               enum rib_family family);
