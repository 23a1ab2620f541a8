/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which peer answers for an exporter: by its address, by its router id, and which one of
 * several. */
#include "maps/agent_map.h"
#include "pipeline/peer_choice.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { PEERS_MAX = 8 };

static struct ip_addr addr(const char *text)
{
    struct ip_addr address;

    assert_int_equal(ip_addr_parse(text, &address), 0);
    return address;
}

static struct bgp_peers *peers_new(void)
{
    return calloc(1, sizeof(struct bgp_peers) + PEERS_MAX * sizeof(struct bgp_peer_info));
}

/* Adds a peer that is up and speaks neither family. Its index is 10 more than its place, so that
 * the two cannot be taken for one another. */
static struct bgp_peer_info *peer_add(struct bgp_peers *peers, const char *address, uint16_t port,
                                      uint32_t router_id)
{
    struct bgp_peer_info *peer = &peers->peers[peers->count];

    *peer = (struct bgp_peer_info){.index = peers->count + 10,
                                   .address = addr(address),
                                   .port = port,
                                   .router_id = router_id,
                                   .state = BGP_PEER_ESTABLISHED};
    peers->count++;
    return peer;
}

static uint32_t choice(const struct bgp_peers *peers, const char *address, uint16_t port,
                       enum rib_family family, bool match_router_id)
{
    struct ip_addr a = addr(address);

    return peer_choice(peers, &a, port, family, match_router_id);
}

#define ID_192_0_2_9 0xc0000209u

static void a_peer_is_found_by_its_session_address(void **state)
{
    (void)state;
    struct bgp_peers *peers = peers_new();

    peer_add(peers, "192.0.2.1", 179, 1);
    peer_add(peers, "192.0.2.2", 179, 2);
    peer_add(peers, "2001:db8::3", 179, 3);
    assert_int_equal(choice(peers, "192.0.2.2", 0, RIB_IPV4, true), 11);
    assert_int_equal(choice(peers, "2001:db8::3", 0, RIB_IPV4, true), 12);
    assert_int_equal(choice(peers, "192.0.2.4", 0, RIB_IPV4, true), PEER_NONE);
    free(peers);
}

static void no_peers_are_no_choice(void **state)
{
    (void)state;
    struct bgp_peers *peers = peers_new();

    assert_int_equal(choice(peers, "192.0.2.1", 0, RIB_IPV4, true), PEER_NONE);
    assert_int_equal(choice(NULL, "192.0.2.1", 0, RIB_IPV4, true), PEER_NONE); /* no snapshot yet */
    free(peers);
}

static void a_router_id_counts_where_it_is_asked_for(void **state)
{
    (void)state;
    struct bgp_peers *peers = peers_new();

    peer_add(peers, "192.0.2.1", 179, ID_192_0_2_9);
    assert_int_equal(choice(peers, "192.0.2.9", 0, RIB_IPV4, true), 10);
    assert_int_equal(choice(peers, "192.0.2.9", 0, RIB_IPV4, false), PEER_NONE);
    /*
     * A router id has four bytes, so no IPv6 address is one, though it begins with the same four.
     */
    assert_int_equal(choice(peers, "c000:209::", 0, RIB_IPV4, true), PEER_NONE);
    free(peers);
}

static void a_session_address_goes_before_a_router_id(void **state)
{
    (void)state;
    struct bgp_peers *peers = peers_new();

    peer_add(peers, "192.0.2.1", 179, ID_192_0_2_9);
    peer_add(peers, "192.0.2.9", 179, 7);
    assert_int_equal(choice(peers, "192.0.2.9", 0, RIB_IPV4, true), 11);
    free(peers);
}

static void a_peer_that_is_up_goes_before_one_that_is_down(void **state)
{
    (void)state;
    struct bgp_peers *peers = peers_new();

    peer_add(peers, "192.0.2.9", 179, 7)->state = BGP_PEER_DOWN;
    peer_add(peers, "192.0.2.1", 179, ID_192_0_2_9);
    /* The address decides when the router with that id is another one. */
    assert_int_equal(choice(peers, "192.0.2.9", 0, RIB_IPV4, true), 10);
    peers->peers[1].router_id = 7; /* the same router */
    assert_int_equal(choice(peers, "192.0.2.9", 0, RIB_IPV4, true), 11);
    assert_int_equal(choice(peers, "192.0.2.9", 0, RIB_IPV4, false), 10);
    free(peers);
}

