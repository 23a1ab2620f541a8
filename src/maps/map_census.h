/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Tells which files were read for a snapshot of maps: how many entries each has, and whether it is the
 * same as before. A reload reads the same files in the same order, so that two censuses can be compared. All
 * zero is an empty one. One thread at a time.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text;

struct map_census_entry {
    char *path;
    uint64_t digest; /* of its content; 0: it could not be read */
    size_t entry_count;
    bool is_wrong; /* it could not be used */
};

struct map_census {
    struct map_census_entry *entries;
    size_t count;
};

void map_census_clear(struct map_census *census);
/* Notes a file; `census` may be NULL. */
void map_census_add(struct map_census *census, const char *path, uint64_t digest,
                    size_t entry_count, bool is_wrong);
/*
 * Appends what a reload found, such as "1 wrong (a.map), 1 changed (b.map: 3 entries, now 4), 2 the same";
 * nothing if no file was read. `old` is what is in force.
 */
void map_census_compare(const struct map_census *old, const struct map_census *now,
                        struct text *out);
