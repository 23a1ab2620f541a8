/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lays out sFlow v5 samples word by word (sFlow.org, sflow_version_5.txt), without a library,
 * because flowgen does so for millions of flows. */
#include "sflow_export.h"

#include <string.h>

enum { HEADER_LEN = 128, RATE = 1024 };

static uint8_t *put(uint8_t *out, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        *out++ = (uint8_t)(value >> shift);
    return out;
}

static uint8_t *put16(uint8_t *out, uint32_t value)
{
    *out++ = (uint8_t)(value >> 8);
    *out++ = (uint8_t)value;
    return out;
}

size_t sflow_put_header(uint8_t *out, uint32_t agent, uint32_t sequence, uint32_t uptime_ms)
{
    const uint32_t words[] = {5, 1, agent, 0, sequence, uptime_ms, 0};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        out = put(out, words[i]);
    return sizeof words;
}

/* Writes the headers of Ethernet, IPv4 and TCP or UDP, and a payload of zeros. */
static uint8_t *put_packet(uint8_t *out, const struct sflow_packet *p)
{
    static const uint8_t ethernet[14] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
    uint8_t *start = out;

    memset(out, 0, HEADER_LEN);
    memcpy(out, ethernet, sizeof ethernet);
    out += sizeof ethernet;
    out = put(out, 0x45000000 | (p->frame_len - 18));
    out = put(out, 0);
    out = put(out, 0x40000000 | (uint32_t)p->proto << 16);
    out = put(out, p->src);
    out = put(out, p->dst);
    out = put16(out, p->sport);
    out = put16(out, p->dport);
    if (p->proto == 6)
        put(out + 8, 0x50180000); /* PSH, ACK */
    return start + HEADER_LEN;
}

size_t sflow_put_sample(uint8_t *out, const struct sflow_packet *p)
{
    const uint32_t sample[] = {1,
                               SFLOW_SAMPLE_LEN - 8,
                               p->sequence,
                               p->iface,
                               RATE,
                               p->sequence * RATE,
                               0,
                               p->iface,
                               100 + p->iface,
                               3};
    const uint32_t header[] = {1, 16 + HEADER_LEN, 1, p->frame_len, 4, HEADER_LEN};
    const uint32_t after[] = {1002, 16, 1,           p->next_hop,  24,    p->dst_mask, 1003,
                              48,   1,  p->next_hop, 64512,        64512, 64512,       1,
                              2,    2,  p->peer_as,  p->origin_as, 0,     100};
    uint8_t *at = out;

    for (size_t i = 0; i < sizeof sample / sizeof *sample; i++)
        at = put(at, sample[i]);
    for (size_t i = 0; i < sizeof header / sizeof *header; i++)
        at = put(at, header[i]);
    at = put_packet(at, p);
    for (size_t i = 0; i < sizeof after / sizeof *after; i++)
        at = put(at, after[i]);
    return (size_t)(at - out);
}
