/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves which pairs of prefix and next hop are counted of an exporter, and when one that names one
 * next hop for each prefix is no longer believed. Expected counts are made by hand. */
#include "pipeline/exporter_evidence.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct rig {
    struct exporter_evidence evidence;
    struct exporter_counters counters;
};

static struct rig *rig_new(void)
{
    return calloc(1, sizeof(struct rig));
}

/* Adds a flow to 10.X.Y.0/24 by 192.0.2.HOP, where X and Y are the number's bytes. */
static void add(struct rig *rig, unsigned number, uint8_t hop)
{
    const struct ip_prefix prefix = {
        ip_addr_v4((const uint8_t[]){10, (uint8_t)(number >> 8), (uint8_t)number, 0}), 24};
    const struct ip_addr next_hop = ip_addr_v4((const uint8_t[]){192, 0, 2, hop});

    exporter_evidence_add(&rig->evidence, &rig->counters, &prefix, &next_hop);
}

static uint64_t prefixes(const struct rig *rig)
{
    return counter_get(&rig->counters.multipath_prefixes);
}

static uint64_t next_hops(const struct rig *rig)
{
    return counter_get(&rig->counters.multipath_next_hops);
}

static void flows_are_counted_by_prefix_and_next_hop_once(void **state)
{
    (void)state;
    struct rig *rig = rig_new();

    for (int i = 0; i < 10; i++)
        add(rig, 1, 1);
    assert_int_equal(prefixes(rig), 1);
    assert_int_equal(next_hops(rig), 1);
    add(rig, 1, 2);
    assert_int_equal(prefixes(rig), 1);
    assert_int_equal(next_hops(rig), 2);
    add(rig, 2, 1); /* the same next hop for another prefix is another choice */
    assert_int_equal(prefixes(rig), 2);
    assert_int_equal(next_hops(rig), 3);
    free(rig);
}

static void a_length_makes_a_prefix_another_one(void **state)
{
    (void)state;
    struct rig *rig = rig_new();
    const struct ip_addr hop = ip_addr_v4((const uint8_t[]){192, 0, 2, 1});
    struct ip_prefix prefix = {ip_addr_v4((const uint8_t[]){10, 0, 0, 0}), 8};

    exporter_evidence_add(&rig->evidence, &rig->counters, &prefix, &hop);
    prefix.len = 16;
    exporter_evidence_add(&rig->evidence, &rig->counters, &prefix, &hop);
    assert_int_equal(prefixes(rig), 2);
    free(rig);
}

static void one_next_hop_for_each_of_32_prefixes_is_not_believed(void **state)
{
    (void)state;
    struct rig *rig = rig_new();

    for (unsigned n = 0; n < 31; n++) {
        add(rig, n, 1);
        assert_false(exporter_evidence_is_dishonest(&rig->counters)); /* it may be chance yet */
    }
    add(rig, 31, 1);
    assert_true(exporter_evidence_is_dishonest(&rig->counters));
    add(rig, 7, 2); /* a second next hop for one of them clears it */
    assert_false(exporter_evidence_is_dishonest(&rig->counters));
    free(rig);
}

static void there_is_an_end_to_what_is_kept(void **state)
{
    (void)state;
    struct rig *rig = rig_new();

    for (unsigned n = 0; n < 5000; n++)
        add(rig, n, 1);
    assert_int_equal(rig->evidence.used, EVIDENCE_MAX);
    assert_int_equal(prefixes(rig) + next_hops(rig), EVIDENCE_MAX);
    assert_true(exporter_evidence_is_dishonest(&rig->counters));
    free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flows_are_counted_by_prefix_and_next_hop_once),
        cmocka_unit_test(a_length_makes_a_prefix_another_one),
        cmocka_unit_test(one_next_hop_for_each_of_32_prefixes_is_not_believed),
        cmocka_unit_test(there_is_an_end_to_what_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
