/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Tells how many bytes each path has taken lately, out of the memory table that control_traffic names.
 * A thread of its own asks the table as any client does (plugins/memory/query.h), so that nobody else
 * waits for the plugin's process: each minute, and when somebody asks and the last answer is older
 * than TRAFFIC_AGE_S. What it publishes is immutable, and read under RCU.
 */
#include "base/address.h"
#include "base/rcu.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct traffic;

enum {
    TRAFFIC_AGE_S = 10,
    TRAFFIC_ROWS_MAX = 1 << 18, /* rows of the table that are kept; the others are left out */
    TRAFFIC_ERROR_LEN = 200,
};

/* The bytes from one exporter to one network by one next hop. Rows of the table that agree in these
 * are one. */
struct traffic_row {
    struct ip_prefix network;
    struct ip_addr exporter, next_hop;
    uint64_t bytes; /* in the time of the table below */
};

struct traffic_table {
    int64_t from_ns, until_ns;     /* wall clock; 0: there was no answer yet */
    bool is_whole;                 /* no row was left out */
    char error[TRAFFIC_ERROR_LEN]; /* why there is no newer one; empty: there is */
    size_t count;
    struct traffic_row rows[]; /* sorted by network */
};

/* `has_news` is called on its thread after each answer, and each failure. `path` is copied. */
struct traffic *traffic_new(const char *path, struct rcu *rcu, void (*has_news)(void *arg),
                            void *arg);
int traffic_start(struct traffic *traffic);
/* Any thread: has_news() will be called, at once if there is an answer that is young enough. */
void traffic_ask(struct traffic *traffic);
/* RCU: borrowed until the next quiescent state; NULL: nothing came yet. */
const struct traffic_table *traffic_table(const struct traffic *traffic);
/* Returns the first row of a network, and how many there are; NULL: none. */
const struct traffic_row *traffic_rows(const struct traffic_table *table,
                                       const struct ip_prefix *network, size_t *ret_count);
/* Ends the thread, which may take as long as its plugin may be silent (2 s); questions get no answer from
 * then on. NULL is fine, as in the next one. */
void traffic_stop(struct traffic *traffic);
void traffic_free(struct traffic *traffic); /* after all readers of the table are gone */
