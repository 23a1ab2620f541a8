/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A worker: receives the datagrams of its exporters, decodes, enriches, correlates and aggregates
 * them, in batches, and ends epochs when the main thread says so (live) or the capture's clock does
 * (replay). All mutable state is its own, but for counters, which any thread may read, and what
 * struct crew holds.
 */
#include "base/histogram.h"
#include "base/rcu.h"
#include "base/thread.h"
#include "flow/decoder.h"
#include "input/receive_udp.h"
#include "pipeline/aggregate.h"
#include "pipeline/correlate.h"
#include "pipeline/enrich.h"
#include "pipeline/geo.h"
#include "pipeline/instance_view.h"
#include "pipeline/template_share.h"
#include <stdatomic.h>

struct bgp;
struct bmp_tables;
struct rtr;
struct maps;

enum { WORKERS_MAX = 64, REPLAY_POSITION_DATAGRAMS = 4096 };

struct worker_counters {
    alignas(CACHE_LINE) struct counter datagrams; /* taken from the socket or file */
    struct counter overflow;                      /* the socket had no room for */
    struct counter not_allowed;                   /* from sources that are not in the allow file */
    struct counter passed_on;                     /* to the worker that owns the exporter */
    struct counter passing_lost;                  /* its inbox was full */
    struct counter held;                          /* waited for the RIB */
    struct counter hold_overflow;      /* went on without waiting any longer: the buffer was full */
    struct counter replayed;           /* bytes of the capture file, over all rounds */
    struct counter template_datagrams; /* of those taken: from the socket for templates */
    struct counter template_overflow;  /* that socket had no room for */
    struct counter templates_sent[TEMPLATE_OUTCOME_COUNT]; /* messages, by what became of them */
    struct counter unsplit;      /* passed on whole, as they could not be taken apart */
    struct counter unread_parts; /* sets and samples passed on that nobody could read */
    struct counter batches, waits;
    struct counter beats; /* goes up at least every 2 s while the thread moves, idle or not */
    struct histogram batch_time; /* enrichment, correlation and aggregation of one batch */
};

struct worker_instance {
    const struct aggregate_plan *plan;
    struct outlet *outlet;
    int64_t refresh_s;       /* length of an epoch */
    int64_t delay_s;         /* by which epochs end later than at multiples of it */
    _Atomic uint64_t *epoch; /* number of the epoch under way, from 1: the main thread writes it */
    struct ledger *ledgers;  /* one per worker */
    int32_t lists[VALUE_LIST_COUNT]; /* numbers of its lists of values in the maps; -1: none */
    bool has_lists;
    /* An instance that takes datagrams has no view; its pre_tag_map (-1: none) and post_tag stand here. */
    int32_t tag_map;
    uint64_t post_tag, post_tag2;
};

/* A capture file to read; path NULL: live. */
struct replay_settings {
    const char *path;
    uint16_t port;     /* 0: any */
    int64_t delay_s;   /* before each round */
    int64_t rounds;    /* 0: for ever */
    int64_t speed;     /* times the capture's; 0: as fast as possible */
    bool waits_at_end; /* for a signal */
};
extern const struct config_key replay_keys[];

/* The state that all workers share. Immutable while they run, but for the atomics, which the
 * main thread writes. */
struct crew {
    const struct decoder_ops *decoder;
    struct decoder_settings decoder_settings;
    uint32_t flow_stride;
    uint32_t exporters_max;
    uint32_t exporter_rate_max; /* datagrams a second; 0: any number */
    struct enrich_settings enrich;
    struct geo_settings geo;
    struct correlate_settings correlate;
    struct correlate_settings correlate_asked; /* the same before correlate_settings_finish() */
    _Atomic bool asks_destination; /* paths are looked up, by what instances and maps ask for now */
    struct replay_settings replay;
    struct template_share_settings templates;
    struct rcu *rcu;
    const struct bgp *bgp;            /* NULL: none */
    const struct bmp_tables *bmp;     /* NULL: BMP is not spoken */
    struct rtr *rtr;                  /* NULL: none */
    const struct maps *_Atomic *maps; /* the snapshot in force; may hold NULL */
    size_t hold_bytes;                /* of datagrams that wait for the RIB, in all workers */
    uint32_t instance_count;
    struct worker_instance *instances;
    const struct instance_view_settings *views; /* one per instance */
    uint32_t worker_count;
    struct worker *workers[WORKERS_MAX];
    int main_event;            /* eventfd: a worker has something to say */
    atomic_bool is_stopping;   /* stop reading, hand everything over */
    atomic_bool is_abandoned;  /* give up what cannot be handed over */
    atomic_bool is_holding;    /* wait for the RIB */
    struct exporter_news news; /* all workers' exporters */
    atomic_uint reading_count; /* workers that may still pass datagrams on; they count themselves */
};

