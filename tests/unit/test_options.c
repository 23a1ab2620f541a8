/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that options records tell sampling rates, names of interfaces, and the exporter's address
 * and start, and for which flows each counts. */
#include <string.h>

#include "base/clock.h"
#include "support/decode_test.h"
#include "support/export_message.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct export_message m;

static int setup(void **state)
{
    rig_setup(state);
    decode_rig_start(&rig, 64);
    return 0;
}

static const struct template_field sampled[] = {{0, 48, 1}, {0, 10, 4}, {0, 1, 4}};
static const struct template_field samplers[] = {{0, 149, 4}, {0, 48, 1}, {0, 34, 4}};
static const struct template_field interfaces[] = {{0, 10, 4}, {0, 82, 65535}};

static const struct flow *feed_flow(uint32_t domain, uint8_t sampler, uint32_t in_iface)
{
    export_start(&m, 10, 1, domain, 0);
    export_template(&m, 256, sampled, COUNT(sampled));
    export_data(&m, 256);
    export_uint(&m, sampler, 1);
    export_uint(&m, in_iface, 4);
    export_uint(&m, 100, 4);
    uint32_t count = export_feed(&m, &rig);
    return decode_rig_flow(&rig, count - 1);
}

static void feed_samplers_template(uint32_t domain)
{
    export_start(&m, 10, 1, domain, 0);
    export_options_template(&m, 300, 1, samplers, COUNT(samplers));
    export_feed(&m, &rig);
}

static void feed_sampler(uint32_t domain, uint8_t sampler, uint32_t rate)
{
    feed_samplers_template(domain);
    export_start(&m, 10, 1, domain, 0);
    export_data(&m, 300);
    export_uint(&m, domain, 4);
    export_uint(&m, sampler, 1);
    export_uint(&m, rate, 4);
    export_feed(&m, &rig);
}

static void feed_interface(uint32_t in_iface, const char *name)
{
    export_start(&m, 10, 1, 1, 0);
    export_options_template(&m, 301, 1, interfaces, COUNT(interfaces));
    export_data(&m, 301);
    export_uint(&m, in_iface, 4);
    export_text(&m, name);
    export_feed(&m, &rig);
}

static uint64_t rate_assumed(void)
{
    return counter_get(&decode_rig_exporter(&rig)->counters.rate_assumed);
}

static void domain_goes_before_exporter(void **state)
{
    (void)state;
    feed_sampler(1, 5, 1000);
    feed_sampler(2, 5, 2000);
    assert_int_equal(feed_flow(1, 5, 0)->sampling_rate, 1000);
    assert_int_equal(feed_flow(2, 5, 0)->sampling_rate, 2000);
    /* Domain 3 said nothing of sampler 5 itself, so what the exporter said last counts. */
    assert_int_equal(feed_flow(3, 5, 0)->sampling_rate, 2000);
    assert_int_equal(rate_assumed(), 0);
}

static void one_rate_is_that_of_flows_without_a_sampler_too(void **state)
{
    (void)state;
    assert_int_equal(feed_flow(1, 0, 0)->sampling_rate, 0);
    feed_sampler(1, 5, 100);
    feed_sampler(1, 6, 100);
    assert_int_equal(feed_flow(1, 0, 0)->sampling_rate, 100);
    assert_int_equal(feed_flow(2, 0, 0)->sampling_rate, 100); /* another card, which says nothing */
    assert_int_equal(rate_assumed(), 2);
    feed_sampler(1, 7, 200);
    assert_int_equal(feed_flow(1, 0, 0)->sampling_rate, 0);
    assert_int_equal(feed_flow(2, 0, 0)->sampling_rate, 0);
    feed_sampler(1, 7, 100);
    assert_int_equal(feed_flow(1, 0, 0)->sampling_rate, 100);
    feed_sampler(2, 7, 50); /* its own options go before those of the exporter */
    assert_int_equal(feed_flow(2, 0, 0)->sampling_rate, 50);
    assert_int_equal(feed_flow(3, 0, 0)->sampling_rate, 0);
    assert_int_equal(rate_assumed(), 4);
}

