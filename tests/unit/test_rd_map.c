/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which route distinguisher flow_to_rd_map gives a flow, and what it says of bad rows. */
#include "base/route_distinguisher.h"
#include "base/text.h"
#include "maps/rd_map.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ip_addr address(const char *text)
{
    struct ip_addr addr;
    assert_int_equal(ip_addr_parse(text, &addr), 0);
    return addr;
}

static void route_distinguishers_are_read_by_their_type(void **state)
{
    /* RFC 4364 section 4.2: type (2 bytes), administrator, number. */
    static const struct {
        const char *text;
        uint64_t rd;
    } good[] = {{"0:65000:1", 0x0000fde800000001},
                {"0:65535:4294967295", 0x0000ffffffffffff},
                {"1:192.0.2.1:258", 0x0001c00002010102},
                {"2:4200000000:7", 0x0002fa56ea000007},
                {"0:0:0", 0}};
    static const char *const bad[] = {"",          "65000:1",     "0:65536:1",      "1:192.0.2:1",
                                      "1:2001::1", "2:1:65536",   "3:1:1",          "0:1:1 ",
                                      "0:1:",      "0:1:1:1",     "vrfid:1",        "0:-1:1",
                                      "0::1",      "1:1.2.3.4:x", "0:1:4294967296", "00"};
    uint64_t rd;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(route_distinguisher_parse(good[i].text, &rd), 0);
        assert_true(rd == good[i].rd);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(route_distinguisher_parse(bad[i], &rd), -EINVAL);
}

static const char map_text[] = "id=0:65000:1 ip=192.0.2.1 in=5 out=7\n"
                               "id=0:65000:2 ip=192.0.2.1 mpls_vpn_id=30\n"
                               "id=0:65000:3 ip=192.0.2.0/24 mpls_label_bottom=1000-1999\n"
                               "id=0:0:0 ip=192.0.2.0/24 bgp_nexthop=10.0.0.1,10.0.0.2\n"
                               "id=1:192.0.2.9:9 ip=198.51.100.1 mpls_vpn_id=-4\n"
                               "id=2:70000:6 ip=2001:db8::/32\n";

/* Returns the distinguisher that the map gives, or `none`. */
enum { NONE = 99 };
static uint64_t rd_of(const struct rd_map *map, const char *exporter, const struct flow *flow)
{
    struct ip_addr addr = address(exporter);
    uint64_t rd;

    return rd_map_find(map, &addr, flow, &rd) ? rd : NONE;
}

static void the_first_row_that_matches_gives_the_distinguisher(void **state)
{
    struct text errors = {0};
    struct rd_map *map;
    struct flow flow = {.in_iface = 5, .out_iface = 7};
    (void)state;
    assert_int_equal(rd_map_parse("m", map_text, strlen(map_text), &errors, &map), 0);
    assert_int_equal(rd_of(map, "192.0.2.1", &flow), 0xfde800000001);
    flow.out_iface = 8;
    assert_int_equal(rd_of(map, "192.0.2.1", &flow), NONE);
    flow.egress_vrf = 30; /* the VRF at either side */
    assert_int_equal(rd_of(map, "192.0.2.1", &flow), 0xfde800000002);
    flow.egress_vrf = 0;
    flow.ingress_vrf = 30;
    assert_int_equal(rd_of(map, "192.0.2.1", &flow), 0xfde800000002);
    assert_int_equal(rd_of(map, "192.0.2.2", &flow), NONE);
    flow.mpls_label_bottom = 1999;
    assert_int_equal(rd_of(map, "192.0.2.2", &flow), 0xfde800000003);
    flow.mpls_label_bottom = 2000;
    flow.bgp_next_hop = address("10.0.0.2");
    assert_int_equal(rd_of(map, "192.0.2.2", &flow), 0);
    assert_int_equal(rd_of(map, "2001:db8::1", &flow), 0x0002000111700006);
    assert_int_equal(rd_of(map, "203.0.113.1", &flow), NONE);
    rd_map_free(map);
}

static void a_negated_vrf_holds_where_neither_side_has_it(void **state)
{
    struct text errors = {0};
    struct rd_map *map;
    struct flow flow = {.ingress_vrf = 5};
    (void)state;
    assert_int_equal(rd_map_parse("m", map_text, strlen(map_text), &errors, &map), 0);
    assert_int_equal(rd_of(map, "198.51.100.1", &flow), 0x0001c00002090009);
    flow.egress_vrf = 4;
    assert_int_equal(rd_of(map, "198.51.100.1", &flow), NONE);
    rd_map_free(map);
}

