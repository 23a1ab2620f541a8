/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A plugin host's delivery between workers and a backend that are all in the test: the backend logs
 * how it was called, and a host that dies is a child that exits in the middle of a call.
 */
#include "host/delivery.h"
#include "support/fake_core.h"
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct rig {
    struct fake_core core; /* the workers, and no supervisor */
    struct lane lanes[FAKE_CORE_LANES];
    struct setup setup;
    struct link link;
    struct pa_plugin plugin;
    struct backend *backend;
    struct spool *spool;
    struct delivery *delivery;
    const struct pa_host *host;
    const struct pa_schema *schema; /* that it is open with */
    char log[4096];                 /* what the backend was asked for, a word each */
    int begin_result, write_result, commit_result;
    uint32_t rejected_key, killing_key; /* dst_as of a row that it refuses, or dies over; 0: none */
    bool dies_in_commit;
};

static struct rig *the_rig; /* for a plugin, whose open gets no argument of its own */

/* ---- the backend ---- */

static void note(struct rig *rig, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void note(struct rig *rig, const char *format, ...)
{
    size_t len = strlen(rig->log);
    va_list args;

    va_start(args, format);
    vsnprintf(rig->log + len, sizeof rig->log - len, format, args);
    va_end(args);
}

static inline int plugin_open(const struct pa_host *host, const struct pa_schema *schema,
                              void **ret_state)
{
    the_rig->schema = schema;
    the_rig->host = host;
    *ret_state = the_rig;
    return 0;
}

static inline void plugin_close(void *state)
{
    (void)state;
}

static inline int plugin_begin(void *state, const struct pa_transaction *t)
{
    struct rig *rig = state;

    note(rig, "begin");
    for (uint32_t i = 0; i < t->source_count; i++)
        note(rig, " %u:%u-%u", t->sources[i].worker, (unsigned)t->sources[i].first_seq,
             (unsigned)t->sources[i].last_seq);
    note(rig, " rows=%u%s%s; ", (unsigned)t->row_count, t->ends_epoch ? " ends" : "",
         t->is_last ? " last" : "");
    return rig->begin_result;
}

static inline int plugin_write(void *state, const struct pa_batch *batch)
{
    struct rig *rig = state;
    const struct pa_schema *schema = rig->schema;

    for (uint32_t i = 0; i < batch->row_count; i++) {
        const uint8_t *row = batch->rows + (size_t)i * schema->row_size;
        uint32_t key, id;
        uint64_t packets;
        memcpy(&key, row + schema_find(schema, "dst_as")->offset, sizeof key);
        memcpy(&id, row + schema_find(schema, "as_path")->offset, sizeof id);
        memcpy(&packets, row + schema_find(schema, "packets")->offset, sizeof packets);
        assert_true(id < batch->dictionary_count);
        char path[32];
        assert_int_equal(batch->dictionary[id].len, snprintf(path, sizeof path, "65000_%u", key));
        assert_memory_equal(batch->dictionary[id].data, path, strlen(path));
        note(rig, "%u=%u", key, (unsigned)packets);
        if (batch->source)
            note(rig, "@%u:%u+%u", batch->source->worker, (unsigned)batch->source->first_seq,
                 (unsigned)batch->first_row);
        note(rig, "; ");
        if (key == rig->killing_key)
            _exit(0);
        if (key == rig->rejected_key)
            rig->host->reject_row(rig->host, row, "the test says so");
    }
    return rig->write_result;
}

static inline int plugin_commit(void *state, const struct pa_transaction *t)
{
    struct rig *rig = state;

    (void)t;
    if (rig->dies_in_commit)
        _exit(0);
    note(rig, "commit; ");
    return rig->commit_result;
}

static inline void plugin_abort(void *state)
{
    note(state, "abort; ");
}

static const struct pa_key no_keys[] = {{0}};

/* ---- the host ---- */

static inline int never_give_up(void *arg, enum host_place place)
{
    (void)arg, (void)place;
    return 0;
}

static inline void host_start(struct rig *rig, uint8_t last_signal)
{
    const struct pa_schema *schema = schema_view(rig->core.schema);

    rig->setup.last_signal = last_signal;
    for (int i = 0; i < FAKE_CORE_LANES; i++) {
        const struct outlet_lane *lane = &rig->core.outlet->lanes[i];
        int slots, cursors;
        assert_int_equal(ring_open_for_host(lane->ring, &slots, &cursors), 0);
        rig->lanes[i].worker_event = poller_event_new();
        assert_int_equal(
            ring_view_new(slots, cursors, rig->lanes[i].worker_event, &rig->lanes[i].ring), 0);
        assert_int_equal(pool_view_new(pool_open_readonly(lane->pool), pool_max_count(lane->pool),
                                       &rig->lanes[i].pool),
                         0);
    }
    if (rig->setup.spool_dir) {
        struct spool_settings settings = {.dir = rig->setup.spool_dir,
                                          .instance_name = "edge",
                                          .max_size = UINT64_C(1) << 20,
                                          .schema = rig->core.schema};
        memcpy(settings.core_id, rig->setup.core_id, sizeof settings.core_id);
        assert_int_equal(spool_new(&settings, &rig->spool), 0);
    }
    rig->backend = backend_new(&rig->plugin, &rig->setup, schema, rig->core.poller, &rig->link,
                               never_give_up, NULL);
    assert_int_equal(backend_open(rig->backend), 0);
    rig->delivery = delivery_new(&(struct delivery_settings){.setup = &rig->setup,
                                                             .schema = schema,
                                                             .plugin_flags = rig->plugin.flags,
                                                             .lanes = rig->lanes,
                                                             .backend = rig->backend,
                                                             .spool = rig->spool,
                                                             .link = &rig->link});
    delivery_recover(rig->delivery);
}

static inline void host_stop(struct rig *rig)
{
    delivery_free(rig->delivery);
    backend_close(rig->backend);
    backend_free(rig->backend);
    spool_free(rig->spool);
    rig->spool = NULL;
    for (int i = 0; i < FAKE_CORE_LANES; i++)
        lane_clear(&rig->lanes[i]);
}

/* Makes everything but the host, so that the plugin's flags and the spool can still be chosen. */
static inline void init(struct rig *rig)
{
    memset(rig, 0, sizeof *rig);
    the_rig = rig;
    fake_core_init(&rig->core);
    rig->link = (struct link){.socket = -1,
                              .instance_name = "edge",
                              .plugin_name = "test",
                              .lock = PTHREAD_MUTEX_INITIALIZER};
    rig->setup = (struct setup){.core_id = "0123456789abcde",
                                .lane_count = FAKE_CORE_LANES,
                                .daemon_name = "nfacctd",
                                .instance_name = "edge",
                                .plugin_name = "test"};
    rig->plugin = (struct pa_plugin){.abi = PA_PLUGIN_ABI,
                                     .name = "test",
                                     .keys = no_keys,
                                     .open = plugin_open,
                                     .begin = plugin_begin,
                                     .write = plugin_write,
                                     .commit = plugin_commit,
                                     .abort = plugin_abort,
                                     .close = plugin_close};
}

static inline void clear(struct rig *rig)
{
    host_stop(rig);
    fake_core_clear(&rig->core);
}

/* The host dies of `signal` in its next transaction, and another one takes its place. */
static inline void die_and_restart(struct rig *rig, uint8_t signal)
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        delivery_run(rig->delivery, false);
        _exit(1); /* no signal came, which is not what the test is about */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    host_stop(rig);
    host_start(rig, signal);
}

