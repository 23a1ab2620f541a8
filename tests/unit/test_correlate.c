/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that flows find their paths in a real RIB: every verdict of path_match.def, what is filled
 * in for it, and which peer answers. Expected values follow from the announcements that each test
 * makes. */
#include "base/memory.h"
#include "base/text.h"
#include "base/thread.h"
#include "flow/exporter.h"
#include "maps/agent_map.h"
#include "maps/maps.h"
#include "maps/next_hop_map.h"
#include "pipeline/correlate.h"
#include "pipeline/enrich.h"
#include "support/rib_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { ADD_PATH_PEER, PLAIN_PEER, IPV6_PEER, PEERS };
#define T0 INT64_C(1700000000000) /* ms: when the test begins */

struct rig {
    struct rib_fixture rib;
    struct bgp_peers *peers;
    struct correlate_settings settings;
    struct correlator *correlator;
    struct maps maps;
    struct exporter exporter;
    struct flow_batch batch;
    struct rcu_reader *reader;
};

static const struct path_facts path_789 = {"10.0.0.1", 789, 200, 100, 1};
static const struct path_facts path_123 = {"10.0.0.2", 123, 100, 100, 3};
static const struct path_facts path_321 = {"10.0.0.3", 321, 100, 100, 3};

static struct ip_addr address(const char *text)
{
    struct ip_addr a = {{0}, IP_NONE};

    if (text)
        assert_int_equal(ip_addr_parse(text, &a), 0);
    return a;
}

static void peer_set(struct rig *rig, uint32_t index, const char *session, uint32_t router_id)
{
    struct bgp_peer_info *peer = &rig->peers->peers[index];

    peer->index = index;
    peer->address = address(session);
    peer->router_id = router_id;
    peer->state = BGP_PEER_ESTABLISHED;
}

static void rig_init(struct rig *rig)
{
    static const struct rib_settings settings = {
        .max_peers = 8, .history_s = 300, .history_max = 1000};

    memset(rig, 0, sizeof *rig);
    rib_fixture_init(&rig->rib, &settings);
    rig->peers = mem_zalloc(sizeof *rig->peers + PEERS * sizeof *rig->peers->peers);
    rig->peers->generation = 1;
    rig->peers->count = PEERS;
    peer_set(rig, ADD_PATH_PEER, "192.0.2.1", 0xc0000201);
    peer_set(rig, PLAIN_PEER, "192.0.2.2", 0x01020304);
    peer_set(rig, IPV6_PEER, "2001:db8::1", 0xc0000201);
    rig->peers->peers[ADD_PATH_PEER].families[RIB_IPV4].is_negotiated = true;
    rig->peers->peers[PLAIN_PEER].families[RIB_IPV4].is_negotiated = true;
    rig->peers->peers[IPV6_PEER].families[RIB_IPV6].is_negotiated = true;
    rib_fixture_up(&rig->rib, ADD_PATH_PEER, true);
    rib_fixture_up(&rig->rib, PLAIN_PEER, false);
    rib_fixture_up(&rig->rib, IPV6_PEER, true);
    rig->settings = (struct correlate_settings){.is_enabled = true,
                                                .as_method = ROUTE_BGP,
                                                .net_method = ROUTE_BGP,
                                                .needs_destination = true,
                                                .needs_networks = true,
                                                .needs_as_path = true,
                                                .needs_std_comms = true,
                                                .needs_ext_comms = true,
                                                .needs_lrg_comms = true};
    for (int i = 0; i < PATH_MATCH_COUNT; i++)
        rig->settings.accepted |= (uint32_t)path_matches[i].is_accepted_by_default << i;
    rig->correlator = correlator_new(&rig->settings, rig->rib.rib, 8);
    rig->exporter.addr = address("192.0.2.1");
    rig->exporter.generation = 1;
    rig->batch = (struct flow_batch){
        .flows = mem_calloc(8, sizeof(struct flow)), .stride = sizeof(struct flow), .capacity = 8};
    assert_int_equal(rcu_reader_register(rig->rib.rcu, &rig->reader), 0);
}

static void rig_clear(struct rig *rig)
{
    rcu_reader_unregister(rig->reader);
    correlator_free(rig->correlator);
    mem_free(rig->peers);
    mem_free(rig->batch.flows);
    rib_fixture_clear(&rig->rib);
}

