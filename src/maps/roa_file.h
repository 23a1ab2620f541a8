/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The file of ROAs that rpki_roas_file names: JSON as rpki-client and routinator write it, an object
 * whose member "roas" is an array of {"prefix", "maxLength", "asn"}; an AS is a number, "1" or "AS1", and
 * whatever else there is does not matter. An element that is none is left out with a warning. One
 * thread at a time.
 */
#include <stddef.h>

struct map_report;
struct roa_table;
struct text;

/* -EINVAL: it is no such file; a line "file:line: what" is appended to `errors`. */
int roa_file_parse(const char *name, const char *data, size_t len, struct text *errors,
                   struct text *warnings, struct roa_table **ret_table);
/* -errno: the report has lines that tell why. */
int roa_file_read(const char *path, struct map_report *report, struct roa_table **ret_table);
