/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The grammar of all maps: rows of key=value separated by blanks, `!` or `#` comments, the first
 * row that matches decides. A value may be quoted ('...' or "...") to hold blanks. What a row asks
 * of a flow may be a list (1,2), a range (10-20, numbers only), and negated (-5, -10.0.0.0/8): it
 * holds if one of the plain items does, or there are only negated ones, and none of the negated
 * ones does.
 *
 * Each map has a table of its keys; what the map is for is not known here.
 */
#include "base/address.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text;

enum map_type {
    MAP_NUMBER,  /* in min..max */
    MAP_ADDRESS, /* one, without prefix length */
    MAP_PREFIX,  /* address or prefix */
    MAP_TEXT,
};

struct map_key {
    const char *name; /* NULL ends a table */
    enum map_type type;
    bool is_match; /* asks of the flow: lists, ranges, negation; else one value that the row sets */
    bool is_required;
    uint64_t min, max; /* MAP_NUMBER */
    const char *alias; /* other names, separated by |, or NULL */
};

/* Keys that the map refuses, with the reason and what to do instead. */
struct map_refusal {
    const char *name, *reason; /* name NULL ends a table */
};

struct map_item {
    bool is_negated;
    union {
        struct {
            uint64_t low, high;
        };
        struct ip_prefix prefix;
    };
};

/* One key=value of a row. */
struct map_cell {
    const char *text; /* as it stood in the file, without quotes */
    struct map_item *items;
    size_t item_count;
    bool has_plain; /* some item is not negated */
};

struct map_row {
    unsigned line;
    struct map_cell **cells; /* by index in the table of keys; NULL: the row does not say */
};

struct map_file {
    char *name;
    size_t key_count, row_count;
    struct map_row *rows;
    struct map_piece *pieces; /* in which rows lie */
};

/*
 * Parses the text of a map, which errors call `name`. `keys` and `refusals` (may be NULL) are
 * borrowed for the call. -EINVAL: all that is wrong is appended to `errors` as lines "file:line:
 * what; what would be right".
 */
int map_file_parse(const char *name, const char *data, size_t len, const struct map_key *keys,
                   const struct map_refusal *refusals, struct text *errors,
                   struct map_file **ret_file);
void map_file_free(struct map_file *file); /* NULL is fine */

/*
 * Reads a whole file, for lists that are no maps too. It is appended to `content`; -EFBIG beyond
 * 256 MB; the reason goes to `errors`. Logs "[path] (re)loading map.". Who has made a map or a list of
 * it calls map_file_loaded(), which logs "[path] map successfully (re)loaded with N entries.":
 * pmacct's words, which scripts wait for.
 */
int map_file_content(const char *path, struct text *content, struct text *errors);
void map_file_loaded(const char *path, size_t entry_count);

/* NULL cells hold for everything. */
bool map_cell_has_number(const struct map_cell *cell, uint64_t number);
bool map_cell_has_address(const struct map_cell *cell, const struct ip_addr *addr);
