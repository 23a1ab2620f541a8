/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The lists of values (maps/value_list.h) that instances name: each file is read once, whoever names
 * it. */
struct daemon;
struct text;

/* Adds the lists to d->maps_settings, and gives each instance the numbers of its own. -EINVAL: a file
 * cannot be read, which is appended to `errors` with the key's place. */
int lists_find(struct daemon *d, struct text *errors);
