/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The file of aggregate_primitives: rows `name=NAME field_type=[PEN:]ID len=N|vlen
 * semantics=u_int|hex|ip|mac|str|raw`, each a primitive of its own. Read once, by the main thread
 * at start.
 */
#include <stddef.h>

struct text;
struct primitive_table;

/* Adds the file's primitives to the table. -EINVAL or -errno; all that is wrong is appended to
 * `errors`. */
int custom_primitives_read(struct primitive_table *table, const char *path, struct text *errors);
int custom_primitives_parse(struct primitive_table *table, const char *name, const char *data,
                            size_t len, struct text *errors);
