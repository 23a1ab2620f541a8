/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves which UPDATEs share an interned set of path attributes, what the set says, and that it is
 * freed by the last reference and the last reader. Bytes and values are made by hand from RFC 4271.
 */
#include "bgp/attr_store.h"
#include "support/hex.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define ORIGIN  "40 01 01 02 "
#define AS_PATH "40 02 0a 02 02 0000007b 00000315 " /* 123 789 */
#define MED     "80 04 04 00000032 "
#define COMMS   "c0 08 08 0b5a0002 0b5a0001 "
#define SORTED  "c0 08 08 0b5a0001 0b5a0002 "

struct fixture {
    struct rcu *rcu;
    struct attr_text_settings settings;
    struct attr_store *store;
    struct attr_context context;
};

static int set_up(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){.rcu = rcu_new(1)};
    fixture.store = attr_store_new(fixture.rcu, &fixture.settings);
    fixture.context.is_internal = true;
    fixture.context.features.has_four_octet_as = true;
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    attr_store_free(f->store);
    rcu_free(f->rcu);
    return 0;
}

static struct path_attrs *intern(struct fixture *f, const char *digits, uint8_t next_hop)
{
    struct hex hex = hex_make(digits);
    struct attr_list list;
    struct ip_addr addr = ip_addr_v4((const uint8_t[]){10, 0, 0, next_hop});

    attr_list_parse(hex_reader(&hex), &f->context, &list);
    assert_int_equal(list.outcome, ATTR_OUTCOME_OK);
    struct path_attrs *attrs = attr_store_intern(f->store, &list, &f->context, &addr);
    hex_clear(&hex);
    return attrs;
}

static void set_says_what_was_announced(void **state)
{
    struct fixture *f = *state;
    struct path_attrs *attrs =
        intern(f,
               ORIGIN AS_PATH MED "40 05 04 000000c8" COMMS "80 09 04 0a000007"
                                  "80 0a 08 0a0000010a000002 c0 10 08 0002000100000002"
                                  "c0 20 0c 000000010000000200000003",
               9);
    char next_hop[IP_TEXT_LEN];

    ip_addr_format(&attrs->next_hop, next_hop);
    assert_string_equal(next_hop, "10.0.0.9");
    assert_int_equal(attrs->origin, 2);
    assert_true(attrs->has_med && attrs->has_local_pref && attrs->has_originator_id);
    assert_int_equal(attrs->med, 50);
    assert_int_equal(attrs->local_pref, 200);
    assert_int_equal(attrs->originator_id, 0x0a000007);
    assert_int_equal(attrs->cluster_list_len, 2);
    assert_int_equal(attrs->as_path_len, 2);
    assert_int_equal(attrs->first_as, 123);
    assert_int_equal(attrs->origin_as, 789);
    assert_string_equal(rib_text_data(attrs->as_path), "123_789");
    assert_string_equal(rib_text_data(attrs->std_comms), "2906:1_2906:2");
    assert_string_equal(rib_text_data(attrs->ext_comms), "RT:1:2");
    assert_string_equal(rib_text_data(attrs->lrg_comms), "1:2:3");
    assert_int_equal(attrs->as_path->len, 7);
    attr_store_unref(f->store, attrs);
}

static void absent_attributes_are_zero_and_empty(void **state)
{
    struct fixture *f = *state;
    struct path_attrs *attrs = intern(f, ORIGIN "40 02 00", 1);

    assert_false(attrs->has_med || attrs->has_local_pref || attrs->has_originator_id);
    assert_string_equal(rib_text_data(attrs->as_path), "");
    assert_string_equal(rib_text_data(attrs->std_comms), "");
    assert_null(attrs->as_path);
    attr_store_unref(f->store, attrs);
}

static void same_values_are_one_set(void **state)
{
    struct fixture *f = *state;
    struct path_attrs *a = intern(f, ORIGIN AS_PATH MED, 1);
    struct path_attrs *b = intern(f, MED AS_PATH ORIGIN, 1); /* another order */
    struct path_attrs *c =
        intern(f, ORIGIN AS_PATH MED "c0 fe 01 00", 1); /* one that nobody reads */

    assert_ptr_equal(a, b);
    assert_ptr_equal(a, c);
    assert_int_equal(a->ref_count, 3);
    assert_int_equal(attr_store_statistics(f->store).sets, 1);
    for (int i = 0; i < 3; i++)
        attr_store_unref(f->store, a);
    assert_int_equal(attr_store_statistics(f->store).sets, 0);
}

static void other_next_hops_are_other_sets_that_share_texts(void **state)
{
    struct fixture *f = *state;
    struct path_attrs *a = intern(f, ORIGIN AS_PATH, 1);
    struct path_attrs *b = intern(f, ORIGIN AS_PATH, 2);

    assert_ptr_not_equal(a, b);
    assert_int_not_equal(a->handle, b->handle);
    assert_int_equal(a->as_path->handle, b->as_path->handle);
    assert_ptr_equal(rib_text_data(a->as_path), rib_text_data(b->as_path));
    attr_store_unref(f->store, a);
    attr_store_unref(f->store, b);
}

