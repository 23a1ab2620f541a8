/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Decodes the extended gateway record: what the router's BGP knows of the destination. Its counts
 * are the sender's word, so nothing is reserved by them: the record is walked once to see that it
 * is whole, and only then are its lists rendered, if somebody needs them. This stands in a header
 * so that the loop over records keeps its reader in registers.
 */
#include "sfacctd/sflow_decoder.h"

/* A run of 32-bit numbers within the record. */
struct numbers {
    const uint8_t *data;
    uint32_t count;
};

/* A path that was seen to be whole: its ends and its segments. */
struct gateway_path {
    uint32_t first_as, last_as;
    const uint8_t *segments;
    size_t len;
};

/*
 * Reads a count that stands behind `head_len` bytes, and so many numbers; `tail_len` more bytes
 * must follow, which are not consumed. False: they are not there. Counts are compared with what is
 * left, and never multiplied.
 */
HOT_INLINE bool numbers_read(struct reader *r, size_t head_len, size_t tail_len,
                             struct numbers *ret_numbers)
{
    size_t left = reader_left(r), fixed_len = head_len + 4 + tail_len;

    if (left < fixed_len)
        return false;
    const uint8_t *p = r->pos + head_len;
    uint32_t count = wire_u32(p);
    if (count > (left - fixed_len) / 4)
        return false;
    *ret_numbers = (struct numbers){p + 4, count};
    r->pos = p + 4 + (size_t)count * 4;
    return true;
}

/* Reads the segments, each of which is a type, a count and numbers. Version 2 has one sequence,
 * without its type. */
HOT_INLINE bool gateway_read_path(struct reader *r, uint8_t version, uint32_t segment_count,
                                  struct gateway_path *ret_path)
{
    struct gateway_path path = {.segments = r->pos};

    for (; segment_count > 0; segment_count--) {
        struct numbers n;
        if (!numbers_read(r, version != 2 ? 4 : 0, 0, &n))
            return false;
        if (n.count == 0)
            continue;
        if (path.first_as == 0)
            path.first_as = wire_u32(n.data);
        path.last_as = wire_u32(r->pos - 4);
    }
    path.len = (size_t)(r->pos - path.segments);
    *ret_path = path;
    return true;
}

/* Sets the needed ones of path and communities, written as BGP's own are (as_path "1_2_{3,4}",
 * communities "1:2_3:4"). */
void gateway_set_texts(struct flow_sample *sample, uint8_t version, const uint8_t *segments,
                       size_t segments_len, struct numbers communities);

/* Decodes the record as the functions of structures.def do, but is told the datagram's version as a
 * constant. */
HOT_INLINE void gateway_decode(struct flow_sample *sample, struct reader *r, uint8_t version)
{
    struct flow *flow = sample->flow;
    struct reader left = *r; /* stays in registers */
    struct wire_addr next_hop = {0};
    struct numbers communities = {0};
    struct gateway_path path;
    uint32_t local_pref = 0;

    r->failed = true;
    if (version == 5)
        next_hop = sflow_read_addr(&left);
    /*
     * The fixed part is the router's own AS, the source's, its peer's, and the number of segments.
     */
    const uint8_t *fixed = reader_bytes(&left, version != 2 ? 16 : 12);
    if (left.failed ||
        !gateway_read_path(&left, version, version != 2 ? wire_u32(fixed + 12) : 1, &path))
        return;
    if (version != 2) {
        if (!numbers_read(&left, 0, 4, &communities))
            return;
        local_pref = wire_u32(left.pos);
        left.pos += 4;
    }
    *r = left;
    if (sample->has_gateway)
        return;
    sample->has_gateway = true;
    flow->has_exported_path = 1;
    if (WANTS(sample, bgp_next_hop) && !wire_addr_is_zero(&next_hop)) {
        wire_addr_put(&next_hop, &flow->bgp_next_hop); /* above the router record's */
        sample->has_next_hop = true;
    }
    SET(sample, src_as, wire_u32(fixed + 4));
    SET(sample, peer_src_as, wire_u32(fixed + 8));
    SET(sample, dst_as, path.last_as);
    SET(sample, peer_dst_as, path.first_as);
    SET(sample, local_pref, local_pref);
    if (WANTS(sample, as_path) || WANTS(sample, std_comms))
        gateway_set_texts(sample, version, path.segments, path.len, communities);
}
