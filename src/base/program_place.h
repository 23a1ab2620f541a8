/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Where what belongs to this program is, as in an installation or a build folder. */
#include <limits.h>

/*
 * What the environment's `variable` says, else `below` (lib/pathacct) the folder above the one that
 * holds this program (PREFIX/sbin), else `configured`. Before any thread.
 */
void program_place_find(char place[PATH_MAX], const char *variable, const char *below,
                        const char *configured);
