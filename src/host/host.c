/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The plugin process: its setup, its lock, and one event loop that delivers, tries again after
 * failures, reports its state and ends. See host.h. */
#include "host/host.h"

#include "base/memory.h"
#include "base/reader.h"
#include "base/text.h"
#include "base/thread_state.h"
#include "handover/host_message.h"
#include "host/call_thread.h"
#include "host/delivery.h"
#include "host/orphan.h"
#include "host/programs.h"
#include "sandbox/host_bounds.h"
#include "sandbox/syscall_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SETUP_TIMEOUT_MS  30000
#define LOCK_RETRY_US     200000
#define RETRY_FIRST_NS    NS_PER_S
#define RETRY_MAX_NS      (60 * NS_PER_S)
#define FAILURES_TO_SPOOL 3 /* after 1, 2 and 4 s the outage is no hiccup */
/* After so many, messages and the backend's own descriptors get their turn. */
#define TRANSACTIONS_AT_ONCE 16
#define LANES_MAX            4096
/* After the core's end and shutdown_timeout a host has as long again to spool, and this. */
#define ORPHAN_GRACE_S 5
/* A backend that has not moved for so long stands still; half of plugin_timeout if that is less. */
#define STILL_NS       (5 * NS_PER_S)
#define STILL_AGAIN_NS (60 * NS_PER_S)
/* After the time to stop a plugin that beats gives up by itself within this. */
#define GIVE_UP_NS (2 * NS_PER_S)

struct host {
    struct poller *poller;
    struct link link;
    struct host_message_buffer *buffer;
    struct setup *setup;
    struct schema *schema;
    struct lane *lanes;
    int host_event, lock_fd;
    int raw_v4, raw_v6; /* -1: none */
    const struct pa_plugin *plugin;
    struct programs *programs;
    bool is_bound; /* by a launcher */
    struct host_bounds bounds;
    struct backend *backend;
    struct call_thread *thread; /* NULL: the backend is called on this one */
    uint64_t run_ns;            /* of that thread, as seen last */
    int64_t moved_ns;           /* when it was seen to move last */
    int64_t beside_ns;          /* when the spool was last looked at meanwhile */
    int64_t told_still_ns;      /* when it was last told that it does not; 0: it does */
    struct spool *spool;
    struct delivery *delivery;
    struct host_state state;
    int64_t said_ns; /* when it was sent last */

    bool is_open;                   /* with backend_schema() */
    bool has_opened;                /* at some time */
    bool core_is_gone, is_stopping; /* is_stopping: it was told to end, or the core is gone */
    int64_t stop_ns;                /* with is_stopping: when the time is over */
    int64_t heard_ns;               /* when the core was listened to last during such a call */
    bool wants_reopen;              /* it was told so during such a call */
    bool is_done;
    int exit_status;
    unsigned failure_count;
    int last_error;
    int64_t retry_ns;
    bool has_spool_trouble;
    struct poller_timer work_timer, retry_timer, state_timer, deadline_timer;
};

/* ---- setup ---- */

static int next_message(struct host *h, struct host_message *ret_message)
{
    struct pollfd p = {.fd = h->link.socket, .events = POLLIN};
    int ready;
    do
        ready = poll(&p, 1, SETUP_TIMEOUT_MS);
    while (ready < 0 && errno == EINTR);
    if (ready <= 0)
        return ready == 0 ? -ETIMEDOUT : -errno;
    return host_message_receive(h->link.socket, MSG_DONTWAIT, h->buffer, ret_message);
}

static int receive_lane(struct host *h, struct host_message *m, uint32_t number)
{
    struct reader r = reader_make(m->body, m->body_len);
    struct lane *lane = &h->lanes[number];
    int err = -EBADMSG;

    uint32_t got_number = reader_u32(&r);
    uint32_t max_count = reader_u32(&r);
    if (m->type != HOST_MESSAGE_LANE || r.failed || got_number != number || m->fd_count != 4) {
        host_message_close_fds(m);
        return -EBADMSG;
    }
    lane->worker_event = m->fds[3];
    err = ring_view_new(m->fds[0], m->fds[1], lane->worker_event, &lane->ring);
    if (err < 0) {
        close(m->fds[2]);
        return err;
    }
    return pool_view_new(m->fds[2], max_count, &lane->pool);
}

