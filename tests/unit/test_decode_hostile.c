/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that exporters which mean harm can make the decoder keep only so much, and that the work
 * they cause does not grow with what it keeps. Work is counted in instructions, so the clock has no
 * part. What is counted is little work, as each instruction is a stop of the process. */
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/writer.h"
#include "nfacctd/netflow_decoder.h"
#include "support/decode_test.h"
#include "support/export_message.h"
#include "support/step_count.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Work on a full table may take more instructions than on an empty one, but not by its size. */
#define COST_RATIO_MAX 8

static struct export_message m;
static uint8_t bytes[65507];

/*
 * Begins a message with an IPFIX header (RFC 7011 section 3.1); message_feed() fills in its length.
 */
static struct writer message_begin(uint32_t domain)
{
    struct writer w = writer_make(bytes, sizeof bytes);

    writer_u16(&w, 10);
    writer_u16(&w, 0);
    writer_u32(&w, 1700000000);
    writer_u32(&w, 1);
    writer_u32(&w, domain);
    return w;
}

static void message_feed(const struct writer *w)
{
    assert_false(w->failed);
    wire_put_u16(bytes + 2, (uint16_t)writer_len(w));
    decode_rig_bytes(&rig, bytes, writer_len(w));
}

/* Asserts that much state makes work no dearer than COST_RATIO_MAX allows. Costs are -1 where steps
 * cannot be counted; the test is skipped then. */
static void assert_cost_holds(int64_t few, int64_t many)
{
    if (few < 0 || many < 0)
        skip();
    assert_true(few > 0 && many / few < COST_RATIO_MAX);
}

static void feed_empty_message(uint32_t domain, uint16_t port)
{
    struct writer w = message_begin(domain);

    rig.source_port = port;
    message_feed(&w);
}

/* Splits domain 1 among ports 1 and 2; it has no template then. */
static void split_domain(void)
{
    feed_empty_message(1, 1);
    feed_empty_message(1, 2);
    feed_empty_message(1, 1);
}

static void feed_empty_sets(void *arg)
{
    struct writer w = message_begin(1);

    (void)arg;
    for (uint16_t i = 0; i < 10; i++) {
        writer_u16(&w, (uint16_t)(256 + i));
        writer_u16(&w, 4);
    }
    rig.source_port = 1;
    message_feed(&w);
}

static void an_exporters_many_domains_cost_its_datagrams_nothing(void **state)
{
    (void)state;
    rig.own.pending_sets_size = 0;
    decode_rig_start(&rig, 8);
    split_domain();
    int64_t few = step_count(feed_empty_sets, NULL);
    for (uint32_t domain = 2; domain < 12000; domain++)
        feed_empty_message(domain, 1);
    split_domain();
    assert_cost_holds(few, step_count(feed_empty_sets, NULL));
}

/* Each new domain pushes out the one that was not used for the longest time. */
static void feed_new_domains(void *arg)
{
    uint32_t *next = arg;

    for (int i = 0; i < 3; i++)
        feed_empty_message((*next)++, 1);
}

static void domains_that_come_and_go_cost_the_same_however_many_there_are(void **state)
{
    uint32_t next = 1;
    (void)state;
    rig.own.domains_max = 8;
    decode_rig_start(&rig, 8);
    int64_t few = step_count(feed_new_domains, &next);
    decode_rig_clear(&rig);
    rig.own.domains_max = 16384;
    decode_rig_start(&rig, 8);
    for (int i = 0; i < 16384 / 3 + 1; i++)
        feed_new_domains(&next);
    assert_cost_holds(few, step_count(feed_new_domains, &next));
}

struct redefinition {
    uint16_t first_id, count;
    uint16_t len;
    uint16_t advance; /* how far first_id goes on, so that it is always the turn of the oldest */
};

/* Feeds options templates of one field, whose length differs from last time, so that each is a new
 * template. */
static void redefine(void *arg)
{
    struct redefinition *r = arg;
    uint16_t id = r->first_id;

    r->len++;
    for (uint16_t left = r->count; left > 0;) {
        struct writer w = message_begin(1);
        uint16_t some = left < 500 ? left : 500;
        writer_u16(&w, 3);
        writer_u16(&w, (uint16_t)(4 + some * 10));
        for (uint16_t i = 0; i < some; i++) {
            writer_u16(&w, id++);
            writer_u16(&w, 1);
            writer_u16(&w, 1);
            writer_u16(&w, 149);
            writer_u16(&w, r->len);
        }
        message_feed(&w);
        left -= some;
    }
    r->first_id += r->advance;
}

static void templates_change_at_the_same_cost_however_many_there_are(void **state)
{
    struct redefinition all = {256, 50000, 1, 0}, some = {256, 4, 10, 0};
    (void)state;
    decode_rig_start(&rig, 8);
    redefine(&some);
    int64_t few = step_count(redefine, &some);
    redefine(&all);
    some.advance = some.count;
    assert_cost_holds(few, step_count(redefine, &some));
    assert_int_equal(decode_rig_all_drops(&rig), 0);
}