static void loaded(struct rig *rig)
{
    for (uint32_t peer = 0; peer < PEERS; peer++)
        rib_fixture_loaded(&rig->rib, peer);
}

static void announce(struct rig *rig, uint32_t peer, const char *prefix, uint32_t id,
                     const struct path_facts *facts, int64_t at_ms)
{
    rib_fixture_announce(&rig->rib, peer, prefix, id, facts, at_ms);
}

/* Correlates a flow that ran in the second before `end_ms`, and returns it as the worker would see
 * it afterwards. */
static struct flow *correlate(struct rig *rig, const char *destination, const char *next_hop,
                              int64_t end_ms)
{
    struct flow *flow = flow_batch_at(&rig->batch, 0);

    memset(flow, 0, sizeof *flow);
    flow->exporter = &rig->exporter;
    flow->flows = 1;
    flow->dst_addr = address(destination);
    flow->src_addr = address(strchr(destination, ':') ? "2001:db8:ffff::1" : "198.51.100.1");
    flow->bgp_next_hop = address(next_hop);
    flow->start_ns = (end_ms - 1000) * 1000000;
    flow->end_ns = end_ms * 1000000;
    flow->arrival_ns = flow->end_ns + 1000000;
    flow->dst_as = 4444; /* what the exporter says */
    flow->dst_mask = 20;
    rig->batch.count = 1;
    rcu_online(rig->reader);
    correlate_batch(rig->correlator, &(struct route_sources){rig->peers, NULL},
                    rig->maps.generation ? &rig->maps : NULL, &rig->batch);
    rcu_offline(rig->reader);
    return flow;
}

static void check_next_hop(const struct flow *flow, const char *expected)
{
    struct ip_addr e = address(expected);

    assert_true(ip_addr_equal(&flow->bgp_next_hop, &e));
}

static void four_paths(struct rig *rig)
{
    announce(rig, ADD_PATH_PEER, "192.168.1.0/24", 1, &path_789, T0);
    announce(rig, ADD_PATH_PEER, "192.168.1.0/24", 2, &path_123, T0);
    announce(rig, ADD_PATH_PEER, "192.168.1.0/24", 3, &path_321, T0);
    loaded(rig);
}

static void the_exported_next_hop_picks_the_path(void **state)
{
    static const struct path_facts *const all[] = {&path_789, &path_123, &path_321};
    struct rig rig;

    (void)state;
    rig_init(&rig);
    four_paths(&rig);
    for (unsigned i = 0; i < 3; i++) {
        struct flow *flow = correlate(&rig, "192.168.1.77", all[i]->next_hop, T0 + 5000);
        assert_int_equal(flow->path_match, PATH_MATCH_EXACT);
        assert_int_equal(flow->peer_dst_as, all[i]->neighbour);
        assert_int_equal(flow->local_pref, all[i]->local_pref);
        assert_int_equal(flow->path_id, i + 1);
        assert_int_equal(flow->dst_mask, 24);
        check_next_hop(flow, all[i]->next_hop);
    }
    assert_int_equal(counter_get(&rig.exporter.counters.path_match[PATH_MATCH_EXACT]), 3);
    assert_int_equal(counter_get(&rig.exporter.counters.multipath_prefixes), 1);
    assert_int_equal(counter_get(&rig.exporter.counters.multipath_next_hops), 3);
    rig_clear(&rig);
}

static void an_unknown_next_hop_stays_and_no_path_is_made_up(void **state)
{
    struct rig rig;
    struct flow *flow;

    (void)state;
    rig_init(&rig);
    four_paths(&rig);
    flow = correlate(&rig, "192.168.1.77", "10.0.0.77", T0 + 5000);
    assert_int_equal(flow->path_match, PATH_MATCH_UNMATCHED);
    assert_int_equal(flow->peer_dst_as, 0);
    assert_int_equal(flow->dst_as, 0);
    assert_int_equal(flow->dst_mask, 0);
    assert_int_equal(flow->local_pref, 0);
    check_next_hop(flow, "10.0.0.77");
    rig_clear(&rig);
}

