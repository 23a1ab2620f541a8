/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which members of a flow a path fills in, for every method of a source or destination, and
 * which stay as the exporter sent them. */
#include "pipeline/path_fill.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A flow as it was exported and the path that was found for it; all their numbers differ. */
struct rig {
    struct correlate_settings settings;
    struct flow flow;
    struct path_attrs attrs;
    struct rib_path path;
    struct rib_text *texts[4]; /* AS path, standard, extended and large communities */
};

static struct ip_addr addr(const char *text)
{
    struct ip_addr address;

    assert_int_equal(ip_addr_parse(text, &address), 0);
    return address;
}

static struct rib_text *text_new(const char *data, uint64_t handle)
{
    struct rib_text *text = calloc(1, sizeof *text + strlen(data) + 1);

    text->handle = handle;
    text->len = (uint32_t)strlen(data);
    memcpy(text->data, data, text->len);
    return text;
}

static const struct flow_bytes exported = {(const uint8_t *)"exported", 8, 0};

static void init(struct rig *rig)
{
    *rig = (struct rig){
        .settings = {.as_method = ROUTE_BGP,
                     .net_method = ROUTE_BGP,
                     .needs_networks = true,
                     .needs_as_path = true,
                     .needs_std_comms = true,
                     .needs_ext_comms = true,
                     .needs_lrg_comms = true,
                     .src_as_path = true,
                     .src_std_comms = true,
                     .src_ext_comms = true,
                     .src_lrg_comms = true,
                     .src_local_pref = SOURCE_BGP,
                     .src_med = SOURCE_BGP,
                     .peer_src_as = SOURCE_BGP},
        .flow = {.src_addr = addr("198.51.100.77"),
                 .dst_addr = addr("203.0.113.77"),
                 .src_as = 11,
                 .dst_as = 12,
                 .peer_src_as = 13,
                 .peer_dst_as = 14,
                 .src_mask = 20,
                 .dst_mask = 20,
                 .bgp_next_hop = addr("192.0.2.50"),
                 .local_pref = 15,
                 .med = 16,
                 .path_id = 17,
                 .as_path = exported,
                 .std_comms = exported,
                 .ext_comms = exported,
                 .lrg_comms = exported},
        .attrs = {.next_hop = addr("192.0.2.1"),
                  .local_pref = 100,
                  .med = 200,
                  .first_as = 64500,
                  .first_as_no_confed = 64501,
                  .origin_as = 64502},
        .texts = {text_new("64500_64502", 1), text_new("64500:1", 2), text_new("RT:1:2", 3),
                  text_new("64500:1:2", 4)},
    };
    rig->attrs.as_path = rig->texts[0];
    rig->attrs.std_comms = rig->texts[1];
    rig->attrs.ext_comms = rig->texts[2];
    rig->attrs.lrg_comms = rig->texts[3];
    rig->path = (struct rib_path){&rig->attrs, 7, 24};
}

static void clear(struct rig *rig)
{
    for (int i = 0; i < 4; i++)
        free(rig->texts[i]);
}

static void assert_bytes(const struct flow_bytes *bytes, const char *text, uint64_t handle)
{
    assert_int_equal(bytes->len, strlen(text));
    assert_memory_equal(bytes->data, text, bytes->len);
    assert_int_equal(bytes->handle, handle);
}

static void assert_addr(const struct ip_addr *address, const char *text)
{
    struct ip_addr expected = addr(text);

    assert_memory_equal(address, &expected, sizeof expected);
}

static void assert_no_addr(const struct ip_addr *address)
{
    assert_memory_equal(address, &(struct ip_addr){0}, sizeof *address);
}

/* ---- the destination ---- */

