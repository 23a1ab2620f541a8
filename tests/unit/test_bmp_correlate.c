/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which table answers for an exporter whose router tells its routes by BMP, beside BGP or without it. The
 * RIB is a real one; snapshots are made by hand. */
#include "base/memory.h"
#include "base/text.h"
#include "base/thread.h"
#include "bgp/rib_view.h"
#include "flow/exporter.h"
#include "flow/path_source.h"
#include "maps/agent_map.h"
#include "maps/maps.h"
#include "pipeline/correlate.h"
#include "rpki/roa_table.h"
#include "support/rib_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { BGP, LOC, IN, VRF, SLOTS, FIRST_VIEW = LOC };
#define T0     INT64_C(1700000000000) /* ms: when the test begins */
#define RD     UINT64_C(0x0000fde900000001)
#define NET    "192.168.1.0/24"
#define INSIDE "192.168.1.1"

static const struct path_facts via_1 = {"10.0.0.1", 789, 100, 0, 1};
static const struct path_facts via_2 = {"10.0.0.2", 123, 100, 0, 2};
static const struct path_facts via_3 = {"10.0.0.3", 321, 100, 0, 3};

struct rig {
    struct rib_fixture rib;
    struct bgp_peers *peers; /* one, which is left out with count 0 */
    struct bmp_views *views;
    struct bmp_router_view router;
    struct bmp_view tables[SLOTS - FIRST_VIEW];
    struct bmp_view_place places[SLOTS - FIRST_VIEW];
    struct bmp_view_member members[2]; /* of IN: 198.51.100.1 and 198.51.100.2 */
    struct correlate_settings settings;
    struct correlator *correlator;
    struct maps maps;
    struct exporter exporter;
    struct flow_batch batch;
    struct rcu_reader *reader;
};

static struct ip_addr address(const char *text)
{
    struct ip_addr a = {0};

    assert_int_equal(ip_addr_parse(text, &a), 0);
    return a;
}

static uint16_t member_add(struct rig *rig, uint32_t slot, enum rib_safi safi, bool is_post)
{
    struct rib_session session = {.router_id = 1};
    uint16_t member;

    assert_int_equal(rib_view_add_member(rig->rib.rib, slot, &member), 0);
    session.is_negotiated[safi][RIB_IPV4] = true;
    rib_view_table_up(rig->rib.rib, slot, member, is_post, &session, (struct mono_time){0});
    rib_end_of_rib(rig->rib.rib, rib_view_table(rig->rib.rib, slot, member, is_post), safi,
                   RIB_IPV4, (struct wall_time){(T0 - 90000) * 1000000});
    return member;
}

static void table_add(struct rig *rig, uint32_t slot, enum bmp_view_kind kind, uint64_t rd)
{
    rig->places[slot - FIRST_VIEW] =
        (struct bmp_view_place){&rig->router, &rig->tables[rig->router.view_count]};
    rig->tables[rig->router.view_count++] =
        (struct bmp_view){.slot = slot,
                          .kind = kind,
                          .distinguisher = rd,
                          .families[RIB_IPV4] = {.is_negotiated = true, .is_loaded = true},
                          .member_count = slot == IN ? 2 : 0,
                          .members = rig->members};
}

static void snapshots_make(struct rig *rig, bool has_bgp, bool has_add_path)
{
    rig->peers = mem_zalloc(sizeof *rig->peers + sizeof *rig->peers->peers);
    rig->peers->generation = 1;
    rig->peers->count = has_bgp;
    rig->peers->peers[0] = (struct bgp_peer_info){
        .index = BGP,
        .address = address("192.0.2.1"),
        .router_id = 0xc0000201,
        .state = BGP_PEER_ESTABLISHED,
        .families[RIB_IPV4] = {
            .is_negotiated = true, .has_add_path = has_add_path, .has_paths = true}};
    rig->views = mem_zalloc(sizeof *rig->views + sizeof rig->views->routers[0]);
    rig->views->generation = 1;
    rig->views->count = 1;
    rig->views->first_slot = FIRST_VIEW;
    rig->views->slot_count = SLOTS - FIRST_VIEW;
    rig->views->places = rig->places;
    rig->router = (struct bmp_router_view){.address = address("192.0.2.1"),
                                           .is_connected = true,
                                           .router_id = 0xcb007107,
                                           .views = rig->tables};
    rig->views->routers[0] = &rig->router;
    for (uint16_t i = 0; i < 2; i++)
        rig->members[i] =
            (struct bmp_view_member){.number = i,
                                     .is_up = true,
                                     .address = address(i == 0 ? "198.51.100.1" : "198.51.100.2")};
}

