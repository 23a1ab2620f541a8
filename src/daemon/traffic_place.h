/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Finds the table that control_traffic names, in the configuration. */
struct daemon;
struct text;

/* Gives the path of its socket, to be freed with mem_free(); NULL: control_traffic is unset. -EINVAL:
 * there is no such instance, or its table cannot tell bytes per path, which is appended to `errors`. */
int traffic_place_find(const struct daemon *daemon, struct text *errors, char **ret_path);
