/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that sFlow version 5 becomes flows, and that each lie about a length or a count is
 * counted. Datagrams are written by hand from sFlow.org's sflow_version_5.txt. */
#include <stdio.h>
#include <string.h>

#include "support/decode_test.h"

#define DATAGRAM(sequence, count)                                                                  \
    "00000005"                          /* version */                                              \
    " 00000001 0a000001"                /* agent 10.0.0.1 */                                       \
    " 00000003"                         /* sub-agent */                                            \
    " " sequence " 0000ea60 " count " " /* sequence, uptime, samples */
#define SAMPLE(len, records)                                                                       \
    "00000001 " len " 00000064"       /* flow sample; its number 100 */                            \
    " 00000007"                       /* source 0:7 */                                             \
    " 00000400 00100000 00000002"     /* 1 in 1024, pool, drops */                                 \
    " 00000007 00000009 " records " " /* in 7, out 9; records */
#define ETHERNET_HEADER                                                                            \
    "00000001 00000050"                                /* sampled_header, 80 bytes */              \
    " 00000001 000005ee 00000004"                      /* Ethernet, frame of 1518, 4 stripped */   \
    " 0000003e"                                        /* 62 bytes: */                             \
    " 66778899aabb 001122334455 8100 a064 0800"        /* priority 5, VLAN 100 */                  \
    " 45b8 05d8 0001 0000 3f06 0000 c0000201 c6336401" /* DSCP EF; 192.0.2.1 > 198.51.100.1 */     \
    " 01bb c001 00000001 00000001 5018 ffff 0000 0000 00000000" /* 443 > 49153, PSH ACK */         \
    " 0000"                                                     /* padding */

static void assert_text(const struct flow_bytes *bytes, const char *expected)
{
    assert_int_equal(bytes->len, strlen(expected));
    assert_memory_equal(bytes->data, expected, bytes->len);
}

static const struct exporter_counters *counters_of(const char *exporter)
{
    struct ip_addr addr;

    assert_int_equal(ip_addr_parse(exporter, &addr), 0);
    const struct exporter *found = exporter_table_find(rig.exporters, &addr);
    assert_non_null(found);
    return &found->counters;
}

static uint64_t drops_of(const char *exporter, enum drop_reason reason)
{
    return counter_get(&counters_of(exporter)->drops[reason]);
}

static void every_field_of_a_sampled_frame_arrives(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    assert_int_equal(decode_rig_hex(&rig, DATAGRAM("00000010", "00000001")
                                              SAMPLE("00000078", "00000001") ETHERNET_HEADER),
                     1);
    const struct flow *f = decode_rig_flow(&rig, 0);
    assert_addr(&f->exporter_addr, "10.0.0.1");
    assert_addr(&f->src_addr, "192.0.2.1");
    assert_addr(&f->dst_addr, "198.51.100.1");
    assert_int_equal(f->bytes, 1518);
    assert_int_equal(f->packets, 1);
    assert_int_equal(f->flows, 1);
    assert_int_equal(f->has_counters, 1);
    assert_int_equal(f->sampling_rate, 1024);
    assert_int_equal(f->in_iface, 7);
    assert_int_equal(f->out_iface, 9);
    assert_int_equal(f->direction, DIRECTION_INGRESS);
    assert_int_equal(f->src_port, 443);
    assert_int_equal(f->dst_port, 49153);
    assert_int_equal(f->tcp_flags, 0x18);
    assert_int_equal(f->proto, 6);
    assert_int_equal(f->tos, 0xb8);
    assert_int_equal(f->ip_version, 4);
    assert_int_equal(f->etype, 0x0800);
    assert_int_equal(f->vlan, 100);
    assert_int_equal(f->cos, 5);
    assert_memory_equal(f->src_mac.bytes, "\x00\x11\x22\x33\x44\x55", 6);
    assert_memory_equal(f->dst_mac.bytes, "\x66\x77\x88\x99\xaa\xbb", 6);
    assert_int_equal(f->export_version, 5);
    assert_int_equal(f->export_domain, 3);
    assert_int_equal(f->export_sequence, 16);
    assert_int_equal(f->start_ns, 0);
    assert_int_equal(f->arrival_ns, rig.now_ns);
    assert_int_equal(f->order, 1 << 20);
    assert_int_equal(counter_get(&counters_of("10.0.0.1")->datagrams_decoded), 1);
    assert_int_equal(counter_get(&counters_of("10.0.0.1")->flows), 1);
}

