/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that a walk over the RIB tells what stands, each path once, whatever changes meanwhile, and keeps no memory
 * from being freed between its slices. ThreadSanitizer watches this one. */
#include "base/block_pool.h"
#include "base/thread.h"
#include "bgp/rib_dump.h"
#include "bgp/rib_private.h"
#include "support/rib_fixture.h"
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PEERS = 4 };

static const struct path_facts one = {"10.0.0.1", 1, 100, 0, 1};
static const struct path_facts two = {"10.0.0.2", 2, 100, 0, 2};
static const bool all_peers[PEERS] = {true, true, true, true};

static void fixture_begin(struct rib_fixture *f, uint32_t max_peers)
{
    rib_fixture_init(f, &(struct rib_settings){.max_peers = max_peers,
                                               .history_s = 60,
                                               .history_max = 500,
                                               .peer_down_keep_s = 60});
}

/* ---- what is told ---- */

struct telling {
    char text[4096];
    size_t len;
};

static void tell(void *arg, const struct rib_dumped *path)
{
    struct telling *t = arg;
    char prefix[IP_PREFIX_TEXT_LEN];

    ip_prefix_format(&path->prefix, prefix);
    t->len += (size_t)snprintf(t->text + t->len, sizeof t->text - t->len,
                               "%s%u %d:%llu %s #%u as%u%s", t->len ? "; " : "", path->peer,
                               path->safi, (unsigned long long)path->rd, prefix, path->path_id,
                               path->attrs->first_as, path->has_add_path ? "+" : "");
}

static void assert_told(const struct rib_fixture *f, const bool *wanted, const char *expected)
{
    struct rib_dump dump = {.rib = f->rib, .is_wanted = wanted, .peer_count = PEERS};
    struct telling t = {.text = ""};

    while (rib_dump_some(&dump, tell, &t))
        continue;
    assert_string_equal(t.text, expected);
}

static void announce_in(struct rib_fixture *f, uint32_t peer, enum rib_safi safi, uint64_t rd,
                        const char *prefix) ON_THREAD(bgp_thread);
static void announce_in(struct rib_fixture *f, uint32_t peer, enum rib_safi safi, uint64_t rd,
                        const char *prefix)
{
    struct rib_nlri nlri = {.rd = rd};
    struct path_attrs *attrs = rib_fixture_attrs(f, &one);

    assert_int_equal(ip_prefix_parse(prefix, &nlri.prefix), 0);
    attrs->ref_count++;
    assert_int_equal(rib_announce(f->rib, peer, safi, &nlri, 1, attrs, (struct wall_time){0}), 0);
    rib_fixture_unref(f, attrs);
}

static void tells_all_tables_in_order(void **state)
{
    (void)state;
    struct rib_fixture f;
    struct rib_session session = {.router_id = 1};

    thread_enter_role(&bgp_thread);
    fixture_begin(&f, PEERS);
    for (int safi = 0; safi < RIB_SAFI_COUNT; safi++)
        for (int family = 0; family < RIB_FAMILY_COUNT; family++)
            session.is_negotiated[safi][family] = true;
    rib_peer_up(f.rib, 0, &session, (struct mono_time){0});
    rib_fixture_up(&f, 1, true);
    assert_told(&f, all_peers, "");
    rib_fixture_announce(&f, 0, "10.0.0.0/8", 0, &one, 1);
    rib_fixture_announce(&f, 1, "10.0.0.0/8", 7, &two, 1);
    rib_fixture_announce(&f, 1, "10.0.0.0/8", 8, &one, 1);
    rib_fixture_announce(&f, 1, "2001:db8::/32", 7, &two, 1);
    announce_in(&f, 0, RIB_LABELLED, 0, "10.1.0.0/16");
    announce_in(&f, 0, RIB_VPN, 5, "10.2.0.0/16");
    announce_in(&f, 0, RIB_VPN, 6, "2001:db8:1::/48");
    assert_told(&f, all_peers,
                "0 0:0 10.0.0.0/8 #0 as1; 1 0:0 10.0.0.0/8 #8 as1+; 1 0:0 10.0.0.0/8 #7 as2+; "
                "1 0:0 2001:db8::/32 #7 as2+; 0 1:0 10.1.0.0/16 #0 as1; 0 2:5 10.2.0.0/16 #0 as1; "
                "0 2:6 2001:db8:1::/48 #0 as1");
    assert_told(&f, (const bool[PEERS]){false, true},
                "1 0:0 10.0.0.0/8 #8 as1+; 1 0:0 10.0.0.0/8 #7 as2+; 1 0:0 2001:db8::/32 #7 as2+");
    rib_fixture_clear(&f);
    thread_leave_role(&bgp_thread);
}

