/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * epoll with file descriptors, timers and signals as events; one thread owns a poller. Callbacks
 * run inside poller_wait() and may add, change and remove any source or timer, their own included.
 */
#include "base/clock.h"
#include <stdbool.h>
#include <stdint.h>

struct poller;

enum { POLLER_READ = 1, POLLER_WRITE = 2, POLLER_HANGUP = 4 };

typedef void poller_fd_fn(void *arg, int fd, unsigned events);
typedef void poller_timer_fn(void *arg);
typedef void poller_signal_fn(void *arg, int signal_number);

int poller_new(struct poller **ret_poller);
void poller_free(struct poller *poller); /* closes no fd that was added */

/* `events`: what to wait for; POLLER_HANGUP is always reported. The fd stays the caller's. */
int poller_add(struct poller *poller, int fd, unsigned events, poller_fd_fn *fn, void *arg);
int poller_modify(struct poller *poller, int fd, unsigned events);
/* Must come before close(fd); no callback comes after this call. */
void poller_remove(struct poller *poller, int fd);

/* An embedded timer; all zero is an unarmed one. */
struct poller_timer {
    poller_timer_fn *fn;
    void *arg;
    struct mono_time due;
    uint32_t heap_index; /* the poller's; 0: not armed */
};
void poller_timer_set(struct poller *poller, struct poller_timer *timer, struct mono_time due);
void poller_timer_set_in(struct poller *poller, struct poller_timer *timer, int64_t delay_ns);
void poller_timer_cancel(struct poller *poller, struct poller_timer *timer);

/*
 * A descriptor that is readable when a descriptor of the poller is ready: for one that is served by
 * another event loop, whose turn is poller_wait(poller, 0). Timers do not show in it.
 */
int poller_fd(const struct poller *poller);

/* Blocks the signals in the calling thread and delivers them as events (signalfd). `signals` ends
 * with 0. */
int poller_add_signals(struct poller *poller, const int *signals, poller_signal_fn *fn, void *arg);

/* Waits for events at most `timeout_ms` (-1: without end), runs their callbacks, returns how many;
 * -errno. */
int poller_wait(struct poller *poller, int timeout_ms);

/* An eventfd that any thread may write to wake this poller; made by the caller: */
int poller_event_new(void);     /* the fd, or -errno */
void poller_event_wake(int fd); /* any thread */
void poller_event_drain(int fd);