static void expanded_samples_hold_wide_indices(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    decode_rig_hex(
        &rig,
        DATAGRAM("00000010",
                 "00000001") "00000003 00000084"           /* expanded, 132 */
                             " 00000064 00000000 41000009" /* source class 0, index 0x41000009 */
                             " 00000100 00100000 00000000"
                             " 00000000 41000001 00000000 41000009 00000001" ETHERNET_HEADER);
    const struct flow *f = decode_rig_flow(&rig, 0);
    assert_int_equal(f->in_iface, 0x41000001);
    assert_int_equal(f->out_iface, 0x41000009);
    assert_int_equal(f->direction, DIRECTION_EGRESS);
    assert_int_equal(f->sampling_rate, 256);
    assert_int_equal(f->bytes, 1518);
}

/* A count of interfaces or a reason for a discard in the output word is no interface. */
static void codes_in_the_output_word_are_not_interfaces(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    decode_rig_hex(
        &rig,
        DATAGRAM(
            "00000010",
            "00000002") "00000001 00000078 00000064 00000007 00000400 00100000 00000000"
                        " 00000007 80000003 00000001" ETHERNET_HEADER /* to three interfaces */
                        " 00000001 00000078 00000065 00000007 00000400 00100400 00000000"
                        " 00000007 40000102 00000001" ETHERNET_HEADER); /* discarded by an ACL */
    assert_int_equal(decode_rig_flow(&rig, 0)->out_iface, 0);
    assert_int_equal(decode_rig_flow(&rig, 0)->forwarding_status, 0);
    assert_int_equal(decode_rig_flow(&rig, 1)->out_iface, 0);
    assert_int_equal(decode_rig_flow(&rig, 1)->forwarding_status, 130);
}

static void gateway_tells_path_and_next_hop(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    decode_rig_hex(
        &rig,
        DATAGRAM("00000010", "00000001")
            SAMPLE("000000e8",
                   "00000003") "000003ea 00000010 00000001 0a0000fe 00000018 00000010" /* router */
                               " 000003eb 00000050 00000001 0a0000aa"                  /* gateway */
                               " 0000fde8 0000fde9 0000fdea" /* own, source, source peer */
                               " 00000002 00000002 00000003 00000315 0000028e 0000007b"
                               " 00000001 00000002 00000002 00000003" /* sequence, then a set */
                               " 00000003 fde80001 fde8ffff 00000001" /* communities */
                               " 00000096 "                           /* local preference 150 */
        ETHERNET_HEADER);
    const struct flow *f = decode_rig_flow(&rig, 0);
    assert_addr(&f->bgp_next_hop, "10.0.0.170");
    assert_addr(&f->ip_next_hop, "10.0.0.254");
    assert_int_equal(f->src_mask, 24);
    assert_int_equal(f->dst_mask, 16);
    assert_int_equal(f->src_as, 65001);
    assert_int_equal(f->peer_src_as, 65002);
    assert_int_equal(f->peer_dst_as, 789);
    assert_int_equal(f->dst_as, 3);
    assert_int_equal(f->local_pref, 150);
    assert_text(&f->as_path, "789_654_123_{2,3}");
    assert_text(&f->std_comms, "65000:1_65000:65535_0:1");
}

static void next_hop_of_the_router_record_stands_in_if_told_so(void **state)
{
#define ROUTER                                                                                     \
    DATAGRAM("00000010", "00000001")                                                               \
    SAMPLE("00000090", "00000002")                                                                 \
    "000003ea 00000010 00000001 0a0000fe 00000018 00000010 " ETHERNET_HEADER
    (void)state;
    decode_rig_start(&rig, 8);
    decode_rig_hex(&rig, ROUTER);
    rig.sflow.use_ip_next_hop = true;
    decode_rig_hex(&rig, ROUTER);
    assert_addr(&decode_rig_flow(&rig, 0)->bgp_next_hop, "");
    assert_addr(&decode_rig_flow(&rig, 1)->bgp_next_hop, "10.0.0.254");
}

static void agent_is_the_exporter_unless_told_otherwise(void **state)
{
    (void)state;
    rig.sflow.ignore_exporter_address = true;
    decode_rig_start(&rig, 8);
    decode_rig_hex(&rig,
                   DATAGRAM("00000010", "00000001") SAMPLE("00000078", "00000001") ETHERNET_HEADER);
    assert_addr(&decode_rig_flow(&rig, 0)->exporter_addr, "192.0.2.1");
    assert_int_equal(counter_get(&counters_of("192.0.2.1")->flows), 1);
}

