/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves what views of the RIB promise: whose paths answer, that a path which a policy leaves alone is stored
 * once, that losing a member takes its paths at once and no others, and when paths live. The last test does
 * random things and holds the RIB against a plain list of who announced what.
 */
#include "base/memory.h"
#include "bgp/rib_show.h"
#include "bgp/rib_view.h"
#include "support/random_values.h"
#include "support/rib_fixture.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HISTORY_S 300
#define SLOT      1
#define P24       "192.0.2.0/24"
#define P16       "192.0.0.0/16"
#define IN24      "192.0.2.9"
#define PRE       false
#define POST      true

static const struct path_facts via_1 = {"10.0.0.1", 789, 200, 0, 1};
static const struct path_facts via_2 = {"10.0.0.2", 123, 100, 0, 1};
static const struct path_facts via_3 = {"10.0.0.3", 321, 100, 0, 1};

static struct rib_fixture f;

static void view_start(int64_t keep_s, uint32_t max_members, bool is_multipath)
{
    thread_enter_role(&bgp_thread);
    rib_fixture_init(&f, &(struct rib_settings){.max_peers = 4,
                                                .max_members = max_members,
                                                .history_s = HISTORY_S,
                                                .history_max = 100000,
                                                .peer_down_keep_s = keep_s});
    rib_view_begin(f.rib, SLOT, is_multipath);
}

static uint16_t member_add(void)
{
    uint16_t member;

    assert_int_equal(rib_view_add_member(f.rib, SLOT, &member), 0);
    return member;
}

static void table_up_with(uint16_t member, bool is_post, bool has_add_path)
{
    struct rib_session session = {.router_id = 100u + member};

    session.is_negotiated[RIB_UNICAST][RIB_IPV4] = true;
    session.has_add_path[RIB_UNICAST][RIB_IPV4] = has_add_path;
    rib_view_table_up(f.rib, SLOT, member, is_post, &session,
                      (struct mono_time){f.mono_ms * NS_PER_MS});
}

static void table_up(uint16_t member, bool is_post)
{
    table_up_with(member, is_post, false);
}

static void table_down(uint16_t member, bool is_post, bool is_kept, int64_t now_ms)
{
    rib_peer_down(f.rib, rib_view_table(f.rib, SLOT, member, is_post), is_kept,
                  (struct wall_time){now_ms * NS_PER_MS},
                  (struct mono_time){f.mono_ms * NS_PER_MS});
}

static void table_loaded(uint16_t member, bool is_post, int64_t now_ms)
{
    rib_end_of_rib(f.rib, rib_view_table(f.rib, SLOT, member, is_post), RIB_UNICAST, RIB_IPV4,
                   (struct wall_time){now_ms * NS_PER_MS});
}

static size_t announce_as(const struct rib_member_source *source, const char *prefix,
                          uint32_t path_id, const struct path_facts *facts, int64_t now_ms)
{
    struct rib_nlri nlri = {.path_id = path_id};
    struct path_attrs *attrs = rib_fixture_attrs(&f, facts);

    assert_int_equal(ip_prefix_parse(prefix, &nlri.prefix), 0);
    attrs->ref_count++;
    size_t refused = rib_view_announce(f.rib, source, RIB_UNICAST, &nlri, 1, attrs,
                                       (struct wall_time){now_ms * NS_PER_MS});
    rib_fixture_unref(&f, attrs);
    return refused;
}

static void announce(uint16_t member, bool is_post, const char *prefix,
                     const struct path_facts *facts, int64_t now_ms)
{
    const struct rib_member_source source = {.slot = SLOT, .member = member, .is_post = is_post};

    assert_int_equal(announce_as(&source, prefix, 0, facts, now_ms), 0);
}

static size_t withdraw(uint16_t member, bool is_post, const char *prefix, uint32_t path_id,
                       int64_t now_ms)
{
    const struct rib_member_source source = {.slot = SLOT, .member = member, .is_post = is_post};
    struct rib_nlri nlri = {.path_id = path_id};

    assert_int_equal(ip_prefix_parse(prefix, &nlri.prefix), 0);
    return rib_view_withdraw(f.rib, &source, RIB_UNICAST, &nlri, 1,
                             (struct wall_time){now_ms * NS_PER_MS});
}

