/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Keys and plugins that pmacct has and no table of ours claims: refused, or accepted without
 * effect. Rows: unsupported.def. */
#include <stdbool.h>
#include <stddef.h>

enum unsupported_effect {
    UNSUPPORTED_REFUSED, /* an error */
    UNSUPPORTED_IGNORED, /* tunes pmacct's internals: accepted with a notice */
    UNSUPPORTED_FOREIGN, /* belongs to another daemon or to what is not configured: accepted with a notice */
};

struct unsupported_key {
    const char *name;
    enum unsupported_effect effect;
    const char *reason, *remedy; /* NULL unless refused */
    const char *part_of; /* the key that must be true for this one to have an effect; NULL: none */
};

/* Returns false if it is no such key. */
bool unsupported_find(const char *name, struct unsupported_key *ret_key);
bool unsupported_find_plugin(const char *type, struct unsupported_key *ret_plugin);
/* Goes by the beginning of a key: kafka_topic is a key of the plugin kafka, installed or not. */
bool unsupported_find_plugin_of(const char *key, struct unsupported_key *ret_plugin);
/* Finds a choice that pmacct has for a key that is ours. */
bool unsupported_find_value(const char *key, const char *value, struct unsupported_key *ret_value);
/* Gives row after row, in no particular order; false beyond the last. */
bool unsupported_at(size_t index, struct unsupported_key *ret_key);