static void feed_wide_template(uint16_t id, uint16_t field_count)
{
    struct writer w = message_begin(1);

    writer_u16(&w, 2);
    writer_u16(&w, (uint16_t)(8 + field_count * 4));
    writer_u16(&w, id);
    writer_u16(&w, field_count);
    for (uint16_t i = 0; i < field_count; i++) {
        writer_u16(&w, 210); /* paddingOctets */
        writer_u16(&w, 1);
    }
    message_feed(&w);
}

/* The limit is 32 fields for each of 64 templates, so 2048 fields in all. */
static void templates_of_many_fields_are_fewer(void **state)
{
    (void)state;
    rig.own.templates_max = 64;
    decode_rig_start(&rig, 8);
    feed_wide_template(256, 1024);
    feed_wide_template(257, 1023);
    assert_int_equal(decode_rig_drops(&rig, DROP_too_many_templates), 0);
    feed_wide_template(258, 2);
    assert_int_equal(decode_rig_drops(&rig, DROP_too_many_templates), 1);
    export_start(&m, 10, 1, 1, 0);
    export_data(&m, 256); /* the data's template has gone */
    export_uint(&m, 0, 8);
    export_feed(&m, &rig);
    assert_int_equal(counter_get(&decode_rig_exporter(&rig)->counters.pending_sets), 1);
}

static void senders_told_apart_by_port_are_few(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    for (uint16_t port = 1; port < 1000; port++) {
        feed_empty_message(1, port);
        feed_empty_message(1, port + 1);
        feed_empty_message(1, port);
    }
    const struct domain_source *source = decode_rig_exporter(&rig)->decoder_state;
    uint32_t count = 0;
    for (const struct domain *d = source->domains; d; d = d->next)
        count++;
    assert_int_equal(count, 1 + DOMAIN_PORTS_MAX);
}

static const struct template_field interfaces[] = {{0, 10, 4}, {0, 82, FIELD_LEN_VARIABLE}};

/* Names interface 1 in an options record. */
static void feed_name(const void *name, uint16_t len)
{
    export_start(&m, 10, 1, 1, 0);
    export_options_template(&m, 300, 1, interfaces, COUNT(interfaces));
    export_data(&m, 300);
    export_uint(&m, 1, 4);
    export_uint(&m, 255, 1); /* three bytes of length: RFC 7011 section 7 */
    export_uint(&m, len, 2);
    export_bytes(&m, name, len);
    export_feed(&m, &rig);
}

static struct flow_bytes name_of_interface_1(void)
{
    static const struct template_field fields[] = {{0, 10, 4}, {0, 1, 4}};

    decode_rig_empty(&rig);
    export_start(&m, 10, 1, 1, 0);
    export_template(&m, 256, fields, COUNT(fields));
    export_data(&m, 256);
    export_uint(&m, 1, 4);
    export_uint(&m, 1, 4);
    assert_int_equal(export_feed(&m, &rig), 1);
    return decode_rig_flow(&rig, 0)->in_iface_name;
}

static void names_of_any_length_are_not_kept(void **state)
{
    char name[OPTION_TEXT_MAX + 1];
    (void)state;
    memset(name, 'x', sizeof name);
    decode_rig_start(&rig, 8);
    feed_name(name, OPTION_TEXT_MAX);
    assert_int_equal(name_of_interface_1().len, OPTION_TEXT_MAX);
    assert_int_equal(decode_rig_drops(&rig, DROP_bad_options), 0);
    feed_name("eth0", 4);
    feed_name(name, OPTION_TEXT_MAX + 1);
    assert_int_equal(name_of_interface_1().len, 4);
    assert_int_equal(decode_rig_drops(&rig, DROP_bad_options), 1);
}

/* A zero byte in a name would make the JSON of the templates file unreadable. */
static void no_name_spoils_the_templates_file(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    feed_name("a\0b", 3);
    json_t *saved = decode_rig_save(&rig);
    char *text = json_dumps(saved, 0);
    json_t *again = json_loads(text, 0, NULL);
    assert_non_null(again);
    assert_true(json_equal(saved, again));
    assert_int_equal(name_of_interface_1().len, 1);
    json_decref(again);
    json_decref(saved);
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_exporters_many_domains_cost_its_datagrams_nothing),
        TEST(domains_that_come_and_go_cost_the_same_however_many_there_are),
        TEST(templates_change_at_the_same_cost_however_many_there_are),
        TEST(templates_of_many_fields_are_fewer),
        TEST(senders_told_apart_by_port_are_few),
        TEST(names_of_any_length_are_not_kept),
        TEST(no_name_spoils_the_templates_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
