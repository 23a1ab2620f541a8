/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which exporters are known, and how many datagrams of one are within a rate. Time is the
 * arrival of datagrams. */
#include "base/clock.h"
#include "base/memory.h"
#include "maps/allow_list.h"
#include "maps/maps.h"
#include "maps/sampling_map.h"
#include "maps/tag_map.h"
#include "pipeline/exporter_watch.h"
#include "pipeline/route_sources.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define T0 (INT64_C(1700000000) * NS_PER_S)

static const struct route_sources nobody;

static struct exporter exporter_at(const char *address)
{
    struct exporter exporter = {0};

    assert_int_equal(ip_addr_parse(address, &exporter.addr), 0);
    return exporter;
}

static bool look(struct exporter *exporter, int64_t at_s, uint64_t flows)
{
    counter_add(&exporter->counters.flows, flows);
    exporter->last_seen_ns = T0 + at_s * NS_PER_S;
    return exporter_watch_look(exporter, &nobody, NULL, exporter->last_seen_ns);
}

static void who_delivers_flows_for_ten_minutes_is_known(void **state)
{
    struct exporter exporter = exporter_at("192.0.2.1");

    (void)state;
    assert_false(look(&exporter, 0, 0));
    for (int s = 10; s < 610; s += 10)
        assert_false(look(&exporter, s, 5));
    assert_true(look(&exporter, 610, 1));
    assert_true(look(&exporter, 900, 0)); /* templates alone, for 290 s */
    assert_false(look(&exporter, 920, 0));
    assert_false(look(&exporter, 930, 1)); /* it has to begin anew */
    assert_false(look(&exporter, 0, 1));   /* and so when our clock went back */
    assert_false(look(&exporter, 599, 1));
}

static void a_pause_of_five_minutes_is_no_delivery(void **state)
{
    struct exporter exporter = exporter_at("192.0.2.1");

    (void)state;
    for (int s = 0; s < 3600; s += 301)
        assert_false(look(&exporter, s, 5));
}

static void silence_ends_what_flows_were_worth(void **state)
{
    struct exporter exporter = exporter_at("192.0.2.1");

    (void)state;
    exporter.last_seen_ns = T0;
    assert_true(exporter_watch_still_known(&exporter, &nobody, NULL, T0 + 3600 * NS_PER_S));
    assert_false(exporter_watch_still_known(&exporter, &nobody, NULL, T0 + 3601 * NS_PER_S));
}

static void who_has_or_will_have_a_session_is_known(void **state)
{
    struct bgp_peers *peers = calloc(1, sizeof *peers + sizeof peers->peers[0]);
    struct exporter by_address = exporter_at("192.0.2.1"), by_id = exporter_at("192.0.2.2"),
                    expected = exporter_at("2001:db8::1"), other = exporter_at("192.0.2.3");
    const struct route_sources sources = {.peers = peers};

    (void)state;
    peers->count = 1;
    peers->peers[0].address = by_address.addr;
    peers->peers[0].router_id = 0xc0000202;
    peers->expected = &expected.addr;
    peers->expected_count = 1;
    assert_true(exporter_watch_look(&by_address, &sources, NULL, T0));
    assert_true(exporter_watch_look(&by_id, &sources, NULL, T0));
    assert_true(exporter_watch_look(&expected, &sources, NULL, T0));
    assert_false(exporter_watch_look(&other, &sources, NULL, T0));
    free(peers);
}

static bool is_named(const struct maps *maps, const char *address)
{
    struct exporter exporter = exporter_at(address);

    return exporter_watch_look(&exporter, &nobody, maps, T0);
}

static void who_is_named_by_address_is_known_and_a_prefix_is_no_name(void **state)
{
    static const char allowed[] = "192.0.2.1\n10.0.0.0/8\n2001:db8::1\n2001:db8:1::/48\n";
    static const char rates[] = "id=10 ip=192.0.2.2\nid=20 ip=192.0.2.3/32 in=5\nid=30 "
                                "ip=198.51.100.0/24\nid=40\n";
    static const char tags[] = "set_tag=1 ip=203.0.113.1\nset_tag=2 ip=2001:db8::2 in=7\nset_tag=3 "
                               "ip=203.0.113.2,-203.0.113.3\nset_tag=4 ip=203.0.113.128/25\n";
    struct allow_list *allow;
    struct sampling_map *sampling;
    struct tag_map *tag_map;
    struct maps maps = {0};

    (void)state;
    assert_int_equal(allow_list_parse("allow", allowed, strlen(allowed), NULL, &allow), 0);
    assert_int_equal(sampling_map_parse("rates", rates, strlen(rates), NULL, &sampling), 0);
    assert_int_equal(tag_map_parse("tags", tags, strlen(tags), NULL, &tag_map), 0);
    maps.allow = allow;
    assert_true(is_named(&maps, "192.0.2.1"));
    assert_true(is_named(&maps, "2001:db8::1"));
    assert_false(is_named(&maps, "10.0.0.1"));
    assert_false(is_named(&maps, "2001:db8:1::1"));
    assert_false(is_named(&maps, "192.0.2.2"));
    maps.sampling = sampling;
    assert_true(is_named(&maps, "192.0.2.2"));
    assert_true(is_named(&maps, "192.0.2.3"));
    assert_false(is_named(&maps, "192.0.2.4"));
    assert_false(is_named(&maps, "198.51.100.0"));
    assert_false(is_named(&maps, "255.255.255.255"));
    maps.tags = &tag_map;
    maps.tag_map_count = 1;
    assert_true(is_named(&maps, "203.0.113.1"));
    assert_true(is_named(&maps, "203.0.113.2"));
    assert_true(is_named(&maps, "2001:db8::2"));
    assert_false(is_named(&maps, "203.0.113.3"));
    assert_false(is_named(&maps, "203.0.113.128"));
    tag_map_free(tag_map);
    sampling_map_free(sampling);
    allow_list_free(allow);
}

static unsigned count_allowed(struct exporter *exporter, unsigned count, int64_t now_ns,
                              int64_t step_ns)
{
    unsigned allowed = 0;

    for (unsigned i = 0; i < count; i++, now_ns += step_ns)
        allowed += exporter_watch_rate(exporter, 100, now_ns);
    return allowed;
}

static void a_rate_allows_one_seconds_burst(void **state)
{
    struct exporter exporter = exporter_at("192.0.2.1");

    (void)state;
    assert_int_equal(count_allowed(&exporter, 1000, T0, 0), 100);
    assert_int_equal(count_allowed(&exporter, 1000, T0 + NS_PER_S / 2, 0), 50);
    assert_int_equal(count_allowed(&exporter, 1000, T0 + 10 * NS_PER_S, 0), 100);
    /* Twice as many as there may be, for ten seconds after the burst. */
    assert_in_range(count_allowed(&exporter, 2000, T0 + 20 * NS_PER_S, NS_PER_S / 200), 1098, 1101);
    assert_int_equal(count_allowed(&exporter, 500, T0 + 60 * NS_PER_S, NS_PER_S / 100), 500);
    assert_int_equal(count_allowed(&exporter, 1000, T0 - 3600 * NS_PER_S, 0), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_delivers_flows_for_ten_minutes_is_known),
        cmocka_unit_test(a_pause_of_five_minutes_is_no_delivery),
        cmocka_unit_test(silence_ends_what_flows_were_worth),
        cmocka_unit_test(who_has_or_will_have_a_session_is_known),
        cmocka_unit_test(who_is_named_by_address_is_known_and_a_prefix_is_no_name),
        cmocka_unit_test(a_rate_allows_one_seconds_burst),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
