/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A configuration key as one row of the table of the module that uses it. The parser, the checks,
 * `--keys`, the manual and the tests are driven by these rows.
 */
#include "plugins/pathacct_plugin.h"
#include <stddef.h>
#include <stdint.h>

struct text;

/*
 * The types of plugin keys, in our words. What stands at the key's place:
 *
 *     KEY_BOOL      bool
 *     KEY_INT       int64_t, within min..max
 *     KEY_SIZE      int64_t; bytes with an optional suffix k, M, G (powers of 1024)
 *     KEY_DURATION  int64_t, seconds; a number with an optional suffix s m h d w (M: calendar
 *                   month, where noted)
 *     KEY_STRING    const char *, NULL when not set and without default
 *     KEY_CHOICE    int, the index in `choices`, words separated by '|'; -1: unset and no default
 *     KEY_IGNORED   nothing: it tunes pmacct's internals and is accepted with one notice that it
 *                   has no effect here
 */
enum config_key_type {
#define PLUGIN_KEY_TYPE(name, word) KEY_##name = PA_KEY_##name,
#include "base/plugin_key.def"
};
enum config_key_scope {
    SCOPE_GLOBAL,   /* one value for the process */
    SCOPE_INSTANCE, /* per plugin instance; unbound means all instances */
    SCOPE_BOUND,    /* per plugin instance, and must be bound to one (pmacct's NO_GLOBAL) */
};

struct config_key {
    const char *name; /* NULL ends a table */
    enum config_key_type type;
    enum config_key_scope scope;
    size_t place;              /* offset in the module's settings struct */
    const char *default_value; /* as it would stand in a file; NULL: unset */
    int64_t min, max;    /* KEY_INT, KEY_SIZE, KEY_DURATION; both 0: no bound but the type's */
    const char *choices; /* KEY_CHOICE */
    const char
        *aliases; /* other names of the same key, separated by '|' (sql_backup_host, fallback...) */
    const char *help; /* one line, lower case, no full stop */
    /* Further checks; appends what is wrong and what would be right to `error`. 0 or -EINVAL. */
    int (*check)(const char *value, struct text *error);
};
