/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves that what routers say by BMP stands in the RIB as it was meant: which paths answer for which view
 * and member, what is kept when a peer or a router is lost, since when paths live, and that bounds hold. The last test
 * says random things, and holds the RIB against a plain list of who said what.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "bgp/path_match.h"
#include "bgp/rib_show.h"
#include "support/bmp_rig.h"
#include "support/bmp_tables_rig.h"
#include "support/random_values.h"

#define RD_1   UINT64_C(0x0000fde900000001)
#define RD_2   UINT64_C(0x0000fde900000002)
#define IN_NET "198.51.100.9"
#define P24    "198.51.100.0/24"

static struct bmp_tables_rig *rig;

static int rig_make(void **state)
{
    (void)state;
    rig = mem_alloc(sizeof *rig);
    bmp_tables_rig_init(rig,
                        &(struct bmp_tables_rig_settings){
                            .slot_count = 4, .max_members = 64, .routers_max = 2, .peers_max = 4});
    return 0;
}

static int rig_end(void **state)
{
    (void)state;
    bmp_tables_rig_clear(rig);
    mem_free(rig);
    return 0;
}

static struct rib_query ask(const struct bmp_view *view, uint32_t only_member, const char *next_hop,
                            int64_t from_s, int64_t to_s)
{
    struct rib_query query = {.peer = view->slot,
                              .only_member = only_member,
                              .rd = view->distinguisher,
                              .from_ns = from_s * NS_PER_S,
                              .to_ns = to_s * NS_PER_S};

    assert_int_equal(ip_addr_parse(IN_NET, &query.address), 0);
    if (next_hop)
        assert_int_equal(ip_addr_parse(next_hop, &query.next_hop), 0);
    rib_lookup_batch(rig->rib, RIB_POLICY_NORMAL, &query, 1);
    return query;
}

#define ASSERT_ASK(view, only_member, next_hop, from_s, to_s, verdict, as)                         \
    do {                                                                                           \
        struct rib_query q = ask(view, only_member, next_hop, from_s, to_s);                       \
        assert_string_equal(path_matches[q.match].text, verdict);                                  \
        assert_int_equal(q.path.attrs ? q.path.attrs->first_as : 0, as);                           \
    } while (0)

static const struct bmp_view *view_of(unsigned router, enum bmp_view_kind kind, uint64_t rd)
{
    return bmp_tables_rig_view(rig, router, kind, rd);
}

/* The text tells what stands of a prefix in a view, as "member:policies:first AS " each, in decision order. */
struct shown_text {
    uint32_t slot;
    struct text text;
};

static void shown_add(void *arg, const struct rib_shown *path)
{
    struct shown_text *out = arg;

    if (path->rank == UINT32_MAX || path->peer != out->slot)
        return;
    text_append_printf(&out->text, "%u:%s%s%s:%u ", path->member, path->is_pre ? "pre" : "",
                       path->is_post ? "post" : "", path->is_in_use ? "*" : "",
                       path->attrs->first_as);
}

static const char *shown(const struct bmp_view *view, const char *prefix)
{
    static char out[4096];
    struct shown_text text = {.slot = view->slot};
    struct rib_show show = {.rib = rig->rib,
                            .safi = view->distinguisher ? RIB_VPN : RIB_UNICAST,
                            .rd = view->distinguisher};

    assert_int_equal(ip_prefix_parse(prefix, &show.prefix), 0);
    while (rib_show_some(&show, 100, shown_add, &text))
        continue;
    snprintf(out, sizeof out, "%s", text.text.len ? text_cstr(&text.text) : "");
    text_clear(&text.text);
    return out;
}

struct wanted_counter {
    const char *name;
    uint64_t value;
    bool is_there;
};

static void counter_take(void *arg, const struct bgp_statistic *statistic, uint64_t value)
{
    struct wanted_counter *wanted = arg;

    if (strcmp(statistic->name, wanted->name) != 0)
        return;
    wanted->value = value;
    wanted->is_there = true;
}

static uint64_t counted(const char *name)
{
    struct wanted_counter wanted = {.name = name};

    bmp_tables_statistics_each(rig->tables, counter_take, &wanted);
    assert_true(wanted.is_there);
    return wanted.value;
}

/* ---- candidates ---- */

static void routes_before_and_after_policy_are_one_view(void **state)
{
    (void)state;
    struct bmp_told peer = told_peer("192.0.2.1", 65001), other = told_peer("192.0.2.2", 65002);

    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &peer);
    told_up(rig, 0, &other);
    told_route(rig, 0, &peer, TOLD_PRE, P24);
    const struct bmp_view *view = view_of(0, BMP_VIEW_IN, 0);
    assert_int_equal(view->member_count, 2);
    /* The router tells nothing of it after policy. */
    ASSERT_ASK(view, 0, "192.0.2.1", 2000, 2001, "exact", 65001);
    told_route(rig, 0, &other, TOLD_PRE, P24);
    told_route(rig, 0, &other, TOLD_POST, P24);
    view = view_of(0, BMP_VIEW_IN, 0);
    assert_int_equal(view->paths, 2); /* one is stored once */
    ASSERT_ASK(view, 0, "192.0.2.2", 2000, 2001, "exact", 65002);
    ASSERT_ASK(view, 0, "192.0.2.1", 2000, 2001, "exact", 65001);
    /* A path that policy took away is no candidate. */
    told_withdrawal(rig, 0, &other, TOLD_POST, P24);
    view = view_of(0, BMP_VIEW_IN, 0);
    ASSERT_ASK(view, 0, "192.0.2.2", 2000, 2001, "unmatched", 65001);
    assert_int_equal(view->paths, 2);
}

static void a_look_up_may_ask_one_peer(void **state)
{
    (void)state;
    struct bmp_told peer = told_peer("192.0.2.1", 65001), other = told_peer("192.0.2.2", 65002);

    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &peer);
    told_up(rig, 0, &other);
    told_route(rig, 0, &peer, TOLD_POST, P24);
    told_route(rig, 0, &other, TOLD_POST, P24);
    const struct bmp_view *view = view_of(0, BMP_VIEW_IN, 0);
    const struct bmp_view_member *member = bmp_view_find_member(view, &other.address);
    assert_non_null(member);
    assert_int_equal(member->as, 65002);
    assert_int_equal(member->post_paths, 1);
    ASSERT_ASK(view, 0, "192.0.2.1", 2000, 2001, "exact", 65001);
    ASSERT_ASK(view, member->number + 1u, "192.0.2.1", 2000, 2001, "unmatched", 65002);
    ASSERT_ASK(view, member->number + 1u, NULL, 2000, 2001, "sole", 65002);
}