/* How many workers there are and what they may keep: into struct crew itself. */
extern const struct config_key crew_keys[];
/* After these keys were read: as many workers as there are processors but one, unless so many were
 * asked for. */
void crew_settings_finish(struct crew *crew);

/*
 * Makes a worker, in the main thread, before it is started. `receiver` is taken, NULL in replay;
 * `event` is the worker's eventfd, borrowed. -errno.
 */
int worker_new(struct crew *crew, uint32_t index, struct udp_receiver *receiver, int event,
               struct text *error, struct worker **ret_worker) ON_THREAD(main_thread);
/* Gives it the socket for other collectors' templates, before worker_start(); it is taken. -errno. */
int worker_set_template_receiver(struct worker *worker, struct udp_receiver *receiver)
    ON_THREAD(main_thread);
int worker_start(struct worker *worker) ON_THREAD(main_thread);

/* The worker's socket, NULL in replay. Before worker_start() the main thread may use it. */
struct udp_receiver *worker_receiver(const struct worker *worker);
/*
 * Reads what waits at a socket, before worker_start(), and gives each datagram to the worker that owns
 * its exporter, which decodes it before all else: sockets of another number of workers had them.
 * Returns how many they were; `until_ns` of clock_mono() ends it where more comes than can be read.
 */
uint32_t worker_move_queued(struct worker *worker, struct udp_receiver *receiver, int64_t until_ns)
    ON_THREAD(main_thread);
/* Counts datagrams that its socket had no room for while no daemon read. Before worker_start(). */
void worker_add_lost(struct worker *worker, uint64_t count) ON_THREAD(main_thread);
/* The kernel's count of lost datagrams, as far as it is in the worker's counters. Any thread. */
struct udp_drops worker_drops(const struct worker *worker);
/* Asks for attention: after is_stopping, is_holding or an epoch changed. Any thread. */
void worker_wake(struct worker *worker);
bool worker_is_at_end(const struct worker *worker);   /* of the capture file; any thread */
bool worker_is_finished(const struct worker *worker); /* everything is handed over; any thread */
/* After crew.is_stopping: waits for its end. Its tables stay for statistics; hand-overs may still
 * come back. */
void worker_join(struct worker *worker) ON_THREAD(main_thread);
/* Takes what hosts acknowledged, in the main thread after worker_join(); with `give_up` counts
 * the rest as dropped. */
void worker_settle(struct worker *worker, bool give_up) ON_THREAD(main_thread);
void worker_free(struct worker *worker) ON_THREAD(main_thread);

/* Tells a worker that maps were read anew and look at more members of flows: plans are compiled
 * again before the next datagram. */
void worker_add_needs(struct worker *worker) ON_THREAD(main_thread);

/* Gives a worker templates, in the main thread before worker_start(). Returns how many were
 * taken. */
size_t worker_load_templates(struct worker *worker, const struct json_t *saved)
    ON_THREAD(main_thread);
uint64_t worker_templates_generation(const struct worker *worker); /* any thread */
/* Asks the worker for what changed since the last time; the answer, which must be taken, comes later,
 * with main_event. */
void worker_ask_templates(struct worker *worker) ON_THREAD(main_thread);
/* The answer is the caller's; NULL: not yet. */
struct saved_pieces *worker_take_templates(struct worker *worker) ON_THREAD(main_thread);

/* Asks the worker to describe what exporters have told its decoder; it does so in slices, and the answer
 * comes with main_event. False: this decoder has nothing to tell. */
bool worker_ask_description(struct worker *worker) ON_THREAD(main_thread);
/* The answer is the caller's; NULL: not yet. */
struct description *worker_take_description(struct worker *worker) ON_THREAD(main_thread);

/* The same after worker_join(), at once; NULL: there is never anything. */
struct saved_pieces *worker_save_templates(struct worker *worker) ON_THREAD(main_thread);

/* The counters and exporters of a worker, for statistics. Any thread may read them; others than the
 * worker walk its exporters under RCU. */
struct worker_counters *worker_counters(struct worker *worker);
struct exporter_table *worker_exporters(struct worker *worker);
/* Returns how many datagrams it has, but has not looked at: they wait for the RIB, or came from
 * another worker. */
uint64_t worker_waiting(const struct worker *worker) ON_THREAD(main_thread);
