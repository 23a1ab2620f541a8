/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * ports_file, protos_file and tos_file: the values that rows keep; all others become one. A value
 * stands on each line, and `!` and `#` begin comments. Immutable; workers share it under RCU.
 */
#include "config/config_key.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_report;
struct text;

enum value_list_kind {
    VALUE_LIST_PORTS,  /* 1 to 65535; others become 0 */
    VALUE_LIST_PROTOS, /* 0 to 254, or names; others become 255 */
    VALUE_LIST_TOS,    /* 0 to 254; others become 255 */
    VALUE_LIST_COUNT
};
/* Values of an instance's keys; NULL: all values are kept. */
struct value_list_settings {
    const char *paths[VALUE_LIST_COUNT];
};
extern const struct config_key value_list_keys[VALUE_LIST_COUNT + 1]; /* by kind */

struct value_list {
    uint64_t bits[(UINT16_MAX + 1) / 64]; /* a bit for each value that is kept */
    size_t count;
};

static inline bool value_list_has(const struct value_list *list, uint16_t value)
{
    return list->bits[value / 64] >> (value % 64) & 1;
}

/* -EINVAL: all errors are appended, a line each: "file:line: what; what would be right". */
int value_list_parse(enum value_list_kind kind, const char *name, const char *data, size_t len,
                     struct text *errors, struct value_list **ret_list);
/* The same of a file; map_source.h says what becomes of errors. */
int value_list_read(enum value_list_kind kind, const char *path, struct map_report *report,
                    struct value_list **ret_list);
void value_list_free(struct value_list *list); /* NULL is fine */