/* Takes so many members down for good and lets go of the view. */
static void view_end(unsigned member_count)
{
    for (uint16_t member = 0; member < member_count; member++) {
        for (int is_post = 0; is_post < 2; is_post++) {
            table_down(member, is_post, false, 0);
            rib_peer_forget(f.rib, rib_view_table(f.rib, SLOT, member, is_post));
        }
    }
    rib_sweep(f.rib);
    rib_fixture_tick(&f, INT64_MAX / NS_PER_MS / 2, INT64_MAX / NS_PER_MS / 2);
    assert_true(rib_peer_release(f.rib, SLOT));
    rib_fixture_clear(&f);
    thread_leave_role(&bgp_thread);
}

static struct rib_query ask(uint32_t only_member, const char *next_hop, int64_t from_ms,
                            int64_t to_ms)
{
    struct rib_query query = {.peer = SLOT,
                              .only_member = only_member,
                              .from_ns = from_ms * NS_PER_MS,
                              .to_ns = to_ms * NS_PER_MS};

    assert_int_equal(ip_addr_parse(IN24, &query.address), 0);
    if (next_hop)
        assert_int_equal(ip_addr_parse(next_hop, &query.next_hop), 0);
    rib_lookup_batch(f.rib, RIB_POLICY_NORMAL, &query, 1);
    return query;
}

#define ASSERT_ASK(only_member, next_hop, from_ms, to_ms, verdict, as)                             \
    do {                                                                                           \
        struct rib_query q = ask(only_member, next_hop, from_ms, to_ms);                           \
        assert_string_equal(path_matches[q.match].text, verdict);                                  \
        assert_int_equal(q.path.attrs ? q.path.attrs->first_as : 0, as);                           \
    } while (0)

/* The text tells what stands of P24, as "member:policies:path id:first AS " each, in decision order. */
struct shown_text {
    char text[4096];
    size_t len;
    bool has_gone;
};

static void show_one(void *arg, const struct rib_shown *path)
{
    struct shown_text *out = arg;

    if ((path->rank == UINT32_MAX) != out->has_gone)
        return;
    out->len +=
        (size_t)snprintf(out->text + out->len, sizeof out->text - out->len, "%u:%s%s%s:%u:%u ",
                         path->member, path->is_pre ? "pre" : "", path->is_post ? "post" : "",
                         path->is_in_use ? "*" : "", path->path_id, path->attrs->first_as);
}

static const char *shown_as(bool has_gone)
{
    static struct shown_text out;
    struct rib_show show = {.rib = f.rib, .safi = RIB_UNICAST};

    out.len = 0;
    out.text[0] = '\0';
    out.has_gone = has_gone;
    assert_int_equal(ip_prefix_parse(P24, &show.prefix), 0);
    rib_show_some(&show, UINT32_MAX, show_one, &out);
    return out.text;
}

static const char *shown(void)
{
    return shown_as(false);
}

static uint64_t stored(void)
{
    return rib_peer_counts(f.rib, SLOT).paths;
}

static void a_view_answers_by_all_its_members_or_by_one(void **state)
{
    (void)state;
    view_start(60, 10, true);
    uint16_t a = member_add(), b = member_add();
    table_up(a, POST);
    table_up(b, POST);
    announce(a, POST, P24, &via_1, 1000);
    announce(b, POST, P24, &via_2, 1000);
    table_loaded(a, POST, 1000);
    assert_true(ask(0, NULL, 5000, 6000).is_loading);
    table_loaded(b, POST, 1000);
    assert_false(ask(0, NULL, 5000, 6000).is_loading);
    ASSERT_ASK(0, "10.0.0.1", 5000, 6000, "exact", 789);
    ASSERT_ASK(0, "10.0.0.2", 5000, 6000, "exact", 123);
    ASSERT_ASK(0, NULL, 5000, 6000, "best", 789);
    ASSERT_ASK(0, "10.0.0.9", 5000, 6000, "unmatched", 789);
    ASSERT_ASK(a + 1u, "10.0.0.2", 5000, 6000, "unmatched", 789);
    ASSERT_ASK(b + 1u, NULL, 5000, 6000, "sole", 123);
    assert_int_equal(ask(b + 1u, NULL, 5000, 6000).candidate_paths, 1);
    assert_string_equal(shown(), "0:post:0:789 1:post:0:123 ");
    view_end(2);
}

