/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Exporters, known by their source address: counters of all that each one sent, the sequence
 * numbers of its observation domains, rate limits of its log lines. A worker owns its table; any
 * thread may read the counters.
 */
#include "base/address.h"
#include "base/log.h"
#include "base/metric.h"
#include "base/rcu.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum drop_reason {
#define DROP_REASON(name, ...) DROP_##name,
#include "flow/drop_reasons.def"
#undef DROP_REASON
    DROP_REASON_COUNT
};
enum drop_level { DROP_LEVEL_DATAGRAM, DROP_LEVEL_SET, DROP_LEVEL_RECORD, DROP_LEVEL_FLOW };
struct drop_reason_info {
    const char *key, *help;
    enum drop_level level;
};
extern const struct drop_reason_info drop_reasons[DROP_REASON_COUNT];

enum exporter_note {
#define EXPORTER_NOTE(name, ...) NOTE_##name,
#include "flow/exporter_notes.def"
#undef EXPORTER_NOTE
    EXPORTER_NOTE_COUNT
};

/*
 * Datagrams: read = decoded + refused (the sum of drops at level DATAGRAM). Drops at the levels SET
 * and RECORD and the gauge pending_sets account for their parts. The other counters are facts
 * beside these sums.
 */
struct exporter_counters {
#define EXPORTER_COUNTER(name, ...) struct counter name;
#define EXPORTER_GAUGE(name, ...)   struct counter name;
#include "flow/exporter_counters.def"
#undef EXPORTER_COUNTER
#undef EXPORTER_GAUGE
    struct counter path_match[16]; /* flows by enum path_match */
    struct counter drops[DROP_REASON_COUNT];
};

/* The rows of exporter_counters.def, for statistics. */
enum counter_combine { COUNTER_COMBINE_SUM, COUNTER_COMBINE_MAX };
struct exporter_counter_info {
    const char *name, *help;
    size_t offset; /* of the struct counter in struct exporter_counters */
    enum counter_combine combine;
    bool is_gauge; /* it stands now; others only grow */
};
extern const struct exporter_counter_info exporter_counter_infos[];
extern const size_t exporter_counter_info_count;
static inline uint64_t exporter_counter_get(const struct exporter_counters *counters,
                                            const struct exporter_counter_info *info)
{
    return counter_get(
        (const struct counter *)(const void *)((const uint8_t *)counters + info->offset));
}

/* Adds all of `from` to `to`, each as its row says; the caller owns `to`. */
void exporter_counters_fold(struct exporter_counters *to, const struct exporter_counters *from);

/* First datagrams of exporters, over all tables that share it. Any thread. */
enum { EXPORTER_NEWS_MAX = 100 }; /* so many are told by name */
struct exporter_news {
    _Atomic uint32_t said;
    _Atomic uint64_t unsaid; /* who took it last has told of them */
};

/* The notes that a worker keeps of an exporter from one datagram to the next
 * (pipeline/exporter_watch.h). */
struct exporter_watch {
    int64_t looked_ns;      /* when it was last looked at; 0: never */
    uint64_t flow_count;    /* its flows as of then */
    int64_t flows_since_ns; /* it delivers flows since then; 0: it does not */
    int64_t flows_until_ns; /* and did so last */
    int64_t rate_due_ns;    /* arrival of a datagram at exporter_rate_max exactly */
};

struct exporter {
    struct ip_addr addr;
    uint32_t index;       /* dense in its worker's table; reused after eviction */
    uint64_t generation;  /* differs for each user of an index; from 1 */
    int64_t last_seen_ns; /* the worker's alone */
    uint64_t last_use;    /* counts in its table, as datagrams of one batch have one time */
    bool is_known;        /* exporter_table_set_known() */
    bool is_silent;       /* nothing is logged of it: exporter_table_set_silent() */
    struct exporter_watch watch;
    struct exporter_counters counters;
    struct log_limit log_limits[DROP_REASON_COUNT];
    struct log_limit *common_limits;      /* of all exporters of its table, by reason; NULL: none */
    struct log_limit *common_note_limits; /* the same, by note */
    struct exporter_news *news;           /* NULL: nobody is greeted */
    struct log_rate *debug_rate;          /* of all exporters of its table */
    bool is_told_no_peer;                 /* the main thread's alone: the log has said so */
    uint32_t notes_said;                  /* bit per enum exporter_note: exporter_say_once() */
    void *decoder_state;                  /* the decoder's: domains, templates... */
};

struct exporter_table;

/*
 * Holds `max` exporters (at least 1), then one goes, as base/share.h says: of those that are not known
 * the one least recently seen, but before it those of an address that names many
 * (exporter_table_get_agent()). `evict`, which may be
 * NULL, is called first, also for each exporter that is left when the table is freed: it frees
 * decoder_state.
 */
struct exporter_table *
exporter_table_new(uint32_t max, void (*evict)(void *arg, struct exporter *exporter), void *arg);
void exporter_table_free(struct exporter_table *table);
/* Lets other threads walk the table, which is empty yet; without it only the owner may. */
void exporter_table_set_rcu(struct exporter_table *table, struct rcu *rcu);
/* `look`, which has `arg`, is called for an exporter that is new, or was not looked at for
 * EXPORTER_LOOK_NS, when its next datagram comes: it notes that and judges whether it is known. */
