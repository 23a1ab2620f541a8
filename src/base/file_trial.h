/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Tells beforehand whether files can be written, and leaves nothing behind: no file is made, opened
 * for writing or cut. Nothing is kept between calls, so any thread may make them. Errors are the
 * negative errno that writing would give; -ENOENT: the folder is not there.
 */
#include <stdbool.h>

/* Whether a file can be made in the folder. `makes_folders`: the writer would make what is missing
 * of it, so the nearest folder that is there is tried in its place. */
int file_trial_folder(const char *folder, bool makes_folders);
/* Whether the file that `name` leads to (named_file.h) can be opened for writing, or made where it is not there. -EISDIR: it is a
 * folder. */
int file_trial_write(const char *name, bool makes_folders);
/* Whether file_replace() would work. */
int file_trial_replace(const char *name);