static void agreement_is_about_values_not_their_wire_form(void **state)
{
    struct fixture *f = *state;
    struct path_attrs *a = intern(f, ORIGIN AS_PATH COMMS, 1);
    struct path_attrs *b = intern(f, ORIGIN AS_PATH SORTED "80 09 04 0a000007", 2);
    struct path_attrs *c = intern(f, ORIGIN AS_PATH SORTED MED, 2);
    struct path_attrs *d = intern(f, ORIGIN AS_PATH SORTED "80 04 04 00000000", 2);

    assert_true(a->agreement == b->agreement); /* next hop and originator do not count */
    assert_true(a->agreement != c->agreement);
    assert_true(a->agreement != d->agreement); /* MED 0 is not an absent one */
    attr_store_unref(f->store, a);
    attr_store_unref(f->store, b);
    attr_store_unref(f->store, c);
    attr_store_unref(f->store, d);
}

static void patterns_cut_texts_but_not_the_agreement(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(community_patterns_parse("2906:1", &f->settings.patterns[COMMUNITY_STANDARD]),
                     0);
    f->settings.as_path_radius = 1;
    struct path_attrs *a = intern(f, ORIGIN AS_PATH COMMS, 1);
    struct path_attrs *b = intern(f, ORIGIN AS_PATH "c0 08 04 0b5a0001", 1);

    assert_string_equal(rib_text_data(a->std_comms), "2906:1");
    assert_string_equal(rib_text_data(a->as_path), "123");
    assert_int_equal(a->origin_as, 789);
    assert_ptr_equal(rib_text_data(a->std_comms), rib_text_data(b->std_comms));
    assert_true(a->agreement != b->agreement);
    attr_store_unref(f->store, a);
    attr_store_unref(f->store, b);
    community_patterns_clear(&f->settings.patterns[COMMUNITY_STANDARD]);
}

static void two_octet_session_merges_as4_path(void **state)
{
    struct fixture *f = *state;

    f->context.features.has_four_octet_as = false;
    /* 7 23456 with AS4_PATH 202222 */
    struct path_attrs *a = intern(f, ORIGIN "40 02 06 02 02 0007 5ba0 c0 11 06 02 01 000315ee", 1);
    assert_string_equal(rib_text_data(a->as_path), "7_202222");
    assert_int_equal(a->origin_as, 202222);
    /* RFC 6793 section 4.2.3: an AGGREGATOR with another number than AS_TRANS */
    struct path_attrs *b = intern(f,
                                  ORIGIN "40 02 06 02 02 0007 5ba0 c0 07 06 0007 0a000001"
                                         "c0 11 06 02 01 000315ee",
                                  1);
    assert_string_equal(rib_text_data(b->as_path), "7_23456");
    struct path_attrs *c = intern(f,
                                  ORIGIN "40 02 06 02 02 0007 5ba0 c0 07 06 5ba0 0a000001"
                                         "c0 11 06 02 01 000315ee",
                                  1);
    assert_string_equal(rib_text_data(c->as_path), "7_202222");
    attr_store_unref(f->store, a);
    attr_store_unref(f->store, b);
    attr_store_unref(f->store, c);
}

static void reader_keeps_a_retired_set_alive(void **state)
{
    struct fixture *f = *state;
    struct rcu_reader *reader;

    assert_int_equal(rcu_reader_register(f->rcu, &reader), 0);
    rcu_online(reader);
    struct path_attrs *attrs = intern(f, ORIGIN AS_PATH, 1);
    uint64_t handle = attrs->handle;
    attr_store_unref(f->store, attrs);
    attr_store_poll(f->store);
    assert_string_equal(rib_text_data(attrs->as_path), "123_789"); /* AddressSanitizer watches */
    /* The same set interned again is a new one with a new handle. */
    struct path_attrs *again = intern(f, ORIGIN AS_PATH, 1);
    assert_true(again->handle > handle);
    attr_store_unref(f->store, again);
    rcu_quiescent(reader);
    rcu_offline(reader);
    attr_store_poll(f->store);
    attr_store_poll(f->store);
    assert_int_equal(attr_store_statistics(f->store).bytes, 0);
    assert_int_equal(attr_store_statistics(f->store).texts, 0);
    rcu_reader_unregister(reader);
}

static void many_sets_come_and_go(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 5000 };
    static struct path_attrs *sets[COUNT];
    char digits[128];

    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < COUNT; i++) {
            snprintf(digits, sizeof digits, ORIGIN "40 02 06 02 01 %08x", i + 1);
            sets[i] = intern(f, digits, 1);
            assert_int_equal(sets[i]->origin_as, i + 1);
        }
        assert_int_equal(attr_store_statistics(f->store).sets, COUNT);
        /* Sets are removed in another order than they were inserted. */
        for (unsigned i = 0; i < COUNT; i++)
            attr_store_unref(f->store, sets[i * 7 % COUNT]);
        assert_int_equal(attr_store_statistics(f->store).sets, 0);
        attr_store_poll(f->store);
    }
}

