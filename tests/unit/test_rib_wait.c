/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves whose tables bgp_wait_for_rib waits for, and when they count as there. */
#include "base/text.h"
#include "daemon/rib_wait.h"
#include "maps/agent_map.h"
#include "support/folder.h"
#include <string.h>

enum { PEERS_MAX = 4 };

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

/* Adds a peer that is up and whose IPv4 table is there. */
static struct bgp_peer_info *peer_add(struct bgp_peers *peers, const char *address)
{
    struct bgp_peer_info *peer = &peers->peers[peers->count++];

    peer->address = addr(address);
    peer->router_id = 0xc0000209; /* 192.0.2.9 */
    peer->state = BGP_PEER_ESTABLISHED;
    peer->families[RIB_IPV4].is_negotiated = peer->families[RIB_IPV4].is_loaded = true;
    return peer;
}

static void without_a_peer_the_wait_goes_on(void **state)
{
    (void)state;
    struct rib_wait *wait = rib_wait_new(NULL, NULL, NULL);
    struct bgp_peers *peers = peers_new();

    assert_false(rib_wait_is_over(wait, &(struct route_sources){0})); /* no snapshot yet */
    assert_false(rib_wait_is_over(wait, &(struct route_sources){.peers = peers}));
    peer_add(peers, "192.0.2.1");
    assert_true(rib_wait_is_over(
        wait, &(struct route_sources){.peers = peers})); /* nobody is expected: any peer will do */
    free(peers);
    rib_wait_free(wait);
    rib_wait_free(NULL);
}

static void every_peer_and_each_of_its_families_must_be_loaded(void **state)
{
    (void)state;
    struct rib_wait *wait = rib_wait_new(NULL, NULL, NULL);
    struct bgp_peers *peers = peers_new();

    peer_add(peers, "192.0.2.1");
    struct bgp_peer_info *second = peer_add(peers, "192.0.2.2");
    second->families[RIB_IPV6].is_negotiated = true;
    assert_false(rib_wait_is_over(wait, &(struct route_sources){.peers = peers}));
    second->families[RIB_IPV6].is_loaded = true;
    assert_true(rib_wait_is_over(wait, &(struct route_sources){.peers = peers}));
    second->state = BGP_PEER_DOWN;
    assert_false(rib_wait_is_over(wait, &(struct route_sources){.peers = peers}));
    free(peers);
    rib_wait_free(wait);
}

static void peers_of_the_agent_map_are_expected(void **state)
{
    (void)state;
    static const char lines[] = "bgp_ip=192.0.2.1 ip=10.0.0.1\n"
                                "bgp_ip=192.0.2.1 ip=10.0.0.2\n"
                                "bgp_ip=192.0.2.9 ip=10.0.0.3\n"; /* a router id */
    struct text errors = {0};
    struct agent_map *agents;

    assert_int_equal(agent_map_parse("map", lines, strlen(lines), &errors, &agents), 0);
    const struct maps maps = {.agents = agents};
    struct rib_wait *wait = rib_wait_new(&maps, NULL, NULL);
    struct bgp_peers *peers = peers_new();
    struct bgp_peer_info *first = peer_add(peers, "192.0.2.1");
    first->router_id = 1;
    assert_false(
        rib_wait_is_over(wait, &(struct route_sources){.peers = peers})); /* 192.0.2.9 is missing */
    struct bgp_peer_info *second = peer_add(peers, "2001:db8::9");
    assert_true(rib_wait_is_over(
        wait, &(struct route_sources){.peers = peers})); /* it is known by its router id */
    second->router_id = 2;
    assert_false(rib_wait_is_over(wait, &(struct route_sources){.peers = peers}));
    first->address = addr("192.0.2.9");
    assert_false(
        rib_wait_is_over(wait, &(struct route_sources){.peers = peers})); /* and now 192.0.2.1 is */
    free(peers);
    rib_wait_free(wait);
    agent_map_free(agents);
    text_clear(&errors);
}

static void single_addresses_of_the_allow_file_are_expected(void **state)
{
    (void)state;
    struct test_folder folder;
    char path[128];

    test_folder_make(&folder);
    snprintf(path, sizeof path, "%s/allow", folder.path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    /* Nobody can wait for a network, and comments and empty lines are nobody. */
    fputs("! routers\n\n192.0.2.0/24\n  192.0.2.1\n2001:db8::1\t\r\n192.0.2.2/32\n", file);
    fclose(file);
    struct rib_wait *wait = rib_wait_new(NULL, path, NULL);
    struct bgp_peers *peers = peers_new();
    peer_add(peers, "192.0.2.1");
    assert_false(rib_wait_is_over(wait, &(struct route_sources){.peers = peers}));
    peer_add(peers, "2001:db8::1");
    assert_false(rib_wait_is_over(wait, &(struct route_sources){.peers = peers}));
    peer_add(peers, "192.0.2.2");
    assert_true(rib_wait_is_over(wait, &(struct route_sources){.peers = peers}));
    free(peers);
    rib_wait_free(wait);
    test_folder_remove(&folder);
}

static void an_allow_file_that_is_not_there_expects_nobody(void **state)
{
    (void)state;
    struct rib_wait *wait = rib_wait_new(NULL, "/nonexistent/allow", "/nonexistent/bmp");
    struct bgp_peers *peers = peers_new();

    peer_add(peers, "192.0.2.1");
    assert_true(rib_wait_is_over(wait, &(struct route_sources){.peers = peers}));
    free(peers);
    rib_wait_free(wait);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_peer_the_wait_goes_on),
        cmocka_unit_test(every_peer_and_each_of_its_families_must_be_loaded),
        cmocka_unit_test(peers_of_the_agent_map_are_expected),
        cmocka_unit_test(single_addresses_of_the_allow_file_are_expected),
        cmocka_unit_test(an_allow_file_that_is_not_there_expects_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
