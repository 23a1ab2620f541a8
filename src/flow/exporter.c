/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exporters in a table by address, which is the worker's alone. Other threads walk a roll beside it:
 * an array with a place for each index. An exporter that goes leaves its place first, and is freed
 * when no walk can hold it any more; a roll that became too small is replaced by a copy likewise.
 */
#include "flow/exporter.h"
#include "base/memory.h"
#include "base/shared_table.h"
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SEQUENCE_RESTART 1000000 /* a jump beyond it is a restart */
#define DEBUG_PER_SECOND 50      /* lines of all exporters of a table */
#define COMMON_LOG_BURST 100     /* lines for one reason, whoever causes them */
#define ROLL_FIRST       64      /* places to begin with */
#define RETIRED_MAX      64      /* then those are freed that can be */

const struct drop_reason_info drop_reasons[DROP_REASON_COUNT] = {
#define DROP_REASON(name, level, key, help) [DROP_##name] = {key, help, DROP_LEVEL_##level},
#include "flow/drop_reasons.def"
#undef DROP_REASON
};

const struct exporter_counter_info exporter_counter_infos[] = {
#define ROW(name, combine, is_gauge, help)                                                         \
    {#name, help, offsetof(struct exporter_counters, name), COUNTER_COMBINE_##combine, is_gauge},
#define EXPORTER_COUNTER(name, combine, help) ROW(name, combine, false, help)
#define EXPORTER_GAUGE(name, combine, help)   ROW(name, combine, true, help)
#include "flow/exporter_counters.def"
#undef EXPORTER_COUNTER
#undef EXPORTER_GAUGE
#undef ROW
};
const size_t exporter_counter_info_count =
    sizeof exporter_counter_infos / sizeof exporter_counter_infos[0];

static const struct {
    enum log_level level;
    const char *text;
} notes[EXPORTER_NOTE_COUNT] = {
#define EXPORTER_NOTE(name, level, text) [NOTE_##name] = {LOG_LEVEL_##level, text},
#include "flow/exporter_notes.def"
#undef EXPORTER_NOTE
};
static_assert(EXPORTER_NOTE_COUNT <= 32, "notes_said has a bit for each");

struct enrolled_exporter {
    struct shared_entry shared; /* by address */
    struct exporter exporter;
    /* The exporter itself, and those that only its datagrams named, unless they are known. */
    struct table_share brought;
};

struct roll {
    uint32_t capacity;
    struct exporter *_Atomic exporters[]; /* by index; NULL: nobody has it now */
};

struct exporter_table {
    struct shared_table entries;
    struct table_share known; /* all that are */
    uint64_t use_count, never_used;
    uint32_t max;
    uint64_t next_generation;
    void (*evict)(void *arg, struct exporter *exporter);
    void *evict_arg;
    void (*look)(void *arg, struct exporter *exporter, int64_t now_ns);
    void *look_arg;
    struct counter count, evicted_count;
    struct exporter_counters evicted;
    /* Lines of all exporters that are not known have a limit together, and so have those of all that
     * are: a flood does not silence what is said of these. */
    struct log_limit log_limits[2][DROP_REASON_COUNT], note_limits[2][EXPORTER_NOTE_COUNT];
    struct log_rate debug_rate;
    struct exporter_news *news;
    bool is_silent;
    struct roll *_Atomic roll;
    struct rcu_queue *retired; /* NULL: nobody walks but the owner */
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
        uint64_t value = exporter_counter_get(from, info);
        if (info->combine == COUNTER_COMBINE_SUM)
            counter_add(sum, value);
        else if (value > counter_get(sum))
            counter_set(sum, value);
    }
    array_fold(to->path_match, from->path_match, sizeof to->path_match / sizeof to->path_match[0]);
    array_fold(to->drops, from->drops, DROP_REASON_COUNT);
}

static struct roll *roll_new(uint32_t capacity)
{
    struct roll *roll = mem_zalloc(sizeof *roll + capacity * sizeof roll->exporters[0]);

    roll->capacity = capacity;
    return roll;
}

static void retire(struct exporter_table *table, void *object)
{
    if (!table->retired) {
        mem_free(object);
        return;
    }
    rcu_retire(table->retired, mem_free, object);
    if (rcu_queue_len(table->retired) >= RETIRED_MAX)
        rcu_queue_poll(table->retired);
}

/* Enters the exporter at its index. */
static void enrol(struct exporter_table *table, struct exporter *exporter)
{
    struct roll *roll = atomic_load_explicit(&table->roll, memory_order_relaxed);

    if (exporter->index >= roll->capacity) {
        struct roll *larger =
            roll_new(table->max / 2 < roll->capacity ? table->max : 2 * roll->capacity);
        for (uint32_t i = 0; i < roll->capacity; i++)
            atomic_init(&larger->exporters[i],
                        atomic_load_explicit(&roll->exporters[i], memory_order_relaxed));
        rcu_publish(&table->roll, larger);
        retire(table, roll);
        roll = larger;
    }
    rcu_publish(&roll->exporters[exporter->index], exporter);
}