static void an_accepted_guess_is_filled_in_under_its_own_name(void **state)
{
    struct rig rig;
    struct flow *flow;

    (void)state;
    rig_init(&rig);
    rig.settings.accepted |= 1U << PATH_MATCH_UNMATCHED;
    four_paths(&rig);
    flow = correlate(&rig, "192.168.1.77", "10.0.0.77", T0 + 5000);
    assert_int_equal(flow->path_match, PATH_MATCH_UNMATCHED);
    assert_int_equal(flow->peer_dst_as, 789);
    check_next_hop(flow, "10.0.0.1");
    rig_clear(&rig);
}

static void without_a_next_hop_one_path_is_sole_and_several_are_best(void **state)
{
    struct rig rig;
    struct flow *flow;

    (void)state;
    rig_init(&rig);
    announce(&rig, ADD_PATH_PEER, "192.168.2.0/24", 1, &path_321, T0);
    four_paths(&rig);
    flow = correlate(&rig, "192.168.2.1", NULL, T0 + 5000);
    assert_int_equal(flow->path_match, PATH_MATCH_SOLE);
    assert_int_equal(flow->peer_dst_as, 321);
    check_next_hop(flow, "10.0.0.3");
    flow = correlate(&rig, "192.168.1.1", "0.0.0.0", T0 + 5000);
    assert_int_equal(flow->path_match, PATH_MATCH_BEST);
    assert_int_equal(flow->peer_dst_as, 0);
    rig_clear(&rig);
}

static void two_differing_paths_with_one_next_hop_are_ambiguous(void **state)
{
    static const struct path_facts other = {"10.0.0.1", 555, 100, 100, 2};
    struct rig rig;

    (void)state;
    rig_init(&rig);
    announce(&rig, ADD_PATH_PEER, "192.168.1.0/24", 9, &other, T0);
    four_paths(&rig);
    assert_int_equal(correlate(&rig, "192.168.1.1", "10.0.0.1", T0 + 5000)->path_match,
                     PATH_MATCH_AMBIGUOUS);
    assert_int_equal(flow_batch_at(&rig.batch, 0)->peer_dst_as, 789); /* the better one */
    rig_clear(&rig);
}

static void a_less_specific_prefix_is_covering_and_not_filled_in(void **state)
{
    static const struct path_facts wide = {"10.0.0.7", 7777, 100, 100, 1};
    struct rig rig;
    struct flow *flow;

    (void)state;
    rig_init(&rig);
    announce(&rig, ADD_PATH_PEER, "192.168.0.0/16", 1, &wide, T0);
    four_paths(&rig);
    flow = correlate(&rig, "192.168.1.1", "10.0.0.7", T0 + 5000);
    assert_int_equal(flow->path_match, PATH_MATCH_COVERING);
    assert_int_equal(flow->dst_as, 0);
    check_next_hop(flow, "10.0.0.7");
    rig_clear(&rig);
}

static void a_withdrawn_path_is_found_for_a_flow_from_before(void **state)
{
    struct rig rig;
    struct flow *flow;

    (void)state;
    rig_init(&rig);
    four_paths(&rig);
    rib_fixture_withdraw(&rig.rib, ADD_PATH_PEER, "192.168.1.0/24", 2, T0 + 4500);
    flow = correlate(&rig, "192.168.1.1", "10.0.0.2", T0 + 5000); /* ran from 4.0 to 5.0 s */
    assert_int_equal(flow->path_match, PATH_MATCH_HISTORIC);
    assert_int_equal(flow->peer_dst_as, 123);
    assert_int_equal(correlate(&rig, "192.168.1.1", "10.0.0.2", T0 + 9000)->path_match,
                     PATH_MATCH_UNMATCHED);
    rig_clear(&rig);
}

static void a_session_without_add_path_gives_its_single_path(void **state)
{
    struct rig rig;
    struct flow *flow;

    (void)state;
    rig_init(&rig);
    rig.exporter.addr = address("192.0.2.2");
    announce(&rig, PLAIN_PEER, "192.168.1.0/24", 0, &path_123, T0);
    loaded(&rig);
    flow = correlate(&rig, "192.168.1.1", NULL, T0 + 5000);
    assert_int_equal(flow->path_match, PATH_MATCH_SINGLE);
    assert_int_equal(flow->peer_dst_as, 123);
    check_next_hop(flow, "10.0.0.2");
    flow = correlate(&rig, "192.168.1.1", "10.9.9.9", T0 + 5000);
    assert_int_equal(flow->path_match, PATH_MATCH_DIFFERS);
    assert_int_equal(flow->peer_dst_as, 123);
    check_next_hop(flow, "10.0.0.2");
    assert_int_equal(correlate(&rig, "192.168.1.1", "10.0.0.2", T0 + 5000)->path_match,
                     PATH_MATCH_EXACT);
    rig_clear(&rig);
}

