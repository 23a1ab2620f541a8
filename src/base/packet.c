/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes headers byte by byte. See packet.h. */
#include "base/packet.h"
#include "base/reader.h"
#include "base/writer.h"
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

enum {
    IPV4_LEN = 20,
    IPV6_LEN = 40,
    FRAGMENT_LEN = 8,
    HOPS = 255, /* as pmacct has it */
    MORE_FRAGMENTS_V4 = 0x2000,
    PACKET_MAX = 65535,
};

static size_t ip_header_len(uint8_t family)
{
    return family == IP_V6 ? IPV6_LEN : IPV4_LEN;
}

size_t packet_payload_max(uint8_t family, size_t mtu)
{
    size_t headers = ip_header_len(family) + PACKET_UDP_LEN;

    return mtu > headers ? mtu - headers : 0;
}

/* Adds 16-bit words, the last of which may lack a byte (RFC 1071). */
static uint64_t sum_words(uint64_t sum, const uint8_t *data, size_t len)
{
    for (; len >= 2; data += 2, len -= 2)
        sum += wire_u16(data);
    return len > 0 ? sum + ((uint64_t)*data << 8) : sum;
}

static uint16_t fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static size_t put_udp(const struct packet_ends *ends, const uint8_t *payload, size_t payload_len,
                      uint8_t *at)
{
    size_t len = PACKET_UDP_LEN + payload_len;
    uint64_t sum = IPPROTO_UDP + len;
    uint16_t checksum;

    wire_put_u16(at, ends->source_port);
    wire_put_u16(at + 2, ends->destination_port);
    wire_put_u16(at + 4, (uint16_t)len);
    wire_put_u16(at + 6, 0);
    sum = sum_words(sum, ip_addr_wire(&ends->source), ip_addr_wire_len(&ends->source));
    sum = sum_words(sum, ip_addr_wire(&ends->destination), ip_addr_wire_len(&ends->destination));
    sum = sum_words(sum, at, PACKET_UDP_LEN);
    checksum = fold(sum_words(sum, payload, payload_len));
    wire_put_u16(at + 6,
                 checksum ? checksum : 0xffff); /* 0 would say that there is none (RFC 768) */
    return PACKET_UDP_LEN;
}

/* `len` counts what follows the header. `fragment` is the word of flags and offset. */
static size_t put_ipv4(const struct packet_ends *ends, size_t len, uint16_t id, uint16_t fragment,
                       uint8_t *at)
{
    memset(at, 0, IPV4_LEN);
    at[0] = 0x45;
    at[1] = ends->traffic_class;
    wire_put_u16(at + 2, (uint16_t)(IPV4_LEN + len));
    wire_put_u16(at + 4, id);
    wire_put_u16(at + 6, fragment);
    at[8] = HOPS;
    at[9] = IPPROTO_UDP;
    memcpy(at + 12, ip_addr_wire(&ends->source), 4);
    memcpy(at + 16, ip_addr_wire(&ends->destination), 4);
    wire_put_u16(at + 10, fold(sum_words(0, at, IPV4_LEN)));
    return IPV4_LEN;
}

static size_t put_ipv6(const struct packet_ends *ends, size_t len, uint8_t next_header, uint8_t *at)
{
    wire_put_u32(at, UINT32_C(6) << 28 | (uint32_t)ends->traffic_class << 20);
    wire_put_u16(at + 4, (uint16_t)len);
    at[6] = next_header;
    at[7] = HOPS;
    memcpy(at + 8, ends->source.bytes, 16);
    memcpy(at + 24, ends->destination.bytes, 16);
    return IPV6_LEN;
}

/* True if the packet is longer than its length can tell. */
static bool is_too_long(uint8_t family, size_t payload_len)
{
    size_t counted = PACKET_UDP_LEN + payload_len + (family == IP_V6 ? 0 : IPV4_LEN);

    return counted > PACKET_MAX;
}

int packet_write_header(const struct packet_ends *ends, const uint8_t *payload, size_t payload_len,
                        uint8_t header[PACKET_HEADER_MAX])
{
    size_t udp_len = PACKET_UDP_LEN + payload_len, len;

    if (is_too_long(ends->source.family, payload_len))
        return -EMSGSIZE;
    if (ends->source.family == IP_V6)
        len = put_ipv6(ends, udp_len, IPPROTO_UDP, header);
    else
        len = put_ipv4(ends, udp_len, 0, 0, header); /* the kernel sets the identification */
    return (int)(len + put_udp(ends, payload, payload_len, header + len));
}

int packet_make_fragment(const struct packet_ends *ends, const uint8_t *payload, size_t payload_len,
                         size_t mtu, uint32_t id, size_t from, struct packet_fragment *f)
{
    uint8_t family = ends->source.family;
    size_t headers = ip_header_len(family) + (family == IP_V6 ? FRAGMENT_LEN : 0);
    size_t whole = PACKET_UDP_LEN + payload_len;
    size_t room = mtu > headers ? (mtu - headers) / 8 * 8 : 0; /* offsets count 8 bytes */
    size_t part = whole - from < room ? whole - from : room;
    bool is_last = from + part == whole;

    if (room == 0 || is_too_long(family, payload_len))
        return -EMSGSIZE;
    if (family == IP_V6) {
        f->header_len = put_ipv6(ends, FRAGMENT_LEN + part, IPPROTO_FRAGMENT, f->header);
        uint8_t *extension = f->header + f->header_len;
        extension[0] = IPPROTO_UDP;
        extension[1] = 0;
        wire_put_u16(extension + 2, (uint16_t)(from | !is_last));
        wire_put_u32(extension + 4, id);
        f->header_len += FRAGMENT_LEN;
    } else {
        uint16_t word = (uint16_t)((is_last ? 0 : MORE_FRAGMENTS_V4) | from / 8);
        f->header_len = put_ipv4(ends, part, (uint16_t)id, word, f->header);
    }
    f->payload_from = from == 0 ? 0 : from - PACKET_UDP_LEN;
    f->payload_len = from == 0 ? part - PACKET_UDP_LEN : part;
    if (from == 0)
        f->header_len += put_udp(ends, payload, payload_len, f->header + f->header_len);
    return is_last ? 0 : (int)(from + part);
}