/* An entry is out of the table: those that it brought stand for themselves from now on. */
static void release_brought(struct exporter_table *table, struct enrolled_exporter *entry)
{
    for (struct enrolled_exporter *other;
         (other = (struct enrolled_exporter *)entry->brought.entries.oldest);)
        shared_table_give(&table->entries, &other->shared, &other->brought);
}

static void entry_discard(void *arg, struct keyed_entry *keyed)
{
    struct exporter_table *table = arg;
    struct enrolled_exporter *entry = (struct enrolled_exporter *)keyed;

    if (table->evict)
        table->evict(table->evict_arg, &entry->exporter);
    release_brought(table, entry);
    mem_free(entry);
}

struct exporter_table *
exporter_table_new(uint32_t max, void (*evict)(void *arg, struct exporter *exporter), void *arg)
{
    struct exporter_table *table = mem_zalloc(sizeof *table);

    shared_table_init(&table->entries, entry_discard, table);
    table_share_init(&table->known, &table->never_used, true);
    table->max = max;
    table->next_generation = 1;
    table->evict = evict;
    table->evict_arg = arg;
    atomic_init(&table->roll, roll_new(max < ROLL_FIRST ? max : ROLL_FIRST));
    return table;
}

void exporter_table_set_rcu(struct exporter_table *table, struct rcu *rcu)
{
    table->retired = rcu_queue_new(rcu);
}

void exporter_table_free(struct exporter_table *table)
{
    if (!table)
        return;
    shared_table_clear(&table->entries);
    if (table->retired)
        rcu_queue_free(table->retired);
    mem_free(atomic_load_explicit(&table->roll, memory_order_relaxed));
    mem_free(table);
}

void exporter_table_set_silent(struct exporter_table *table)
{
    table->is_silent = true;
}

void exporter_table_set_news(struct exporter_table *table, struct exporter_news *news)
{
    table->news = news;
}

struct addr_key {
    uint64_t words[2];
};

static struct addr_key addr_key(const struct ip_addr *addr)
{
    struct addr_key key;

    _Static_assert(sizeof key == sizeof addr->bytes, "a key is an address");
    memcpy(&key, addr->bytes, sizeof key);
    return key;
}

/* Anybody can invent source addresses, so one line stands for all that happen in a while. */
static void say_evicted(struct exporter_table *table, const struct exporter *exporter,
                        const struct ip_addr *newcomer)
{
    char addr[IP_TEXT_LEN], newcomer_addr[IP_TEXT_LEN];
    uint64_t suppressed;

    if (table->is_silent ||
        !log_limit_allow(&table->note_limits[exporter->is_known][NOTE_evicted], &suppressed))
        return;
    ip_addr_format(&exporter->addr, addr);
    ip_addr_format(newcomer, newcomer_addr);
    log_write(notes[NOTE_evicted].level,
              "exporter %s: it made room for %s, as %" PRIu64 " did for others before; %s", addr,
              newcomer_addr, suppressed, notes[NOTE_evicted].text);
}

/* Counts at the source that one of its agents takes the place of another exporter. */
static void drop_for_agent(struct enrolled_exporter *source, const struct ip_addr *newcomer,
                           const struct exporter *loser)
{
    char agent[IP_TEXT_LEN], addr[IP_TEXT_LEN];

    ip_addr_format(newcomer, agent);
    ip_addr_format(&loser->addr, addr);
    exporter_drop(&source->exporter, DROP_too_many_agents, "agent %s in place of %s", agent, addr);
}

/* Returns the index that is free now. `source` brings the newcomer; it becomes NULL if it has to go
 * itself. */
static uint32_t evict_one(struct exporter_table *table, const struct ip_addr *newcomer,
                          struct enrolled_exporter **source)
{
    struct enrolled_exporter *entry =
        (struct enrolled_exporter *)shared_table_loser(&table->entries);
    uint32_t index = entry->exporter.index;

    if (*source == entry)
        *source = NULL;
    if (*source)
        drop_for_agent(*source, newcomer, &entry->exporter);
    say_evicted(table, &entry->exporter, newcomer);
    if (table->evict) /* while it can be found, as what waits for it is counted as dropped */
        table->evict(table->evict_arg, &entry->exporter);
    struct roll *roll = atomic_load_explicit(&table->roll, memory_order_relaxed);
    rcu_publish(&roll->exporters[index], NULL);
    shared_table_remove(&table->entries, &entry->shared);
    exporter_counters_fold(&table->evicted, &entry->exporter.counters);
    counter_add(&table->evicted_count, 1);
    release_brought(table, entry);
    retire(table, entry);
    return index;
}

