/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Compares a flow with what rows of pre_tag_map ask of it. Each key has a row in tag_keys.def. */
#include "flow/flow.h"
#include "maps/map_file.h"
#include "maps/row_search.h"
#include <stdbool.h>

enum tag_key {
#define TAG_SET(name, ...)   TAG_KEY_##name,
#define TAG_MATCH(name, ...) TAG_KEY_##name,
#include "maps/tag_keys.def"
#undef TAG_SET
#undef TAG_MATCH
    TAG_KEY_COUNT
};
extern const struct map_key tag_keys[];         /* by enum tag_key; for map_file_parse() */
extern const struct map_refusal tag_refusals[]; /* keys of pmacct's that are not read */

/* Texts that are compared with those of a flow; `.` stands for any character. */
struct tag_words {
    char *text;
    const char **words;
    size_t count;
};

/* A condition. It is small, as a map may have a million of them; it borrows nothing. */
struct tag_condition {
    uint8_t key;     /* enum tag_key */
    bool is_negated; /* of texts; numbers and addresses are negated item by item */
    bool is_single;  /* numbers and addresses: one range or prefix, not negated */
    uint8_t prefix_len;
    union {
        struct {
            uint64_t low, high; /* a range */
        };
        struct row_value network; /* a prefix */
        struct map_cell *cell;    /* several items */
        uint64_t number;
        struct tag_words words;
        struct flow_filter *filter;
    };
};

/* Makes a condition of a cell, which is the map's and not needed afterwards. -EINVAL: appends what
 * would be right. */
int tag_condition_make(struct tag_condition *condition, enum tag_key key,
                       const struct map_cell *cell, struct text *error);
void tag_condition_clear(struct tag_condition *condition);
bool tag_condition_holds(const struct tag_condition *condition, const struct flow *flow);
/* Makes what the index of a map finds the row by (maps/row_search.h): the field is the key. False if
 * the index cannot. The cell is that of tag_condition_make(). `ret_is_all`, written where
 * it can: the choice asks all that the condition does. */
bool tag_condition_choice(const struct tag_condition *condition, const struct map_cell *cell,
                          struct row_choice *choice, bool *ret_is_all);
/* Tells what `count` flows of a batch, from `start` on, have in the field of a key that
 * tag_condition_choice() took. */
void tag_condition_column(enum tag_key key, const struct flow_batch *batch, uint32_t start,
                          uint32_t count, struct row_column *column);
void tag_condition_add_needs(const struct tag_condition *condition, struct flow_needs *needs);
