/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A pattern such as /data/%Y-%m-%d/$peer_src_ip-%H%M.json.gz: strftime(3) conversions of the bin's
 * start (or of the time of writing), and $variables: any primitive of the row, $ref, $hst, $tzone.
 *
 * Values come from the network: a name never leaves the directory that the pattern gives it, and
 * different values give different names. Of addresses, numbers, AS paths and the like letters, digits
 * and "-+=,@_" stay, and everything else, such as '.' and ':', becomes '_'. Of texts letters, digits and
 * "-+,@." stay; '/' becomes '_' and everything else =XX, two digits of its byte, also a dot that leads.
 * No dot stays where a variable or a time ends the pattern, as what follows a name's last dot has a
 * meaning, nor in names of tables. A value of more than FILE_NAME_VALUE_MAX characters is cut, and ends
 * with "==" and a hash of the whole.
 */
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text;
struct file_name;

#define FILE_NAME_VALUE_MAX 64
#define FILE_NAME_OTHER     "=other"

/* The kind of thing that the name is for. */
enum file_name_purpose {
    FILE_NAME_FILE,
    FILE_NAME_TABLE,
    FILE_NAME_TOPIC /* in all values everything else becomes '_', and a long one is only cut */
};

struct file_name_context {
    enum file_name_purpose purpose;
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
/* Appends the name for rows whose own name would be one too many: FILE_NAME_OTHER in place of each
 * variable, which no value gives. */
void file_name_append_other(const struct file_name *name, int64_t time_s, struct text *out);
/* Appends bytes that are equal for rows with equal values of the name's columns. */
void file_name_append_key(const struct file_name *name, const struct pa_batch *batch,
                          const uint8_t *row, struct text *out);
/* True if two instants give a row the same name. */
bool file_name_is_same(const struct file_name *name, int64_t a_s, int64_t b_s);
/* Appends a glob(7) pattern that matches all names. */
void file_name_append_glob(const struct file_name *name, struct text *out);