void exporter_table_set_look(struct exporter_table *table,
                             void (*look)(void *arg, struct exporter *exporter, int64_t now_ns),
                             void *arg)
{
    table->look = look;
    table->look_arg = arg;
}

/* Adds an exporter. New ones are rare, so this is apart from what each datagram takes. `source` is
 * who names it; NULL: it sends itself. */
static __attribute__((noinline)) struct exporter *add_exporter(struct exporter_table *table,
                                                               const struct ip_addr *addr,
                                                               int64_t now_ns,
                                                               struct enrolled_exporter *source)
{
    struct addr_key key = addr_key(addr);
    bool is_full = shared_table_count(&table->entries) == table->max;
    uint32_t index =
        is_full ? evict_one(table, addr, &source) : (uint32_t)shared_table_count(&table->entries);
    struct enrolled_exporter *entry = mem_zalloc(sizeof *entry);
    bool is_own = !source || source->exporter.is_known;

    entry->exporter.addr = *addr;
    entry->exporter.index = index;
    entry->exporter.generation = table->next_generation++;
    entry->exporter.last_seen_ns = now_ns;
    entry->exporter.last_use = ++table->use_count;
    entry->exporter.common_limits = table->log_limits[false];
    entry->exporter.common_note_limits = table->note_limits[false];
    entry->exporter.debug_rate = &table->debug_rate;
    entry->exporter.news = table->news;
    entry->exporter.is_silent = table->is_silent;
    table_share_init(&entry->brought, &entry->exporter.last_use, false);
    shared_table_add(&table->entries, &entry->shared, is_own ? &entry->brought : &source->brought,
                     key.words[0], key.words[1], 1);
    enrol(table, &entry->exporter);
    if (!is_full)
        counter_add(&table->count, 1);
    if (table->look)
        table->look(table->look_arg, &entry->exporter, now_ns);
    return &entry->exporter;
}

static __attribute__((noinline)) struct exporter *
call_look(const struct exporter_table *table, struct exporter *exporter, int64_t now_ns)
{
    if (table->look)
        table->look(table->look_arg, exporter, now_ns);
    return exporter;
}

static struct enrolled_exporter *entry_of(struct exporter *exporter)
{
    return (struct enrolled_exporter *)((char *)exporter -
                                        offsetof(struct enrolled_exporter, exporter));
}

static inline struct exporter *get_exporter(struct exporter_table *table,
                                            const struct ip_addr *addr, int64_t now_ns,
                                            struct exporter *source)
{
    struct addr_key key = addr_key(addr);
    struct enrolled_exporter *entry =
        (struct enrolled_exporter *)shared_table_find(&table->entries, key.words[0], key.words[1]);

    if (!entry)
        return add_exporter(table, addr, now_ns, source ? entry_of(source) : NULL);
    entry->exporter.last_seen_ns = now_ns;
    entry->exporter.last_use = ++table->use_count;
    shared_table_touch(&entry->shared);
    /* A clock that went back makes it due, too. */
    if ((uint64_t)(now_ns - entry->exporter.watch.looked_ns) >= (uint64_t)EXPORTER_LOOK_NS)
        return call_look(table, &entry->exporter, now_ns);
    return &entry->exporter;
}

struct exporter *exporter_table_get(struct exporter_table *table, const struct ip_addr *addr,
                                    int64_t now_ns)
{
    return get_exporter(table, addr, now_ns, NULL);
}

struct exporter *exporter_table_get_agent(struct exporter_table *table, struct exporter *source,
                                          const struct ip_addr *addr, int64_t now_ns)
{
    return get_exporter(table, addr, now_ns, source);
}

struct exporter *exporter_table_find(const struct exporter_table *table, const struct ip_addr *addr)
{
    struct addr_key key = addr_key(addr);
    struct enrolled_exporter *entry =
        (struct enrolled_exporter *)shared_table_find(&table->entries, key.words[0], key.words[1]);

    return entry ? &entry->exporter : NULL;
}

void exporter_table_set_known(struct exporter_table *table, struct exporter *exporter,
                              bool is_known)
{
    struct enrolled_exporter *entry = entry_of(exporter);

    exporter->is_known = is_known;
    exporter->common_limits = table->log_limits[is_known];
    exporter->common_note_limits = table->note_limits[is_known];
    counter_set(&exporter->counters.known, is_known);
    shared_table_give(&table->entries, &entry->shared, is_known ? &table->known : &entry->brought);
}

