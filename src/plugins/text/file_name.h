/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A pattern such as /data/%Y-%m-%d/$peer_src_ip-%H%M.json.gz: strftime(3) conversions of the bin's
 * start (or of the time of writing), and $variables: any primitive of the row, $ref, $hst, $tzone.
 *
 * Values come from the network. Of a value only letters, digits and "-+=,@_" stay, everything else,
 * '/' and '.' above all, becomes '_', and it is cut at FILE_NAME_VALUE_MAX: a name never leaves the
 * directory that the pattern gives it.
 */
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text;
struct file_name;

#define FILE_NAME_VALUE_MAX 64

struct file_name_context {
    const struct pa_schema *schema;
    bool is_utc;
    /* Not a name but a text around one: of any length, and anything but conversions and variables
     * stays as it is. */
    bool is_text;
    const char *refresh, *history; /* for $ref and $hst, as configured */
};

/* Borrows nothing. -EINVAL: what is wrong and what would be right stands in `error`. */
int file_name_new(const char *pattern, const struct file_name_context *context, char *error,
                  size_t error_size, struct file_name **ret_name);
void file_name_free(struct file_name *name); /* NULL is fine */

bool file_name_has_time(const struct file_name *name);
bool file_name_has_columns(const struct file_name *name);

/* Appends the name for a row. `batch` and `row` may be NULL if it has no columns. */
void file_name_append(const struct file_name *name, const struct pa_batch *batch,
                      const uint8_t *row, int64_t time_s, struct text *out);
/* Appends bytes that are equal for rows with equal values of the name's columns. */
void file_name_append_key(const struct file_name *name, const struct pa_batch *batch,
                          const uint8_t *row, struct text *out);
/* True if two instants give a row the same name. */
bool file_name_is_same(const struct file_name *name, int64_t a_s, int64_t b_s);
/* Appends a glob(7) pattern that matches all names. */
void file_name_append_glob(const struct file_name *name, struct text *out);
