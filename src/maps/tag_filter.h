/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * pre_tag_filter, pre_tag2_filter and pre_tag_label_filter: which flows an instance takes, by what
 * its map has set. The items of a list are tried from first to last: one that is the tag accepts, a
 * negated one (-5) that is the tag refuses, and a negated one that is not accepts; so nothing counts
 * behind the first negated item, as in pmacct. Immutable; all workers share it.
 */
#include "config/config_key.h"
#include "flow/flow.h"
#include <stdbool.h>

struct text;
struct tag_filter;

/* Values of keys; NULL: none. */
struct tag_filter_settings {
    const char *tag, *tag2, *label;
};
extern const struct config_key tag_filter_keys[];

/* True if there is something to filter by. */
static inline bool tag_filter_is_wanted(const struct tag_filter_settings *settings)
{
    return settings->tag || settings->tag2 || settings->label;
}

/* -EINVAL: appends "key: what is wrong" to `error`. */
int tag_filter_new(const struct tag_filter_settings *settings, struct text *error,
                   struct tag_filter **ret_filter);
void tag_filter_free(struct tag_filter *filter); /* NULL is fine */
bool tag_filter_accepts(const struct tag_filter *filter, const struct flow *flow);
void tag_filter_add_needs(struct flow_needs *needs); /* members that it reads */
