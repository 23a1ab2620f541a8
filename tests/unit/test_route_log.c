/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves what the log of BGP messages tells: numbers in one order over all peers, withdrawals with the attributes that are
 * withdrawn and only of what is there, the paths of lost sessions before the RIB hears of the loss, and the end of all.
 */
#include "base/text.h"
#include "bgp/attr_store.h"
#include "bgp/route_events.h"
#include "bgp/route_log.h"
#include "support/hex.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { PEERS = 4, KEEP_S = 60 };

#define ATTRS_OF(as) "40 01 01 00 40 02 06 02 01 0000" as

struct fixture {
    struct rcu *rcu;
    struct attr_text_settings texts;
    struct attr_store *attrs;
    struct rib *rib;
    struct peer_table peers;
    struct route_log *log;
    struct text told;
    uint64_t next_seq;
    unsigned turns, finishes;
    bool is_ending;
};

static const char *const log_types[] = {"update", "withdraw", "delete", "eor"};
static const char *const event_types[] = {"log", "init", "close"};

/* Writes a record as "update 0 10.0.0.0/8 as1", and looks at its number. */
static void put(void *arg, const struct event *event, int64_t time_ns)
{
    struct fixture *f = arg;
    uint64_t type = event->values[ROUTE_EVENT_EVENT_TYPE].number;
    const struct event_bytes *prefix = &event->values[ROUTE_EVENT_PREFIX].bytes;
    const struct event_bytes *path = &event->values[ROUTE_EVENT_AS_PATH].bytes;

    (void)time_ns;
    assert_int_equal(event->values[ROUTE_EVENT_SEQ].number, f->next_seq++);
    text_append_printf(&f->told, "%s%s %u", f->told.len ? "; " : "",
                       event->kind == ROUTE_EVENT_KIND_ROUTE
                           ? log_types[event->values[ROUTE_EVENT_LOG_TYPE].number]
                           : event_types[type],
                       (unsigned)event->values[ROUTE_EVENT_PEER_PORT].number);
    if (event_has(event, ROUTE_EVENT_PREFIX))
        text_append_printf(&f->told, " %.*s", (int)prefix->len, (const char *)prefix->data);
    if (event_has(event, ROUTE_EVENT_PATH_ID))
        text_append_printf(&f->told, "#%u", (unsigned)event->values[ROUTE_EVENT_PATH_ID].number);
    if (event_has(event, ROUTE_EVENT_AS_PATH))
        text_append_printf(&f->told, " as%.*s", (int)path->len, (const char *)path->data);
}

static int turn(void *arg)
{
    struct fixture *f = arg;

    f->turns++;
    return 40;
}

static bool is_ending(void *arg)
{
    const struct fixture *f = arg;

    return f->is_ending;
}

/* There is room at the second try. */
static bool finish(void *arg)
{
    struct fixture *f = arg;

    return ++f->finishes == 2;
}

static void begin(struct fixture *f)
{
    const struct bgp_settings settings = {.keeps_received = true};
    const struct bgp_log_sink sink = {put, turn, is_ending, finish, -1, f};

    *f = (struct fixture){.rcu = rcu_new(1), .texts.keeps_received = true};
    f->attrs = attr_store_new(f->rcu, &f->texts);
    const struct rib_settings rib = {.max_peers = PEERS,
                                     .peer_down_keep_s = KEEP_S,
                                     .attrs_pool = attr_store_pool(f->attrs),
                                     .attrs_unref = attr_store_unref,
                                     .attrs_arg = f->attrs};
    f->rib = rib_new(f->rcu, &rib);
    peer_table_init(&f->peers, PEERS, f->rib, f->rcu);
    f->log = route_log_new(&sink, &settings, f->rib, &f->peers);
    for (unsigned i = 0; i < PEERS; i++) {
        f->peers.peers[i].info.port = (uint16_t)i;
        f->peers.peers[i].info.address = ip_addr_v4((const uint8_t[]){192, 0, 2, (uint8_t)i});
    }
}

static void end(struct fixture *f)
{
    route_log_free(f->log);
    peer_table_clear(&f->peers);
    rib_free(f->rib);
    attr_store_free(f->attrs);
    rcu_free(f->rcu);
    text_clear(&f->told);
}

static void assert_told(struct fixture *f, const char *expected)
{
    assert_string_equal(f->told.len ? text_cstr(&f->told) : "", expected);
    text_reset(&f->told);
}

