/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that the headers of a sampled packet are read, and that a packet cut anywhere gives what
 * is there and nothing else. Packets are written by hand from the RFC of each header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "flow/packet_header.h"
#include "support/decode_rig.h"

#define MACS "66778899aabb 001122334455 "
/* Addresses are 10.1.1.1 and 10.2.2.2, TOS 0xb8, and the packet has 44 bytes in all; the protocol
 * is given. */
#define IPV4(proto, fragment) "45b8002c 0001" fragment " 3f" proto "0000 0a010101 0a020202 "
/* The traffic class is 0xbb, the flow label 0x12345, and the payload has 20 bytes. */
#define IPV6(next)                                                                                 \
    "6bb12345 0014" next "40 20010db8000000000000000000000001 20010db8000000000000000000000002 "
#define TCP "c350 01bb 00000001 00000002 5012 ffff 0000 0000"

/* Parses a packet. The result's payload and segments point into bytes that are freed: look at the
 * rest only. */
static struct packet_header parse(const char *hex, enum packet_start start)
{
    struct packet_header h;
    size_t len;
    uint8_t *bytes = hex_bytes(hex, &len);

    packet_header_parse(start, bytes, len, &h);
    mem_free(bytes);
    return h;
}

static void tags_stand_outermost_first(void **state)
{
    (void)state;
    struct packet_header h =
        parse(MACS "88a8 a064 8100 012c 0800" IPV4("06", "0000") TCP, PACKET_ETHERNET);
    assert_int_equal(h.vlan, 100);
    assert_int_equal(h.cos, 5);
    assert_int_equal(h.customer_vlan, 300);
    assert_int_equal(h.etype, 0x0800);
    assert_int_equal(h.src_mac.bytes[5], 0x55);
    assert_int_equal(h.dst_mac.bytes[0], 0x66);
    assert_int_equal(h.src_port, 50000);
    assert_int_equal(h.dst_port, 443);
    assert_int_equal(h.tcp_flags, 0x12);
    assert_int_equal(h.tos, 0xb8);
    assert_int_equal(h.ip_len, 44);
}

static void later_fragments_have_no_ports(void **state)
{
    (void)state;
    struct packet_header h = parse(IPV4("11", "0001") "c35001bb00180000", PACKET_IP);
    assert_true(h.has_ip);
    assert_false(h.has_ports);
    assert_int_equal(h.dst_port, 0);
    h = parse(IPV4("11", "2000") "c35001bb00180000", PACKET_IP); /* the first: more to come */
    assert_int_equal(h.dst_port, 443);
}

static void extension_headers_are_passed(void **state)
{
    (void)state;
    /* hop-by-hop of 8 bytes, routing of 24, authentication of 16, then TCP */
    struct packet_header h =
        parse(IPV6("00") "2b 00 000000000000 33 02 00000000000000000000000000000000000000000000 "
                         "06 02 0000 000000000000000000000000 " TCP,
              PACKET_IP);
    assert_int_equal(h.proto, 6);
    assert_int_equal(h.src_port, 50000);
    assert_int_equal(h.flow_label, 0x12345);
    assert_int_equal(h.tos, 0xbb);
    assert_int_equal(h.ip_len, 60);
    /* A fragment header follows, of the first fragment and then of a later one. */
    h = parse(IPV6("2c") "11 00 0001 00000001 c35001bb00180000", PACKET_IP);
    assert_int_equal(h.dst_port, 443);
    h = parse(IPV6("2c") "11 00 0009 00000001 c35001bb00180000", PACKET_IP);
    assert_int_equal(h.proto, 17);
    assert_false(h.has_ports);
}