static void a_path_that_was_announced_late_is_counted(void **state)
{
    struct rig rig;
    struct flow *flow;

    (void)state;
    rig_init(&rig);
    rig.settings.path_lag_s = 5;
    loaded(&rig);
    announce(&rig, ADD_PATH_PEER, "192.168.1.0/24", 1, &path_789, T0);
    flow = correlate(&rig, "192.168.1.1", "10.0.0.1", T0 - 5001);
    assert_int_equal(flow->path_match, PATH_MATCH_NO_ROUTE);
    flow = correlate(&rig, "192.168.1.1", "10.0.0.1", T0 - 5000);
    assert_int_equal(flow->path_match, PATH_MATCH_EXACT);
    assert_int_equal(flow->peer_dst_as, 789);
    assert_int_equal(counter_get(&rig.exporter.counters.late), 1);
    rig.settings.policy = RIB_POLICY_PMACCT;
    flow = correlate(&rig, "192.168.1.1", "10.0.0.1", T0 - 5000);
    assert_int_equal(flow->path_match, PATH_MATCH_NO_ROUTE);
    rig_clear(&rig);
}

/*
 * Correlates a flow of an exporter whose clock is off: all instants that it exports are off alike.
 */
static enum path_match match_with_clock(struct rig *rig, const char *next_hop, int64_t end_ms,
                                        int64_t offset_ms)
{
    struct flow *flow = correlate(rig, "192.168.1.1", next_hop, end_ms);

    flow->start_ns -= offset_ms * 1000000;
    flow->end_ns -= offset_ms * 1000000;
    flow->clock_offset_ns = offset_ms * 1000000;
    flow->bgp_next_hop = address(next_hop);
    rcu_online(rig->reader);
    correlate_batch(rig->correlator, &(struct route_sources){rig->peers, NULL}, NULL, &rig->batch);
    rcu_offline(rig->reader);
    return flow->path_match;
}

static void an_exporters_clock_is_corrected(void **state)
{
    static const int64_t offsets_ms[] = {10000, 7200000, -20000, -7200000};
    struct rig rig;

    (void)state;
    rig_init(&rig);
    loaded(&rig);
    announce(&rig, ADD_PATH_PEER, "192.168.1.0/24", 1, &path_789, T0 - 60000);
    announce(&rig, ADD_PATH_PEER, "192.168.1.0/24", 1, &path_123, T0); /* another way from T0 on */
    for (size_t i = 0; i < sizeof offsets_ms / sizeof offsets_ms[0]; i++) {
        assert_int_equal(match_with_clock(&rig, "10.0.0.1", T0 - 1000, offsets_ms[i]),
                         PATH_MATCH_EXACT);
        assert_int_equal(match_with_clock(&rig, "10.0.0.1", T0 + 5000, offsets_ms[i]),
                         PATH_MATCH_UNMATCHED);
        assert_int_equal(match_with_clock(&rig, "10.0.0.2", T0 + 5000, offsets_ms[i]),
                         PATH_MATCH_EXACT);
    }
    rig_clear(&rig);
}

static void absurd_times_of_a_clock_that_is_off_are_those_of_arrival(void **state)
{
    static const int64_t ends_ns[] = {INT64_MAX - 1, 1000, INT64_C(1) << 62};
    struct rig rig;
    struct flow *flow;

    (void)state;
    rig_init(&rig);
    loaded(&rig);
    announce(&rig, ADD_PATH_PEER, "192.168.1.0/24", 1, &path_789, T0 - 60000);
    for (size_t i = 0; i < sizeof ends_ns / sizeof ends_ns[0]; i++) {
        flow = correlate(&rig, "192.168.1.1", NULL, T0);
        flow->start_ns = flow->end_ns = ends_ns[i];
        flow->clock_offset_ns = flow->arrival_ns; /* it has no clock: 1970 */
        flow->bgp_next_hop = address("10.0.0.1");
        rcu_online(rig.reader);
        correlate_batch(rig.correlator, &(struct route_sources){rig.peers, NULL}, NULL, &rig.batch);
        rcu_offline(rig.reader);
        assert_int_equal(flow->path_match, PATH_MATCH_EXACT);
    }
    rig_clear(&rig);
}

