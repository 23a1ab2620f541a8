/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hands one call over under a lock, and its result back. See call_thread.h. */
#include "host/call_thread.h"

#include "base/clock.h"
#include "base/memory.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

struct call_thread {
    pthread_t thread;
    pid_t id; /* 0: it has not begun yet */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    call_thread_fn *fn; /* NULL: nothing is to be called */
    void *arg;
    int result;
    bool is_ending;
};

static void *make_calls(void *arg)
{
    struct call_thread *t = arg;

    pthread_mutex_lock(&t->lock);
    t->id = gettid();
    pthread_cond_signal(&t->changed);
    while (!t->is_ending) {
        if (t->fn == NULL) {
            pthread_cond_wait(&t->changed, &t->lock);
            continue;
        }
        pthread_mutex_unlock(&t->lock);
        int result = t->fn(t->arg);
        pthread_mutex_lock(&t->lock);
        t->result = result;
        t->fn = NULL;
        pthread_cond_signal(&t->changed);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

int call_thread_new(struct call_thread **ret_thread)
{
    struct call_thread *t = mem_zalloc(sizeof *t);
    pthread_condattr_t attributes;
    sigset_t all, before;

    pthread_mutex_init(&t->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&t->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&t->thread, NULL, make_calls, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err != 0) {
        pthread_cond_destroy(&t->changed);
        pthread_mutex_destroy(&t->lock);
        mem_free(t);
        return -err;
    }
    pthread_mutex_lock(&t->lock);
    while (t->id == 0)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
    *ret_thread = t;
    return 0;
}

void call_thread_free(struct call_thread *t)
{
    if (t == NULL)
        return;
    pthread_mutex_lock(&t->lock);
    t->is_ending = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

pid_t call_thread_id(const struct call_thread *t)
{
    return t->id;
}

bool call_thread_is_own(const struct call_thread *t)
{
    return pthread_equal(pthread_self(), t->thread);
}

void call_thread_begin(struct call_thread *t, call_thread_fn *fn, void *arg)
{
    pthread_mutex_lock(&t->lock);
    t->arg = arg;
    t->fn = fn;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

bool call_thread_await(struct call_thread *t, int turn_ms, int *ret_result)
{
    int64_t until_ns = clock_mono().ns + turn_ms * NS_PER_MS;
    struct timespec until = {.tv_sec = until_ns / NS_PER_S, .tv_nsec = until_ns % NS_PER_S};
    int err = 0;

    pthread_mutex_lock(&t->lock);
    while (t->fn != NULL && err == 0)
        err = pthread_cond_timedwait(&t->changed, &t->lock, &until);
    bool is_done = t->fn == NULL;
    if (is_done)
        *ret_result = t->result;
    pthread_mutex_unlock(&t->lock);
    return is_done;
}