static void the_path_to_the_destination_is_all_there(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    path_fill_destination(&rig.settings, &rig.flow, &rig.path);
    assert_int_equal(rig.flow.dst_as, 64502);
    assert_int_equal(rig.flow.peer_dst_as, 64500);
    assert_int_equal(rig.flow.local_pref, 100);
    assert_int_equal(rig.flow.med, 200);
    assert_int_equal(rig.flow.path_id, 7);
    assert_addr(&rig.flow.bgp_next_hop, "192.0.2.1");
    assert_bytes(&rig.flow.as_path, "64500_64502", 1);
    assert_bytes(&rig.flow.std_comms, "64500:1", 2);
    assert_bytes(&rig.flow.ext_comms, "RT:1:2", 3);
    assert_bytes(&rig.flow.lrg_comms, "64500:1:2", 4);
    assert_int_equal(rig.flow.dst_mask, 24);
    assert_addr(&rig.flow.dst_net, "203.0.113.0");
    /* Members of the source stay. */
    assert_int_equal(rig.flow.src_as, 11);
    assert_int_equal(rig.flow.peer_src_as, 13);
    assert_int_equal(rig.flow.src_mask, 20);
    assert_no_addr(&rig.flow.src_net);
    clear(&rig);
}

static void without_a_path_nothing_of_it_is_left(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    path_fill_destination(&rig.settings, &rig.flow, NULL);
    assert_int_equal(rig.flow.dst_as, 0);
    assert_int_equal(rig.flow.peer_dst_as, 0);
    assert_int_equal(rig.flow.local_pref, 0);
    assert_int_equal(rig.flow.med, 0);
    assert_int_equal(rig.flow.path_id, 0);
    assert_int_equal(rig.flow.as_path.len, 0);
    assert_int_equal(rig.flow.std_comms.len, 0);
    assert_int_equal(rig.flow.ext_comms.len, 0);
    assert_int_equal(rig.flow.lrg_comms.len, 0);
    assert_int_equal(rig.flow.dst_mask, 0);
    assert_addr(&rig.flow.dst_net, "0.0.0.0");
    assert_addr(&rig.flow.bgp_next_hop, "192.0.2.50"); /* the exporter's own word stays */
    clear(&rig);
}

static void a_next_hop_exported_as_zero_is_none(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    rig.flow.bgp_next_hop = addr("0.0.0.0");
    path_fill_destination(&rig.settings, &rig.flow, NULL);
    assert_no_addr(&rig.flow.bgp_next_hop);
    clear(&rig);
}

static void a_path_without_communities_takes_the_exported_ones_away(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    rig.attrs.std_comms = rig.attrs.ext_comms = rig.attrs.lrg_comms = rig.attrs.as_path = NULL;
    path_fill_destination(&rig.settings, &rig.flow, &rig.path);
    assert_bytes(&rig.flow.as_path, "", 0);
    assert_bytes(&rig.flow.std_comms, "", 0);
    assert_bytes(&rig.flow.ext_comms, "", 0);
    assert_bytes(&rig.flow.lrg_comms, "", 0);
    clear(&rig);
}

static void texts_that_nobody_asks_for_are_left_alone(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    rig.settings.needs_as_path = rig.settings.needs_std_comms = false;
    rig.settings.needs_ext_comms = rig.settings.needs_lrg_comms = false;
    rig.settings.needs_networks = false;
    path_fill_destination(&rig.settings, &rig.flow, &rig.path);
    assert_bytes(&rig.flow.as_path, "exported", 0);
    assert_bytes(&rig.flow.std_comms, "exported", 0);
    assert_bytes(&rig.flow.ext_comms, "exported", 0);
    assert_bytes(&rig.flow.lrg_comms, "exported", 0);
    assert_no_addr(&rig.flow.dst_net);
    clear(&rig);
}

