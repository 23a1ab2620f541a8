/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves each verdict of path_match.def by an example, and what sessions, loading and history do to
 * it. Expected values follow by hand from what each test announces and withdraws. */
#include "bgp/rib.h"
#include "support/rib_fixture.h"
#include "support/step_count.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define HISTORY_S 300
#define P24       "192.0.2.0/24"
#define P16       "192.0.0.0/16"
#define IN24      "192.0.2.9"

/* These four paths are the example of an operator's talk. */
static const struct path_facts path_1 = {"10.0.0.1", 789, 200, 100, 1};
static const struct path_facts path_2 = {"10.0.0.2", 123, 100, 100, 3};
static const struct path_facts path_3 = {"10.0.0.3", 321, 100, 100, 3};
static const struct path_facts path_4 = {"10.0.0.4", 213, 100, 100, 3};
static const struct path_facts via_7 = {"10.0.0.7", 777, 100, 0, 1};
static const struct path_facts via_9 = {"10.0.0.9", 999, 100, 0, 1};

#define WITH_FIXTURE(f, keep_s)                                                                    \
    struct rib_fixture f;                                                                          \
    (void)state;                                                                                   \
    thread_enter_role(&bgp_thread);                                                                \
    rib_fixture_init(&f, &(struct rib_settings){.max_peers = 4,                                    \
                                                .history_s = HISTORY_S,                            \
                                                .history_max = 1000,                               \
                                                .peer_down_keep_s = (keep_s)})
#define END_FIXTURE(f)                                                                             \
    rib_fixture_clear(&f);                                                                         \
    thread_leave_role(&bgp_thread)

/* Loads an ADD-PATH session of peer 0 with the four paths, which count as always there. */
static void load_four(struct rib_fixture *f) ON_THREAD(bgp_thread);
static void load_four(struct rib_fixture *f)
{
    rib_fixture_up(f, 0, true);
    rib_fixture_announce(f, 0, P24, 1, &path_1, 1000);
    rib_fixture_announce(f, 0, P24, 2, &path_2, 1000);
    rib_fixture_announce(f, 0, P24, 3, &path_3, 1000);
    rib_fixture_announce(f, 0, P24, 4, &path_4, 1000);
    rib_fixture_loaded(f, 0);
}

static void assert_verdict(const struct rib_query *query, enum path_match match, uint32_t first_as)
{
    assert_string_equal(path_matches[query->match].text, path_matches[match].text);
    if (first_as == 0)
        assert_null(query->path.attrs);
    else
        assert_int_equal(query->path.attrs->first_as, first_as);
}

#define ASSERT_ASK(f, next_hop, from_ms, to_ms, match, first_as)                                   \
    do {                                                                                           \
        struct rib_query asked = rib_fixture_ask(&(f), 0, IN24, next_hop, from_ms, to_ms);         \
        assert_verdict(&asked, match, first_as);                                                   \
    } while (0)

static void each_next_hop_gives_its_path_exactly(void **state)
{
    WITH_FIXTURE(f, 0);
    load_four(&f);
    ASSERT_ASK(f, "10.0.0.1", 500, 600, PATH_MATCH_EXACT, 789);
    ASSERT_ASK(f, "10.0.0.2", 500, 600, PATH_MATCH_EXACT, 123);
    ASSERT_ASK(f, "10.0.0.3", 5000, 6000, PATH_MATCH_EXACT, 321);
    ASSERT_ASK(f, "10.0.0.4", 0, 0, PATH_MATCH_EXACT, 213);
    struct rib_query q = rib_fixture_ask(&f, 0, IN24, "10.0.0.3", 0, 0);
    assert_int_equal(q.path.path_id, 3);
    assert_int_equal(q.candidate_paths, 4);
    assert_int_equal(q.path.prefix_len, 24);
    struct ip_prefix expected;
    assert_int_equal(ip_prefix_parse(P24, &expected), 0);
    struct ip_prefix found = rib_query_prefix(&q);
    assert_true(ip_prefix_equal(&found, &expected));
    END_FIXTURE(f);
}

static void several_with_the_next_hop_are_exact_if_they_agree(void **state)
{
    WITH_FIXTURE(f, 0);
    load_four(&f);
    rib_fixture_announce(&f, 0, P24, 9, &path_2, 2000);
    ASSERT_ASK(f, "10.0.0.2", 3000, 4000, PATH_MATCH_EXACT, 123);
    END_FIXTURE(f);
}

static void several_that_differ_are_ambiguous_and_the_best_is_given(void **state)
{
    WITH_FIXTURE(f, 0);
    load_four(&f);
    rib_fixture_announce(&f, 0, P24, 9, &(struct path_facts){"10.0.0.2", 55, 100, 0, 2}, 2000);
    ASSERT_ASK(f, "10.0.0.2", 3000, 4000, PATH_MATCH_AMBIGUOUS, 55); /* the shorter AS path */
    END_FIXTURE(f);
}

static void a_change_under_the_next_hop_while_the_flow_ran_is_ambiguous(void **state)
{
    WITH_FIXTURE(f, 0);
    load_four(&f);
    rib_fixture_announce(&f, 0, P24, 2, &(struct path_facts){"10.0.0.2", 55, 100, 100, 9}, 5000);
    ASSERT_ASK(f, "10.0.0.2", 4000, 6000, PATH_MATCH_AMBIGUOUS,
               55); /* alive at the end, though worse */
    ASSERT_ASK(f, "10.0.0.2", 3000, 4999, PATH_MATCH_EXACT, 123);
    ASSERT_ASK(f, "10.0.0.2", 5000, 6000, PATH_MATCH_EXACT, 55);
    END_FIXTURE(f);
}

