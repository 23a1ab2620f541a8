/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What is known of each exporter (by source address): counters of all that it sent, sequence numbers per
 * observation domain, rate limits of its log lines. A worker owns its table; any thread may read the counters.
 */
#include "base/address.h"
#include "base/log.h"
#include "base/metric.h"
#include <stdbool.h>
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

/*
 * Datagrams: read = decoded + refused (sum of drops at level DATAGRAM). Sets, records: drops at their levels,
 * and pending_sets, a gauge. The rest are facts beside.
 */
struct exporter_counters {
    struct counter datagrams_read, datagrams_decoded, bytes_read;
    struct counter flows, options_records, templates;
    struct counter pending_sets, pending_released;
    struct counter unknown_elements;
    struct counter sequence_gaps, sequence_missing, sequence_back; /* gaps seen; units missing; jumps back */
    struct counter rate_unknown;       /* flows before their sampling rate was known */
    struct counter bad_time;           /* flows binned by arrival: outside [now - 1 day, now + 5 min] */
    struct counter path_match[16];     /* flows by enum path_match */
    struct counter stale, loading;     /* verdicts given from stale or still loading tables */
    struct counter multipath_prefixes, multipath_next_hops; /* evidence of honest next hops */
    struct counter drops[DROP_REASON_COUNT];
    struct counter last_datagram_ns, last_template_ns;
};

struct exporter {
    struct ip_addr addr;
    uint32_t index;           /* dense in its worker's table; reused after eviction */
    uint64_t generation;      /* differs for each user of an index */
    int64_t last_seen_ns;
    struct exporter_counters counters;
    struct log_limit log_limits[DROP_REASON_COUNT];
    void *decoder_state;      /* the decoder's: domains, templates... */
};

struct exporter_table;

/* Holds `max` exporters, then the one least recently seen goes (`evict` is called first; may be NULL). */
struct exporter_table *exporter_table_new(uint32_t max, void (*evict)(void *arg, struct exporter *exporter), void *arg);
void exporter_table_free(struct exporter_table *table);
struct exporter *exporter_table_get(struct exporter_table *table, const struct ip_addr *addr, int64_t now_ns); /* made if new */
struct exporter *exporter_table_find(const struct exporter_table *table, const struct ip_addr *addr);
uint32_t exporter_table_count(const struct exporter_table *table);
/* For statistics, from the main thread: exporters are only freed by the worker after it was told to stop walking,
 * so the walk takes the table's lock, as do insertion and eviction (rare). */
void exporter_table_each(struct exporter_table *table, void (*fn)(void *arg, struct exporter *exporter), void *arg);
/* What evicted exporters had counted, so that sums stay true. */
const struct exporter_counters *exporter_table_evicted(const struct exporter_table *table);

/* Counts a drop and logs it, rate-limited per exporter and reason; `detail` (printf) says where. */
void exporter_drop(struct exporter *exporter, enum drop_reason reason, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Sequence numbers, one per (exporter, domain). `expected` is what the next message should carry; a difference
 * is signed modulo 2^32. Jumps beyond +-1000000 are a restart, not a gap.
 */
struct sequence {
    uint32_t expected;
    bool is_started;
};
void sequence_check(struct sequence *sequence, struct exporter_counters *counters, uint32_t received, uint32_t units_in_message);
