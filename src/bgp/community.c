/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Communities as text (RFC 1997, RFC 4360, RFC 8092): each value is written by the rules of its
 * kind, then the patterns choose among the texts. */
#include "bgp/community.h"
#include "base/memory.h"
#include "base/reader.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COMMUNITY_TEXT_LEN 48 /* three 32-bit numbers and their colons are 32 */

const size_t community_sizes[COMMUNITY_KIND_COUNT] = {4, 8, 12};

struct well_known {
    uint32_t value;
    const char *name;
};
/* The names that operators of pmacct know; others print as numbers. */
static const struct well_known well_knowns[] = {
    {0x00000000, "internet"},
    {0xffffff01, "no-export"},
    {0xffffff02, "no-advertise"},
    {0xffffff03, "local-AS"},
};

/* High-order and low-order octets of the type (RFC 4360 sections 3 and 4). */
enum { EXTENDED_AS2 = 0x00, EXTENDED_IPV4 = 0x01, EXTENDED_AS4 = 0x02 };
enum { EXTENDED_ROUTE_TARGET = 0x02, EXTENDED_SITE_OF_ORIGIN = 0x03 };

static int compare_standard(const void *a, const void *b)
{
    return memcmp(a, b, 4);
}
static int compare_extended(const void *a, const void *b)
{
    return memcmp(a, b, 8);
}
static int compare_large(const void *a, const void *b)
{
    return memcmp(a, b, 12);
}

size_t community_sort(enum community_kind kind, uint8_t *communities, size_t count)
{
    static int (*const compare[COMMUNITY_KIND_COUNT])(const void *, const void *) = {
        compare_standard, compare_extended, compare_large};
    size_t size = community_sizes[kind];
    size_t kept = 0;

    qsort(communities, count, size, compare[kind]);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && memcmp(communities + i * size, communities + (kept - 1) * size, size) == 0)
            continue;
        memmove(communities + kept * size, communities + i * size, size);
        kept++;
    }
    return kept;
}

/* Writes "1:2:3". Each new set of attributes comes through here, so printf would cost too much. */
static void numbers_format(const uint32_t *numbers, size_t count, char *out)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            *out++ = ':';
        out += text_format_uint(out, numbers[i]);
    }
    *out = '\0';
}

static void standard_format(const uint8_t *c, bool numeric, char out[COMMUNITY_TEXT_LEN])
{
    for (size_t i = 0; !numeric && i < sizeof well_knowns / sizeof well_knowns[0]; i++) {
        if (well_knowns[i].value == wire_u32(c)) {
            snprintf(out, COMMUNITY_TEXT_LEN, "%s", well_knowns[i].name);
            return;
        }
    }
    numbers_format((const uint32_t[]){wire_u16(c), wire_u16(c + 2)}, 2, out);
}

static void extended_format(const uint8_t *c, bool numeric, char out[COMMUNITY_TEXT_LEN])
{
    const char *prefix = c[1] == EXTENDED_ROUTE_TARGET     ? "RT:"
                         : c[1] == EXTENDED_SITE_OF_ORIGIN ? "SoO:"
                                                           : NULL;
    if (numeric && prefix)
        prefix = "";
    if (prefix && c[0] == EXTENDED_AS2)
        snprintf(out, COMMUNITY_TEXT_LEN, "%s%u:%u", prefix, wire_u16(c + 2), wire_u32(c + 4));
    else if (prefix && c[0] == EXTENDED_IPV4)
        snprintf(out, COMMUNITY_TEXT_LEN, "%s%u.%u.%u.%u:%u", prefix, c[2], c[3], c[4], c[5],
                 wire_u16(c + 6));
    else if (prefix && c[0] == EXTENDED_AS4)
        snprintf(out, COMMUNITY_TEXT_LEN, "%s%u:%u", prefix, wire_u32(c + 2), wire_u16(c + 6));
    else
        snprintf(out, COMMUNITY_TEXT_LEN, "EC:0x%08x%08x", wire_u32(c), wire_u32(c + 4));
}

static void large_format(const uint8_t *c, bool numeric, char out[COMMUNITY_TEXT_LEN])
{
    (void)numeric;
    numbers_format((const uint32_t[]){wire_u32(c), wire_u32(c + 4), wire_u32(c + 8)}, 3, out);
}

static void format_one(enum community_kind kind, const uint8_t *c, bool numeric,
                       char out[COMMUNITY_TEXT_LEN])
{
    static void (*const format[COMMUNITY_KIND_COUNT])(const uint8_t *, bool, char *) = {
        standard_format, extended_format, large_format};
    format[kind](c, numeric, out);
}

int community_patterns_parse(const char *list, struct community_patterns *ret_patterns)
{
    struct community_patterns patterns = {0};

    for (const char *p = list; p && *p;) {
        size_t len = strcspn(p, ",");
        const char *start = p;
        size_t start_len = len;
        p += len + (p[len] == ',');
        while (start_len > 0 && *start == ' ')
            start++, start_len--;
        while (start_len > 0 && start[start_len - 1] == ' ')
            start_len--;
        if (start_len == 0)
            continue;
        if (patterns.count == COMMUNITY_PATTERNS_MAX) {
            community_patterns_clear(&patterns);
            return -E2BIG;
        }
        patterns.patterns[patterns.count++] = mem_strndup(start, start_len);
    }
    *ret_patterns = patterns;
    return 0;
}

void community_patterns_clear(struct community_patterns *patterns)
{
    for (size_t i = 0; i < patterns->count; i++)
        mem_free(patterns->patterns[i]);
    patterns->count = 0;
}

static bool pattern_matches(const char *pattern, const char *text)
{
    if (!strchr(pattern, '.'))
        return strstr(text, pattern) != NULL;
    for (; *pattern && *text; pattern++, text++) {
        if (*pattern != '.' && *pattern != *text)
            return false;
    }
    return !*pattern && !*text;
}

/* True if pattern number `index` is the first one that matches. */
static bool pattern_claims(const struct community_patterns *patterns, size_t index,
                           const char *text)
{
    for (size_t i = 0; i < index; i++) {
        if (pattern_matches(patterns->patterns[i], text))
            return false;
    }
    return pattern_matches(patterns->patterns[index], text);
}

void community_format(enum community_kind kind, const uint8_t *communities, size_t count,
                      const struct community_patterns *patterns, bool numeric, struct text *out)
{
    size_t size = community_sizes[kind];
    size_t rounds = patterns->count ? patterns->count : 1;
    bool is_first = true;

    for (size_t p = 0; p < rounds; p++) {
        for (size_t i = 0; i < count; i++) {
            char one[COMMUNITY_TEXT_LEN];
            format_one(kind, communities + i * size, numeric, one);
            if (patterns->count && !pattern_claims(patterns, p, one))
                continue;
            if (!is_first)
                text_append_char(out, '_');
            text_append_string(out, one);
            is_first = false;
        }
    }
}
