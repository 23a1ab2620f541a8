/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Threads start with all signals blocked: signals are events of the main thread's poller. */
#include "base/thread.h"
#include "base/memory.h"
#include <signal.h>
#include <stdio.h>

struct thread_role main_thread, worker_thread, bgp_thread;

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
