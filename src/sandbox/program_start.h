/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Starts a program in a process of its own. */
#include <stdbool.h>
#include <sys/types.h>

struct program {
    const char *path;
    char *const *arguments;
    char *const *environment;
    int stdin_fd;               /* becomes its standard input; -1: ours is */
    bool blocks_signals;        /* it begins with all signals blocked, otherwise with none */
    bool has_standard_fds_only; /* it gets 0, 1 and 2, whatever else is inherited */
};

/*
 * Signals that end a process do so, whatever they do here; descriptors without FD_CLOEXEC are
 * inherited. Negative errno: it was not started.
 */
int program_start(const struct program *program, pid_t *ret_pid);
/* The same as a child of our parent, which waits for it. The process has one thread. After an error
 * `ret_pid` is the process that became no program, for the parent to collect, or -1. */
int program_start_beside(const struct program *program, pid_t *ret_pid);

/* Returns `variables`, each NAME=value, and what `environment` has under other names. Both end with
 * NULL, and may be it. The caller frees the array with mem_free; its strings stay where they are. */
char **program_environment(char *const *variables, char *const *environment);
