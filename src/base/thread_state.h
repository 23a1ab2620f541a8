/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Reads what the kernel shows of a thread of any process, as proc(5) has it. Any thread may call. */
#include <stdint.h>
#include <sys/types.h>

#define THREAD_IN_DISK 'D' /* it waits for a device, and no signal ends that */

struct thread_state {
    char state;      /* R, S, D...; 0: it cannot be read */
    uint64_t run_ns; /* on a CPU so far */
};

/* `thread` is the number of a thread of `process`; that of the main thread is the process's. */
struct thread_state thread_state_read(pid_t process, pid_t thread);

struct text;
/* Appends the state, and where in the kernel the thread waits if the kernel tells; nothing if
 * neither can be read. */
void thread_state_describe(pid_t process, pid_t thread, struct text *out);
