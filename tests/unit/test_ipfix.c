/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that IPFIX messages become flows, and that each fault is counted under its reason.
 * Messages are written by hand from RFC 7011; expected values are the numbers in them. */

#include "base/clock.h"
#include "support/decode_test.h"

static int setup(void **state)
{
    rig_setup(state);
    decode_rig_start(&rig, 64);
    return 0;
}

/* version 10, length, export time 1700000000, sequence, domain 7 */
#define IPFIX(len, sequence) "000a " len " 6553f100 " sequence " 00000007 "

/* Set 2 of 28 bytes: template 256 of 5 fields: 8, 12 (4 bytes each), 4 (1), 1 (3 bytes: reduced), 2
 * (2) */
#define TEMPLATE_256 "0002 001c 0100 0005 0008 0004 000c 0004 0004 0001 0001 0003 0002 0002 "
/* 14 bytes: 10.0.0.1 to 10.0.0.2, UDP, 65537 octets, 258 packets */
#define RECORD_256 "0a000001 0a000002 11 010001 0102 "

static void reduced_sizes_keep_their_values(void **state)
{
    (void)state;
    assert_int_equal(
        decode_rig_hex(&rig, IPFIX("003e", "00000000") TEMPLATE_256 "0100 0012 " RECORD_256), 1);
    const struct flow *f = decode_rig_flow(&rig, 0);
    assert_addr(&f->src_addr, "10.0.0.1");
    assert_addr(&f->dst_addr, "10.0.0.2");
    assert_int_equal(f->proto, 17);
    assert_int_equal(f->bytes, 65537);
    assert_int_equal(f->packets, 258);
    assert_int_equal(f->ip_version, 4);
    assert_int_equal(f->export_domain, 7);
    assert_int_equal(f->export_version, 10);
    assert_int_equal(f->start_ns, INT64_C(1700000000) * NS_PER_S);
    assert_int_equal(f->end_ns, 0);
    /* A member that the template lacks is zero, and not left over. */
    assert_int_equal(f->src_port, 0);
    assert_int_equal(f->mpls_labels.len, 0);
    assert_int_equal(f->as_path.len, 0);
    assert_int_equal(f->direction, DIRECTION_UNKNOWN);
}

static void padding_is_no_record(void **state)
{
    (void)state;
    /* a set of 1 record of 14 bytes and 2 of padding */
    decode_rig_hex(&rig, IPFIX("0040", "00000000") TEMPLATE_256 "0100 0014 " RECORD_256 "0000");
    assert_int_equal(rig.batch.count, 1);
    assert_int_equal(decode_rig_all_drops(&rig), 0);
}

static void variable_lengths_of_both_forms_are_read(void **state)
{
    (void)state;
    /* set 2, 20 bytes: template 257: VRFname (236) variable, octets (1) 4 bytes, interfaceName (82)
     * variable */
    decode_rig_hex(
        &rig,
        IPFIX("0046",
              "00000000") "0002 0014 0101 0003 00ec ffff 0001 0004 0052 ffff"
                          /* data, 34 bytes: "red" in the short form, 100, "ge-0" in the long */
                          "0101 0022 03 726564 00000064 ff 0004 67652d30"
                          /* and empty, 200, "x"; empty, 300, "y"; a byte of padding */
                          "00 000000c8 01 78 00 0000012c 01 79 00 ");
    assert_int_equal(rig.batch.count, 3);
    const struct flow *f = decode_rig_flow(&rig, 0);
    assert_int_equal(f->vrf_name.len, 3);
    assert_memory_equal(f->vrf_name.data, "red", 3);
    assert_int_equal(f->in_iface_name.len, 4);
    assert_memory_equal(f->in_iface_name.data, "ge-0", 4);
    assert_int_equal(f->bytes, 100);
    assert_int_equal(decode_rig_flow(&rig, 1)->vrf_name.len, 0);
    assert_int_equal(decode_rig_flow(&rig, 1)->bytes, 200);
    assert_int_equal(decode_rig_flow(&rig, 2)->bytes, 300);
    assert_int_equal(decode_rig_all_drops(&rig), 0);
}