static void withdrawn_path_is_found_as_historic(void **state)
{
    WITH_FIXTURE(f, 0);
    load_four(&f);
    assert_int_equal(rib_fixture_withdraw(&f, 0, P24, 3, 5000), 0);
    assert_int_equal(rib_fixture_withdraw(&f, 0, P24, 3, 5001), 1); /* not there any more */
    ASSERT_ASK(f, "10.0.0.3", 4000, 6000, PATH_MATCH_HISTORIC, 321);
    ASSERT_ASK(f, "10.0.0.3", 3000, 4000, PATH_MATCH_EXACT, 321); /* it was alive at that end */
    ASSERT_ASK(f, "10.0.0.3", 5000, 6000, PATH_MATCH_UNMATCHED, 789);
    ASSERT_ASK(f, "10.0.0.3", 0, 0, PATH_MATCH_UNMATCHED, 789); /* replay: current paths only */
    END_FIXTURE(f);
}

static void the_last_of_several_gone_is_historic(void **state)
{
    WITH_FIXTURE(f, 0);
    load_four(&f);
    rib_fixture_announce(&f, 0, P24, 3, &(struct path_facts){"10.0.0.3", 55, 100, 0, 9}, 5000);
    rib_fixture_withdraw(&f, 0, P24, 3, 6000);
    ASSERT_ASK(f, "10.0.0.3", 4000, 7000, PATH_MATCH_HISTORIC, 55);
    END_FIXTURE(f);
}

static void a_whole_prefix_that_went_is_historic_until_history_forgets_it(void **state)
{
    WITH_FIXTURE(f, 0);
    load_four(&f);
    struct rib_statistics statistics;
    for (uint32_t id = 1; id <= 4; id++)
        rib_fixture_withdraw(&f, 0, P24, id, 5000);
    ASSERT_ASK(f, "10.0.0.3", 4000, 6000, PATH_MATCH_HISTORIC, 321);
    rib_fixture_tick(&f, 5000 + HISTORY_S * 1000 - 1, 1000);
    ASSERT_ASK(f, "10.0.0.3", 4000, 6000, PATH_MATCH_HISTORIC, 321);
    rib_fixture_tick(&f, 5000 + HISTORY_S * 1000, 2000);
    ASSERT_ASK(f, "10.0.0.3", 4000, 6000, PATH_MATCH_NO_ROUTE, 0);
    rib_statistics(f.rib, &statistics);
    assert_int_equal(statistics.prefixes, 0);
    assert_int_equal(statistics.paths, 0);
    assert_int_equal(statistics.history_paths, 0);
    assert_int_equal(statistics.attribute_sets, 0);
    END_FIXTURE(f);
}

static void a_flow_outlives_its_prefix_and_goes_on_by_a_shorter_one(void **state)
{
    WITH_FIXTURE(f, 0);
    load_four(&f);
    rib_fixture_announce(&f, 0, "0.0.0.0/0", 9, &(struct path_facts){"10.0.0.4", 66, 100, 0, 2},
                         1000);
    rib_fixture_announce(&f, 0, P16, 5, &(struct path_facts){"10.0.0.3", 55, 100, 0, 9}, 1000);
    rib_fixture_announce(&f, 0, P16, 6, &path_1, 1000);
    for (uint32_t id = 1; id <= 3; id++)
        rib_fixture_withdraw(&f, 0, P24, id, 5000);
    ASSERT_ASK(f, "10.0.0.3", 4000, 6000, PATH_MATCH_HISTORIC, 321); /* another path is left */
    rib_fixture_withdraw(&f, 0, P24, 4, 5000);
    ASSERT_ASK(f, "10.0.0.3", 4000, 6000, PATH_MATCH_AMBIGUOUS, 55);
    ASSERT_ASK(f, "10.0.0.1", 4000, 6000, PATH_MATCH_EXACT, 789);    /* both say the same */
    ASSERT_ASK(f, "10.0.0.2", 4000, 6000, PATH_MATCH_HISTORIC, 123); /* the other lacks it */
    ASSERT_ASK(f, "10.0.0.3", 4000, 4999, PATH_MATCH_EXACT, 321);
    rib_fixture_withdraw(&f, 0, P16, 5, 5500);
    rib_fixture_withdraw(&f, 0, P16, 6, 5500);
    ASSERT_ASK(f, "10.0.0.4", 4000, 6000, PATH_MATCH_AMBIGUOUS, 66); /* by the default route */
    ASSERT_ASK(f, "10.0.0.3", 4000, 6000, PATH_MATCH_HISTORIC, 321);
    END_FIXTURE(f);
}

static void history_is_bounded_and_the_oldest_go_first(void **state)
{
    struct rib_fixture f;
    struct rib_statistics statistics;
    (void)state;
    thread_enter_role(&bgp_thread);
    rib_fixture_init(&f,
                     &(struct rib_settings){.max_peers = 1, .history_s = 300, .history_max = 2});
    load_four(&f);
    for (uint32_t id = 1; id <= 4; id++)
        rib_fixture_withdraw(&f, 0, P24, id, 5000 + id);
    rib_statistics(f.rib, &statistics);
    assert_int_equal(statistics.history_paths, 2);
    assert_int_equal(statistics.history_evicted, 2);
    ASSERT_ASK(f, "10.0.0.2", 4000, 6000, PATH_MATCH_NO_ROUTE, 0);
    ASSERT_ASK(f, "10.0.0.4", 4000, 6000, PATH_MATCH_HISTORIC, 213);
    END_FIXTURE(f);
}

static void without_add_path_the_one_path_is_single(void **state)
{
    WITH_FIXTURE(f, 0);
    rib_fixture_up(&f, 0, false);
    rib_fixture_announce(&f, 0, P24, 0, &path_1, 1000);
    rib_fixture_loaded(&f, 0);
    ASSERT_ASK(f, "10.0.0.3", 2000, 3000, PATH_MATCH_DIFFERS, 789);
    ASSERT_ASK(f, NULL, 2000, 3000, PATH_MATCH_SINGLE, 789);
    ASSERT_ASK(f, "10.0.0.1", 2000, 3000, PATH_MATCH_EXACT, 789);
    rib_fixture_announce(&f, 0, P24, 0, &path_2, 5000);
    ASSERT_ASK(f, "10.0.0.1", 4000, 6000, PATH_MATCH_HISTORIC, 789);
    ASSERT_ASK(f, NULL, 4000, 6000, PATH_MATCH_SINGLE, 123);
    END_FIXTURE(f);
}

