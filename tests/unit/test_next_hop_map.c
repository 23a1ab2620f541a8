/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which next hops bgp_peer_dst_ip_map takes for the same, and what it says of bad rows. */
#include "base/text.h"
#include "maps/next_hop_map.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct ip_addr address(const char *text)
{
    struct ip_addr addr;
    assert_int_equal(ip_addr_parse(text, &addr), 0);
    return addr;
}

static bool is_same(const struct next_hop_map *map, const char *exporter, const char *path,
                    const char *exported)
{
    struct ip_addr router = address(exporter), of_path = address(path), told = address(exported);
    return next_hop_map_is_same(map, &router, &of_path, &told);
}

static void the_first_row_of_a_paths_next_hop_says_what_it_is_exported_as(void **state)
{
    static const char text[] = "id=fe80::1 bgp_nexthop=2001:db8::1\n"
                               "id=10.9.9.1 bgp_nexthop=10.0.0.1 ip=192.0.2.1\n"
                               "id=10.9.9.2 bgp_nexthop=10.0.0.1\n"
                               "id=10.9.9.3 bgp_nexthop=10.0.0.1\n"
                               "id=10.9.9.2 bgp_nexthop=10.0.0.2 ip=198.51.100.0/24\n";
    struct text errors = {0};
    struct next_hop_map *map;
    (void)state;
    assert_int_equal(next_hop_map_parse("m", text, strlen(text), &errors, &map), 0);
    assert_true(is_same(map, "192.0.2.1", "2001:db8::1", "fe80::1"));
    assert_false(is_same(map, "192.0.2.1", "fe80::1", "2001:db8::1"));
    assert_true(is_same(map, "192.0.2.1", "10.0.0.1", "10.9.9.1"));
    assert_false(is_same(map, "192.0.2.1", "10.0.0.1", "10.9.9.2"));
    assert_true(is_same(map, "192.0.2.2", "10.0.0.1", "10.9.9.2"));
    assert_false(is_same(map, "192.0.2.2", "10.0.0.1", "10.9.9.3"));
    /* IPv4 next hops of IPv6 routes are mapped (6PE). */
    assert_true(is_same(map, "192.0.2.2", "::ffff:10.0.0.1", "::ffff:10.9.9.2"));
    assert_true(is_same(map, "198.51.100.7", "10.0.0.2", "10.9.9.2"));
    assert_false(is_same(map, "192.0.2.1", "10.0.0.2", "10.9.9.2"));
    assert_false(is_same(map, "192.0.2.1", "10.0.0.3", "10.9.9.2"));
    next_hop_map_free(map);
}

static void it_knows_its_exported_next_hops_and_exporters(void **state)
{
    static const char text[] = "id=10.9.9.2 bgp_nexthop=10.0.0.1 ip=192.0.2.1\n"
                               "id=10.9.9.1 bgp_nexthop=10.0.0.2 ip=198.51.100.0/24\n";
    struct ip_addr first = address("10.9.9.1"), second = address("::ffff:10.9.9.2"),
                   path = address("10.0.0.1"), named = address("192.0.2.1"),
                   inside = address("198.51.100.0");
    struct text errors = {0};
    struct next_hop_map *map;
    (void)state;
    assert_int_equal(next_hop_map_parse("m", text, strlen(text), &errors, &map), 0);
    assert_true(next_hop_map_has(map, &first) && next_hop_map_has(map, &second));
    assert_false(next_hop_map_has(map, &path));
    assert_true(next_hop_map_names(map, &named) && !next_hop_map_names(map, &inside));
    next_hop_map_free(map);
    assert_int_equal(next_hop_map_parse("m", "", 0, &errors, &map), 0);
    assert_false(next_hop_map_has(map, &first));
    assert_false(next_hop_map_is_same(map, &named, &path, &first));
    next_hop_map_free(map);
}

static void all_that_is_wrong_is_told_with_its_line(void **state)
{
    static const char text[] = "id=10.9.9.2\n"
                               "bgp_nexthop=10.0.0.1\n"
                               "id=10.9.9.2 bgp_nexthop=10.0.0.1\n"
                               "id=10.9.9 bgp_nexthop=10.0.0.0/8\n"
                               "id=10.9.9.2 bgp_nexthop=10.0.0.1 in=1\n";
    struct text errors = {0};
    struct next_hop_map *map;
    (void)state;
    assert_int_equal(next_hop_map_parse("m", text, strlen(text), &errors, &map), -EINVAL);
    assert_non_null(strstr(text_cstr(&errors), "m:1: the row does not say bgp_nexthop="));
    assert_non_null(strstr(text_cstr(&errors), "m:2: the row does not say id="));
    assert_null(strstr(text_cstr(&errors), "m:3:"));
    assert_non_null(strstr(text_cstr(&errors), "m:4: id=10.9.9: expected an IPv4 or IPv6"));
    assert_non_null(strstr(text_cstr(&errors), "m:4: bgp_nexthop=10.0.0.0/8: expected an IPv4"));
    assert_non_null(strstr(text_cstr(&errors), "m:5: unknown key 'in'"));
    text_clear(&errors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_row_of_a_paths_next_hop_says_what_it_is_exported_as),
        cmocka_unit_test(it_knows_its_exported_next_hops_and_exporters),
        cmocka_unit_test(all_that_is_wrong_is_told_with_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
