/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Reads what instances see in ways of their own (pipeline/instance_view.h), out of their keys. */
struct daemon;
struct text;

/* Fills d->views, and the lists of maps that instances name. -EINVAL: a method of networks or AS numbers
 * lacks what it is about, which is appended to `errors`. */
int views_read(struct daemon *d, struct text *errors);
