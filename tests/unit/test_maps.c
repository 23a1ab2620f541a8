/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what the maps answer for flows, and that a reload of a bad file changes nothing. */
#include "base/memory.h"
#include "base/text.h"
#include "base/thread.h"
#include "flow/exporter.h"
#include "maps/agent_map.h"
#include "maps/map_source.h"
#include "maps/maps.h"
#include "maps/sampling_map.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct ip_addr address(const char *text)
{
    struct ip_addr addr;
    assert_int_equal(ip_addr_parse(text, &addr), 0);
    return addr;
}

static uint32_t rate(const struct sampling_map *map, const char *exporter, uint32_t in,
                     uint32_t out)
{
    struct exporter from = {.addr = address(exporter)};
    struct flow flow = {.exporter = &from, .in_iface = in, .out_iface = out};
    struct flow_batch batch = {
        .flows = (uint8_t *)&flow, .stride = sizeof flow, .count = 1, .capacity = 1};
    uint32_t rate;
    sampling_map_find(map, &batch, 0, 1, &rate);
    return rate;
}

static void the_first_row_that_matches_gives_the_sampling_rate(void **state)
{
    static const char text[] = "id=100 ip=192.0.2.1 in=5\n"
                               "id=200 ip=192.0.2.1 out=7-9\n"
                               "id=300 ip=192.0.2.1\n"
                               "id=400 ip=10.0.0.0/8 in=-3\n"
                               "id=500 ip=2001:db8::/32\n";
    struct sampling_map *map;
    struct text errors = {0};
    struct flow_needs needs = {0};
    (void)state;
    assert_int_equal(sampling_map_parse("s", text, strlen(text), &errors, &map), 0);
    assert_int_equal(rate(map, "192.0.2.1", 5, 8), 100);
    assert_int_equal(rate(map, "192.0.2.1", 6, 8), 200);
    assert_int_equal(rate(map, "192.0.2.1", 6, 10), 300);
    assert_int_equal(rate(map, "10.9.9.9", 2, 0), 400);
    assert_int_equal(rate(map, "10.9.9.9", 3, 0), 0);
    assert_int_equal(rate(map, "2001:db8::1", 3, 0), 500);
    assert_int_equal(rate(map, "198.51.100.1", 5, 8), 0);
    sampling_map_add_needs(map, &needs);
    assert_true(flow_needs_has(&needs, FLOW_in_iface) && flow_needs_has(&needs, FLOW_out_iface));
    sampling_map_free(map);
    text_clear(&errors);
}

/* Asserts that the map gives these peers, written as "address:port address:port". */
static void assert_peers(const struct agent_map *map, const char *exporter, const struct flow *flow,
                         const char *expected)
{
    const struct agent_peer *peers[AGENT_PEERS_MAX];
    struct ip_addr addr = address(exporter);
    struct text found = {0};
    size_t count = agent_map_find(map, &addr, flow, peers);
    for (size_t i = 0; i < count; i++) {
        char out[IP_TEXT_LEN];
        ip_addr_format(&peers[i]->address, out);
        text_append_printf(&found, "%s%s:%u", i ? " " : "", out, peers[i]->port);
    }
    assert_string_equal(text_cstr(&found), expected);
    text_clear(&found);
}

