/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Where what belongs to this program is, as in an installation or a build folder. */
#include <limits.h>

/*
 * The folder that the environment's `variable` names, else `below` (lib/pathacct) the folder above
 * the one that holds this program (PREFIX/sbin), else `configured`. To be called before any thread
 * starts.
 */
void program_place_find(char place[PATH_MAX], const char *variable, const char *below,
                        const char *configured);
