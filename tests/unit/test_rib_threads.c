/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that readers get right answers while the BGP thread changes everything that it can.
 * ThreadSanitizer watches this one. */
#include "base/thread.h"
#include "bgp/rib_view.h"
#include "support/rib_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include <cmocka.h>

enum { READERS = 2, FLAPPING = 64, ROUNDS = 300 };

static const struct path_facts steady = {"10.0.0.1", 1, 200, 0, 1};
static const struct path_facts flapping = {"10.0.0.2", 2, 100, 0, 2};
static const struct path_facts changed = {"10.0.0.2", 3, 100, 0, 3};
static const struct path_facts of_other_peer = {"10.0.0.9", 9, 100, 0, 1};

struct reading {
    struct rib_fixture *fixture;
    _Atomic bool *is_over;
    struct thread thread;
    uint64_t asked, wrong;
};

/* Peer 0 always has 10.0.0.0/8; its /24s below and all of peer 1 come and go. */
static void check(struct reading *reading, const struct rib_query *q)
{
    const struct path_attrs *attrs = q->path.attrs;
    bool is_right;

    if (q->peer == 1)
        is_right = !attrs ? q->match == PATH_MATCH_NO_RIB || q->match == PATH_MATCH_NO_ROUTE
                          : attrs->first_as == 9 && q->match == PATH_MATCH_EXACT;
    else if (q->next_hop.bytes[15] == 1)
        is_right = attrs && attrs->first_as == 1 && ip_addr_equal(&attrs->next_hop, &q->next_hop) &&
                   (q->match == PATH_MATCH_EXACT || q->match == PATH_MATCH_COVERING);
    else /* there or not: then the steady one is what is left */
        is_right = attrs && (q->match == PATH_MATCH_UNMATCHED
                                 ? attrs->first_as == 1
                                 : attrs->first_as == 2 || attrs->first_as == 3);
    reading->wrong += !is_right;
    reading->asked++;
}

static void read_on(void *arg)
{
    struct reading *reading = arg;
    struct rcu_reader *reader;
    struct rib_query queries[48];

    if (rcu_reader_register(reading->fixture->rcu, &reader) != 0)
        return;
    rcu_online(reader);
    for (unsigned n = 0; !atomic_load_explicit(reading->is_over, memory_order_acquire); n++) {
        for (unsigned i = 0; i < 48; i++) {
            uint8_t address[4] = {10, 0, (uint8_t)((n + i) % FLAPPING), 1};
            uint8_t next_hop[4] = {10, 0, 0, i % 3 == 0 ? 9 : (uint8_t)(i % 3)};
            queries[i] = (struct rib_query){.peer = i % 3 == 0,
                                            .address = ip_addr_v4(address),
                                            .next_hop = ip_addr_v4(next_hop)};
            if (n % 2) /* else replay: current paths only */
                queries[i].from_ns = queries[i].to_ns = INT64_C(1000000) * NS_PER_S;
        }
        rib_lookup_batch(reading->fixture->rib, RIB_POLICY_NORMAL, queries, 48);
        for (unsigned i = 0; i < 48; i++)
            check(reading, &queries[i]);
        rcu_quiescent(reader);
    }
    rcu_reader_unregister(reader);
}

static void flap(struct rib_fixture *f, unsigned round) ON_THREAD(bgp_thread);
static void flap(struct rib_fixture *f, unsigned round)
{
    char prefix[IP_PREFIX_TEXT_LEN];

    for (unsigned i = 0; i < FLAPPING; i++) {
        struct ip_prefix p = {ip_addr_v4((uint8_t[4]){10, 0, (uint8_t)i, 0}), 24};
        ip_prefix_format(&p, prefix);
        int64_t now_ms = 1000 + round;
        if ((round + i) % 3 == 0) {
            rib_fixture_withdraw(f, 0, prefix, 1, now_ms);
            rib_fixture_withdraw(f, 0, prefix, 2, now_ms);
        } else {
            rib_fixture_announce(f, 0, prefix, 1, round % 2 ? &flapping : &changed, now_ms);
            rib_fixture_announce(f, 0, prefix, 2, &steady, now_ms);
        }
        rib_fixture_announce(f, 1, prefix, 1, &of_other_peer, now_ms);
    }
    rib_fixture_down(f, 1, 1000);
    if (round % 4)
        rib_fixture_tick(f, 1000 + round, 0);
    rib_fixture_up(f, 1, true);
    rib_fixture_loaded(f, 1);
}

static void readers_get_right_answers_while_everything_changes(void **state)
{
    (void)state;
    struct rib_fixture f;
    struct reading readings[READERS] = {0};
    _Atomic bool is_over = false;

    thread_enter_role(&bgp_thread);
    /* The history is 1 s by the clock of the changes, so some of it is always old enough to go. */
    rib_fixture_init(&f,
                     &(struct rib_settings){.max_peers = 2, .history_s = 1, .history_max = 500});
    for (uint32_t peer = 0; peer < 2; peer++) {
        rib_fixture_up(&f, peer, true);
        rib_fixture_loaded(&f, peer);
    }
    rib_fixture_announce(&f, 0, "10.0.0.0/8", 1, &steady, 1000);
    for (unsigned i = 0; i < READERS; i++) {
        readings[i].fixture = &f;
        readings[i].is_over = &is_over;
        assert_int_equal(thread_start(&readings[i].thread, "reader", read_on, &readings[i]), 0);
    }
    for (unsigned round = 0; round < ROUNDS; round++)
        flap(&f, round);
    atomic_store_explicit(&is_over, true, memory_order_release);
    for (unsigned i = 0; i < READERS; i++) {
        thread_join(&readings[i].thread);
        assert_true(readings[i].asked > 0);
        assert_int_equal(readings[i].wrong, 0);
    }
    rib_fixture_clear(&f);
    thread_leave_role(&bgp_thread);
}