static void labels_are_read_to_the_bottom(void **state)
{
    (void)state;
    struct packet_header h =
        parse(MACS "8847 00064040 05ef1140" IPV4("01", "0000") "0800 0000", PACKET_ETHERNET);
    assert_int_equal(h.label_count, 2);
    assert_int_equal(h.labels[0], 100);
    assert_int_equal(h.labels[1], 24305);
    assert_int_equal(h.ip_version, 4);
    assert_int_equal(h.etype, 0x0800);    /* of the packet, as pmacct has it */
    assert_int_equal(h.dst_port, 0x0800); /* ICMP echo */
}

/* RFC 2516 has version and type 1, code 0, here session 0x1234 and length 46; then comes PPP
 * protocol 0x0021, IPv4. */
static void pppoe_sessions_carry_ip(void **state)
{
    (void)state;
    struct packet_header h =
        parse(MACS "8100 0064 8864 11 00 1234 002e 0021" IPV4("06", "0000") TCP, PACKET_ETHERNET);
    assert_int_equal(h.etype, 0x8864);
    assert_int_equal(h.vlan, 100);
    assert_int_equal(h.ip_version, 4);
    assert_int_equal(h.dst_port, 443);
    /* The frame carries a protocol of PPP itself, LCP, and no IP packet. */
    h = parse(MACS "8864 11 00 1234 002e c021" IPV4("06", "0000") TCP, PACKET_ETHERNET);
    assert_false(h.has_ip);
}

/* RFC 8754's header says here: next header 58, length 4, type 4, segments left 1, last entry 1; two
 * segments follow. */
static void segments_are_listed(void **state)
{
    static const char whole[] = IPV6("2b") "3a 04 04 01 01 00 0000"
                                           "fc000000000000000000000000000002"
                                           "fc000000000000000000000000000001"
                                           "8000 0000";
    (void)state;
    size_t len;
    uint8_t *bytes = hex_bytes(whole, &len);
    struct packet_header h;
    packet_header_parse(PACKET_IP, bytes, len, &h);
    assert_int_equal(h.segment_count, 2);
    assert_ptr_equal(h.segments, bytes + 48);
    assert_int_equal(h.proto, 58);
    assert_int_equal(h.dst_port, 0x8000);
    /* The packet is cut off in the second segment. */
    packet_header_parse(PACKET_IP, bytes, 48 + 20, &h);
    assert_int_equal(h.segment_count, 1);
    /* A last entry beyond the header's length lists no more segments than there are. */
    bytes[44] = 200;
    packet_header_parse(PACKET_IP, bytes, len, &h);
    assert_int_equal(h.segment_count, 2);
    /* A routing header of another type, mobility, has no segments. */
    bytes[42] = 2;
    packet_header_parse(PACKET_IP, bytes, len, &h);
    assert_int_equal(h.segment_count, 0);
    mem_free(bytes);
}

static void what_is_cut_off_is_zero(void **state)
{
    (void)state;
    static const char whole[] = MACS "8100 0064 0800" IPV4("06", "0000") TCP;
    size_t len;
    uint8_t *bytes = hex_bytes(whole, &len);
    for (size_t cut = 0; cut < len; cut++) {
        struct packet_header h;
        uint8_t *part = mem_dup(bytes, cut ? cut : 1); /* exact, for AddressSanitizer */
        packet_header_parse(PACKET_ETHERNET, part, cut, &h);
        assert_int_equal(h.has_mac, cut >= 12);
        assert_int_equal(h.vlan, cut >= 18 ? 100 : 0);
        assert_int_equal(h.has_ip, cut >= 38);
        assert_int_equal(h.has_ports, cut >= 42);
        assert_int_equal(h.tcp_flags, cut >= 52 ? 0x12 : 0);
        mem_free(part);
    }
    mem_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tags_stand_outermost_first),
        cmocka_unit_test(later_fragments_have_no_ports),
        cmocka_unit_test(extension_headers_are_passed),
        cmocka_unit_test(labels_are_read_to_the_bottom),
        cmocka_unit_test(pppoe_sessions_carry_ip),
        cmocka_unit_test(segments_are_listed),
        cmocka_unit_test(what_is_cut_off_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
