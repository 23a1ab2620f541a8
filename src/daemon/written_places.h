/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Where the daemon and its plugins will write: the folders of all files that the configuration
 * names. -T setup prints them, for whoever writes ReadWritePaths= of a unit. Main thread.
 */
#include "daemon/daemon_private.h"

/* Prints "writes to FOLDER" to standard output, each folder once, in the order of the alphabet. A
 * folder whose name holds a time or a variable is named by its first part that does not. */
void written_places_print(const struct daemon *daemon);
