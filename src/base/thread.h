/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Threads and their roles. A function annotated ON_THREAD(role) may be called only where the role
 * is held; clang's -Wthread-safety checks that. A thread's main function enters its role with
 * thread_enter_role().
 */
#include <pthread.h>

#if defined(__clang__)
#define THREAD_ANNOTATION(x) __attribute__((x))
#else
#define THREAD_ANNOTATION(x)
#endif
#define ON_THREAD(role)   THREAD_ANNOTATION(requires_capability(role))
#define ENTERS_ROLE(role) THREAD_ANNOTATION(acquire_capability(role))
#define LEAVES_ROLE(role) THREAD_ANNOTATION(release_capability(role))

struct THREAD_ANNOTATION(capability("role")) thread_role {
    int unused;
};
extern struct thread_role main_thread, worker_thread, bgp_thread;

static inline void thread_enter_role(struct thread_role *role) ENTERS_ROLE(*role)
    THREAD_ANNOTATION(no_thread_safety_analysis)
{
    (void)role;
}
static inline void thread_leave_role(struct thread_role *role) LEAVES_ROLE(*role)
    THREAD_ANNOTATION(no_thread_safety_analysis)
{
    (void)role;
}

struct thread {
    pthread_t id;
    int is_running;
};
/* All signals are blocked in the new thread; `name` is at most 15 characters. Negative errno. */
int thread_start(struct thread *thread, const char *name, void (*main_fn)(void *arg), void *arg);
void thread_join(struct thread *thread); /* does nothing if it was not started */
