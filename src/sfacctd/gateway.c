/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Renders the AS path and the communities of a gateway record (sFlow version 5; RFC 3176) as text.
 */
#include "sfacctd/gateway.h"

#include <string.h>

enum segment_type { SEGMENT_SET = 1, SEGMENT_SEQUENCE = 2 };

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

    arena_take(&sample->decoder->arena, len);
    return (struct flow_bytes){.data = (const uint8_t *)start, .len = (uint32_t)len};
}

static struct flow_bytes path_text(struct flow_sample *sample, uint8_t version,
                                   const uint8_t *segments, size_t len)
{
    struct arena *arena = &sample->decoder->arena;
    struct reader left = reader_make(segments, len);
    char *start = (char *)arena->data + arena->used, *out = start;

    while (reader_left(&left) > 0) {
        uint32_t type = version == 2 ? SEGMENT_SEQUENCE : reader_u32(&left);
        struct numbers n;
        if (!numbers_read(&left, 0, 0, &n)) /* not so: gateway_read_path() saw them */
            break;
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
    struct arena *arena = &sample->decoder->arena;
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

void gateway_set_texts(struct flow_sample *sample, uint8_t version, const uint8_t *segments,
                       size_t segments_len, struct numbers communities)
{
    if (WANTS(sample, as_path))
        sample->flow->as_path = path_text(sample, version, segments, segments_len);
    if (WANTS(sample, std_comms))
        sample->flow->std_comms = communities_text(sample, communities);
}
