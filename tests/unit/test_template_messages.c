/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Templates that collectors share: what of a datagram is sent on, and what is taken from one that
 * another collector sent. Messages are written by hand from RFC 3954 and RFC 7011. */
#include "base/memory.h"
#include "support/decode_test.h"

static int setup(void **state)
{
    rig_setup(state);
    decode_rig_start(&rig, 64);
    return 0;
}

/* version 10, length, export time 1700000000, sequence 9, domain 7 */
#define IPFIX(len) "000a " len " 6553f100 00000009 00000007 "
/* version 9, count, uptime, export time, sequence 9, source id 7 */
#define NETFLOW9(count) "0009 " count " 0036ee80 6553f100 00000009 00000007 "
/* Template 256 of elements 8 (4 bytes) and 1 (4 bytes); the id of its set is 2 in IPFIX, 0 in v9. */
#define TEMPLATE_256   "0010 0100 0002 0008 0004 0001 0004 "
#define OPTIONS_257    "0012 0101 0002 0001 0095 0004 0131 0004 " /* IPFIX: 149 is the scope */
#define V9_OPTIONS_257 "0012 0101 0004 0004 0001 0004 0022 0004 "
#define DATA_256       "0100 000c 0a000001 00000064 "

static void assert_next(const char *hex, size_t *offset, const char *expected)
{
    size_t len, expected_len;
    uint8_t *bytes = hex_bytes(hex, &len), *right = hex_bytes(expected, &expected_len);
    uint8_t *out = mem_alloc(len + 1);
    const struct datagram datagram = {.data = bytes, .len = (uint32_t)len};

    assert_int_equal(nfacctd_decoder.next_templates(&datagram, offset, out), expected_len);
    assert_memory_equal(out, right, expected_len);
    mem_free(out);
    mem_free(right);
    mem_free(bytes);
}

static void header_and_templates_are_sent_on(void **state)
{
    size_t offset = 0;

    (void)state;
    assert_next(IPFIX("003e") "0002 " TEMPLATE_256 DATA_256 "0003 " OPTIONS_257, &offset,
                IPFIX("0032") "0002 " TEMPLATE_256 "0003 " OPTIONS_257);
    assert_next(IPFIX("003e") "0002 " TEMPLATE_256 DATA_256 "0003 " OPTIONS_257, &offset, "");
    offset = 0;
    /* NetFlow v9 counts records. */
    assert_next(NETFLOW9("0003") "0000 " TEMPLATE_256 DATA_256 "0001 " V9_OPTIONS_257, &offset,
                NETFLOW9("0002") "0000 " TEMPLATE_256 "0001 " V9_OPTIONS_257);
}

static void each_message_of_a_datagram_is_one(void **state)
{
    static const char both[] = IPFIX("002c") DATA_256 "0002 " TEMPLATE_256 IPFIX("001c")
        DATA_256 IPFIX("0020") "0002 " TEMPLATE_256;
    size_t offset = 0;

    (void)state;
    assert_next(both, &offset, IPFIX("0020") "0002 " TEMPLATE_256);
    assert_next(both, &offset, IPFIX("0020") "0002 " TEMPLATE_256);
    assert_next(both, &offset, "");
}

static void nothing_else_is_sent_on(void **state)
{
    static const char *const others[] = {
        "",
        "00",
        "000a",
        "0009 0001",
        "0005 0001" /* NetFlow v5 has no templates */,
        IPFIX("001c") DATA_256,
        IPFIX("0014") "0002 0004", /* a set without a template */
        IPFIX("000f"),
        IPFIX("0030") "0002 " TEMPLATE_256, /* longer than the datagram */
        IPFIX("0020") "0002 0011 0100 0002 0008 0004 0001 0004",
        IPFIX("0014") "0002 0003",
        NETFLOW9("0000") "0000 0000",
    };

    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        size_t offset = 0;
        assert_next(others[i], &offset, "");
    }
}

static void learn(const char *hex)
{
    size_t len;
    uint8_t *bytes = hex_bytes(hex, &len);

    decode_rig_learn(&rig, bytes, len);
    mem_free(bytes);
}

