/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves that NetFlow v5 datagrams become flows, with times that keep their milliseconds, and that
 * gaps and bad counts show. The record is laid out by hand from Cisco's description of the format.
 */
#include <stdio.h>

#include "base/clock.h"
#include "support/decode_test.h"

#define HEADER(count)                                                                              \
    "0005 " count        /* version, count */                                                      \
    " 0000ea60"          /* sysUptime: 60 s */                                                     \
    " 65536ac0 1dcd6500" /* 1699965632 s and 500000000 ns */                                       \
    " 00000064"          /* flow sequence 100 */                                                   \
    " 01 07"             /* engine type 1, id 7 */                                                 \
    " 4064"              /* sampling: mode 1, interval 100 */
#define RECORD                                                                                     \
    " c0000201 c6336401" /* 192.0.2.1 to 198.51.100.1 */                                           \
    " 0a000001"          /* next hop 10.0.0.1 */                                                   \
    " 0003 0009"         /* in 3, out 9 */                                                         \
    " 00000002 00000bb8" /* 2 packets, 3000 octets */                                              \
    " 0000c350 0000d6d8" /* first at 50 s, last at 55 s of uptime */                               \
    " 01bb c001"         /* ports 443, 49153 */                                                    \
    " 00 1b 06 20"       /* pad, flags 0x1b, TCP, TOS 0x20 */                                      \
    " fde8 fde9"         /* AS 65000, 65001 */                                                     \
    " 18 10 0000"        /* masks 24, 16; pad */

static void every_field_of_a_record_arrives(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    assert_int_equal(decode_rig_hex(&rig, HEADER("0001") RECORD), 1);
    const struct flow *f = decode_rig_flow(&rig, 0);
    assert_addr(&f->src_addr, "192.0.2.1");
    assert_addr(&f->dst_addr, "198.51.100.1");
    assert_addr(&f->src_net, "192.0.2.0");
    assert_addr(&f->dst_net, "198.51.0.0");
    assert_addr(&f->ip_next_hop, "10.0.0.1");
    assert_addr(&f->bgp_next_hop, "");
    assert_addr(&f->exporter_addr, "192.0.2.1");
    assert_int_equal(f->in_iface, 3);
    assert_int_equal(f->out_iface, 9);
    assert_int_equal(f->packets, 2);
    assert_int_equal(f->bytes, 3000);
    assert_int_equal(f->flows, 1);
    assert_int_equal(f->src_port, 443);
    assert_int_equal(f->dst_port, 49153);
    assert_int_equal(f->tcp_flags, 0x1b);
    assert_int_equal(f->proto, 6);
    assert_int_equal(f->tos, 0x20);
    assert_int_equal(f->src_as, 65000);
    assert_int_equal(f->dst_as, 65001);
    assert_int_equal(f->src_mask, 24);
    assert_int_equal(f->dst_mask, 16);
    assert_int_equal(f->etype, 0x0800);
    assert_int_equal(f->ip_version, 4);
    assert_int_equal(f->has_counters, 1);
    assert_int_equal(f->sampling_rate, 100);
    assert_int_equal(f->export_version, 5);
    assert_int_equal(f->export_domain, 7);
    assert_int_equal(f->export_sequence, 100);
    assert_int_equal(f->arrival_ns, rig.now_ns);
    assert_int_equal(f->order, 1 << 20);
    assert_ptr_equal(f->exporter, decode_rig_exporter(&rig));
}

static void times_keep_milliseconds(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    decode_rig_hex(&rig, HEADER("0001") RECORD);
    const struct flow *f = decode_rig_flow(&rig, 0);
    /* 500 ms into that second, less 10 s and 5 s */
    assert_int_equal(f->export_ns, INT64_C(1699965632500) * NS_PER_MS);
    assert_int_equal(f->start_ns, INT64_C(1699965622500) * NS_PER_MS);
    assert_int_equal(f->end_ns, INT64_C(1699965627500) * NS_PER_MS);
}

static void uptime_wraps_between_start_and_export(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    decode_rig_hex(&rig, "0005 0001 000003e8" /* uptime: 1 s after the wrap */
                         " 65536ac0 00000000 00000001 0000 0000"
                         " c0000201 c6336401 00000000 0001 0002 00000001 00000064"
                         " fffffc18 00000000" /* first 1 s before the wrap, last at it */
                         " 0001 0002 00 00 11 00 0000 0000 00 00 0000");
    const struct flow *f = decode_rig_flow(&rig, 0);
    assert_int_equal(f->start_ns, INT64_C(1699965630) * NS_PER_S);
    assert_int_equal(f->end_ns, INT64_C(1699965631) * NS_PER_S);
}

/* The distance to the export is cut to seconds, and not the resulting time, as in pmacct with
 * timestamps_secs. */
static void whole_seconds_are_counted_from_the_export(void **state)
{
    (void)state;
    rig.settings.has_whole_seconds = true;
    decode_rig_start(&rig, 8);
    decode_rig_hex(&rig, "0005 0001 000003e8" /* uptime: 1 s */
                         " 65536ac0 00000000 00000001 0000 0000"
                         " c0000201 c6336401 00000000 0001 0002 00000001 00000064"
                         " fffffe0c 00000190" /* first 1.5 s before the export, last 0.6 s */
                         " 0001 0002 00 00 11 00 0000 0000 00 00 0000");
    const struct flow *f = decode_rig_flow(&rig, 0);
    assert_int_equal(f->start_ns, INT64_C(1699965631) * NS_PER_S);
    assert_int_equal(f->end_ns, INT64_C(1699965632) * NS_PER_S);
}

/* Ports and flags count only where the protocol has them, as in pmacct, because routers leave
 * garbage there. */
