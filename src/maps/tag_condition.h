/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Compares a flow with what rows of pre_tag_map ask of it. Each key has a row in tag_keys.def. */
#include "flow/flow.h"
#include "maps/map_file.h"
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

/* A condition. The cell is the map's; the rest is made from its text. */
struct tag_condition {
    enum tag_key key;
    const struct map_cell *cell;
    bool is_negated; /* of texts; numbers and addresses are negated item by item */
    union {
        uint64_t number;
        struct mac_addr mac;
        struct tag_words words;
        struct flow_filter *filter;
    };
};

/* -EINVAL: appends what would be right. */
int tag_condition_make(struct tag_condition *condition, enum tag_key key,
                       const struct map_cell *cell, struct text *error);
void tag_condition_clear(struct tag_condition *condition);
bool tag_condition_holds(const struct tag_condition *condition, const struct flow *flow);
void tag_condition_add_needs(const struct tag_condition *condition, struct flow_needs *needs);
