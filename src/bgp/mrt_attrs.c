/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Turns kept attributes into those of MRT files. See mrt_attrs.h. */
#include "bgp/mrt_attrs.h"
#include "base/writer.h"
#include "bgp/path_attr.h"
#include <string.h>

#define SEGMENT_MAX 255u
enum { FLAG_OPTIONAL = 0x80, FLAG_TRANSITIVE = 0x40, FLAG_EXTENDED_LEN = 0x10 };

void mrt_attrs_scratch_clear(struct mrt_attrs_scratch *scratch)
{
    as_path_clear(&scratch->path);
    as_path_clear(&scratch->as4_path);
    as_path_clear(&scratch->merged);
}

static void put_head(struct text *out, uint8_t flags, uint8_t type, size_t len)
{
    const uint8_t head[4] = {flags | (len > 255 ? FLAG_EXTENDED_LEN : 0), type,
                             (uint8_t)(len > 255 ? len >> 8 : len), (uint8_t)len};

    text_append(out, head, len > 255 ? 4 : 3);
}

static void put_u32(struct text *out, uint32_t value)
{
    uint8_t bytes[4];

    wire_put_u32(bytes, value);
    text_append(out, bytes, sizeof bytes);
}

/* Writes AS_PATH with four octets a number, in segments of at most 255. */
static void put_as_path(struct text *out, const struct as_path *path)
{
    size_t len = 0;

    for (uint32_t s = 0; s < path->segment_count; s++) {
        uint32_t count = path->segments[s].count;
        len += 4u * count + 2u * ((count + SEGMENT_MAX - 1) / SEGMENT_MAX);
    }
    put_head(out, FLAG_TRANSITIVE, attr_type(ATTR_AS_PATH), len);
    for (uint32_t s = 0; s < path->segment_count; s++) {
        const struct as_segment *segment = &path->segments[s];
        for (uint32_t at = 0; at < segment->count; at += SEGMENT_MAX) {
            uint32_t left = segment->count - at;
            uint32_t count = left < SEGMENT_MAX ? left : SEGMENT_MAX;
            const uint8_t head[2] = {segment->type, (uint8_t)count};
            text_append(out, head, sizeof head);
            for (uint32_t i = 0; i < count; i++)
                put_u32(out, path->numbers[segment->first + at + i]);
        }
    }
}

/* Writes what a session with numbers of two octets said, as one with four would have (RFC 6793 section
 * 4.2.3). */
static void put_wide(struct text *out, const struct attr_received *received,
                     struct mrt_attrs_scratch *scratch)
{
    struct reader r = reader_make(received->data, received->len);
    struct attr_value values[ATTR_COUNT] = {{0}}, value, whole;
    uint8_t type;

    while (reader_left(&r) > 0 && attr_next(&r, &type, &value, &whole)) {
        int attr = attr_find(type);
        if (attr >= 0)
            values[attr] = value;
        if (attr != ATTR_AS_PATH && attr != ATTR_AS4_PATH && attr != ATTR_AGGREGATOR &&
            attr != ATTR_AS4_AGGREGATOR)
            text_append(out, whole.data, whole.len);
    }
    const struct attr_value *aggregator = &values[ATTR_AGGREGATOR];
    bool is_old = aggregator->data && wire_u16(aggregator->data) != AS_TRANS;
    as_path_decode(&scratch->path, values[ATTR_AS_PATH].data, values[ATTR_AS_PATH].len, 2);
    if (values[ATTR_AS4_PATH].data && !is_old) {
        as_path_decode(&scratch->as4_path, values[ATTR_AS4_PATH].data, values[ATTR_AS4_PATH].len,
                       4);
        as_path_merge(&scratch->path, &scratch->as4_path, &scratch->merged);
    }
    put_as_path(out, &scratch->path);
    if (!aggregator->data)
        return;
    put_head(out, FLAG_OPTIONAL | FLAG_TRANSITIVE, attr_type(ATTR_AGGREGATOR), 8);
    if (values[ATTR_AS4_AGGREGATOR].data && !is_old) {
        text_append(out, values[ATTR_AS4_AGGREGATOR].data, 8);
        return;
    }
    put_u32(out, wire_u16(aggregator->data));
    text_append(out, aggregator->data + 2, 4);
}

static void put_next_hop(struct text *out, const struct ip_addr *next_hop,
                         const struct address_family_info *family)
{
    static const uint8_t no_rd[8];
    size_t len = ip_addr_wire_len(next_hop), rd_len = family->has_rd ? sizeof no_rd : 0;

    if (family->rib_safi == RIB_UNICAST && family->ip_family == IP_V4 &&
        next_hop->family == IP_V4) {
        put_head(out, FLAG_TRANSITIVE, attr_type(ATTR_NEXT_HOP), len);
        text_append(out, ip_addr_wire(next_hop), len);
        return;
    }
    put_head(out, FLAG_OPTIONAL, attr_type(ATTR_MP_REACH), 1 + rd_len + len);
    text_append_char(out, (char)(rd_len + len));
    text_append(out, no_rd, rd_len);
    text_append(out, ip_addr_wire(next_hop), len);
}

void mrt_attrs_write(struct text *out, const struct attr_received *received,
                     const struct ip_addr *next_hop, const struct address_family_info *family,
                     struct mrt_attrs_scratch *scratch)
{
    text_reset(out);
    if (received->has_four_octet_as)
        text_append(out, received->data, received->len);
    else
        put_wide(out, received, scratch);
    put_next_hop(out, next_hop, family);
}

size_t mrt_nlri_write(uint8_t out[NLRI_SIZE_MAX], const struct address_family_info *family,
                      uint64_t rd, const struct ip_prefix *prefix)
{
    static const uint8_t no_label[3] = {0x80, 0, 0};
    struct writer w = writer_make(out, NLRI_SIZE_MAX);

    writer_u8(&w,
              (uint8_t)(prefix->len + (family->has_labels ? 24 : 0) + (family->has_rd ? 64 : 0)));
    if (family->has_labels)
        writer_bytes(&w, no_label, sizeof no_label);
    if (family->has_rd) {
        writer_u32(&w, (uint32_t)(rd >> 32));
        writer_u32(&w, (uint32_t)rd);
    }
    writer_bytes(&w, ip_addr_wire(&prefix->addr), (prefix->len + 7u) / 8);
    return writer_len(&w);
}