static void views_and_peers_of_one_prefix_stand_side_by_side(void **state)
{
    (void)state;
    view_start(60, 10, true);
    rib_fixture_up(&f, 0, true);
    rib_fixture_announce(&f, 0, P24, 1, &via_3, 1000);
    rib_fixture_loaded(&f, 0);
    uint16_t a = member_add();
    table_up(a, POST);
    announce(a, POST, P24, &via_1, 1000);
    table_loaded(a, POST, 1000);
    struct rib_query query = rib_fixture_ask(&f, 0, IN24, "10.0.0.3", 5000, 6000);
    assert_string_equal(path_matches[query.match].text, "exact");
    query = rib_fixture_ask(&f, 0, IN24, "10.0.0.1", 5000, 6000);
    assert_string_equal(path_matches[query.match].text, "unmatched");
    ASSERT_ASK(0, "10.0.0.1", 5000, 6000, "exact", 789);
    ASSERT_ASK(0, "10.0.0.3", 5000, 6000, "unmatched", 789);
    view_end(1);
}

static void a_path_that_policy_leaves_alone_is_stored_once(void **state)
{
    (void)state;
    view_start(60, 10, true);
    uint16_t a = member_add();
    table_up(a, PRE);
    table_up(a, POST);
    announce(a, PRE, P24, &via_1, 1000);
    announce(a, POST, P24, &via_1, 1000);
    assert_string_equal(shown(), "0:prepost:0:789 ");
    assert_int_equal(stored(), 1);
    /* Policy changes it, and leaves it alone again. */
    announce(a, POST, P24, &via_2, 2000);
    assert_string_equal(shown(), "0:pre:0:789 0:post:0:123 ");
    assert_int_equal(stored(), 2);
    announce(a, POST, P24, &via_1, 3000);
    assert_string_equal(shown(), "0:prepost:0:789 ");
    /* The first to be withdrawn leaves the other. */
    assert_int_equal(withdraw(a, PRE, P24, 0, 4000), 0);
    assert_string_equal(shown(), "0:post:0:789 ");
    assert_int_equal(withdraw(a, PRE, P24, 0, 4000), 1);
    assert_int_equal(withdraw(a, POST, P24, 0, 5000), 0);
    assert_string_equal(shown(), "");
    assert_int_equal(stored(), 0);
    assert_int_equal(rib_peer_counts(f.rib, SLOT).prefixes, 0);
    /* All that is in the history: after policy 789, 123, 789; before it 789. */
    assert_string_equal(shown_as(true), "0:post:0:789 0:post:0:123 0:pre:0:789 0:post:0:789 ");
    view_end(1);
}

static void before_policy_counts_only_where_the_router_tells_of_nothing_else(void **state)
{
    (void)state;
    view_start(60, 10, true);
    uint16_t a = member_add(), b = member_add();
    table_up(a, PRE);
    table_up(a, POST);
    table_up(b, PRE);
    announce(a, PRE, P24, &via_1, 1000); /* and policy refuses it */
    announce(b, PRE, P24, &via_2, 1000);
    ASSERT_ASK(0, "10.0.0.1", 5000, 6000, "unmatched", 123);
    ASSERT_ASK(0, "10.0.0.2", 5000, 6000, "exact", 123);
    ASSERT_ASK(a + 1u, NULL, 5000, 6000, "no_rib", 0);
    announce(a, POST, P24, &via_3, 1000);
    ASSERT_ASK(0, "10.0.0.3", 5000, 6000, "exact", 321);
    ASSERT_ASK(0, "10.0.0.1", 5000, 6000, "unmatched", 321);
    view_end(2);
}

static void losing_a_member_takes_its_paths_and_no_others(void **state)
{
    (void)state;
    view_start(60, 10, true);
    uint16_t a = member_add(), b = member_add();
    table_up(a, POST);
    table_up(a, PRE);
    table_up(b, POST);
    announce(a, PRE, P24, &via_1, 1000);
    announce(a, POST, P24, &via_1, 1000);
    announce(b, POST, P24, &via_2, 1000);
    table_down(a, POST, false, 2000);
    /* At once, before anything is swept; its routes before policy are there, and nothing else is told now. */
    ASSERT_ASK(0, "10.0.0.1", 5000, 6000, "exact", 789);
    assert_string_equal(shown(), "0:pre:0:789 1:post:0:123 ");
    table_down(a, PRE, false, 2000);
    ASSERT_ASK(0, "10.0.0.1", 5000, 6000, "unmatched", 123);
    assert_string_equal(shown(), "1:post:0:123 ");
    assert_int_equal(stored(), 2); /* in memory */
    rib_sweep(f.rib);
    assert_int_equal(stored(), 1);
    ASSERT_ASK(0, "10.0.0.2", 5000, 6000, "exact", 123);
    view_end(2);
}

