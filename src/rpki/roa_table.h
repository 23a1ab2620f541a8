/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Validated ROA payloads (RFC 6811): which AS may originate which prefixes, and how the route of a flow
 * stands to them. A table is made whole by one thread, then immutable; workers share it under RCU.
 */
#include "base/address.h"
#include <stddef.h>
#include <stdint.h>

struct roa_table;

/* Says that an AS may originate a prefix and all more specific ones up to a length. AS 0 may nothing: so
 * nobody may (RFC 6483 section 4). */
struct roa {
    struct ip_prefix prefix; /* without bits beyond its length */
    uint8_t max_len;         /* at least that of the prefix */
    uint32_t asn;
};

/* The order of two `struct roa`, for qsort(): a prefix comes before all that it contains. */
int roa_compare(const void *a, const void *b);

/* Makes a table; `roas` are sorted by it, and those that stand there twice count once. */
struct roa_table *roa_table_new(struct roa *roas, size_t count);
void roa_table_free(void *table); /* NULL is fine; a parameter that fits rcu_retire() */
size_t roa_table_count(const struct roa_table *table);

/* RFC 6811 section 2; unknown is what it calls not found. */
enum roa_validity { ROA_UNKNOWN, ROA_INVALID, ROA_VALID };

/* A route: the prefix of so many bits that an address lies in, and the AS that originates it. */
struct roa_query {
    struct ip_addr address;
    uint8_t len;
    uint32_t origin;            /* 0 is valid nowhere */
    enum roa_validity validity; /* the result */
};

/* Validates routes, prefetching across them. `table` may be NULL: then all are unknown. */
void roa_validate(const struct roa_table *table, struct roa_query *queries, size_t count);