static void two_routers_are_two_views(void **state)
{
    (void)state;
    struct bmp_told peer = told_peer("192.0.2.1", 65001), same = told_peer("192.0.2.1", 65001);

    same.first_as = 65009;
    bmp_tables_rig_connect(rig, 0);
    bmp_tables_rig_connect(rig, 1);
    told_up(rig, 0, &peer);
    told_up(rig, 1, &same);
    told_route(rig, 0, &peer, TOLD_POST, P24);
    told_route(rig, 1, &same, TOLD_POST, P24);
    ASSERT_ASK(view_of(0, BMP_VIEW_IN, 0), 0, "192.0.2.1", 2000, 2001, "exact", 65001);
    ASSERT_ASK(view_of(1, BMP_VIEW_IN, 0), 0, "192.0.2.1", 2000, 2001, "exact", 65009);
    const struct bmp_router_view *router = NULL;
    const struct bmp_view *view = view_of(1, BMP_VIEW_IN, 0);
    assert_ptr_equal(bmp_views_find_slot(bmp_tables_views(rig->tables), view->slot, &router), view);
    assert_ptr_equal(router, bmp_tables_rig_router(rig, 1));
    const struct bmp_views *views = bmp_tables_views(rig->tables);
    assert_null(bmp_views_find_slot(views, RIG_FIRST_SLOT - 1, &router));
    assert_null(bmp_views_find_slot(views, RIG_FIRST_SLOT + 2, &router));
    assert_null(bmp_views_find_slot(views, UINT32_MAX, &router));
    assert_null(bmp_views_find_slot(NULL, view->slot, &router));
    assert_int_equal(router->as, 65000);
    assert_int_equal(router->router_id, 0x0a0000fe);
}

/* A Loc-RIB tells one path of several, unless it has ADD-PATH; all of it is in use. */
static void a_loc_rib_is_a_session_without_add_path(void **state)
{
    (void)state;
    struct bmp_told loc = told_loc_rib("192.0.2.1", 65001);

    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &loc);
    told_route(rig, 0, &loc, TOLD_PRE, P24);
    told_end(rig, 0, &loc, TOLD_PRE);
    const struct bmp_view *view = view_of(0, BMP_VIEW_LOC, 0);
    assert_null(view_of(0, BMP_VIEW_IN, 0));
    assert_true(view->families[RIB_IPV4].is_loaded && !view->families[RIB_IPV4].has_add_path);
    assert_string_equal(shown(view, P24), "0:post*:65001 ");
    ASSERT_ASK(view, 0, NULL, 2000, 2001, "single", 65001);
    ASSERT_ASK(view, 0, "192.0.2.7", 2000, 2001, "differs", 65001);
    loc.has_add_path = true;
    told_down(rig, 0, &loc, 6, "");
    told_up(rig, 0, &loc);
    told_route(rig, 0, &loc, TOLD_PRE, P24);
    told_end(rig, 0, &loc, TOLD_PRE);
    view = view_of(0, BMP_VIEW_LOC, 0);
    assert_true(view->families[RIB_IPV4].has_add_path);
    ASSERT_ASK(view, 0, NULL, 2000, 2001, "sole", 65001);
    ASSERT_ASK(view, 0, "192.0.2.7", 2000, 2001, "unmatched", 65001);
}

/* Best (2), primary (8) and add-path (0x80) are in use, backups (0x10) are not; what is not marked is not but of a
 * Loc-RIB. */
static void marks_tell_which_paths_are_in_use(void **state)
{
    (void)state;
    struct bmp_told peer = told_peer("192.0.2.1", 65001), loc = told_loc_rib("192.0.2.1", 65001);
    static const struct {
        const char *marks;
        const char *in, *loc;
    } cases[] = {{"00000002", "*", "*"}, {"00000008", "*", "*"}, {"00000080", "*", "*"},
                 {"00000010", "", ""},   {"00000012", "*", "*"}, {"00000000", "", "*"}};

    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &peer);
    told_up(rig, 0, &loc);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        told_marked(rig, 0, &peer, TOLD_POST, P24, cases[i].marks);
        snprintf(text, sizeof text, "0:post%s:65001 ", cases[i].in);
        assert_string_equal(shown(view_of(0, BMP_VIEW_IN, 0), P24), text);
        told_marked(rig, 0, &loc, TOLD_PRE, P24, cases[i].marks);
        snprintf(text, sizeof text, "0:post%s:65001 ", cases[i].loc);
        assert_string_equal(shown(view_of(0, BMP_VIEW_LOC, 0), P24), text);
    }
    /* One UPDATE, two prefixes: the second alone is the best. */
    told_two_marked(rig, 0, &peer, TOLD_POST, P24, "203.0.113.0/24", "00000010", "00000002");
    assert_string_equal(shown(view_of(0, BMP_VIEW_IN, 0), P24), "0:post:65001 ");
    assert_string_equal(shown(view_of(0, BMP_VIEW_IN, 0), "203.0.113.0/24"), "0:post*:65001 ");
}

static void routes_of_a_vrf_answer_only_its_flows(void **state)
{
    (void)state;
    struct bmp_told global = told_peer("192.0.2.1", 65001), vrf = told_peer("192.0.2.1", 65001);
    struct bmp_told local = told_loc_rib("192.0.2.9", 65009);

    vrf.type = BMP_PEER_RD;
    vrf.distinguisher = RD_1;
    vrf.first_as = 65002;
    local.distinguisher = RD_2;
    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &vrf);
    told_route(rig, 0, &vrf, TOLD_POST, P24);
    told_end(rig, 0, &vrf, TOLD_POST);
    const struct bmp_view *view = view_of(0, BMP_VIEW_IN, RD_1);
    assert_null(view_of(0, BMP_VIEW_IN, 0));
    assert_true(view->families[RIB_IPV4].is_negotiated && view->families[RIB_IPV4].has_paths &&
                view->families[RIB_IPV4].is_loaded);
    assert_false(view->families[RIB_IPV6].is_loaded);
    ASSERT_ASK(view, 0, "192.0.2.1", 2000, 2001, "exact", 65002);
    struct bmp_view no_rd = *view, other_rd = *view;
    no_rd.distinguisher = 0;
    other_rd.distinguisher = RD_2;
    assert_null(ask(&no_rd, 0, "192.0.2.1", 2000, 2001).path.attrs);
    assert_null(ask(&other_rd, 0, "192.0.2.1", 2000, 2001).path.attrs);
    told_up(rig, 0, &global);
    told_route(rig, 0, &global, TOLD_POST, P24);
    ASSERT_ASK(view_of(0, BMP_VIEW_IN, 0), 0, "192.0.2.1", 2000, 2001, "exact", 65001);
    ASSERT_ASK(view_of(0, BMP_VIEW_IN, RD_1), 0, "192.0.2.1", 2000, 2001, "exact", 65002);
    told_up(rig, 0, &local);
    told_route(rig, 0, &local, TOLD_PRE, P24);
    ASSERT_ASK(view_of(0, BMP_VIEW_LOC, RD_2), 0, NULL, 2000, 2001, "single", 65009);
    told_withdrawal(rig, 0, &vrf, TOLD_POST, P24);
    assert_null(ask(view_of(0, BMP_VIEW_IN, RD_1), 0, "192.0.2.1", 2000, 2001).path.attrs);
    ASSERT_ASK(view_of(0, BMP_VIEW_IN, 0), 0, "192.0.2.1", 2000, 2001, "exact", 65001);
}

