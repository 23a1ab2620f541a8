/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of BGP peers: it deals out slots, and builds a snapshot anew for each change, as
 * peers are few. */
#include "bgp/peer_table.h"
#include "base/memory.h"
#include "base/text.h"

void peer_table_init(struct peer_table *table, uint32_t capacity, struct rib *rib, struct rcu *rcu)
{
    table->peers = mem_calloc(capacity, sizeof table->peers[0]);
    table->capacity = capacity;
    table->rib = rib;
    table->retired = rcu_queue_new(rcu);
    for (uint32_t i = 0; i < capacity; i++)
        table->peers[i].info.index = i;
    atomic_init(&table->snapshot, mem_zalloc(sizeof(struct bgp_peers)));
}

void peer_table_clear(struct peer_table *table)
{
    if (!table->peers)
        return;
    rcu_queue_free(table->retired);
    mem_free(rcu_read(&table->snapshot));
    mem_free(table->expected);
    mem_free(table->peers);
}

/* Finds a slot that nobody uses, or that of a peer that is down and of which nothing is left.
 * Slots are given away only when they are needed: a peer that comes back should find its own. */
static struct peer *slot_find(struct peer_table *table) ON_THREAD(bgp_thread)
{
    for (uint32_t i = 0; i < table->capacity; i++) {
        if (!table->peers[i].is_in_use)
            return &table->peers[i];
    }
    for (uint32_t i = 0; i < table->capacity; i++) {
        if (!table->peers[i].session && rib_peer_release(table->rib, i))
            return &table->peers[i];
    }
    return NULL;
}

struct peer *peer_table_find(const struct peer_table *table, const struct ip_addr *address,
                             uint32_t router_id)
{
    for (uint32_t i = 0; i < table->capacity; i++) {
        struct peer *peer = &table->peers[i];
        if (peer->is_in_use && peer->info.router_id == router_id &&
            ip_addr_equal(&peer->info.address, address))
            return peer;
    }
    return NULL;
}

struct peer *peer_table_take(struct peer_table *table, const struct ip_addr *address,
                             uint32_t router_id)
{
    struct peer *known = peer_table_find(table, address, router_id);

    if (known)
        return known;
    struct peer *peer = slot_find(table);
    if (peer) {
        /* The limits of log lines stay with the slot: a stranger with a new identifier each time
         * would have fresh ones. */
        peer->info = (struct bgp_peer_info){
            .index = peer->info.index, .address = *address, .router_id = router_id};
        peer->session = NULL;
        peer->is_in_use = true;
    }
    return peer;
}

uint32_t peer_table_session_count(const struct peer_table *table)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < table->capacity; i++)
        count += table->peers[i].session != NULL;
    return count;
}

bool peer_table_has_session(const struct peer_table *table, const struct ip_addr *address)
{
    for (uint32_t i = 0; i < table->capacity; i++) {
        const struct peer *peer = &table->peers[i];
        if (peer->session && ip_addr_equal(&peer->info.address, address))
            return true;
    }
    return false;
}

/* Fills in what the RIB knows; true: there is something of the peer for readers to see. */
static bool peer_describe(const struct peer_table *table, const struct peer *peer,
                          struct bgp_peer_info *info)
{
    bool is_worth_it = peer->info.state == BGP_PEER_ESTABLISHED;

    if (!peer->is_in_use)
        return false;
    *info = peer->info;
    for (int family = 0; family < RIB_FAMILY_COUNT; family++) {
        struct rib_family_state state =
            rib_peer_family(table->rib, peer->info.index, RIB_UNICAST, (enum rib_family)family);
        info->families[family] =
            (struct bgp_peer_family){state.is_negotiated, state.has_add_path, state.is_loaded,
                                     state.is_stale, state.has_paths};
        info->families[family].has_paths |=
            rib_peer_family(table->rib, peer->info.index, RIB_LABELLED, (enum rib_family)family)
                .has_paths;
        is_worth_it = is_worth_it || state.is_stale;
    }
    struct rib_peer_counts counts = rib_peer_counts(table->rib, peer->info.index);
    info->paths = counts.paths;
    info->history_paths = counts.history_paths;
    return is_worth_it;
}

void peer_table_expect_none(struct peer_table *table)
{
    table->expected_count = 0;
}

void peer_table_expect(struct peer_table *table, const struct ip_addr *address)
{
    table->expected =
        mem_realloc_array(table->expected, table->expected_count + 1, sizeof table->expected[0]);
    table->expected[table->expected_count++] = *address;
}

/* Has some family got its first path, or lost its last one? Both snapshots are sorted by index. */
static bool families_filled(const struct bgp_peers *old, const struct bgp_peers *new)
{
    for (uint32_t i = 0, k = 0; i < new->count; i++) {
        while (k < old->count && old->peers[k].index < new->peers[i].index)
            k++;
        for (int family = 0; family < RIB_FAMILY_COUNT; family++) {
            bool had_paths = k < old->count && old->peers[k].index == new->peers[i].index &&
                             old->peers[k].families[family].has_paths;
            if (had_paths != new->peers[i].families[family].has_paths)
                return true;
        }
    }
    return false;
}

void peer_table_publish(struct peer_table *table, bool is_change)
{
    struct bgp_peers *old = rcu_read(&table->snapshot);
    uint32_t count = 0;

    THREAD_ASSERT(bgp_thread);
    for (uint32_t i = 0; i < table->capacity; i++)
        count += table->peers[i].is_in_use;
    struct bgp_peers *peers = mem_zalloc(sizeof *peers + count * sizeof peers->peers[0] +
                                         table->expected_count * sizeof table->expected[0]);
    struct ip_addr *expected = (struct ip_addr *)(void *)(peers->peers + count);
    for (uint32_t i = 0; i < table->capacity; i++) {
        if (peer_describe(table, &table->peers[i], &peers->peers[peers->count]))
            peers->count++;
    }
    if (table->expected_count > 0)
        memcpy(expected, table->expected, table->expected_count * sizeof expected[0]);
    peers->expected = expected;
    peers->expected_count = table->expected_count;
    peers->generation = old->generation + (is_change || families_filled(old, peers));
    rcu_publish(&table->snapshot, peers);
    rcu_retire(table->retired, mem_free, old);
}

void peer_table_poll(struct peer_table *table)
{
    rcu_queue_poll(table->retired);
}

void peer_table_list(const struct peer_table *table, struct text *out)
{
    for (uint32_t i = 0; i < table->capacity; i++) {
        char address[IP_TEXT_LEN];
        if (table->peers[i].info.state != BGP_PEER_ESTABLISHED)
            continue;
        ip_addr_format(&table->peers[i].info.address, address);
        text_append_printf(out, "%s\n", address);
    }
}
