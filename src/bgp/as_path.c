/* SPDX-License-Identifier: GPL-2.0-or-later */
/* AS paths (RFC 4271 section 4.3, RFC 5065, RFC 6793): they are decoded, brought into one form,
 * merged with AS4_PATH, measured and printed here. */
#include "bgp/as_path.h"
#include "base/memory.h"
#include "base/reader.h"
#include <string.h>

struct segment_style {
    const char *open, *close;
    char separator;
};
static const struct segment_style segment_styles[] = {
    [AS_SET] = {"{", "}", ','},
    [AS_SEQUENCE] = {"", "", '_'},
    [AS_CONFED_SEQUENCE] = {"(", ")", '_'},
    [AS_CONFED_SET] = {"[", "]", ','},
};

static bool segment_is_set(uint8_t type)
{
    return type == AS_SET || type == AS_CONFED_SET;
}

static bool segment_is_confederation(uint8_t type)
{
    return type == AS_CONFED_SEQUENCE || type == AS_CONFED_SET;
}

/* Makes room for one more segment of `count` numbers. */
static void path_reserve(struct as_path *path, uint32_t count)
{
    if (path->segment_count == path->segment_capacity) {
        path->segment_capacity = path->segment_capacity ? path->segment_capacity * 2 : 16;
        path->segments =
            mem_realloc_array(path->segments, path->segment_capacity, sizeof path->segments[0]);
    }
    if (path->number_capacity - path->number_count < count) {
        path->number_capacity = (path->number_count + count) * 2;
        path->numbers =
            mem_realloc_array(path->numbers, path->number_capacity, sizeof path->numbers[0]);
    }
}

/* Inserts into a sorted set; false if it is there already. Sets are short. */
static bool set_insert(uint32_t *numbers, uint32_t count, uint32_t number)
{
    uint32_t at = count;

    while (at > 0 && numbers[at - 1] > number)
        at--;
    if (at > 0 && numbers[at - 1] == number)
        return false;
    memmove(numbers + at + 1, numbers + at, (count - at) * sizeof numbers[0]);
    numbers[at] = number;
    return true;
}

/* Returns the last segment if numbers of `type` may go on in it, else a new one. Call
 * path_reserve() first. */
static struct as_segment *path_segment(struct as_path *path, uint8_t type)
{
    if (path->segment_count > 0) {
        struct as_segment *last = &path->segments[path->segment_count - 1];
        if (last->type == type && !segment_is_set(type))
            return last;
    }
    struct as_segment *added = &path->segments[path->segment_count++];
    *added = (struct as_segment){type, path->number_count, 0};
    return added;
}

static void segment_append(struct as_path *path, struct as_segment *segment, uint32_t number)
{
    if (segment_is_set(segment->type) &&
        !set_insert(path->numbers + segment->first, segment->count, number))
        return;
    if (!segment_is_set(segment->type))
        path->numbers[path->number_count] = number;
    path->number_count++;
    segment->count++;
}

void as_path_clear(struct as_path *path)
{
    mem_free(path->segments);
    mem_free(path->numbers);
    *path = (struct as_path){0};
}

/* AS 0 is nobody's (RFC 7607). */
static bool has_as_0(const uint8_t *numbers, size_t count, size_t number_size)
{
    bool has_zero = false;

    if (number_size == 4) {
        for (size_t i = 0; i < count; i++)
            has_zero |= wire_u32(numbers + 4 * i) == 0;
    } else {
        for (size_t i = 0; i < count; i++)
            has_zero |= wire_u16(numbers + 2 * i) == 0;
    }
    return has_zero;
}

bool as_path_is_wellformed(const uint8_t *data, size_t len, size_t number_size)
{
    struct reader r = reader_make(data, len);

    while (reader_left(&r) > 0) {
        uint8_t type = reader_u8(&r);
        uint8_t count = reader_u8(&r);
        const uint8_t *numbers = reader_bytes(&r, count * number_size);
        if (r.failed || type < AS_SET || type > AS_CONFED_SET || count == 0 ||
            has_as_0(numbers, count, number_size))
            return false;
    }
    return true;
}