static void a_member_that_comes_back_finds_its_paths(void **state)
{
    (void)state;
    view_start(60, 10, true);
    uint16_t a = member_add();
    table_up(a, POST);
    announce(a, POST, P24, &via_1, 1000);
    announce(a, POST, P16, &via_2, 1000);
    table_loaded(a, POST, 2000);
    table_down(a, POST, true, 10000);
    assert_true(ask(0, NULL, 11000, 12000).is_stale);
    ASSERT_ASK(0, "10.0.0.1", 11000, 12000, "exact", 789);
    table_up(a, POST);
    assert_true(ask(0, NULL, 11000, 12000).is_loading);
    ASSERT_ASK(0, "10.0.0.1", 11000, 12000, "exact", 789);
    announce(a, POST, P16, &via_2, 20000);
    table_loaded(a, POST, 21000);
    /* Nobody named the first one again: it went when the connection broke. */
    ASSERT_ASK(0, "10.0.0.1", 22000, 23000, "unmatched", 123);
    ASSERT_ASK(0, "10.0.0.1", 8000, 9000, "exact", 789);
    rib_sweep(f.rib);
    ASSERT_ASK(0, "10.0.0.1", 22000, 23000, "unmatched", 123);
    ASSERT_ASK(0, "10.0.0.1", 8000, 9000, "exact", 789);
    view_end(1);
}

/* Only what the router said before the break may count from then on. */
static void news_of_a_table_on_its_way_count_from_their_arrival(void **state)
{
    (void)state;
    view_start(60, 10, true);
    uint16_t a = member_add();
    table_up(a, POST);
    announce(a, POST, P24, &via_1, 1000);
    table_loaded(a, POST, 2000);
    table_down(a, POST, true, 10000);
    table_up(a, POST);
    announce(a, POST, P24, &via_2, 20000); /* the table: it has been so since the break */
    ASSERT_ASK(0, "10.0.0.2", 12000, 13000, "exact", 123);
    announce(a, POST, P24, &via_3, 25000); /* news, before its end */
    ASSERT_ASK(0, "10.0.0.2", 12000, 13000, "exact", 123);
    ASSERT_ASK(0, "10.0.0.3", 12000, 13000, "unmatched", 123);
    ASSERT_ASK(0, "10.0.0.3", 26000, 27000, "exact", 321);
    table_loaded(a, POST, 30000);
    ASSERT_ASK(0, "10.0.0.1", 8000, 9000, "exact", 789);
    view_end(1);
}

static void what_comes_back_is_shared_again(void **state)
{
    (void)state;
    view_start(60, 10, true);
    uint16_t a = member_add();
    for (int life = 0; life < 3; life++) {
        table_up(a, PRE);
        table_up(a, POST);
        announce(a, PRE, P24, &via_1, 1000 + life * 1000);
        assert_string_equal(shown(), life ? "0:post:0:789 0:pre:0:789 " : "0:pre:0:789 ");
        announce(a, POST, P24, &via_1, 1000 + life * 1000);
        assert_string_equal(shown(), "0:prepost:0:789 ");
        table_loaded(a, PRE, 1500 + life * 1000);
        table_loaded(a, POST, 1500 + life * 1000);
        assert_string_equal(shown(), "0:prepost:0:789 ");
        table_down(a, PRE, true, 1800 + life * 1000);
        table_down(a, POST, true, 1800 + life * 1000);
    }
    /* The path stood all the time. */
    ASSERT_ASK(0, "10.0.0.1", 1000, 5000, "exact", 789);
    view_end(1);
}

/* A table that was never up joins one of later lives. */
static void tables_that_began_at_different_times_share_too(void **state)
{
    (void)state;
    view_start(60, 10, true);
    uint16_t a = member_add();
    for (int life = 0; life < 5; life++) {
        table_up(a, PRE);
        announce(a, PRE, P24, &via_1, 1000);
        table_loaded(a, PRE, 1000);
        table_down(a, PRE, true, 2000);
    }
    table_up(a, PRE);
    table_up(a, POST);
    announce(a, PRE, P24, &via_1, 3000);
    announce(a, POST, P24, &via_1, 3000);
    assert_string_equal(shown(), "0:prepost:0:789 ");
    view_end(1);
}