static void all_matching_rows_name_peers_in_order_of_preference(void **state)
{
    static const char text[] =
        "bgp_ip=10.0.0.1 ip=192.0.2.1 filter='ip'\n"
        "bgp_ip=2001:db8::1 bgp_port=1179 ip=192.0.2.1 filter='ip6'\n"
        "id=10.0.0.2 ip=192.0.2.0/24\n" /* as pmacct calls it too */
        "bgp_ip=10.0.0.3 ip=198.51.100.1 in=4\n"
        "bgp_ip=10.0.0.4 ip=198.51.100.2 filter='dst net 203.0.113.0/24 and tcp'\n";
    struct agent_map *map;
    struct text errors = {0};
    struct flow v4 = {
        .src_addr = address("203.0.113.9"), .dst_addr = address("203.0.113.1"), .proto = 6};
    struct flow v6 = {
        .src_addr = address("2001:db8::9"), .dst_addr = address("2001:db8::a"), .proto = 6};
    (void)state;
    if (agent_map_parse("a", text, strlen(text), &errors, &map) < 0)
        fail_msg("%s", text_cstr(&errors));
    assert_peers(map, "192.0.2.1", &v4, "10.0.0.1:0 10.0.0.2:0");
    assert_peers(map, "192.0.2.1", &v6, "2001:db8::1:1179 10.0.0.2:0");
    assert_peers(map, "192.0.2.2", &v4, "10.0.0.2:0");
    assert_peers(map, "198.51.100.1", &v4, "");
    v4.in_iface = 4;
    assert_peers(map, "198.51.100.1", &v4, "10.0.0.3:0");
    assert_peers(map, "198.51.100.2", &v4, "10.0.0.4:0");
    v4.proto = 17;
    assert_peers(map, "198.51.100.2", &v4, "");

    struct ip_addr first = address("192.0.2.1"), second = address("192.0.2.2"),
                   iface = address("198.51.100.1"), filter = address("198.51.100.2"),
                   none = address("10.1.1.1");
    assert_int_equal(agent_map_uses(map, &first), AGENT_HAS_ROWS | AGENT_BY_FAMILY);
    assert_int_equal(agent_map_uses(map, &second), AGENT_HAS_ROWS);
    assert_int_equal(agent_map_uses(map, &iface), AGENT_HAS_ROWS | AGENT_BY_IFACE);
    assert_int_equal(agent_map_uses(map, &filter), AGENT_HAS_ROWS | AGENT_BY_FILTER);
    assert_int_equal(agent_map_uses(map, &none), 0);
    assert_int_equal(agent_map_peer_count(map), 5);
    agent_map_free(map);
    text_clear(&errors);
}

static void an_agent_map_tells_tagged_flows_apart(void **state)
{
    static const char text[] = "id=10.0.0.1 ip=192.0.2.1 filter='vlan and ip'\n"
                               "id=10.0.0.2 ip=192.0.2.1 filter='vlan and ip6'\n"
                               "id=10.0.0.3 ip=192.0.2.1 filter='ip6'\n";
    struct agent_map *map;
    struct text errors = {0};
    struct flow v4 = {.src_addr = address("203.0.113.9"), .dst_addr = address("203.0.113.1")};
    struct flow v6 = {.src_addr = address("2001:db8::9"), .dst_addr = address("2001:db8::a")};
    (void)state;
    assert_int_equal(agent_map_parse("a", text, strlen(text), &errors, &map), 0);
    assert_peers(map, "192.0.2.1", &v4, "");
    assert_peers(map, "192.0.2.1", &v6, "10.0.0.3:0");
    v4.vlan = v6.vlan = 7;
    assert_peers(map, "192.0.2.1", &v4, "10.0.0.1:0");
    assert_peers(map, "192.0.2.1", &v6, "10.0.0.2:0 10.0.0.3:0");
    agent_map_free(map);
}

static void an_agent_map_reports_bad_filters_and_takes_names_of_bmp(void **state)
{
    static const char text[] = "bgp_ip=10.0.0.1 ip=192.0.2.1 filter='no such thing'\n"
                               "bgp_ip=10.0.0.1 ip=192.0.2.1 filter='tcp and'\n";
    static const char bmp[] = "bmp_ip=10.0.0.1 bmp_port=1790 ip=192.0.2.1\n";
    struct agent_map *map;
    struct text errors = {0};
    (void)state;
    assert_int_equal(agent_map_parse("a", text, strlen(text), &errors, &map), -EINVAL);
    assert_non_null(strstr(text_cstr(&errors), "a:1: filter: "));
    assert_non_null(strstr(text_cstr(&errors), "a:2: filter: "));
    text_reset(&errors);
    assert_int_equal(agent_map_parse("a", bmp, strlen(bmp), &errors, &map), 0);
    assert_int_equal(agent_map_peer_at(map, 0)->port, 1790);
    agent_map_free(map);
    static const char twice[] = "bmp_ip=10.0.0.1 id=10.0.0.2 ip=192.0.2.1\n";
    assert_int_equal(agent_map_parse("a", twice, strlen(twice), &errors, &map), -EINVAL);
    text_clear(&errors);
}

