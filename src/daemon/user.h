/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The key `user`: root opens the sockets, then the daemon is that user for good, with the plugin
 * processes and all that they start. Main thread.
 */
#include "base/text.h"
#include "daemon/daemon_private.h"

/* Finds the user that is configured: daemon->user, NULL if the process stays who it is. -EINVAL: what
 * is wrong is appended to `errors`. */
int user_find(struct daemon *daemon, struct text *errors);
/* These make the process the user for a while, so that what is checked is checked as that user.
 * Errors are appended. */
int user_enter(const struct daemon *daemon, struct text *errors);
void user_leave(const struct daemon *daemon);
/* Looks whether that user can read and write what is configured; nothing is made. Each file or folder
 * that it cannot is appended to `errors`, with what would help. */
int user_check_files(const struct daemon *daemon, struct text *errors);
/* Called once the sockets are open: becomes that user, and gives up what is needed no more. Lines
 * are appended to the daemon's notices. */
int user_become(struct daemon *daemon, struct text *errors);
