/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A client of an RPKI cache (RFC 6810, RFC 8210), which tells all ROAs and then what changes, in a
 * thread of its own over TCP. The ROAs of an answer hold together, as one table that readers see under
 * RCU. When the cache is away they hold until they expire.
 */
#include "base/rcu.h"
#include "config/config_key.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct roa_table;
struct rtr;
struct text;

/* Values of the keys in rtr_keys[]; strings are borrowed from the configuration. */
struct rtr_settings {
    const char *cache; /* ADDRESS:PORT, [ADDRESS]:PORT; NULL: there is none */
    int32_t version;   /* 0 or 1; a cache that lacks 1 is asked by 0 */
    int32_t pipe_size, ip_precedence;
};
extern const struct config_key rtr_keys[];

/* -EINVAL: the cache is no address with a port; what would be one is appended. */
int rtr_check(const struct rtr_settings *settings, struct text *error);
struct rtr *rtr_new(const struct rtr_settings *settings, struct rcu *rcu); /* checked settings */
int rtr_start(struct rtr *rtr); /* starts the thread; -errno */
void rtr_stop(struct rtr *rtr); /* ends it */
void rtr_free(struct rtr *rtr); /* after all readers are gone; NULL is fine */

/* Returns where the table in force is published: NULL until the cache has told one, and after it expired.
 * What is read there is borrowed until the reader's next quiescent state. */
const struct roa_table *_Atomic *rtr_roas(struct rtr *rtr);

/* A number that statistics tell: rows of rtr_counters.def. */
struct rtr_statistic {
    const char *name, *help;
    bool is_gauge; /* it stands now; others only grow */
};
typedef void rtr_statistic_fn(void *arg, const struct rtr_statistic *statistic, uint64_t value);
/* Tells `fn` all of them, always in one order; from any thread. */
void rtr_statistics_each(const struct rtr *rtr, rtr_statistic_fn *fn, void *arg);