static void without_next_hop_one_path_is_sole_and_several_give_the_best(void **state)
{
    WITH_FIXTURE(f, 0);
    load_four(&f);
    rib_fixture_announce(&f, 0, P16, 1, &via_7, 1000);
    ASSERT_ASK(f, NULL, 2000, 3000, PATH_MATCH_BEST, 789);
    ASSERT_ASK(f, "0.0.0.0", 2000, 3000, PATH_MATCH_BEST, 789);
    struct rib_query q = rib_fixture_ask(&f, 0, "192.0.3.1", NULL, 2000, 3000);
    assert_verdict(&q, PATH_MATCH_SOLE, 777);
    /* At the end of an earlier flow there was a better path. */
    rib_fixture_withdraw(&f, 0, P24, 1, 5000);
    ASSERT_ASK(f, NULL, 3000, 4000, PATH_MATCH_BEST, 789);
    ASSERT_ASK(f, NULL, 3000, 6000, PATH_MATCH_BEST, 123);
    END_FIXTURE(f);
}

static void a_less_specific_prefix_covers_but_never_the_default_route(void **state)
{
    WITH_FIXTURE(f, 0);
    load_four(&f);
    rib_fixture_announce(&f, 0, P16, 1, &via_7, 1000);
    rib_fixture_announce(&f, 0, "0.0.0.0/0", 1, &via_9, 1000);
    ASSERT_ASK(f, "10.0.0.7", 2000, 3000, PATH_MATCH_COVERING, 777);
    ASSERT_ASK(f, "10.0.0.9", 2000, 3000, PATH_MATCH_UNMATCHED, 789);
    ASSERT_ASK(f, "10.0.0.77", 2000, 3000, PATH_MATCH_UNMATCHED, 789);
    /* Where the default route is the longest prefix, it is a prefix like any other. */
    struct rib_query q = rib_fixture_ask(&f, 0, "198.51.100.1", "10.0.0.9", 2000, 3000);
    assert_verdict(&q, PATH_MATCH_EXACT, 999);
    END_FIXTURE(f);
}

static void a_longer_prefix_that_came_too_late_is_passed_over(void **state)
{
    WITH_FIXTURE(f, 0);
    rib_fixture_up(&f, 0, true);
    rib_fixture_announce(&f, 0, P16, 1, &via_7, 1000);
    rib_fixture_loaded(&f, 0);
    rib_fixture_announce(&f, 0, P24, 1, &path_1, 5000);
    ASSERT_ASK(f, "10.0.0.7", 4000, 6000, PATH_MATCH_EXACT, 777);
    ASSERT_ASK(f, "10.0.0.1", 4000, 6000, PATH_MATCH_EXACT, 789);
    ASSERT_ASK(f, "10.0.0.7", 5000, 6000, PATH_MATCH_COVERING, 777); /* it lived all the time */
    ASSERT_ASK(f, NULL, 4000, 6000, PATH_MATCH_SOLE, 789);
    rib_fixture_withdraw(&f, 0, P24, 1, 7000);
    ASSERT_ASK(f, "10.0.0.7", 6000, 8000, PATH_MATCH_EXACT, 777);
    ASSERT_ASK(f, "10.0.0.1", 6000, 8000, PATH_MATCH_HISTORIC, 789);
    ASSERT_ASK(f, NULL, 6000, 8000, PATH_MATCH_SOLE, 777);
    /* One path after the other, without a gap, makes a life too. */
    rib_fixture_announce(&f, 0, P24, 2, &path_2, 9000);
    rib_fixture_announce(&f, 0, P24, 2, &path_3, 10000);
    ASSERT_ASK(f, "10.0.0.7", 9500, 10500, PATH_MATCH_COVERING, 777);
    ASSERT_ASK(f, "10.0.0.7", 8500, 10500, PATH_MATCH_EXACT, 777);
    END_FIXTURE(f);
}

static void no_route_and_no_rib_are_told_apart(void **state)
{
    WITH_FIXTURE(f, 0);
    ASSERT_ASK(f, "10.0.0.1", 0, 0, PATH_MATCH_NO_RIB, 0);
    rib_fixture_up(&f, 0, true);
    ASSERT_ASK(f, "10.0.0.1", 0, 0, PATH_MATCH_NO_RIB, 0); /* loading, no candidate */
    rib_fixture_announce(&f, 0, P24, 1, &path_1, 1000);
    struct rib_query q = rib_fixture_ask(&f, 0, IN24, "10.0.0.1", 0, 0);
    assert_verdict(&q, PATH_MATCH_EXACT, 789);
    assert_true(q.is_loading);
    rib_fixture_loaded(&f, 0);
    q = rib_fixture_ask(&f, 0, "198.51.100.1", "10.0.0.1", 0, 0);
    assert_verdict(&q, PATH_MATCH_NO_ROUTE, 0);
    assert_false(q.is_loading);
    rib_fixture_down(&f, 0, 4500);
    ASSERT_ASK(f, "10.0.0.1", 0, 0, PATH_MATCH_NO_RIB, 0); /* at once, before any sweep */
    q = rib_fixture_ask(&f, 99, IN24, "10.0.0.1", 0, 0);
    assert_verdict(&q, PATH_MATCH_NO_RIB, 0);
    END_FIXTURE(f);
}

static void quiet_for_ten_seconds_is_loaded(void **state)
{
    WITH_FIXTURE(f, 0);
    rib_fixture_up(&f, 0, true);
    rib_fixture_announce(&f, 0, P24, 1, &path_1, 1000);
    rib_fixture_tick(&f, 1000, 5000);
    rib_fixture_tick(&f, 1000, 14999);
    assert_false(rib_peer_family(f.rib, 0, RIB_UNICAST, RIB_IPV4).is_loaded);
    assert_true(rib_peer_family(f.rib, 0, RIB_UNICAST, RIB_IPV6).is_loaded); /* quiet since 0 */
    rib_fixture_tick(&f, 1000, 16000);
    assert_true(rib_peer_family(f.rib, 0, RIB_UNICAST, RIB_IPV4).is_loaded);
    END_FIXTURE(f);
}