static void templates_hold_for_the_exporter(void **state)
{
    const struct exporter_counters *c = &decode_rig_exporter(&rig)->counters;

    (void)state;
    assert_int_equal(decode_rig_hex(&rig, IPFIX("001c") DATA_256), 0); /* it waits */
    learn(IPFIX("0020") "0002 " TEMPLATE_256);
    assert_int_equal(rig.batch.count, 1);
    assert_int_equal(decode_rig_flow(&rig, 0)->bytes, 100);
    assert_int_equal(decode_rig_hex(&rig, IPFIX("001c") DATA_256), 2);
    assert_int_equal(counter_get(&c->templates), 1);
    assert_int_equal(counter_get(&c->shared_templates), 1);
    assert_int_equal(counter_get(&c->datagrams_read), 3);
    assert_int_equal(counter_get(&c->datagrams_decoded), 3);
    assert_int_equal(decode_rig_all_drops(&rig), 0);
}

static void data_is_dropped_and_counted(void **state)
{
    (void)state;
    learn(IPFIX("002c") "0002 " TEMPLATE_256 DATA_256);
    assert_int_equal(rig.batch.count, 0);
    assert_int_equal(decode_rig_drops(&rig, DROP_shared_data), 1);
    learn(NETFLOW9("0001") "0000 " TEMPLATE_256 DATA_256 DATA_256 "0000 0000");
    assert_int_equal(decode_rig_drops(&rig, DROP_shared_data), 3);
    assert_int_equal(decode_rig_all_drops(&rig), 3);
}

static void their_numbers_and_times_do_not_count(void **state)
{
    const struct exporter_counters *c = &decode_rig_exporter(&rig)->counters;

    (void)state;
    decode_rig_hex(&rig, IPFIX("002c") "0002 " TEMPLATE_256 DATA_256);
    uint64_t behind = counter_get(&c->clock_behind_ms), ahead = counter_get(&c->clock_ahead_ms);
    learn("000a 0020 00000001 00000fff 00000007 0002 " TEMPLATE_256);
    learn("000a 0020 7fffffff 00000000 00000007 0002 " TEMPLATE_256);
    decode_rig_hex(&rig, "000a 001c 6553f100 0000000a 00000007 " DATA_256);
    assert_int_equal(counter_get(&c->sequence_gaps), 0);
    assert_int_equal(counter_get(&c->sequence_back), 0);
    assert_int_equal(counter_get(&c->clock_behind_ms), behind);
    assert_int_equal(counter_get(&c->clock_ahead_ms), ahead);
    assert_int_equal(rig.batch.count, 2);
}

static void each_fault_has_its_reason(void **state)
{
    static const struct {
        const char *hex;
        enum drop_reason reason;
    } faults[] = {
        {"", DROP_truncated_header},
        {"0009 0001", DROP_truncated_header},
        {"000a 0010 6553f100 0000", DROP_truncated_header},
        {"0005 0001 0000", DROP_bad_version},
        {IPFIX("000f"), DROP_bad_length},
        {IPFIX("0030"), DROP_bad_length},
        {IPFIX("0014") "0002 0003", DROP_bad_set_length},
        {IPFIX("0014") "0002 0005", DROP_bad_set_length},
        {IPFIX("0014") "0004 0004", DROP_unknown_set},
        {IPFIX("0010") "000a", DROP_trailing_bytes},
        {IPFIX("0018") "0002 0008 00ff 0001", DROP_bad_template},
    };

    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        uint64_t before = decode_rig_drops(&rig, faults[i].reason),
                 all = decode_rig_all_drops(&rig);
        learn(faults[i].hex);
        assert_int_equal(decode_rig_drops(&rig, faults[i].reason), before + 1);
        assert_int_equal(decode_rig_all_drops(&rig), all + 1);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(header_and_templates_are_sent_on), TEST(each_message_of_a_datagram_is_one),
        TEST(nothing_else_is_sent_on),          TEST(templates_hold_for_the_exporter),
        TEST(data_is_dropped_and_counted),      TEST(their_numbers_and_times_do_not_count),
        TEST(each_fault_has_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