static void methods_choose_between_the_exporter_and_bgp(void **state)
{
    (void)state;
    /* The exporter's prefix has 20 bits. */
    static const struct {
        enum route_method method;
        uint8_t bgp_len;
        bool has_path, is_bgp;
    } cases[] = {
        {ROUTE_NETFLOW, 24, true, false}, {ROUTE_NETFLOW, 24, false, false},
        {ROUTE_BGP, 16, true, true},      {ROUTE_BGP, 16, false, true},
        {ROUTE_LONGEST, 21, true, true},  {ROUTE_LONGEST, 20, true, true}, /* a tie is BGP's */
        {ROUTE_LONGEST, 19, true, false}, {ROUTE_LONGEST, 24, false, false},
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const bool has_path = cases[i].has_path;
        struct rig rig;
        init(&rig);
        rig.path.prefix_len = cases[i].bgp_len;
        struct rig nets = rig;

        rig.settings.as_method = cases[i].method;
        path_fill_destination(&rig.settings, &rig.flow, has_path ? &rig.path : NULL);
        path_fill_source(&rig.settings, &rig.flow, has_path ? &rig.path : NULL);
        assert_int_equal(rig.flow.dst_as, !cases[i].is_bgp ? 12 : has_path ? 64502 : 0);
        assert_int_equal(rig.flow.peer_dst_as, !cases[i].is_bgp ? 14 : has_path ? 64500 : 0);
        assert_int_equal(rig.flow.src_as, !cases[i].is_bgp ? 11 : has_path ? 64502 : 0);
        /* Members that no method chooses for come from the path. */
        assert_int_equal(rig.flow.local_pref, has_path ? 100 : 0);

        nets.settings.net_method = cases[i].method;
        path_fill_destination(&nets.settings, &nets.flow, has_path ? &nets.path : NULL);
        path_fill_source(&nets.settings, &nets.flow, has_path ? &nets.path : NULL);
        unsigned len = !cases[i].is_bgp ? 20 : has_path ? cases[i].bgp_len : 0;
        assert_int_equal(nets.flow.dst_mask, len);
        assert_int_equal(nets.flow.src_mask, len);
        struct ip_addr net = ip_addr_mask(&nets.flow.dst_addr, len);
        assert_true(ip_addr_equal(&nets.flow.dst_net, &net));
        net = ip_addr_mask(&nets.flow.src_addr, len);
        assert_true(ip_addr_equal(&nets.flow.src_net, &net));
        clear(&rig);
    }
}

static void the_longest_prefix_decides_for_as_numbers_and_networks_alike(void **state)
{
    (void)state;
    struct rig rig;

    /* The network may be filled in before the AS or after it: both compare with the exporter's
     * length. */
    init(&rig);
    rig.settings.as_method = rig.settings.net_method = ROUTE_LONGEST;
    rig.path.prefix_len = 24;
    path_fill_destination(&rig.settings, &rig.flow, &rig.path);
    assert_int_equal(rig.flow.dst_as, 64502);
    assert_int_equal(rig.flow.dst_mask, 24);
    rig.path.prefix_len = 8;
    path_fill_source(&rig.settings, &rig.flow, &rig.path);
    assert_int_equal(rig.flow.src_as, 11);
    assert_int_equal(rig.flow.src_mask, 20);
    clear(&rig);
}

static void an_exported_path_stays_unless_bgp_wins(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    rig.flow.has_exported_path = true;
    rig.settings.as_method = ROUTE_NETFLOW;
    path_fill_destination(&rig.settings, &rig.flow, &rig.path);
    assert_bytes(&rig.flow.as_path, "exported", 0);
    assert_bytes(&rig.flow.std_comms, "exported", 0);
    assert_int_equal(rig.flow.local_pref, 15);
    assert_int_equal(rig.flow.path_id, 0); /* the flow has no path that we know */
    assert_addr(&rig.flow.bgp_next_hop, "192.0.2.50");
    assert_int_equal(rig.flow.dst_mask, 24); /* the networks' method is another one */
    clear(&rig);

    init(&rig);
    rig.flow.has_exported_path = true;
    path_fill_destination(&rig.settings, &rig.flow, &rig.path);
    assert_bytes(&rig.flow.as_path, "64500_64502", 1);
    assert_int_equal(rig.flow.local_pref, 100);
    assert_int_equal(rig.flow.path_id, 7);
    clear(&rig);
}

