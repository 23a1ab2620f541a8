/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which number the maps of the source side give a flow, and what they say of bad rows. */
#include "base/text.h"
#include "flow/exporter.h"
#include "maps/ingress_map.h"
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

static struct ingress_map *parse(const char *text)
{
    struct text errors = {0};
    struct ingress_map *map;
    if (ingress_map_parse("m", text, strlen(text), &errors, &map) < 0)
        fail_msg("%s", text_cstr(&errors));
    text_clear(&errors);
    return map;
}

enum { OF_PATH = 4242 };

static uint32_t find(const struct ingress_map *map, const char *exporter, const struct flow *flow,
                     const struct source_facts *facts)
{
    struct exporter from = {.addr = address(exporter)};
    struct flow copy = *flow;
    struct flow_batch batch = {
        .flows = (uint8_t *)&copy, .stride = sizeof copy, .count = 1, .capacity = 1};
    struct ingress_answer answer;

    copy.exporter = &from;
    ingress_map_find(map, &batch, 0, 1, facts, &answer);
    return answer.is_of_path ? OF_PATH : answer.value;
}

static void the_first_row_that_matches_gives_the_number(void **state)
{
    struct ingress_map *map = parse("id=1 ip=192.0.2.1 in=5 src_mac=00:00:00:00:00:01\n"
                                    "id=2 ip=192.0.2.1 vlan=7,9\n"
                                    "id=3 ip=192.0.2.1 src_net=10.0.0.0/8 dst_net=-192.0.2.0/24\n"
                                    "id=4294967295 ip=192.0.2.0/24 filter='udp port 53'\n"
                                    "id=0 ip=2001:db8::/32 out=4\n"
                                    "id=6 ip=2001:db8::/32\n");
    struct flow flow = {.in_iface = 5,
                        .out_iface = 4,
                        .src_mac = {{0, 0, 0, 0, 0, 1}},
                        .src_addr = address("11.0.0.1"),
                        .dst_addr = address("203.0.113.1"),
                        .proto = 17,
                        .dst_port = 53};
    (void)state;
    assert_int_equal(find(map, "192.0.2.1", &flow, NULL), 1);
    flow.in_iface = 6;
    assert_int_equal(find(map, "192.0.2.1", &flow, NULL), UINT32_MAX);
    flow.vlan = 9;
    assert_int_equal(find(map, "192.0.2.1", &flow, NULL), 2);
    flow.vlan = 8;
    flow.src_addr = address("10.0.0.1");
    assert_int_equal(find(map, "192.0.2.1", &flow, NULL), 3);
    flow.dst_addr = address("192.0.2.9");
    flow.dst_port = 80;
    assert_int_equal(find(map, "192.0.2.1", &flow, NULL), 0);
    assert_int_equal(find(map, "2001:db8::1", &flow, NULL), 0);
    flow.out_iface = 5;
    assert_int_equal(find(map, "2001:db8::1", &flow, NULL), 6);
    assert_int_equal(find(map, "198.51.100.1", &flow, NULL), 0);
    assert_false(ingress_map_asks_path(map));
    ingress_map_free(map);
}

static void rows_ask_of_the_path_to_the_source(void **state)
{
    struct ingress_map *map = parse("id=1 ip=192.0.2.1 bgp_nexthop=10.0.0.1\n"
                                    "id=2 ip=192.0.2.1 peer_dst_as=65001\n"
                                    "id=bgp ip=192.0.2.1 in=3\n");
    struct source_facts facts = {.next_hop = address("10.0.0.1"), .neighbour_as = 65001};
    /* Nobody asks what the flow itself says of its destination. */
    struct flow flow = {.bgp_next_hop = address("10.0.0.1"), .peer_dst_as = 65001, .in_iface = 3};
    (void)state;
    assert_true(ingress_map_asks_path(map));
    assert_int_equal(find(map, "192.0.2.1", &flow, &facts), 1);
    facts.next_hop = address("10.0.0.2");
    assert_int_equal(find(map, "192.0.2.1", &flow, &facts), 2);
    facts.neighbour_as = 65002;
    assert_int_equal(find(map, "192.0.2.1", &flow, &facts), OF_PATH);
    assert_int_equal(find(map, "192.0.2.1", &flow, NULL), OF_PATH);
    ingress_map_free(map);
}

static void a_map_asks_the_decoder_for_what_its_rows_look_at(void **state)
{
    struct ingress_map *map = parse("id=1 ip=192.0.2.1 bgp_nexthop=10.0.0.1\n");
    struct flow_needs needs = {0}, none = {0};
    struct ip_addr named = address("192.0.2.1"), other = address("192.0.2.2");
    (void)state;
    ingress_map_add_needs(map, &needs);
    assert_memory_equal(&needs, &none, sizeof needs);
    assert_true(ingress_map_names(map, &named) && !ingress_map_names(map, &other));
    ingress_map_free(map);
    map = parse("id=1 ip=192.0.2.1 in=1 vlan=1\nid=1 ip=192.0.2.1 src_mac=0:0:0:0:0:1\n"
                "id=1 ip=192.0.2.1 src_net=10.0.0.0/8 out=1\n");
    ingress_map_add_needs(map, &needs);
    assert_true(flow_needs_has(&needs, FLOW_in_iface) && flow_needs_has(&needs, FLOW_out_iface));
    assert_true(flow_needs_has(&needs, FLOW_vlan) && flow_needs_has(&needs, FLOW_in_vlan));
    assert_true(flow_needs_has(&needs, FLOW_src_mac) && flow_needs_has(&needs, FLOW_src_addr));
    assert_false(flow_needs_has(&needs, FLOW_dst_addr));
    ingress_map_free(map);
}

