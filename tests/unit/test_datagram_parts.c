/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes datagrams apart and puts some of their parts together again, byte by byte: NetFlow v5 (Cisco), v9
 * (RFC 3954 section 5), IPFIX (RFC 7011 section 3) and sFlow version 5 (sFlow.org). */
#include "base/memory.h"
#include "base/thread.h"
#include "flow/datagram_parts.h"
#include "support/decode_test.h"
#include <string.h>

static struct datagram_parts parts;
static uint8_t *bytes; /* the datagram that was taken apart last */

static void take_away(struct flow_batch *batch)
{
    parts.given_flows += batch->count;
    batch->count = 0;
}

static int start(void **state)
{
    (void)state;
    decode_rig_init(&rig);
    rig.settings.only_splits = true;
    decode_rig_start(&rig, 8);
    rig.batch.full = take_away;
    return 0;
}

static int start_sflow(void **state)
{
    (void)state;
    decode_rig_init_sflow(&rig);
    rig.settings.only_splits = true;
    decode_rig_start(&rig, 8);
    rig.batch.full = take_away;
    return 0;
}

static int end(void **state)
{
    datagram_parts_clear(&parts);
    mem_free(bytes);
    bytes = NULL;
    return rig_teardown(state);
}

static bool split_bytes(const uint8_t *data, size_t len)
{
    struct datagram d = {.data = data,
                         .len = (uint32_t)len,
                         .source = rig.source,
                         .source_port = 2055,
                         .received_ns = rig.now_ns};

    rig.batch.count = 0;
    datagram_parts_begin(&parts);
    return rig.ops->split(rig.decoder, decode_rig_exporter(&rig), &d, &parts);
}

static bool split(const char *hex)
{
    size_t len;

    mem_free(bytes);
    bytes = hex_bytes(hex, &len);
    return split_bytes(bytes, len);
}

/* Puts parts together, whose indices are the digits of a text. */
static void assert_joined(const char *digits, const char *hex)
{
    uint32_t indices[16];
    size_t count = strlen(digits), len;
    uint8_t out[1024], *expected = hex_bytes(hex, &len);

    for (size_t i = 0; i < count; i++)
        indices[i] = (uint32_t)(digits[i] - '0');
    size_t made = datagram_parts_join(&parts, bytes, indices, count, out);
    assert_int_equal(made, len);
    assert_memory_equal(out, expected, len);
    mem_free(expected);
}

/* Kinds, a letter each: Record, Unread, for All. */
static void assert_kinds(const char *kinds)
{
    assert_int_equal(parts.count, strlen(kinds));
    for (size_t i = 0; i < parts.count; i++)
        assert_int_equal(parts.parts[i].kind, kinds[i] == 'R'   ? PART_RECORD
                                              : kinds[i] == 'U' ? PART_UNREAD
                                                                : PART_FOR_ALL);
}

static uint32_t in_iface_of(size_t part)
{
    return decode_rig_flow(&rig, parts.parts[part].flow - parts.given_flows)->in_iface;
}

/* srcaddr, dstaddr, nexthop; input, output; packets, octets; first, last; ports; pad, flags, protocol,
 * tos; ASes; masks, pad */
#define V5_RECORD(in)                                                                              \
    " c0000201 c6336401 00000000 " in " 0002 00000001 00000040 00000001 00000002 0400 01bb"        \
    " 00 18 06 00 0000 0000 00 00 0000 "
#define V5_HEADER(count) "0005 " count " 00001000 65000000 00000000 00000063 0709 0000 "

static void netflow5(void **state)
{
    (void)state;
    assert_true(split(V5_HEADER("0003") V5_RECORD("0005") V5_RECORD("0006") V5_RECORD("0005")));
    assert_kinds("RRR");
    assert_int_equal(in_iface_of(1), 6);
    assert_joined("02", V5_HEADER("0002") V5_RECORD("0005") V5_RECORD("0005"));
    assert_joined("1", V5_HEADER("0001") V5_RECORD("0006"));
    /* Bytes behind the records that are counted go nowhere. */
    assert_true(split(V5_HEADER("0001") V5_RECORD("0005") "ffff"));
    assert_joined("0", V5_HEADER("0001") V5_RECORD("0005"));
    assert_false(split(V5_HEADER("0002") V5_RECORD("0005") "ffff"));
    assert_false(split(V5_HEADER("001f")));
}