/* Bytes that `digits` stand for. */
static void assert_received(const struct path_attrs *attrs, bool has_four_octet_as,
                            const char *digits)
{
    struct attr_received received = attr_store_received(attrs);
    struct hex hex = hex_make(digits);
    struct reader r = hex_reader(&hex);

    assert_non_null(received.data);
    assert_int_equal(received.has_four_octet_as, has_four_octet_as);
    assert_int_equal(received.len, reader_left(&r));
    assert_memory_equal(received.data, r.pos, received.len);
    hex_clear(&hex);
}

static void attributes_are_kept_as_received_when_asked(void **state)
{
    struct fixture *f = *state;
    struct path_attrs *plain = intern(f, ORIGIN AS_PATH, 1);

    assert_null(attr_store_received(plain).data);
    attr_store_unref(f->store, plain);
    f->settings.keeps_received = true;

    /* Next hops are the set's; the order, flags and what nobody reads stay. */
    struct path_attrs *attrs = intern(
        f, MED "40 03 04 0a000009" AS_PATH ORIGIN "e0 fe 02 beef c0 07 08 00000001 01020304", 9);
    assert_received(attrs, true, MED AS_PATH ORIGIN "e0 fe 02 beef c0 07 08 00000001 01020304");
    assert_int_equal(attrs->med, 50);
    assert_string_equal(rib_text_data(attrs->as_path), "123_789");
    struct path_attrs *same =
        intern(f, MED AS_PATH ORIGIN "e0 fe 02 beef c0 07 08 00000001 01020304", 9);
    struct path_attrs *other =
        intern(f, MED AS_PATH ORIGIN "e0 fe 02 beee c0 07 08 00000001 01020304", 9);
    assert_ptr_equal(attrs, same);
    assert_ptr_not_equal(attrs, other); /* in what nobody reads */
    assert_int_equal(attrs->agreement, other->agreement);
    attr_store_unref(f->store, attrs);
    attr_store_unref(f->store, same);
    attr_store_unref(f->store, other);
    attr_store_poll(f->store);
    assert_int_equal(attr_store_statistics(f->store).bytes, 0);
}

static void discarded_attributes_are_not_kept(void **state)
{
    struct fixture *f = *state;
    struct attr_list list;
    struct ip_addr addr = ip_addr_v4((const uint8_t[]){10, 0, 0, 1});
    /* A second MED, an AGGREGATOR of a wrong size, an unknown attribute twice. */
    struct hex hex = hex_make(ORIGIN "40 02 06 02 02 007b 0315" MED "80 04 04 00000033"
                                     "c0 07 01 00 c0 fe 01 01 c0 fe 01 02");

    f->settings.keeps_received = true;
    f->context.features.has_four_octet_as = false;
    attr_list_parse(hex_reader(&hex), &f->context, &list);
    assert_int_equal(list.outcome, ATTR_OUTCOME_DISCARD);
    struct path_attrs *attrs = attr_store_intern(f->store, &list, &f->context, &addr);
    assert_received(attrs, false, ORIGIN "40 02 06 02 02 007b 0315" MED "c0 fe 01 01");
    attr_store_unref(f->store, attrs);
    hex_clear(&hex);
}

static void reader_keeps_received_attributes_alive(void **state)
{
    struct fixture *f = *state;
    struct rcu_reader *reader;

    f->settings.keeps_received = true;
    assert_int_equal(rcu_reader_register(f->rcu, &reader), 0);
    rcu_online(reader);
    struct path_attrs *attrs = intern(f, ORIGIN AS_PATH, 1);
    attr_store_unref(f->store, attrs);
    attr_store_poll(f->store);
    assert_received(attrs, true, ORIGIN AS_PATH); /* AddressSanitizer watches */
    rcu_quiescent(reader);
    rcu_offline(reader);
    attr_store_poll(f->store);
    rcu_reader_unregister(reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(set_says_what_was_announced),
        TEST(absent_attributes_are_zero_and_empty),
        TEST(same_values_are_one_set),
        TEST(other_next_hops_are_other_sets_that_share_texts),
        TEST(agreement_is_about_values_not_their_wire_form),
        TEST(patterns_cut_texts_but_not_the_agreement),
        TEST(two_octet_session_merges_as4_path),
        TEST(reader_keeps_a_retired_set_alive),
        TEST(many_sets_come_and_go),
        TEST(attributes_are_kept_as_received_when_asked),
        TEST(discarded_attributes_are_not_kept),
        TEST(reader_keeps_received_attributes_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