static int receive_setup(struct host *h)
{
    struct host_message m = {0};
    int err = next_message(h, &m);
    if (err < 0)
        return err;
    if (m.type != HOST_MESSAGE_SETUP ||
        setup_decode(m.body, m.body_len, &h->setup, &h->schema) < 0 ||
        h->setup->lane_count > LANES_MAX) {
        host_message_close_fds(&m);
        return -EBADMSG;
    }
    h->host_event = m.fds[0];
    size_t fd_index = 1;
    if (h->setup->has_raw_v4 && fd_index < m.fd_count)
        h->raw_v4 = m.fds[fd_index++];
    if (h->setup->has_raw_v6 && fd_index < m.fd_count)
        h->raw_v6 = m.fds[fd_index];
    h->link.debug = h->setup->debug;
    h->link.instance_name = h->setup->instance_name;
    h->link.plugin_name = h->setup->plugin_name;
    h->lanes = mem_calloc((size_t)h->setup->lane_count + 1, sizeof *h->lanes);
    for (uint32_t i = 0; i < h->setup->lane_count; i++)
        h->lanes[i].worker_event = -1;
    for (uint32_t i = 0; i < h->setup->lane_count && err == 0; i++) {
        err = next_message(h, &m);
        if (err == 0)
            err = receive_lane(h, &m, i);
    }
    return err;
}

/* False: the core asks for what its configuration did not have at the start. */
static bool is_within_bounds(const struct host *h, const char *name)
{
    const struct setup *setup = h->setup;
    char *expected = mem_printf("%s[%s]", setup->plugin_name, setup->instance_name);
    bool is_right = !h->is_bound || (name && strcmp(expected, name) == 0 &&
                                     strcmp(setup->plugin_dir, h->bounds.plugin_dir) == 0);

    mem_free(expected);
    return is_right;
}

static void say_alive(struct host *h)
{
    if (h->setup->lane_count > 0)
        ring_view_beat(h->lanes[0].ring, HOST_LOOPS);
}

static int lock_failed(struct host *h, const char *what)
{
    int err = -errno;
    link_log(&h->link, PA_LOG_ERROR, "cannot %s the lock %s: %s", what, h->setup->lock_path,
             strerrordesc_np(-err));
    return err;
}

/* True if another process has removed the file that we have just locked. That process was done, and
 * a lock on a removed file keeps nobody out. */
static bool lock_is_stale(const struct host *h)
{
    struct stat status;
    return fstat(h->lock_fd, &status) == 0 && status.st_nlink == 0;
}

