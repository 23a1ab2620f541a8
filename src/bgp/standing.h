/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The table remembers addresses that had sessions: since when, so that who was there first is not
 * kept out by who came later, and who broke a limit and is refused for a while. The number of
 * addresses is bounded, and those that came last are forgotten first. The BGP thread owns it.
 */
#include "base/address.h"
#include "base/clock.h"
#include <stddef.h>
#include <stdint.h>

#define STANDING_MAX        1024
#define STANDING_REFUSE_S   60   /* at the first time; each further time doubles it */
#define STANDING_REFUSE_MAX 3600 /* seconds; who behaves for so long after it begins anew */
#define STANDING_NEVER      INT64_MAX

struct standing {
    struct ip_addr address;
    int64_t
        since_ns; /* of its first session (monotonic); STANDING_NEVER: it had none that counts */
    int64_t refused_ns; /* until then it is refused; 0: it never was */
    int64_t refuse_s;   /* how long that was */
    uint8_t subcode;    /* of the Cease that says so (RFC 4486) */
};
/* All zero is an empty one. */
struct standing_table {
    struct standing *entries;
    size_t count;
};

void standing_clear(struct standing_table *table);
/* The address has a session now. */
void standing_met(struct standing_table *table, const struct ip_addr *address,
                  struct mono_time now);
/* Since when it has had sessions, or STANDING_NEVER: the smaller, the better it is known. */
int64_t standing_since(const struct standing_table *table, const struct ip_addr *address);
/* The address broke a limit: it loses its standing and is refused. Returns for how many seconds. */
int64_t standing_refuse(struct standing_table *table, const struct ip_addr *address,
                        uint8_t subcode, struct mono_time now);
/* Seconds for which it is still refused; 0: it is not. */
int64_t standing_refused_s(const struct standing_table *table, const struct ip_addr *address,
                           struct mono_time now, uint8_t *ret_subcode);