#define EXPORTER_LOOK_NS (INT64_C(10) * 1000000000)
void exporter_table_set_look(struct exporter_table *table,
                             void (*look)(void *arg, struct exporter *exporter, int64_t now_ns),
                             void *arg);
/* Nothing is logged of its exporters, which must be none yet: another table has the same ones. */
void exporter_table_set_silent(struct exporter_table *table);
/* For exporters that are added from now on; borrowed. */
void exporter_table_set_news(struct exporter_table *table, struct exporter_news *news);
struct exporter *exporter_table_get(struct exporter_table *table, const struct ip_addr *addr,
                                    int64_t now_ns); /* made if new */
/* The same for an address that a datagram of `source` names, and may have made up: while neither of
 * the two is known it takes of what `source` may hold. Where there is room for one only, `source` goes
 * for it. */
struct exporter *exporter_table_get_agent(struct exporter_table *table, struct exporter *source,
                                          const struct ip_addr *addr, int64_t now_ns);
struct exporter *exporter_table_find(const struct exporter_table *table,
                                     const struct ip_addr *addr);
/* Says whether the exporter is one that somebody has to do with, not an invented address: it goes
 * last, in this table and others. The decoder has to be told too. */
void exporter_table_set_known(struct exporter_table *table, struct exporter *exporter,
                              bool is_known);
uint32_t exporter_table_count(const struct exporter_table *table);
/*
 * Walks the exporters, for statistics; nothing waits for it. Another thread than the owner has to be
 * online as a reader of the table's RCU domain. What comes or goes meanwhile may be met or not.
 */
void exporter_table_each(const struct exporter_table *table,
                         void (*fn)(void *arg, struct exporter *exporter), void *arg);
/* Walks a part: at most `count` places from *index on, which it moves. False after the last. The
 * caller may be quiescent between two parts. */
bool exporter_table_some(const struct exporter_table *table, uint32_t *index, uint32_t count,
                         void (*fn)(void *arg, struct exporter *exporter), void *arg);
/* The sum of what evicted exporters had counted, so that totals stay true, and how many they were.
 * Any thread may call these. */
const struct exporter_counters *exporter_table_evicted(const struct exporter_table *table);
uint64_t exporter_table_evicted_count(const struct exporter_table *table);

/* Counts a drop and logs it; `detail` (printf) says where. Lines are limited per exporter and
 * reason, and per reason over all exporters, as anybody can invent source addresses. */
void exporter_drop(struct exporter *exporter, enum drop_reason reason, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));
/* Counts a drop of which another line of the log tells. */
static inline void exporter_count_drop(struct exporter *exporter, enum drop_reason reason)
{
    counter_add(&exporter->counters.drops[reason], 1);
}

/* Logs a line of exporter_notes.def; `detail` (printf) says what was seen. Many exporters can cause
 * one, so there is a limit over all of them. */
void exporter_say(struct exporter *exporter, enum exporter_note note, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));
/* Does the same as exporter_say(), but only the first time for each exporter. */
#define exporter_say_once(exporter, note, ...)                                                     \
    (exporter_is_first_note(exporter, note) ? exporter_say(exporter, note, __VA_ARGS__) : (void)0)
/* Logs the first datagram of an exporter, by name as long as there are few of them (struct
 * exporter_news). */
void exporter_greet(struct exporter *exporter, uint32_t version, uint32_t domain,
                    uint16_t source_port);
#define exporter_greet_once(exporter, ...)                                                         \
    (!((exporter)->notes_said >> NOTE_first_datagram & 1) ? exporter_greet(exporter, __VA_ARGS__)  \
                                                          : (void)0)
/* Logs a line of debug about an exporter. There is a limit for each second over all of them. */
void exporter_debug_line(struct exporter *exporter, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
#define exporter_debug(...)                                                                        \
    (log_level_is_on(LOG_LEVEL_DEBUG) ? exporter_debug_line(__VA_ARGS__) : (void)0)
/* Returns the text of a note, for who logs by other means. */
const char *exporter_note_text(enum exporter_note note);
bool exporter_is_first_note(struct exporter *exporter, enum exporter_note note);

/*
 * The sequence numbers of one observation domain of an exporter; a struct of zeros is a fresh one.
 * `received` is the number of a message, and the next one's should be `units_in_message` higher.
 * A jump forward is a gap. A lower number is a late message (counted in sequence_back, and as
 * missing before), unless the next message goes on from there: then the exporter began anew.
 * Differences are signed modulo 2^32; jumps beyond +-1000000 are a restart, not a gap, and count
 * nothing.
 */
struct sequence {
    uint32_t expected;   /* of the next message */
    uint32_t after_back; /* of the next one if the last jump back was a restart */
    bool is_started, is_back;
};
void sequence_check(struct sequence *sequence, struct exporter_counters *counters,
                    uint32_t received, uint32_t units_in_message);
