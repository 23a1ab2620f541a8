/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The file of aggregate_primitives: rows `name=NAME field_type=[PEN:]ID len=N|vlen
 * semantics=u_int|hex|ip|mac|str|raw`, each a primitive of its own. Read once, by the main thread
 * at start.
 */
#include <stddef.h>

struct text;
struct map_report;
struct primitive_table;

/* Makes a table of the built-in primitives and the file's take the place of one that has none of
 * its own yet. -EINVAL or -errno: what is wrong is in the report. */
int custom_primitives_read(const char *path, struct map_report *report,
                           struct primitive_table **table);
/* Adds those of a text to the table; all that is wrong is appended to `errors`. */
int custom_primitives_parse(struct primitive_table *table, const char *name, const char *data,
                            size_t len, struct text *errors);