static void a_sampler_that_nobody_describes_has_the_one_rate_after_a_while(void **state)
{
    (void)state;
    feed_sampler(1, 5, 100);
    assert_int_equal(feed_flow(1, 9, 0)->sampling_rate, 0);
    rig.now_ns += 119 * NS_PER_S;
    feed_sampler(1, 6, 100);
    assert_int_equal(feed_flow(1, 9, 0)->sampling_rate, 0);
    rig.now_ns += NS_PER_S;
    assert_int_equal(feed_flow(1, 9, 0)->sampling_rate, 100);
    assert_int_equal(rate_assumed(), 1);
}

static void ports_in_use_at_once_share_no_rates(void **state)
{
    (void)state;
    rig.source_port = 1000;
    feed_sampler(1, 5, 100);
    rig.source_port = 1001;
    assert_int_equal(feed_flow(1, 0, 0)->sampling_rate, 0);
    assert_int_equal(feed_flow(2, 0, 0)->sampling_rate, 0);
    feed_sampler(3, 5, 200);
    assert_int_equal(feed_flow(1, 0, 0)->sampling_rate, 200);
    assert_int_equal(feed_flow(1, 5, 0)->sampling_rate, 200);
    rig.source_port = 1000;
    assert_int_equal(feed_flow(1, 5, 0)->sampling_rate, 100);
}

static void interfaces_are_sampled_by_direction(void **state)
{
    static const struct template_field rates[] = {{0, 10, 4}, {0, 34, 4}};
    static const struct template_field by_direction[] = {{0, 10, 4}, {0, 61, 1}, {0, 34, 4}};
    static const struct template_field flow[] = {{0, 10, 4}, {0, 14, 4}, {0, 61, 1}, {0, 1, 4}};
    static const struct {
        uint32_t in, out, direction, rate;
    } rows[] = {
        {1, 2, 0, 100}, {1, 2, 1, 200}, {1, 2, 255, 100}, {9, 2, 255, 200},
        {9, 2, 0, 0},   {3, 3, 0, 30},  {3, 3, 1, 40},    {3, 1, 1, 100},
    };

    (void)state;
    export_start(&m, 10, 1, 1, 0);
    export_options_template(&m, 300, 1, rates, COUNT(rates));
    export_data(&m, 300);
    for (uint32_t i = 1; i <= 2; i++) {
        export_uint(&m, i, 4);
        export_uint(&m, i * 100, 4);
    }
    export_options_template(&m, 301, 2, by_direction, COUNT(by_direction));
    export_data(&m, 301);
    for (uint32_t direction = 0; direction < 2; direction++) {
        export_uint(&m, 3, 4);
        export_uint(&m, direction, 1);
        export_uint(&m, 30 + 10 * direction, 4);
    }
    export_template(&m, 256, flow, COUNT(flow));
    export_data(&m, 256);
    for (size_t i = 0; i < COUNT(rows); i++) {
        export_uint(&m, rows[i].in, 4);
        export_uint(&m, rows[i].out, 4);
        export_uint(&m, rows[i].direction, 1);
        export_uint(&m, 1, 4);
    }
    assert_int_equal(export_feed(&m, &rig), COUNT(rows));
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(decode_rig_flow(&rig, (uint32_t)i)->sampling_rate, rows[i].rate);
}

static void changed_rate_holds_at_once(void **state)
{
    (void)state;
    feed_sampler(1, 5, 1000);
    feed_sampler(1, 5, 10);
    assert_int_equal(feed_flow(1, 5, 0)->sampling_rate, 10);
}

static void unusable_sampling_options_are_counted(void **state)
{
    (void)state;
    feed_sampler(1, 5, 0);
    assert_int_equal(decode_rig_drops(&rig, DROP_bad_options), 1);
    assert_int_equal(counter_get(&decode_rig_exporter(&rig)->counters.options_records), 1);
}

static void names_change_only_after_the_batch_is_gone(void **state)
{
    (void)state;
    feed_interface(17, "ge-0/0/1");
    const struct flow *f = feed_flow(1, 0, 17);
    assert_int_equal(f->in_iface_name.len, 8);
    assert_memory_equal(f->in_iface_name.data, "ge-0/0/1", 8);
    feed_interface(17, "ge-0/0/1"); /* the same: nothing to do */
    assert_int_equal(rig.full_count, 0);
    feed_interface(17, "renamed");
    assert_int_equal(rig.full_count, 1); /* the flow that showed the old name left first */
    f = feed_flow(1, 0, 17);
    assert_memory_equal(f->in_iface_name.data, "renamed", 7);
}

