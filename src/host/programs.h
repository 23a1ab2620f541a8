/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The programs that a plugin starts: those that its keys with PA_ROLE_PROGRAM name. Where the process
 * is to have a filter of system calls (sandbox/) a launcher starts them, which must be there before the
 * filter; else the process itself. One thread.
 */
#include "handover/setup.h"
#include "plugins/pathacct_plugin.h"

struct host_bounds;
struct programs;

/* The arguments are borrowed for its life. `bounds` NULL: any program may be started; else others are left
 * out. */
struct programs *programs_new(const struct pa_plugin *plugin, const struct setup *setup,
                              const struct host_bounds *bounds);
void programs_free(struct programs *programs); /* NULL is fine */
/* Forks the launcher if there is anything to start. `argc` and `argv` are where the title of a process
 * stands. Negative errno. */
int programs_fork_launcher(struct programs *programs, int argc, char **argv);
/* See start_program in pathacct_plugin.h. -ENOENT: the key names none. */
int programs_start(struct programs *programs, const char *key, char *const *variables,
                   int *ret_pid);
