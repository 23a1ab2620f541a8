/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists the expected peers and asks BGP for them. See rib_wait.h. */
#include "daemon/rib_wait.h"
#include "base/memory.h"
#include "base/reader.h"
#include "base/text.h"
#include "bgp/address_list.h"
#include "maps/agent_map.h"

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

struct rib_wait *rib_wait_new(const struct maps *maps, const char *allow_file)
{
    struct rib_wait *wait = mem_zalloc(sizeof *wait);

    for (size_t i = 0; maps && maps->agents && i < agent_map_peer_count(maps->agents); i++)
        expect_address(wait, &agent_map_peer_at(maps->agents, i)->address);
    if (allow_file)
        expect_file(wait, allow_file);
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

bool rib_wait_is_over(const struct rib_wait *wait, const struct bgp_peers *peers)
{
    if (!peers || peers->count == 0)
        return false;
    for (uint32_t i = 0; i < peers->count; i++)
        if (!rib_wait_is_loaded(&peers->peers[i]))
            return false;
    for (size_t e = 0; e < wait->count; e++) {
        bool is_there = false;
        for (uint32_t i = 0; i < peers->count && !is_there; i++)
            is_there = is_peer(&peers->peers[i], &wait->expected[e]);
        if (!is_there)
            return false;
    }
    return true;
}
