/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A launcher tells a plugin's process what its configuration was at the daemon's start, in a variable
 * of the environment. The process goes by that whatever the core says later, for the core reads
 * datagrams and may have been taken over.
 */
#include "sandbox/syscall_filter.h"
#include <stdbool.h>

struct text;

struct host_bounds {
    enum syscall_mode mode;
    const char *plugin_dir;
    const char *programs; /* those that it may start, each ended by a newline */
    char *memory;         /* of those that were taken */
};

/* Appends NAME=value for the environment. No string has a newline but `programs`. */
void host_bounds_format(const struct host_bounds *bounds, struct text *out);
/* Takes the variable out of our environment. False: there is none, or it is nonsense. */
bool host_bounds_take(struct host_bounds *ret_bounds);
void host_bounds_clear(struct host_bounds *bounds); /* all zero is fine */
bool host_bounds_allow(const struct host_bounds *bounds, const char *program);