static void leaves_out_what_does_not_stand(void **state)
{
    (void)state;
    struct rib_fixture f;

    thread_enter_role(&bgp_thread);
    fixture_begin(&f, PEERS);
    rib_fixture_up(&f, 0, false);
    rib_fixture_loaded(&f, 0);
    rib_fixture_announce(&f, 0, "10.0.0.0/8", 0, &one, 1000);
    rib_fixture_announce(&f, 0, "11.0.0.0/8", 0, &one, 1000);
    rib_fixture_announce(&f, 0, "12.0.0.0/8", 0, &one, 1000);
    rib_fixture_withdraw(&f, 0, "11.0.0.0/8", 0, 2000); /* goes into the history */
    assert_told(&f, all_peers, "0 0:0 10.0.0.0/8 #0 as1; 0 0:0 12.0.0.0/8 #0 as1");

    rib_fixture_down(&f, 0, 3000); /* stale */
    assert_told(&f, all_peers, "");
    rib_fixture_up(&f, 0, false); /* the session is back, and has announced nothing yet */
    assert_told(&f, all_peers, "");
    rib_fixture_announce(&f, 0, "10.0.0.0/8", 0, &one, 4000);
    rib_fixture_announce(&f, 0, "13.0.0.0/8", 0, &two, 4000);
    assert_told(&f, all_peers, "0 0:0 10.0.0.0/8 #0 as1; 0 0:0 13.0.0.0/8 #0 as2");
    rib_fixture_loaded(&f, 0);
    assert_told(&f, all_peers, "0 0:0 10.0.0.0/8 #0 as1; 0 0:0 13.0.0.0/8 #0 as2");

    /* While it refreshes, the table stands as it was; what it left out goes at the end. */
    rib_begin_refresh(f.rib, 0, RIB_UNICAST, RIB_IPV4);
    rib_fixture_announce(&f, 0, "10.0.0.0/8", 0, &one, 5000);
    assert_told(&f, all_peers, "0 0:0 10.0.0.0/8 #0 as1; 0 0:0 13.0.0.0/8 #0 as2");
    rib_fixture_loaded(&f, 0);
    assert_told(&f, all_peers, "0 0:0 10.0.0.0/8 #0 as1");
    rib_fixture_clear(&f);
    thread_leave_role(&bgp_thread);
}

/* ---- slices ---- */

struct counting {
    unsigned count, largest_slice, slice;
};

static void count(void *arg, const struct rib_dumped *path)
{
    struct counting *c = arg;

    (void)path;
    c->count++;
    c->slice++;
}

static struct counting count_all(struct rib_dump *dump)
{
    struct counting c = {0};
    bool has_more;

    do {
        c.slice = 0;
        has_more = rib_dump_some(dump, count, &c);
        if (c.slice > c.largest_slice)
            c.largest_slice = c.slice;
    } while (has_more);
    return c;
}

