/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Headers of UDP packets whose source is somebody else, for raw sockets: IPv4 (RFC 791) and IPv6
 * (RFC 8200), with the checksum of UDP; and how such a packet is cut into fragments. No state; any
 * thread.
 */
#include "base/address.h"
#include <stddef.h>
#include <stdint.h>

enum {
    PACKET_HEADER_MAX = 56, /* IPv6, its fragment header, UDP */
    PACKET_UDP_LEN = 8,
};

struct packet_ends {
    struct ip_addr source, destination; /* of one family */
    uint16_t source_port, destination_port;
    uint8_t traffic_class; /* TOS or traffic class */
};

/* Returns the longest payload that fits into one packet of `mtu` bytes; 0: none does. */
size_t packet_payload_max(uint8_t family, size_t mtu);

/*
 * Writes the headers of a whole packet and returns their length. -EMSGSIZE: more than an IP packet
 * can hold.
 */
int packet_write_header(const struct packet_ends *ends, const uint8_t *payload, size_t payload_len,
                        uint8_t header[PACKET_HEADER_MAX]);

/* One fragment: its headers, and which part of the payload follows them. */
struct packet_fragment {
    uint8_t header[PACKET_HEADER_MAX];
    size_t header_len;
    size_t payload_from, payload_len;
};
/*
 * Makes the fragment that begins `from` bytes behind the start of the UDP header (0: the first) of a
 * packet that is too long for `mtu`; all of one packet have the same `id`, and no other packet of
 * those ends has it for a minute. Returns where the next begins; 0: it was the last. -EMSGSIZE: such
 * an MTU has no room, or the packet is longer than IP can hold.
 */
int packet_make_fragment(const struct packet_ends *ends, const uint8_t *payload, size_t payload_len,
                         size_t mtu, uint32_t id, size_t from,
                         struct packet_fragment *ret_fragment);
