/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The UDP datagram in a captured frame: Ethernet with VLAN tags, Linux cooked v1 and v2, raw IP,
 * loopback; IPv4 with options, IPv6 with extension headers. IP fragments go through
 * input/fragments.h, if given.
 */
#include "base/address.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fragments;

struct frame_udp {
    struct ip_addr source, destination;
    uint16_t source_port, destination_port;
    const uint8_t *payload; /* in the frame, or in `fragments` until its next use */
    uint32_t payload_len;   /* less than was sent if the capture cut the frame */
};

enum frame_result {
    FRAME_UDP,
    FRAME_FRAGMENT, /* one of several: kept, nothing to deliver yet */
    FRAME_OTHER,    /* no UDP in it */
    FRAME_BROKEN,   /* headers that cannot be right, or cut off by the capture */
};

bool frame_link_type_is_known(int link_type); /* a libpcap DLT_ value */
enum frame_result frame_parse(int link_type, const uint8_t *data, size_t len, int64_t time_ns,
                              struct fragments *fragments, struct frame_udp *ret_udp);
