/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hash table of chains with a doubly linked list in order of use. The worker finds without a
 * lock, as nobody else changes anything; it takes the lock only to insert and evict, which a walk
 * by the main thread must not meet.
 */
#include "flow/exporter.h"
#include "base/hash.h"
#include "base/memory.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

#define SEQUENCE_RESTART 1000000 /* a jump beyond it is a restart */
#define COMMON_LOG_BURST 100     /* lines for one reason, whoever causes them */

const struct drop_reason_info drop_reasons[DROP_REASON_COUNT] = {
#define DROP_REASON(name, level, key, help) [DROP_##name] = {key, help, DROP_LEVEL_##level},
#include "flow/drop_reasons.def"
#undef DROP_REASON
};

const struct exporter_counter_info exporter_counter_infos[] = {
#define EXPORTER_COUNTER(name, combine, help)                                                      \
    {#name, help, offsetof(struct exporter_counters, name), COUNTER_COMBINE_##combine},
#include "flow/exporter_counters.def"
#undef EXPORTER_COUNTER
};
const size_t exporter_counter_info_count =
    sizeof exporter_counter_infos / sizeof exporter_counter_infos[0];

/* The exporter first: a pointer to it is one to its entry. */
struct entry {
    struct exporter exporter;
    uint64_t hash;
    struct entry *chain_next;
    struct entry *newer, *older; /* in order of use */
};

struct exporter_table {
    uint32_t max;
    uint64_t bucket_mask, seed;
    struct entry **buckets;
    struct entry *newest, *oldest;
    uint64_t next_generation;
    void (*evict)(void *arg, struct exporter *exporter);
    void *evict_arg;
    struct counter count, evicted_count;
    struct exporter_counters evicted;
    struct log_limit log_limits[DROP_REASON_COUNT]; /* of all exporters together */
    pthread_mutex_t lock;                           /* the lists, against exporter_table_each() */
};

static void array_fold(struct counter *to, const struct counter *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        counter_add(&to[i], counter_get(&from[i]));
}

void exporter_counters_fold(struct exporter_counters *to, const struct exporter_counters *from)
{
    for (size_t i = 0; i < exporter_counter_info_count; i++) {
        const struct exporter_counter_info *info = &exporter_counter_infos[i];
        struct counter *sum = (struct counter *)(void *)((char *)to + info->offset);
        uint64_t value =
            counter_get((const struct counter *)(const void *)((const char *)from + info->offset));
        if (info->combine == COUNTER_COMBINE_SUM)
            counter_add(sum, value);
        else if (value > counter_get(sum))
            counter_set(sum, value);
    }
    array_fold(to->path_match, from->path_match, sizeof to->path_match / sizeof to->path_match[0]);
    array_fold(to->drops, from->drops, DROP_REASON_COUNT);
}

struct exporter_table *
exporter_table_new(uint32_t max, void (*evict)(void *arg, struct exporter *exporter), void *arg)
{
    struct exporter_table *table = mem_zalloc(sizeof *table);
    uint64_t bucket_count = 16;

    table->max = max > 0 ? max : 1;
    while (bucket_count < table->max)
        bucket_count *= 2;
    table->bucket_mask = bucket_count - 1;
    table->buckets = mem_calloc(bucket_count, sizeof(struct entry *));
    table->seed = hash_seed();
    table->next_generation = 1;
    table->evict = evict;
    table->evict_arg = arg;
    pthread_mutex_init(&table->lock, NULL);
    return table;
}

void exporter_table_free(struct exporter_table *table)
{
    if (!table)
        return;
    while (table->newest) {
        struct entry *entry = table->newest;
        table->newest = entry->older;
        if (table->evict)
            table->evict(table->evict_arg, &entry->exporter);
        mem_free(entry);
    }
    pthread_mutex_destroy(&table->lock);
    mem_free(table->buckets);
    mem_free(table);
}

static void use_unlink(struct exporter_table *table, struct entry *entry)
{
    *(entry->newer ? &entry->newer->older : &table->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &table->oldest) = entry->newer;
}

static void use_link_newest(struct exporter_table *table, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = table->newest;
    *(table->newest ? &table->newest->newer : &table->oldest) = entry;
    table->newest = entry;
}

static uint64_t addr_hash(const struct exporter_table *table, const struct ip_addr *addr)
{
    return hash_bytes(addr->bytes, sizeof addr->bytes, table->seed);
}

static struct entry *entry_find(const struct exporter_table *table, const struct ip_addr *addr,
                                uint64_t hash)
{
    struct entry *entry = table->buckets[hash & table->bucket_mask];

    while (entry && (entry->hash != hash || !ip_addr_equal(&entry->exporter.addr, addr)))
        entry = entry->chain_next;
    return entry;
}

/* Returns the index that is free now. */
static uint32_t evict_oldest(struct exporter_table *table)
{
    struct entry *entry = table->oldest;
    uint32_t index = entry->exporter.index;

    if (table->evict)
        table->evict(table->evict_arg, &entry->exporter);
    pthread_mutex_lock(&table->lock);
    struct entry **place = &table->buckets[entry->hash & table->bucket_mask];
    while (*place != entry)
        place = &(*place)->chain_next;
    *place = entry->chain_next;
    use_unlink(table, entry);
    exporter_counters_fold(&table->evicted, &entry->exporter.counters);
    counter_add(&table->evicted_count, 1);
    pthread_mutex_unlock(&table->lock);
    mem_free(entry);
    return index;
}

struct exporter *exporter_table_get(struct exporter_table *table, const struct ip_addr *addr,
                                    int64_t now_ns)
{
    uint64_t hash = addr_hash(table, addr);
    struct entry *entry = entry_find(table, addr, hash);

    if (entry) {
        entry->exporter.last_seen_ns = now_ns;
        if (entry != table->newest) {
            /* A walk follows only the chains, so the order of use is the worker's alone. */
            use_unlink(table, entry);
            use_link_newest(table, entry);
        }
        return &entry->exporter;
    }
    uint32_t count = exporter_table_count(table);
    uint32_t index = count < table->max ? count : evict_oldest(table);
    entry = mem_zalloc(sizeof *entry);
    entry->hash = hash;
    entry->exporter.addr = *addr;
    entry->exporter.index = index;
    entry->exporter.generation = table->next_generation++;
    entry->exporter.last_seen_ns = now_ns;
    entry->exporter.common_limits = table->log_limits;
    pthread_mutex_lock(&table->lock);
    entry->chain_next = table->buckets[hash & table->bucket_mask];
    table->buckets[hash & table->bucket_mask] = entry;
    pthread_mutex_unlock(&table->lock);
    use_link_newest(table, entry);
    if (count < table->max)
        counter_add(&table->count, 1);
    return &entry->exporter;
}

struct exporter *exporter_table_find(const struct exporter_table *table, const struct ip_addr *addr)
{
    struct entry *entry = entry_find(table, addr, addr_hash(table, addr));
    return entry ? &entry->exporter : NULL;
}

uint32_t exporter_table_count(const struct exporter_table *table)
{
    return (uint32_t)counter_get(&table->count);
}

void exporter_table_each(struct exporter_table *table,
                         void (*fn)(void *arg, struct exporter *exporter), void *arg)
{
    pthread_mutex_lock(&table->lock);
    for (uint64_t i = 0; i <= table->bucket_mask; i++) {
        for (struct entry *entry = table->buckets[i]; entry; entry = entry->chain_next)
            fn(arg, &entry->exporter);
    }
    pthread_mutex_unlock(&table->lock);
}

const struct exporter_counters *exporter_table_evicted(const struct exporter_table *table)
{
    return &table->evicted;
}

uint64_t exporter_table_evicted_count(const struct exporter_table *table)
{
    return counter_get(&table->evicted_count);
}

static bool drop_is_logged(struct exporter *exporter, enum drop_reason reason,
                           uint64_t *ret_suppressed)
{
    struct log_limit *common = exporter->common_limits ? &exporter->common_limits[reason] : NULL;
    uint64_t own, others = 0;

    if (!log_limit_allow(&exporter->log_limits[reason], &own))
        return false;
    if (common && !log_limit_allow_burst(common, COMMON_LOG_BURST, &others)) {
        common->suppressed += own;
        return false;
    }
    *ret_suppressed = own + others;
    return true;
}

void exporter_drop(struct exporter *exporter, enum drop_reason reason, const char *detail, ...)
{
    char addr[IP_TEXT_LEN], text[512], suppressed_text[48] = "";
    uint64_t suppressed;
    va_list args;

    counter_add(&exporter->counters.drops[reason], 1);
    if (!drop_is_logged(exporter, reason, &suppressed))
        return;
    va_start(args, detail);
    vsnprintf(text, sizeof text, detail, args);
    va_end(args);
    ip_addr_format(&exporter->addr, addr);
    if (suppressed > 0)
        snprintf(suppressed_text, sizeof suppressed_text, " (%llu more like it before)",
                 (unsigned long long)suppressed);
    log_warning("exporter %s: %s%s%s%s", addr, text, text[0] ? ": " : "", drop_reasons[reason].help,
                suppressed_text);
}

void sequence_check(struct sequence *sequence, struct exporter_counters *counters,
                    uint32_t received, uint32_t units_in_message)
{
    int64_t jump = (int32_t)(received - sequence->expected);
    uint32_t next = received + units_in_message;
    bool is_known = sequence->is_started && jump >= -SEQUENCE_RESTART && jump <= SEQUENCE_RESTART;

    if (is_known && jump < 0 && !(sequence->is_back && received == sequence->after_back)) {
        counter_add(&counters->sequence_back, 1);
        sequence->after_back = next;
        sequence->is_back = true;
        return;
    }
    if (is_known && jump > 0) {
        counter_add(&counters->sequence_gaps, 1);
        counter_add(&counters->sequence_missing, (uint64_t)jump);
    }
    *sequence = (struct sequence){.expected = next, .is_started = true};
}