static void stale_paths_answer_until_their_time_is_up(void **state)
{
    WITH_FIXTURE(f, 60);
    load_four(&f);
    f.mono_ms = 100000;
    rib_fixture_down(&f, 0, 4500);
    struct rib_query q = rib_fixture_ask(&f, 0, IN24, "10.0.0.2", 0, 0);
    assert_verdict(&q, PATH_MATCH_EXACT, 123);
    assert_true(q.is_stale);
    assert_false(rib_peer_release(f.rib, 0));
    rib_fixture_tick(&f, 1000, 159000);
    ASSERT_ASK(f, "10.0.0.2", 0, 0, PATH_MATCH_EXACT, 123);
    rib_fixture_tick(&f, 1000, 160000);
    ASSERT_ASK(f, "10.0.0.2", 0, 0, PATH_MATCH_NO_RIB, 0);
    assert_true(rib_peer_release(f.rib, 0));
    END_FIXTURE(f);
}

static void stale_paths_are_replaced_and_the_rest_goes_at_end_of_rib(void **state)
{
    WITH_FIXTURE(f, 60);
    load_four(&f);
    rib_fixture_down(&f, 0, 4500);
    rib_fixture_up(&f, 0, true);
    rib_fixture_announce(&f, 0, P24, 1, &path_1, 5000); /* unchanged, so its time stays */
    rib_fixture_announce(&f, 0, P24, 2, &(struct path_facts){"10.0.0.2", 55, 100, 0, 9}, 5000);
    ASSERT_ASK(f, "10.0.0.3", 5000, 6000, PATH_MATCH_EXACT, 321); /* still to be announced */
    rib_fixture_loaded(&f, 0);
    ASSERT_ASK(f, "10.0.0.3", 5000, 6000, PATH_MATCH_UNMATCHED, 789);
    ASSERT_ASK(f, "10.0.0.3", 4000, 6000, PATH_MATCH_HISTORIC, 321); /* gone with the session */
    ASSERT_ASK(f, "10.0.0.1", 3000, 4000, PATH_MATCH_EXACT, 789);
    ASSERT_ASK(f, "10.0.0.2", 3000, 4000, PATH_MATCH_EXACT, 123);
    ASSERT_ASK(f, "10.0.0.2", 4000, 6000, PATH_MATCH_AMBIGUOUS, 55);
    rib_fixture_tick(&f, 7000, 1000);
    assert_int_equal(rib_peer_counts(f.rib, 0).paths, 2);
    assert_int_equal(rib_peer_counts(f.rib, 0).history_paths, 3);
    ASSERT_ASK(f, "10.0.0.3", 4000, 6000, PATH_MATCH_HISTORIC, 321); /* swept too */
    END_FIXTURE(f);
}

static void a_bounce_with_other_path_ids_changes_nothing(void **state)
{
    WITH_FIXTURE(f, 60);
    load_four(&f);
    rib_fixture_down(&f, 0, 4500);
    rib_fixture_up(&f, 0, true);
    rib_fixture_announce(&f, 0, P24, 2, &path_1, 5000); /* 1, 2, 3 go round */
    rib_fixture_announce(&f, 0, P24, 3, &path_2, 5000);
    rib_fixture_announce(&f, 0, P24, 1, &path_3, 5000);
    rib_fixture_announce(&f, 0, P16, 1, &via_7, 5000); /* nothing was kept: always there */
    rib_fixture_loaded(&f, 0);
    ASSERT_ASK(f, "10.0.0.1", 3000, 4000, PATH_MATCH_EXACT, 789);
    ASSERT_ASK(f, "10.0.0.2", 3000, 4000, PATH_MATCH_EXACT, 123);
    ASSERT_ASK(f, "10.0.0.3", 4000, 6000, PATH_MATCH_EXACT, 321);
    ASSERT_ASK(f, "10.0.0.4", 4000, 6000, PATH_MATCH_HISTORIC, 213); /* not named again */
    struct rib_query q = rib_fixture_ask(&f, 0, "192.0.9.9", "10.0.0.7", 2000, 3000);
    assert_verdict(&q, PATH_MATCH_EXACT, 777);
    rib_fixture_tick(&f, 7000, 1000);
    assert_int_equal(rib_peer_counts(f.rib, 0).paths, 4);
    assert_int_equal(rib_peer_counts(f.rib, 0).history_paths, 1);
    END_FIXTURE(f);
}

static void stale_paths_make_room_for_those_of_the_new_session(void **state)
{
    (void)state;
    struct rib_fixture f;
    thread_enter_role(&bgp_thread);
    rib_fixture_init(&f, &(struct rib_settings){.max_peers = 1,
                                                .history_s = 300,
                                                .history_max = 100,
                                                .peer_paths_max = 4,
                                                .peer_down_keep_s = 60});
    load_four(&f);
    rib_fixture_down(&f, 0, 4500);
    rib_fixture_up(&f, 0, true);
    for (uint32_t id = 1; id <= 4; id++)
        assert_int_equal(rib_fixture_announce(&f, 0, P16, id, &via_7, 5000), 0);
    assert_int_equal(rib_fixture_announce(&f, 0, P16, 5, &via_7, 5000), 1);
    assert_int_equal(rib_peer_counts(f.rib, 0).paths, 4);
    END_FIXTURE(f);
}

static struct rib_query ask_late(struct rib_fixture *f, const char *next_hop, int64_t to_ms,
                                 int64_t late_ms)
{
    struct rib_query q = rib_fixture_ask(f, 0, IN24, next_hop, to_ms - 500, to_ms);

    q.late_ns = late_ms * NS_PER_MS;
    rib_lookup_batch(f->rib, RIB_POLICY_NORMAL, &q, 1);
    return q;
}

