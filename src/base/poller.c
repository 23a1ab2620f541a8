/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A source is known to epoll by (generation, fd): an event that was fetched for a source which a
 * callback of the same round removed - even if its fd was closed, reused and added again - carries
 * an old generation and is passed over. Timers are a binary heap of pointers to the callers'
 * timers.
 */
#include "base/poller.h"
#include "base/memory.h"
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define ROUND_EVENTS 64

struct source {
    poller_fd_fn *fn; /* NULL: no source */
    void *arg;
    uint32_t generation;
    unsigned events; /* what it asked for */
};

struct signal_source {
    struct signal_source *next;
    int fd;
    poller_signal_fn *fn;
    void *arg;
};

struct poller {
    int epoll_fd;
    struct source *sources; /* by fd */
    size_t source_count;
    uint32_t next_generation;
    struct poller_timer **heap; /* from 1; the earliest first */
    size_t heap_count, heap_capacity;
    struct signal_source *signals;
};

int poller_new(struct poller **ret_poller)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);

    if (fd < 0)
        return -errno;
    struct poller *p = mem_zalloc(sizeof *p);
    p->epoll_fd = fd;
    *ret_poller = p;
    return 0;
}

void poller_free(struct poller *poller)
{
    if (!poller)
        return;
    while (poller->signals) {
        struct signal_source *s = poller->signals;
        poller->signals = s->next;
        close(s->fd);
        mem_free(s);
    }
    close(poller->epoll_fd);
    mem_free(poller->heap);
    mem_free(poller->sources);
    mem_free(poller);
}

static struct source *source_find(struct poller *poller, int fd)
{
    if (fd < 0 || (size_t)fd >= poller->source_count || !poller->sources[fd].fn)
        return NULL;
    return &poller->sources[fd];
}

static int source_control(struct poller *poller, int operation, int fd, const struct source *source)
{
    struct epoll_event event = {
        .events = (source->events & POLLER_READ ? EPOLLIN : 0u) |
                  (source->events & POLLER_WRITE ? EPOLLOUT : 0u),
        .data.u64 = (uint64_t)source->generation << 32 | (uint32_t)fd,
    };
    return epoll_ctl(poller->epoll_fd, operation, fd, &event) < 0 ? -errno : 0;
}

int poller_add(struct poller *poller, int fd, unsigned events, poller_fd_fn *fn, void *arg)
{
    struct source source = {fn, arg, poller->next_generation++, events};

    if (fd < 0)
        return -EBADF;
    int err = source_control(poller, EPOLL_CTL_ADD, fd, &source);
    if (err < 0)
        return err;
    if ((size_t)fd >= poller->source_count) {
        size_t count = (size_t)fd * 2 + 16;
        poller->sources = mem_realloc_array(poller->sources, count, sizeof poller->sources[0]);
        for (size_t i = poller->source_count; i < count; i++)
            poller->sources[i] = (struct source){0};
        poller->source_count = count;
    }
    poller->sources[fd] = source;
    return 0;
}

int poller_fd(const struct poller *poller)
{
    return poller->epoll_fd;
}

int poller_modify(struct poller *poller, int fd, unsigned events)
{
    struct source *source = source_find(poller, fd);

    if (!source)
        return -ENOENT;
    if (source->events == events)
        return 0;
    source->events = events;
    return source_control(poller, EPOLL_CTL_MOD, fd, source);
}