/* The RIB has both in one table of a distinguisher; one does not replace the other. */
static void labelled_routes_of_a_vrf_stand_beside_others(void **state)
{
    (void)state;
    struct bmp_told loc = told_loc_rib("192.0.2.1", 65001), labelled;

    loc.distinguisher = RD_1;
    labelled = loc;
    labelled.is_labelled = true;
    labelled.next_hop = "192.0.2.2";
    labelled.first_as = 65002;
    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &loc);
    told_route(rig, 0, &loc, TOLD_PRE, P24);
    told_route(rig, 0, &labelled, TOLD_PRE, P24);
    const struct bmp_view *view = view_of(0, BMP_VIEW_LOC, RD_1);
    assert_int_equal(view->member_count, 2);
    assert_false(bmp_view_find_member(view, &loc.address)->is_labelled);
    ASSERT_ASK(view, 0, "192.0.2.1", 2000, 2001, "exact", 65001);
    ASSERT_ASK(view, 0, "192.0.2.2", 2000, 2001, "exact", 65002);
    told_withdrawal(rig, 0, &loc, TOLD_PRE, P24);
    assert_string_equal(shown(view, P24), "1:post*:65002 ");
    /* Both are taken up again. */
    bmp_tables_rig_lose(rig, 0, true);
    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &loc);
    told_route(rig, 0, &labelled, TOLD_PRE, P24);
    assert_int_equal(view_of(0, BMP_VIEW_LOC, RD_1)->member_count, 2);
    assert_string_equal(shown(view_of(0, BMP_VIEW_LOC, RD_1), P24), "1:post*:65002 ");
}

static void adj_rib_out_is_counted_and_no_candidate(void **state)
{
    (void)state;
    struct bmp_told peer = told_peer("192.0.2.1", 65001);

    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &peer);
    told_route(rig, 0, &peer, TOLD_OUT_POST, P24);
    told_withdrawal(rig, 0, &peer, TOLD_OUT_POST, P24);
    told_end(rig, 0, &peer, TOLD_OUT_POST);
    assert_int_equal(counted("adj_rib_out"), 2);
    assert_int_equal(view_of(0, BMP_VIEW_IN, 0)->paths, 0);
    assert_false(view_of(0, BMP_VIEW_IN, 0)->families[RIB_IPV4].is_negotiated);
    bmp_tables_rig_tick(rig, 1020);
    assert_int_equal(bmp_tables_rig_router(rig, 0)->adj_rib_out, 2);
}

/* A Loc-RIB sends routes of families that its Peer Up did not name. */
static void families_may_come_later(void **state)
{
    (void)state;
    struct bmp_told loc = told_loc_rib("192.0.2.1", 65001), labelled = loc;

    labelled.is_labelled = true;
    labelled.next_hop = "192.0.2.2";
    labelled.first_as = 65002;
    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &loc);
    told_route(rig, 0, &loc, TOLD_PRE, "203.0.113.0/24");
    told_route(rig, 0, &labelled, TOLD_PRE, "198.51.0.0/16");
    const struct bmp_view *view = view_of(0, BMP_VIEW_LOC, 0);
    assert_int_equal(view->member_count, 1);
    ASSERT_ASK(view, 0, "192.0.2.2", 2000, 2001, "exact", 65002);
    told_down(rig, 0, &loc, 6, "");
    assert_true(ask(view, 0, "192.0.2.2", 2000, 2001).is_stale);
    told_up(rig, 0, &loc);
    told_down(rig, 0, &loc, 5, "");
    assert_null(ask(view, 0, "192.0.2.2", 2000, 2001).path.attrs);
}

/* ---- losing ---- */

#define CEASE_SHUTDOWN BGP_MARKER "0015 03 06 02"
#define CEASE_RESET    BGP_MARKER "0015 03 06 04"

static void a_peer_down_keeps_paths_unless_it_is_final(void **state)
{
    (void)state;
    struct bmp_told peer = told_peer("192.0.2.1", 65001), loc = told_loc_rib("192.0.2.1", 65001);
    static const struct {
        unsigned reason;
        const char *rest;
        bool is_kept, is_loc;
    } cases[] = {
        {1, CEASE_RESET, true, false}, {1, CEASE_SHUTDOWN, false, false},
        {1, "", true, false},          {2, "0018", true, false},
        {3, CEASE_RESET, true, false}, {3, CEASE_SHUTDOWN, false, false},
        {4, "", true, false},          {5, "", false, false},
        {6, "", true, true},           {99, "", true, false},
    };

    bmp_tables_rig_connect(rig, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct bmp_told *told = cases[i].is_loc ? &loc : &peer;
        enum bmp_view_kind kind = cases[i].is_loc ? BMP_VIEW_LOC : BMP_VIEW_IN;
        told_up(rig, 0, told);
        told_route(rig, 0, told, TOLD_PRE, P24);
        told_end(rig, 0, told, TOLD_PRE);
        told_down(rig, 0, told, cases[i].reason, cases[i].rest);
        const struct bmp_view *view = view_of(0, kind, 0);
        struct rib_query query = ask(view, 0, "192.0.2.1", rig->now_s, rig->now_s + 1);
        assert_int_equal(query.path.attrs != NULL, cases[i].is_kept);
        assert_int_equal(query.is_stale, cases[i].is_kept);
        assert_int_equal(view->families[RIB_IPV4].is_stale, cases[i].is_kept);
        /* The kept paths go when their time is up, and the view with them. */
        bmp_tables_rig_tick(rig, rig->now_s + RIG_KEEP_S + 1);
        bmp_tables_rig_tick(rig, rig->now_s + 2);
        bmp_tables_rig_tick(rig, rig->now_s + 2);
        assert_null(view_of(0, kind, 0));
    }
}