static void slices_are_bounded_within_a_prefix_too(void **state)
{
    (void)state;
    enum { MANY = 60, PATHS = 100, PREFIXES = 3000 };
    struct rib_fixture f;
    bool wanted[MANY];
    char prefix[32];

    thread_enter_role(&bgp_thread);
    memset(wanted, true, sizeof wanted);
    fixture_begin(&f, MANY);
    for (uint32_t peer = 0; peer < MANY; peer++) {
        rib_fixture_up(&f, peer, true);
        for (uint32_t id = 0; id < PATHS; id++)
            rib_fixture_announce(&f, peer, "10.0.0.0/8", id, &one, 1);
    }
    for (unsigned i = 0; i < PREFIXES; i++) {
        snprintf(prefix, sizeof prefix, "11.%u.%u.0/24", i / 256, i % 256);
        rib_fixture_announce(&f, 0, prefix, 1, &two, 1);
    }
    struct rib_dump dump = {.rib = f.rib, .is_wanted = wanted, .peer_count = MANY};
    struct counting c = count_all(&dump);
    assert_int_equal(c.count, MANY * PATHS + PREFIXES);
    assert_true(c.largest_slice <= RIB_DUMP_SLICE_MAX);
    assert_true(c.largest_slice >= RIB_DUMP_SLICE);

    /* A prefix that goes between two slices that it needs does no harm. */
    dump = (struct rib_dump){.rib = f.rib, .is_wanted = wanted, .peer_count = MANY};
    c = (struct counting){0};
    assert_true(rib_dump_some(&dump, count, &c));
    assert_true(dump.is_in_prefix);
    for (uint32_t peer = 0; peer < MANY; peer++)
        for (uint32_t id = 0; id < PATHS; id++)
            rib_fixture_withdraw(&f, peer, "10.0.0.0/8", id, 2);
    struct counting rest = count_all(&dump);
    assert_int_equal(rest.count, PREFIXES);
    rib_fixture_clear(&f);
    thread_leave_role(&bgp_thread);
}

/* ---- beside a writer ---- */

enum { STEADY = 2000, FLAPPING = 64, ROUNDS = 200 };

struct walking {
    struct rib_fixture *fixture;
    _Atomic bool *is_over;
    struct thread thread;
    uint8_t seen[STEADY];
    uint64_t walks, wrong;
    bool stands_still;
    _Atomic bool has_begun;
    /* The last prefix that flaps, and the paths of it that came. */
    struct ip_prefix prefix;
    unsigned ids;
};

/* Peer 0 always has the prefixes below 20.0.0.0/8, each once. Of those below 10.0.0.0/8 it announces path 1, then path
 * 2, and withdraws 2, then 1: path 2 is never there alone. */
static void look(void *arg, const struct rib_dumped *path)
{
    struct walking *w = arg;
    const uint8_t *bytes = ip_addr_wire(&path->prefix.addr);

    if (bytes[0] == 20) {
        w->seen[bytes[1] * 256 + bytes[2]]++;
        w->wrong += path->attrs->first_as != 1;
        return;
    }
    if (!ip_addr_equal(&path->prefix.addr, &w->prefix.addr)) {
        w->wrong += w->ids == 2;
        w->ids = 0;
        w->prefix = path->prefix;
    }
    w->ids |= path->path_id;
    w->wrong += path->attrs->first_as != path->path_id;
}

static void walk_once(struct walking *w, struct rcu_reader *reader)
{
    struct rib_dump dump = {.rib = w->fixture->rib, .is_wanted = all_peers, .peer_count = 1};
    bool has_more = true;

    memset(w->seen, 0, sizeof w->seen);
    w->ids = 0;
    w->prefix = (struct ip_prefix){0};
    while (has_more) {
        rcu_online(reader);
        has_more = rib_dump_some(&dump, look, w);
        rcu_offline(reader);
        atomic_store_explicit(&w->has_begun, true, memory_order_release);
        /* A consumer that takes nothing: the walk waits, and holds nothing. */
        while (w->stands_still && !atomic_load_explicit(w->is_over, memory_order_acquire))
            sched_yield();
    }
    w->wrong += w->ids == 2;
    for (unsigned i = 0; i < STEADY; i++)
        w->wrong += w->seen[i] != 1;
    w->walks++;
}

static void walk_on(void *arg)
{
    struct walking *w = arg;
    struct rcu_reader *reader;

    if (rcu_reader_register(w->fixture->rcu, &reader) != 0)
        return;
    do
        walk_once(w, reader);
    while (!atomic_load_explicit(w->is_over, memory_order_acquire));
    rcu_reader_unregister(reader);
}

