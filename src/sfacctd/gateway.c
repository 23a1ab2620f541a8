/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The extended gateway record: what the router's BGP knows of the destination. Its counts are the
 * sender's word, so nothing is reserved by them: the record is walked once to see that it is whole,
 * and only then are its lists rendered, as BGP's own are (as_path "1_2_{3,4}", communities
 * "1:2_3:4").
 */
#include "sfacctd/collector.h"

#include <string.h>

enum segment_type { SEGMENT_SET = 1, SEGMENT_SEQUENCE = 2 };

/* A run of 32-bit numbers within the record. */
struct numbers {
    const uint8_t *data;
    uint32_t count;
};

struct gateway {
    struct wire_addr next_hop;
    uint32_t src_as, src_peer_as, local_pref;
    uint32_t first_as, last_as;
    struct reader segments; /* the path, seen to be whole */
    struct numbers communities;
};

static struct numbers read_numbers(struct reader *r)
{
    struct numbers n = {NULL, reader_u32(r)};

    n.data = n.count <= reader_left(r) / 4 ? reader_bytes(r, (size_t)n.count * 4) : NULL;
    r->failed |= n.data == NULL;
    return n;
}

/* Each segment: type, count, numbers. Version 2 has one sequence, without its type. Counts are
 * compared with what is left, never multiplied. */
static void read_path(struct flow_sample *sample, struct reader *r, struct gateway *g)
{
    uint32_t type_len = sample->msg->version != 2 ? 4 : 0;
    uint32_t segment_count = type_len ? reader_u32(r) : 1;
    const uint8_t *start = r->pos, *p = start, *end = r->end;

    for (uint32_t i = 0; i < segment_count; i++) {
        if ((size_t)(end - p) < type_len + 4) {
            r->failed = true;
            return;
        }
        uint32_t count = wire_u32(p + type_len);
        p += type_len + 4;
        if (count > (size_t)(end - p) / 4) {
            r->failed = true;
            return;
        }
        if (count == 0)
            continue;
        if (g->first_as == 0)
            g->first_as = wire_u32(p);
        p += (size_t)count * 4;
        g->last_as = wire_u32(p - 4);
    }
    r->pos = p;
    g->segments = reader_make(start, (size_t)(p - start));
}

static char *put_number(char *out, uint32_t value)
{
    char digits[10];
    int count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    while (count > 0)
        *out++ = digits[--count];
    return out;
}

static char *put_segment(char *out, uint32_t type, struct numbers n)
{
    bool is_set = type == SEGMENT_SET && n.count > 1; /* some agents call one AS a set */

    if (is_set)
        *out++ = '{';
    for (uint32_t i = 0; i < n.count; i++) {
        if (i > 0)
            *out++ = is_set ? ',' : '_';
        out = put_number(out, wire_u32(n.data + (size_t)i * 4));
    }
    if (is_set)
        *out++ = '}';
    return out;
}

/* There is room: flow_sample_start() made it for all texts of the sample. */
static struct flow_bytes end_text(struct flow_sample *sample, char *start, const char *end)
{
    size_t len = (size_t)(end - start);

    arena_take(&sample->collector->arena, len);
    return (struct flow_bytes){.data = (const uint8_t *)start, .len = (uint32_t)len};
}

static struct flow_bytes path_text(struct flow_sample *sample, struct reader segments)
{
    struct arena *arena = &sample->collector->arena;
    char *start = (char *)arena->data + arena->used, *out = start;

    while (reader_left(&segments) > 0) {
        uint32_t type = sample->msg->version == 2 ? SEGMENT_SEQUENCE : reader_u32(&segments);
        struct numbers n = read_numbers(&segments);
        if (n.count == 0)
            continue;
        if (out > start)
            *out++ = '_';
        out = put_segment(out, type, n);
    }
    return end_text(sample, start, out);
}

static struct flow_bytes communities_text(struct flow_sample *sample, struct numbers n)
{
    struct arena *arena = &sample->collector->arena;
    char *start = (char *)arena->data + arena->used, *out = start;

    for (uint32_t i = 0; i < n.count; i++) {
        uint32_t community = wire_u32(n.data + (size_t)i * 4);
        if (i > 0)
            *out++ = '_';
        out = put_number(out, community >> 16);
        *out++ = ':';
        out = put_number(out, community & 0xffff);
    }
    return end_text(sample, start, out);
}

void record_gateway(struct flow_sample *sample, struct reader *r)
{
    uint8_t version = sample->msg->version;
    struct flow *flow = sample->flow;
    struct gateway g = {0};

    if (version == 5)
        g.next_hop = sflow_read_addr(r);
    const uint8_t *as = reader_bytes(r, 12); /* the router's own, the source's, its peer's */
    if (!as)
        return;
    g.src_as = wire_u32(as + 4);
    g.src_peer_as = wire_u32(as + 8);
    read_path(sample, r, &g);
    if (version != 2) {
        g.communities = read_numbers(r);
        g.local_pref = reader_u32(r);
    }
    if (r->failed || sample->has_gateway)
        return;
    sample->has_gateway = true;
    flow->has_exported_path = 1;
    if (WANTS(sample, bgp_next_hop) && !wire_addr_is_zero(&g.next_hop)) {
        wire_addr_put(&g.next_hop, &flow->bgp_next_hop); /* above the router record's */
        sample->has_next_hop = true;
    }
    SET(sample, src_as, g.src_as);
    SET(sample, peer_src_as, g.src_peer_as);
    SET(sample, dst_as, g.last_as);
    SET(sample, peer_dst_as, g.first_as);
    SET(sample, local_pref, g.local_pref);
    if (WANTS(sample, as_path))
        flow->as_path = path_text(sample, g.segments);
    if (WANTS(sample, std_comms))
        flow->std_comms = communities_text(sample, g.communities);
}