/* The paths of an earlier life are not kept either, though nothing was told in this one. */
static void a_final_peer_down_forgets_what_was_kept(void **state)
{
    (void)state;
    struct bmp_told peer = told_peer("192.0.2.1", 65001);

    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &peer);
    told_route(rig, 0, &peer, TOLD_POST, P24);
    told_down(rig, 0, &peer, 4, "");
    told_up(rig, 0, &peer);
    ASSERT_ASK(view_of(0, BMP_VIEW_IN, 0), 0, "192.0.2.1", 2000, 2001, "exact", 65001);
    told_down(rig, 0, &peer, 5, "");
    assert_null(ask(view_of(0, BMP_VIEW_IN, 0), 0, "192.0.2.1", 2000, 2001).path.attrs);
}

static void a_router_that_comes_back_finds_its_paths(void **state)
{
    (void)state;
    struct bmp_told peer = told_peer("192.0.2.1", 65001), other = told_peer("192.0.2.2", 65002);

    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &peer);
    told_up(rig, 0, &other);
    told_route(rig, 0, &peer, TOLD_POST, P24);
    told_route(rig, 0, &peer, TOLD_POST, "203.0.113.0/24");
    told_route(rig, 0, &other, TOLD_POST, P24);
    told_end(rig, 0, &peer, TOLD_POST);
    told_end(rig, 0, &other, TOLD_POST);
    bmp_tables_rig_tick(rig, 1010);
    uint32_t slot = view_of(0, BMP_VIEW_IN, 0)->slot;
    bmp_tables_rig_lose(rig, 0, true);
    const struct bmp_router_view *router = bmp_tables_rig_router(rig, 0);
    assert_false(router->is_connected);
    assert_int_equal(router->lost_ns, 1010 * NS_PER_S);
    assert_true(ask(view_of(0, BMP_VIEW_IN, 0), 0, "192.0.2.1", 1005, 1006).is_stale);
    ASSERT_ASK(view_of(0, BMP_VIEW_IN, 0), 0, "192.0.2.1", 1020, 1021, "exact", 65001);
    bmp_tables_rig_tick(rig, 1030);
    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &peer);
    told_route(rig, 0, &peer, TOLD_POST, P24);
    const struct bmp_view *view = view_of(0, BMP_VIEW_IN, 0);
    assert_int_equal(view->slot, slot);
    assert_int_equal(view->member_count, 2);
    told_end(rig, 0, &peer, TOLD_POST);
    /* The path that was named again stood all the time; the one that was not went when the router was lost. */
    ASSERT_ASK(view, 0, "192.0.2.1", 1005, 1040, "exact", 65001);
    rib_sweep(rig->rib);
    assert_string_equal(shown(view, "203.0.113.0/24"), "");
    /* The other peer has not come up: its path is kept for its time, and then goes. */
    ASSERT_ASK(view, 0, "192.0.2.2", 1040, 1041, "exact", 65002);
    bmp_tables_rig_tick(rig, 1071);
    bmp_tables_rig_tick(rig, 1073);
    view = view_of(0, BMP_VIEW_IN, 0);
    ASSERT_ASK(view, 0, "192.0.2.2", 1071, 1072, "unmatched", 65001);
    assert_int_equal(view->member_count, 1);
}

static void a_router_that_stays_away_is_forgotten(void **state)
{
    (void)state;
    struct bmp_told peer = told_peer("192.0.2.1", 65001);

    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &peer);
    told_route(rig, 0, &peer, TOLD_POST, P24);
    bmp_tables_rig_lose(rig, 0, true);
    assert_non_null(bmp_tables_rig_router(rig, 0));
    for (int i = 0; i < 3; i++)
        bmp_tables_rig_tick(rig, 1061 + i * 2);
    assert_null(bmp_tables_rig_router(rig, 0));
    assert_int_equal(bmp_tables_views(rig->tables)->count, 0);
    /* Another one may have its slot. */
    for (unsigned i = 0; i < 10; i++) {
        bmp_tables_rig_connect(rig, 1);
        told_up(rig, 1, &peer);
        told_route(rig, 1, &peer, TOLD_POST, P24);
        ASSERT_ASK(view_of(1, BMP_VIEW_IN, 0), 0, "192.0.2.1", 2000, 2001, "exact", 65001);
        bmp_tables_rig_lose(rig, 1, false);
        assert_null(bmp_tables_rig_router(rig, 1));
        bmp_tables_rig_tick(rig, rig->now_s + 1);
    }
}

/* ---- time ---- */

static void a_path_lives_from_the_time_of_the_header(void **state)
{
    (void)state;
    struct bmp_told peer = told_peer("192.0.2.1", 65001);

    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &peer);
    peer.time_s = 700;
    told_route(rig, 0, &peer, TOLD_POST, P24);
    const struct bmp_view *view = view_of(0, BMP_VIEW_IN, 0);
    ASSERT_ASK(view, 0, "192.0.2.1", 800, 810, "exact", 65001);
    assert_null(ask(view, 0, "192.0.2.1", 600, 650).path.attrs);
    /* A clock that is ahead makes no path of the future. */
    peer.time_s = 5000;
    told_route(rig, 0, &peer, TOLD_POST, "198.51.100.0/25");
    ASSERT_ASK(view, 0, "192.0.2.1", 1001, 1002, "exact", 65001);
    assert_int_equal(bmp_tables_rig_router(rig, 0)->clock_offset_ns, 0);
    /* Without a time it is the arrival, once there is a table. */
    told_end(rig, 0, &peer, TOLD_POST);
    bmp_tables_rig_time(rig, 1100);
    peer.time_s = 0;
    told_route(rig, 0, &peer, TOLD_POST, "198.51.100.0/26");
    struct rib_query query = ask(view, 0, "192.0.2.1", 1050, 1060);
    assert_int_equal(query.path.prefix_len, 25);
    query = ask(view, 0, "192.0.2.1", 1101, 1102);
    assert_int_equal(query.path.prefix_len, 26);
}

