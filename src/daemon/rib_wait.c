/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists the expected peers and asks BGP for them. See rib_wait.h. */
#include "daemon/rib_wait.h"
#include "base/memory.h"
#include "base/reader.h"
#include "base/text.h"
#include "bgp/address_list.h"
#include "maps/agent_map.h"
#include "pipeline/bmp_choice.h"

struct rib_wait {
    struct ip_addr *expected;
    size_t count;
};

static void expect_address(struct rib_wait *wait, const struct ip_addr *address)
{
    for (size_t i = 0; i < wait->count; i++)
        if (ip_addr_equal(&wait->expected[i], address))
            return;
    wait->expected = mem_realloc_array(wait->expected, wait->count + 1, sizeof *wait->expected);
    wait->expected[wait->count++] = *address;
}

/* Expects each entry that is an address, not a network. BGP has reported what may be wrong with the
 * file. */
static void expect_file(struct rib_wait *wait, const char *path)
{
    struct address_list list = {0};
    struct text error = {0};

    if (address_list_load(path, false, &error, &list) == 0)
        for (size_t i = 0; i < list.count; i++) {
            const struct ip_prefix *prefix = &list.entries[i].prefix;
            if (prefix->len == 8 * ip_addr_wire_len(&prefix->addr))
                expect_address(wait, &prefix->addr);
        }
    address_list_clear(&list);
    text_clear(&error);
}

struct rib_wait *rib_wait_new(const struct maps *maps, const char *bgp_allow_file,
                              const char *bmp_allow_file)
{
    struct rib_wait *wait = mem_zalloc(sizeof *wait);

    for (size_t i = 0; maps && maps->agents && i < agent_map_peer_count(maps->agents); i++)
        expect_address(wait, &agent_map_peer_at(maps->agents, i)->address);
    if (bgp_allow_file)
        expect_file(wait, bgp_allow_file);
    if (bmp_allow_file)
        expect_file(wait, bmp_allow_file);
    return wait;
}

void rib_wait_free(struct rib_wait *wait)
{
    if (!wait)
        return;
    mem_free(wait->expected);
    mem_free(wait);
}

bool rib_wait_is_loaded(const struct bgp_peer_info *peer)
{
    if (peer->state != BGP_PEER_ESTABLISHED)
        return false;
    for (int i = 0; i < RIB_FAMILY_COUNT; i++)
        if (peer->families[i].is_negotiated && !peer->families[i].is_loaded)
            return false;
    return true;
}

static bool is_peer(const struct bgp_peer_info *peer, const struct ip_addr *address)
{
    return ip_addr_equal(&peer->address, address) ||
           (address->family == IP_V4 && wire_u32(ip_addr_wire(address)) == peer->router_id);
}

bool rib_wait_is_router_loaded(const struct bmp_router_view *router)
{
    bool has_table = false;

    for (uint32_t i = 0; router->is_connected && i < router->view_count; i++) {
        for (int family = 0; family < RIB_FAMILY_COUNT; family++) {
            const struct bmp_view_family *f = &router->views[i].families[family];
            if (f->is_negotiated && !f->is_loaded)
                return false;
            has_table |= f->is_negotiated;
        }
    }
    return has_table;
}

static bool is_expected_there(const struct route_sources *sources, const struct ip_addr *address)
{
    for (uint32_t i = 0; sources->peers && i < sources->peers->count; i++) {
        if (is_peer(&sources->peers->peers[i], address))
            return true;
    }
    return bmp_choice_router(sources->views, address, true) != NULL;
}

bool rib_wait_is_over(const struct rib_wait *wait, const struct route_sources *sources)
{
    const struct bgp_peers *peers = sources->peers;
    const struct bmp_views *views = sources->views;

    if ((!peers || peers->count == 0) && (!views || views->count == 0))
        return false;
    for (uint32_t i = 0; peers && i < peers->count; i++)
        if (!rib_wait_is_loaded(&peers->peers[i]))
            return false;
    for (uint32_t i = 0; views && i < views->count; i++)
        if (!rib_wait_is_router_loaded(views->routers[i]))
            return false;
    for (size_t e = 0; e < wait->count; e++)
        if (!is_expected_there(sources, &wait->expected[e]))
            return false;
    return true;
}