static void a_path_lives_from_when_the_router_says(void **state)
{
    struct rib_member_source source = {.slot = SLOT, .is_post = POST};

    (void)state;
    view_start(60, 10, true);
    source.member = member_add();
    table_up(source.member, POST);
    source.told_ns = 5000 * NS_PER_MS;
    announce_as(&source, P24, 0, &via_1, 9000);
    table_loaded(source.member, POST, 9000);
    ASSERT_ASK(0, "10.0.0.1", 6000, 7000, "exact", 789);
    ASSERT_ASK(0, "10.0.0.1", 1000, 4000, "no_route", 0);
    /* The next one took over at 20 s by the router's word, which came a second later. */
    source.told_ns = 20000 * NS_PER_MS;
    announce_as(&source, P24, 0, &via_2, 21000);
    ASSERT_ASK(0, "10.0.0.1", 15000, 19000, "exact", 789);
    ASSERT_ASK(0, "10.0.0.2", 20100, 20200, "exact", 123);
    ASSERT_ASK(0, "10.0.0.1", 20100, 20200, "unmatched", 123);
    /* A clock that is ahead makes no path of the future. */
    source.told_ns = 99000 * NS_PER_MS;
    announce_as(&source, P24, 0, &via_3, 30000);
    ASSERT_ASK(0, "10.0.0.3", 30100, 30200, "exact", 321);
    view_end(1);
}

static void a_loc_rib_without_path_ids_tells_one_of_several(void **state)
{
    (void)state;
    view_start(60, 10, false);
    uint16_t a = member_add();
    table_up_with(a, POST, false);
    announce(a, POST, P24, &via_1, 1000);
    table_loaded(a, POST, 1000);
    ASSERT_ASK(0, NULL, 5000, 6000, "single", 789);
    ASSERT_ASK(0, "10.0.0.2", 5000, 6000, "differs", 789);
    table_down(a, POST, false, 6000);
    table_up_with(a, POST, true);
    announce(a, POST, P24, &via_1, 7000);
    table_loaded(a, POST, 7000);
    ASSERT_ASK(0, NULL, 8000, 9000, "sole", 789);
    ASSERT_ASK(0, "10.0.0.2", 8000, 9000, "unmatched", 789);
    view_end(1);
}

static void marks_of_use_follow_the_router(void **state)
{
    struct rib_member_source source = {.slot = SLOT, .is_post = POST, .is_in_use = true};

    (void)state;
    view_start(60, 10, true);
    source.member = member_add();
    table_up(source.member, PRE);
    table_up(source.member, POST);
    announce_as(&source, P24, 0, &via_1, 1000);
    assert_string_equal(shown(), "0:post*:0:789 ");
    /* A route before policy says nothing of use. */
    announce(source.member, PRE, P24, &via_1, 1000);
    assert_string_equal(shown(), "0:prepost*:0:789 ");
    announce(source.member, PRE, P24, &via_1, 1500);
    assert_string_equal(shown(), "0:prepost*:0:789 ");
    source.is_in_use = false;
    announce_as(&source, P24, 0, &via_1, 2000);
    assert_string_equal(shown(), "0:prepost:0:789 ");
    view_end(1);
}

static void what_is_in_use_decides_among_candidates(void **state)
{
    static const struct path_facts other_by_1 = {"10.0.0.1", 555, 100, 0, 2};
    struct rib_member_source used = {.slot = SLOT, .is_post = POST, .is_in_use = true};

    (void)state;
    view_start(60, 10, true);
    uint16_t a = member_add(), b = member_add(), c = member_add();
    used.member = b;
    for (uint16_t member = a; member <= c; member++) {
        table_up(member, POST);
        table_loaded(member, POST, 900);
    }
    announce(a, POST, P24, &via_1, 1000);
    announce(c, POST, P24, &via_3, 1000);
    ASSERT_ASK(0, NULL, 2000, 3000, "best", 789);
    /* The router uses one that it does not call better. */
    announce_as(&used, P24, 0, &via_2, 4000);
    ASSERT_ASK(0, NULL, 5000, 6000, "sole", 123);
    ASSERT_ASK(0, "10.0.0.3", 5000, 6000, "exact", 321); /* a next hop says more */
    ASSERT_ASK(0, "10.9.9.9", 5000, 6000, "unmatched", 123);
    ASSERT_ASK(0, NULL, 2000, 3000, "best", 789); /* as it was then */
    /* Two have the next hop, and say other things. */
    announce_as(&used, P24, 0, &other_by_1, 7000);
    ASSERT_ASK(0, "10.0.0.1", 8000, 9000, "exact", 555);
    ASSERT_ASK(a + 1u, "10.0.0.1", 8000, 9000, "exact", 789);
    used.is_in_use = false;
    announce_as(&used, P24, 0, &other_by_1, 10000);
    ASSERT_ASK(0, "10.0.0.1", 11000, 12000, "ambiguous", 789);
    ASSERT_ASK(0, NULL, 11000, 12000, "best", 789);
    /* The router uses nothing that is gone by the flow's end. */
    used.is_in_use = true;
    announce_as(&used, P24, 0, &other_by_1, 13000);
    withdraw(b, POST, P24, 0, 14000);
    ASSERT_ASK(0, NULL, 14500, 15000, "best", 789);
    ASSERT_ASK(0, "10.0.0.1", 14500, 15000, "exact", 789);
    view_end(3);
}

