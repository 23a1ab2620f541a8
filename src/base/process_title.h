/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The name under which lists of processes show this one. */

/* Sets the title that `ps` shows; overwrites the arguments in place. */
void process_title_set(int argc, char **argv, const char *title);
