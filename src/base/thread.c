/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads start with all signals blocked: signals are events of the main thread's poller. */
#include "base/thread.h"
#include "base/memory.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

const struct thread_role main_thread = {"main", 1 << 0};
const struct thread_role worker_thread = {"worker", 1 << 1};
const struct thread_role bgp_thread = {"bgp", 1 << 2};
const struct thread_role control_thread = {"control", 1 << 3};

#ifdef THREAD_CHECKS
/* A thread's roles are the one mutable variable outside of a struct, as only the thread itself can
 * tell which ones it holds. */
static _Thread_local unsigned held_roles;

void thread_role_take(const struct thread_role *role)
{
    held_roles |= role->bit;
}

void thread_role_drop(const struct thread_role *role)
{
    held_roles &= ~role->bit;
}

void thread_role_check(const struct thread_role *role, const char *function)
{
    if (held_roles & role->bit)
        return;
    fprintf(stderr, "%s() runs on a thread without the role %s\n", function, role->name);
    abort();
}
#endif

struct thread_start_data {
    void (*main_fn)(void *arg);
    void *arg;
    char name[16]; /* the kernel's limit, with the terminating zero */
};

static void *thread_main(void *arg)
{
    struct thread_start_data data = *(struct thread_start_data *)arg;

    mem_free(arg);
    pthread_setname_np(pthread_self(), data.name);
    data.main_fn(data.arg);
    return NULL;
}

int thread_start(struct thread *thread, const char *name, void (*main_fn)(void *arg), void *arg)
{
    struct thread_start_data *data = mem_zalloc(sizeof *data);
    sigset_t all, before;

    data->main_fn = main_fn;
    data->arg = arg;
    snprintf(data->name, sizeof data->name, "%s", name);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&thread->id, NULL, thread_main, data);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err) {
        mem_free(data);
        return -err;
    }
    thread->is_running = 1;
    return 0;
}

void thread_join(struct thread *thread)
{
    if (!thread->is_running)
        return;
    pthread_join(thread->id, NULL);
    thread->is_running = 0;
}
