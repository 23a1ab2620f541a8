/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Waits for a database server, so that the process beats in every wait. When the server has not
 * answered for a while, it is asked in another session whether it works at all: one that answers
 * there is only slow, and is waited for as long as it takes.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pa_host;

struct sql_wait {               /* one for each call that waits; all pointers are borrowed */
    const struct pa_host *host; /* beats, and logs what a slow server does */
    const char *server, *doing; /* for the log */
    uint32_t patience_s;        /* after which the server is asked again */
    int64_t begun_ns, deadline_ns;
    char state[128]; /* what the server said last that the session does */
};

/* Begins a wait. `work_s` is added to the time after which the server is asked first. */
struct sql_wait sql_wait_start(const struct pa_host *host, const char *server, const char *doing,
                               uint32_t patience_s, uint32_t work_s);

/* Asks the server in another session; false: it does not work. Else `ret_state` says what the first
 * session does. */
typedef bool sql_wait_ask_fn(void *arg, char *ret_state, size_t size);

/*
 * Returns which of `events` came, and what else poll(2) says of the socket; 0 if the deadline has
 * passed and the server does not work, or `ask` is NULL. -ECANCELED: the host has no time left.
 */
int sql_wait_for(struct sql_wait *wait, int fd, short events, sql_wait_ask_fn *ask, void *arg);