static void up(struct fixture *f, unsigned peer) ON_THREAD(bgp_thread);
static void up(struct fixture *f, unsigned peer)
{
    struct rib_session session = {.router_id = peer + 1};

    session.is_negotiated[RIB_UNICAST][RIB_IPV4] = true;
    session.has_add_path[RIB_UNICAST][RIB_IPV4] = true;
    route_log_open(f->log, &f->peers.peers[peer]);
    rib_peer_up(f->rib, peer, &session, (struct mono_time){0});
}

static void down(struct fixture *f, unsigned peer, bool is_kept) ON_THREAD(bgp_thread);
static void down(struct fixture *f, unsigned peer, bool is_kept)
{
    route_log_lose(f->log, f->rib, &f->peers.peers[peer], is_kept, clock_wall(),
                   (struct mono_time){0});
}

static struct route_log_batch batch_of(const struct fixture *f, unsigned peer,
                                       const struct rib_nlri *nlri)
{
    return (struct route_log_batch){&f->peers.peers[peer], FAMILY_IPV4_UNICAST, true, nlri, 1, 1};
}

/* Announces 10.N.0.0/16 and so on; `as` has four digits. */
static void announce(struct fixture *f, unsigned peer, unsigned n, uint32_t path_id,
                     const char *digits) ON_THREAD(bgp_thread);
static void announce(struct fixture *f, unsigned peer, unsigned n, uint32_t path_id,
                     const char *digits)
{
    const struct attr_context context = {.is_internal = true, .features.has_four_octet_as = true};
    const struct ip_addr next_hop = ip_addr_v4((const uint8_t[]){10, 0, 0, 1});
    const struct rib_nlri nlri = {
        .prefix = {ip_addr_v4((const uint8_t[]){10, (uint8_t)(n >> 8), (uint8_t)n, 0}), 24},
        .path_id = path_id};
    struct hex hex = hex_make(digits);
    struct attr_list list;

    attr_list_parse(hex_reader(&hex), &context, &list);
    struct path_attrs *attrs = attr_store_intern(f->attrs, &list, &context, &next_hop);
    struct route_log_batch batch = batch_of(f, peer, &nlri);
    route_log_update(f->log, &batch, attrs);
    assert_int_equal(rib_announce(f->rib, peer, RIB_UNICAST, &nlri, 1, attrs, clock_wall()), 0);
    attr_store_unref(f->attrs, attrs);
    hex_clear(&hex);
}

static void withdraw(struct fixture *f, unsigned peer, unsigned n, uint32_t path_id)
    ON_THREAD(bgp_thread);
static void withdraw(struct fixture *f, unsigned peer, unsigned n, uint32_t path_id)
{
    const struct rib_nlri nlri = {
        .prefix = {ip_addr_v4((const uint8_t[]){10, (uint8_t)(n >> 8), (uint8_t)n, 0}), 24},
        .path_id = path_id};
    struct route_log_batch batch = batch_of(f, peer, &nlri);

    route_log_withdraw(f->log, f->rib, &batch);
    rib_withdraw(f->rib, peer, RIB_UNICAST, &nlri, 1, clock_wall());
}

static bool is_stale(const struct fixture *f, unsigned peer)
{
    return rib_peer_family(f->rib, peer, RIB_UNICAST, RIB_IPV4).is_stale;
}

static void what_peers_say_is_told_in_order(void **state)
{
    (void)state;
    struct fixture f;

    thread_enter_role(&bgp_thread);
    begin(&f);
    up(&f, 0);
    up(&f, 1);
    announce(&f, 0, 1, 7, ATTRS_OF("0001"));
    announce(&f, 1, 1, 7, ATTRS_OF("0002"));
    announce(&f, 0, 1, 7, ATTRS_OF("0003"));
    withdraw(&f, 0, 1, 7);
    withdraw(&f, 0, 1, 7); /* it is not there any more */
    withdraw(&f, 1, 2, 7); /* nor this */
    route_log_end_of_rib(f.log, &f.peers.peers[1], FAMILY_IPV4_UNICAST, 1);
    assert_told(&f, "init 0; init 1; update 0 10.0.1.0/24#7 as1; update 1 10.0.1.0/24#7 as2; "
                    "update 0 10.0.1.0/24#7 as3; withdraw 0 10.0.1.0/24#7 as3; eor 1");
    route_log_close(f.log, &f.peers.peers[1]);
    announce(&f, 1, 3, 1, ATTRS_OF("0001")); /* nobody's log */
    assert_told(&f, "close 1");
    assert_int_equal(route_log_turn(f.log), 40);
    end(&f);
    thread_leave_role(&bgp_thread);
}

