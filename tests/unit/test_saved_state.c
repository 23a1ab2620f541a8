/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that a decoder, asked to save, gives only what changed since the last time, and that this is
 * always enough to know all of it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "nfacctd/netflow_decoder.h"
#include "support/decode_test.h"
#include "support/export_message.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct export_message m;

static const struct template_field narrow[] = {{0, 8, 4}, {0, 1, 4}};
static const struct template_field wide[] = {{0, 8, 4}, {0, 1, 8}};
static const struct template_field names[] = {{0, 10, 4}, {0, 82, FIELD_LEN_VARIABLE}};

enum { DOMAINS = 100, TEMPLATES_EACH = 500, NAMES_TEMPLATE = 60000 };

static void feed_template(uint32_t domain, uint16_t id, bool is_wide)
{
    export_start(&m, 10, 1, domain, 0);
    export_template(&m, id, is_wide ? wide : narrow, COUNT(narrow));
    export_feed(&m, &rig);
}

static void feed_many(uint32_t domain)
{
    for (uint16_t i = 0; i < TEMPLATES_EACH; i += 100) {
        export_start(&m, 10, 1, domain, 0);
        for (uint16_t k = i; k < i + 100; k++)
            export_template(&m, (uint16_t)(256 + k), narrow, COUNT(narrow));
        export_feed(&m, &rig);
    }
}

static void feed_name(uint32_t domain, uint32_t interface, const char *name)
{
    export_start(&m, 10, 1, domain, 0);
    export_options_template(&m, NAMES_TEMPLATE, 1, names, COUNT(names));
    export_data(&m, NAMES_TEMPLATE);
    export_uint(&m, interface, 4);
    export_text(&m, name);
    export_feed(&m, &rig);
}

static size_t pieces(void)
{
    decode_rig_save_count(&rig);
    return rig.saved_count;
}

static void one_change_among_50000_templates_costs_one_piece(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    for (uint32_t d = 1; d <= DOMAINS; d++)
        feed_many(d);
    assert_int_equal(pieces(), 1 + DOMAINS + DOMAINS * TEMPLATES_EACH);
    assert_int_equal(pieces(), 0);
    feed_template(7, 300, true);
    assert_int_equal(pieces(), 1);
    feed_template(7, 300, true); /* the same again */
    assert_int_equal(pieces(), 0);
    /* A new domain is a piece as well, and its name is kept for the exporter, too. */
    feed_name(1000, 1, "eth1");
    assert_int_equal(pieces(), 4);
    feed_name(1000, 1, "eth2");
    assert_int_equal(pieces(), 2);
}

static void times_are_saved_now_and_then(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    feed_template(1, 256, false);
    uint64_t generation = nfacctd_decoder.save_generation(rig.decoder);
    assert_int_equal(pieces(), 3);
    rig.now_ns += SAVED_SEEN_NS;
    feed_template(1, 256, false);
    assert_int_equal(pieces(), 1); /* the domain */
    rig.now_ns += SAVED_RECEIVED_NS;
    feed_template(1, 256, false);
    assert_int_equal(pieces(), 2); /* and the template */
    /* Nobody is asked to write a file for it. */
    assert_int_equal(nfacctd_decoder.save_generation(rig.decoder), generation);
}

static void more_changes_than_are_remembered_save_all(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    assert_int_equal(pieces(), 0);
    for (uint32_t i = 0; i <= SAVED_MARKS_MAX / 2; i += 100) {
        export_start(&m, 10, 1, 1, 0);
        export_options_template(&m, NAMES_TEMPLATE, 1, names, COUNT(names));
        export_data(&m, NAMES_TEMPLATE);
        for (uint32_t k = i; k < i + 100; k++) {
            export_uint(&m, k, 4);
            export_text(&m, "eth");
        }
        export_feed(&m, &rig);
    }
    assert_true(pieces() > SAVED_MARKS_MAX);
    feed_name(1, 5, "other");
    assert_int_equal(pieces(), 2);
}

/* ---- whatever happens, the sum of all changes is what stands there ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Returns the array sorted by its elements' texts; takes it. */
static json_t *sorted(json_t *array)
{
    size_t count = json_array_size(array);
    char **texts = calloc(count + 1, sizeof *texts);
    json_t *result = json_array();

    for (size_t i = 0; i < count; i++)
        texts[i] = json_dumps(json_array_get(array, i), JSON_SORT_KEYS);
    qsort(texts, count, sizeof *texts, by_text);
    for (size_t i = 0; i < count; i++) {
        json_array_append_new(result, json_string(texts[i]));
        free(texts[i]);
    }
    free(texts);
    json_decref(array);
    return result;
}

/* The order of what is saved, and the times when things came last, are left out. */
static json_t *saved_in_order(void)
{
    json_t *saved = decode_rig_save(&rig);

    for (size_t i = 0; i < json_array_size(saved); i++) {
        json_t *scope = json_array_get(saved, i), *templates = json_object_get(scope, "templates");
        json_object_del(scope, "seen_ns");
        json_object_del(scope, "clock_offset_ns");
        for (size_t k = 0; k < json_array_size(templates); k++)
            json_object_del(json_array_get(templates, k), "received_ns");
        json_object_set_new(scope, "templates", sorted(json_incref(templates)));
        json_object_set_new(scope, "options",
                            sorted(json_incref(json_object_get(scope, "options"))));
    }
    return sorted(saved);
}

