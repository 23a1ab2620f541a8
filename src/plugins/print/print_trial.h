/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Tells of an output before there are rows; print_try_out() is in print.h. */

struct pa_host;
struct print_settings;

/* Says that rows will make the folder of the output, as its mode may surprise who wants to read
 * them. */
void print_tell_of_folder(const struct pa_host *host, const struct print_settings *settings);
