/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves, through the decoder, for whom a template counts, how many are kept, and what a restart
 * keeps of them. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "support/decode_test.h"
#include "support/export_message.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct export_message m;

static const struct template_field narrow[] = {{0, 8, 4}, {0, 1, 4}};
static const struct template_field wide[] = {{0, 1, 8}};

static void feed_template(uint16_t id, const struct template_field *fields, size_t count)
{
    export_start(&m, 10, 1, 1, 0);
    export_template(&m, id, fields, count);
    export_feed(&m, &rig);
}

/* Feeds 8 bytes of data: 10.0.0.1 and 7 octets, or 0x0a00000100000007 octets, by the template.
 * Returns the octets, or 0 if no flow came of it. */
static uint64_t feed_data(uint16_t id)
{
    decode_rig_empty(&rig);
    export_start(&m, 10, 1, 1, 0);
    export_data(&m, id);
    export_uint(&m, 0x0a000001, 4);
    export_uint(&m, 7, 4);
    return export_feed(&m, &rig) ? decode_rig_flow(&rig, 0)->bytes : 0;
}

static void least_recently_used_goes_first(void **state)
{
    (void)state;
    rig.own.templates_max = 2;
    decode_rig_start(&rig, 8);
    feed_template(256, narrow, COUNT(narrow));
    feed_template(257, narrow, COUNT(narrow));
    assert_int_equal(decode_rig_drops(&rig, DROP_too_many_templates), 0);
    assert_int_equal(feed_data(256), 7);
    feed_template(258, narrow, COUNT(narrow));
    assert_int_equal(decode_rig_drops(&rig, DROP_too_many_templates), 1);
    assert_int_equal(feed_data(256), 7);
    assert_int_equal(feed_data(258), 7);
    assert_int_equal(feed_data(257), 0);
}

static void templates_not_refreshed_expire(void **state)
{
    (void)state;
    rig.own.template_lifetime_s = 60;
    decode_rig_start(&rig, 8);
    feed_template(256, narrow, COUNT(narrow));
    rig.now_ns += 50 * NS_PER_S;
    feed_template(257, narrow, COUNT(narrow));
    rig.now_ns += 20 * NS_PER_S;
    nfacctd_decoder.tick(rig.decoder, rig.now_ns);
    assert_int_equal(feed_data(256), 0);
    assert_int_equal(feed_data(257), 7);
}

static void too_many_fields_are_refused(void **state)
{
    (void)state;
    rig.own.template_fields_max = 1;
    decode_rig_start(&rig, 8);
    feed_template(256, narrow, COUNT(narrow));
    assert_int_equal(decode_rig_drops(&rig, DROP_bad_template), 1);
    feed_template(256, wide, COUNT(wide));
    assert_int_equal(decode_rig_drops(&rig, DROP_bad_template), 1);
}

static void ids_below_256_are_refused(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    feed_template(255, narrow, COUNT(narrow));
    assert_int_equal(decode_rig_drops(&rig, DROP_bad_template), 1);
}

static void a_new_port_takes_over(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    rig.source_port = 1000;
    feed_template(256, narrow, COUNT(narrow));
    rig.source_port = 1001; /* the exporter's process was started again */
    assert_int_equal(feed_data(256), 7);
}

static void two_ports_at_once_are_two_exporters(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    rig.source_port = 1000;
    feed_template(256, narrow, COUNT(narrow));
    rig.source_port = 1001;
    feed_template(256, wide, COUNT(wide));
    rig.source_port = 1000; /* back: so there are two */
    feed_template(256, narrow, COUNT(narrow));
    for (int i = 0; i < 3; i++) {
        rig.source_port = 1001;
        assert_int_equal(feed_data(256), UINT64_C(0x0a00000100000007));
        rig.source_port = 1000;
        assert_int_equal(feed_data(256), 7);
    }
}

static void one_port_for_templates_and_one_for_data_work_together(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    for (int i = 0; i < 3; i++) {
        rig.source_port = 1000;
        feed_template(256, narrow, COUNT(narrow));
        rig.source_port = 1001;
        assert_int_equal(feed_data(256), 7);
    }
}

static void a_port_that_sends_options_is_lent_templates(void **state)
{
    static const struct template_field samplers[] = {{0, 149, 4}, {0, 48, 1}, {0, 34, 4}};

    (void)state;
    decode_rig_start(&rig, 8);
    rig.source_port = 1000;
    feed_template(256, narrow, COUNT(narrow));
    rig.source_port = 1001;
    for (int i = 0; i < 3; i++) {
        export_start(&m, 10, 1, 1, 0);
        export_options_template(&m, 300, 1, samplers, COUNT(samplers));
        export_feed(&m, &rig);
        assert_int_equal(feed_data(256), 7);
    }
}

