/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The file of a map while it is read, and what strict_config says of rows that are wrong: they are
 * errors, or are left out with a warning. Whoever reads a map asks its parser again as long as the
 * source forgives:
 *
 *     int err = map_source_open(&source, path, report);
 *     if (err == 0)
 *         do
 *             err = ..._parse(path, source.content.data, source.content.len, &source.errors, ret);
 *         while (err < 0 && map_source_forgives(&source));
 *     map_source_close(&source, err, err < 0 ? 0 : number of entries);
 *
 * One thread at a time.
 */
#include "base/text.h"
#include "maps/map_census.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Collects what is said of maps. All texts are lines "file:line: what is wrong; what would be right". */
struct map_report {
    bool is_tolerant;          /* strict_config: false */
    bool has_row_error;        /* a tolerant reader would have passed over something */
    struct text *errors;       /* borrowed */
    struct text *warnings;     /* borrowed: of rows that were left out */
    struct map_census *census; /* borrowed: of all files that were read; NULL: nobody asks */
};

struct map_source {
    const char *path; /* borrowed */
    struct map_report *report;
    struct text content; /* terminated */
    uint64_t digest;     /* of the file as it is; 0: it cannot be read */
    struct text errors;  /* what the parser found */
};

/* -errno: the file cannot be read. Logs "[path] (re)loading map.". */
int map_source_open(struct map_source *source, const char *path, struct map_report *report);
/* After a parser has found errors: true if their rows were blanked, so that it may try again. */
bool map_source_forgives(struct map_source *source);
/* Reports the errors that are left, and frees. After success (err 0) it logs how many entries there
 * are. */
void map_source_close(struct map_source *source, int err, size_t entry_count);
