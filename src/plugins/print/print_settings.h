/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The keys of print, and what they mean together. */
#include "plugins/text/format.h"
#include "plugins/text/output_keys.h"
#include <stdbool.h>
#include <stdint.h>

struct file_name;
struct row_filter;

extern const struct pa_key print_keys[];

struct print_settings {
    const struct format_kind *kind;
    struct format_options options;
    struct file_owner owner;
    const char *output_file, *latest_file; /* borrowed from the host; NULL: none */
    const char *lock_file, *trigger_exec, *avro_schema_file;
    struct file_name *name, *latest; /* name NULL: standard output; latest NULL: none */
    bool is_stream;                  /* standard output, a pipe, a terminal or a device */
    bool is_appended, has_markers, writes_empty_file, is_trigger_async;
    uint64_t rotate_size;
    int64_t refresh_s;
    uint32_t open_max, files_max;
    struct row_filter *filter; /* print_preprocess; NULL: all rows pass */
};

/* -EINVAL: what is wrong and what would be right stands in `error`. Opens nothing. */
int print_settings_read(const struct pa_host *host, const struct pa_schema *schema, char *error,
                        size_t error_size, struct print_settings *ret_settings);
void print_settings_clear(struct print_settings *settings);
