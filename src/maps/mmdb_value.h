/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Values of a MaxMind DB (https://maxmind.github.io/MaxMind-DB, version 2.0, "Output Data Section"):
 * maps, texts and numbers, of which any may be a pointer to another place of the section. The bytes
 * may be anything: nesting and work of one call are bounded, which libmaxminddb 1.7 does not do.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed; pointers count from its start. */
struct mmdb_section {
    const uint8_t *data;
    size_t len;
};

enum mmdb_type { MMDB_TYPE_TEXT, MMDB_TYPE_REAL };

struct mmdb_value {
    enum mmdb_type type;
    const uint8_t *text; /* borrowed from the section, not terminated */
    size_t text_len;
    double real;
};

/*
 * Finds what stands at `offset` under the keys of a path, which ends with NULL: {"country",
 * "iso_code", NULL}. False: it is not there, is no text and no real number, or the bytes are not
 * well-formed.
 */
bool mmdb_value_find(const struct mmdb_section *section, size_t offset, const char *const *path,
                     struct mmdb_value *ret_value);

/* True if a whole value stands at the start of the section, within the bounds of this module. */
bool mmdb_value_is_sound(const struct mmdb_section *section);