static void the_routers_clock_is_learned_after_the_end_of_rib(void **state)
{
    (void)state;
    struct bmp_told peer = told_peer("192.0.2.1", 65001);

    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &peer);
    peer.time_s = 100; /* an old route tells nothing of the clock */
    told_route(rig, 0, &peer, TOLD_POST, "198.51.0.0/16");
    peer.time_s = 900; /* nor does the End-of-RIB itself */
    told_end(rig, 0, &peer, TOLD_POST);
    assert_false(bmp_tables_rig_router(rig, 0)->has_clock_offset);
    /* The clock is 50 s behind; the first message was 7 s on its way. */
    bmp_tables_rig_time(rig, 1107);
    peer.time_s = 1050;
    told_route(rig, 0, &peer, TOLD_POST, "203.0.113.0/24");
    bmp_tables_rig_time(rig, 1200);
    peer.time_s = 1150;
    told_route(rig, 0, &peer, TOLD_POST, P24);
    bmp_tables_rig_tick(rig, 1211);
    assert_int_equal(bmp_tables_rig_router(rig, 0)->clock_offset_ns, 50 * NS_PER_S);
    bmp_tables_rig_time(rig, 1300);
    peer.time_s = 1240; /* 10 s on its way */
    told_route(rig, 0, &peer, TOLD_POST, "198.51.100.0/25");
    const struct bmp_view *view = view_of(0, BMP_VIEW_IN, 0);
    struct rib_query query = ask(view, 0, "192.0.2.1", 1270, 1280);
    assert_int_equal(query.path.prefix_len, 24);
    query = ask(view, 0, "192.0.2.1", 1292, 1295);
    assert_int_equal(query.path.prefix_len, 25);
    /* The clock is set right: two windows later it is believed. */
    for (int i = 1; i <= 3; i++) {
        bmp_tables_rig_time(rig, 1300 + i * 601);
        peer.time_s = 1200 + i * 601;
        told_route(rig, 0, &peer, TOLD_POST, "203.0.113.0/24");
    }
    bmp_tables_rig_tick(rig, 4000);
    assert_int_equal(bmp_tables_rig_router(rig, 0)->clock_offset_ns, 100 * NS_PER_S);
}

/* ---- bounds ---- */

static void peers_beyond_the_bound_are_refused_and_counted(void **state)
{
    (void)state;
    struct bmp_told peers[5];
    char address[32];

    bmp_tables_rig_connect(rig, 0);
    for (unsigned i = 0; i < 5; i++) {
        snprintf(address, sizeof address, "192.0.2.%u", i + 1);
        peers[i] = told_peer(address, 65001 + i);
        peers[i].next_hop = "192.0.2.1";
        told_up(rig, 0, &peers[i]);
        told_route(rig, 0, &peers[i], TOLD_POST, P24);
        told_end(rig, 0, &peers[i], TOLD_POST);
    }
    assert_int_equal(counted("peers_refused"), 1);
    assert_int_equal(counted("not_taken"), 1);
    assert_int_equal(view_of(0, BMP_VIEW_IN, 0)->member_count, 4);
    /* One that is down makes room, though it was kept; its number is another's when it is swept. */
    told_down(rig, 0, &peers[4], 4, "");
    told_down(rig, 0, &peers[1], 4, "");
    told_up(rig, 0, &peers[4]);
    told_route(rig, 0, &peers[4], TOLD_POST, P24);
    assert_int_equal(counted("stale_dropped"), 1);
    const struct bmp_view *view = view_of(0, BMP_VIEW_IN, 0);
    assert_int_equal(view->member_count, 4);
    assert_null(bmp_view_find_member(view, &peers[1].address));
    const struct bmp_view_member *member = bmp_view_find_member(view, &peers[4].address);
    ASSERT_ASK(view, member->number + 1u, "192.0.2.1", 2000, 2001, "exact", 65005);
}

/* The RIB has no more members, but numbers of those that are down. */
static void members_that_are_down_make_room(void **state)
{
    (void)state;
    char address[32];

    bmp_tables_rig_clear(rig);
    bmp_tables_rig_init(rig,
                        &(struct bmp_tables_rig_settings){
                            .slot_count = 2, .max_members = 3, .routers_max = 2, .peers_max = 9});
    bmp_tables_rig_connect(rig, 0);
    for (unsigned i = 0; i < 10; i++) {
        snprintf(address, sizeof address, "192.0.2.%u", i + 1);
        struct bmp_told peer = told_peer(address, 65001 + i);
        bmp_tables_rig_time(rig, rig->now_s + 1);
        told_up(rig, 0, &peer);
        told_route(rig, 0, &peer, TOLD_POST, P24);
        assert_non_null(bmp_view_find_member(view_of(0, BMP_VIEW_IN, 0), &peer.address));
        told_down(rig, 0, &peer, 4, "");
    }
    assert_int_equal(counted("peers_refused"), 0);
}

static void routers_beyond_the_bound_are_refused_and_counted(void **state)
{
    (void)state;
    struct bmp_told peer = told_peer("192.0.2.1", 65001);

    for (unsigned i = 0; i < 2; i++) {
        assert_true(bmp_tables_rig_connect(rig, i));
        told_up(rig, i, &peer);
        told_route(rig, i, &peer, TOLD_POST, P24);
    }
    assert_false(bmp_tables_rig_connect(rig, 2));
    assert_int_equal(counted("routers_refused"), 1);
    /* One that is lost makes room. */
    bmp_tables_rig_lose(rig, 1, true);
    assert_non_null(bmp_tables_rig_router(rig, 1));
    assert_true(bmp_tables_rig_connect(rig, 2));
    assert_null(bmp_tables_rig_router(rig, 1));
    assert_non_null(bmp_tables_rig_router(rig, 0));
    bmp_tables_rig_lose(rig, 0, true);
    assert_true(bmp_tables_rig_connect(rig, 0)); /* it is one of the two itself */
    told_up(rig, 0, &peer);
    ASSERT_ASK(view_of(0, BMP_VIEW_IN, 0), 0, "192.0.2.1", 2000, 2001, "exact", 65001);
}

static void views_beyond_the_slots_are_refused_and_counted(void **state)
{
    (void)state;
    struct bmp_told peers[5];

    bmp_tables_rig_connect(rig, 1);
    for (unsigned i = 0; i < 5; i++) {
        peers[i] = told_peer("192.0.2.1", 65001 + i);
        peers[i].type = BMP_PEER_RD;
        peers[i].distinguisher = RD_1 + i;
        if (i == 1) {
            bmp_tables_rig_lose(rig, 1, true);
            bmp_tables_rig_connect(rig, 0);
        }
        told_up(rig, i == 0, &peers[i]);
        told_route(rig, i == 0, &peers[i], TOLD_POST, P24);
    }
    /* The lost router's slot went to the last one. */
    assert_int_equal(counted("views_refused"), 0);
    ASSERT_ASK(view_of(0, BMP_VIEW_IN, RD_1 + 4), 0, "192.0.2.1", 2000, 2001, "exact", 65005);
    assert_null(bmp_tables_rig_router(rig, 1));
    peers[0].distinguisher = RD_1 + 9;
    told_up(rig, 0, &peers[0]);
    told_route(rig, 0, &peers[0], TOLD_POST, P24);
    told_withdrawal(rig, 0, &peers[0], TOLD_POST, P24);
    assert_int_equal(counted("views_refused"), 1);
    assert_int_equal(counted("not_taken"), 2);
    told_down(rig, 0, &peers[0], 5, "");
}

