/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A configuration key as one row of the table of the module that uses it. The parser, the checks,
 * `--keys`, the manual and the tests are driven by these rows.
 */
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text;

/*
 * The types of plugin keys, in our words:
 *
 *     KEY_BOOL      true or false
 *     KEY_INT       a whole number within min..max
 *     KEY_SIZE      bytes with an optional suffix k, M, G (powers of 1024)
 *     KEY_DURATION  seconds; a number with an optional suffix s m h d w (M: calendar month, where
 *                   noted)
 *     KEY_STRING    NULL when not set and without default
 *     KEY_CHOICE    one of `choices`; 0 when not set and without default
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

/* The type of the member that a value is written to. */
enum config_place_type {
    PLACE_NONE, /* nowhere: `parse` takes the value, or somebody looks it up by its name */
    PLACE_BOOL,
    PLACE_I16,
    PLACE_U16,
    PLACE_I32,
    PLACE_U32,
    PLACE_I64,
    PLACE_U64,
    PLACE_STRING, /* const char * */
};
struct config_place {
    size_t offset; /* in the module's settings struct */
    enum config_place_type type;
};

/* A word of a KEY_CHOICE and the enumerator that it stands for. Several words may stand for the
 * same. */
struct config_choice {
    const char *word; /* NULL ends a list */
    int value;
};
#define KEY_CHOICES(...) ((const struct config_choice[]){__VA_ARGS__, {0}})

struct config_key {
    const char *name; /* NULL ends a table */
    enum config_key_type type;
    struct config_place place; /* these four come from KEY_..._AT() */
    int64_t min, max; /* KEY_INT, KEY_SIZE, KEY_DURATION; both 0: no bound but the type's */
    const char *default_value; /* as it would stand in a file; NULL: unset */
    enum config_key_scope scope;
    const struct config_choice *choices; /* KEY_CHOICE; in the order that people see */
    /* Other names of the same key, separated by '|' (sql_backup_host, fallback...). */
    const char *aliases;
    const char *help; /* one line, lower case, no full stop */
    /* Checks further; appends what is wrong and what would be right to `error`. 0 or -EINVAL. */
    int (*check)(const char *value, struct text *error);
    /*
     * For a key that is more than one value: reads the value in force, NULL when unset, into the
     * module's settings, after all others are there. -EINVAL: what is wrong is appended to
     * `errors`, a line each.
     */
    int (*parse)(const char *value, void *settings, struct text *errors);
};

/* A function for `check`: the value must be an IP address. */
int config_check_address(const char *value, struct text *error);

/*
 * In tables that all daemons share, a name that starts with "NAME_" begins with the daemon's
 * (nfacctd_port, sfacctd_port), and one with "NETFLOW_" is nfacctd's alone. KEY_OWN_EXPORT as a
 * default is the word for what the daemon receives: netflow or sflow.
 */
#define KEY_OWN_EXPORT "NAME"

/*
 * Type, place and range of a row, {"port", KEY_INT_AT(struct udp_settings, port, 0, 65535), "2100",
 * ...}. A member of another type does not compile, and no integer that is too small for the range.
 */
/* clang-format off */
#define KEY_BOOL_AT(settings, member) \
    KEY_BOOL, {offsetof(settings, member), KEY_MEMBER(settings, member, bool: PLACE_BOOL)}, 0, 0
#define KEY_STRING_AT(settings, member) \
    KEY_STRING, \
    {offsetof(settings, member), KEY_MEMBER(settings, member, const char *: PLACE_STRING)}, 0, 0
#define KEY_INT_AT(settings, member, min, max) \
    KEY_INT, KEY_INTEGER(settings, member, min, max), min, max
#define KEY_SIZE_AT(settings, member, min, max) \
    KEY_SIZE, KEY_INTEGER(settings, member, min, max), min, max
#define KEY_DURATION_AT(settings, member, min, max) \
    KEY_DURATION, KEY_INTEGER(settings, member, min, max), min, max
/* For an enum; or for a bool, which is true once a choice is made whose value is not 0. */
#define KEY_CHOICE_AT(settings, member) \
    KEY_CHOICE, \
    {offsetof(settings, member), KEY_MEMBER(settings, member, \
        bool: PLACE_BOOL, int: PLACE_I32, unsigned: PLACE_U32)}, 0, 0

#define KEY_MEMBER(settings, member, ...) _Generic(((settings *)0)->member, __VA_ARGS__)
#define KEY_INTEGER(settings, member, min, max) \
    {offsetof(settings, member) + KEY_RANGE_FITS( \
        (min) >= KEY_MEMBER(settings, member, int16_t: INT16_MIN, uint16_t: 0, \
            int32_t: INT32_MIN, uint32_t: 0, int64_t: INT64_MIN, uint64_t: 0) && \
        (max) <= KEY_MEMBER(settings, member, int16_t: INT16_MAX, uint16_t: UINT16_MAX, \
            int32_t: INT32_MAX, uint32_t: UINT32_MAX, int64_t: INT64_MAX, uint64_t: INT64_MAX)), \
     KEY_MEMBER(settings, member, int16_t: PLACE_I16, uint16_t: PLACE_U16, \
        int32_t: PLACE_I32, uint32_t: PLACE_U32, int64_t: PLACE_I64, uint64_t: PLACE_U64)}
/* Gives 0, if it compiles. */
#define KEY_RANGE_FITS(fits) \
    (0 * sizeof(struct { _Static_assert(fits, "the range does not fit the member"); int unused; }))
/* clang-format on */
