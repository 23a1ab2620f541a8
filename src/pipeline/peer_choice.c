/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The choice is a walk over all peers with a score for each; those who ask keep the result
 * (pipeline/correlate.c). */
#include "pipeline/peer_choice.h"
#include "base/reader.h"
#include "maps/agent_map.h"

/* Parts of a score: each is larger than the smaller ones together, so that the largest decides. */
enum { MATCHES = 1, BY_ADDRESS = 2, IS_UP = 4, HAS_STALE_TABLE = 8, SPEAKS_FAMILY = 16 };

static unsigned peer_score(const struct bgp_peer_info *peer, const struct ip_addr *address,
                           uint16_t port, enum rib_family family, bool match_router_id)
{
    const struct bgp_peer_family *f = &peer->families[family];
    bool by_address = ip_addr_equal(&peer->address, address);
    bool by_router_id = match_router_id && address->family == IP_V4 &&
                        wire_u32(ip_addr_wire(address)) == peer->router_id;
    bool is_up = peer->state == BGP_PEER_ESTABLISHED;

    if ((!by_address && !by_router_id) || (port != 0 && port != peer->port))
        return 0;
    return MATCHES + (by_address ? BY_ADDRESS : 0) + (is_up ? IS_UP : 0) +
           (f->is_stale ? HAS_STALE_TABLE : 0) + (is_up && f->is_negotiated ? SPEAKS_FAMILY : 0);
}

static uint32_t choose_peer(const struct bgp_peers *peers, const struct ip_addr *address,
                            uint16_t port, enum rib_family family, bool match_router_id,
                            unsigned *ret_score)
{
    uint32_t best = PEER_NONE;

    *ret_score = 0;
    for (uint32_t i = 0; peers && i < peers->count; i++) {
        unsigned s = peer_score(&peers->peers[i], address, port, family, match_router_id);
        if (s > *ret_score) {
            *ret_score = s;
            best = peers->peers[i].index;
        }
    }
    return best;
}

uint32_t peer_choice(const struct bgp_peers *peers, const struct ip_addr *address, uint16_t port,
                     enum rib_family family, bool match_router_id)
{
    unsigned ignored;

    return choose_peer(peers, address, port, family, match_router_id, &ignored);
}

uint32_t peer_choice_of_agents(const struct bgp_peers *peers,
                               const struct agent_peer *const *agents, size_t agent_count,
                               enum rib_family family)
{
    uint32_t first = PEER_NONE;

    for (size_t i = 0; i < agent_count; i++) {
        unsigned s;
        uint32_t peer = choose_peer(peers, &agents[i]->address, agents[i]->port, family, true, &s);
        if (s >= HAS_STALE_TABLE)
            return peer;
        if (first == PEER_NONE)
            first = peer;
    }
    return first;
}
