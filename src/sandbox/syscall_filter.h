/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A filter of system calls (seccomp(2)): from then on a process of ours, with all its threads, makes
 * those alone that syscalls.def has for it. What else it calls fails: with ENOSYS if the call came
 * with Linux 5.1 or later, as libc has another way then, with EPERM if it is older. Who calls waits
 * until somebody has taken the call from the listener, so nobody whom the filter holds may do that: it
 * is the launcher's work (launcher.h). Once no process has the listener, what is refused fails with
 * ENOSYS at once.
 *
 * A filter cannot be taken off, and is inherited by all that the process starts. A process without
 * CAP_SYS_ADMIN gets no_new_privs with it.
 */
#include <stdbool.h>
#include <stdint.h>

enum syscall_mode {
    SYSCALLS_REFUSED,
    SYSCALLS_KILL, /* the kernel ends the whole process by SIGSYS */
    SYSCALLS_FREE, /* no filter */
};

/* Whom a filter is for: the core, or the process of a plugin of ours. */
enum syscall_user {
    SYSCALLS_OF_CORE,
    SYSCALLS_OF_PRINT,
    SYSCALLS_OF_MEMORY,
    SYSCALLS_OF_SQLITE3,
    SYSCALLS_OF_PGSQL,
    SYSCALLS_OF_MYSQL,
    SYSCALLS_OF_KAFKA,
    SYSCALLS_OF_TEE,
    SYSCALLS_OF_AMQP,
};

/* False in builds without libseccomp and in those with a sanitizer, whose own calls are others. */
bool syscall_filter_is_built(void);
/* -ENOENT: the table knows no plugin of this name. */
int syscall_user_find(const char *plugin_name, enum syscall_user *ret_user);

/*
 * Puts the filter on the process. `ret_listener` is the caller's: -1 if there is none to listen to, as
 * with SYSCALLS_KILL; then what is refused fails all the same, and nobody hears of it. Negative
 * errno: there is no filter, and nothing has changed but perhaps no_new_privs; -ENOSYS where it is
 * not built.
 */
int syscall_filter_install(enum syscall_user user, enum syscall_mode mode, int *ret_listener);

/* A call that was refused. */
struct refused_call {
    int number;
    int thread_id;
    int answer; /* EPERM or ENOSYS */
    uint64_t id;
};
/* Takes one that a listener has; its thread waits until it is answered. -EAGAIN: there was none, or its
 * thread is gone. */
int syscall_filter_take(int listener, struct refused_call *ret_call);
void syscall_filter_answer(int listener, const struct refused_call *call);

enum { SYSCALL_NAME_LEN = 32 };
/* Gives the name of a call of this machine, or "number N". */
void syscall_name(int number, char name[SYSCALL_NAME_LEN]);
