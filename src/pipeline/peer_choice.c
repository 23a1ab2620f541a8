/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The choice is a walk over all peers with a score for each; those who ask keep the result
 * (pipeline/correlate.c). */
#include "pipeline/peer_choice.h"
#include "base/reader.h"
#include "maps/agent_map.h"

/* Parts of a score: each is larger than the smaller ones together, so that the largest decides. */
enum {
    MATCHES = 1,
    BY_ADDRESS = 2,
    IS_UP = 4,
    HAS_STALE_TABLE = 8,
    SPEAKS_FAMILY = 16,
    HAS_PATHS = 32,
};

/* The properties by which peer_score() knows a session that answers for an address. */
struct wanted {
    const struct ip_addr *address;
    uint16_t port; /* 0: any */
    enum rib_family family;
    bool has_router_id; /* other sessions of that router may answer too */
    uint32_t router_id;
};

/*
 * A router has one identifier for all its sessions. Where the address has a session of its own that
 * one names the router; an address that will have one is no identifier either, so another router
 * that happens to have it as such does not answer.
 */
static struct wanted wanted_make(const struct bgp_peers *peers, const struct ip_addr *address,
                                 uint16_t port, enum rib_family family, bool match_router_id)
{
    struct wanted w = {.address = address, .port = port, .family = family};

    if (!match_router_id)
        return w;
    for (uint32_t i = 0; peers && i < peers->count; i++) {
        if (!ip_addr_equal(&peers->peers[i].address, address))
            continue;
        w.has_router_id = true;
        w.router_id = peers->peers[i].router_id;
        return w;
    }
    for (size_t i = 0; peers && i < peers->expected_count; i++) {
        if (ip_addr_equal(&peers->expected[i], address))
            return w;
    }
    if (address->family == IP_V4) {
        w.has_router_id = true;
        w.router_id = wire_u32(ip_addr_wire(address));
    }
    return w;
}

static unsigned peer_score(const struct bgp_peer_info *peer, const struct wanted *w)
{
    const struct bgp_peer_family *f = &peer->families[w->family];
    bool by_address = ip_addr_equal(&peer->address, w->address);
    bool by_router_id = w->has_router_id && peer->router_id == w->router_id;
    bool is_up = peer->state == BGP_PEER_ESTABLISHED;
    bool has_table = f->is_stale || (is_up && f->is_negotiated);

    if ((!by_address && !by_router_id) || (w->port != 0 && w->port != peer->port))
        return 0;
    return MATCHES + (by_address ? BY_ADDRESS : 0) + (is_up ? IS_UP : 0) +
           (f->is_stale ? HAS_STALE_TABLE : 0) + (is_up && f->is_negotiated ? SPEAKS_FAMILY : 0) +
           (has_table && f->has_paths ? HAS_PATHS : 0);
}

static uint32_t choose_peer(const struct bgp_peers *peers, const struct ip_addr *address,
                            uint16_t port, enum rib_family family, bool match_router_id,
                            unsigned *ret_score)
{
    const struct wanted wanted = wanted_make(peers, address, port, family, match_router_id);
    uint32_t best = PEER_NONE;

    *ret_score = 0;
    for (uint32_t i = 0; peers && i < peers->count; i++) {
        unsigned s = peer_score(&peers->peers[i], &wanted);
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