static void a_template_that_comes_late_is_lent_to_data_that_waits(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    rig.source_port = 1001;
    assert_int_equal(feed_data(256), 0);
    rig.source_port = 1000;
    feed_template(256, narrow, COUNT(narrow));
    assert_int_equal(counter_get(&decode_rig_exporter(&rig)->counters.pending_released), 1);
}

static void a_forged_template_does_not_change_what_the_exporter_announced(void **state)
{
    static const struct template_field swapped[] = {{0, 1, 4}, {0, 8, 4}};

    (void)state;
    decode_rig_start(&rig, 8);
    rig.source_port = 1000;
    feed_template(256, narrow, COUNT(narrow));
    for (uint16_t port = 6666; port < 6690; port++) { /* more than are told apart */
        rig.source_port = port;
        feed_template(256, swapped, COUNT(swapped));
        feed_template(257, swapped, COUNT(swapped));
    }
    rig.source_port = 1000;
    assert_int_equal(feed_data(256), 7);
    assert_int_equal(feed_data(257), 0); /* the exporter has announced no such template */
}

static void a_silent_port_gives_its_templates_to_the_one_that_followed(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    rig.source_port = 1000;
    feed_template(256, narrow, COUNT(narrow));
    feed_template(257, narrow, COUNT(narrow));
    rig.now_ns += NS_PER_S;
    rig.source_port = 1001; /* started again: not all is announced again yet */
    feed_template(256, wide, COUNT(wide));
    assert_int_equal(feed_data(257), 0);
    for (int i = 0; i < 31; i++) {
        rig.now_ns += 10 * NS_PER_S;
        feed_data(256);
        nfacctd_decoder.tick(rig.decoder, rig.now_ns);
    }
    assert_int_equal(feed_data(257), 7);
    assert_int_equal(feed_data(256), UINT64_C(0x0a00000100000007));
    rig.source_port = 1000; /* it is somebody else's now, who announces other things */
    feed_template(257, wide, COUNT(wide));
    assert_int_equal(feed_data(257), UINT64_C(0x0a00000100000007));
}

static void a_port_after_a_long_silence_goes_on_where_the_other_ended(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    rig.source_port = 1000;
    feed_template(256, narrow, COUNT(narrow));
    feed_template(257, narrow, COUNT(narrow));
    rig.now_ns += 301 * NS_PER_S;
    rig.source_port = 1001;
    feed_template(256, wide, COUNT(wide));
    assert_int_equal(feed_data(257), 7);
    assert_int_equal(feed_data(256), UINT64_C(0x0a00000100000007));
}

static void templates_are_lent_however_long_their_port_is_silent(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    rig.source_port = 1000;
    feed_template(256, narrow, COUNT(narrow));
    rig.source_port = 1001;
    for (int i = 0; i < 200; i++) {
        rig.now_ns += 10 * NS_PER_S;
        nfacctd_decoder.tick(rig.decoder, rig.now_ns);
        assert_int_equal(feed_data(256), 7);
    }
    rig.source_port = 1000; /* a refresh after half an hour, and the template is another one */
    feed_template(256, wide, COUNT(wide));
    rig.source_port = 1001;
    assert_int_equal(feed_data(256), UINT64_C(0x0a00000100000007));
}

static void domains_beyond_the_maximum_push_out_the_oldest(void **state)
{
    (void)state;
    rig.own.domains_max = 2;
    decode_rig_start(&rig, 8);
    feed_template(256, narrow, COUNT(narrow)); /* domain 1 */
    for (uint32_t domain = 2; domain <= 3; domain++) {
        export_start(&m, 10, 1, domain, 0);
        export_feed(&m, &rig);
    }
    assert_int_equal(decode_rig_drops(&rig, DROP_too_many_domains), 1);
    assert_int_equal(feed_data(256), 0);
}

static void exporters_do_not_share(void **state)
{
    static const uint8_t other[4] = {192, 0, 2, 2};

    (void)state;
    decode_rig_start(&rig, 8);
    feed_template(256, narrow, COUNT(narrow));
    rig.source = ip_addr_v4(other);
    assert_int_equal(feed_data(256), 0);
}