static void a_path_that_was_announced_late_is_found(void **state)
{
    WITH_FIXTURE(f, 0);
    rib_fixture_up(&f, 0, true);
    rib_fixture_loaded(&f, 0);
    rib_fixture_announce(&f, 0, P24, 1, &path_1, 1000);
    rib_fixture_announce(&f, 0, P24, 2, &path_2, 5000);
    struct rib_query q = ask_late(&f, "10.0.0.2", 4000, 999);
    assert_verdict(&q, PATH_MATCH_UNMATCHED, 789);
    assert_false(q.is_late);
    q = ask_late(&f, "10.0.0.2", 4000, 1000);
    assert_verdict(&q, PATH_MATCH_EXACT, 123);
    assert_true(q.is_late);
    q = ask_late(&f, NULL, 900, 1000); /* no route yet */
    assert_verdict(&q, PATH_MATCH_SOLE, 789);
    assert_true(q.is_late);
    /* A less specific prefix is no answer while the longer one stands. */
    rib_fixture_announce(&f, 0, P16, 1, &path_4, 4100);
    q = ask_late(&f, "10.0.0.4", 4000, 1000);
    assert_verdict(&q, PATH_MATCH_UNMATCHED, 789);
    END_FIXTURE(f);
}

static void after_a_lost_session_paths_count_from_their_arrival(void **state)
{
    WITH_FIXTURE(f, 0);
    load_four(&f);
    rib_fixture_down(&f, 0, 4500);
    rib_fixture_up(&f, 0, true);
    ASSERT_ASK(f, "10.0.0.1", 2000, 9000, PATH_MATCH_NO_RIB, 0); /* before the sweep too */
    rib_fixture_announce(&f, 0, P24, 1, &path_1, 5000);
    rib_fixture_loaded(&f, 0);
    ASSERT_ASK(f, "10.0.0.1", 3000, 4000, PATH_MATCH_NO_ROUTE, 0);
    ASSERT_ASK(f, "10.0.0.1", 3000, 5000, PATH_MATCH_EXACT, 789);
    rib_fixture_tick(&f, 7000, 1000);
    assert_int_equal(rib_peer_counts(f.rib, 0).paths, 1);
    END_FIXTURE(f);
}

static void hundreds_of_flaps_never_bring_an_old_path_back(void **state)
{
    WITH_FIXTURE(f, 60);
    load_four(&f);
    for (unsigned i = 0; i < 600; i++) { /* no tick: nothing is swept but by force */
        rib_fixture_down(&f, 0, 4500);
        rib_fixture_up(&f, 0, true);
        rib_fixture_announce(&f, 0, P24, 1, &path_1, 5000 + i);
        if (i == 0)
            rib_fixture_loaded(&f, 0);
        ASSERT_ASK(f, "10.0.0.1", 5000 + i, 5000 + i, PATH_MATCH_EXACT, 789);
        ASSERT_ASK(f, "10.0.0.3", 5000 + i, 5000 + i, PATH_MATCH_UNMATCHED, 789);
    }
    END_FIXTURE(f);
}

static void a_refresh_sweeps_what_is_not_announced_again(void **state)
{
    WITH_FIXTURE(f, 0);
    load_four(&f);
    rib_begin_refresh(f.rib, 0, RIB_UNICAST, RIB_IPV4);
    rib_fixture_announce(&f, 0, P24, 1, &path_1, 5000);
    ASSERT_ASK(f, "10.0.0.4", 0, 0, PATH_MATCH_EXACT, 213);
    rib_end_of_rib(f.rib, 0, RIB_UNICAST, RIB_IPV4, (struct wall_time){5500 * NS_PER_MS});
    ASSERT_ASK(f, "10.0.0.4", 0, 0, PATH_MATCH_UNMATCHED, 789);
    ASSERT_ASK(f, "10.0.0.4", 3000, 4000, PATH_MATCH_EXACT, 213); /* gone when the refresh ended */
    ASSERT_ASK(f, "10.0.0.4", 6000, 7000, PATH_MATCH_UNMATCHED, 789);
    ASSERT_ASK(f, "10.0.0.1", 2000, 3000, PATH_MATCH_EXACT, 789);
    END_FIXTURE(f);
}

static void a_peer_falls_back_to_its_own_shorter_prefix(void **state)
{
    WITH_FIXTURE(f, 0);
    load_four(&f);
    for (uint32_t peer = 1; peer < 4; peer++) {
        rib_fixture_up(&f, peer, true);
        rib_fixture_announce(&f, peer, peer == 2 ? P16 : P24, 1, peer == 2 ? &via_7 : &via_9, 1000);
        rib_fixture_loaded(&f, peer);
    }
    struct rib_query q = rib_fixture_ask(&f, 2, IN24, "10.0.0.7", 0, 0);
    assert_verdict(&q, PATH_MATCH_EXACT, 777);
    assert_int_equal(q.path.prefix_len, 16);
    q = rib_fixture_ask(&f, 3, IN24, "10.0.0.9", 0, 0);
    assert_verdict(&q, PATH_MATCH_EXACT, 999);
    rib_fixture_down(&f, 0, 4500);
    rib_fixture_down(&f, 1, 4500);
    rib_fixture_tick(&f, 7000, 1000);
    q = rib_fixture_ask(&f, 3, IN24, "10.0.0.9", 0, 0);
    assert_verdict(&q, PATH_MATCH_EXACT, 999);
    struct rib_statistics statistics;
    rib_statistics(f.rib, &statistics);
    assert_int_equal(statistics.prefixes, 2);
    assert_int_equal(statistics.paths, 2);
    END_FIXTURE(f);
}