static void happen(void)
{
    const uint8_t source[4] = {192, 0, 2, (uint8_t)(1 + rand() % 5)};

    rig.source = ip_addr_v4(source);
    rig.source_port = (uint16_t)(2000 + rand() % 3);
    uint32_t domain = (uint32_t)(rand() % 6);
    switch (rand() % 8) {
    case 0:
    case 1:
    case 2:
        feed_template(domain, (uint16_t)(256 + rand() % 12), rand() % 2);
        break;
    case 3:
    case 4:
        feed_name(domain, (uint32_t)(rand() % 20), rand() % 2 ? "eth" : "ge-0/0/1");
        break;
    case 5: /* its records have no bytes: refused */
        export_start(&m, 10, 1, domain, 0);
        export_template(&m, 300, (const struct template_field[]){{0, 1, 0}}, 1);
        export_feed(&m, &rig);
        break;
    case 6:
        rig.now_ns += (rand() % 4 == 0 ? 400 : 3) * NS_PER_S;
        nfacctd_decoder.tick(rig.decoder, rig.now_ns);
        break;
    default:
        if (rand() % 4 == 0)
            exporter_table_get(rig.exporters, &(struct ip_addr){0}, rig.now_ns); /* one goes */
    }
}

static void the_changes_together_are_all(void **state)
{
    (void)state;
    rig.exporters_max = 4;
    rig.own.templates_max = 40;
    rig.own.domains_max = 12;
    rig.own.options_max = 60;
    rig.own.template_lifetime_s = 3000;
    decode_rig_start(&rig, 8);
    srand(42);
    for (int round = 0; round < 300; round++) {
        for (int i = rand() % 40; i > 0; i--)
            happen();
        json_t *changed = saved_in_order();
        ((struct netflow_decoder *)rig.decoder)->marks.is_all = true;
        json_t *all = saved_in_order();
        assert_true(json_equal(changed, all));
        json_decref(all);
        json_decref(changed);
    }
}

/* ---- clocks ---- */

/* 103 s after what messages say of their export. */
#define ARRIVAL_NS (INT64_C(1700000103) * NS_PER_S)

static bool owns_all(const struct ip_addr *exporter, void *arg)
{
    (void)exporter;
    (void)arg;
    return true;
}

/* Loads a domain that was saved, and has it send a message that waited for three seconds, from a clock
 * that is 100 s behind. Returns the offset that is known then. */
static int64_t offset_after(const char *members, uint16_t version)
{
    struct netflow_decoder *decoder;
    char text[512];

    rig_teardown(NULL);
    rig_setup(NULL);
    decode_rig_start(&rig, 8);
    decoder = rig.decoder;
    rig.now_ns = ARRIVAL_NS;
    snprintf(text, sizeof text,
             "[{\"exporter\": \"192.0.2.1\", \"version\": %u, \"domain\": 1, \"port\": %u, %s}]",
             version, rig.source_port, members);
    rig.source = ip_addr_v4((const uint8_t[4]){192, 0, 2, 1});
    json_t *saved = json_loads(text, 0, NULL);
    assert_non_null(saved);
    nfacctd_decoder.load(decoder, saved, owns_all, NULL);
    json_decref(saved);
    export_start(&m, 10, 1, 1, 0);
    export_template(&m, 256, narrow, COUNT(narrow));
    export_feed(&m, &rig);
    struct domain_source *source = exporter_table_find(rig.exporters, &rig.source)->decoder_state;
    struct domain *domain = source->domains;
    while (domain->version != 10)
        domain = domain->next;
    return clock_offset_ns(&domain->clock) / NS_PER_S;
}

/* A message that waited says too much; what is no clock's is left out. */
static void the_clock_of_before_holds_for_messages_that_waited(void **state)
{
    char members[128];
    long long seen = ARRIVAL_NS - NS_PER_S;

    (void)state;
    assert_int_equal(offset_after("\"seen_ns\": 1", 10), 103);
    snprintf(members, sizeof members, "\"seen_ns\": %lld, \"clock_offset_ns\": 100000000000", seen);
    assert_int_equal(offset_after(members, 10), 100);
    assert_int_equal(offset_after(members, 5), 103); /* another domain's */
    assert_int_equal(
        offset_after("\"seen_ns\": 9223372036854775807, \"clock_offset_ns\": 100000000000", 10),
        103);
    snprintf(members, sizeof members,
             "\"seen_ns\": %lld, \"clock_offset_ns\": -9223372036854775808", seen);
    assert_int_equal(offset_after(members, 10), 103);
    snprintf(members, sizeof members, "\"seen_ns\": %lld, \"clock_offset_ns\": \"100\"", seen);
    assert_int_equal(offset_after(members, 10), 103);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_change_among_50000_templates_costs_one_piece),
        TEST(times_are_saved_now_and_then),
        TEST(more_changes_than_are_remembered_save_all),
        TEST(the_changes_together_are_all),
        TEST(the_clock_of_before_holds_for_messages_that_waited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