void as_path_decode(struct as_path *path, const uint8_t *data, size_t len, size_t number_size)
{
    struct reader r = reader_make(data, len);

    path->segment_count = path->number_count = 0;
    while (reader_left(&r) > 0) {
        uint8_t type = reader_u8(&r);
        uint8_t count = reader_u8(&r);
        path_reserve(path, count);
        struct as_segment *segment = path_segment(path, type);
        for (unsigned i = 0; i < count; i++)
            segment_append(path, segment, (uint32_t)reader_uint(&r, number_size));
    }
}

/* Copies the hops of `from` (a set is one) until `hops` of them are there. */
static void path_append(struct as_path *path, const struct as_path *from, uint32_t hops)
{
    for (uint32_t s = 0; s < from->segment_count && hops > 0; s++) {
        const struct as_segment *source = &from->segments[s];
        bool is_set = segment_is_set(source->type);
        uint32_t count = is_set || source->count < hops ? source->count : hops;
        path_reserve(path, count);
        struct as_segment *segment = path_segment(path, source->type);
        for (uint32_t i = 0; i < count; i++)
            segment_append(path, segment, from->numbers[source->first + i]);
        hops -= is_set ? 1 : count;
    }
}

/* Counts the hops of a path. A merge counts those of confederation segments too, so that none of
 * them is lost. */
static uint32_t path_hops(const struct as_path *path, bool with_confederation)
{
    uint32_t hops = 0;

    for (uint32_t s = 0; s < path->segment_count; s++) {
        const struct as_segment *segment = &path->segments[s];
        if (with_confederation || !segment_is_confederation(segment->type))
            hops += segment_is_set(segment->type) ? 1 : segment->count;
    }
    return hops;
}

void as_path_merge(struct as_path *path, const struct as_path *as4_path, struct as_path *scratch)
{
    uint32_t as4_hops = path_hops(as4_path, false);
    uint32_t hops = path_hops(path, true);

    if (as4_hops > path_hops(path, false))
        return; /* the AS4_PATH is to be ignored */
    scratch->segment_count = scratch->number_count = 0;
    path_append(scratch, path, hops - as4_hops);
    for (uint32_t s = 0; s < as4_path->segment_count; s++) {
        const struct as_segment *segment = &as4_path->segments[s];
        if (segment_is_confederation(segment->type))
            continue; /* RFC 6793 section 6: they must not be there */
        const struct as_path one = {
            as4_path->segments + s, as4_path->numbers, 1, as4_path->number_count, 0, 0};
        path_append(scratch, &one, segment->count);
    }
    struct as_path merged = *scratch;
    *scratch = *path;
    *path = merged;
}

uint32_t as_path_len(const struct as_path *path)
{
    return path_hops(path, false);
}

uint32_t as_path_first(const struct as_path *path, bool skip_confederation)
{
    for (uint32_t s = 0; s < path->segment_count; s++) {
        if (!skip_confederation || !segment_is_confederation(path->segments[s].type))
            return path->numbers[path->segments[s].first];
    }
    return 0;
}

uint32_t as_path_origin(const struct as_path *path)
{
    if (path->segment_count == 0)
        return 0;
    const struct as_segment *last = &path->segments[path->segment_count - 1];
    return segment_is_set(last->type) ? 0 : path->numbers[last->first + last->count - 1];
}

void as_path_format(const struct as_path *path, uint32_t radius, struct text *out)
{
    uint32_t hops_left = radius ? radius : UINT32_MAX;

    for (uint32_t s = 0; s < path->segment_count && hops_left > 0; s++) {
        const struct as_segment *segment = &path->segments[s];
        const struct segment_style *style = &segment_styles[segment->type];
        bool is_set = segment_is_set(segment->type);
        uint32_t count = is_set || segment->count < hops_left ? segment->count : hops_left;
        if (s > 0)
            text_append_char(out, '_');
        text_append_string(out, style->open);
        for (uint32_t i = 0; i < count; i++) {
            if (i > 0)
                text_append_char(out, style->separator);
            text_append_uint(out, path->numbers[segment->first + i]);
        }
        text_append_string(out, style->close);
        hops_left -= is_set ? 1 : count;
    }
}