/* Template 256: input interface (IE 10) in 2 bytes, octets (IE 1) in 3; 257: scope system, option
 * sampling interval. */
#define V9_HEADER(count) "0009 " count " 00001000 65000000 00000063 00000007 "
#define TEMPLATE_SET     "0000 0010 0100 0002 000a 0002 0001 0003 "
#define V9_OPTIONS_SET   "0001 0014 0101 0004 0004 0001 0004 0022 0004 0000 "

static void netflow9(void **state)
{
    (void)state;
    /* Data comes before its template: nobody can read it. */
    assert_true(split(V9_HEADER("0001") "0100 000c 0005 000001 000000"));
    assert_kinds("U");
    /* Templates, options, then two data sets, one with a byte of padding */
    assert_true(split(V9_HEADER("0006") TEMPLATE_SET V9_OPTIONS_SET
                      "0101 000c 00000001 00000064 "
                      "0100 0010 0005 000001 0006 000002 0000 "
                      "0100 000c 0005 000003 000000"));
    assert_kinds("AAARRR");
    assert_int_equal(in_iface_of(4), 6);
    assert_joined("012",
                  V9_HEADER("0003") TEMPLATE_SET V9_OPTIONS_SET "0101 000c 00000001 00000064 ");
    /* Sets are padded to 4 bytes, as no record is as short as the padding. */
    assert_joined("35",
                  V9_HEADER("0002") "0100 000c 0005 000001 000000 0100 000c 0005 000003 000000");
    assert_joined("34", V9_HEADER("0002") "0100 0010 0005 000001 0006 000002 0000");
    assert_joined("4", V9_HEADER("0001") "0100 000c 0006 000002 000000");
    /* A set that runs over the end, one shorter than its header, a cut header */
    assert_false(split(V9_HEADER("0001") "0100 0010 0005 000001"));
    assert_false(split(V9_HEADER("0001") "0100 0003 00"));
    assert_false(split("0009 0001 0000"));
}

/* Records shorter than padding would be read as records: sets of them are not padded. */
static void netflow9_of_short_records(void **state)
{
    (void)state;
    assert_true(split(V9_HEADER("0003") "0000 000c 0100 0001 000a 0002 0100 0008 0005 0006"));
    assert_kinds("ARR");
    assert_joined("1", V9_HEADER("0001") "0100 0006 0005");
}

#define IPFIX_HEADER(len) "000a " len " 65000000 00000063 00000007 "
/* Template 300: input interface, interface name (IE 82) of variable length */
#define IPFIX_TEMPLATE_SET "0002 0010 012c 0002 000a 0004 0052 ffff "

static void ipfix(void **state)
{
    (void)state;
    assert_true(split(IPFIX_HEADER("0036") IPFIX_TEMPLATE_SET
                      "012c 0016 00000005 03 616263 00000006 00 00000005 00"));
    assert_kinds("ARRR");
    assert_joined("0", IPFIX_HEADER("0020") IPFIX_TEMPLATE_SET);
    assert_joined("13", IPFIX_HEADER("0021") "012c 0011 00000005 03 616263 00000005 00");
    assert_joined("2", IPFIX_HEADER("0019") "012c 0009 00000006 00");
    /* Two messages in a datagram stay two. */
    assert_true(split(IPFIX_HEADER("0019") "012c 0009 00000006 00 " IPFIX_HEADER(
        "001e") "012c 000e 00000005 00 00000006 00"));
    assert_int_equal(parts.message_count, 2);
    assert_kinds("RRR");
    assert_joined("2", IPFIX_HEADER("0019") "012c 0009 00000006 00");
    /* Lengths that lie, of the message and of a name; bytes behind the message */
    assert_false(split(IPFIX_HEADER("001a") "012c 0009 00000006 00"));
    assert_false(split(IPFIX_HEADER("0019") "012c 0009 00000006 00 ffff"));
    assert_false(split(IPFIX_HEADER("0019") "012c 0009 00000006 09"));
    assert_false(split(IPFIX_HEADER("000f")));
}

/* A template that counts both ways (RFC 5103): octets, octets of the way back (PEN 29305) */
static void biflows_stay_whole(void **state)
{
    (void)state;
    assert_true(split(
        IPFIX_HEADER("0044") "0002 0018 012d 0003 000a 0004 0001 0004 8001 0004 00007279 "
                             "012d 001c 00000005 00000010 00000020 00000006 00000030 00000000"));
    assert_kinds("ARR");
    assert_int_equal(in_iface_of(1), 5);
    assert_int_equal(in_iface_of(2), 6);
    assert_joined("2", IPFIX_HEADER("0020") "012d 0010 00000006 00000030 00000000");
}

