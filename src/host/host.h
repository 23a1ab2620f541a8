/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Runs a plugin process from its first message to its end: it gets its setup, waits for the
 * instance's lock, opens the backend, then delivers until all lanes have ended, the core has gone
 * away or the time for shutting down is over.
 */

/* `socket` leads to the supervisor and is taken; `argc` and `argv` are those of the program. Returns the
 * exit status: 0 when nothing was lost. */
int host_run(int socket, int argc, char **argv);