static void forgotten_exporters_leave_nothing(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    feed_template(256, narrow, COUNT(narrow));
    feed_data(300); /* pending */
    nfacctd_decoder.forget(rig.decoder, decode_rig_exporter(&rig));
    assert_null(decode_rig_exporter(&rig)->decoder_state);
    assert_int_equal(counter_get(&decode_rig_exporter(&rig)->counters.pending_sets), 0);
    assert_int_equal(decode_rig_drops(&rig, DROP_no_template), 1);
    assert_int_equal(feed_data(256), 0);
}

/* ---- a restart ---- */

static bool owns_all(const struct ip_addr *exporter, void *arg)
{
    (void)exporter;
    (void)arg;
    return true;
}

static bool owns_none(const struct ip_addr *exporter, void *arg)
{
    (void)exporter;
    (void)arg;
    return false;
}

static const struct template_field names[] = {{0, 10, 4}, {0, 82, 65535}};
static const struct template_field named[] = {{0, 10, 4}, {0, 48, 1}, {0, 1, 4}};

static void learn(void)
{
    static const struct template_field samplers[] = {{0, 149, 4}, {0, 48, 1}, {0, 34, 4}};

    export_start(&m, 10, 1, 1, 0);
    export_options_template(&m, 300, 1, names, COUNT(names));
    export_data(&m, 300);
    export_uint(&m, 17, 4);
    export_text(&m, "ge\xff\x80-\xc3\xa9"); /* bytes that are no UTF-8 among such as are */
    export_options_template(&m, 301, 1, samplers, COUNT(samplers));
    export_data(&m, 301);
    export_uint(&m, 1, 4);
    export_uint(&m, 3, 1);
    export_uint(&m, 512, 4);
    export_template(&m, 256, named, COUNT(named));
    export_feed(&m, &rig);
}

static const struct flow *feed_named(void)
{
    export_start(&m, 10, 1, 1, 0);
    export_data(&m, 256);
    export_uint(&m, 17, 4);
    export_uint(&m, 3, 1);
    export_uint(&m, 99, 4);
    return export_feed(&m, &rig) ? decode_rig_flow(&rig, 0) : NULL;
}

static void restart_keeps_templates_and_options(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    uint64_t generation = nfacctd_decoder.save_generation(rig.decoder);
    learn();
    assert_true(nfacctd_decoder.save_generation(rig.decoder) > generation);
    generation = nfacctd_decoder.save_generation(rig.decoder);
    learn();
    assert_int_equal(nfacctd_decoder.save_generation(rig.decoder), generation);
    json_t *saved = decode_rig_save(&rig);
    char *text = json_dumps(saved, 0);
    json_decref(saved);
    decode_rig_clear(&rig);
    decode_rig_init(&rig);
    decode_rig_start(&rig, 8);
    saved = json_loads(text, 0, NULL);
    assert_int_equal(nfacctd_decoder.load(rig.decoder, saved, owns_none, NULL), 0);
    assert_null(feed_named());
    assert_int_equal(nfacctd_decoder.load(rig.decoder, saved, owns_all, NULL), 3);
    const struct flow *f = feed_named();
    assert_non_null(f);
    assert_int_equal(f->bytes, 99);
    assert_int_equal(f->sampling_rate, 512);
    assert_int_equal(f->in_iface_name.len, 7);
    assert_memory_equal(f->in_iface_name.data, "ge\xff\x80-\xc3\xa9", 7);
    json_t *again = decode_rig_save(&rig);
    assert_true(json_equal(saved, again));
    json_decref(again);
    json_decref(saved);
    free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(least_recently_used_goes_first),
        TEST(templates_not_refreshed_expire),
        TEST(too_many_fields_are_refused),
        TEST(ids_below_256_are_refused),
        TEST(a_new_port_takes_over),
        TEST(two_ports_at_once_are_two_exporters),
        TEST(one_port_for_templates_and_one_for_data_work_together),
        TEST(a_port_that_sends_options_is_lent_templates),
        TEST(a_template_that_comes_late_is_lent_to_data_that_waits),
        TEST(a_forged_template_does_not_change_what_the_exporter_announced),
        TEST(a_silent_port_gives_its_templates_to_the_one_that_followed),
        TEST(a_port_after_a_long_silence_goes_on_where_the_other_ended),
        TEST(templates_are_lent_however_long_their_port_is_silent),
        TEST(domains_beyond_the_maximum_push_out_the_oldest),
        TEST(exporters_do_not_share),
        TEST(forgotten_exporters_leave_nothing),
        TEST(restart_keeps_templates_and_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
