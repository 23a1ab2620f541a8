/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves what is done to flows before correlation: sampling rates, time bins, networks from masks.
 * Expected values are worked out by hand. */
#include "base/text.h"
#include "base/thread.h"
#include "flow/exporter.h"
#include "maps/maps.h"
#include "maps/sampling_map.h"
#include "pipeline/enrich.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOW    INT64_C(1700000000000000000)
#define SECOND INT64_C(1000000000)

struct rig {
    struct enrich_settings settings;
    struct maps maps;
    struct exporter exporter;
    struct flow flow;
    struct flow_batch batch;
};

static void rig_init(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    rig->batch = (struct flow_batch){
        .flows = (uint8_t *)&rig->flow, .stride = sizeof rig->flow, .count = 1, .capacity = 1};
    rig->exporter.addr = ip_addr_v4((const uint8_t[]){192, 0, 2, 1});
    rig->exporter.generation = 1;
    rig->flow.exporter = &rig->exporter;
    rig->flow.packets = 10;
    rig->flow.bytes = 1000;
    rig->flow.flows = 1;
    rig->flow.arrival_ns = NOW;
}

static void run(struct rig *rig)
{
    enrich_batch(&rig->settings, rig->maps.generation ? &rig->maps : NULL, &rig->batch);
}

static void stamps_and_bins_go_by_our_clock_if_asked_to(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.settings.needs_bins = true;
    rig.flow.start_ns = NOW - 7201 * SECOND;
    rig.flow.end_ns = 0;
    rig.flow.export_ns = NOW - 7200 * SECOND;
    rig.flow.clock_offset_ns = 7200 * SECOND;
    run(&rig);
    assert_int_equal(rig.flow.bin_ns, NOW - 7201 * SECOND);
    rig.settings.corrects_time = true;
    run(&rig);
    run(&rig); /* once */
    assert_int_equal(rig.flow.start_ns, NOW - SECOND);
    assert_int_equal(rig.flow.end_ns, 0);
    assert_int_equal(rig.flow.export_ns, NOW);
    assert_int_equal(rig.flow.bin_ns, NOW - SECOND);
}

static void times_of_another_clock_that_is_right_stay(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.settings.corrects_time = true;
    rig.flow.start_ns = NOW - 3 * SECOND;
    rig.flow.end_ns = NOW - SECOND;
    rig.flow.export_ns = 5 * SECOND; /* a header that counts from the exporter's start */
    rig.flow.clock_offset_ns = NOW - 5 * SECOND;
    run(&rig);
    assert_int_equal(rig.flow.start_ns, NOW - 3 * SECOND);
    assert_int_equal(rig.flow.end_ns, NOW - SECOND);
    assert_int_equal(rig.flow.export_ns, NOW);
}

static void counters_are_multiplied_once_and_the_rate_is_one_afterwards(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.settings.renormalize = true;
    rig.flow.sampling_rate = 100;
    run(&rig);
    run(&rig);
    assert_int_equal(rig.flow.packets, 1000);
    assert_int_equal(rig.flow.bytes, 100000);
    assert_int_equal(rig.flow.flows, 1);
    assert_int_equal(rig.flow.sampling_rate, 1);
}

static void without_renormalize_the_rate_is_only_shown(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.flow.sampling_rate = 100;
    run(&rig);
    assert_int_equal(rig.flow.bytes, 1000);
    assert_int_equal(rig.flow.sampling_rate, 100);
}

static void an_unknown_rate_is_counted_and_changes_nothing(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.settings.renormalize = true;
    run(&rig);
    assert_int_equal(rig.flow.bytes, 1000);
    assert_int_equal(counter_get(&rig.exporter.counters.rate_unknown), 1);
    assert_false(exporter_is_first_note(&rig.exporter, NOTE_rate_unknown));
    rig.settings.renormalize = false;
    run(&rig); /* nobody asks for the rate, so nobody decoded it */
    assert_int_equal(counter_get(&rig.exporter.counters.rate_unknown), 1);
    rig.settings.shows_rate = true;
    run(&rig);
    assert_int_equal(counter_get(&rig.exporter.counters.rate_unknown), 2);
}

static void a_rate_that_nothing_multiplies_by_is_said(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.settings.warns_of_rates = true;
    run(&rig);
    rig.flow.sampling_rate = 1;
    run(&rig);
    assert_int_equal(rig.exporter.notes_said, 0);
    rig.flow.sampling_rate = 2;
    run(&rig);
    assert_false(exporter_is_first_note(&rig.exporter, NOTE_rate_unused));
    assert_int_equal(rig.flow.bytes, 1000);
}