static void unknown_records_and_samples_cost_only_themselves(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    decode_rig_hex(
        &rig,
        DATAGRAM("00000010",
                 "00000003") "00001001 00000004 12345678" /* enterprise 1 format 1 */
                             " 00000001 0000008c 00000064 00000007 00000400 00100000 00000000"
                             " 00000007 00000009 00000002"
                             " 00ffffff 00000009 11223344 55667788 99000000" /* 9 bytes, padded */
        ETHERNET_HEADER " 00000002 0000000c 00000001 00000007 00000000");    /* counters */
    assert_int_equal(rig.batch.count, 1);
    assert_int_equal(drops_of("10.0.0.1", DROP_unknown_sample), 1);
    assert_int_equal(counter_get(&counters_of("10.0.0.1")->unknown_records), 1);
    assert_int_equal(counter_get(&counters_of("10.0.0.1")->counter_samples), 1);
}

static void lies_about_lengths_and_counts_are_counted(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    /* The header's length goes beyond its record, so the sample is left without a packet. */
    decode_rig_hex(
        &rig, DATAGRAM("00000010", "00000001") SAMPLE(
                  "00000038", "00000001") "00000001 00000010 00000001 000005ee 00000004 0000ffff");
    assert_int_equal(drops_of("10.0.0.1", DROP_bad_flow_record), 1);
    /* The first gateway has 2^32 - 1 segments, the second a segment of 2^30 + 1 numbers. */
    decode_rig_hex(&rig, DATAGRAM("00000011", "00000001") SAMPLE(
                             "00000098", "00000002") "000003eb 00000018 00000001 0a0000aa 0000fde8 "
                                                     "0000fde9 0000fdea ffffffff" ETHERNET_HEADER);
    decode_rig_hex(
        &rig,
        DATAGRAM("00000012", "00000001") SAMPLE(
            "000000a4",
            "00000002") "000003eb 00000024 00000001 0a0000aa 0000fde8 0000fde9 0000fdea 00000001"
                        " 00000002 40000001 00000001" ETHERNET_HEADER);
    assert_int_equal(drops_of("10.0.0.1", DROP_bad_flow_record), 3);
    assert_int_equal(rig.batch.count, 2); /* their packets are good */
    /* The counts say more records than there are, then more samples, then fewer. */
    decode_rig_hex(&rig,
                   DATAGRAM("00000013", "00000001") SAMPLE("00000078", "00000005") ETHERNET_HEADER);
    assert_int_equal(drops_of("10.0.0.1", DROP_bad_sample), 1);
    decode_rig_hex(&rig,
                   DATAGRAM("00000014", "00000007") SAMPLE("00000078", "00000001") ETHERNET_HEADER);
    assert_int_equal(drops_of("10.0.0.1", DROP_bad_sample_length), 1);
    decode_rig_hex(&rig,
                   DATAGRAM("00000015", "00000000") SAMPLE("00000078", "00000001") ETHERNET_HEADER);
    assert_int_equal(drops_of("10.0.0.1", DROP_bad_sample_count), 1);
    assert_int_equal(rig.batch.count, 4);
    /*
     * The datagram ends within its header, before its agent is taken, so the drop is the sender's.
     */
    decode_rig_hex(&rig, "00000005 00000001 0a000001 00000003");
    assert_int_equal(drops_of("192.0.2.1", DROP_truncated_header), 1);
    decode_rig_hex(&rig, "00000005 00000009 0a000001 00000003 00000001 00000001 00000000");
    assert_int_equal(drops_of("192.0.2.1", DROP_truncated_header), 2);
    decode_rig_hex(&rig, "00000006 00000001 0a000001");
    assert_int_equal(drops_of("192.0.2.1", DROP_bad_version), 1);
}