static void times_that_suit_the_arrival_alone_stay(void **state)
{
    struct rig rig;
    struct flow *flow;

    (void)state;
    rig_init(&rig);
    loaded(&rig);
    announce(&rig, ADD_PATH_PEER, "192.168.1.0/24", 1, &path_789, T0 - 60000);
    announce(&rig, ADD_PATH_PEER, "192.168.1.0/24", 1, &path_123, T0);
    flow = correlate(&rig, "192.168.1.1", NULL, T0 - 1000);
    flow->clock_offset_ns = INT64_C(10000) * 1000000; /* its header alone is 10 s behind */
    flow->bgp_next_hop = address("10.0.0.1");
    rcu_online(rig.reader);
    correlate_batch(rig.correlator, &(struct route_sources){rig.peers, NULL}, NULL, &rig.batch);
    rcu_offline(rig.reader);
    assert_int_equal(flow->path_match, PATH_MATCH_EXACT);
    rig_clear(&rig);
}

/* Spreads that many flows over that many seconds, of which one in ten (or none) names the path's
 * next hop. Returns whether the log said that next hops are foreign. */
static bool is_told_of_next_hops(int64_t seconds, int flows, bool one_matches)
{
    struct rig rig;
    bool is_told;

    rig_init(&rig);
    announce(&rig, ADD_PATH_PEER, "192.168.1.0/24", 1, &path_789, T0);
    loaded(&rig);
    for (int i = 0; i < flows; i++)
        correlate(&rig, "192.168.1.1", one_matches && i % 10 == 0 ? "10.0.0.1" : "10.9.9.9",
                  T0 + seconds * 1000 * i / (flows - 1));
    is_told = rig.exporter.notes_said >> NOTE_next_hops_foreign & 1;
    rig_clear(&rig);
    return is_told;
}

static void next_hops_that_never_match_are_told_of(void **state)
{
    (void)state;
    assert_false(is_told_of_next_hops(601, 999, false));
    assert_false(is_told_of_next_hops(599, 1000, false));
    assert_false(is_told_of_next_hops(601, 1000, true));
    assert_true(is_told_of_next_hops(601, 1000, false));
}

static void a_session_without_add_path_is_told_of_once_flows_differ(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.exporter.addr = address("192.0.2.2");
    announce(&rig, PLAIN_PEER, "192.168.1.0/24", 0, &path_123, T0);
    loaded(&rig);
    correlate(&rig, "192.168.1.1", "10.0.0.2", T0 + 5000);
    assert_int_equal(rig.exporter.notes_said, 0);
    correlate(&rig, "192.168.1.1", "10.0.0.3", T0 + 5000);
    assert_int_equal(rig.exporter.notes_said, 1u << NOTE_lacks_add_path);
    rig_clear(&rig);
}

static void no_route_and_no_session_have_their_own_verdicts(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    four_paths(&rig);
    assert_int_equal(correlate(&rig, "203.0.113.1", "10.0.0.1", T0 + 5000)->path_match,
                     PATH_MATCH_NO_ROUTE);
    rig.exporter.addr = address("198.51.100.200");
    rig.exporter.generation++;
    assert_int_equal(correlate(&rig, "192.168.1.1", "10.0.0.1", T0 + 5000)->path_match,
                     PATH_MATCH_NO_RIB);
    check_next_hop(flow_batch_at(&rig.batch, 0), "10.0.0.1");
    rig_clear(&rig);
}

static void an_ipv6_flow_goes_to_the_session_that_speaks_ipv6(void **state)
{
    static const struct path_facts v6 = {"2001:db8::99", 666, 100, 100, 1};
    struct rig rig;
    struct flow *flow;

    (void)state;
    rig_init(&rig); /* the exporter's address is the IPv4 session's, and the router id of both */
    announce(&rig, IPV6_PEER, "2001:db8:1::/48", 1, &v6, T0);
    four_paths(&rig);
    flow = correlate(&rig, "2001:db8:1::5", "2001:db8::99", T0 + 5000);
    assert_int_equal(flow->path_match, PATH_MATCH_EXACT);
    assert_int_equal(flow->peer_dst_as, 666);
    assert_int_equal(correlate(&rig, "192.168.1.1", "10.0.0.1", T0 + 5000)->peer_dst_as, 789);
    rig_clear(&rig);
}

