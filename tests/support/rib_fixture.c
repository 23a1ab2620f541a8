/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The RIB fixture of rib_fixture.h. It interns sets of path attributes in a plain array and aborts
 * when the RIB gives back one that it does not have, or keeps one at the end. */
#include "support/rib_fixture.h"
#include "base/memory.h"
#include <stdio.h>
#include <stdlib.h>

static void check(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "rib fixture: %s\n", what);
        abort();
    }
}

static struct ip_addr addr_of(const char *text)
{
    struct ip_addr addr = {{0}, IP_NONE};

    if (text)
        check(ip_addr_parse(text, &addr) == 0, text);
    return addr;
}

static void attrs_unref(void *arg, struct path_attrs *attrs)
{
    struct rib_fixture *fixture = arg;

    if (--attrs->ref_count > 0)
        return;
    for (unsigned i = 0; i < fixture->set_count; i++) {
        if (fixture->sets[i] == attrs) {
            fixture->sets[i] = fixture->sets[--fixture->set_count];
            block_retire(fixture->pool, attrs->block);
            return;
        }
    }
    check(false, "a set that is not there was given back");
}

void rib_fixture_init(struct rib_fixture *fixture, const struct rib_settings *settings)
{
    struct rib_settings own = *settings;

    *fixture = (struct rib_fixture){.rcu = rcu_new(4)};
    fixture->pool = block_pool_new(fixture->rcu);
    own.attrs_pool = fixture->pool;
    fixture->max_peers = settings->max_peers;
    own.attrs_unref = attrs_unref;
    own.attrs_arg = fixture;
    fixture->rib = rib_new(fixture->rcu, &own);
}

void rib_fixture_clear(struct rib_fixture *fixture)
{
    /* Every set is given back when all peers are lost and swept. */
    for (uint32_t peer = 0; peer < fixture->max_peers; peer++)
        rib_peer_down(fixture->rib, peer, false, (struct wall_time){0}, (struct mono_time){0});
    rib_fixture_tick(fixture, INT64_MAX / NS_PER_MS / 2, INT64_MAX / NS_PER_MS / 2);
    rib_fixture_tick(fixture, INT64_MAX / NS_PER_MS / 2, INT64_MAX / NS_PER_MS / 2);
    rib_free(fixture->rib);
    check(fixture->set_count == 0, "sets were not given back");
    block_pool_free(fixture->pool);
    rcu_free(fixture->rcu);
    mem_free(fixture->sets);
}

void rib_fixture_unref(struct rib_fixture *fixture, struct path_attrs *attrs)
{
    attrs_unref(fixture, attrs);
}

struct path_attrs *rib_fixture_attrs(struct rib_fixture *fixture, const struct path_facts *facts)
{
    struct ip_addr next_hop = addr_of(facts->next_hop);
    static uint64_t handle;

    for (unsigned i = 0; i < fixture->set_count; i++) {
        struct path_attrs *set = fixture->sets[i];
        if (ip_addr_equal(&set->next_hop, &next_hop) && set->first_as == facts->neighbour &&
            set->local_pref == facts->local_pref && set->med == facts->med &&
            set->as_path_len == facts->as_path_len)
            return set;
    }
    uint32_t block = block_alloc(fixture->pool, 2 * CACHE_LINE); /* sets begin a line */
    struct path_attrs *set = block_at(fixture->pool, block);
    *set = (struct path_attrs){
        .block = block,
        .handle = ++handle,
        .next_hop = next_hop,
        .local_pref = facts->local_pref,
        .has_local_pref = facts->local_pref != 0,
        .med = facts->med,
        .has_med = facts->med != 0,
        .first_as = facts->neighbour,
        .first_as_no_confed = facts->neighbour,
        .as_path_len = facts->as_path_len,
        /* sets that differ in the next hop alone agree */
        .agreement = (uint64_t)facts->neighbour << 40 | (uint64_t)facts->local_pref << 20 |
                     (uint64_t)facts->med << 8 | facts->as_path_len,
    };
    if (fixture->set_count == fixture->set_capacity) {
        fixture->set_capacity = fixture->set_capacity * 2 + 16;
        fixture->sets =
            mem_realloc_array(fixture->sets, fixture->set_capacity, sizeof *fixture->sets);
    }
    fixture->sets[fixture->set_count++] = set;
    return set;
}

void rib_fixture_up(struct rib_fixture *fixture, uint32_t peer, bool has_add_path)
{
    struct rib_session session = {.router_id = 1000 + peer};

    for (int family = 0; family < RIB_FAMILY_COUNT; family++) {
        session.is_negotiated[RIB_UNICAST][family] = true;
        session.has_add_path[RIB_UNICAST][family] = has_add_path;
    }
    rib_peer_up(fixture->rib, peer, &session, (struct mono_time){fixture->mono_ms * NS_PER_MS});
}

void rib_fixture_down(struct rib_fixture *fixture, uint32_t peer, int64_t now_ms)
{
    rib_peer_down(fixture->rib, peer, true, (struct wall_time){now_ms * NS_PER_MS},
                  (struct mono_time){fixture->mono_ms * NS_PER_MS});
}

void rib_fixture_loaded(struct rib_fixture *fixture, uint32_t peer)
{
    rib_end_of_rib(fixture->rib, peer, RIB_UNICAST, RIB_IPV4, (struct wall_time){0});
    rib_end_of_rib(fixture->rib, peer, RIB_UNICAST, RIB_IPV6, (struct wall_time){0});
}

size_t rib_fixture_announce(struct rib_fixture *fixture, uint32_t peer, const char *prefix,
                            uint32_t path_id, const struct path_facts *facts, int64_t now_ms)
{
    struct rib_nlri nlri = {.path_id = path_id};
    struct path_attrs *attrs = rib_fixture_attrs(fixture, facts);

    check(ip_prefix_parse(prefix, &nlri.prefix) == 0, prefix);
    attrs->ref_count++; /* our reference, until the RIB has taken its own */
    size_t refused = rib_announce(fixture->rib, peer, RIB_UNICAST, &nlri, 1, attrs,
                                  (struct wall_time){now_ms * NS_PER_MS});
    attrs_unref(fixture, attrs);
    return refused;
}

size_t rib_fixture_withdraw(struct rib_fixture *fixture, uint32_t peer, const char *prefix,
                            uint32_t path_id, int64_t now_ms)
{
    struct rib_nlri nlri = {.path_id = path_id};

    check(ip_prefix_parse(prefix, &nlri.prefix) == 0, prefix);
    return rib_withdraw(fixture->rib, peer, RIB_UNICAST, &nlri, 1,
                        (struct wall_time){now_ms * NS_PER_MS});
}

void rib_fixture_tick(struct rib_fixture *fixture, int64_t wall_ms, int64_t mono_ms)
{
    uint64_t changes;

    fixture->mono_ms = mono_ms;
    while (rib_tick(fixture->rib, (struct wall_time){wall_ms * NS_PER_MS},
                    (struct mono_time){mono_ms * NS_PER_MS}, &changes))
        continue;
    block_pool_poll(fixture->pool);
}

struct rib_query rib_fixture_ask(const struct rib_fixture *fixture, uint32_t peer,
                                 const char *address, const char *next_hop, int64_t from_ms,
                                 int64_t to_ms)
{
    struct rib_query query = {
        .peer = peer,
        .address = addr_of(address),
        .next_hop = addr_of(next_hop),
        .from_ns = from_ms * NS_PER_MS,
        .to_ns = to_ms * NS_PER_MS,
    };

    rib_lookup_batch(fixture->rib, RIB_POLICY_NORMAL, &query, 1);
    return query;
}