static void paths_beyond_the_bound_of_a_router_are_refused(void **state)
{
    (void)state;
    struct bmp_told peer = told_peer("192.0.2.1", 65001), loc = told_loc_rib("192.0.2.1", 65001);

    bmp_tables_rig_clear(rig);
    bmp_tables_rig_init(
        rig,
        &(struct bmp_tables_rig_settings){
            .slot_count = 4, .max_members = 64, .routers_max = 2, .peers_max = 4, .paths_max = 3});
    bmp_tables_rig_connect(rig, 0);
    bmp_tables_rig_connect(rig, 1);
    told_up(rig, 0, &peer);
    told_up(rig, 0, &loc);
    told_up(rig, 1, &peer);
    told_route(rig, 0, &peer, TOLD_POST, "10.0.0.0/24");
    told_route(rig, 0, &loc, TOLD_PRE, "10.0.0.0/24");
    told_route(rig, 0, &peer, TOLD_POST, P24);
    told_route(rig, 0, &peer, TOLD_POST, "10.0.1.0/24");
    told_route(rig, 0, &loc, TOLD_PRE, "10.0.1.0/24");
    assert_int_equal(counted("paths_refused"), 2);
    /* A path that is there may change, and stands for what was said last. */
    peer.first_as = 65009;
    told_route(rig, 0, &peer, TOLD_POST, P24);
    ASSERT_ASK(view_of(0, BMP_VIEW_IN, 0), 0, "192.0.2.1", 2000, 2001, "exact", 65009);
    /* Other routers have bounds of their own; a withdrawal makes room. */
    told_route(rig, 1, &peer, TOLD_POST, P24);
    told_withdrawal(rig, 0, &peer, TOLD_POST, "10.0.0.0/24");
    told_route(rig, 0, &loc, TOLD_PRE, "10.0.1.0/24");
    assert_int_equal(counted("paths_refused"), 2);
    bmp_tables_rig_tick(rig, 1011);
    assert_int_equal(view_of(0, BMP_VIEW_LOC, 0)->paths, 2);
}

static void memory_takes_what_is_kept_first(void **state)
{
    (void)state;
    struct bmp_told peer = told_peer("192.0.2.1", 65001), other = told_peer("192.0.2.2", 65002);

    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &peer);
    told_up(rig, 0, &other);
    told_route(rig, 0, &peer, TOLD_POST, P24);
    told_route(rig, 0, &other, TOLD_POST, P24);
    assert_int_equal(bmp_tables_forget_stale(rig->tables), 0);
    told_down(rig, 0, &other, 4, "");
    assert_true(bmp_tables_forget_stale(rig->tables) > 0);
    ASSERT_ASK(view_of(0, BMP_VIEW_IN, 0), 0, "192.0.2.2", 2000, 2001, "unmatched", 65001);
    rib_sweep(rig->rib);
    assert_int_equal(bmp_tables_paths(rig->tables, rig->routers[0].told), 1);
}

/* A list has 14 bits for slots: peers of routers take none. */
static void many_routers_of_many_peers_fit(void **state)
{
    enum { MANY_ROUTERS = 100, MANY_PEERS = 200 };
    const struct bmp_view_member *member;
    struct bmp_told peer = told_peer("192.0.2.1", 65001);

    (void)state;
    bmp_tables_rig_clear(rig);
    bmp_tables_rig_init(rig,
                        &(struct bmp_tables_rig_settings){.slot_count = MANY_ROUTERS,
                                                          .max_members = MANY_ROUTERS * MANY_PEERS,
                                                          .routers_max = MANY_ROUTERS,
                                                          .peers_max = MANY_PEERS});
    for (unsigned r = 0; r < MANY_ROUTERS; r++) {
        assert_true(bmp_tables_rig_connect(rig, r));
        for (unsigned i = 0; i < MANY_PEERS; i++) {
            peer.address.bytes[15] = (uint8_t)i;
            peer.first_as = 65001 + i;
            told_up(rig, r, &peer);
            told_route(rig, r, &peer, TOLD_PRE, P24);
            told_route(rig, r, &peer, TOLD_POST, P24);
        }
    }
    for (unsigned r = 0; r < MANY_ROUTERS; r += MANY_ROUTERS - 1) {
        const struct bmp_view *view = view_of(r, BMP_VIEW_IN, 0);
        assert_int_equal(view->member_count, MANY_PEERS);
        peer.address.bytes[15] = 123;
        member = bmp_view_find_member(view, &peer.address);
        ASSERT_ASK(view, member->number + 1u, "192.0.2.1", 2000, 2001, "exact", 65001 + 123);
    }
    struct rib_statistics statistics;
    rib_statistics(rig->rib, &statistics);
    assert_int_equal(statistics.paths, MANY_ROUTERS * MANY_PEERS);
    /* Losing a router loses no other's. */
    bmp_tables_rig_lose(rig, 7, false);
    rib_sweep(rig->rib);
    rib_statistics(rig->rib, &statistics);
    assert_int_equal(statistics.paths, (MANY_ROUTERS - 1) * MANY_PEERS);
    /* Time goes by for all of them, in slices. */
    bmp_tables_rig_lose(rig, MANY_ROUTERS - 1, true);
    bmp_tables_rig_tick(rig, rig->now_s + RIG_KEEP_S - 1);
    assert_non_null(view_of(MANY_ROUTERS - 1, BMP_VIEW_IN, 0));
    for (int i = 0; i < 3; i++)
        bmp_tables_rig_tick(rig, rig->now_s + 1);
    assert_null(view_of(MANY_ROUTERS - 1, BMP_VIEW_IN, 0));
    rib_statistics(rig->rib, &statistics);
    assert_int_equal(statistics.paths, (MANY_ROUTERS - 2) * MANY_PEERS);
}