static void the_agent_map_names_the_peer_and_its_stand_in(void **state)
{
    static const char rows[] =
        "bgp_ip=203.0.113.9 ip=198.51.100.0/24\nbgp_ip=192.0.2.1 ip=198.51.100.0/24\n";
    struct rig rig;
    struct agent_map *agents;
    struct text errors = {0};

    (void)state;
    rig_init(&rig);
    four_paths(&rig);
    assert_int_equal(agent_map_parse("map", rows, sizeof rows - 1, &errors, &agents), 0);
    rig.maps.generation = 1;
    rig.maps.agents = agents;
    rig.exporter.addr = address("198.51.100.200");
    /* No session is with 203.0.113.9, so the second row serves. */
    assert_int_equal(correlate(&rig, "192.168.1.1", "10.0.0.1", T0 + 5000)->path_match,
                     PATH_MATCH_EXACT);
    rig_clear(&rig);
    agent_map_free(agents);
}

static void a_new_snapshot_of_peers_is_seen(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    four_paths(&rig);
    rig.peers->count = 0;
    assert_int_equal(correlate(&rig, "192.168.1.1", "10.0.0.1", T0 + 5000)->path_match,
                     PATH_MATCH_NO_RIB);
    rig.peers->count = PEERS;
    rig.peers->generation++;
    assert_int_equal(correlate(&rig, "192.168.1.1", "10.0.0.1", T0 + 5000)->path_match,
                     PATH_MATCH_EXACT);
    rig_clear(&rig);
}

static void longest_takes_the_longer_prefix_and_bgp_at_a_tie(void **state)
{
    static const struct path_facts wide = {"10.0.0.7", 7777, 100, 100, 1};
    struct rig rig;
    struct flow *flow;

    (void)state;
    rig_init(&rig);
    rig.settings.as_method = rig.settings.net_method = ROUTE_LONGEST;
    announce(&rig, ADD_PATH_PEER, "172.16.0.0/12", 1, &wide, T0);
    four_paths(&rig);
    flow = correlate(&rig, "192.168.1.1", "10.0.0.1", T0 + 5000); /* /24 against the exported /20 */
    assert_int_equal(flow->dst_mask, 24);
    assert_int_equal(flow->peer_dst_as, 789);
    flow = correlate(&rig, "172.16.0.1", "10.0.0.7", T0 + 5000); /* /12 against the exported /20 */
    assert_int_equal(flow->dst_mask, 20);
    assert_int_equal(flow->dst_as, 4444);
    rig_clear(&rig);
}

static void a_next_hop_inside_the_network_is_followed_from_peer_to_peer(void **state)
{
    static const struct path_facts to_plain = {"192.0.2.2", 789, 100, 100, 1};
    static const struct path_facts outside = {"203.0.113.5", 123, 100, 100, 1};
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.settings.follow_count = 1;
    rig.settings.follow[0] = (struct ip_prefix){address("192.0.2.0"), 24};
    announce(&rig, ADD_PATH_PEER, "192.168.1.0/24", 1, &to_plain, T0);
    announce(&rig, PLAIN_PEER, "192.168.1.0/24", 0, &outside, T0);
    loaded(&rig);
    check_next_hop(correlate(&rig, "192.168.1.1", "192.0.2.2", T0 + 5000), "192.0.2.2");
    rig.settings.follow_external = true;
    check_next_hop(correlate(&rig, "192.168.1.1", "192.0.2.2", T0 + 5000), "203.0.113.5");
    rig_clear(&rig);
}