/* `tables`: which ones the router has, 1 << LOC and so on. IN has two members, `is_post` or not. */
static void rig_init(struct rig *rig, bool has_bgp, bool has_add_path, unsigned tables,
                     bool is_post)
{
    static const struct rib_settings settings = {
        .max_peers = SLOTS, .max_members = 8, .history_s = 300, .history_max = 1000};

    thread_enter_role(&bgp_thread);
    thread_enter_role(&worker_thread);
    memset(rig, 0, sizeof *rig);
    rib_fixture_init(&rig->rib, &settings);
    snapshots_make(rig, has_bgp, has_add_path);
    rib_fixture_up(&rig->rib, BGP, has_add_path);
    rib_fixture_loaded(&rig->rib, BGP);
    for (uint32_t slot = FIRST_VIEW; slot < SLOTS; slot++)
        rib_view_begin(rig->rib.rib, slot, slot == IN);
    member_add(rig, LOC, RIB_UNICAST, true);
    member_add(rig, IN, RIB_UNICAST, is_post);
    member_add(rig, IN, RIB_UNICAST, is_post);
    member_add(rig, VRF, RIB_VPN, true);
    if (tables & 1u << LOC)
        table_add(rig, LOC, BMP_VIEW_LOC, 0);
    if (tables & 1u << IN)
        table_add(rig, IN, BMP_VIEW_IN, 0);
    if (tables & 1u << VRF)
        table_add(rig, VRF, BMP_VIEW_IN, RD);
    rig->settings = (struct correlate_settings){.is_enabled = true,
                                                .as_method = ROUTE_BGP,
                                                .net_method = ROUTE_BGP,
                                                .needs_destination = true,
                                                .needs_source = true,
                                                .peer_src_as = SOURCE_BGP,
                                                .needs_path_source = true};
    for (int i = 0; i < PATH_MATCH_COUNT; i++)
        rig->settings.accepted |= 1u << i;
    rig->correlator = correlator_new(&rig->settings, rig->rib.rib, 8);
    rig->exporter.addr = address("192.0.2.1");
    rig->exporter.generation = 1;
    rig->batch = (struct flow_batch){
        .flows = mem_calloc(8, sizeof(struct flow)), .stride = sizeof(struct flow), .capacity = 8};
    assert_int_equal(rcu_reader_register(rig->rib.rcu, &rig->reader), 0);
}

static void rig_clear(struct rig *rig)
{
    static const uint16_t member_counts[SLOTS] = {[LOC] = 1, [IN] = 2, [VRF] = 1};

    for (uint32_t slot = FIRST_VIEW; slot < SLOTS; slot++) {
        for (uint16_t member = 0; member < member_counts[slot]; member++) {
            for (int is_post = 0; is_post < 2; is_post++) {
                uint32_t table = rib_view_table(rig->rib.rib, slot, member, is_post);
                rib_peer_down(rig->rib.rib, table, false, (struct wall_time){0},
                              (struct mono_time){0});
                rib_peer_forget(rig->rib.rib, table);
            }
        }
        rib_sweep(rig->rib.rib);
        rib_fixture_tick(&rig->rib, INT64_MAX / 2000000, INT64_MAX / 2000000);
        assert_true(rib_peer_release(rig->rib.rib, slot));
    }
    rcu_reader_unregister(rig->reader);
    correlator_free(rig->correlator);
    mem_free(rig->peers);
    mem_free(rig->views);
    mem_free(rig->batch.flows);
    rib_fixture_clear(&rig->rib);
    thread_leave_role(&worker_thread);
    thread_leave_role(&bgp_thread);
}

