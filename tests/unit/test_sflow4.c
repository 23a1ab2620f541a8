/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that sFlow versions 2 and 4 become flows. Datagrams are written by hand from RFC 3176,
 * whose structures have no lengths. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/decode_rig.h"

#define DATAGRAM(version, count)                                                                   \
    version " 00000001 0a000001 00000010 0000ea60 " count " " /* agent, number, uptime, samples */
#define FLOW_SAMPLE                                                                                  \
    "00000001 00000064 00000007 00000400 00100000 00000002" /* number, source, rate, pool, drops   \
                                                             */ \
    " 00000007 80000003 "                                   /* in 7, out to three interfaces */
/* The header is that of version 5 without the octets stripped: 46 bytes, padded. */
#define HEADER                                                                                     \
    "00000001 00000001 000005ea 0000002e 66778899aabb 001122334455 8100 a064 0800"                 \
    " 45b8 002c 0001 0000 3f11 0000 0a010101 0a020202 c350 01bb 0018 0000 0000 "
#define ROUTER "00000002 00000001 0a0000fe 00000018 00000010 "

static struct decode_rig rig;

static int setup(void **state)
{
    (void)state;
    decode_rig_init_sflow(&rig);
    rig.source = ip_addr_v4((const uint8_t[]){10, 0, 0, 1});
    decode_rig_start(&rig, 8);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    decode_rig_clear(&rig);
    return 0;
}

static void assert_text(const struct flow_bytes *bytes, const char *expected)
{
    assert_int_equal(bytes->len, strlen(expected));
    assert_memory_equal(bytes->data, expected, bytes->len);
}

static void version_4_has_records_without_lengths(void **state)
{
    (void)state;
    decode_rig_hex(&rig, DATAGRAM("00000004", "00000001") FLOW_SAMPLE HEADER
                   "00000005 " /* extended records */
                   "00000001 000000c8 00000003 0000012c 00000000 " ROUTER
                   "00000003 0000fde8 0000fde9 0000fdea" /* gateway: own, source, its peer */
                   " 00000001 00000002 00000002 00000315 0000028e"
                   " 00000001 fde80001 00000096"
                   " 00000004 00000005 616c6963 65000000 00000003 626f6200" /* alice, bob */
                   " 00000005 00000002 00000004 2f612f62 ");                /* /a/b */
    assert_int_equal(rig.batch.count, 1);
    assert_int_equal(decode_rig_all_drops(&rig), 0);
    const struct flow *f = decode_rig_flow(&rig, 0);
    assert_int_equal(f->export_version, 4);
    assert_int_equal(f->export_domain, 0);
    assert_int_equal(f->bytes, 1514);
    assert_int_equal(f->dst_port, 443);
    assert_int_equal(f->vlan, 200);
    assert_int_equal(f->in_iface, 7);
    assert_int_equal(f->out_iface, 0);
    assert_int_equal(f->sampling_rate, 1024);
    assert_int_equal(f->dst_mask, 16);
    assert_int_equal(f->src_as, 65001);
    assert_int_equal(f->dst_as, 654);
    assert_int_equal(f->local_pref, 150);
    assert_text(&f->as_path, "789_654");
    assert_text(&f->std_comms, "65000:1");
    assert_text(&f->src_user, "alice");
    assert_text(&f->dst_user, "bob");
    assert_text(&f->url, "/a/b");
}

static void version_2_has_one_sequence_in_its_gateway(void **state)
{
    (void)state;
    decode_rig_hex(
        &rig, DATAGRAM("00000002", "00000002") FLOW_SAMPLE HEADER
        "00000001 00000003 0000fde8 0000fde9 0000fdea 00000003 00000315 0000028e "
        "0000007b " FLOW_SAMPLE /* and one whose packet is told as IPv4 */
        "00000002 000005dc 00000006 0a010101 0a020202 0000c350 000001bb 00000018 00000000"
        " 00000000");
    assert_int_equal(rig.batch.count, 2);
    assert_int_equal(decode_rig_all_drops(&rig), 0);
    assert_text(&decode_rig_flow(&rig, 0)->as_path, "789_654_123");
    assert_int_equal(decode_rig_flow(&rig, 0)->peer_dst_as, 789);
    assert_int_equal(decode_rig_flow(&rig, 0)->dst_as, 123);
    assert_int_equal(decode_rig_flow(&rig, 1)->bytes, 1500);
    assert_int_equal(decode_rig_flow(&rig, 1)->tcp_flags, 0x18);
    assert_int_equal(decode_rig_flow(&rig, 1)->src_port, 50000);
}

/* Samples that came before are used, but those behind cannot be found. */
static void a_sample_that_is_not_understood_ends_the_datagram(void **state)
{
    static const char *const bad[] = {
        DATAGRAM("00000004", "00000002") FLOW_SAMPLE HEADER "00000000 00000003",
        DATAGRAM("00000004", "00000002") FLOW_SAMPLE HEADER "00000000 " FLOW_SAMPLE "00000009",
        DATAGRAM("00000004", "00000001") FLOW_SAMPLE HEADER "00000001 00000009 00000000",
        /* These have a gateway with 2^32 - 1 segments, one with 2^31 communities, and 2^32 - 1
         * extended records. */
        DATAGRAM("00000004", "00000001") FLOW_SAMPLE HEADER
        "00000001 00000003 0000fde8 0000fde9 0000fdea ffffffff",
        DATAGRAM("00000004", "00000001") FLOW_SAMPLE HEADER
        "00000001 00000003 0000fde8 0000fde9 0000fdea 00000000 80000000 00000001",
        DATAGRAM("00000004", "00000001") FLOW_SAMPLE HEADER "ffffffff " ROUTER,
        DATAGRAM("00000002", "00000001") FLOW_SAMPLE HEADER
        "00000001 00000003 0000fde8 0000fde9 0000fdea 40000001 00000001",
    };

    (void)state;
    for (uint32_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        decode_rig_hex(&rig, bad[i]);
        assert_int_equal(rig.batch.count, i + 1);
        assert_int_equal(decode_rig_drops(&rig, DROP_bad_sample_length), i + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(version_4_has_records_without_lengths, setup, teardown),
        cmocka_unit_test_setup_teardown(version_2_has_one_sequence_in_its_gateway, setup, teardown),
        cmocka_unit_test_setup_teardown(a_sample_that_is_not_understood_ends_the_datagram, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