/* More of one prefix than a list has are refused, and counted. */
static void more_paths_of_a_prefix_than_a_list_has_are_refused(void **state)
{
    struct bmp_told peer = told_peer("192.0.2.1", 65001);

    (void)state;
    bmp_tables_rig_connect(rig, 0);
    peer.has_add_path = true;
    told_up(rig, 0, &peer);
    for (peer.path_id = 0; peer.path_id <= RIB_PATHS_MAX; peer.path_id++)
        told_route(rig, 0, &peer, TOLD_POST, P24);
    assert_int_equal(counted("paths_refused"), 1);
    assert_int_equal(view_of(0, BMP_VIEW_IN, 0)->members[0].post_paths, RIB_PATHS_MAX);
}

/* ---- the snapshot ---- */

static void the_snapshot_grows_with_changes_alone(void **state)
{
    (void)state;
    struct bmp_told peer = told_peer("192.0.2.1", 65001);

    bmp_tables_rig_connect(rig, 0);
    told_up(rig, 0, &peer);
    told_route(rig, 0, &peer, TOLD_POST, P24);
    const struct bmp_view *view = view_of(0, BMP_VIEW_IN, 0);
    assert_true(view->families[RIB_IPV4].has_paths && !view->families[RIB_IPV4].is_loaded);
    assert_true(view->members[0].is_up && view->members[0].has_post && !view->members[0].has_pre);
    assert_int_equal(view->members[0].updates, 1);
    uint64_t generation = bmp_tables_views(rig->tables)->generation;
    told_route(rig, 0, &peer, TOLD_POST, "203.0.113.0/24");
    for (int i = 0; i < 3; i++)
        bmp_tables_turn(rig->tables);
    assert_int_equal(bmp_tables_views(rig->tables)->generation, generation);
    assert_int_equal(view_of(0, BMP_VIEW_IN, 0)->paths, 1);
    bmp_tables_rig_time(rig, 1011); /* counts come every ten seconds */
    assert_int_equal(view_of(0, BMP_VIEW_IN, 0)->paths, 2);
    assert_int_equal(bmp_tables_views(rig->tables)->generation, generation);
    /* A table that is quiet for long enough is loaded, without a word of the router. */
    bmp_tables_rig_tick(rig, 1012);
    bmp_tables_rig_tick(rig, 1023);
    assert_true(bmp_tables_views(rig->tables)->generation > generation);
    assert_true(view_of(0, BMP_VIEW_IN, 0)->families[RIB_IPV4].is_loaded);
}

static void what_a_router_says_of_itself_is_told(void **state)
{
    (void)state;
    struct text body = {0};

    bmp_tables_rig_connect(rig, 0);
    text_append_string(&body, "0002 0002 7231 0001 0003 6f7320"); /* "r1", "os " */
    told_send(rig, 0, 3, BMP_INITIATION, &body);
    assert_string_equal(bmp_tables_rig_router(rig, 0)->sys_name, "r1");
    assert_string_equal(bmp_tables_rig_router(rig, 0)->sys_descr, "os ");
}

/* ---- random ---- */

#define ROUTERS  2
#define PEERS    4
#define PREFIXES 3
#define IDS      2

static const char *const prefixes[PREFIXES] = {P24, "198.51.0.0/16", "203.0.113.0/24"};

/* The model has what each table of each peer was told last. */
struct model_path {
    uint32_t as;       /* 0: nothing */
    bool is_of_before; /* not named again since the table came up */
};
static struct model_table {
    bool is_up;
    struct model_path paths[PREFIXES][IDS];
} model[ROUTERS][PEERS][2];
static bool model_peer_is_up[ROUTERS][PEERS], model_is_connected[ROUTERS];

static struct bmp_told random_peer(unsigned peer)
{
    struct bmp_told told = peer == 3 ? told_loc_rib("192.0.2.4", 65004)
                                     : told_peer(peer == 0 ? "192.0.2.1" : "192.0.2.2", 65001);

    told.has_add_path = peer == 0;
    if (peer == 2) {
        told.type = BMP_PEER_RD;
        told.distinguisher = RD_1;
    }
    return told;
}

static void model_table_down(struct model_table *table, bool is_kept)
{
    table->is_up = false;
    for (unsigned i = 0; i < PREFIXES * IDS && !is_kept; i++)
        table->paths[i / IDS][i % IDS].as = 0;
}

static void model_table_up(struct model_table *table)
{
    for (unsigned i = 0; i < PREFIXES * IDS && !table->is_up; i++)
        table->paths[i / IDS][i % IDS].is_of_before = true;
    table->is_up = true;
}

static void model_table_loaded(struct model_table *table)
{
    for (unsigned i = 0; i < PREFIXES * IDS; i++) {
        if (table->paths[i / IDS][i % IDS].is_of_before)
            table->paths[i / IDS][i % IDS].as = 0;
    }
}

static void model_router_down(unsigned router, bool is_kept)
{
    for (unsigned i = 0; i < PEERS * 2; i++)
        model_table_down(&model[router][i / 2][i % 2], is_kept);
    memset(model_peer_is_up[router], 0, sizeof model_peer_is_up[router]);
    model_is_connected[router] = false;
}

/* Long enough for what is kept to go, and for quiet tables to be loaded. */
static void random_age(void)
{
    bmp_tables_rig_tick(rig, rig->now_s + RIG_KEEP_S + 1);
    bmp_tables_rig_tick(rig, rig->now_s + 15);
    for (unsigned i = 0; i < ROUTERS * PEERS * 2; i++) {
        struct model_table *table = &model[i / 2 / PEERS][i / 2 % PEERS][i % 2];
        if (table->is_up)
            model_table_loaded(table);
        else
            model_table_down(table, false);
    }
}

struct random_lines {
    uint32_t slot;
    const struct bmp_view *view;
    uint32_t found[PEERS][2][IDS];
};

static void random_path(void *arg, const struct rib_shown *path)
{
    struct random_lines *lines = arg;
    unsigned peer = 0;

    if (path->rank == UINT32_MAX || path->peer != lines->slot)
        return;
    for (uint32_t i = 0; i < lines->view->member_count; i++) {
        const struct bmp_view_member *member = &lines->view->members[i];
        struct bmp_told told;
        if (member->number != path->member)
            continue;
        do {
            told = random_peer(peer++);
        } while (told.type != member->peer_type ||
                 told.distinguisher != lines->view->distinguisher ||
                 !ip_addr_equal(&told.address, &member->address));
    }
    assert_in_range(peer, 1, PEERS);
    for (unsigned is_post = 0; is_post < 2; is_post++) {
        if (is_post ? path->is_post : path->is_pre)
            lines->found[peer - 1][is_post][path->path_id] = path->attrs->first_as;
    }
}