static void tell_of(struct rig *rig, const char *prefix, uint32_t slot, uint16_t member,
                    bool is_post, const struct path_facts *facts)
{
    const struct rib_member_source source = {
        .slot = slot, .member = member, .is_post = is_post, .is_in_use = slot == LOC};
    struct rib_nlri nlri = {.rd = slot == VRF ? RD : 0};
    struct path_attrs *attrs = rib_fixture_attrs(&rig->rib, facts);

    assert_int_equal(ip_prefix_parse(prefix, &nlri.prefix), 0);
    attrs->ref_count++;
    assert_int_equal(rib_view_announce(rig->rib.rib, &source, slot == VRF ? RIB_VPN : RIB_UNICAST,
                                       &nlri, 1, attrs, (struct wall_time){(T0 - 60000) * 1000000}),
                     0);
    rib_fixture_unref(&rig->rib, attrs);
}

static void tell(struct rig *rig, uint32_t slot, uint16_t member, bool is_post,
                 const struct path_facts *facts)
{
    tell_of(rig, NET, slot, member, is_post, facts);
}

static struct flow *correlate(struct rig *rig, const char *next_hop, uint64_t rd)
{
    const struct route_sources sources = {rig->peers, rig->views};
    struct flow *flow = flow_batch_at(&rig->batch, 0);

    *flow = (struct flow){.exporter = &rig->exporter,
                          .flows = 1,
                          .dst_addr = address(INSIDE),
                          .src_addr = address(INSIDE),
                          .vpn_rd = rd,
                          .start_ns = (T0 - 1000) * 1000000,
                          .end_ns = T0 * 1000000,
                          .arrival_ns = (T0 + 1) * 1000000};
    if (next_hop)
        flow->bgp_next_hop = address(next_hop);
    rig->batch.count = 1;
    rcu_online(rig->reader);
    correlate_batch(rig->correlator, &sources, rig->maps.generation ? &rig->maps : NULL,
                    &rig->batch);
    rcu_offline(rig->reader);
    return flow;
}

#define ASSERT_FLOW(next_hop, rd, verdict, as, source)                                             \
    do {                                                                                           \
        struct flow *flow = correlate(&rig, next_hop, rd);                                         \
        assert_string_equal(path_matches[flow->path_match].text, verdict);                         \
        assert_int_equal(flow->peer_dst_as, as);                                                   \
        assert_int_equal(flow->path_source, source);                                               \
    } while (0)

static void bmp_alone_answers_by_the_loc_rib_and_what_peers_told(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, false, false, 1u << LOC | 1u << IN, true);
    tell(&rig, LOC, 0, true, &via_1);
    tell(&rig, IN, 0, true, &via_1);
    tell(&rig, IN, 1, true, &via_2);
    ASSERT_FLOW(NULL, 0, "single", 789, PATH_SOURCE_BMP_LOC);
    assert_int_equal(correlate(&rig, NULL, 0)->peer_src_as, 789);
    ASSERT_FLOW("10.0.0.1", 0, "exact", 789, PATH_SOURCE_BMP_LOC);
    ASSERT_FLOW("10.0.0.2", 0, "exact", 123, PATH_SOURCE_BMP_POST); /* a path that it has beside */
    ASSERT_FLOW("10.0.0.3", 0, "differs", 789, PATH_SOURCE_BMP_LOC);
    rig_clear(&rig);
}

static void a_loc_rib_alone_is_a_session_without_add_path(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, false, false, 1u << LOC, true);
    tell(&rig, LOC, 0, true, &via_1);
    ASSERT_FLOW(NULL, 0, "single", 789, PATH_SOURCE_BMP_LOC);
    ASSERT_FLOW("10.0.0.2", 0, "differs", 789, PATH_SOURCE_BMP_LOC);
    rig_clear(&rig);
}

static void before_policy_is_said_to_be_so(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, false, false, 1u << IN, false);
    tell(&rig, IN, 0, false, &via_1);
    tell(&rig, IN, 1, false, &via_2);
    ASSERT_FLOW("10.0.0.2", 0, "exact", 123, PATH_SOURCE_BMP_PRE);
    ASSERT_FLOW(NULL, 0, "best", 789, PATH_SOURCE_BMP_PRE);
    rig_clear(&rig);
}

