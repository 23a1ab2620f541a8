/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The standing of addresses: a short list that is searched from its beginning to its end. */
#include "bgp/standing.h"
#include "base/memory.h"

void standing_clear(struct standing_table *table)
{
    mem_free(table->entries);
    *table = (struct standing_table){0};
}

static struct standing *standing_find(const struct standing_table *table,
                                      const struct ip_addr *address)
{
    for (size_t i = 0; i < table->count; i++) {
        if (ip_addr_equal(&table->entries[i].address, address))
            return &table->entries[i];
    }
    return NULL;
}

/* True if `a` is to be forgotten before `b`. */
static bool is_lesser(const struct standing *a, const struct standing *b)
{
    if (a->refused_ns != b->refused_ns)
        return a->refused_ns < b->refused_ns;
    return a->since_ns > b->since_ns;
}

/* Finds the entry of an address, or makes one. */
static struct standing *standing_take(struct standing_table *table, const struct ip_addr *address)
{
    struct standing *found = standing_find(table, address);

    if (found)
        return found;
    if (!table->entries)
        table->entries = mem_calloc(STANDING_MAX, sizeof table->entries[0]);
    if (table->count < STANDING_MAX) {
        found = &table->entries[table->count++];
    } else {
        found = &table->entries[0];
        for (size_t i = 1; i < table->count; i++) {
            if (is_lesser(&table->entries[i], found))
                found = &table->entries[i];
        }
    }
    *found = (struct standing){.address = *address, .since_ns = STANDING_NEVER};
    return found;
}

void standing_met(struct standing_table *table, const struct ip_addr *address, struct mono_time now)
{
    struct standing *standing = standing_take(table, address);

    if (standing->since_ns == STANDING_NEVER)
        standing->since_ns = now.ns;
}

int64_t standing_since(const struct standing_table *table, const struct ip_addr *address)
{
    const struct standing *standing = standing_find(table, address);
    return standing ? standing->since_ns : STANDING_NEVER;
}

int64_t standing_refuse(struct standing_table *table, const struct ip_addr *address,
                        uint8_t subcode, struct mono_time now)
{
    struct standing *standing = standing_take(table, address);
    bool is_again =
        standing->refused_ns > 0 && now.ns - standing->refused_ns < STANDING_REFUSE_MAX * NS_PER_S;

    standing->refuse_s = is_again ? standing->refuse_s * 2 : STANDING_REFUSE_S;
    if (standing->refuse_s > STANDING_REFUSE_MAX)
        standing->refuse_s = STANDING_REFUSE_MAX;
    standing->refused_ns = now.ns + standing->refuse_s * NS_PER_S;
    standing->since_ns = STANDING_NEVER;
    standing->subcode = subcode;
    return standing->refuse_s;
}

int64_t standing_refused_s(const struct standing_table *table, const struct ip_addr *address,
                           struct mono_time now, uint8_t *ret_subcode)
{
    const struct standing *standing = standing_find(table, address);

    if (!standing || standing->refused_ns <= now.ns)
        return 0;
    *ret_subcode = standing->subcode;
    return (standing->refused_ns - now.ns + NS_PER_S - 1) / NS_PER_S;
}