static void assert_origin(const char *next_hop, unsigned member, bool is_pre, bool is_in_use)
{
    struct rib_query q = ask(0, next_hop, 5000, 6000);
    struct rib_path_origin origin;

    assert_true(rib_view_path_origin(f.rib, &q, &origin));
    assert_int_equal(origin.member, member);
    assert_int_equal(origin.is_pre, is_pre);
    assert_int_equal(origin.is_in_use, is_in_use);
}

static void an_answer_says_whose_path_it_is(void **state)
{
    struct rib_member_source used = {.slot = SLOT, .is_post = POST, .is_in_use = true};
    struct rib_path_origin origin;

    (void)state;
    view_start(60, 10, true);
    uint16_t a = member_add(), b = member_add();
    used.member = b;
    table_up(a, PRE);
    table_loaded(a, PRE, 900);
    table_up(b, PRE);
    table_up(b, POST);
    table_loaded(b, PRE, 900);
    table_loaded(b, POST, 900);
    announce(a, PRE, P24, &via_1, 1000);
    announce(b, PRE, P24, &via_3, 1000);
    announce_as(&used, P24, 0, &via_2, 1000);
    assert_origin("10.0.0.1", a, true, false);
    assert_origin("10.0.0.2", b, false, true);
    struct rib_query q = ask(0, "10.0.0.1", 5000, 6000);
    withdraw(a, PRE, P24, 0, 7000);
    assert_true(rib_view_path_origin(f.rib, &q, &origin)); /* it was there in the flow's life */
    table_down(a, PRE, false, 8000);
    assert_false(rib_view_path_origin(f.rib, &q, &origin));
    struct rib_query none = {.peer = SLOT};
    assert_false(rib_view_path_origin(f.rib, &none, &origin));
    struct rib_query session = {.peer = 1};
    assert_false(rib_view_path_origin(f.rib, &session, &origin));
    view_end(2);
}

static void members_have_bounds_and_their_numbers_come_back(void **state)
{
    uint16_t members[3], again;

    (void)state;
    view_start(60, 3, true);
    for (int i = 0; i < 3; i++)
        members[i] = member_add();
    assert_int_equal(rib_view_add_member(f.rib, SLOT, &again), -ENOSPC);
    table_up(members[1], POST);
    announce(members[1], POST, P24, &via_1, 1000);
    table_down(members[1], POST, true, 2000);
    rib_view_give_back(f.rib, SLOT, members[1]);
    /* Its paths are stale, then lost and not swept: neither may become another's. */
    assert_int_equal(rib_view_add_member(f.rib, SLOT, &again), -ENOSPC);
    rib_peer_forget(f.rib, rib_view_table(f.rib, SLOT, members[1], POST));
    assert_int_equal(rib_view_add_member(f.rib, SLOT, &again), -ENOSPC);
    rib_sweep(f.rib);
    assert_int_equal(rib_view_add_member(f.rib, SLOT, &again), 0);
    assert_int_equal(again, members[1]);
    table_up(again, POST);
    assert_string_equal(shown(), "");
    view_end(3);
}