static void route_distinguishers_keep_the_same_prefix_apart(void **state)
{
    WITH_FIXTURE(f, 0);
    struct rib_session session = {.is_negotiated[RIB_VPN] = {true, true},
                                  .has_add_path[RIB_VPN] = {true, true}};
    struct rib_nlri nlri[2] = {{.rd = UINT64_C(0x00000064000000c8), .path_id = 1},
                               {.rd = UINT64_C(0x00000064000000c9), .path_id = 1}};
    struct path_attrs *attrs[2];

    rib_peer_up(f.rib, 0, &session, (struct mono_time){0});
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(ip_prefix_parse(P24, &nlri[i].prefix), 0);
        attrs[i] = rib_fixture_attrs(&f, i == 0 ? &path_1 : &path_2);
        assert_int_equal(
            rib_announce(f.rib, 0, RIB_VPN, &nlri[i], 1, attrs[i], (struct wall_time){NS_PER_S}),
            0);
    }
    rib_end_of_rib(f.rib, 0, RIB_VPN, RIB_IPV4, (struct wall_time){5500 * NS_PER_MS});
    struct rib_query q[3] = {0};
    for (unsigned i = 0; i < 3; i++) {
        q[i].rd = UINT64_C(0x00000064000000c8) + i;
        assert_int_equal(ip_addr_parse(IN24, &q[i].address), 0);
    }
    rib_lookup_batch(f.rib, RIB_POLICY_NORMAL, q, 3);
    assert_verdict(&q[0], PATH_MATCH_SOLE, 789);
    assert_verdict(&q[1], PATH_MATCH_SOLE, 123);
    assert_verdict(&q[2], PATH_MATCH_NO_ROUTE, 0);
    ASSERT_ASK(f, NULL, 0, 0, PATH_MATCH_NO_RIB, 0); /* the session has no unicast */
    assert_int_equal(rib_withdraw(f.rib, 0, RIB_VPN, nlri, 2, (struct wall_time){NS_PER_S}), 0);
    rib_fixture_tick(&f, 1000 + HISTORY_S * 1000, 1000);
    assert_int_equal(rib_withdraw(f.rib, 0, RIB_VPN, nlri, 2, (struct wall_time){NS_PER_S}), 2);
    END_FIXTURE(f);
}

/* Announces P24 under ten distinguishers that were not there, beginning with *next_rd. */
static uint64_t next_rd;

static void announce_distinguishers(void *arg)
{
    struct rib_fixture *f = arg;
    struct path_attrs *attrs = rib_fixture_attrs(f, &path_1);
    struct rib_nlri nlri = {.path_id = 1};

    assert_int_equal(ip_prefix_parse(P24, &nlri.prefix), 0);
    for (int i = 0; i < 10; i++) {
        nlri.rd = ++next_rd;
        rib_announce(f->rib, 0, RIB_VPN, &nlri, 1, attrs, (struct wall_time){NS_PER_S});
    }
}

static void distinguishers_cost_the_same_however_many_there_are(void **state)
{
    WITH_FIXTURE(f, 0);
    struct rib_session session = {.is_negotiated[RIB_VPN] = {true, true}};

    rib_peer_up(f.rib, 0, &session, (struct mono_time){0});
    announce_distinguishers(&f);
    int64_t few = step_count(announce_distinguishers, &f);
    while (next_rd < 60000)
        announce_distinguishers(&f);
    int64_t many = step_count(announce_distinguishers, &f);
    END_FIXTURE(f);
    if (many < 0)
        skip();
    assert_true(few > 0 && many / few < 8);
}

static void the_labelled_table_answers_where_unicast_has_nothing(void **state)
{
    WITH_FIXTURE(f, 0);
    struct rib_session session = {
        .is_negotiated = {[RIB_UNICAST] = {true, true}, [RIB_LABELLED] = {true, true}}};
    struct rib_nlri nlri = {0};

    rib_peer_up(f.rib, 0, &session, (struct mono_time){0});
    assert_int_equal(ip_prefix_parse(P24, &nlri.prefix), 0);
    rib_announce(f.rib, 0, RIB_LABELLED, &nlri, 1, rib_fixture_attrs(&f, &path_1),
                 (struct wall_time){NS_PER_S});
    ASSERT_ASK(f, NULL, 0, 0, PATH_MATCH_SINGLE, 789);
    rib_fixture_announce(&f, 0, P16, 0, &via_7, 1000);
    ASSERT_ASK(f, NULL, 0, 0, PATH_MATCH_SINGLE, 777);
    END_FIXTURE(f);
}

static void pmacct_policy_takes_any_covering_prefix_and_the_lowest_path_id(void **state)
{
    WITH_FIXTURE(f, 0);
    load_four(&f);
    rib_fixture_announce(&f, 0, P24, 9, &(struct path_facts){"10.0.0.2", 55, 100, 0, 2}, 1000);
    rib_fixture_announce(&f, 0, P16, 1, &via_7, 1000);
    rib_fixture_announce(&f, 0, "0.0.0.0/0", 1, &via_9, 1000);
    static const struct {
        const char *next_hop;
        enum path_match match;
        uint32_t first_as;
    } expected[] = {
        {"10.0.0.2", PATH_MATCH_AMBIGUOUS, 123}, {"10.0.0.7", PATH_MATCH_COVERING, 777},
        {"10.0.0.9", PATH_MATCH_UNMATCHED, 999}, {"10.0.0.77", PATH_MATCH_UNMATCHED, 0},
        {"0.0.0.0", PATH_MATCH_BEST, 0},
    };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct rib_query q = {0};
        assert_int_equal(ip_addr_parse(IN24, &q.address), 0);
        assert_int_equal(ip_addr_parse(expected[i].next_hop, &q.next_hop), 0);
        rib_lookup_batch(f.rib, RIB_POLICY_PMACCT, &q, 1);
        assert_verdict(&q, expected[i].match, expected[i].first_as);
    }
    END_FIXTURE(f);
}

static void source_side_ignores_the_next_hop(void **state)
{
    WITH_FIXTURE(f, 0);
    load_four(&f);
    struct rib_query q = {.any_path = true};
    assert_int_equal(ip_addr_parse(IN24, &q.address), 0);
    assert_int_equal(ip_addr_parse("10.0.0.4", &q.next_hop), 0);
    rib_lookup_batch(f.rib, RIB_POLICY_NORMAL, &q, 1);
    assert_verdict(&q, PATH_MATCH_BEST, 789);
    END_FIXTURE(f);
}