static void bgp_with_add_path_decides_if_it_has_the_next_hop(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, true, true, 1u << LOC | 1u << IN, true);
    rib_fixture_announce(&rig.rib, BGP, NET, 1, &via_1, T0 - 60000);
    rib_fixture_announce(&rig.rib, BGP, NET, 2, &via_2, T0 - 60000);
    tell(&rig, LOC, 0, true, &via_2);
    tell(&rig, IN, 0, true, &via_3);
    ASSERT_FLOW("10.0.0.1", 0, "exact", 789, PATH_SOURCE_BGP);
    ASSERT_FLOW("10.0.0.2", 0, "exact", 123, PATH_SOURCE_BGP);
    ASSERT_FLOW("10.0.0.3", 0, "exact", 321, PATH_SOURCE_BMP_POST);
    ASSERT_FLOW("10.0.0.4", 0, "differs", 123, PATH_SOURCE_BMP_LOC);
    ASSERT_FLOW(NULL, 0, "single", 123, PATH_SOURCE_BMP_LOC); /* what the router uses */
    rig_clear(&rig);
}

static void bgp_without_add_path_comes_last(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, true, false, 1u << IN, true);
    rib_fixture_announce(&rig.rib, BGP, NET, 0, &via_1, T0 - 60000);
    ASSERT_FLOW(NULL, 0, "single", 789, PATH_SOURCE_BGP); /* BMP has no route yet */
    tell(&rig, IN, 0, true, &via_2);
    ASSERT_FLOW(NULL, 0, "sole", 123, PATH_SOURCE_BMP_POST);
    ASSERT_FLOW("10.0.0.1", 0, "exact", 789, PATH_SOURCE_BGP);
    ASSERT_FLOW("10.0.0.2", 0, "exact", 123, PATH_SOURCE_BMP_POST);
    ASSERT_FLOW("10.0.0.3", 0, "unmatched", 123, PATH_SOURCE_BMP_POST);
    rig_clear(&rig);
}

static void an_exporter_that_a_router_monitors_has_its_own_routes_alone(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, false, false, 1u << LOC | 1u << IN, true);
    tell(&rig, LOC, 0, true, &via_1);
    tell(&rig, IN, 0, true, &via_1);
    tell(&rig, IN, 1, true, &via_2);
    rig.exporter.addr = address("198.51.100.2");
    ASSERT_FLOW(NULL, 0, "sole", 123, PATH_SOURCE_BMP_POST);
    ASSERT_FLOW("10.0.0.1", 0, "unmatched", 123, PATH_SOURCE_BMP_POST);
    /* The router itself, by its identifier. */
    rig.exporter.addr = address("203.0.113.7");
    rig.exporter.generation++;
    ASSERT_FLOW(NULL, 0, "single", 789, PATH_SOURCE_BMP_LOC);
    rig.settings.disable_router_id_check = true;
    rig.exporter.generation++;
    ASSERT_FLOW(NULL, 0, "no_rib", 0, PATH_SOURCE_NONE);
    rig_clear(&rig);
}

/* Only its own less specific route would hold if an invalid one were filtered out. */
static void origins_of_a_monitored_exporter_are_those_of_its_routes(void **state)
{
    struct roa roas[] = {{.max_len = 16, .asn = 789}, {.max_len = 24, .asn = 999}};
    struct roa_table *table;
    struct rig rig;

    (void)state;
    rig_init(&rig, false, false, 1u << IN, true);
    assert_int_equal(ip_prefix_parse("192.168.0.0/16", &roas[0].prefix), 0);
    assert_int_equal(ip_prefix_parse(NET, &roas[1].prefix), 0);
    table = roa_table_new(roas, 2);
    rig.maps.generation = 1;
    rig.maps.roas = table;
    rig.settings.dst_roa = rig.settings.shows_roa = true;
    rig.exporter.addr = address("198.51.100.2");
    rig.router.as = 789; /* the fixture has paths without an origin: they are the router's own */
    tell_of(&rig, NET, IN, 1, true, &via_2);
    tell_of(&rig, "192.168.0.0/16", IN, 0, true, &via_1);
    assert_int_equal(correlate(&rig, NULL, 0)->dst_roa.text[0], 'i');
    tell_of(&rig, "192.168.0.0/16", IN, 1, true, &via_1);
    assert_int_equal(correlate(&rig, NULL, 0)->dst_roa.text[0], 'o');
    roa_table_free(table);
    rig_clear(&rig);
}