static void confederation_members_are_passed_over_where_that_is_wanted(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    rig.settings.skip_confederation = true; /* bgp_peer_as_skip_subas */
    path_fill_destination(&rig.settings, &rig.flow, &rig.path);
    path_fill_source(&rig.settings, &rig.flow, &rig.path);
    assert_int_equal(rig.flow.peer_dst_as, 64501);
    assert_int_equal(rig.flow.peer_src_as, 64501);
    clear(&rig);
}

/* ---- the source ---- */

static void the_path_to_the_source_is_all_there(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    path_fill_source(&rig.settings, &rig.flow, &rig.path);
    assert_int_equal(rig.flow.src_as, 64502);
    assert_int_equal(rig.flow.peer_src_as, 64500);
    assert_int_equal(rig.flow.src_local_pref, 100);
    assert_int_equal(rig.flow.src_med, 200);
    assert_bytes(&rig.flow.src_as_path, "64500_64502", 1);
    assert_bytes(&rig.flow.src_std_comms, "64500:1", 2);
    assert_bytes(&rig.flow.src_ext_comms, "RT:1:2", 3);
    assert_bytes(&rig.flow.src_lrg_comms, "64500:1:2", 4);
    assert_int_equal(rig.flow.src_mask, 24);
    assert_addr(&rig.flow.src_net, "198.51.100.0");
    /* Members of the destination stay. */
    assert_int_equal(rig.flow.dst_as, 12);
    assert_int_equal(rig.flow.peer_dst_as, 14);
    assert_int_equal(rig.flow.dst_mask, 20);
    assert_int_equal(rig.flow.path_id, 17);
    assert_bytes(&rig.flow.as_path, "exported", 0);
    clear(&rig);
}

static void the_source_side_has_only_what_is_asked_for(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    rig.settings.src_as_path = rig.settings.src_std_comms = rig.settings.src_ext_comms = false;
    rig.settings.src_lrg_comms = false;
    rig.settings.src_local_pref = rig.settings.src_med = SOURCE_NONE;
    rig.flow.src_local_pref = rig.flow.src_med = 1; /* left over from an earlier flow */
    rig.flow.src_as_path = rig.flow.src_std_comms = exported;
    path_fill_source(&rig.settings, &rig.flow, &rig.path);
    assert_int_equal(rig.flow.src_as_path.len, 0);
    assert_int_equal(rig.flow.src_std_comms.len, 0);
    assert_int_equal(rig.flow.src_ext_comms.len, 0);
    assert_int_equal(rig.flow.src_lrg_comms.len, 0);
    assert_int_equal(rig.flow.src_local_pref, 0);
    assert_int_equal(rig.flow.src_med, 0);
    clear(&rig);
}

static void the_source_peer_comes_from_where_it_is_configured(void **state)
{
    (void)state;
    static const struct {
        enum source_method method;
        uint32_t with_path, without;
    } cases[] = {{SOURCE_NONE, 0, 0}, {SOURCE_EXPORT, 13, 13}, {SOURCE_BGP, 64500, 0}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct rig rig;
        init(&rig);
        rig.settings.peer_src_as = cases[i].method;
        struct flow other = rig.flow;
        path_fill_source(&rig.settings, &rig.flow, &rig.path);
        assert_int_equal(rig.flow.peer_src_as, cases[i].with_path);
        path_fill_source(&rig.settings, &other, NULL);
        assert_int_equal(other.peer_src_as, cases[i].without);
        clear(&rig);
    }
}

/* ---- communities in place of an AS path ---- */

