/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Finds settings that are right by every rule and yet probably not what was meant: columns that
 * stay empty, time stamps that come twice. */
struct daemon;
struct text;

/* Appends lines "place: key[instance]: what will be seen; what to do". After setup has read all. */
void notices_append(const struct daemon *daemon, struct text *notices);