static void routes_of_a_vrf_answer_only_flows_of_it(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig, false, false, 1u << IN | 1u << VRF, true);
    tell(&rig, VRF, 0, true, &via_3);
    ASSERT_FLOW(NULL, 0, "no_route", 0, PATH_SOURCE_NONE);
    ASSERT_FLOW(NULL, RD, "single", 321, PATH_SOURCE_BMP_POST);
    tell(&rig, IN, 0, true, &via_1);
    ASSERT_FLOW(NULL, 0, "sole", 789, PATH_SOURCE_BMP_POST);
    ASSERT_FLOW(NULL, RD, "single", 321, PATH_SOURCE_BMP_POST);
    /* No table of another VRF is there: the global one may have switched it. */
    ASSERT_FLOW(NULL, RD + 1, "sole", 789, PATH_SOURCE_BMP_POST);
    rig_clear(&rig);
}

/* A router's global instance may have VPN routes (RFC 4364), which stand in its own table. */
static void vpn_routes_of_the_global_instance_answer_beside_bgp(void **state)
{
    const struct rib_member_source source = {.slot = IN, .is_post = true};
    struct rib_nlri nlri = {.rd = RD};
    struct rig rig;

    (void)state;
    rig_init(&rig, true, false, 1u << IN, true);
    rib_fixture_announce(&rig.rib, BGP, NET, 0, &via_1, T0 - 60000);
    rib_view_family_up(rig.rib.rib, IN, 0, true, RIB_VPN, RIB_IPV4, false, (struct mono_time){0});
    assert_int_equal(ip_prefix_parse(NET, &nlri.prefix), 0);
    assert_int_equal(rib_view_announce(rig.rib.rib, &source, RIB_VPN, &nlri, 1,
                                       rib_fixture_attrs(&rig.rib, &via_3),
                                       (struct wall_time){(T0 - 60000) * 1000000}),
                     0);
    ASSERT_FLOW("10.0.0.3", RD, "exact", 321, PATH_SOURCE_BMP_POST);
    ASSERT_FLOW("10.0.0.1", RD + 1, "exact", 789, PATH_SOURCE_BGP);
    ASSERT_FLOW(NULL, 0, "single", 789, PATH_SOURCE_BGP);
    rig_clear(&rig);
}

static void a_map_names_the_router(void **state)
{
    static const char rows[] = "bmp_ip=203.0.113.9 ip=198.51.100.200\n"
                               "bmp_ip=192.0.2.1 bmp_port=1790 ip=198.51.100.200\n";
    struct agent_map *agents = NULL;
    struct text errors = {0};
    struct rig rig;

    (void)state;
    rig_init(&rig, false, false, 1u << LOC, true);
    tell(&rig, LOC, 0, true, &via_1);
    assert_int_equal(agent_map_parse("map", rows, sizeof rows - 1, &errors, &agents), 0);
    rig.exporter.addr = address("198.51.100.200");
    ASSERT_FLOW(NULL, 0, "no_rib", 0, PATH_SOURCE_NONE);
    rig.maps.generation = 1;
    rig.maps.agents = agents;
    ASSERT_FLOW(NULL, 0, "single", 789, PATH_SOURCE_BMP_LOC);
    agent_map_free(agents);
    text_clear(&errors);
    rig_clear(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bmp_alone_answers_by_the_loc_rib_and_what_peers_told),
        cmocka_unit_test(a_loc_rib_alone_is_a_session_without_add_path),
        cmocka_unit_test(before_policy_is_said_to_be_so),
        cmocka_unit_test(bgp_with_add_path_decides_if_it_has_the_next_hop),
        cmocka_unit_test(bgp_without_add_path_comes_last),
        cmocka_unit_test(an_exporter_that_a_router_monitors_has_its_own_routes_alone),
        cmocka_unit_test(origins_of_a_monitored_exporter_are_those_of_its_routes),
        cmocka_unit_test(routes_of_a_vrf_answer_only_flows_of_it),
        cmocka_unit_test(vpn_routes_of_the_global_instance_answer_beside_bgp),
        cmocka_unit_test(a_map_names_the_router),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