static void ports_and_flags_are_those_of_the_protocol(void **state)
{
    static const struct {
        const char *proto;
        uint16_t src_port, dst_port, tcp_flags;
    } cases[] = {
        {"06", 1, 2, 3}, {"11", 1, 2, 0}, {"01", 0, 2, 0}, {"2f", 0, 0, 0}, {"84", 1, 2, 0}};

    (void)state;
    decode_rig_start(&rig, 8);
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char hex[256];
        snprintf(hex, sizeof hex,
                 "0005 0001 000003e8 65536ac0 00000000 00000001 0000 0000"
                 " c0000201 c6336401 00000000 0001 0002 00000001 00000064 00000000 00000000"
                 " 0001 0002 00 03 %s 00 0000 0000 00 00 0000", /* ports 1 and 2, SYN and FIN */
                 cases[i].proto);
        decode_rig_hex(&rig, hex);
        const struct flow *f = decode_rig_flow(&rig, i);
        assert_int_equal(f->src_port, cases[i].src_port);
        assert_int_equal(f->dst_port, cases[i].dst_port);
        assert_int_equal(f->tcp_flags, cases[i].tcp_flags);
    }
}

static void uptime_may_count_seconds(void **state)
{
    (void)state;
    rig.own.uptime_in_seconds = true;
    decode_rig_start(&rig, 8);
    decode_rig_hex(&rig, HEADER("0001") RECORD);
    /* 10000 s before the export */
    assert_int_equal(decode_rig_flow(&rig, 0)->start_ns, INT64_C(1699955632500) * NS_PER_MS);
}

static void next_hop_stands_for_the_bgp_one_if_told_so(void **state)
{
    (void)state;
    rig.own.use_ip_next_hop = true;
    decode_rig_start(&rig, 8);
    decode_rig_hex(&rig, HEADER("0001") RECORD);
    assert_addr(&decode_rig_flow(&rig, 0)->bgp_next_hop, "10.0.0.1");
}

static void missing_flows_show_as_a_sequence_gap(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    decode_rig_hex(&rig, HEADER("0001") RECORD);
    decode_rig_hex(&rig, "0005 0001 0000ea60 65536ac0 00000000 0000006a 0107 0000" RECORD);
    const struct exporter_counters *c = &decode_rig_exporter(&rig)->counters;
    assert_int_equal(counter_get(&c->sequence_gaps), 1);
    assert_int_equal(counter_get(&c->sequence_missing), 5); /* 101 to 105 */
    assert_int_equal(counter_get(&c->flows), 2);
    assert_int_equal(counter_get(&c->datagrams_decoded), 2);
}

static void engines_count_for_themselves(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    decode_rig_hex(&rig, HEADER("0001") RECORD);
    decode_rig_hex(&rig, "0005 0001 0000ea60 65536ac0 00000000 00000006 0207 0000" RECORD);
    decode_rig_hex(&rig, "0005 0001 0000ea60 65536ac0 00000000 00000065 0107 0000" RECORD);
    assert_int_equal(counter_get(&decode_rig_exporter(&rig)->counters.sequence_gaps), 0);
}

static void count_beyond_the_datagram_is_refused(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    assert_int_equal(decode_rig_hex(&rig, HEADER("0002") RECORD), 0);
    assert_int_equal(decode_rig_hex(&rig, HEADER("0000")), 0);
    assert_int_equal(decode_rig_hex(&rig, HEADER("001f") RECORD), 0);
    assert_int_equal(decode_rig_drops(&rig, DROP_bad_length), 3);
    assert_int_equal(decode_rig_hex(&rig, "0005 0001 0000ea60"), 0);
    assert_int_equal(decode_rig_hex(&rig, "00"), 0);
    assert_int_equal(decode_rig_drops(&rig, DROP_truncated_header), 2);
    assert_int_equal(decode_rig_hex(&rig, "0008 0001"), 0);
    assert_int_equal(decode_rig_drops(&rig, DROP_bad_version), 1);
    const struct exporter_counters *c = &decode_rig_exporter(&rig)->counters;
    assert_int_equal(counter_get(&c->datagrams_read), 6);
    assert_int_equal(counter_get(&c->datagrams_decoded), 0);
}

static void members_that_nobody_needs_stay_untouched(void **state)
{
    (void)state;
    rig.settings.needs = (struct flow_needs){0};
    flow_needs_add(&rig.settings.needs, FLOW_bytes);
    decode_rig_start(&rig, 8);
    decode_rig_hex(&rig, HEADER("0001") RECORD);
    const struct flow *f = decode_rig_flow(&rig, 0);
    assert_int_equal(f->bytes, 3000);
    assert_int_equal(f->src_port, 0xa5a5);
    assert_int_equal(f->mpls_label_top, 0xa5a5a5a5);
}

static void batches_smaller_than_a_datagram_lose_nothing(void **state)
{
    (void)state;
    decode_rig_start(&rig, 2);
    decode_rig_hex(&rig, HEADER("0005") RECORD RECORD RECORD RECORD RECORD);
    assert_int_equal(rig.full_count + rig.batch.count, 5);
    assert_int_equal(rig.full_bytes, 12000);
    assert_int_equal(decode_rig_flow(&rig, 0)->order, (1 << 20) + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_field_of_a_record_arrives, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(times_keep_milliseconds, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(uptime_wraps_between_start_and_export, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(ports_and_flags_are_those_of_the_protocol, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(whole_seconds_are_counted_from_the_export, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(uptime_may_count_seconds, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(next_hop_stands_for_the_bgp_one_if_told_so, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(missing_flows_show_as_a_sequence_gap, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(engines_count_for_themselves, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(count_beyond_the_datagram_is_refused, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(members_that_nobody_needs_stay_untouched, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(batches_smaller_than_a_datagram_lose_nothing, rig_setup,
                                        rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