static void data_before_its_template_waits(void **state)
{
    (void)state;
    assert_int_equal(decode_rig_hex(&rig, IPFIX("0022", "00000000") "0100 0012 " RECORD_256), 0);
    const struct exporter_counters *c = &decode_rig_exporter(&rig)->counters;
    assert_int_equal(counter_get(&c->pending_sets), 1);
    rig.now_ns += 30 * NS_PER_S;
    assert_int_equal(decode_rig_hex(&rig, IPFIX("002c", "00000001") TEMPLATE_256), 1);
    assert_int_equal(counter_get(&c->pending_sets), 0);
    assert_int_equal(counter_get(&c->pending_released), 1);
    const struct flow *f = decode_rig_flow(&rig, 0);
    assert_int_equal(f->bytes, 65537);
    assert_int_equal(f->arrival_ns, rig.now_ns - 30 * NS_PER_S);
    assert_int_equal(f->order, 2 << 20); /* of the datagram that brought the template */
    assert_int_equal(f->export_sequence, 0);
    assert_int_equal(decode_rig_all_drops(&rig), 0);
}

static void redefined_template_holds_at_once(void **state)
{
    (void)state;
    decode_rig_hex(&rig, IPFIX("002c", "00000000") TEMPLATE_256);
    /* template 256 anew, 12 bytes: octets (1), 2 bytes; then data: 2 records */
    decode_rig_hex(&rig, IPFIX("0024", "00000000") "0002 000c 0100 0001 0001 0002 "
                                                   "0100 0008 0005 0006");
    assert_int_equal(rig.batch.count, 2);
    assert_int_equal(decode_rig_flow(&rig, 1)->bytes, 6);
    assert_addr(&decode_rig_flow(&rig, 1)->src_addr, "");
}

static void withdrawal_over_udp_changes_nothing(void **state)
{
    (void)state;
    decode_rig_hex(&rig, IPFIX("002c", "00000000") TEMPLATE_256);
    decode_rig_hex(&rig, IPFIX("0018", "00000000") "0002 0008 0100 0000");
    assert_int_equal(decode_rig_drops(&rig, DROP_template_withdrawal), 1);
    assert_int_equal(decode_rig_hex(&rig, IPFIX("0022", "00000000") "0100 0012 " RECORD_256), 1);
}

static void records_without_length_are_refused(void **state)
{
    (void)state;
    /* template 256: octets of 0 bytes; and then data for it */
    decode_rig_hex(&rig, IPFIX("001c", "00000000") "0002 000c 0100 0001 0001 0000");
    assert_int_equal(decode_rig_drops(&rig, DROP_bad_template), 1);
    assert_int_equal(decode_rig_hex(&rig, IPFIX("0018", "00000000") "0100 0008 00000000"), 0);
}

static void fields_of_impossible_lengths_are_passed_over(void **state)
{
    (void)state;
    /* template 256: sourceIPv4Address of 3 bytes, sourceMacAddress of 5, octets of 2 */
    decode_rig_hex(&rig, IPFIX("0032", "00000000") "0002 0014 0100 0003 0008 0003 0038 0005 0001 "
                                                   "0002 0100 000e 0a0b0c 0102030405 0007");
    assert_int_equal(decode_rig_all_drops(&rig), 0);
    assert_int_equal(rig.batch.count, 1);
    assert_int_equal(decode_rig_flow(&rig, 0)->bytes, 7);
    assert_addr(&decode_rig_flow(&rig, 0)->src_addr, "");
    assert_int_equal(counter_get(&decode_rig_exporter(&rig)->counters.misfit_fields), 2);
    assert_int_equal(counter_get(&decode_rig_exporter(&rig)->counters.unknown_elements), 0);
}

static void long_numbers_count_if_their_surplus_is_0(void **state)
{
    (void)state;
    /* template 256: octets of 12 bytes, protocolIdentifier of 9 */
    decode_rig_hex(&rig, IPFIX("0020", "00000000") "0002 0010 0100 0002 0001 000c 0004 0009");
    decode_rig_hex(&rig, IPFIX("003e", "00000000") "0100 002e "
                                                   "000000000000000000000007 000000000000000006 "
                                                   "000000010000000000000007 010000000000000006");
    assert_int_equal(decode_rig_all_drops(&rig), 0);
    assert_int_equal(rig.batch.count, 2);
    assert_int_equal(decode_rig_flow(&rig, 0)->bytes, 7);
    assert_int_equal(decode_rig_flow(&rig, 0)->proto, 6);
    assert_int_equal(decode_rig_flow(&rig, 1)->bytes, 0);
    assert_int_equal(decode_rig_flow(&rig, 1)->proto, 0);
}