static void exporter_named_in_options_stands_for_the_sender(void **state)
{
    static const struct template_field fields[] = {{0, 149, 4}, {0, 130, 4}};

    (void)state;
    export_start(&m, 10, 1, 1, 0);
    export_options_template(&m, 302, 1, fields, COUNT(fields));
    export_data(&m, 302);
    export_uint(&m, 1, 4);
    export_uint(&m, 0x0a000063, 4); /* 10.0.0.99 */
    export_feed(&m, &rig);
    char text[IP_TEXT_LEN];
    ip_addr_format(&feed_flow(1, 0, 0)->exporter_addr, text);
    assert_string_equal(text, "10.0.0.99");
    ip_addr_format(&feed_flow(2, 0, 0)->exporter_addr, text);
    assert_string_equal(text, "192.0.2.1");
}

static void ipfix_uptimes_count_from_the_start_in_options(void **state)
{
    static const struct template_field fields[] = {{0, 144, 4}, {0, 160, 8}};
    static const struct template_field timed[] = {{0, 22, 4}, {0, 21, 4}, {0, 1, 4}};

    (void)state;
    export_start(&m, 10, 1, 1, 0);
    export_options_template(&m, 303, 1, fields, COUNT(fields));
    export_data(&m, 303);
    export_uint(&m, 1, 4);
    export_uint(&m, UINT64_C(1699999000000), 8); /* started 1000 s before the export */
    export_template(&m, 256, timed, COUNT(timed));
    export_data(&m, 256);
    export_uint(&m, 900000, 4);
    export_uint(&m, 950500, 4);
    export_uint(&m, 1, 4);
    assert_int_equal(export_feed(&m, &rig), 1);
    assert_int_equal(decode_rig_flow(&rig, 0)->start_ns, INT64_C(1699999900000000000));
    assert_int_equal(decode_rig_flow(&rig, 0)->end_ns, INT64_C(1699999950500000000));
}

static void truncated_record_is_refused(void **state)
{
    (void)state;
    export_start(&m, 10, 1, 1, 0);
    export_options_template(&m, 301, 1, interfaces, COUNT(interfaces));
    export_data(&m, 301);
    export_uint(&m, 17, 4);
    export_uint(&m, 200, 1); /* bytes of name, of which none are there */
    export_feed(&m, &rig);
    assert_int_equal(decode_rig_drops(&rig, DROP_bad_record), 1);
}

static void options_beyond_the_maximum_push_out_the_oldest(void **state)
{
    (void)state;
    decode_rig_clear(&rig);
    decode_rig_init(&rig);
    rig.own.options_max = 4; /* two interfaces: each stands for its domain and for the exporter */
    decode_rig_start(&rig, 64);
    feed_interface(1, "one");
    feed_interface(2, "two");
    feed_interface(3, "three");
    assert_int_equal(feed_flow(1, 0, 1)->in_iface_name.len, 0);
    assert_int_equal(feed_flow(1, 0, 2)->in_iface_name.len, 3);
    assert_int_equal(feed_flow(1, 0, 3)->in_iface_name.len, 5);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(domain_goes_before_exporter),
        TEST(one_rate_is_that_of_flows_without_a_sampler_too),
        TEST(a_sampler_that_nobody_describes_has_the_one_rate_after_a_while),
        TEST(ports_in_use_at_once_share_no_rates),
        TEST(interfaces_are_sampled_by_direction),
        TEST(changed_rate_holds_at_once),
        TEST(unusable_sampling_options_are_counted),
        TEST(names_change_only_after_the_batch_is_gone),
        TEST(exporter_named_in_options_stands_for_the_sender),
        TEST(ipfix_uptimes_count_from_the_start_in_options),
        TEST(truncated_record_is_refused),
        TEST(options_beyond_the_maximum_push_out_the_oldest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