static void paths_of_a_prefix_are_bounded(void **state)
{
    WITH_FIXTURE(f, 0);
    struct rib_statistics statistics;
    rib_fixture_up(&f, 0, true);
    for (uint32_t id = 0; id < RIB_PATHS_MAX; id++)
        assert_int_equal(rib_fixture_announce(&f, 0, P24, id, &path_1, 1000), 0);
    assert_int_equal(rib_fixture_announce(&f, 0, P24, 1000, &path_2, 1000), 1);
    assert_int_equal(rib_fixture_announce(&f, 0, P24, 7, &path_2, 2000), 0); /* replaces */
    rib_statistics(f.rib, &statistics);
    assert_int_equal(statistics.paths, RIB_PATHS_MAX);
    assert_int_equal(statistics.paths_refused, 1);
    ASSERT_ASK(f, "10.0.0.2", 0, 0, PATH_MATCH_EXACT, 123);
    END_FIXTURE(f);
}

static void a_peer_beyond_its_paths_is_refused_and_the_others_are_not(void **state)
{
    struct rib_fixture f;
    struct rib_statistics statistics;
    (void)state;

    thread_enter_role(&bgp_thread);
    rib_fixture_init(&f, &(struct rib_settings){.max_peers = 2, .peer_paths_max = 2});
    rib_fixture_up(&f, 0, true);
    rib_fixture_up(&f, 1, true);
    assert_int_equal(rib_fixture_announce(&f, 0, P24, 1, &path_1, 1000), 0);
    assert_int_equal(rib_fixture_announce(&f, 0, P16, 1, &path_1, 1000), 0);
    assert_int_equal(rib_fixture_announce(&f, 0, P24, 2, &path_1, 1000), 1);
    assert_int_equal(rib_fixture_announce(&f, 0, P24, 1, &path_2, 1000), 0); /* replaces */
    assert_int_equal(rib_fixture_announce(&f, 1, P24, 1, &path_1, 1000), 0);
    assert_int_equal(rib_fixture_withdraw(&f, 0, P24, 1, 1000), 0);
    assert_int_equal(rib_fixture_announce(&f, 0, P24, 2, &path_1, 1000), 0);
    rib_statistics(f.rib, &statistics);
    assert_int_equal(statistics.paths, 3);
    assert_int_equal(statistics.paths_refused, 1);
    END_FIXTURE(f);
}

static void a_peer_beyond_its_prefixes_is_told_so(void **state)
{
    struct rib_fixture f;
    (void)state;

    thread_enter_role(&bgp_thread);
    rib_fixture_init(&f, &(struct rib_settings){.max_peers = 2,
                                                .history_s = 300,
                                                .history_max = 100,
                                                .peer_prefixes_max = 2,
                                                .peer_down_keep_s = 60});
    rib_fixture_up(&f, 0, true);
    rib_fixture_up(&f, 1, true);
    assert_int_equal(rib_fixture_announce(&f, 0, P24, 1, &path_1, 1000), 0);
    assert_int_equal(rib_fixture_announce(&f, 0, P24, 2, &path_2, 1000), 0); /* the same prefix */
    assert_int_equal(rib_fixture_announce(&f, 0, P16, 1, &path_1, 1000), 0);
    assert_int_equal(rib_limit_hit(f.rib), RIB_LIMIT_NONE);
    assert_int_equal(rib_peer_counts(f.rib, 0).prefixes, 2);
    assert_int_equal(rib_fixture_announce(&f, 0, "10.0.0.0/8", 1, &path_1, 1000), 1);
    assert_int_equal(rib_limit_hit(f.rib), RIB_LIMIT_PEER_PREFIXES);
    assert_int_equal(rib_fixture_announce(&f, 0, P16, 2, &path_2, 1000), 0);
    assert_int_equal(rib_fixture_announce(&f, 1, "10.0.0.0/8", 1, &path_1, 1000), 0);
    /* A prefix counts while it has a live path; one that is historic does not. */
    assert_int_equal(rib_fixture_withdraw(&f, 0, P24, 1, 2000), 0);
    assert_int_equal(rib_fixture_announce(&f, 0, "10.0.0.0/8", 1, &path_1, 2000), 1);
    assert_int_equal(rib_fixture_withdraw(&f, 0, P24, 2, 2000), 0);
    assert_int_equal(rib_peer_counts(f.rib, 0).prefixes, 1);
    assert_int_equal(rib_fixture_announce(&f, 0, "10.0.0.0/8", 1, &path_1, 3000), 0);
    assert_int_equal(rib_fixture_announce(&f, 0, P24, 1, &path_1, 3000), 1); /* has a history */
    assert_int_equal(rib_peer_counts(f.rib, 0).prefixes, 2);
    rib_fixture_down(&f, 0, 4000);
    assert_true(rib_peer_forget(f.rib, 0));
    assert_false(rib_peer_forget(f.rib, 0));
    rib_sweep(f.rib);
    assert_int_equal(rib_peer_counts(f.rib, 0).prefixes, 0);
    assert_int_equal(rib_peer_counts(f.rib, 0).paths, 0);
    END_FIXTURE(f);
}