static void random_compare(unsigned router, unsigned prefix)
{
    static const struct {
        enum bmp_view_kind kind;
        uint64_t rd;
    } views[] = {{BMP_VIEW_IN, 0}, {BMP_VIEW_IN, RD_1}, {BMP_VIEW_LOC, 0}};
    struct random_lines lines = {0};

    for (unsigned v = 0; v < 3; v++) {
        lines.view = view_of(router, views[v].kind, views[v].rd);
        if (!lines.view)
            continue;
        struct rib_show show = {
            .rib = rig->rib, .safi = views[v].rd ? RIB_VPN : RIB_UNICAST, .rd = views[v].rd};
        lines.slot = lines.view->slot;
        assert_int_equal(ip_prefix_parse(prefixes[prefix], &show.prefix), 0);
        while (rib_show_some(&show, 100, random_path, &lines))
            continue;
    }
    for (unsigned i = 0; i < PEERS * 2 * IDS; i++)
        assert_int_equal(lines.found[i / 2 / IDS][i / IDS % 2][i % IDS],
                         model[router][i / 2 / IDS][i / IDS % 2].paths[prefix][i % IDS].as);
}

static void random_peer_down(unsigned router, unsigned peer, const struct bmp_told *told)
{
    bool is_kept = random_below(3);

    told_down(rig, router, told, is_kept ? 4 : 5, "");
    for (int is_post = 0; is_post < 2; is_post++)
        model_table_down(&model[router][peer][is_post], is_kept);
    model_peer_is_up[router][peer] = false;
}

static void random_route(unsigned router, unsigned peer, struct bmp_told *told, unsigned prefix)
{
    bool is_post = peer == 3 || random_below(2);
    struct model_table *table = &model[router][peer][is_post];
    unsigned flags = is_post && peer != 3 ? TOLD_POST : TOLD_PRE, action = random_below(12);

    told->path_id = told->has_add_path ? random_below(IDS) : 0;
    told->first_as = 65001 + random_below(3);
    told->time_s = random_below(2) ? rig->now_s - (int64_t)random_below(100) : 0;
    struct model_path *path = &table->paths[prefix][told->path_id];
    model_table_up(table);
    if (action == 0) {
        told_end(rig, router, told, flags);
        model_table_loaded(table);
    } else if (action < 4) {
        told_withdrawal(rig, router, told, flags, prefixes[prefix]);
        path->as = 0;
    } else {
        told_route(rig, router, told, flags, prefixes[prefix]);
        *path = (struct model_path){told->first_as, false};
    }
}

static void random_step(unsigned router, unsigned prefix)
{
    unsigned peer = random_below(PEERS), action = random_below(100);
    struct bmp_told told = random_peer(peer);

    if (action == 0) {
        random_age();
    } else if (action == 1) {
        rib_sweep(rig->rib);
    } else if (action == 2) {
        bmp_tables_forget_stale(rig->tables);
        for (unsigned i = 0; i < ROUTERS * PEERS * 2; i++) {
            if (!model_peer_is_up[i / 2 / PEERS][i / 2 % PEERS])
                model_table_down(&model[i / 2 / PEERS][i / 2 % PEERS][i % 2], false);
        }
    } else if (!model_is_connected[router]) {
        assert_true(bmp_tables_rig_connect(rig, router));
        model_is_connected[router] = true;
    } else if (action == 3) {
        bool is_kept = random_below(3);
        bmp_tables_rig_lose(rig, router, is_kept);
        model_router_down(router, is_kept);
    } else if (!model_peer_is_up[router][peer]) {
        told_up(rig, router, &told);
        model_peer_is_up[router][peer] = true;
    } else if (action < 10) {
        random_peer_down(router, peer, &told);
    } else {
        random_route(router, peer, &told, prefix);
    }
}

static void random_messages_leave_what_was_said_last(void **state)
{
    (void)state;
    for (unsigned world = 0; world < 10; world++) {
        memset(model, 0, sizeof model);
        memset(model_peer_is_up, 0, sizeof model_peer_is_up);
        memset(model_is_connected, 0, sizeof model_is_connected);
        bmp_tables_rig_clear(rig);
        bmp_tables_rig_init(rig, &(struct bmp_tables_rig_settings){.slot_count = ROUTERS * 3,
                                                                   .max_members = 64,
                                                                   .routers_max = ROUTERS,
                                                                   .peers_max = PEERS});
        for (unsigned step = 0; step < 1000; step++) {
            unsigned router = random_below(ROUTERS), prefix = random_below(PREFIXES);
            random_step(router, prefix);
            random_compare(router, prefix);
        }
    }
}

#define TEST_OF_RIG(NAME) cmocka_unit_test_setup_teardown(NAME, rig_make, rig_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST_OF_RIG(routes_before_and_after_policy_are_one_view),
        TEST_OF_RIG(a_look_up_may_ask_one_peer),
        TEST_OF_RIG(two_routers_are_two_views),
        TEST_OF_RIG(a_loc_rib_is_a_session_without_add_path),
        TEST_OF_RIG(marks_tell_which_paths_are_in_use),
        TEST_OF_RIG(routes_of_a_vrf_answer_only_its_flows),
        TEST_OF_RIG(labelled_routes_of_a_vrf_stand_beside_others),
        TEST_OF_RIG(adj_rib_out_is_counted_and_no_candidate),
        TEST_OF_RIG(families_may_come_later),
        TEST_OF_RIG(a_peer_down_keeps_paths_unless_it_is_final),
        TEST_OF_RIG(a_final_peer_down_forgets_what_was_kept),
        TEST_OF_RIG(a_router_that_comes_back_finds_its_paths),
        TEST_OF_RIG(a_router_that_stays_away_is_forgotten),
        TEST_OF_RIG(a_path_lives_from_the_time_of_the_header),
        TEST_OF_RIG(the_routers_clock_is_learned_after_the_end_of_rib),
        TEST_OF_RIG(peers_beyond_the_bound_are_refused_and_counted),
        TEST_OF_RIG(members_that_are_down_make_room),
        TEST_OF_RIG(routers_beyond_the_bound_are_refused_and_counted),
        TEST_OF_RIG(views_beyond_the_slots_are_refused_and_counted),
        TEST_OF_RIG(paths_beyond_the_bound_of_a_router_are_refused),
        TEST_OF_RIG(memory_takes_what_is_kept_first),
        TEST_OF_RIG(many_routers_of_many_peers_fit),
        TEST_OF_RIG(more_paths_of_a_prefix_than_a_list_has_are_refused),
        TEST_OF_RIG(the_snapshot_grows_with_changes_alone),
        TEST_OF_RIG(what_a_router_says_of_itself_is_told),
        TEST_OF_RIG(random_messages_leave_what_was_said_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
