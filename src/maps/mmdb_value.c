/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks encoded values. A reader goes through the section; what fails stays failed. */
#include "maps/mmdb_value.h"
#include "base/reader.h"
#include <string.h>

/* Databases of places nest four deep and have some hundred values in one entry. */
enum { DEPTH_MAX = 16, VALUES_MAX = 4096 };

/* Types as they are encoded. */
enum { POINTER = 1, STRING = 2, DOUBLE = 3, MAP = 7, ARRAY = 11, BOOLEAN = 14, FLOAT = 15 };

struct value_walk {
    const struct mmdb_section *section;
    uint32_t values_left; /* that it may still look at */
};

/* The first bytes of a value. */
struct head {
    uint8_t type;
    uint32_t size; /* bytes, or pairs or items; of a pointer: where it leads to */
};

static uint32_t read_pointer(struct reader *r, uint8_t control)
{
    /* Section "pointer": where values of each length begin to count. */
    static const uint32_t bases[] = {0, 2048, 526336, 0};
    uint32_t length = control >> 3 & 3;
    uint32_t high = length < 3 ? (uint32_t)(control & 7) << 8 * (length + 1) : 0;

    return bases[length] + (high | (uint32_t)reader_uint(r, length + 1));
}

static struct head read_head(struct value_walk *walk, struct reader *r)
{
    /* A size above 28 is so many more than what stands in one, two or three further bytes. */
    static const uint32_t bases[] = {29, 285, 65821};
    uint8_t control = reader_u8(r);
    struct head head = {.type = control >> 5, .size = control & 31};

    if (walk->values_left == 0 || r->failed) {
        r->failed = true;
        return head;
    }
    walk->values_left--;
    if (head.type == POINTER) {
        head.size = read_pointer(r, control);
        return head;
    }
    if (head.type == 0) /* extended */
        head.type = (uint8_t)(reader_u8(r) + 7);
    if (head.size >= 29)
        head.size = bases[head.size - 29] + (uint32_t)reader_uint(r, head.size - 28);
    return head;
}

/* Reads a head, and where it is a pointer the one that it leads to. `ret_target` then stands behind
 * that one, and `r` behind the pointer; else both are the same. */
static struct head read_resolved(struct value_walk *walk, struct reader *r,
                                 struct reader *ret_target)
{
    struct head head = read_head(walk, r);

    *ret_target = *r;
    if (head.type != POINTER || r->failed)
        return head;
    *ret_target = reader_make(walk->section->data, walk->section->len);
    reader_bytes(ret_target, head.size);
    head = read_head(walk, ret_target);
    if (head.type == POINTER) /* none may lead to another */
        ret_target->failed = true;
    return head;
}

/* NOLINTNEXTLINE(misc-no-recursion): DEPTH_MAX bounds it */
static void skip_body(struct value_walk *walk, struct reader *r, struct head head, int depth)
{
    uint64_t inner = head.type == MAP ? 2 * (uint64_t)head.size : head.size;

    if (head.type == POINTER || head.type == BOOLEAN) /* the head says it all */
        return;
    if (head.type != MAP && head.type != ARRAY) {
        reader_bytes(r, head.size);
        return;
    }
    if (depth == DEPTH_MAX) {
        r->failed = true;
        return;
    }
    for (uint64_t i = 0; i < inner && !r->failed; i++) {
        struct head next = read_head(walk, r);
        skip_body(walk, r, next, depth + 1);
    }
}

/* Steps to the value under a key of the map whose head was read. */
static bool find_key(struct value_walk *walk, struct reader *r, struct head map, const char *key)
{
    size_t len = strlen(key);

    for (uint32_t i = 0; map.type == MAP && i < map.size && !r->failed; i++) {
        struct reader name;
        bool is_pointer = reader_left(r) > 0 && r->pos[0] >> 5 == POINTER;
        struct head head = read_resolved(walk, r, &name);
        const uint8_t *text = reader_bytes(&name, head.size);
        if (head.type != STRING || name.failed)
            return false;
        if (!is_pointer)
            *r = name;
        if (head.size == len && memcmp(text, key, len) == 0)
            return true;
        head = read_head(walk, r);
        skip_body(walk, r, head, 0);
    }
    return false;
}

static bool take_value(struct reader *r, struct head head, struct mmdb_value *ret_value)
{
    struct mmdb_value value = {.type = MMDB_TYPE_REAL};
    uint32_t word;
    float single;

    if (head.type == STRING) {
        value.type = MMDB_TYPE_TEXT;
        value.text_len = head.size;
        value.text = reader_bytes(r, head.size);
    } else if (head.type == DOUBLE && head.size == sizeof value.real) {
        uint64_t bits = reader_u64(r);
        memcpy(&value.real, &bits, sizeof value.real);
    } else if (head.type == FLOAT && head.size == sizeof single) {
        word = reader_u32(r);
        memcpy(&single, &word, sizeof single);
        value.real = (double)single;
    } else {
        return false;
    }
    if (r->failed)
        return false;
    *ret_value = value;
    return true;
}

bool mmdb_value_find(const struct mmdb_section *section, size_t offset, const char *const *path,
                     struct mmdb_value *ret_value)
{
    struct value_walk walk = {.section = section, .values_left = VALUES_MAX};
    struct reader r = reader_make(section->data, section->len), target;
    struct head head;

    reader_bytes(&r, offset);
    head = read_resolved(&walk, &r, &target);
    for (; *path; path++) {
        if (!find_key(&walk, &target, head, *path))
            return false;
        r = target;
        head = read_resolved(&walk, &r, &target);
    }
    return take_value(&target, head, ret_value);
}

bool mmdb_value_is_sound(const struct mmdb_section *section)
{
    struct value_walk walk = {.section = section, .values_left = VALUES_MAX};
    struct reader r = reader_make(section->data, section->len);
    struct head head = read_head(&walk, &r);

    skip_body(&walk, &r, head, 0);
    return !r.failed;
}