static void a_view_that_is_over_leaves_its_members_to_others(void **state)
{
    uint16_t member;

    (void)state;
    view_start(60, 2, true);
    member = member_add();
    table_up(member, POST);
    announce(member, POST, P24, &via_1, 1000);
    assert_false(rib_peer_release(f.rib, SLOT));
    table_down(member, POST, false, 2000);
    assert_false(rib_peer_release(f.rib, SLOT));
    rib_sweep(f.rib);
    assert_true(rib_peer_release(f.rib, SLOT));
    rib_view_begin(f.rib, SLOT, true);
    member_add();
    member_add();
    assert_int_equal(rib_view_add_member(f.rib, SLOT, &member), -ENOSPC);
    view_end(2);
}

static void more_paths_of_a_prefix_than_a_list_has_are_counted(void **state)
{
    struct rib_member_source source = {.slot = SLOT, .is_post = POST};

    (void)state;
    view_start(60, 10, true);
    source.member = member_add();
    table_up_with(source.member, POST, true);
    table_up_with(source.member, PRE, true);
    for (uint32_t id = 0; id < RIB_PATHS_MAX; id++)
        assert_int_equal(announce_as(&source, P24, id, &via_1, 1000), 0);
    assert_int_equal(announce_as(&source, P24, RIB_PATHS_MAX, &via_1, 1000), 1);
    assert_int_equal(rib_limit_hit(f.rib), RIB_LIMIT_PREFIX);
    /* Its twin needs no room. */
    source.is_post = PRE;
    assert_int_equal(announce_as(&source, P24, 7, &via_1, 1000), 0);
    assert_int_equal(announce_as(&source, P24, 8, &via_2, 1000), 1);
    assert_int_equal(stored(), RIB_PATHS_MAX);
    view_end(1);
}

static void a_path_of_a_view_has_two_bytes_more(void **state)
{
    enum { PREFIXES = 2000, PATHS = 4 };
    uint64_t bytes[2];
    char prefix[32];

    (void)state;
    for (int is_view = 0; is_view < 2; is_view++) {
        view_start(60, 10, true);
        uint16_t member = member_add();
        table_up_with(member, POST, true);
        rib_fixture_up(&f, 0, true);
        struct rib_member_source source = {.slot = SLOT, .member = member, .is_post = POST};
        for (unsigned i = 0; i < PREFIXES; i++) {
            snprintf(prefix, sizeof prefix, "10.%u.%u.0/24", i / 256, i % 256);
            for (unsigned id = 0; id < PATHS; id++) {
                if (is_view)
                    announce_as(&source, prefix, id, &via_1, 1000);
                else
                    rib_fixture_announce(&f, 0, prefix, id, &via_1, 1000);
            }
        }
        /* Lists that were replaced are free after a grace period. */
        for (int i = 0; i < 4; i++)
            rib_fixture_tick(&f, 1000, 1000 + i);
        bytes[is_view] = rib_memory_used(f.rib);
        view_end(1);
    }
    assert_true(bytes[1] > bytes[0]);
    assert_in_range((bytes[1] - bytes[0]) / PREFIXES, PATHS, PATHS * 2);
}

/* ---- random ---- */

#define MEMBERS 3
#define IDS     3

/* The model has what each said last: 0 for nothing, else the number of the facts and 1. */
static unsigned model[MEMBERS][2][IDS];
static bool model_is_up[MEMBERS][2];

