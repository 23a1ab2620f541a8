/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the table of flow members names each member's own bytes, and that a set of needed
 * members keeps them apart. */
#include "flow/flow.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void places_point_at_their_members(void **state)
{
    struct flow flow;
    (void)state;
    memset(&flow, 0, sizeof flow);
    flow.dst_as = 65001;
    flow.nat_event = 5;
    flow.src_addr = ip_addr_v4((const uint8_t[]){192, 0, 2, 1});
    const struct flow_member_place *place = &flow_member_places[FLOW_dst_as];
    assert_int_equal(place->size, 4);
    assert_memory_equal((const char *)&flow + place->offset, &(uint32_t){65001}, 4);
    assert_string_equal(place->name, "dst_as");
    assert_int_equal(*((const uint8_t *)&flow + flow_member_places[FLOW_nat_event].offset), 5);
    assert_int_equal(flow_member_places[FLOW_src_addr].size, 17);
    assert_memory_equal((const char *)&flow + flow_member_places[FLOW_src_addr].offset + 12,
                        "\xc0\0\x02\x01", 4);
}

static void members_follow_one_another_without_overlap(void **state)
{
    (void)state;
    for (int i = 0; i < FLOW_MEMBER_COUNT; i++) {
        size_t end = (size_t)flow_member_places[i].offset + flow_member_places[i].size;
        size_t next =
            i + 1 < FLOW_MEMBER_COUNT ? flow_member_places[i + 1].offset : sizeof(struct flow);
        assert_true(flow_member_places[i].size > 0);
        assert_true(end <= next);
        assert_non_null(flow_member_places[i].help);
    }
}

static void needs_hold_every_member_apart(void **state)
{
    (void)state;
    for (int i = 0; i < FLOW_MEMBER_COUNT; i++) {
        struct flow_needs needs = {0};
        flow_needs_add(&needs, (enum flow_member)i);
        for (int j = 0; j < FLOW_MEMBER_COUNT; j++)
            assert_int_equal(flow_needs_has(&needs, (enum flow_member)j), i == j);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_point_at_their_members),
        cmocka_unit_test(members_follow_one_another_without_overlap),
        cmocka_unit_test(needs_hold_every_member_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