static void write_to(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

/* Does what a daemon does at SIGUSR2. */
static int reload(const struct maps_settings *settings, const struct maps *_Atomic *place,
                  struct rcu_queue *queue, struct text *errors)
{
    const struct maps *old = rcu_read(place);
    struct maps *maps;
    struct text warnings = {0};
    struct map_report report = {.errors = errors, .warnings = &warnings};
    int err = maps_load(settings, old ? old->generation + 1 : 1, &report, &maps);

    if (err == 0)
        maps_publish(place, queue, maps);
    return err;
}

static void a_bad_reload_keeps_the_snapshot_and_a_good_one_replaces_it(void **state)
{
    char allow_path[] = "/tmp/test_maps.XXXXXX", sampling_path[] = "/tmp/test_maps.XXXXXX";
    struct maps_settings settings = {.allow_file = allow_path, .sampling_map = sampling_path};
    const struct maps *_Atomic place = NULL;
    struct rcu *rcu = rcu_new(1);
    struct rcu_queue *queue = rcu_queue_new(rcu);
    struct text errors = {0};
    struct ip_addr first = address("192.0.2.1"), second = address("192.0.2.2");
    (void)state;
    close(mkstemp(allow_path));
    close(mkstemp(sampling_path));

    write_to(allow_path, "192.0.2.1\n");
    write_to(sampling_path, "id=10 ip=192.0.2.1\n");
    assert_int_equal(reload(&settings, &place, queue, &errors), 0);
    const struct maps *before = rcu_read(&place);
    assert_int_equal(before->generation, 1);
    assert_true(maps_exporter_is_allowed(before, &first));
    assert_false(maps_exporter_is_allowed(before, &second));
    assert_false(flow_needs_has(&before->needs, FLOW_in_iface));

    write_to(allow_path, "192.0.2.2\n");
    write_to(sampling_path, "id=10 ip=192.0.2.1 in=x\n");
    assert_int_equal(reload(&settings, &place, queue, &errors), -EINVAL);
    assert_non_null(strstr(text_cstr(&errors), ":1: in=x: "));
    assert_ptr_equal(rcu_read(&place), before);
    assert_true(maps_exporter_is_allowed(rcu_read(&place), &first));

    write_to(sampling_path, "id=10 ip=192.0.2.1 in=4\n");
    assert_int_equal(reload(&settings, &place, queue, &errors), 0);
    const struct maps *after = rcu_read(&place);
    assert_int_equal(after->generation, 2);
    assert_true(maps_exporter_is_allowed(after, &second));
    assert_true(flow_needs_has(&after->needs, FLOW_in_iface));

    unlink(allow_path);
    unlink(sampling_path);
    assert_int_equal(reload(&settings, &place, queue, &errors), -EINVAL);
    assert_ptr_equal(rcu_read(&place), after);
    rcu_queue_free(queue);
    rcu_free(rcu);
    maps_free((void *)(uintptr_t)after);
    text_clear(&errors);
}

static void without_an_allow_list_everybody_may_send(void **state)
{
    struct maps_settings settings = {0};
    struct maps *maps;
    struct text errors = {0}, warnings = {0};
    struct map_report report = {.errors = &errors, .warnings = &warnings};
    struct ip_addr anyone = address("192.0.2.1");
    (void)state;
    assert_int_equal(maps_load(&settings, 1, &report, &maps), 0);
    assert_true(maps_exporter_is_allowed(maps, &anyone));
    assert_null(maps->sampling);
    maps_free(maps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_row_that_matches_gives_the_sampling_rate),
        cmocka_unit_test(all_matching_rows_name_peers_in_order_of_preference),
        cmocka_unit_test(an_agent_map_tells_tagged_flows_apart),
        cmocka_unit_test(an_agent_map_reports_bad_filters_and_takes_names_of_bmp),
        cmocka_unit_test(a_bad_reload_keeps_the_snapshot_and_a_good_one_replaces_it),
        cmocka_unit_test(without_an_allow_list_everybody_may_send),
    };
    thread_enter_role(&main_thread); /* which the tests play */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