static void addresses_are_read_by_their_length(void **state)
{
    (void)state;
    /* template 256: sourceIPv4Address and destinationIPv4Address of 16 bytes, octets of 1 */
    decode_rig_hex(&rig, IPFIX("0024", "00000000") "0002 0014 0100 0003 0008 0010 000c 0010 "
                                                   "0001 0001");
    decode_rig_hex(&rig, IPFIX("0077", "00000000") "0100 0067 "
                                                   "00000000000000000000ffff0a000001"
                                                   "0000000000000000000000000a000002 01"
                                                   "20010db8000000000000000000000001"
                                                   "20010db8000000000000000000000002 02"
                                                   "00000000000000000000000000000000"
                                                   "20010db8000000000000000000000003 03");
    assert_int_equal(decode_rig_all_drops(&rig), 0);
    assert_int_equal(rig.batch.count, 3);
    assert_addr(&decode_rig_flow(&rig, 0)->src_addr, "10.0.0.1");
    assert_addr(&decode_rig_flow(&rig, 0)->dst_addr, "10.0.0.2");
    assert_int_equal(decode_rig_flow(&rig, 0)->ip_version, 4);
    assert_addr(&decode_rig_flow(&rig, 1)->src_addr, "2001:db8::1");
    assert_addr(&decode_rig_flow(&rig, 1)->dst_addr, "2001:db8::2");
    assert_int_equal(decode_rig_flow(&rig, 1)->etype, 0x86dd);
    assert_addr(&decode_rig_flow(&rig, 2)->dst_addr, "2001:db8::3");
    assert_int_equal(decode_rig_flow(&rig, 2)->ip_version, 6);
}

static void data_of_a_refused_template_is_said_to_be_that(void **state)
{
    (void)state;
    /* data of template 256; the template of empty records; data again */
    decode_rig_hex(&rig, IPFIX("0018", "00000000") "0100 0008 00000000");
    decode_rig_hex(&rig, IPFIX("001c", "00000000") "0002 000c 0100 0001 0001 0000");
    decode_rig_hex(&rig, IPFIX("0018", "00000000") "0100 0008 00000000");
    assert_int_equal(decode_rig_drops(&rig, DROP_bad_template), 1);
    assert_int_equal(decode_rig_drops(&rig, DROP_refused_template), 2);
    assert_int_equal(decode_rig_all_drops(&rig), 3);
    /* A template that can be used takes the place of the refused one. */
    decode_rig_hex(&rig, IPFIX("0022", "00000000") "0002 000c 0100 0001 0001 0002 0100 0006 0009");
    assert_int_equal(rig.batch.count, 1);
}

static void a_template_cut_off_is_refused(void **state)
{
    (void)state;
    /* template 256: two fields, of which one is there; then data */
    decode_rig_hex(&rig, IPFIX("001c", "00000000") "0002 000c 0100 0002 0001 0002");
    decode_rig_hex(&rig, IPFIX("0018", "00000000") "0100 0008 00000000");
    assert_int_equal(decode_rig_drops(&rig, DROP_bad_template), 1);
    assert_int_equal(decode_rig_drops(&rig, DROP_refused_template), 1);
}

static void odd_counts_of_scopes_cost_no_options_template(void **state)
{
    (void)state;
    /* options templates 256, 257: selectorId, samplingInterval; of 0 and of 9 scope fields; data */
    decode_rig_hex(&rig, IPFIX("002f", "00000000") "0003 0012 0100 0002 0000 012e 0001 0022 0002 "
                                                   "0100 000d 01 0064 02 00c8 03 012c");
    decode_rig_hex(&rig, IPFIX("0029", "00000000") "0003 0012 0101 0002 0009 012e 0001 0022 0002 "
                                                   "0101 0007 04 0064");
    assert_int_equal(decode_rig_all_drops(&rig), 0);
    assert_int_equal(counter_get(&decode_rig_exporter(&rig)->counters.options_records), 4);
    assert_int_equal(counter_get(&decode_rig_exporter(&rig)->counters.odd_scopes), 2);
    /* options template 258, of one scope field; 256 once more, which is no news */
    decode_rig_hex(&rig, IPFIX("0022", "00000000") "0003 0012 0102 0002 0001 012e 0001 0022 0002");
    decode_rig_hex(&rig, IPFIX("0022", "00000000") "0003 0012 0100 0002 0000 012e 0001 0022 0002");
    assert_int_equal(counter_get(&decode_rig_exporter(&rig)->counters.odd_scopes), 2);
    assert_int_equal(decode_rig_all_drops(&rig), 0);
}

