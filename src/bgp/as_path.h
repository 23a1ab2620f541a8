/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * AS paths (RFC 4271 section 4.3, RFC 5065, RFC 6793): from wire bytes of either AS number size
 * into one form, the AS4_PATH merge, and what flows print.
 */
#include "base/text.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { AS_SET = 1, AS_SEQUENCE = 2, AS_CONFED_SEQUENCE = 3, AS_CONFED_SET = 4 };

struct as_segment {
    uint8_t type;
    uint32_t first, count; /* within as_path.numbers */
};
/* Sets are sorted and free of repetitions, neighbouring sequences are one: equal paths look alike.
 * All zero is an empty path; its memory is kept from one path to the next. */
struct as_path {
    struct as_segment *segments;
    uint32_t *numbers;
    uint32_t segment_count, number_count;
    uint32_t segment_capacity, number_capacity;
};
void as_path_clear(struct as_path *path); /* frees */

/* RFC 7606 section 7.2: known segment types, none empty, none beyond the end. `number_size` is 2
 * or 4. */
bool as_path_is_wellformed(const uint8_t *data, size_t len, size_t number_size);
/* Replaces what was there; `data` is well-formed. */
void as_path_decode(struct as_path *path, const uint8_t *data, size_t len, size_t number_size);
/* RFC 6793 section 4.2.3: puts the AS4_PATH in place of the path's tail, if it is not longer than
 * the path. `scratch` is overwritten. */
void as_path_merge(struct as_path *path, const struct as_path *as4_path, struct as_path *scratch);

/* For the decision process: a set counts 1, confederation segments nothing (RFC 4271
 * section 9.1.2.2, RFC 5065 section 5.3). */
uint32_t as_path_len(const struct as_path *path);
uint32_t as_path_first(const struct as_path *path, bool skip_confederation); /* 0: empty */
uint32_t as_path_origin(const struct as_path *path); /* 0: empty, or it ends with a set */
/* "1_2_{3,4}", confederations "(1_2)" and "[3,4]"; only the first `radius` hops, if that is not
 * 0. */
void as_path_format(const struct as_path *path, uint32_t radius, struct text *out);