static void an_address_that_will_have_a_session_is_no_router_id(void **state)
{
    (void)state;
    const struct ip_addr expected = addr("192.0.2.9");
    struct bgp_peers *peers = peers_new();

    peer_add(peers, "192.0.2.1", 179, ID_192_0_2_9);
    assert_int_equal(choice(peers, "192.0.2.9", 0, RIB_IPV4, true), 10);
    peers->expected = &expected;
    peers->expected_count = 1;
    assert_int_equal(choice(peers, "192.0.2.9", 0, RIB_IPV4, true), PEER_NONE);
    free(peers);
}

static void each_family_comes_from_the_session_that_has_its_paths(void **state)
{
    (void)state;
    struct bgp_peers *peers = peers_new();

    for (int i = 0; i < 2; i++) {
        struct bgp_peer_info *peer = peer_add(peers, i ? "2001:db8::1" : "192.0.2.1", 179, 7);
        peer->families[RIB_IPV4].is_negotiated = peer->families[RIB_IPV6].is_negotiated = true;
    }
    peers->peers[0].families[RIB_IPV4].has_paths = true;
    peers->peers[1].families[RIB_IPV6].has_paths = true;
    for (int i = 0; i < 2; i++) { /* whichever address the exporter has */
        const char *exporter = i ? "2001:db8::1" : "192.0.2.1";
        assert_int_equal(choice(peers, exporter, 0, RIB_IPV4, true), 10);
        assert_int_equal(choice(peers, exporter, 0, RIB_IPV6, true), 11);
    }
    free(peers);
}

static void the_session_of_the_family_is_chosen(void **state)
{
    (void)state;
    struct bgp_peers *peers = peers_new();

    /* One router has a session for each family from the same address. */
    peer_add(peers, "192.0.2.1", 1001, 1)->families[RIB_IPV4].is_negotiated = true;
    peer_add(peers, "192.0.2.1", 1002, 1)->families[RIB_IPV6].is_negotiated = true;
    assert_int_equal(choice(peers, "192.0.2.1", 0, RIB_IPV4, true), 10);
    assert_int_equal(choice(peers, "192.0.2.1", 0, RIB_IPV6, true), 11);
    free(peers);
}

static void a_kept_table_goes_before_none(void **state)
{
    (void)state;
    struct bgp_peers *peers = peers_new();
    struct bgp_peer_info *up = peer_add(peers, "192.0.2.1", 1001, 1);
    struct bgp_peer_info *gone = peer_add(peers, "192.0.2.1", 1002, 1);

    gone->state = BGP_PEER_DOWN;
    gone->families[RIB_IPV4].is_stale = true;
    gone->families[RIB_IPV4].is_negotiated = true; /* when it was up */
    assert_int_equal(choice(peers, "192.0.2.1", 0, RIB_IPV4, true), 11);
    assert_int_equal(choice(peers, "192.0.2.1", 0, RIB_IPV6, true),
                     10); /* that table is not there */
    /* But a live session that speaks the family is better than a kept table. */
    up->families[RIB_IPV4].is_negotiated = true;
    assert_int_equal(choice(peers, "192.0.2.1", 0, RIB_IPV4, true), 10);
    free(peers);
}

static void a_port_tells_sessions_of_one_address_apart(void **state)
{
    (void)state;
    struct bgp_peers *peers = peers_new();

    peer_add(peers, "192.0.2.1", 1001, 1);
    peer_add(peers, "192.0.2.1", 1002, ID_192_0_2_9);
    assert_int_equal(choice(peers, "192.0.2.1", 1002, RIB_IPV4, true), 11);
    assert_int_equal(choice(peers, "192.0.2.1", 1003, RIB_IPV4, true), PEER_NONE);
    assert_int_equal(choice(peers, "192.0.2.9", 1001, RIB_IPV4, true),
                     PEER_NONE); /* nor by its id */
    assert_int_equal(choice(peers, "192.0.2.9", 1002, RIB_IPV4, true), 11);
    free(peers);
}

