/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The files of a dump: one, or one for each value of the variables in the name. Each is written beside its place
 * and renamed when it is whole, so that a reader sees whole ones; where the name leads to a stream, the lines go there as
 * they come. A link may point to the latest one. What cannot be written is counted, and told once a dump.
 *
 * One thread owns them. They wait for the disk.
 */
#include "base/metric.h"
#include "base/text.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct dump_files;
struct dump_file;

/* A variable in names: $peer_src_ip. In its value each '.' and ':' becomes '_'. */
struct dump_variable {
    const char *name, *value; /* the name without "$" */
};

struct dump_files_settings {
    const char *key, *latest_key; /* for complaints: bgp_table_dump_file */
    const char *pattern,
        *latest; /* strftime(3) conversions and variables; the latter may be NULL */
    const char *files_uid, *files_gid;
    bool is_utc;
    const atomic_bool *is_stopping; /* a stream that takes nothing is given up then */
};

/* Checks a name. `names` ends with NULL. -EINVAL: what is wrong is appended. */
int dump_files_check(const char *pattern, const char *const *names, bool has_time,
                     struct text *error);

/* All borrowed. */
struct dump_files *dump_files_new(const struct dump_files_settings *settings);
/* Files that are not whole are removed. NULL is fine. */
void dump_files_free(struct dump_files *files);

/* Begins a dump of that time; all files of the one before are gone. */
void dump_files_begin(struct dump_files *files, int64_t time_s);
/* Returns the file of these values, which is the same for each call that gives the same name. */
struct dump_file *dump_files_get(struct dump_files *files, const struct dump_variable *variables,
                                 size_t count);
/* Returns the text to append records to, and says how many were appended. */
struct text *dump_file_text(struct dump_file *file);
void dump_file_added(struct dump_files *files, struct dump_file *file, uint64_t records);
/* The dump is over: all files get their names, if `is_whole`; else they are removed. */
void dump_files_end(struct dump_files *files, bool is_whole);

struct dump_file_counts {
    struct counter written, lost; /* records */
};
const struct dump_file_counts *dump_files_counts(const struct dump_files *files); /* any thread */
