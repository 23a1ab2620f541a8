/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Communities as text: standard (RFC 1997), extended (RFC 4360) and large (RFC 8092). They are
 * sets: sorted, each once, joined by '_'.
 */
#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum community_kind {
    COMMUNITY_STANDARD,
    COMMUNITY_EXTENDED,
    COMMUNITY_LARGE,
    COMMUNITY_KIND_COUNT
};
extern const size_t community_sizes[COMMUNITY_KIND_COUNT]; /* 4, 8 and 12 bytes */

/* Sorts in place by wire bytes and drops repetitions; returns how many are left. */
size_t community_sort(enum community_kind kind, uint8_t *communities, size_t count);

/* The communities that are of interest (bgp_stdcomm_pattern and kin); without a pattern all are.
 * A pattern matches a community that contains it; one with dots (each any one character) must
 * match the whole of it. */
#define COMMUNITY_PATTERNS_MAX 16
struct community_patterns {
    size_t count;
    char *patterns[COMMUNITY_PATTERNS_MAX];
};
/* A comma-separated list; NULL gives none. -E2BIG: more than COMMUNITY_PATTERNS_MAX. */
int community_patterns_parse(const char *list, struct community_patterns *ret_patterns);
void community_patterns_clear(struct community_patterns *patterns);

/* Appends those that some pattern matches, in the order of the patterns. `numeric`: no well-known
 * names, no prefix of extended ones. */
void community_format(enum community_kind kind, const uint8_t *communities, size_t count,
                      const struct community_patterns *patterns, bool numeric, struct text *out);