static void all_that_is_wrong_is_told_with_its_line(void **state)
{
    static const char values[] = "id=x ip=10.0.0.1\n"
                                 "id=bgp ip=10.0.0.1\n"
                                 "id=4294967296 ip=10.0.0.1 src_mac=1:2\n"
                                 "id=1 ip=10.0.0.1 filter='no such'\n";
    static const char rows[] = "id=1\n"
                               "ip=10.0.0.1\n"
                               "id=1 ip=10.0.0.1 jeq=x\n"
                               "set_tag=1 ip=10.0.0.1\n";
    struct text errors = {0};
    struct ingress_map *map;
    (void)state;
    assert_int_equal(ingress_map_parse("m", values, strlen(values), &errors, &map), -EINVAL);
    assert_non_null(strstr(text_cstr(&errors), "m:1: id=x: expected a number, or bgp"));
    assert_null(strstr(text_cstr(&errors), "m:2:"));
    assert_non_null(strstr(text_cstr(&errors), "m:3: id=4294967296: "));
    assert_non_null(strstr(text_cstr(&errors), "m:3: src_mac=1:2: expected a MAC address"));
    assert_non_null(strstr(text_cstr(&errors), "m:4: filter=no such: "));
    text_reset(&errors);
    assert_int_equal(ingress_map_parse("m", rows, strlen(rows), &errors, &map), -EINVAL);
    assert_non_null(strstr(text_cstr(&errors), "m:1: the row does not say ip="));
    assert_non_null(strstr(text_cstr(&errors), "m:2: the row does not say id="));
    assert_non_null(strstr(text_cstr(&errors), "m:3: jeq: not supported here"));
    assert_non_null(strstr(text_cstr(&errors), "m:4: unknown key 'set_tag'"));
    text_clear(&errors);
}

/* A row of a random map; values are few, so that rows overlap. */
static void append_row(struct text *text, unsigned number)
{
    static const char *const addresses[] = {"192.0.2.1", "192.0.2.0/24", "-192.0.2.1", "0.0.0.0/0",
                                            "2001:db8::/32"};
    static const char *const keys[] = {"bgp_nexthop=192.0.2.1",
                                       "peer_dst_as=1,2",
                                       "peer_dst_as=-1",
                                       "src_mac=00:00:00:00:00:01",
                                       "vlan=1-3",
                                       "src_net=192.0.2.0/25",
                                       "dst_net=192.0.2.1",
                                       "filter='udp'",
                                       "src_mac=-0:0:0:0:0:1",
                                       "vlan=0"};

    text_append_printf(text, "id=%u ip=%s", number, addresses[rand() % 5]);
    if (rand() % 2)
        text_append_printf(text, " in=%d", rand() % 3);
    if (rand() % 3 == 0)
        text_append_printf(text, " out=1-%d", 1 + rand() % 2000);
    if (rand() % 2)
        text_append_printf(text, " %s", keys[rand() % 10]);
    text_append_char(text, '\n');
}

static struct flow random_flow(struct source_facts *facts)
{
    struct ip_addr near = address("192.0.2.1"), far = address("192.0.2.200");
    struct flow flow = {.in_iface = (uint32_t)rand() % 3,
                        .out_iface = (uint32_t)rand() % 1500,
                        .vlan = (uint16_t)(rand() % 4),
                        .src_mac = {{0, 0, 0, 0, 0, (uint8_t)(rand() % 2)}},
                        .src_addr = rand() % 2 ? near : far,
                        .dst_addr = rand() % 2 ? near : far,
                        .proto = rand() % 2 ? 17 : 6};

    *facts = (struct source_facts){.next_hop = rand() % 2 ? near : far,
                                   .neighbour_as = (uint32_t)rand() % 3};
    return flow;
}

enum { ROWS = 40 };

/* The same rows as maps of one row each, asked in order, are the model. */
static void the_index_finds_what_asking_row_by_row_finds(void **state)
{
    (void)state;
    srand(12);
    for (int round = 0; round < 30; round++) {
        struct text all = {0}, lines[ROWS] = {{0}};
        struct ingress_map *single[ROWS];
        for (unsigned i = 0; i < ROWS; i++) {
            append_row(&lines[i], i + 1);
            text_append_string(&all, text_cstr(&lines[i]));
            single[i] = parse(text_cstr(&lines[i]));
        }
        struct ingress_map *map = parse(text_cstr(&all));
        for (int i = 0; i < 200; i++) {
            struct source_facts facts;
            struct flow flow = random_flow(&facts);
            const char *exporter = i % 5 ? "192.0.2.1" : i % 2 ? "192.0.2.9" : "2001:db8::1";
            uint32_t expected = 0;
            for (unsigned k = 0; k < ROWS && expected == 0; k++)
                expected = find(single[k], exporter, &flow, &facts);
            assert_int_equal(find(map, exporter, &flow, &facts), expected);
        }
        ingress_map_free(map);
        for (unsigned i = 0; i < ROWS; i++) {
            ingress_map_free(single[i]);
            text_clear(&lines[i]);
        }
        text_clear(&all);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_row_that_matches_gives_the_number),
        cmocka_unit_test(rows_ask_of_the_path_to_the_source),
        cmocka_unit_test(a_map_asks_the_decoder_for_what_its_rows_look_at),
        cmocka_unit_test(the_index_finds_what_asking_row_by_row_finds),
        cmocka_unit_test(all_that_is_wrong_is_told_with_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
