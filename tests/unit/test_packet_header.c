/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "flow/packet_header.h"
#include "support/decode_rig.h"

#define MACS "66778899aabb 001122334455 "
/* 10.1.1.1 to 10.2.2.2, TOS 0xb8, 44 bytes in all; then the protocol is as given */
#define IPV4(proto, fragment) "45b8002c 0001" fragment " 3f" proto "0000 0a010101 0a020202 "
/* traffic class 0xbb, flow label 0x12345, 20 bytes of payload */
#define IPV6(next)                                                                                 \
    "6bb12345 0014" next "40 20010db8000000000000000000000001 20010db8000000000000000000000002 "
#define TCP "c350 01bb 00000001 00000002 5012 ffff 0000 0000"

static struct packet_header parse(const char *hex, bool is_ethernet)
{
    struct packet_header h;
    size_t len;
    uint8_t *bytes = hex_bytes(hex, &len);

    if (is_ethernet)
        packet_header_parse_ethernet(bytes, len, &h);
    else
        packet_header_parse_ip(bytes, len, &h);
    mem_free(bytes);
    return h;
}

static void tags_stand_outermost_first(void **state)
{
    (void)state;
    struct packet_header h = parse(MACS "88a8 a064 8100 012c 0800" IPV4("06", "0000") TCP, true);
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
    struct packet_header h = parse(IPV4("11", "0001") "c35001bb00180000", false);
    assert_true(h.has_ip);
    assert_false(h.has_ports);
    assert_int_equal(h.dst_port, 0);
    h = parse(IPV4("11", "2000") "c35001bb00180000", false); /* the first: more to come */
    assert_int_equal(h.dst_port, 443);
}

static void extension_headers_are_passed(void **state)
{
    (void)state;
    /* hop-by-hop of 8 bytes, routing of 24, authentication of 16, then TCP */
    struct packet_header h =
        parse(IPV6("00") "2b 00 000000000000 33 02 00000000000000000000000000000000000000000000 "
                         "06 02 0000 000000000000000000000000 " TCP,
              false);
    assert_int_equal(h.proto, 6);
    assert_int_equal(h.src_port, 50000);
    assert_int_equal(h.flow_label, 0x12345);
    assert_int_equal(h.tos, 0xbb);
    assert_int_equal(h.ip_len, 60);
    /* a fragment header: the first, and a later one */
    h = parse(IPV6("2c") "11 00 0001 00000001 c35001bb00180000", false);
    assert_int_equal(h.dst_port, 443);
    h = parse(IPV6("2c") "11 00 0009 00000001 c35001bb00180000", false);
    assert_int_equal(h.proto, 17);
    assert_false(h.has_ports);
}

static void labels_are_read_to_the_bottom(void **state)
{
    (void)state;
    struct packet_header h =
        parse(MACS "8847 00064040 05ef1140" IPV4("01", "0000") "0800 0000", true);
    assert_int_equal(h.label_count, 2);
    assert_int_equal(h.labels[0], 100);
    assert_int_equal(h.labels[1], 24305);
    assert_int_equal(h.ip_version, 4);
    assert_int_equal(h.dst_port, 0x0800); /* ICMP echo */
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
        packet_header_parse_ethernet(part, cut, &h);
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
        cmocka_unit_test(what_is_cut_off_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
