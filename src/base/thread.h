/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Threads and their roles. A function annotated ON_THREAD(role) may be called only where the role
 * is held; clang's -Wthread-safety checks that, except through pointers to functions. So functions
 * that are called once a batch, and those that others call back, begin with THREAD_ASSERT(role):
 * with THREAD_CHECKS (presets dev, tsan and clang) the program aborts where the calling thread does
 * not hold the role.
 *
 * A thread's main function enters its role. The main thread enters a worker's as well where it
 * loads, settles or frees a worker whose thread does not run.
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
    const char *name;
    unsigned bit; /* among the roles that a thread holds */
};
extern const struct thread_role main_thread, worker_thread, bgp_thread, control_thread;

#ifdef THREAD_CHECKS
void thread_role_take(const struct thread_role *role);
void thread_role_drop(const struct thread_role *role);
void thread_role_check(const struct thread_role *role, const char *function);
#define THREAD_ASSERT(role) thread_role_check(&(role), __func__)
#else
static inline void thread_role_take(const struct thread_role *role)
{
    (void)role;
}
static inline void thread_role_drop(const struct thread_role *role)
{
    (void)role;
}
#define THREAD_ASSERT(role) ((void)0)
#endif

/* The analysis is off in these two alone: for it, a role here comes from nowhere. */
static inline void thread_enter_role(const struct thread_role *role) ENTERS_ROLE(*role)
    THREAD_ANNOTATION(no_thread_safety_analysis)
{
    thread_role_take(role);
}
static inline void thread_leave_role(const struct thread_role *role) LEAVES_ROLE(*role)
    THREAD_ANNOTATION(no_thread_safety_analysis)
{
    thread_role_drop(role);
}

struct thread {
    pthread_t id;
    int is_running;
};
/* All signals are blocked in the new thread; `name` is at most 15 characters. Negative errno. */
int thread_start(struct thread *thread, const char *name, void (*main_fn)(void *arg), void *arg);
void thread_join(struct thread *thread); /* does nothing if it was not started */
