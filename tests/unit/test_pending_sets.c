/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that data sets which come before their template are kept, decoded once it is there, and
 * dropped in time and in good order. */
#include "base/clock.h"
#include "support/decode_test.h"
#include "support/export_message.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct export_message m;

static const struct template_field fields[] = {{0, 22, 4}, {0, 1, 4}};

static uint32_t feed_data(uint32_t uptime_ms, uint32_t started_ms, uint32_t octets)
{
    export_start(&m, 9, 1, 1, uptime_ms);
    export_data(&m, 256);
    export_uint(&m, started_ms, 4);
    export_uint(&m, octets, 4);
    return export_feed(&m, &rig);
}

static uint32_t feed_template(uint32_t uptime_ms)
{
    export_start(&m, 9, 1, 1, uptime_ms);
    export_template(&m, 256, fields, COUNT(fields));
    return export_feed(&m, &rig);
}

static const struct exporter_counters *counters(void)
{
    return &decode_rig_exporter(&rig)->counters;
}

static void sets_are_decoded_in_order_by_their_own_headers(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    feed_data(100000, 90000, 1);
    feed_data(200000, 150000, 2);
    assert_int_equal(counter_get(&counters()->pending_sets), 2);
    assert_int_equal(feed_template(300000), 2);
    assert_int_equal(decode_rig_flow(&rig, 0)->bytes, 1);
    assert_int_equal(decode_rig_flow(&rig, 0)->start_ns, INT64_C(1699999990) * NS_PER_S);
    assert_int_equal(decode_rig_flow(&rig, 1)->bytes, 2);
    assert_int_equal(decode_rig_flow(&rig, 1)->start_ns, INT64_C(1699999950) * NS_PER_S);
    assert_int_equal(decode_rig_flow(&rig, 1)->order, (3 << 20) + 1);
    assert_int_equal(counter_get(&counters()->pending_released), 2);
    assert_int_equal(counter_get(&counters()->pending_sets), 0);
}

static void too_old_ones_are_dropped(void **state)
{
    (void)state;
    rig.own.pending_sets_age_s = 60;
    decode_rig_start(&rig, 8);
    feed_data(100000, 90000, 1);
    rig.now_ns += 59 * NS_PER_S;
    nfacctd_decoder.tick(rig.decoder, rig.now_ns);
    assert_int_equal(decode_rig_drops(&rig, DROP_no_template), 0);
    rig.now_ns += 2 * NS_PER_S;
    nfacctd_decoder.tick(rig.decoder, rig.now_ns);
    assert_int_equal(decode_rig_drops(&rig, DROP_no_template), 1);
    assert_int_equal(counter_get(&counters()->pending_sets), 0);
    assert_int_equal(feed_template(160000), 0);
}

static void oldest_go_when_full(void **state)
{
    (void)state;
    rig.own.pending_sets_size = 500; /* of about 120 each */
    decode_rig_start(&rig, 64);
    for (uint32_t i = 1; i <= 20; i++)
        feed_data(100000, 90000, i);
    uint64_t kept = counter_get(&counters()->pending_sets);
    assert_in_range(kept, 2, 5);
    assert_int_equal(decode_rig_drops(&rig, DROP_pending_full), 20 - kept);
    assert_int_equal(feed_template(100000), kept);
    assert_int_equal(decode_rig_flow(&rig, (uint32_t)kept - 1)->bytes, 20);
}

static void none_are_kept_without_room(void **state)
{
    (void)state;
    rig.own.pending_sets_size = 0;
    decode_rig_start(&rig, 8);
    feed_data(100000, 90000, 1);
    assert_int_equal(decode_rig_drops(&rig, DROP_no_template), 1);
    assert_int_equal(feed_template(100000), 0);
}

static void restart_of_the_exporter_drops_them(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    feed_data(900000, 890000, 1);
    assert_int_equal(feed_template(5000), 0); /* its uptime began anew */
    assert_int_equal(decode_rig_drops(&rig, DROP_exporter_restarted), 1);
}

static void late_message_is_no_restart(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    feed_data(900000, 890000, 1);
    assert_int_equal(feed_template(895000), 1);
    assert_int_equal(decode_rig_drops(&rig, DROP_exporter_restarted), 0);
}

static void wrapping_uptime_is_no_restart(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    feed_data(0xfffffff0, 0xffff0000, 1);
    assert_int_equal(feed_template(30000), 1);
    assert_int_equal(decode_rig_drops(&rig, DROP_exporter_restarted), 0);
}

static void what_does_not_fit_the_template_is_dropped(void **state)
{
    static const struct template_field longer[] = {{0, 22, 4}, {0, 1, 8}};

    (void)state;
    decode_rig_start(&rig, 8);
    feed_data(100000, 90000, 1);
    export_start(&m, 9, 1, 1, 100000);
    export_template(&m, 256, longer, COUNT(longer));
    assert_int_equal(export_feed(&m, &rig), 0);
    assert_int_equal(decode_rig_drops(&rig, DROP_pending_mismatch), 1);
    assert_int_equal(counter_get(&counters()->pending_released), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(sets_are_decoded_in_order_by_their_own_headers),
        TEST(too_old_ones_are_dropped),
        TEST(oldest_go_when_full),
        TEST(none_are_kept_without_room),
        TEST(restart_of_the_exporter_drops_them),
        TEST(late_message_is_no_restart),
        TEST(wrapping_uptime_is_no_restart),
        TEST(what_does_not_fit_the_template_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
