/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Writes sFlow v5 datagrams as a router sends them: each sample has a header of 128 bytes and the
 * records of router and gateway. */
#include <stddef.h>
#include <stdint.h>

enum { SFLOW_SAMPLE_LEN = 272 };

/* A sampled packet; addresses are in host order. */
struct sflow_packet {
    uint32_t sequence, iface, src, dst, next_hop, peer_as, origin_as, frame_len;
    uint16_t sport, dport;
    uint8_t proto, dst_mask;
};

/* Both return the number of bytes that they wrote. The count of samples stands in the last four of
 * the header. */
size_t sflow_put_header(uint8_t *out, uint32_t agent, uint32_t sequence, uint32_t uptime_ms);
size_t sflow_put_sample(uint8_t *out, const struct sflow_packet *packet);