uint32_t exporter_table_count(const struct exporter_table *table)
{
    return (uint32_t)counter_get(&table->count);
}

bool exporter_table_some(const struct exporter_table *table, uint32_t *index, uint32_t count,
                         void (*fn)(void *arg, struct exporter *exporter), void *arg)
{
    const struct roll *roll = rcu_read(&table->roll);
    uint32_t end = count < roll->capacity - *index ? *index + count : roll->capacity;

    for (; *index < end; ++*index) {
        struct exporter *exporter = rcu_read(&roll->exporters[*index]);
        if (exporter)
            fn(arg, exporter);
    }
    return *index < roll->capacity;
}

void exporter_table_each(const struct exporter_table *table,
                         void (*fn)(void *arg, struct exporter *exporter), void *arg)
{
    for (uint32_t index = 0; exporter_table_some(table, &index, UINT32_MAX, fn, arg);)
        ;
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
    uint64_t suppressed = 0;
    va_list args;

    counter_add(&exporter->counters.drops[reason], 1);
    if (exporter->is_silent)
        return;
    bool is_logged = drop_is_logged(exporter, reason, &suppressed);
    if (!is_logged && !log_level_is_on(LOG_LEVEL_DEBUG))
        return;
    va_start(args, detail);
    vsnprintf(text, sizeof text, detail, args);
    va_end(args);
    if (!is_logged) {
        exporter_debug(exporter, "%s%s%s", text, text[0] ? ": " : "", drop_reasons[reason].help);
        return;
    }
    ip_addr_format(&exporter->addr, addr);
    if (suppressed > 0)
        snprintf(suppressed_text, sizeof suppressed_text, " (%llu more like it before)",
                 (unsigned long long)suppressed);
    log_warning("exporter %s: %s%s%s%s", addr, text, text[0] ? ": " : "", drop_reasons[reason].help,
                suppressed_text);
}

const char *exporter_note_text(enum exporter_note note)
{
    return notes[note].text;
}

bool exporter_is_first_note(struct exporter *exporter, enum exporter_note note)
{
    bool is_first = !(exporter->notes_said >> note & 1);

    exporter->notes_said |= UINT32_C(1) << note;
    return is_first;
}

void exporter_say(struct exporter *exporter, enum exporter_note note, const char *detail, ...)
{
    struct log_limit *limit = exporter->common_note_limits;
    char addr[IP_TEXT_LEN], text[512], suppressed_text[48] = "";
    uint64_t suppressed = 0;
    va_list args;

    if (exporter->is_silent ||
        (limit && !log_limit_allow_burst(&limit[note], COMMON_LOG_BURST, &suppressed)))
        return;
    va_start(args, detail);
    vsnprintf(text, sizeof text, detail, args);
    va_end(args);
    ip_addr_format(&exporter->addr, addr);
    if (suppressed > 0)
        snprintf(suppressed_text, sizeof suppressed_text, " (%llu more like it before)",
                 (unsigned long long)suppressed);
    log_write(notes[note].level, "exporter %s: %s%s%s%s", addr, text,
              notes[note].text[0] ? "; " : "", notes[note].text, suppressed_text);
}

void exporter_greet(struct exporter *exporter, uint32_t version, uint32_t domain,
                    uint16_t source_port)
{
    struct exporter_news *news = exporter->news;
    char addr[IP_TEXT_LEN];

    exporter->notes_said |= UINT32_C(1) << NOTE_first_datagram;
    if (!news)
        return;
    if (atomic_load_explicit(&news->said, memory_order_relaxed) >= EXPORTER_NEWS_MAX ||
        atomic_fetch_add_explicit(&news->said, 1, memory_order_relaxed) >= EXPORTER_NEWS_MAX) {
        atomic_fetch_add_explicit(&news->unsaid, 1, memory_order_relaxed);
        return;
    }
    ip_addr_format(&exporter->addr, addr);
    log_write(notes[NOTE_first_datagram].level,
              "exporter %s: first datagram: version %u, domain %u, from port %u%s", addr, version,
              domain, source_port, notes[NOTE_first_datagram].text);
}

void exporter_debug_line(struct exporter *exporter, const char *format, ...)
{
    char addr[IP_TEXT_LEN], text[512], suppressed_text[80] = "";
    uint64_t suppressed = 0;
    va_list args;

    if (exporter->is_silent ||
        (exporter->debug_rate &&
         !log_rate_allow(exporter->debug_rate, DEBUG_PER_SECOND, &suppressed)))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ip_addr_format(&exporter->addr, addr);
    if (suppressed > 0)
        snprintf(suppressed_text, sizeof suppressed_text,
                 " (%llu lines of debug before were left out)", (unsigned long long)suppressed);
    log_debug("exporter %s: %s%s", addr, text, suppressed_text);
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