static void next_hops_that_point_at_each_other_end(void **state)
{
    static const struct path_facts to_plain = {"192.0.2.2", 789, 100, 100, 1};
    static const struct path_facts to_add_path = {"192.0.2.1", 123, 100, 100, 1};
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.settings.follow_count = 1;
    rig.settings.follow[0] = (struct ip_prefix){address("192.0.2.0"), 24};
    announce(&rig, ADD_PATH_PEER, "192.168.1.0/24", 1, &to_plain, T0);
    announce(&rig, PLAIN_PEER, "192.168.1.0/24", 0, &to_add_path, T0);
    loaded(&rig);
    assert_int_equal(correlate(&rig, "192.168.1.1", "192.0.2.2", T0 + 5000)->path_match,
                     PATH_MATCH_EXACT);
    rig_clear(&rig);
}

static void a_default_route_is_followed_to_the_peer_behind_it(void **state)
{
    static const struct path_facts to_plain = {"192.0.2.2", 789, 100, 100, 1};
    struct rig rig;
    struct flow *flow;

    (void)state;
    rig_init(&rig);
    rig.settings.follow_default = 1;
    announce(&rig, ADD_PATH_PEER, "0.0.0.0/0", 1, &to_plain, T0);
    announce(&rig, PLAIN_PEER, "192.168.1.0/24", 0, &path_321, T0);
    loaded(&rig);
    flow = correlate(&rig, "192.168.1.1", "192.0.2.2", T0 + 5000);
    assert_int_equal(flow->peer_dst_as, 321);
    assert_int_equal(flow->dst_mask, 24);
    rig_clear(&rig);
}

static void the_source_side_comes_from_the_route_back(void **state)
{
    struct rig rig;
    struct flow *flow;

    (void)state;
    rig_init(&rig);
    rig.settings.needs_source = true;
    rig.settings.peer_src_as = SOURCE_BGP;
    rig.settings.src_local_pref = SOURCE_BGP;
    announce(&rig, ADD_PATH_PEER, "198.51.100.0/24", 1, &path_321, T0);
    four_paths(&rig);
    flow = correlate(&rig, "192.168.1.1", "10.0.0.1", T0 + 5000);
    assert_int_equal(flow->peer_src_as, 321);
    assert_int_equal(flow->src_mask, 24);
    assert_int_equal(flow->src_local_pref, 100);
    assert_int_equal(flow->src_med, 0); /* not asked for */
    rig_clear(&rig);
}

static void a_vpn_without_a_route_falls_back_to_the_global_table(void **state)
{
    struct rig rig;
    struct flow *flow;

    (void)state;
    rig_init(&rig);
    rig.settings.needs_source = true;
    rig.settings.peer_src_as = SOURCE_BGP;
    announce(&rig, ADD_PATH_PEER, "198.51.100.0/24", 1, &path_321, T0);
    four_paths(&rig);
    flow = correlate(&rig, "192.168.1.1", "10.0.0.1", T0 + 5000);
    flow->vpn_rd = UINT64_C(0x0000fde900000001);
    flow->bgp_next_hop = address("10.0.0.1");
    rcu_online(rig.reader);
    correlate_batch(rig.correlator, &(struct route_sources){rig.peers, NULL}, NULL, &rig.batch);
    rcu_offline(rig.reader);
    assert_int_equal(flow->path_match, PATH_MATCH_EXACT);
    assert_int_equal(flow->peer_src_as, 321);
    assert_int_equal(counter_get(&rig.exporter.counters.rd_fallback), 1);
    rig_clear(&rig);
}

