/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A process that a filter of system calls does not hold, for one that it does: it is forked before the
 * filter and before threads, starts programs that it was told of then, as children of its owner,
 * and answers what listeners (syscall_filter.h) have. It knows what it may do from its fork, so an owner
 * that was taken over has it start those programs and no others. It ends with its owner.
 *
 * One thread of the owner calls.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct launcher;

/* All strings are used by the new process as they are at its start. */
struct launcher_program {
    const char *path;
    char *const *arguments;
    char *const *variables; /* of its environment, beside all others; NULL: none */
    bool blocks_signals, has_standard_fds_only; /* see program_start.h */
};

struct launcher_settings {
    const struct launcher_program *programs;
    size_t program_count;
    char *const *environment;     /* of all of them */
    const char *const *variables; /* names that may be set for a start; NULL ends them */
    const char *title;            /* what `ps` shows, in place of the arguments */
    int argc;
    char **argv;
};

/* Negative errno: there is none. */
int launcher_new(const struct launcher_settings *settings, struct launcher **ret_launcher);
void launcher_free(struct launcher *launcher); /* waits for its end; NULL is fine */

/*
 * Starts a program, as a child of the caller. `variables`: NAME=value, ended by NULL, which may be
 * NULL. `stdin_fd` -1: as the launcher's. Negative errno: it was not started; -EPIPE: the launcher is
 * gone; -EPERM: the launcher was not told of it.
 */
int launcher_run(struct launcher *launcher, size_t program, char *const *variables, int stdin_fd,
                 pid_t *ret_pid);

/* Has the launcher answer a listener, which is taken; -1 is fine. `who` names it in reports. */
int launcher_listen(struct launcher *launcher, const char *who, int listener);

enum { LAUNCHER_WHO_LEN = 128, LAUNCHER_THREAD_LEN = 16 };
/* Calls of one number that were refused since the report before. */
struct launcher_report {
    char who[LAUNCHER_WHO_LEN];
    char thread[LAUNCHER_THREAD_LEN]; /* the name of the thread that called first, or "" */
    int thread_id, number, answer;    /* number -1: of more numbers than are told apart */
    uint64_t count;
};
/* Returns a descriptor that is readable when there is a report, or the launcher is gone. The first
 * report of a number comes at once, others once a second. */
int launcher_report_fd(const struct launcher *launcher);
/* -EAGAIN: there is none; -EPIPE: the launcher is gone. */
int launcher_take_report(struct launcher *launcher, struct launcher_report *ret_report);