static void gaps_are_told_by_sub_agent_and_by_source(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
#define NUMBERED(datagram, sample, pool, drops)                                                    \
    DATAGRAM(datagram, "00000001")                                                                 \
    "00000001 00000078 " sample " 00000007 00000400 " pool " " drops " 00000007 00000009 00000001" \
    " " ETHERNET_HEADER
    decode_rig_hex(&rig, NUMBERED("00000010", "00000064", "00100000", "00000002"));
    decode_rig_hex(&rig, NUMBERED("00000013", "00000066", "00100800", "00000005"));
    const struct exporter_counters *c = counters_of("10.0.0.1");
    assert_int_equal(counter_get(&c->sequence_gaps), 1);
    assert_int_equal(counter_get(&c->sequence_missing), 2);
    assert_int_equal(counter_get(&c->samples_missing), 1);
    assert_int_equal(counter_get(&c->sample_pool), 0x800);
    assert_int_equal(counter_get(&c->sample_drops), 3);
    /* Another sub-agent has numbers of its own. */
    decode_rig_hex(&rig, "00000005 00000001 0a000001 00000004 00000001 0000ea60 00000000");
    assert_int_equal(counter_get(&c->sequence_gaps), 1);
    assert_int_equal(counter_get(&c->sequence_back), 0);
}

static void samples_without_packet_are_no_flows(void **state)
{
    (void)state;
    decode_rig_start(&rig, 8);
    decode_rig_hex(
        &rig, DATAGRAM("00000010", "00000001") SAMPLE(
                  "00000038", "00000001") "000003ea 00000010 00000001 0a0000fe 00000018 00000010");
    assert_int_equal(rig.batch.count, 0);
    assert_int_equal(counter_get(&counters_of("10.0.0.1")->samples_without_packet), 1);
}

static void batches_smaller_than_a_datagram_lose_nothing(void **state)
{
    (void)state;
    decode_rig_start(&rig, 2);
#define ONE SAMPLE("00000078", "00000001") ETHERNET_HEADER " "
    decode_rig_hex(&rig, DATAGRAM("00000010", "00000005") ONE ONE ONE ONE ONE);
    assert_int_equal(rig.full_count + rig.batch.count, 5);
    assert_int_equal(rig.full_bytes, 4 * 1518);
    assert_int_equal(decode_rig_flow(&rig, 0)->order, (1 << 20) + 4);
}

static void a_switch_of_priority_0_leaves_that_of_the_frame(void **state)
{
#define SWITCH(src, dst) " 000003e9 00000010 00000064 " src " 000000c8 " dst " "
    (void)state;
    decode_rig_start(&rig, 8);
    decode_rig_hex(&rig, DATAGRAM("00000010", "00000001") SAMPLE("00000090", "00000002")
                             ETHERNET_HEADER SWITCH("00000000", "00000000"));
    decode_rig_hex(&rig, DATAGRAM("00000011", "00000001") SAMPLE("00000090", "00000002")
                             SWITCH("00000000", "00000000") ETHERNET_HEADER);
    decode_rig_hex(&rig, DATAGRAM("00000012", "00000001") SAMPLE("00000090", "00000002")
                             SWITCH("00000003", "00000004") ETHERNET_HEADER);
    decode_rig_hex(&rig, DATAGRAM("00000013", "00000001") SAMPLE("00000090", "00000002")
                             ETHERNET_HEADER SWITCH("00000000", "00000004"));
    assert_int_equal(decode_rig_flow(&rig, 0)->cos, 5);
    assert_int_equal(decode_rig_flow(&rig, 1)->cos, 5);
    assert_int_equal(decode_rig_flow(&rig, 2)->cos, 3);
    assert_int_equal(decode_rig_flow(&rig, 3)->cos, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_switch_of_priority_0_leaves_that_of_the_frame,
                                        rig_setup_sflow, rig_teardown),
        cmocka_unit_test_setup_teardown(every_field_of_a_sampled_frame_arrives, rig_setup_sflow,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(expanded_samples_hold_wide_indices, rig_setup_sflow,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(codes_in_the_output_word_are_not_interfaces,
                                        rig_setup_sflow, rig_teardown),
        cmocka_unit_test_setup_teardown(gateway_tells_path_and_next_hop, rig_setup_sflow,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(next_hop_of_the_router_record_stands_in_if_told_so,
                                        rig_setup_sflow, rig_teardown),
        cmocka_unit_test_setup_teardown(agent_is_the_exporter_unless_told_otherwise,
                                        rig_setup_sflow, rig_teardown),
        cmocka_unit_test_setup_teardown(unknown_records_and_samples_cost_only_themselves,
                                        rig_setup_sflow, rig_teardown),
        cmocka_unit_test_setup_teardown(lies_about_lengths_and_counts_are_counted, rig_setup_sflow,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(gaps_are_told_by_sub_agent_and_by_source, rig_setup_sflow,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(samples_without_packet_are_no_flows, rig_setup_sflow,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(batches_smaller_than_a_datagram_lose_nothing,
                                        rig_setup_sflow, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