void poller_remove(struct poller *poller, int fd)
{
    struct source *source = source_find(poller, fd);

    if (!source)
        return;
    *source = (struct source){0};
    epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static void heap_place(struct poller *poller, size_t index, struct poller_timer *timer)
{
    poller->heap[index] = timer;
    timer->heap_index = (uint32_t)index;
}

/* Puts `timer` where it belongs, `index` being a free place. */
static void heap_sift(struct poller *poller, size_t index, struct poller_timer *timer)
{
    struct poller_timer **heap = poller->heap;

    while (index > 1 && heap[index / 2]->due.ns > timer->due.ns) {
        heap_place(poller, index, heap[index / 2]);
        index /= 2;
    }
    for (;;) {
        size_t child = index * 2;
        if (child + 1 <= poller->heap_count && heap[child + 1]->due.ns < heap[child]->due.ns)
            child++;
        if (child > poller->heap_count || heap[child]->due.ns >= timer->due.ns)
            break;
        heap_place(poller, index, heap[child]);
        index = child;
    }
    heap_place(poller, index, timer);
}

void poller_timer_set(struct poller *poller, struct poller_timer *timer, struct mono_time due)
{
    size_t index = timer->heap_index;

    timer->due = due;
    if (index == 0) {
        if (poller->heap_count + 1 >= poller->heap_capacity) {
            poller->heap_capacity = poller->heap_capacity * 2 + 16;
            poller->heap = mem_realloc_array(poller->heap, poller->heap_capacity,
                                             sizeof(struct poller_timer *));
        }
        index = ++poller->heap_count;
    }
    heap_sift(poller, index, timer);
}

void poller_timer_set_in(struct poller *poller, struct poller_timer *timer, int64_t delay_ns)
{
    poller_timer_set(poller, timer, (struct mono_time){clock_mono().ns + delay_ns});
}

void poller_timer_cancel(struct poller *poller, struct poller_timer *timer)
{
    size_t index = timer->heap_index;

    if (index == 0)
        return;
    timer->heap_index = 0;
    struct poller_timer *last = poller->heap[poller->heap_count--];
    if (last != timer)
        heap_sift(poller, index, last);
}

static void signals_read(void *arg, int fd, unsigned events)
{
    struct signal_source *s = arg;
    struct signalfd_siginfo info;

    (void)events;
    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info)
        s->fn(s->arg, (int)info.ssi_signo);
}

int poller_add_signals(struct poller *poller, const int *signals, poller_signal_fn *fn, void *arg)
{
    sigset_t set;

    sigemptyset(&set);
    for (; *signals != 0; signals++)
        sigaddset(&set, *signals);
    int err = pthread_sigmask(SIG_BLOCK, &set, NULL);
    if (err)
        return -err;
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0)
        return -errno;
    struct signal_source *s = mem_zalloc(sizeof *s);
    *s = (struct signal_source){poller->signals, fd, fn, arg};
    err = poller_add(poller, fd, POLLER_READ, signals_read, s);
    if (err < 0) {
        close(fd);
        mem_free(s);
        return err;
    }
    poller->signals = s;
    return 0;
}

/* The time until the next timer, in milliseconds rounded up, so that it is due when the wait is
 * over. */
static int wait_ms(const struct poller *poller, int timeout_ms)
{
    if (poller->heap_count == 0)
        return timeout_ms;
    int64_t left_ns = poller->heap[1]->due.ns - clock_mono().ns;
    int64_t left_ms = left_ns <= 0 ? 0 : (left_ns + NS_PER_MS - 1) / NS_PER_MS;
    if (left_ms > INT_MAX)
        left_ms = INT_MAX;
    return timeout_ms >= 0 && timeout_ms < left_ms ? timeout_ms : (int)left_ms;
}

static int timers_run(struct poller *poller)
{
    int run_count = 0;
    int64_t now_ns = clock_mono().ns;

    /* A timer that sets itself anew for now must not keep the others and the sources waiting. */
    for (size_t left = poller->heap_count; left > 0 && poller->heap_count > 0; left--) {
        struct poller_timer *timer = poller->heap[1];
        if (timer->due.ns > now_ns)
            break;
        poller_timer_cancel(poller, timer);
        timer->fn(timer->arg);
        run_count++;
    }
    return run_count;
}

int poller_wait(struct poller *poller, int timeout_ms)
{
    struct epoll_event round[ROUND_EVENTS];
    int run_count = 0;

    int count = epoll_wait(poller->epoll_fd, round, ROUND_EVENTS, wait_ms(poller, timeout_ms));
    if (count < 0 && errno != EINTR)
        return -errno;
    for (int i = 0; i < count; i++) {
        int fd = (int)(uint32_t)round[i].data.u64;
        const struct source *source = source_find(poller, fd);
        if (!source || source->generation != (uint32_t)(round[i].data.u64 >> 32))
            continue;
        unsigned events = (round[i].events & EPOLLIN ? POLLER_READ : 0u) |
                          (round[i].events & EPOLLOUT ? POLLER_WRITE : 0u);
        events &= source->events; /* it may ask for less by now */
        if (round[i].events & (EPOLLHUP | EPOLLERR))
            events |= POLLER_HANGUP;
        if (events == 0)
            continue;
        source->fn(source->arg, fd, events);
        run_count++;
    }
    return run_count + timers_run(poller);
}

int poller_event_new(void)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

void poller_event_wake(int fd)
{
    /* The write fails only when the count is already at its maximum: then the poller is awake. */
    (void)!write(fd, &(uint64_t){1}, sizeof(uint64_t));
}

void poller_event_drain(int fd)
{
    uint64_t count;
    (void)!read(fd, &count, sizeof count);
}