static void a_map_says_which_next_hop_a_path_is_exported_with(void **state)
{
    static const char text[] = "id=172.16.0.2 bgp_nexthop=10.0.0.2\n"
                               "id=172.16.0.3 bgp_nexthop=10.0.0.3\n"
                               "id=172.16.0.3 bgp_nexthop=10.0.0.1\n"
                               "id=172.16.0.4 bgp_nexthop=10.0.0.1\n";
    struct text errors = {0};
    struct next_hop_map *map;
    struct rig rig;
    struct flow *flow;

    (void)state;
    assert_int_equal(next_hop_map_parse("m", text, strlen(text), &errors, &map), 0);
    rig_init(&rig);
    rig.maps.generation = 1;
    rig.maps.next_hops = map;
    announce(&rig, ADD_PATH_PEER, "192.168.1.0/24", 1, &path_789, T0);
    announce(&rig, ADD_PATH_PEER, "192.168.1.0/24", 2, &path_123, T0);
    announce(&rig, PLAIN_PEER, "192.168.1.0/24", 0, &path_123, T0);
    loaded(&rig);
    flow = correlate(&rig, "192.168.1.1", "172.16.0.2", T0 + 5000);
    assert_int_equal(flow->path_match, PATH_MATCH_EXACT);
    assert_int_equal(flow->peer_dst_as, 123);
    check_next_hop(flow, "10.0.0.2"); /* the path's */
    assert_int_equal(counter_get(&rig.exporter.counters.next_hop_mapped), 1);
    /* Two next hops are exported alike; this prefix has a path of one. */
    flow = correlate(&rig, "192.168.1.1", "172.16.0.3", T0 + 5000);
    assert_int_equal(flow->path_match, PATH_MATCH_EXACT);
    assert_int_equal(flow->peer_dst_as, 789);
    announce(&rig, ADD_PATH_PEER, "192.168.1.0/24", 3, &path_321, T0);
    flow = correlate(&rig, "192.168.1.1", "172.16.0.3", T0 + 5000);
    assert_int_equal(flow->path_match, PATH_MATCH_AMBIGUOUS);
    /* The row before says that 10.0.0.1 is exported otherwise. */
    flow = correlate(&rig, "192.168.1.1", "172.16.0.4", T0 + 5000);
    assert_int_equal(flow->path_match, PATH_MATCH_UNMATCHED);
    assert_int_equal(counter_get(&rig.exporter.counters.next_hop_mapped), 3);
    flow = correlate(&rig, "192.168.1.1", "10.0.0.2", T0 + 5000);
    assert_int_equal(flow->path_match, PATH_MATCH_EXACT);
    assert_int_equal(counter_get(&rig.exporter.counters.next_hop_mapped), 3);
    rig.exporter.addr = address("192.0.2.2"); /* no ADD-PATH: not even `differs` */
    rig.exporter.generation++;
    flow = correlate(&rig, "192.168.1.1", "172.16.0.2", T0 + 5000);
    assert_int_equal(flow->path_match, PATH_MATCH_EXACT);
    next_hop_map_free(map);
    rig_clear(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exported_next_hop_picks_the_path),
        cmocka_unit_test(an_unknown_next_hop_stays_and_no_path_is_made_up),
        cmocka_unit_test(an_accepted_guess_is_filled_in_under_its_own_name),
        cmocka_unit_test(without_a_next_hop_one_path_is_sole_and_several_are_best),
        cmocka_unit_test(two_differing_paths_with_one_next_hop_are_ambiguous),
        cmocka_unit_test(a_less_specific_prefix_is_covering_and_not_filled_in),
        cmocka_unit_test(a_withdrawn_path_is_found_for_a_flow_from_before),
        cmocka_unit_test(a_session_without_add_path_gives_its_single_path),
        cmocka_unit_test(a_path_that_was_announced_late_is_counted),
        cmocka_unit_test(an_exporters_clock_is_corrected),
        cmocka_unit_test(absurd_times_of_a_clock_that_is_off_are_those_of_arrival),
        cmocka_unit_test(times_that_suit_the_arrival_alone_stay),
        cmocka_unit_test(next_hops_that_never_match_are_told_of),
        cmocka_unit_test(a_session_without_add_path_is_told_of_once_flows_differ),
        cmocka_unit_test(no_route_and_no_session_have_their_own_verdicts),
        cmocka_unit_test(an_ipv6_flow_goes_to_the_session_that_speaks_ipv6),
        cmocka_unit_test(the_agent_map_names_the_peer_and_its_stand_in),
        cmocka_unit_test(a_new_snapshot_of_peers_is_seen),
        cmocka_unit_test(longest_takes_the_longer_prefix_and_bgp_at_a_tie),
        cmocka_unit_test(a_next_hop_inside_the_network_is_followed_from_peer_to_peer),
        cmocka_unit_test(next_hops_that_point_at_each_other_end),
        cmocka_unit_test(a_default_route_is_followed_to_the_peer_behind_it),
        cmocka_unit_test(the_source_side_comes_from_the_route_back),
        cmocka_unit_test(a_vpn_without_a_route_falls_back_to_the_global_table),
        cmocka_unit_test(a_map_says_which_next_hop_a_path_is_exported_with),
    };

    thread_enter_role(&worker_thread); /* the tests play both */
    thread_enter_role(&bgp_thread);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