static void assert_customer(const char *std_pattern, const char *lrg_pattern, const char *std_comms,
                            const char *lrg_comms, uint32_t peer, uint32_t origin)
{
    struct rig rig;

    init(&rig);
    struct rib_text *std = text_new(std_comms, 8), *lrg = text_new(lrg_comms, 9);
    rig.settings.std_comm_to_asn = std_pattern;
    rig.settings.lrg_comm_to_asn = lrg_pattern;
    rig.attrs.as_path = NULL;
    rig.attrs.first_as = rig.attrs.first_as_no_confed = rig.attrs.origin_as = 0;
    rig.attrs.std_comms = *std_comms ? std : NULL;
    rig.attrs.lrg_comms = *lrg_comms ? lrg : NULL;
    path_fill_destination(&rig.settings, &rig.flow, &rig.path);
    path_fill_source(&rig.settings, &rig.flow, &rig.path);
    assert_int_equal(rig.flow.peer_dst_as, peer);
    assert_int_equal(rig.flow.dst_as, origin);
    assert_int_equal(rig.flow.peer_src_as, peer);
    assert_int_equal(rig.flow.src_as, origin);
    free(std);
    free(lrg);
    clear(&rig);
}

static void a_community_stands_in_for_an_absent_as_path(void **state)
{
    (void)state;
    assert_customer("65000:", NULL, "65000:64999", "", 65000, 64999);
    assert_customer("65000:6499.", NULL, "1:2_65000:64999_3:4", "", 65000, 64999);
    assert_customer("1:1,65000:", NULL, "2:2_65000:7", "", 65000, 7);      /* the second pattern */
    assert_customer("65000:", NULL, "65000:1_65000:2", "", 65000, 1);      /* the first community */
    assert_customer("no,65000:", NULL, "no-export_65000:5", "", 65000, 5); /* a name has none */
    assert_customer("000:1", NULL, "65000:1", "", 65000, 1); /* the pattern may stand anywhere */
    assert_customer("no", NULL, "no-export", "", 0, 0);
    assert_customer("65000:", NULL, "65001:1", "", 0, 0);
    assert_customer("65000:", NULL, "", "", 0, 0);
    assert_customer(NULL, NULL, "65000:1", "", 0, 0);
    assert_customer("65000:6499.", NULL, "65000:649", "", 0, 0); /* shorter than the pattern */
}

static void a_large_community_is_asked_when_the_standard_ones_do_not_tell(void **state)
{
    (void)state;
    assert_customer(NULL, "4200000000:", "", "4200000000:7:9", 4200000000, 7);
    assert_customer("65000:", "4200000000:", "65000:1", "4200000000:7:9", 65000, 1);
    assert_customer("65000:", "4200000000:", "65001:1", "4200000000:7:9", 4200000000, 7);
}

static void an_as_path_goes_before_communities(void **state)
{
    (void)state;
    struct rig rig;

    init(&rig);
    rig.settings.std_comm_to_asn = "64500:"; /* it has 64500:1 */
    path_fill_destination(&rig.settings, &rig.flow, &rig.path);
    assert_int_equal(rig.flow.peer_dst_as, 64500);
    assert_int_equal(rig.flow.dst_as, 64502);
    clear(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_path_to_the_destination_is_all_there),
        cmocka_unit_test(without_a_path_nothing_of_it_is_left),
        cmocka_unit_test(a_next_hop_exported_as_zero_is_none),
        cmocka_unit_test(a_path_without_communities_takes_the_exported_ones_away),
        cmocka_unit_test(texts_that_nobody_asks_for_are_left_alone),
        cmocka_unit_test(methods_choose_between_the_exporter_and_bgp),
        cmocka_unit_test(the_longest_prefix_decides_for_as_numbers_and_networks_alike),
        cmocka_unit_test(an_exported_path_stays_unless_bgp_wins),
        cmocka_unit_test(confederation_members_are_passed_over_where_that_is_wanted),
        cmocka_unit_test(the_path_to_the_source_is_all_there),
        cmocka_unit_test(the_source_side_has_only_what_is_asked_for),
        cmocka_unit_test(the_source_peer_comes_from_where_it_is_configured),
        cmocka_unit_test(a_community_stands_in_for_an_absent_as_path),
        cmocka_unit_test(a_large_community_is_asked_when_the_standard_ones_do_not_tell),
        cmocka_unit_test(an_as_path_goes_before_communities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