static void long_fields_that_nobody_knows_are_passed_over(void **state)
{
    (void)state;
    /* template 256: element 9999 of 4 bytes, octets of 2 */
    decode_rig_hex(&rig, IPFIX("002a", "00000000") "0002 0010 0100 0002 270f 0004 0001 0002 "
                                                   "0100 000a ffffffff 0007");
    assert_int_equal(rig.batch.count, 1);
    assert_int_equal(decode_rig_flow(&rig, 0)->bytes, 7);
    assert_int_equal(counter_get(&decode_rig_exporter(&rig)->counters.unknown_elements), 1);
}

static void bad_set_length_ends_the_message(void **state)
{
    (void)state;
    decode_rig_hex(&rig, IPFIX("0014", "00000000") "0100 0003");
    decode_rig_hex(&rig, IPFIX("0014", "00000000") "0100 0005");
    assert_int_equal(decode_rig_drops(&rig, DROP_bad_set_length), 2);
    assert_int_equal(counter_get(&decode_rig_exporter(&rig)->counters.datagrams_decoded), 2);
}

/* With nfacctd_pre_processing_checks the good set before the bad one does not count either. */
static void bad_set_length_refuses_the_datagram_when_asked(void **state)
{
    (void)state;
    rig.own.refuse_bad_sets = true;
    decode_rig_hex(&rig, IPFIX("003e", "00000000") TEMPLATE_256 "0100 0012 " RECORD_256);
    assert_int_equal(rig.batch.count, 1);
    decode_rig_hex(&rig, IPFIX("0026", "00000001") "0100 0012 " RECORD_256 "0100 0005");
    assert_int_equal(rig.batch.count, 1);
    assert_int_equal(decode_rig_drops(&rig, DROP_bad_length), 1);
    assert_int_equal(decode_rig_drops(&rig, DROP_bad_set_length), 0);
    assert_int_equal(counter_get(&decode_rig_exporter(&rig)->counters.datagrams_decoded), 1);
}

static void message_length_must_be_there(void **state)
{
    (void)state;
    decode_rig_hex(&rig, IPFIX("0015", "00000000") "0100 0004");
    decode_rig_hex(&rig, IPFIX("000f", "00000000"));
    assert_int_equal(decode_rig_drops(&rig, DROP_bad_length), 2);
    decode_rig_hex(&rig, "000a 0010 6553f100 00000000");
    assert_int_equal(decode_rig_drops(&rig, DROP_truncated_header), 1);
}

static void sequence_counts_data_records(void **state)
{
    (void)state;
    const struct exporter_counters *c = &decode_rig_exporter(&rig)->counters;
    decode_rig_hex(&rig, IPFIX("003e", "00000005") TEMPLATE_256 "0100 0012 " RECORD_256);
    decode_rig_hex(&rig, IPFIX("0030", "00000006") "0100 0020 " RECORD_256 RECORD_256);
    assert_int_equal(counter_get(&c->sequence_gaps), 0);
    decode_rig_hex(&rig, IPFIX("0022", "0000000b") "0100 0012 " RECORD_256); /* 8 was next */
    assert_int_equal(counter_get(&c->sequence_gaps), 1);
    assert_int_equal(counter_get(&c->sequence_missing), 3);
}

static void domains_have_templates_of_their_own(void **state)
{
    (void)state;
    decode_rig_hex(&rig, IPFIX("002c", "00000000") TEMPLATE_256);
    /* the same data from domain 8 */
    decode_rig_hex(&rig, "000a 0022 6553f100 00000000 00000008 0100 0012 " RECORD_256);
    assert_int_equal(rig.batch.count, 0);
    assert_int_equal(counter_get(&decode_rig_exporter(&rig)->counters.pending_sets), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(reduced_sizes_keep_their_values),
        TEST(padding_is_no_record),
        TEST(variable_lengths_of_both_forms_are_read),
        TEST(data_before_its_template_waits),
        TEST(redefined_template_holds_at_once),
        TEST(withdrawal_over_udp_changes_nothing),
        TEST(records_without_length_are_refused),
        TEST(fields_of_impossible_lengths_are_passed_over),
        TEST(long_numbers_count_if_their_surplus_is_0),
        TEST(addresses_are_read_by_their_length),
        TEST(data_of_a_refused_template_is_said_to_be_that),
        TEST(a_template_cut_off_is_refused),
        TEST(odd_counts_of_scopes_cost_no_options_template),
        TEST(long_fields_that_nobody_knows_are_passed_over),
        TEST(bad_set_length_ends_the_message),
        TEST(bad_set_length_refuses_the_datagram_when_asked),
        TEST(message_length_must_be_there),
        TEST(sequence_counts_data_records),
        TEST(domains_have_templates_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