static void prefixes_of_one_update_are_counted_each(void **state)
{
    struct rib_fixture f;
    struct rib_nlri nlri[8];
    (void)state;

    thread_enter_role(&bgp_thread);
    rib_fixture_init(&f, &(struct rib_settings){.max_peers = 1, .peer_prefixes_max = 5});
    rib_fixture_up(&f, 0, true);
    for (uint32_t i = 0; i < 8; i++)
        nlri[i] = (struct rib_nlri){
            .prefix = {ip_addr_v4((const uint8_t[]){10, 1, (uint8_t)i, 0}), 24}, .path_id = 1};
    assert_int_equal(rib_announce(f.rib, 0, RIB_UNICAST, nlri, 8, rib_fixture_attrs(&f, &path_1),
                                  (struct wall_time){NS_PER_S}),
                     3);
    assert_int_equal(rib_limit_hit(f.rib), RIB_LIMIT_PEER_PREFIXES);
    assert_int_equal(rib_peer_counts(f.rib, 0).prefixes, 5);
    for (uint32_t i = 0; i < 8; i++) /* a second path of each */
        nlri[i].path_id = 2;
    assert_int_equal(rib_announce(f.rib, 0, RIB_UNICAST, nlri, 5, rib_fixture_attrs(&f, &path_2),
                                  (struct wall_time){NS_PER_S}),
                     0);
    assert_int_equal(rib_peer_counts(f.rib, 0).prefixes, 5);
    assert_int_equal(rib_peer_counts(f.rib, 0).paths, 10);
    END_FIXTURE(f);
}

static void without_memory_what_is_there_stays(void **state)
{
    struct rib_fixture f;
    struct rib_statistics statistics;
    (void)state;

    thread_enter_role(&bgp_thread);
    rib_fixture_init(&f,
                     &(struct rib_settings){.max_peers = 1, .history_s = 300, .history_max = 100});
    rib_fixture_up(&f, 0, true);
    rib_fixture_announce(&f, 0, P24, 1, &path_1, 1000);
    rib_fixture_announce(&f, 0, P16, 1, &path_1, 1000);
    rib_fixture_loaded(&f, 0);
    rib_set_intake(f.rib, RIB_INTAKE_SAME);
    assert_int_equal(rib_fixture_announce(&f, 0, P24, 2, &path_2, 2000), 1); /* a new path */
    assert_int_equal(rib_limit_hit(f.rib), RIB_LIMIT_MEMORY);
    assert_int_equal(rib_fixture_announce(&f, 0, "10.0.0.0/8", 1, &path_1, 2000), 1);
    assert_int_equal(rib_fixture_announce(&f, 0, P24, 1, &path_2, 2000), 0); /* other attributes */
    assert_int_equal(rib_peer_counts(f.rib, 0).history_paths, 1);
    rib_set_intake(f.rib, RIB_INTAKE_NONE);
    assert_int_equal(rib_fixture_announce(&f, 0, P16, 1, &path_1, 3000), 0); /* as it was */
    /* A path whose new attributes are not known is no path. */
    assert_int_equal(rib_fixture_announce(&f, 0, P24, 1, &path_1, 3000), 1);
    assert_int_equal(rib_limit_hit(f.rib), RIB_LIMIT_MEMORY);
    assert_int_equal(rib_peer_counts(f.rib, 0).paths, 1);
    assert_int_equal(rib_peer_counts(f.rib, 0).prefixes, 1);
    assert_int_equal(rib_peer_counts(f.rib, 0).history_paths, 1);
    rib_set_intake(f.rib, RIB_INTAKE_ALL);
    assert_int_equal(rib_fixture_announce(&f, 0, P24, 1, &path_1, 4000), 0);
    rib_statistics(f.rib, &statistics);
    assert_int_equal(statistics.paths_refused, 3);
    END_FIXTURE(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_beyond_its_prefixes_is_told_so),
        cmocka_unit_test(prefixes_of_one_update_are_counted_each),
        cmocka_unit_test(without_memory_what_is_there_stays),
        cmocka_unit_test(a_peer_beyond_its_paths_is_refused_and_the_others_are_not),
        cmocka_unit_test(distinguishers_cost_the_same_however_many_there_are),
        cmocka_unit_test(each_next_hop_gives_its_path_exactly),
        cmocka_unit_test(several_with_the_next_hop_are_exact_if_they_agree),
        cmocka_unit_test(several_that_differ_are_ambiguous_and_the_best_is_given),
        cmocka_unit_test(a_change_under_the_next_hop_while_the_flow_ran_is_ambiguous),
        cmocka_unit_test(withdrawn_path_is_found_as_historic),
        cmocka_unit_test(the_last_of_several_gone_is_historic),
        cmocka_unit_test(a_whole_prefix_that_went_is_historic_until_history_forgets_it),
        cmocka_unit_test(a_flow_outlives_its_prefix_and_goes_on_by_a_shorter_one),
        cmocka_unit_test(history_is_bounded_and_the_oldest_go_first),
        cmocka_unit_test(without_add_path_the_one_path_is_single),
        cmocka_unit_test(without_next_hop_one_path_is_sole_and_several_give_the_best),
        cmocka_unit_test(a_less_specific_prefix_covers_but_never_the_default_route),
        cmocka_unit_test(a_longer_prefix_that_came_too_late_is_passed_over),
        cmocka_unit_test(no_route_and_no_rib_are_told_apart),
        cmocka_unit_test(quiet_for_ten_seconds_is_loaded),
        cmocka_unit_test(stale_paths_answer_until_their_time_is_up),
        cmocka_unit_test(stale_paths_are_replaced_and_the_rest_goes_at_end_of_rib),
        cmocka_unit_test(a_bounce_with_other_path_ids_changes_nothing),
        cmocka_unit_test(stale_paths_make_room_for_those_of_the_new_session),
        cmocka_unit_test(a_path_that_was_announced_late_is_found),
        cmocka_unit_test(after_a_lost_session_paths_count_from_their_arrival),
        cmocka_unit_test(hundreds_of_flaps_never_bring_an_old_path_back),
        cmocka_unit_test(a_refresh_sweeps_what_is_not_announced_again),
        cmocka_unit_test(a_peer_falls_back_to_its_own_shorter_prefix),
        cmocka_unit_test(route_distinguishers_keep_the_same_prefix_apart),
        cmocka_unit_test(the_labelled_table_answers_where_unicast_has_nothing),
        cmocka_unit_test(pmacct_policy_takes_any_covering_prefix_and_the_lowest_path_id),
        cmocka_unit_test(source_side_ignores_the_next_hop),
        cmocka_unit_test(paths_of_a_prefix_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