static void flap(struct rib_fixture *f, unsigned round) ON_THREAD(bgp_thread);
static void flap(struct rib_fixture *f, unsigned round)
{
    char prefix[32];

    for (unsigned i = 0; i < FLAPPING; i++) {
        snprintf(prefix, sizeof prefix, "10.0.%u.0/24", i);
        if ((round + i) % 3 == 0) {
            rib_fixture_withdraw(f, 0, prefix, 2, 1000 + round);
            rib_fixture_withdraw(f, 0, prefix, 1, 1000 + round);
        } else {
            rib_fixture_announce(f, 0, prefix, 1, &one, 1000 + round);
            rib_fixture_announce(f, 0, prefix, 2, &two, 1000 + round);
        }
        rib_fixture_announce(f, 1, prefix, 1, &two, 1000 + round);
    }
    rib_fixture_down(f, 1, 1000 + round);
    rib_fixture_tick(f, 2000 + round * 1000, 0);
    rib_fixture_up(f, 1, true);
}

static void walker_start(struct rib_fixture *f, struct walking *w, _Atomic bool *is_over)
    ON_THREAD(bgp_thread);
static void walker_start(struct rib_fixture *f, struct walking *w, _Atomic bool *is_over)
{
    char prefix[32];

    rib_fixture_init(f, &(struct rib_settings){.max_peers = 2, .history_s = 1, .history_max = 500});
    rib_fixture_up(f, 0, true);
    rib_fixture_up(f, 1, true);
    for (unsigned i = 0; i < STEADY; i++) {
        snprintf(prefix, sizeof prefix, "20.%u.%u.0/24", i / 256, i % 256);
        rib_fixture_announce(f, 0, prefix, 1, &one, 1000);
    }
    w->fixture = f;
    w->is_over = is_over;
    assert_int_equal(thread_start(&w->thread, "walker", walk_on, w), 0);
}

static void each_path_comes_once_while_everything_changes(void **state)
{
    (void)state;
    struct rib_fixture f;
    struct walking w = {0};
    _Atomic bool is_over = false;

    thread_enter_role(&bgp_thread);
    walker_start(&f, &w, &is_over);
    for (unsigned round = 0; round < ROUNDS; round++)
        flap(&f, round);
    atomic_store_explicit(&is_over, true, memory_order_release);
    thread_join(&w.thread);
    assert_true(w.walks > 0);
    assert_int_equal(w.wrong, 0);
    rib_fixture_clear(&f);
    thread_leave_role(&bgp_thread);
}

/* The RIB keeps what waits for readers in memory that it got from the system and does not use. */
static void a_consumer_that_stands_still_keeps_no_memory(void **state)
{
    (void)state;
    struct rib_fixture f;
    struct walking w = {.stands_still = true};
    _Atomic bool is_over = false;

    thread_enter_role(&bgp_thread);
    walker_start(&f, &w, &is_over);
    while (!atomic_load_explicit(&w.has_begun, memory_order_acquire))
        sched_yield();
    for (unsigned round = 0; round < 20; round++)
        flap(&f, round);
    size_t before = block_pool_reserved(f.rib->pool) + block_pool_reserved(f.pool);
    for (unsigned round = 20; round < 20 + 5 * ROUNDS; round++) /* 50 MB of lists, if all waited */
        flap(&f, round);
    size_t after = block_pool_reserved(f.rib->pool) + block_pool_reserved(f.pool);
    assert_true(after <= before + BLOCK_CHUNK_BYTES);
    atomic_store_explicit(&is_over, true, memory_order_release);
    thread_join(&w.thread);
    assert_int_equal(w.walks, 1);
    assert_int_equal(w.wrong, 0);
    rib_fixture_clear(&f);
    thread_leave_role(&bgp_thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_all_tables_in_order),
        cmocka_unit_test(leaves_out_what_does_not_stand),
        cmocka_unit_test(slices_are_bounded_within_a_prefix_too),
        cmocka_unit_test(each_path_comes_once_while_everything_changes),
        cmocka_unit_test(a_consumer_that_stands_still_keeps_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