static void the_map_is_above_the_export_and_that_above_the_setting(void **state)
{
    static const char rows[] = "id=7 ip=192.0.2.1 in=3\n";
    struct sampling_map *map;
    struct text errors = {0};
    struct rig rig;

    (void)state;
    assert_int_equal(sampling_map_parse("map", rows, sizeof rows - 1, &errors, &map), 0);
    rig_init(&rig);
    rig.settings.renormalize = true;
    rig.settings.ext_sampling_rate = 2;
    rig.maps.generation = 1;
    rig.maps.sampling = map;
    rig.flow.in_iface = 3;
    rig.flow.sampling_rate = 5;
    run(&rig);
    assert_int_equal(rig.flow.packets, 70);
    rig.flow.packets = 10;
    rig.flow.in_iface = 4;
    rig.flow.sampling_rate = 5;
    run(&rig);
    assert_int_equal(rig.flow.packets, 50);
    rig.flow.packets = 10;
    rig.flow.sampling_rate = 0;
    run(&rig);
    assert_int_equal(rig.flow.packets, 20);
    sampling_map_free(map);
}

static void bins_go_by_start_unless_it_is_out_of_reason(void **state)
{
    static const struct {
        int64_t start_ns, end_ns, bin_ns;
        uint64_t bad;
    } cases[] = {
        {NOW - 60 * SECOND, NOW, NOW - 60 * SECOND, 0},
        {0, NOW, NOW, 0},                                     /* not exported */
        {NOW - 86399 * SECOND, NOW, NOW - 86399 * SECOND, 0}, /* a day less a second */
        {NOW - 86401 * SECOND, NOW, NOW, 1},                  /* a day and a second */
        {NOW + 299 * SECOND, NOW + 299 * SECOND, NOW + 299 * SECOND,
         0}, /* five minutes less a second */
        {NOW + 301 * SECOND, NOW + 301 * SECOND, NOW, 1},
        {NOW - SECOND, NOW + 301 * SECOND, NOW, 1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rig rig;
        rig_init(&rig);
        rig.settings.needs_bins = true;
        rig.flow.start_ns = cases[i].start_ns;
        rig.flow.end_ns = cases[i].end_ns;
        run(&rig);
        assert_int_equal(rig.flow.bin_ns, cases[i].bin_ns);
        assert_int_equal(counter_get(&rig.exporter.counters.bad_time), cases[i].bad);
    }
}

static void bins_go_by_arrival_when_asked_to(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.settings.needs_bins = rig.settings.bins_by_arrival = true;
    rig.flow.start_ns = NOW - 100 * SECOND;
    run(&rig);
    assert_int_equal(rig.flow.bin_ns, NOW);
}

static void networks_come_from_exported_masks(void **state)
{
    struct ip_addr expected = ip_addr_v4((const uint8_t[]){10, 1, 2, 0});
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.settings.needs_networks = true;
    rig.flow.dst_addr = ip_addr_v4((const uint8_t[]){10, 1, 2, 3});
    rig.flow.dst_mask = 24;
    run(&rig);
    assert_memory_equal(&rig.flow.dst_net, &expected, sizeof expected);
}

static void exported_as_numbers_can_be_those_of_neighbours(void **state)
{
    struct rig rig;

    (void)state;
    rig_init(&rig);
    rig.settings.as_is_peer_as = true;
    rig.flow.src_as = 65001;
    rig.flow.dst_as = 65002;
    run(&rig);
    assert_int_equal(rig.flow.peer_src_as, 65001);
    assert_int_equal(rig.flow.peer_dst_as, 65002);
    assert_int_equal(rig.flow.src_as | rig.flow.dst_as, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stamps_and_bins_go_by_our_clock_if_asked_to),
        cmocka_unit_test(times_of_another_clock_that_is_right_stay),
        cmocka_unit_test(counters_are_multiplied_once_and_the_rate_is_one_afterwards),
        cmocka_unit_test(a_rate_that_nothing_multiplies_by_is_said),
        cmocka_unit_test(without_renormalize_the_rate_is_only_shown),
        cmocka_unit_test(an_unknown_rate_is_counted_and_changes_nothing),
        cmocka_unit_test(the_map_is_above_the_export_and_that_above_the_setting),
        cmocka_unit_test(bins_go_by_start_unless_it_is_out_of_reason),
        cmocka_unit_test(bins_go_by_arrival_when_asked_to),
        cmocka_unit_test(networks_come_from_exported_masks),
        cmocka_unit_test(exported_as_numbers_can_be_those_of_neighbours),
    };

    thread_enter_role(&worker_thread); /* which the tests play */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