static void a_lost_table_is_told_before_the_rib_hears_of_it(void **state)
{
    (void)state;
    struct fixture f;
    unsigned slices = 0;

    thread_enter_role(&bgp_thread);
    begin(&f);
    up(&f, 0);
    up(&f, 1);
    for (unsigned n = 0; n < 5000; n++)
        announce(&f, 0, n, 1, ATTRS_OF("0001"));
    announce(&f, 1, 1, 1, ATTRS_OF("0002"));
    text_reset(&f.told);
    uint64_t before = f.next_seq;

    route_log_publish(f.log);
    assert_int_equal(route_log_seq(f.log), before);
    down(&f, 0, true);
    assert_false(is_stale(&f, 0));
    assert_true(f.next_seq > before && f.next_seq < before + 5000);
    announce(&f, 1, 2, 1, ATTRS_OF("0002")); /* has its place between them */
    while (route_log_turn(f.log) == 0) {
        assert_false(is_stale(&f, 0));
        assert_int_equal(route_log_seq(f.log), before); /* the RIB has these paths still */
        slices++;
    }
    assert_true(is_stale(&f, 0));
    assert_in_range(slices, 2, 10);
    assert_int_equal(f.next_seq, before + 5000 + 1 + 1);
    assert_int_equal(route_log_seq(f.log), f.next_seq);
    assert_string_equal(text_cstr(&f.told) + f.told.len - strlen("; close 0"), "; close 0");
    text_reset(&f.told);
    up(&f, 0); /* what is stale is not of this session: no record of its loss comes again */
    withdraw(&f, 0, 1, 1);
    down(&f, 0, false);
    route_log_settle(f.log);
    assert_told(&f, "init 0; close 0");
    end(&f);
    thread_leave_role(&bgp_thread);
}

static void who_comes_back_finds_his_log_closed(void **state)
{
    (void)state;
    struct fixture f;

    thread_enter_role(&bgp_thread);
    begin(&f);
    up(&f, 0);
    for (unsigned n = 0; n < 5000; n++)
        announce(&f, 0, n, 1, ATTRS_OF("0001"));
    uint64_t before = f.next_seq;
    down(&f, 0, true);
    assert_true(f.next_seq < before + 5000);
    text_reset(&f.told);
    up(&f, 0);
    assert_int_equal(f.next_seq, before + 5000 + 2);
    assert_string_equal(text_cstr(&f.told) + f.told.len - strlen("; close 0; init 0"),
                        "; close 0; init 0");
    end(&f);
    thread_leave_role(&bgp_thread);
}

static void the_end_closes_all_and_is_tried_again(void **state)
{
    (void)state;
    struct fixture f;

    thread_enter_role(&bgp_thread);
    begin(&f);
    up(&f, 0);
    up(&f, 2);
    for (unsigned n = 0; n < 5000; n++)
        announce(&f, 0, n, 1, ATTRS_OF("0001"));
    down(&f, 0, true); /* not all of it is told */
    text_reset(&f.told);
    f.is_ending = true;
    while (f.finishes < 2)
        assert_true(route_log_turn(f.log) >= 0);
    route_log_turn(f.log);
    assert_int_equal(f.finishes, 2);
    assert_true(is_stale(&f, 0));
    assert_string_equal(text_cstr(&f.told) + f.told.len - strlen("; close 0; close 2"),
                        "; close 0; close 2");
    text_reset(&f.told);
    announce(&f, 2, 1, 1, ATTRS_OF("0001"));
    down(&f, 2, true);
    up(&f, 1);
    assert_told(&f, "");
    assert_true(is_stale(&f, 2));
    end(&f);
    thread_leave_role(&bgp_thread);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_peers_say_is_told_in_order),
        cmocka_unit_test(a_lost_table_is_told_before_the_rib_hears_of_it),
        cmocka_unit_test(who_comes_back_finds_his_log_closed),
        cmocka_unit_test(the_end_closes_all_and_is_tried_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