/* Runs delivery once: its result must be this, and the backend asked for just what `log` says. */
static inline void run(struct rig *rig, enum delivery_result result, const char *log)
{
    rig->log[0] = '\0';
    assert_int_equal(delivery_run(rig->delivery, false), result);
    assert_string_equal(rig->log, log);
}

/* Asserts what the workers hear: how many of each fate there were since the last time, and how many
 * are still pending. */
static inline void assert_fates(struct rig *rig, uint64_t written, uint64_t spooled,
                                uint64_t poison, uint64_t dropped, uint64_t pending)
{
    memset(rig->core.fates, 0, sizeof rig->core.fates);
    assert_int_equal(fake_core_pending(&rig->core), pending);
    assert_int_equal(rig->core.fates[HANDOVER_WRITTEN], written);
    assert_int_equal(rig->core.fates[HANDOVER_SPOOLED], spooled);
    assert_int_equal(rig->core.fates[HANDOVER_POISON], poison);
    assert_int_equal(rig->core.fates[HANDOVER_DROPPED], dropped);
}

/* Pushes an epoch: keys 7 and 8 of one worker, 9 of the other. */
static inline void push_three(struct rig *rig)
{
    fake_core_push(&rig->core, 0, 7, 1, 0);
    fake_core_push(&rig->core, 0, 8, 1, EPOCH_END);
    fake_core_push(&rig->core, 1, 9, 1, EPOCH_END);
}
