/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets with another's source address: headers by hand, checksums by their definition, and fragments
 * that give the packet again. */
#include "base/packet.h"
#include "base/reader.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct packet_ends ends_of(const char *source, const char *destination)
{
    struct packet_ends ends = {
        .source_port = 1000, .destination_port = 2100, .traffic_class = 0xa0};

    assert_int_equal(ip_addr_parse(source, &ends.source), 0);
    assert_int_equal(ip_addr_parse(destination, &ends.destination), 0);
    return ends;
}

/* The sum of RFC 1071 over words; 0xffff where a checksum among them is right. */
static uint32_t sum_of(const uint8_t *data, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i++)
        sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

static void assert_udp_is_right(const struct packet_ends *ends, const uint8_t *udp,
                                const uint8_t *payload, size_t len)
{
    uint32_t sum = 17 + 8 + (uint32_t)len;

    assert_int_equal(wire_u16(udp), 1000);
    assert_int_equal(wire_u16(udp + 2), 2100);
    assert_int_equal(wire_u16(udp + 4), 8 + len);
    sum = sum_of(ip_addr_wire(&ends->source), ip_addr_wire_len(&ends->source), sum);
    sum = sum_of(ip_addr_wire(&ends->destination), ip_addr_wire_len(&ends->destination), sum);
    assert_int_equal(sum_of(payload, len, sum_of(udp, 8, sum)), 0xffff);
}

static void ipv4_header(void **state)
{
    struct packet_ends ends = ends_of("192.0.2.1", "198.51.100.7");
    static const uint8_t expected[] = {0x45, 0xa0, 0, 33, 0, 0, 0, 0, 255, 17};
    uint8_t header[PACKET_HEADER_MAX];

    (void)state;
    assert_int_equal(packet_write_header(&ends, (const uint8_t *)"hello", 5, header), 28);
    assert_memory_equal(header, expected, sizeof expected);
    assert_memory_equal(header + 12, "\xc0\x00\x02\x01\xc6\x33\x64\x07", 8);
    assert_int_equal(sum_of(header, 20, 0), 0xffff);
    assert_udp_is_right(&ends, header + 20, (const uint8_t *)"hello", 5);
}

static void ipv6_header(void **state)
{
    struct packet_ends ends = ends_of("2001:db8::1", "2001:db8::2");
    static const uint8_t expected[] = {0x6a, 0, 0, 0, 0, 12, 17, 255, 0x20, 0x01, 0x0d, 0xb8};
    uint8_t header[PACKET_HEADER_MAX];

    (void)state;
    assert_int_equal(packet_write_header(&ends, (const uint8_t *)"four", 4, header), 48);
    assert_memory_equal(header, expected, sizeof expected);
    assert_udp_is_right(&ends, header + 40, (const uint8_t *)"four", 4);
}

static void what_ip_cannot_hold_is_refused(void **state)
{
    static uint8_t payload[65535];
    struct packet_ends v4 = ends_of("192.0.2.1", "198.51.100.7");
    struct packet_ends v6 = ends_of("2001:db8::1", "2001:db8::2");
    uint8_t header[PACKET_HEADER_MAX];
    struct packet_fragment f;

    (void)state;
    assert_int_equal(packet_write_header(&v4, payload, 65507, header), 28);
    assert_int_equal(packet_write_header(&v4, payload, 65508, header), -EMSGSIZE);
    assert_int_equal(packet_write_header(&v6, payload, 65527, header), 48);
    assert_int_equal(packet_write_header(&v6, payload, 65528, header), -EMSGSIZE);
    assert_int_equal(packet_make_fragment(&v4, payload, 65508, 1500, 1, 0, &f), -EMSGSIZE);
    assert_int_equal(packet_make_fragment(&v4, payload, 100, 27, 1, 0, &f), -EMSGSIZE);
    assert_int_equal(packet_payload_max(IP_V4, 1500), 1472);
    assert_int_equal(packet_payload_max(IP_V6, 1500), 1452);
    assert_int_equal(packet_payload_max(IP_V4, 20), 0);
}

/* Puts fragments together again, and compares. */
static void assert_fragments(const struct packet_ends *ends, size_t len, size_t mtu)
{
    static uint8_t payload[65535], whole[65535 + 8], got[65535 + 8];
    bool is_v6 = ends->source.family == IP_V6;
    uint8_t header[PACKET_HEADER_MAX];
    size_t ip_len = is_v6 ? 40 : 20, filled = 0;
    int from = 0;

    for (size_t i = 0; i < len; i++)
        payload[i] = (uint8_t)(i * 7 + i / 256);
    assert_int_equal(packet_write_header(ends, payload, len, header), ip_len + 8);
    memcpy(whole, header + ip_len, 8);
    memcpy(whole + 8, payload, len);
    do {
        struct packet_fragment f;
        from = packet_make_fragment(ends, payload, len, mtu, 0x12345, (size_t)from, &f);
        assert_true(from >= 0);
        assert_true(f.header_len + f.payload_len <= mtu);
        size_t extra = is_v6 ? 8 : 0, udp = f.header_len - ip_len - extra;
        uint16_t word = wire_u16(is_v6 ? f.header + 42 : f.header + 6);
        size_t offset = is_v6 ? word & 0xfff8 : (size_t)(word & 0x1fff) * 8;
        bool has_more = is_v6 ? word & 1 : word & 0x2000;
        assert_int_equal(offset, filled);
        assert_int_equal(has_more, from > 0);
        if (is_v6) {
            assert_int_equal(f.header[6], 44);
            assert_int_equal(f.header[40], 17);
            assert_int_equal(wire_u32(f.header + 44), 0x12345);
            assert_int_equal(wire_u16(f.header + 4), 8 + udp + f.payload_len);
        } else {
            assert_int_equal(wire_u16(f.header + 4), 0x2345);
            assert_int_equal(wire_u16(f.header + 2), 20 + udp + f.payload_len);
            assert_int_equal(sum_of(f.header, 20, 0), 0xffff);
        }
        memcpy(got + filled, f.header + ip_len + extra, udp);
        memcpy(got + filled + udp, payload + f.payload_from, f.payload_len);
        filled += udp + f.payload_len;
    } while (from > 0);
    assert_int_equal(filled, len + 8);
    assert_memory_equal(got, whole, filled);
}

static void fragments_give_the_packet_again(void **state)
{
    struct packet_ends v4 = ends_of("192.0.2.1", "198.51.100.7");
    struct packet_ends v6 = ends_of("2001:db8::1", "2001:db8::2");

    (void)state;
    for (size_t len = 1473; len < 1473 + 20; len++)
        assert_fragments(&v4, len, 1500);
    for (size_t len = 1453; len < 1453 + 20; len++)
        assert_fragments(&v6, len, 1500);
    assert_fragments(&v4, 65507, 1500);
    assert_fragments(&v4, 9000, 68);
    assert_fragments(&v6, 65000, 1280);
    assert_fragments(&v4, 1000, 1500); /* one fragment is a packet, too */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv4_header),
        cmocka_unit_test(ipv6_header),
        cmocka_unit_test(what_ip_cannot_hold_is_refused),
        cmocka_unit_test(fragments_give_the_packet_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