/* ---- views ---- */

enum { VIEW = 1, VIEW_MEMBERS = 40, VIEW_ROUNDS = 60 };

/* Peer 0 has the path by 10.0.0.1 all the time. All members of the view have AS 9, and come and go. */
static void view_read_on(void *arg)
{
    struct reading *reading = arg;
    struct rcu_reader *reader;
    struct rib_query queries[48];

    if (rcu_reader_register(reading->fixture->rcu, &reader) != 0)
        return;
    rcu_online(reader);
    for (unsigned n = 0; !atomic_load_explicit(reading->is_over, memory_order_acquire); n++) {
        for (unsigned i = 0; i < 48; i++) {
            queries[i] = (struct rib_query){
                .peer = i % 4 == 0 ? 0 : VIEW,
                .only_member = i % 4 == 1 ? 1 + (n + i) % VIEW_MEMBERS : 0,
                .address = ip_addr_v4((uint8_t[4]){10, 0, (uint8_t)(i % 8), 1}),
                .next_hop = ip_addr_v4((uint8_t[4]){10, 0, 0, i % 4 == 0 ? 1 : 9})};
            if (n % 2)
                queries[i].from_ns = queries[i].to_ns = INT64_C(1000000) * NS_PER_S;
        }
        rib_lookup_batch(reading->fixture->rib, RIB_POLICY_NORMAL, queries, 48);
        for (unsigned i = 0; i < 48; i++) {
            const struct path_attrs *attrs = queries[i].path.attrs;
            bool is_right = queries[i].peer == 0 ? attrs && attrs->first_as == 1
                                                 : !attrs || attrs->first_as == 9;
            reading->wrong += !is_right;
            reading->asked++;
        }
        rcu_quiescent(reader);
    }
    rcu_reader_unregister(reader);
}

static void view_announce(struct rib_fixture *f, uint16_t member, bool is_post, int64_t now_ms)
{
    const struct rib_member_source source = {.slot = VIEW, .member = member, .is_post = is_post};
    struct path_attrs *attrs = rib_fixture_attrs(f, &of_other_peer);
    struct rib_nlri nlri[8];

    for (uint8_t i = 0; i < 8; i++)
        nlri[i] = (struct rib_nlri){.prefix = {ip_addr_v4((uint8_t[4]){10, 0, i, 0}), 24}};
    attrs->ref_count++;
    rib_view_announce(f->rib, &source, RIB_UNICAST, nlri, 8, attrs,
                      (struct wall_time){now_ms * NS_PER_MS});
    rib_fixture_unref(f, attrs);
}

static void view_live(struct rib_fixture *f, unsigned round) ON_THREAD(bgp_thread);
static void view_live(struct rib_fixture *f, unsigned round)
{
    struct rib_session session = {.router_id = round};

    session.is_negotiated[RIB_UNICAST][RIB_IPV4] = true;
    rib_view_begin(f->rib, VIEW, true);
    for (unsigned i = 0; i < VIEW_MEMBERS; i++) {
        uint16_t member;
        assert_int_equal(rib_view_add_member(f->rib, VIEW, &member), 0);
        for (int is_post = 0; is_post < 2; is_post++) {
            rib_view_table_up(f->rib, VIEW, member, is_post, &session, (struct mono_time){0});
            view_announce(f, member, is_post, 1000 + round);
        }
    }
    for (uint16_t member = 0; member < VIEW_MEMBERS; member++) {
        for (int is_post = 0; is_post < 2; is_post++)
            rib_peer_down(f->rib, rib_view_table(f->rib, VIEW, member, is_post), false,
                          (struct wall_time){(1000 + round) * NS_PER_MS}, (struct mono_time){0});
    }
    rib_sweep(f->rib);
    assert_true(rib_peer_release(f->rib, VIEW));
    rib_fixture_tick(f, 1000 + round, round);
}

static void readers_of_views_get_right_answers_too(void **state)
{
    (void)state;
    struct rib_fixture f;
    struct reading readings[READERS] = {0};
    _Atomic bool is_over = false;

    thread_enter_role(&bgp_thread);
    rib_fixture_init(&f, &(struct rib_settings){.max_peers = 2, .max_members = VIEW_MEMBERS});
    rib_fixture_up(&f, 0, true);
    rib_fixture_announce(&f, 0, "10.0.0.0/8", 1, &steady, 1000);
    rib_fixture_loaded(&f, 0);
    for (unsigned i = 0; i < READERS; i++) {
        readings[i].fixture = &f;
        readings[i].is_over = &is_over;
        assert_int_equal(thread_start(&readings[i].thread, "reader", view_read_on, &readings[i]),
                         0);
    }
    for (unsigned round = 0; round < VIEW_ROUNDS; round++)
        view_live(&f, round);
    atomic_store_explicit(&is_over, true, memory_order_release);
    for (unsigned i = 0; i < READERS; i++) {
        thread_join(&readings[i].thread);
        assert_true(readings[i].asked > 0);
        assert_int_equal(readings[i].wrong, 0);
    }
    rib_fixture_clear(&f);
    thread_leave_role(&bgp_thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(readers_get_right_answers_while_everything_changes),
        cmocka_unit_test(readers_of_views_get_right_answers_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