/* More flows than the batch holds: each part still knows its flow's number. */
static void more_than_a_batch(void **state)
{
    uint8_t datagram[24 + 30 * 48] = {0, 5, 0, 30};

    (void)state;
    for (size_t i = 0; i < 30; i++)
        datagram[24 + i * 48 + 13] = (uint8_t)i; /* input */
    assert_true(split_bytes(datagram, sizeof datagram));
    assert_int_equal(parts.count, 30);
    for (uint32_t i = 0; i < 30; i++)
        assert_int_equal(parts.parts[i].flow, i);
    assert_int_equal(parts.given_flows, 24);
    assert_int_equal(in_iface_of(29), 29);
}

#define SFLOW_HEADER(count) "00000005 00000001 0a000001 00000003 00000063 00001000 " count " "
/* A flow sample with a record sampled_ipv4: length, protocol, addresses, ports, flags, tos */
#define FLOW_SAMPLE(in)                                                                            \
    "00000001 00000048 00000001 00000007 00000400 00100000 00000000 " in " 00000009 00000001"      \
    " 00000003 00000020 00000040 00000006 c0000201 c6336401 00000400 000001bb 00000018 00000000 "
#define COUNTER_SAMPLE "00000002 0000000c 00000001 00000007 00000000 "
#define SAMPLE_OF_NOTHING                                                                          \
    "00000001 00000020 00000001 00000007 00000400 00100000 00000000 00000001 00000009 00000000 "

static void sflow(void **state)
{
    (void)state;
    assert_true(split(SFLOW_HEADER("00000004") FLOW_SAMPLE("00000005")
                          COUNTER_SAMPLE FLOW_SAMPLE("00000006") SAMPLE_OF_NOTHING));
    assert_kinds("RARU");
    assert_int_equal(in_iface_of(2), 6);
    assert_joined("2", SFLOW_HEADER("00000001") FLOW_SAMPLE("00000006"));
    assert_joined("1", SFLOW_HEADER("00000001") COUNTER_SAMPLE);
    assert_joined("03", SFLOW_HEADER("00000002") FLOW_SAMPLE("00000005") SAMPLE_OF_NOTHING);
    /* The last sample may lack its padding, which is there when others follow. */
    assert_true(
        split(SFLOW_HEADER("00000002") "00000002 0000000d 00000001 00000007 00000000 ff000000"
                                       " 00000002 0000000d 00000001 00000007 00000000 ff"));
    assert_joined("1",
                  SFLOW_HEADER("00000001") "00000002 0000000d 00000001 00000007 00000000 ff000000");
    assert_false(split(SFLOW_HEADER("00000002") COUNTER_SAMPLE));
    assert_false(split(SFLOW_HEADER("00000001") COUNTER_SAMPLE "00"));
    assert_false(split(SFLOW_HEADER("00000001") "00000002 00000010 00000000"));
    assert_false(split("00000004 00000001 0a000001 00000003 00000063 00000000"));
    assert_false(split("00000005 00000001 0a0000"));
}

/* A datagram may end anywhere. */
static void anything_may_be_cut(void **state)
{
    static const char whole[] = IPFIX_HEADER("0036") IPFIX_TEMPLATE_SET
        "012c 0016 00000005 03 616263 00000006 00 00000005 00";
    size_t len;

    (void)state;
    uint8_t *data = hex_bytes(whole, &len);
    for (size_t cut = 0; cut < len; cut++) {
        uint8_t *part = mem_alloc(cut ? cut : 1);
        memcpy(part, data, cut);
        assert_false(split_bytes(part, cut));
        mem_free(part);
    }
    mem_free(data);
}

#define NETFLOW(test) cmocka_unit_test_setup_teardown(test, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NETFLOW(netflow5),
        NETFLOW(netflow9),
        NETFLOW(netflow9_of_short_records),
        NETFLOW(ipfix),
        NETFLOW(biflows_stay_whole),
        NETFLOW(more_than_a_batch),
        cmocka_unit_test_setup_teardown(sflow, start_sflow, end),
        NETFLOW(anything_may_be_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