/* Waits for the lock: a host of an earlier core may still be writing hand-overs of that core. */
static int take_lock(struct host *h)
{
    bool has_waited = false;

    if (h->setup->lock_path == NULL)
        return 0;
    for (;;) {
        if (h->lock_fd < 0)
            h->lock_fd = open(h->setup->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (h->lock_fd < 0)
            return lock_failed(h, "open");
        if (flock(h->lock_fd, LOCK_EX | LOCK_NB) == 0) {
            if (!lock_is_stale(h))
                return 0;
            close(h->lock_fd);
            h->lock_fd = -1;
            continue;
        }
        if (errno != EWOULDBLOCK && errno != EINTR)
            return lock_failed(h, "take");
        if (!has_waited)
            link_log(&h->link, PA_LOG_NOTICE,
                     "waiting for the process of an earlier start to finish its work (lock %s)",
                     h->setup->lock_path);
        has_waited = true;
        say_alive(h);
        usleep(LOCK_RETRY_US);
    }
}

/* Waits for the spool, as for the lock: it may be in use by a host of another configuration. */
static int wait_for_spool(struct host *h)
{
    const struct setup *setup = h->setup;
    struct spool_settings settings = {.dir = setup->spool_dir,
                                      .instance_name = setup->instance_name,
                                      .max_size = setup->spool_size,
                                      .schema = h->schema};
    bool has_waited = false;
    int err;

    memcpy(settings.core_id, setup->core_id, sizeof settings.core_id);
    while ((err = spool_new(&settings, &h->spool)) == -EWOULDBLOCK) {
        if (!has_waited)
            link_log(&h->link, PA_LOG_NOTICE,
                     "waiting for the process of an earlier start to finish its work (spool %s/%s)",
                     setup->spool_dir, setup->instance_name);
        has_waited = true;
        say_alive(h);
        usleep(LOCK_RETRY_US);
    }
    return err;
}

static void open_spool(struct host *h)
{
    const struct setup *setup = h->setup;
    struct text kept = {0};

    if (setup->spool_dir == NULL)
        return;
    int err = wait_for_spool(h);
    if (err < 0) {
        link_log(&h->link, PA_LOG_ERROR,
                 "cannot use plugin_spool_dir %s: %s; while the backend fails rows wait in memory",
                 setup->spool_dir, strerrordesc_np(-err));
        return;
    }
    if (spool_count(h->spool) > 0)
        link_log(&h->link, PA_LOG_NOTICE, "%llu spooled hand-overs of before are written first",
                 (unsigned long long)spool_count(h->spool));
    spool_describe_kept(h->spool, &kept);
    if (kept.len > 0)
        link_log(
            &h->link, PA_LOG_WARNING,
            "plugin_spool_dir %s/%s keeps hand-overs that are not written: %s; those of another "
            "version wait for that one, others can be removed",
            setup->spool_dir, setup->instance_name, text_cstr(&kept));
    text_clear(&kept);
}

/* ---- delivering ---- */

static void send_state(struct host *h)
{
    h->said_ns = clock_mono().ns;
    h->state.is_open = h->is_open;
    h->state.is_failing = h->failure_count > 0;
    h->state.is_spool_full = h->has_spool_trouble;
    h->state.is_finished = h->is_done;
    h->state.commits = h->delivery != NULL ? delivery_commit_count(h->delivery) : 0;
    h->state.spooled_count = h->spool != NULL ? spool_count(h->spool) : 0;
    h->state.spooled_flows = h->spool != NULL ? spool_own_flows(h->spool) : 0;
    h->state.kept_count = h->spool != NULL ? spool_kept_count(h->spool) : 0;
    h->state.spooled_bytes = h->spool != NULL ? spool_bytes(h->spool) : 0;
    h->state.spooled_since_ns = h->spool != NULL ? spool_since_ns(h->spool) : 0;
    if (h->delivery != NULL)
        h->state.commit_time = delivery_commit_time(h->delivery);
    link_state(&h->link, &h->state);
    if (h->backend != NULL)
        backend_send_counters(h->backend);
}

/* False: rows wait in memory, which is logged. */
static bool spool_now(struct host *h)
{
    int err = delivery_spool_all(h->delivery);
    if (err < 0 && !h->has_spool_trouble)
        link_log(&h->link, PA_LOG_ERROR | HOST_LOG_ASIDE, "cannot spool: %s; rows wait in memory",
                 strerrordesc_np(-err));
    bool has_changed = h->has_spool_trouble != (err < 0);
    h->has_spool_trouble = err < 0;
    if (has_changed)
        send_state(h);
    return err == 0;
}

static void spool_if_it_lasts(struct host *h)
{
    if (h->spool != NULL && (h->failure_count >= FAILURES_TO_SPOOL || h->is_stopping))
        spool_now(h);
}

static void backend_failed(struct host *h, const char *doing, int err)
{
    h->retry_ns = h->failure_count == 0            ? RETRY_FIRST_NS
                  : h->retry_ns * 2 > RETRY_MAX_NS ? RETRY_MAX_NS
                                                   : h->retry_ns * 2;
    h->failure_count++;
    h->state.failures++;
    /* -EAGAIN: the plugin has said what the matter is. */
    if (err != h->last_error)
        link_log(&h->link, err == -EAGAIN ? PA_LOG_WARNING | HOST_LOG_ASIDE : PA_LOG_ERROR,
                 "cannot %s%s%s; trying again in %lld s and so on, nothing is lost while there is "
                 "room",
                 doing, err == -EAGAIN ? " now" : ": ", err == -EAGAIN ? "" : strerrordesc_np(-err),
                 (long long)(h->retry_ns / NS_PER_S));
    h->last_error = err;
    spool_if_it_lasts(h);
    if (h->failure_count == 1)
        send_state(h);
    poller_timer_set_in(h->poller, &h->retry_timer, h->retry_ns);
}

static void backend_worked(struct host *h)
{
    unsigned failure_count = h->failure_count;
    h->failure_count = 0;
    h->has_spool_trouble = false;
    if (failure_count > 0) {
        link_log(&h->link, PA_LOG_NOTICE, "the backend works again, after %u failures",
                 failure_count);
        send_state(h);
    }
    h->last_error = 0;
}

static void host_finish(struct host *h, int exit_status)
{
    h->exit_status = exit_status;
    h->is_done = true;
}

/* Opens the backend with the schema of what comes next. `why` is what it has against one of
 * before. */
static int open_backend(struct host *h, struct text *why)
{
    const struct pa_schema *schema = delivery_schema(h->delivery);
    char error[1024];

    if (h->is_open && backend_schema(h->backend) == schema)
        return 0;
    backend_close(h->backend);
    h->is_open = false;
    backend_set_schema(h->backend, schema);
    if (schema != schema_view(h->schema) && backend_check(h->backend, error, sizeof error) < 0) {
        text_append_string(why, error);
        return -EINVAL;
    }
    int err = backend_open(h->backend);
    if (err < 0)
        return err;
    h->is_open = true;
    return 0;
}

/* True if the next transaction can begin. */
static bool prepare_backend(struct host *h)
{
    struct text why = {0};

    int err = open_backend(h, &why);
    if (err < 0 && !delivery_passes_over(h->delivery, err, why.len > 0 ? text_cstr(&why) : NULL))
        backend_failed(h, "open the backend", err);
    if (err == 0 && !h->has_opened) {
        h->has_opened = true;
        backend_worked(h);
        send_state(h);
    }
    text_clear(&why);
    return err == 0;
}

/* Called when nothing is complete: ends the host if nothing more can come. */
static void check_end(struct host *h)
{
    if (h->core_is_gone || delivery_is_ended(h->delivery))
        host_finish(h, 0);
}

/* Called when the backend does not work: if all that came is on disk, the host may end too. */
static void check_end_of_spooling(struct host *h)
{
    if (h->is_stopping && h->spool != NULL && !h->has_spool_trouble)
        check_end(h);
}

static void host_work(void *arg)
{
    struct host *h = arg;
    int err;

    if (h->is_done)
        return;
    if (h->retry_timer.heap_index != 0) { /* the timer will call again */
        spool_if_it_lasts(h);
        check_end_of_spooling(h);
        return;
    }
    for (int i = 0; i < TRANSACTIONS_AT_ONCE; i++) {
        if (!prepare_backend(h)) {
            if (h->retry_timer.heap_index == 0)
                continue; /* with others than those that were to be next */
            check_end_of_spooling(h);
            return;
        }
        enum delivery_result result = delivery_run(h->delivery, h->core_is_gone);
        if (result == DELIVERY_IDLE) {
            check_end(h);
            if (!h->is_done && delivery_must_retry(h->delivery, &err))
                backend_failed(h, "write what an earlier configuration left", err);
            return;
        }
        if (result == DELIVERY_FAILED) {
            err = delivery_error(h->delivery);
            if (delivery_passes_over(h->delivery, err, NULL))
                continue;
            backend_failed(h, "write", err);
            check_end_of_spooling(h);
            return;
        }
        backend_worked(h);
        /* A sign of progress, should it die soon; and while much is written. */
        if (delivery_commit_count(h->delivery) == 1 || clock_mono().ns - h->said_ns >= NS_PER_S)
            send_state(h);
    }
    poller_timer_set_in(h->poller, &h->work_timer, 0);
}

/* The time to stop is over: rows that the backend has not taken go to the spool, or they are
 * lost. */
static void deadline_passed(void *arg)
{
    struct host *h = arg;

    if (h->is_done)
        return;
    if (delivery_spool_all(h->delivery) == 0) {
        link_log(&h->link, PA_LOG_WARNING,
                 "the backend did not take everything in time; the rest is spooled");
        host_finish(h, 0);
        return;
    }
    uint64_t flows = delivery_drop_all(h->delivery);
    if (flows > 0) /* if 0, the hand-overs were empty: a backend that never worked loses nothing */
        link_log(&h->link, PA_LOG_ERROR,
                 "the backend did not take everything in time: %llu flows are dropped",
                 (unsigned long long)flows);
    host_finish(h, flows > 0);
}

static void start_stopping(struct host *h, uint32_t seconds)
{
    h->is_stopping = true;
    h->stop_ns = clock_mono().ns + (int64_t)seconds * NS_PER_S;
    poller_timer_set_in(h->poller, &h->deadline_timer, (int64_t)seconds * NS_PER_S);
    poller_timer_set_in(h->poller, &h->work_timer, 0);
}

static void core_went(struct host *h)
{
    poller_remove(h->poller, h->link.socket);
    link_lose_core(&h->link);
    h->core_is_gone = true;
    link_log(&h->link, PA_LOG_WARNING, "the core has ended; writing what it had handed over");
    start_stopping(h, h->setup->shutdown_timeout_s);
}

static void take_message(struct host *h, struct host_message *m)
{
    struct reader r = reader_make(m->body, m->body_len);
    host_message_close_fds(m);
    switch (m->type) {
    case HOST_MESSAGE_REOPEN:
        h->wants_reopen = true; /* the backend may be in another call */
        break;
    case HOST_MESSAGE_RELOAD:
        if ((h->plugin->flags & PA_PLUGIN_TAKES_DATAGRAMS) != 0)
            h->wants_reopen = true;
        break;
    case HOST_MESSAGE_SHUTDOWN:
        start_stopping(h, reader_u32(&r));
        break;
    default:
        break;
    }
}

static void core_ready(void *arg, int fd, unsigned events)
{
    struct host *h = arg;
    struct host_message m;
    (void)events;

    for (;;) {
        int err = host_message_receive(fd, MSG_DONTWAIT, h->buffer, &m);
        if (err == -EAGAIN)
            return;
        if (err < 0) {
            core_went(h);
            return;
        }
        take_message(h, &m);
    }
}

/* Listens to the core while the backend's call keeps the loop from it. */
static void listen_in_call(struct host *h)
{
    int64_t now_ns = clock_mono().ns;

    if (h->delivery == NULL || h->link.socket < 0 || now_ns - h->heard_ns < NS_PER_S)
        return;
    h->heard_ns = now_ns;
    core_ready(h, h->link.socket, POLLER_READ);
}

static int beat_in_call(void *arg, enum host_place place)
{
    struct host *h = arg;

    if (h->setup->lane_count > 0)
        ring_view_beat(h->lanes[0].ring, place);
    if (place != HOST_LOOPS)
        listen_in_call(h);
    return h->is_stopping && clock_mono().ns >= h->stop_ns ? -ECANCELED : 0;
}

/* ---- while the backend's thread is in a call ---- */

static void note_move(struct host *h, int64_t now_ns)
{
    if (h->told_still_ns > 0)
        link_log(&h->link, PA_LOG_NOTICE, "the backend moves again, after %lld s",
                 (long long)((now_ns - h->moved_ns) / NS_PER_S));
    h->told_still_ns = 0;
    h->moved_ns = now_ns;
}

/* Rows that nobody else takes meanwhile go to the spool, those of the transaction under way too. */
static void spool_beside(struct host *h, int64_t now_ns)
{
    uint64_t spooled_before = spool_count(h->spool);
    struct text seen = {0};

    if (now_ns - h->beside_ns < NS_PER_S)
        return;
    h->beside_ns = now_ns;
    spool_now(h);
    if (spool_count(h->spool) != spooled_before)
        send_state(h);
    if (spool_count(h->spool) == 0 ||
        (h->told_still_ns > 0 && now_ns - h->told_still_ns < STILL_AGAIN_NS))
        return;
    h->told_still_ns = now_ns;
    thread_state_describe(getpid(), call_thread_id(h->thread), &seen);
    link_log(&h->link, PA_LOG_WARNING,
             "the backend has stood still for %lld s%s: rows go to plugin_spool_dir until it "
             "moves; %llu "
             "hand-overs wait there",
             (long long)((now_ns - h->moved_ns) / NS_PER_S), text_cstr(&seen),
             (unsigned long long)spool_count(h->spool));
    text_clear(&seen);
}

/* Ends the process, whose thread does not come back, when the time to stop is over. */
static void leave(struct host *h)
{
    if (!spool_now(h))
        return; /* the core kills it */
    delivery_give_up(h->delivery);
    link_log(&h->link, PA_LOG_WARNING,
             "the backend did not take everything in time; the rest is spooled");
    host_finish(h, 0);
    send_state(h);
    if (h->lock_fd >= 0)
        unlink(h->setup->lock_path);
    _exit(h->exit_status);
}

static int64_t still_ns(const struct host *h)
{
    int64_t half_ns = h->setup->timeout_s * NS_PER_S / 2;

    return half_ns > 0 && half_ns < STILL_NS ? half_ns : STILL_NS;
}

static void call_turn(void *arg, enum host_place place, bool has_beaten)
{
    struct host *h = arg;
    struct thread_state t = thread_state_read(getpid(), call_thread_id(h->thread));
    int64_t now_ns = clock_mono().ns;
    bool is_on_files = place == HOST_CALLS || place == HOST_WAITS_FOR_FILE;

    listen_in_call(h);
    if (has_beaten || t.run_ns != h->run_ns || !is_on_files)
        note_move(h, now_ns);
    h->run_ns = t.run_ns;
    if (h->spool == NULL || !is_on_files)
        return;
    if (now_ns - h->moved_ns >= still_ns(h))
        spool_beside(h, now_ns);
    if (h->is_stopping && now_ns >= h->stop_ns + GIVE_UP_NS)
        leave(h);
}

/* Without the thread the backend is called here, and rows wait in memory while it stands still. */
static void start_thread(struct host *h)
{
    unsigned flags = h->plugin->flags;

    if ((flags & PA_PLUGIN_BLOCKS) == 0 || (flags & PA_PLUGIN_KEEPS_HANDOVERS) != 0)
        return;
    int err = call_thread_new(&h->thread);
    if (err < 0) {
        link_log(&h->link, PA_LOG_WARNING,
                 "no thread for the backend (%s): while it stands still rows wait in memory",
                 strerrordesc_np(-err));
        return;
    }
    h->state.thread = (uint32_t)call_thread_id(h->thread);
    backend_use_thread(h->backend, h->thread, call_turn, h);
}

static void lanes_ready(void *arg, int fd, unsigned events)
{
    struct host *h = arg;
    (void)events;
    poller_event_drain(fd);
    host_work(h);
}

static void state_due(void *arg)
{
    struct host *h = arg;
    send_state(h);
    poller_timer_set_in(h->poller, &h->state_timer, NS_PER_S);
}

/* ---- */

static int check_only(struct host *h)
{
    char error[4096];
    int err = h->setup->is_trial ? backend_try_out(h->backend, error, sizeof error)
                                 : backend_check(h->backend, error, sizeof error);
    link_checked(&h->link, err < 0 ? error : NULL);
    return 0;
}

/* After the backend has hung twice in a row. It counts as failing, so that rows are spooled. */
static void spare_backend(struct host *h)
{
    h->failure_count = FAILURES_TO_SPOOL;
    h->retry_ns = RETRY_FIRST_NS;
    poller_timer_set_in(h->poller, &h->retry_timer, h->setup->spool_only_s * NS_PER_S);
    link_log(&h->link, PA_LOG_WARNING,
             "the backend hung again: rows go to plugin_spool_dir, and it is tried again in %u s",
             h->setup->spool_only_s);
}

static int run_loop(struct host *h)
{
    /* Idle or not, it beats: with state_timer, or more often where plugin_timeout is short. */
    int turn_ms = h->setup->timeout_s > 0 && h->setup->timeout_s < 10 ? 200 : -1;

    while (!h->is_done) {
        say_alive(h);
        int err = poller_wait(h->poller, turn_ms);
        if (err < 0 && err != -EINTR)
            return 1;
        if (h->wants_reopen)
            backend_reopen(h->backend);
        h->wants_reopen = false;
    }
    return h->exit_status;
}

/* From here on it makes the system calls of its table alone, if the plugin is one of ours. What starts
 * programs for it must be there before. */
static void confine(struct host *h, int argc, char **argv)
{
    enum syscall_mode mode = h->is_bound ? h->bounds.mode : SYSCALLS_FREE;
    enum syscall_user user;
    const char *why_free;
    int listener = -1;

    if (mode == SYSCALLS_FREE || !syscall_filter_is_built() ||
        !backend_is_ours(h->backend, &why_free) || syscall_user_find(h->plugin->name, &user) < 0)
        return;
    if (why_free != NULL) {
        link_log(&h->link, PA_LOG_NOTICE, "the system calls of its process are not filtered: %s",
                 why_free);
        return;
    }
    int err = programs_fork_launcher(h->programs, argc, argv);
    if (err == 0)
        err = syscall_filter_install(user, mode, &listener);
    if (err < 0)
        link_log(&h->link, PA_LOG_WARNING,
                 "the system calls of its process cannot be filtered: %s; it goes on without",
                 strerrordesc_np(-err));
    if (listener < 0)
        return;
    /* With nobody who listens what is refused fails all the same. */
    (void)host_message_send(h->link.socket, HOST_MESSAGE_LISTENER, NULL, &listener, 1);
    close(listener);
}

/* The core has ended, and the main thread hangs in the backend. What the backend may have committed
 * after all is known to it by its numbers, as after any death. */
static void put_away(void *arg)
{
    struct host *h = arg;

    h->link.socket = -1; /* nobody listens, and who waits here must not notice it first */
    if (h->delivery != NULL && delivery_spool_all(h->delivery) == 0) {
        link_log(&h->link, PA_LOG_WARNING,
                 "the core has ended, and the backend hangs: this process ends, and what it had "
                 "not written is spooled");
        return;
    }
    uint64_t flows = h->delivery != NULL ? delivery_drop_all(h->delivery) : 0;
    link_log(&h->link, PA_LOG_ERROR,
             "the core has ended, and the backend hangs: this process ends, and %llu flows are "
             "lost; with plugin_spool_dir they are kept",
             (unsigned long long)flows);
}

static int host_deliver(struct host *h)
{
    int err = orphan_ends_after(2 * h->setup->shutdown_timeout_s + ORPHAN_GRACE_S, put_away, h);

    if (err < 0)
        link_log(&h->link, PA_LOG_WARNING,
                 "no thread (%s): should the core be killed while the backend hangs, rows are lost",
                 strerrordesc_np(-err));
    err = take_lock(h);
    if (err < 0)
        return 1;
    open_spool(h);
    start_thread(h);
    struct delivery_settings settings = {.setup = h->setup,
                                         .schema = schema_view(h->schema),
                                         .plugin_flags = h->plugin->flags,
                                         .lanes = h->lanes,
                                         .backend = h->backend,
                                         .spool = h->spool,
                                         .link = &h->link};
    h->delivery = delivery_new(&settings);
    delivery_recover(h->delivery);
    h->work_timer = (struct poller_timer){.fn = host_work, .arg = h};
    h->retry_timer = (struct poller_timer){.fn = host_work, .arg = h};
    h->state_timer = (struct poller_timer){.fn = state_due, .arg = h};
    h->deadline_timer = (struct poller_timer){.fn = deadline_passed, .arg = h};
    err = poller_add(h->poller, h->host_event, POLLER_READ, lanes_ready, h);
    if (err == 0)
        err = poller_add(h->poller, h->link.socket, POLLER_READ, core_ready, h);
    if (err < 0)
        return 1;
    if (h->setup->spool_only_s > 0 && h->spool != NULL)
        spare_backend(h);
    poller_timer_set_in(h->poller, &h->work_timer, 0);
    state_due(h);
    return run_loop(h);
}

static void host_clear(struct host *h)
{
    if (h->backend != NULL)
        backend_close(h->backend); /* closing may still log and count */
    if (h->delivery != NULL)
        send_state(h);
    call_thread_free(h->thread);
    backend_free(h->backend);
    delivery_free(h->delivery);
    spool_free(h->spool);
    programs_free(h->programs);
    poller_free(h->poller);
    for (uint32_t i = 0; h->lanes != NULL && i < h->setup->lane_count; i++)
        lane_clear(&h->lanes[i]);
    mem_free(h->lanes);
    if (h->host_event >= 0)
        close(h->host_event);
    if (h->raw_v4 >= 0)
        close(h->raw_v4);
    if (h->raw_v6 >= 0)
        close(h->raw_v6);
    if (h->link.socket >= 0)
        close(h->link.socket);
    if (h->lock_fd >= 0) { /* comes last: a process that waits for the lock may start now */
        if (h->is_done)
            unlink(h->setup->lock_path);
        close(h->lock_fd);
    }
    schema_free(h->schema);
    setup_free(h->setup);
    host_bounds_clear(&h->bounds);
    mem_free(h->buffer);
}

int host_run(int socket, int argc, char **argv)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2};
    struct host h = {.link = {.socket = socket,
                              .instance_name = "?",
                              .plugin_name = "host",
                              .lock = PTHREAD_MUTEX_INITIALIZER},
                     .host_event = -1,
                     .raw_v4 = -1,
                     .raw_v6 = -1,
                     .lock_fd = -1};
    struct text error = {0};
    int status = 1;

    /* A terminal or a service manager signals the whole process group; the core alone says when to
     * end. */
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL); /* the signals were blocked until now */
    h.is_bound = host_bounds_take(&h.bounds);
    h.buffer = mem_alloc(sizeof *h.buffer);
    int err = receive_setup(&h);
    if (err < 0) {
        link_log(&h.link, PA_LOG_ERROR, "no setup from the core: %s", strerrordesc_np(-err));
        goto out;
    }
    if (!is_within_bounds(&h, argc > 1 ? argv[1] : NULL)) {
        link_log(&h.link, PA_LOG_ERROR, "the core asks for another plugin than was configured");
        goto out;
    }
    err = plugin_load(h.setup->plugin_dir, h.setup->plugin_name, &error, &h.plugin);
    if (err < 0) {
        if (h.setup->is_check)
            link_checked(&h.link, text_cstr(&error));
        else
            link_log(&h.link, PA_LOG_ERROR, "%s", text_cstr(&error));
        goto out;
    }
    if (poller_new(&h.poller) < 0)
        goto out;
    h.backend =
        backend_new(h.plugin, h.setup, schema_view(h.schema), h.poller, &h.link, beat_in_call, &h);
    h.programs = programs_new(h.plugin, h.setup, h.is_bound ? &h.bounds : NULL);
    backend_set_programs(h.backend, h.programs);
    backend_set_raw_sockets(h.backend, h.raw_v4, h.raw_v6);
    if (!h.setup->is_check)
        confine(&h, argc, argv);
    status = h.setup->is_check ? check_only(&h) : host_deliver(&h);
out:
    text_clear(&error);
    host_clear(&h);
    return status;
}