static int line_compare(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Both sides as sorted lines, a policy each. */
static void shown_split(void *arg, const struct rib_shown *path)
{
    struct shown_text *out = arg;

    for (int is_post = 0; is_post < 2 && path->rank != UINT32_MAX; is_post++) {
        if (is_post ? path->is_post : path->is_pre)
            snprintf(out->text + out->len++ * 32, 32, "%u %d %u %u", path->member, is_post,
                     path->path_id, path->attrs->first_as);
    }
}

static void random_compare(const struct path_facts *facts)
{
    static struct shown_text theirs, ours;
    struct rib_show show = {.rib = f.rib, .safi = RIB_UNICAST};

    theirs.len = ours.len = 0;
    assert_int_equal(ip_prefix_parse(P24, &show.prefix), 0);
    rib_show_some(&show, UINT32_MAX, shown_split, &theirs);
    for (unsigned m = 0; m < MEMBERS; m++) {
        for (unsigned p = 0; p < 2; p++) {
            for (unsigned id = 0; id < IDS; id++) {
                if (model[m][p][id])
                    snprintf(ours.text + ours.len++ * 32, 32, "%u %u %u %u", m, p, id,
                             facts[model[m][p][id] - 1].neighbour);
            }
        }
    }
    qsort(theirs.text, theirs.len, 32, line_compare);
    qsort(ours.text, ours.len, 32, line_compare);
    assert_int_equal(theirs.len, ours.len);
    for (size_t i = 0; i < ours.len; i++)
        assert_string_equal(theirs.text + i * 32, ours.text + i * 32);
}

static void random_step(const struct path_facts *facts, int64_t now)
{
    uint16_t m = (uint16_t)random_below(MEMBERS);
    bool is_post = random_below(2);
    uint32_t id = random_below(IDS);
    struct rib_member_source source = {.slot = SLOT,
                                       .member = m,
                                       .is_post = is_post,
                                       .told_ns = random_below(2) ? (now - 500) * NS_PER_MS : 0};
    unsigned action = random_below(40);

    if (!model_is_up[m][is_post]) {
        table_up_with(m, is_post, true);
        model_is_up[m][is_post] = true;
    } else if (action < 24) {
        unsigned which = random_below(3);
        announce_as(&source, P24, id, &facts[which], now);
        model[m][is_post][id] = which + 1;
    } else if (action < 34) {
        assert_int_equal(withdraw(m, is_post, P24, id, now), model[m][is_post][id] == 0);
        model[m][is_post][id] = 0;
    } else if (action == 34) {
        table_down(m, is_post, false, now);
        model_is_up[m][is_post] = false;
        memset(model[m][is_post], 0, sizeof model[m][is_post]);
    } else if (action == 35) { /* kept, and named again as it was */
        table_down(m, is_post, true, now);
        table_up_with(m, is_post, true);
        for (id = 0; id < IDS; id++) {
            unsigned which = model[m][is_post][id];
            if (which && random_below(4) == 0)
                model[m][is_post][id] = 0;
            else if (which)
                announce_as(&source, P24, id, &facts[which - 1], now);
        }
        table_loaded(m, is_post, now);
    } else if (action < 38) {
        rib_fixture_tick(&f, now, now);
    } else {
        rib_sweep(f.rib);
        for (unsigned i = 0; i < MEMBERS * 2; i++) {
            unsigned count = 0;
            for (id = 0; id < IDS; id++)
                count += model[i / 2][i % 2][id] != 0;
            assert_int_equal(rib_view_table_paths(f.rib, SLOT, (uint16_t)(i / 2), i % 2), count);
        }
    }
}

static void random_changes_leave_what_was_said_last(void **state)
{
    const struct path_facts facts[] = {via_1, via_2, via_3};

    (void)state;
    for (unsigned world = 0; world < 20; world++) {
        memset(model, 0, sizeof model);
        memset(model_is_up, 0, sizeof model_is_up);
        view_start(1000000, MEMBERS, true);
        for (int m = 0; m < MEMBERS; m++)
            member_add();
        for (int64_t step = 0; step < 1500; step++) {
            random_step(facts, 1000000 + step * 1000);
            random_compare(facts);
        }
        view_end(MEMBERS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_view_answers_by_all_its_members_or_by_one),
        cmocka_unit_test(views_and_peers_of_one_prefix_stand_side_by_side),
        cmocka_unit_test(a_path_that_policy_leaves_alone_is_stored_once),
        cmocka_unit_test(before_policy_counts_only_where_the_router_tells_of_nothing_else),
        cmocka_unit_test(losing_a_member_takes_its_paths_and_no_others),
        cmocka_unit_test(a_member_that_comes_back_finds_its_paths),
        cmocka_unit_test(news_of_a_table_on_its_way_count_from_their_arrival),
        cmocka_unit_test(what_comes_back_is_shared_again),
        cmocka_unit_test(tables_that_began_at_different_times_share_too),
        cmocka_unit_test(a_path_lives_from_when_the_router_says),
        cmocka_unit_test(a_loc_rib_without_path_ids_tells_one_of_several),
        cmocka_unit_test(marks_of_use_follow_the_router),
        cmocka_unit_test(what_is_in_use_decides_among_candidates),
        cmocka_unit_test(an_answer_says_whose_path_it_is),
        cmocka_unit_test(members_have_bounds_and_their_numbers_come_back),
        cmocka_unit_test(a_view_that_is_over_leaves_its_members_to_others),
        cmocka_unit_test(more_paths_of_a_prefix_than_a_list_has_are_counted),
        cmocka_unit_test(a_path_of_a_view_has_two_bytes_more),
        cmocka_unit_test(random_changes_leave_what_was_said_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