static void the_first_of_equals_stays_the_choice(void **state)
{
    (void)state;
    struct bgp_peers *peers = peers_new();

    peer_add(peers, "192.0.2.1", 1001, 1);
    peer_add(peers, "192.0.2.1", 1002, 1);
    assert_int_equal(choice(peers, "192.0.2.1", 0, RIB_IPV4, true), 10);
    free(peers);
}

static uint32_t choice_of_agents(const struct bgp_peers *peers, const char *const *addresses,
                                 size_t count, enum rib_family family)
{
    struct agent_peer agents[PEERS_MAX];
    const struct agent_peer *pointers[PEERS_MAX];

    for (size_t i = 0; i < count; i++) {
        agents[i] = (struct agent_peer){addr(addresses[i]), 0};
        pointers[i] = &agents[i];
    }
    return peer_choice_of_agents(peers, pointers, count, family);
}

static void the_first_agent_with_a_table_serves(void **state)
{
    (void)state;
    struct bgp_peers *peers = peers_new();
    const char *const agents[] = {"192.0.2.3", "192.0.2.2", "192.0.2.1"};

    peer_add(peers, "192.0.2.1", 179, 1)->families[RIB_IPV4].is_negotiated = true;
    struct bgp_peer_info *second = peer_add(peers, "192.0.2.2", 179, 2);
    second->families[RIB_IPV4].is_negotiated = true;
    /* The first agent is not there at all, so the second serves, although the third could too. */
    assert_int_equal(choice_of_agents(peers, agents, 3, RIB_IPV4), 11);
    second->state = BGP_PEER_DOWN;
    assert_int_equal(choice_of_agents(peers, agents, 3, RIB_IPV4), 10);
    second->families[RIB_IPV4].is_stale = true; /* its table is kept */
    assert_int_equal(choice_of_agents(peers, agents, 3, RIB_IPV4), 11);
    free(peers);
}

static void without_a_table_the_first_agent_that_is_there_serves(void **state)
{
    (void)state;
    struct bgp_peers *peers = peers_new();
    const char *const agents[] = {"192.0.2.3", "192.0.2.2", "192.0.2.1"};

    peer_add(peers, "192.0.2.1", 179, 1);
    peer_add(peers, "192.0.2.2", 179, 2)->state = BGP_PEER_DOWN;
    assert_int_equal(choice_of_agents(peers, agents, 3, RIB_IPV6), 11);
    assert_int_equal(choice_of_agents(peers, agents, 1, RIB_IPV6), PEER_NONE);
    assert_int_equal(choice_of_agents(peers, agents, 0, RIB_IPV6), PEER_NONE);
    free(peers);
}

static void an_agent_may_be_named_by_its_router_id(void **state)
{
    (void)state;
    struct bgp_peers *peers = peers_new();
    const char *const agents[] = {"192.0.2.9"};

    peer_add(peers, "192.0.2.1", 179, ID_192_0_2_9);
    assert_int_equal(choice_of_agents(peers, agents, 1, RIB_IPV4), 10);
    free(peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_is_found_by_its_session_address),
        cmocka_unit_test(no_peers_are_no_choice),
        cmocka_unit_test(a_router_id_counts_where_it_is_asked_for),
        cmocka_unit_test(a_session_address_goes_before_a_router_id),
        cmocka_unit_test(an_address_that_will_have_a_session_is_no_router_id),
        cmocka_unit_test(each_family_comes_from_the_session_that_has_its_paths),
        cmocka_unit_test(a_peer_that_is_up_goes_before_one_that_is_down),
        cmocka_unit_test(the_session_of_the_family_is_chosen),
        cmocka_unit_test(a_kept_table_goes_before_none),
        cmocka_unit_test(a_port_tells_sessions_of_one_address_apart),
        cmocka_unit_test(the_first_of_equals_stays_the_choice),
        cmocka_unit_test(the_first_agent_with_a_table_serves),
        cmocka_unit_test(without_a_table_the_first_agent_that_is_there_serves),
        cmocka_unit_test(an_agent_may_be_named_by_its_router_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