static void a_map_asks_the_decoder_for_what_its_rows_look_at(void **state)
{
    struct text errors = {0};
    struct flow_needs needs = {0};
    struct ip_addr named = address("198.51.100.1"), other = address("192.0.2.2");
    struct rd_map *map;
    (void)state;
    assert_int_equal(rd_map_parse("m", "id=0:1:1 ip=10.0.0.1", 20, &errors, &map), 0);
    rd_map_add_needs(map, &needs);
    assert_true(flow_needs_has(&needs, FLOW_vpn_rd) && flow_needs_has(&needs, FLOW_vpn_rd_origin));
    assert_false(flow_needs_has(&needs, FLOW_in_iface) || flow_needs_has(&needs, FLOW_egress_vrf));
    rd_map_free(map);
    assert_int_equal(rd_map_parse("m", map_text, strlen(map_text), &errors, &map), 0);
    rd_map_add_needs(map, &needs);
    assert_true(flow_needs_has(&needs, FLOW_in_iface) && flow_needs_has(&needs, FLOW_out_iface));
    assert_true(flow_needs_has(&needs, FLOW_ingress_vrf) &&
                flow_needs_has(&needs, FLOW_egress_vrf));
    assert_true(flow_needs_has(&needs, FLOW_bgp_next_hop) &&
                flow_needs_has(&needs, FLOW_mpls_label_bottom));
    assert_true(rd_map_names(map, &named) && !rd_map_names(map, &other));
    rd_map_free(map);
}

static void all_that_is_wrong_is_told_with_its_line(void **state)
{
    static const char text[] = "id=65000:1 ip=10.0.0.1\n"
                               "id=0:65000:1 ip=10.0.0.1\n"
                               "id=vrfid:7 ip=10.0.0.1\n";
    static const char rows[] = "id=0:1:1\n"
                               "ip=10.0.0.1\n"
                               "id=0:1:1 ip=10.0.0.1 mpls_vpn_rd=0:1:1\n";
    struct text errors = {0};
    struct rd_map *map;
    (void)state;
    assert_int_equal(rd_map_parse("m", text, strlen(text), &errors, &map), -EINVAL);
    assert_non_null(strstr(text_cstr(&errors), "m:1: id=65000:1: expected a route distinguisher"));
    assert_null(strstr(text_cstr(&errors), "m:2:"));
    assert_non_null(strstr(text_cstr(&errors), "m:3: id=vrfid:7: "));
    text_reset(&errors);
    assert_int_equal(rd_map_parse("m", rows, strlen(rows), &errors, &map), -EINVAL);
    assert_non_null(strstr(text_cstr(&errors), "m:1: the row does not say ip="));
    assert_non_null(strstr(text_cstr(&errors), "m:2: the row does not say id="));
    assert_non_null(strstr(text_cstr(&errors), "m:3: unknown key 'mpls_vpn_rd'"));
    text_clear(&errors);
}

static void append_row(struct text *text, unsigned number)
{
    static const char *const addresses[] = {"192.0.2.1", "192.0.2.0/24", "-192.0.2.1"};

    text_append_printf(text, "id=0:0:%u ip=%s", number, addresses[rand() % 3]);
    if (rand() % 2)
        text_append_printf(text, " mpls_vpn_id=%s%d", rand() % 4 ? "" : "-", 1 + rand() % 3);
    if (rand() % 3 == 0)
        text_append_printf(text, " in=%d", rand() % 3);
    if (rand() % 4 == 0)
        text_append_printf(text, " bgp_nexthop=10.0.0.%d mpls_label_bottom=1,2", rand() % 3);
    text_append_char(text, '\n');
}

enum { ROWS = 30 };

/* The same rows as maps of one row each, asked in order, are the model. */
static void the_index_finds_what_asking_row_by_row_finds(void **state)
{
    struct text errors = {0};
    (void)state;
    srand(12);
    for (int round = 0; round < 30; round++) {
        struct text all = {0}, lines[ROWS] = {{0}};
        struct rd_map *single[ROWS], *map;
        for (unsigned i = 0; i < ROWS; i++) {
            append_row(&lines[i], 1000 + i);
            text_append_string(&all, text_cstr(&lines[i]));
            assert_int_equal(
                rd_map_parse("m", text_cstr(&lines[i]), lines[i].len, &errors, &single[i]), 0);
        }
        assert_int_equal(rd_map_parse("m", text_cstr(&all), all.len, &errors, &map), 0);
        for (int i = 0; i < 200; i++) {
            struct flow flow = {.in_iface = (uint32_t)rand() % 3,
                                .ingress_vrf = (uint32_t)rand() % 4,
                                .egress_vrf = (uint32_t)rand() % 4,
                                .mpls_label_bottom = (uint32_t)rand() % 3,
                                .bgp_next_hop = address(rand() % 2 ? "10.0.0.1" : "10.0.0.2")};
            uint64_t expected = NONE;
            for (unsigned k = 0; k < ROWS && expected == NONE; k++)
                expected = rd_of(single[k], i % 4 ? "192.0.2.1" : "192.0.2.9", &flow);
            assert_int_equal(rd_of(map, i % 4 ? "192.0.2.1" : "192.0.2.9", &flow), expected);
        }
        rd_map_free(map);
        for (unsigned i = 0; i < ROWS; i++) {
            rd_map_free(single[i]);
            text_clear(&lines[i]);
        }
        text_clear(&all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(route_distinguishers_are_read_by_their_type),
        cmocka_unit_test(the_first_row_that_matches_gives_the_distinguisher),
        cmocka_unit_test(a_negated_vrf_holds_where_neither_side_has_it),
        cmocka_unit_test(a_map_asks_the_decoder_for_what_its_rows_look_at),
        cmocka_unit_test(the_index_finds_what_asking_row_by_row_finds),
        cmocka_unit_test(all_that_is_wrong_is_told_with_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
