/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The inside of a worker: worker.c is its life and the live loop, worker_replay.c reads a
 * capture file. */
#include "base/thread.h"
#include "pipeline/worker.h"

/* The group of the last marker of each instance: above all others, and the same in all workers. */
#define WORKER_LAST_GROUP (UINT64_C(1) << 62)

struct datagram_feed;
struct event_feed;
struct inbox;
struct pcap_reader;
struct poller;

struct worker_epoch {
    uint64_t number; /* of the epoch under way */
    uint64_t group;  /* replay: of the last common position */
    int64_t end_ns;  /* replay: when it ends by the capture's clock; 0: not begun */
};

struct worker {
    struct worker_counters counters;
    struct crew *crew;
    uint32_t index;
    struct thread thread;
    struct poller *poller;
    int event;
    bool is_woken;
    struct udp_receiver *receiver;
    struct inbox *inbox; /* other workers fill it */
    struct inbox *held;
    struct inbox *moved;  /* what waited in sockets of an earlier group; goes before all else */
    uint64_t lost_before; /* datagrams, while no daemon read */
    bool is_holding;      /* crew.is_holding as of the last round: what is held goes first */
    struct datagram_feed *feed;   /* NULL: nobody takes datagrams */
    struct event_feed *events;    /* NULL: nobody takes events */
    struct template_share *share; /* NULL: templates are not sent on */
    struct udp_receiver
        *template_receiver; /* of others' templates; NULL: none, or another worker's */
    bool has_detour;        /* is_holding, or datagrams have other ways than to the decoder */
    struct rcu_reader *reader;
    struct exporter_table *exporters;
    int64_t tick_ns, silent_ns; /* the last tick, and when silent exporters were looked at */
    struct log_rate unlisted_rate;
    struct exporter unlisted; /* stands for sources that are not allowed: they get no state */
    void *decoder;
    struct flow_batch batch;
    struct correlator *correlator;
    struct geo *geo;              /* NULL: nobody asks where hosts are */
    struct instance_views *views; /* NULL: all instances see the flows as they are */
    struct aggregate **aggregates;
    struct worker_epoch *epochs;
    struct pcap_reader *capture;
    int64_t replay_clock_ns;  /* the capture's: only upwards */
    uint64_t replayed_before; /* bytes of the rounds that are over */
    atomic_bool is_at_end, is_finished, is_asked_templates, is_asked_needs, is_asked_description;
    struct flow_needs needs; /* what the decoder was last told */
    struct saved_pieces *_Atomic saved_templates;
    struct description *description; /* under way; NULL: nobody asked */
    struct description *_Atomic described;
};

void worker_decode(struct worker *worker, const struct datagram *datagram) ON_THREAD(worker_thread);
/* Gives a datagram that is allowed to the instances that take it as it is, and its templates to another
 * collector. */
void worker_pass_on(struct worker *worker, const struct datagram *datagram)
    ON_THREAD(worker_thread);
/* Does what is due about once a second; `now_ns` is a datagram's received_ns, or wall clock. */
void worker_tick(struct worker *worker, int64_t now_ns) ON_THREAD(worker_thread);
/* The batch of flows goes through all the rest. */
void worker_flush(struct worker *worker) ON_THREAD(worker_thread);
void worker_recycle(struct worker *worker) ON_THREAD(worker_thread);
/* Does what the main thread asked for. */
void worker_answer(struct worker *worker) ON_THREAD(worker_thread);
/* Waits for events, RCU-offline. */
void worker_wait(struct worker *worker, int timeout_ms) ON_THREAD(worker_thread);
void worker_finish(struct worker *worker, int64_t now_ns) ON_THREAD(worker_thread);

int worker_open_replay(struct worker *worker, struct text *error);
void worker_close_replay(struct worker *worker);
void worker_run_replay(struct worker *worker) ON_THREAD(worker_thread);
