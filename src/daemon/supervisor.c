/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starts, watches and restarts the plugin processes. The life of an instance: starting (setup sent)
 * -> running -> ended; then back to starting after a pause, unless its host had said that it was
 * finished. See supervisor.h.
 */
#include "daemon/supervisor.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/reader.h"
#include "base/text.h"
#include "daemon/host_watch.h"
#include "daemon/lock_folder.h"
#include "daemon/process.h"
#include "handover/encoding.h"
#include "handover/host_message.h"
#include "sandbox/launcher.h"
#include "sandbox/program_start.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESTART_FIRST_NS   NS_PER_S
#define RESTART_MAX_NS     (60 * NS_PER_S)
#define KILL_GRACE_S       5 /* after shutdown_timeout a host has this long to spool and leave */
#define CHECK_TIMEOUT_MS   30000
#define TRIAL_TIMEOUT_MS   90000 /* a plugin has a minute */
#define SPOOL_SIZE_DEFAULT (UINT64_C(1) << 30)
#define WATCH_NS           NS_PER_S

struct named_counter {
    char *name;
    uint64_t before; /* of hosts that have ended */
    uint64_t value;  /* of the one that runs */
};

struct hosted_instance {
    struct supervisor *supervisor;
    struct supervisor_plugin plugin;
    uint32_t number; /* in the order of supervisor_start() */
    char *lock_path;
    pid_t pid; /* 0: not running */
    int pidfd, socket;
    uint8_t last_signal;
    bool is_finished, is_clean;
    bool is_recovering; /* it was said to be started again, and does not work yet */
    bool is_mad; /* it wrote nonsense into the rings, was killed for it, and is not reaped yet */
    uint32_t restarts;
    uint64_t commits_before, failures_before; /* of hosts that have ended */
    struct histogram_sum commit_time_before;
    int64_t restart_ns;
    struct poller_timer restart_timer;
    struct host_watch watch;
    bool is_hung; /* it was killed for that and is not reaped yet */
    bool is_left; /* it does not even die, and nobody waits for it any more */
    uint32_t hung_kills;
    struct host_state state;
    struct named_counter *counters;
    size_t counter_count;
};

struct supervisor {
    struct poller *poller;
    struct launcher *launcher; /* NULL: hosts are started without one */
    struct supervisor_settings settings;
    struct host_message_buffer buffer;
    struct hosted_instance **instances;
    uint32_t instance_count;
    bool is_stopping;
    struct mono_time stop_deadline;
    struct poller_timer kill_timer, watch_timer, ring_timer;
    struct mono_time watched; /* when the hosts were looked at last */
};

static void hosted_instance_start(struct hosted_instance *in);

/* ---- starting a process ---- */

char *supervisor_host_name(const struct supervisor_plugin *plugin)
{
    return mem_printf("%s[%s]", plugin->plugin_name, plugin->instance_name);
}

void supervisor_use_launcher(struct supervisor *s, struct launcher *launcher)
{
    s->launcher = launcher;
}

/* Starts a host. `ret_socket` is ours, its other end the child's standard input. The name of the
 * instance is an argument only for lists of processes. Signals stay blocked until the host ignores
 * them. */
static int spawn_host(const struct supervisor *s, const struct supervisor_plugin *plugin,
                      uint32_t number, pid_t *ret_pid, int *ret_socket)
{
    int pair[2], err;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
        return -errno;
    if (s->launcher) {
        err = launcher_run(s->launcher, number, NULL, pair[1], ret_pid);
    } else {
        char *title = supervisor_host_name(plugin), **environment = process_child_environment();
        struct program program = {.path = s->settings.host_path,
                                  .arguments = (char *[]){(char[]){"pathacct-host"}, title, NULL},
                                  .environment = environment,
                                  .stdin_fd = pair[1],
                                  .blocks_signals = true};
        err = program_start(&program, ret_pid);
        mem_free(environment);
        mem_free(title);
    }
    close(pair[1]);
    if (err < 0)
        close(pair[0]);
    else
        *ret_socket = pair[0];
    return err;
}

static uint32_t seconds_left(const struct supervisor *s)
{
    int64_t left = (s->stop_deadline.ns - clock_mono().ns) / NS_PER_S;
    return left > 0 ? (uint32_t)left : 0;
}

/* Tells what a host is started for. */
enum purpose { PURPOSE_RUN, PURPOSE_CHECK, PURPOSE_TRIAL };

/* Returns for how long the next host is not to touch its backend. */
static int64_t spool_only_s(const struct hosted_instance *in)
{
    const struct supervisor *s = in->supervisor;

    if (in->plugin.spool_dir != NULL && s->is_stopping && in->watch.hung_count > 0)
        return s->settings.shutdown_timeout_s; /* there will be no other chance */
    return in->plugin.spool_dir != NULL && in->watch.hung_count > 1
               ? host_watch_double(in->plugin.timeout_s, in->watch.hung_count - 1)
               : 0;
}

/* `in` is NULL unless the host is to run. */
static int send_setup(const struct supervisor *s, const struct supervisor_plugin *plugin,
                      enum purpose purpose, const struct hosted_instance *in, int socket)
{
    bool is_check = purpose != PURPOSE_RUN;
    struct text body = {0};
    struct setup setup = {
        .is_check = is_check,
        .is_trial = purpose == PURPOSE_TRIAL,
        .is_replay = s->settings.is_replay,
        .debug = s->settings.debug,
        .lane_count = is_check ? 0 : plugin->outlet->lane_count,
        .last_signal = is_check ? 0 : in->last_signal,
        .daemon_name = s->settings.daemon_name,
        .instance_name = plugin->instance_name,
        .plugin_name = plugin->plugin_name,
        .plugin_dir = s->settings.plugin_dir,
        .lock_path = is_check ? NULL : in->lock_path,
        .spool_dir = plugin->spool_dir,
        .spool_size = plugin->spool_size > 0 ? plugin->spool_size : SPOOL_SIZE_DEFAULT,
        .shutdown_timeout_s = (uint32_t)s->settings.shutdown_timeout_s,
        .timeout_s = (uint32_t)plugin->timeout_s,
        .spool_only_s = is_check ? 0 : (uint32_t)spool_only_s(in),
        .setting_count = plugin->setting_count,
    };
    memcpy(setup.core_id, s->settings.core_id, sizeof setup.core_id);
    setup.settings = mem_dup(plugin->settings, plugin->setting_count * sizeof *plugin->settings);
    int err = setup_encode(&setup, plugin->schema, &body);
    if (err == 0)
        err = host_message_send(socket, HOST_MESSAGE_SETUP, &body,
                                is_check ? NULL : &plugin->outlet->host_event, is_check ? 0 : 1);
    mem_free(setup.settings);
    text_clear(&body);
    return err;
}

static int send_lane(const struct outlet *outlet, uint32_t number, int socket)
{
    const struct outlet_lane *lane = &outlet->lanes[number];
    struct text body = {0};
    int fds[4];

    int err = ring_open_for_host(lane->ring, &fds[0], &fds[1]);
    if (err < 0)
        return err;
    fds[2] = err = pool_open_readonly(lane->pool);
    fds[3] = lane->worker_event;
    encode_u32(&body, number);
    encode_u32(&body, pool_max_count(lane->pool));
    if (err >= 0)
        err = host_message_send(socket, HOST_MESSAGE_LANE, &body, fds, 4);
    text_clear(&body);
    for (int i = 0; i < 3; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return err;
}

static int send_shutdown(const struct hosted_instance *in)
{
    struct text body = {0};
    encode_u32(&body, seconds_left(in->supervisor));
    int err = host_message_send(in->socket, HOST_MESSAGE_SHUTDOWN, &body, NULL, 0);
    text_clear(&body);
    return err;
}

static int send_all(const struct hosted_instance *in)
{
    const struct outlet *outlet = in->plugin.outlet;
    int err = send_setup(in->supervisor, &in->plugin, PURPOSE_RUN, in, in->socket);
    for (uint32_t i = 0; i < outlet->lane_count && err == 0; i++)
        err = send_lane(outlet, i, in->socket);
    if (err == 0 && in->supervisor->is_stopping)
        err = send_shutdown(in);
    return err;
}

/* ---- what a host says ---- */

static struct named_counter *find_counter(struct hosted_instance *in, const char *name)
{
    for (size_t i = 0; i < in->counter_count; i++)
        if (strcmp(in->counters[i].name, name) == 0)
            return &in->counters[i];
    in->counters = mem_realloc_array(in->counters, in->counter_count + 1, sizeof *in->counters);
    in->counters[in->counter_count] = (struct named_counter){.name = mem_strdup(name)};
    return &in->counters[in->counter_count++];
}

static void take_log_line(const struct host_message *m, const char *instance_name,
                          const char *plugin_name)
{
    struct reader r = reader_make(m->body, m->body_len);
    uint8_t level = reader_u8(&r);
    char *text = decode_string(&r);
    if (text != NULL && level <= LOG_LEVEL_DEBUG && log_level_is_on((enum log_level)level))
        log_forward((enum log_level)level, instance_name, plugin_name, text);
    mem_free(text);
}

/* A death is told as an error, so its end is told too. */
static void tell_of_recovery(struct hosted_instance *in)
{
    if (!in->is_recovering || !in->state.is_open)
        return;
    in->is_recovering = false;
    log_notice("plugin %s[%s]: its process works again (process id %d)", in->plugin.plugin_name,
               in->plugin.instance_name, (int)in->pid);
}

/* The host waits in each call that its filter refuses until the launcher answers. */
static void listen_to(struct hosted_instance *in, struct host_message *m)
{
    struct launcher *launcher = in->supervisor->launcher;

    if (!launcher || m->fd_count != 1)
        return;
    char *who = supervisor_host_name(&in->plugin);
    launcher_listen(launcher, who, m->fds[0]);
    m->fds[0] = -1;
    mem_free(who);
}

static void take_message(struct hosted_instance *in, struct host_message *m)
{
    struct reader r = reader_make(m->body, m->body_len);
    switch (m->type) {
    case HOST_MESSAGE_LOG:
        take_log_line(m, in->plugin.instance_name, in->plugin.plugin_name);
        break;
    case HOST_MESSAGE_STATE:
        host_state_decode(m->body, m->body_len, &in->state);
        tell_of_recovery(in);
        break;
    case HOST_MESSAGE_LISTENER:
        listen_to(in, m);
        break;
    case HOST_MESSAGE_COUNTER: {
        char *name = decode_string(&r);
        uint64_t value = reader_u64(&r);
        if (name != NULL && !r.failed)
            find_counter(in, name)->value = value;
        mem_free(name);
        break;
    }
    default:
        break;
    }
}

/* Takes all messages that are there. -ENOTCONN and the like: nothing more will come. */
static int take_messages(struct hosted_instance *in)
{
    struct host_message m;
    for (;;) {
        int err = host_message_receive(in->socket, MSG_DONTWAIT, &in->supervisor->buffer, &m);
        if (err < 0)
            return err == -EAGAIN ? 0 : err;
        take_message(in, &m);
        host_message_close_fds(&m);
    }
}

static void close_socket(struct hosted_instance *in)
{
    if (in->socket < 0)
        return;
    poller_remove(in->supervisor->poller, in->socket);
    close(in->socket);
    in->socket = -1;
}

static void socket_ready(void *arg, int fd, unsigned events) ON_THREAD(main_thread)
{
    THREAD_ASSERT(main_thread);
    struct hosted_instance *in = arg;
    (void)fd;
    (void)events;
    if (take_messages(in) < 0)
        close_socket(in); /* the pidfd tells the host's end */
}

/* ---- the end of a host ---- */

static void restart_due(void *arg) ON_THREAD(main_thread)
{
    THREAD_ASSERT(main_thread);
    struct hosted_instance *in = arg;
    hosted_instance_start(in);
}

static void restart_later(struct hosted_instance *in)
{
    bool has_progress = in->state.commits > 0;
    if (has_progress || in->restart_ns == 0 || in->is_hung)
        in->restart_ns = RESTART_FIRST_NS;
    else
        in->restart_ns = in->restart_ns * 2 < RESTART_MAX_NS ? in->restart_ns * 2 : RESTART_MAX_NS;
    in->restarts++;
    in->is_recovering = true;
    in->restart_timer.fn = restart_due;
    in->restart_timer.arg = in;
    poller_timer_set_in(in->supervisor->poller, &in->restart_timer, in->restart_ns);
}

static void describe_end(int status, struct text *out)
{
    if (WIFSIGNALED(status))
        text_append_printf(out, "was killed by signal %d (%s)", WTERMSIG(status),
                           sigdescr_np(WTERMSIG(status)));
    else
        text_append_printf(out, "ended with status %d", WEXITSTATUS(status));
}

static void settle_counters(struct hosted_instance *in)
{
    for (size_t i = 0; i < in->counter_count; i++) {
        in->counters[i].before += in->counters[i].value;
        in->counters[i].value = 0;
    }
}

static void host_ended(struct hosted_instance *in, int status)
{
    struct text how = {0};

    in->pid = 0;
    in->last_signal = WIFSIGNALED(status) ? (uint8_t)WTERMSIG(status) : 0;
    describe_end(status, &how);
    if (in->state.is_finished && WIFEXITED(status)) {
        in->is_finished = true;
        in->is_clean = WEXITSTATUS(status) == 0;
    } else if (in->supervisor->is_stopping && seconds_left(in->supervisor) == 0) {
        in->is_finished = true;
        log_error("plugin %s[%s]: its process %s; the time to shut down is over",
                  in->plugin.plugin_name, in->plugin.instance_name, text_cstr(&how));
    } else {
        restart_later(in);
        log_error("plugin %s[%s]: its process %s; starting it again in %lld s",
                  in->plugin.plugin_name, in->plugin.instance_name, text_cstr(&how),
                  (long long)(in->restart_ns / NS_PER_S));
    }
    in->is_hung = false;
    settle_counters(in);
    in->commits_before += in->state.commits;
    in->state.commits = 0;
    in->failures_before += in->state.failures;
    in->state.failures = 0;
    histogram_sum_fold(&in->commit_time_before, &in->state.commit_time);
    in->state.commit_time = (struct histogram_sum){0};
    in->state.is_open = false;
    text_clear(&how);
}

static void pidfd_ready(void *arg, int fd, unsigned events) ON_THREAD(main_thread)
{
    THREAD_ASSERT(main_thread);
    struct hosted_instance *in = arg;
    int status = 0;
    (void)events;

    if (waitpid(in->pid, &status, WNOHANG) != in->pid)
        return;
    poller_remove(in->supervisor->poller, fd);
    close(fd);
    in->pidfd = -1;
    if (in->socket >= 0) {
        take_messages(in);
        close_socket(in);
    }
    host_ended(in, status);
}

/* ---- what a host writes into the rings ---- */

static void look_at_rings(struct hosted_instance *in)
{
    for (uint32_t i = 0; i < in->plugin.outlet->lane_count && in->pid > 0 && !in->is_mad; i++) {
        if (ring_check(in->plugin.outlet->lanes[i].ring))
            continue;
        in->is_mad = true;
        log_error(
            "plugin %s[%s]: its process (%d) has written nonsense into the memory that it "
            "shares with the daemon (worker %u): the plugin has a fault; the process is killed, "
            "and what it had not acknowledged is handed over again",
            in->plugin.plugin_name, in->plugin.instance_name, (int)in->pid, i);
        kill(in->pid, SIGKILL);
    }
}

static void rings_due(void *arg) ON_THREAD(main_thread)
{
    THREAD_ASSERT(main_thread);
    struct supervisor *s = arg;

    for (uint32_t i = 0; i < s->instance_count; i++)
        look_at_rings(s->instances[i]);
    poller_timer_set_in(s->poller, &s->ring_timer, NS_PER_S);
}

/* A host that is dead may have left nonsense that nobody had seen. */
static void repair_rings(struct hosted_instance *in)
{
    in->is_mad = false;
    for (uint32_t i = 0; i < in->plugin.outlet->lane_count; i++) {
        struct ring *ring = in->plugin.outlet->lanes[i].ring;
        if (!ring_check(ring))
            ring_repair(ring);
    }
}

static void hosted_instance_start(struct hosted_instance *in)
{
    struct poller *poller = in->supervisor->poller;
    const char *path = in->supervisor->settings.host_path;

    in->state = (struct host_state){.spooled_count = in->state.spooled_count,
                                    .spooled_flows = in->state.spooled_flows,
                                    .kept_count = in->state.kept_count,
                                    .spooled_bytes = in->state.spooled_bytes,
                                    .spooled_since_ns = in->state.spooled_since_ns};
    repair_rings(in);
    host_watch_start(&in->watch);
    int err = spawn_host(in->supervisor, &in->plugin, in->number, &in->pid, &in->socket);
    if (err < 0) {
        in->pid = 0;
        in->socket = -1;
        restart_later(in);
        log_error("plugin %s[%s]: cannot start %s: %s; trying again in %lld s",
                  in->plugin.plugin_name, in->plugin.instance_name, path,
                  err == -EPIPE ? "the daemon's launcher was killed, start the daemon anew"
                                : strerrordesc_np(-err),
                  (long long)(in->restart_ns / NS_PER_S));
        return;
    }
    in->pidfd = pidfd_open(in->pid, 0);
    if (in->pidfd < 0 || poller_add(poller, in->pidfd, POLLER_READ, pidfd_ready, in) < 0 ||
        poller_add(poller, in->socket, POLLER_READ, socket_ready, in) < 0)
        log_error("plugin %s[%s]: cannot watch its process: %s", in->plugin.plugin_name,
                  in->plugin.instance_name, strerrordesc_np(errno));
    err = send_all(in);
    if (err < 0) {
        log_error("plugin %s[%s]: cannot send its setup: %s", in->plugin.plugin_name,
                  in->plugin.instance_name, strerrordesc_np(-err));
        kill(in->pid, SIGKILL);
    }
}

/* ---- hosts that hang ---- */

static struct host_view view_host(const struct hosted_instance *in)
{
    const struct outlet *outlet = in->plugin.outlet;
    struct host_view view = {.pid = in->pid,
                             .sign = ring_sign(outlet->lanes[0].ring),
                             .commits = in->state.commits,
                             .waiting_count = in->state.spooled_count,
                             .spooled_count = in->state.spooled_count,
                             .is_failing = in->state.is_failing};

    for (uint32_t i = 0; i < outlet->lane_count; i++) {
        view.waiting_count += ring_waiting_count(outlet->lanes[i].ring);
        view.acked_count += ring_acked_count(outlet->lanes[i].ring);
    }
    return view;
}

/* With a spool the time stays: it is the spool that takes the rows of a backend that hangs. At the
 * end there must be time left for that. */
static int64_t patience_s(const struct hosted_instance *in)
{
    const struct supervisor *s = in->supervisor;
    int64_t half_s = (s->settings.shutdown_timeout_s + 1) / 2;

    if (in->plugin.spool_dir == NULL)
        return host_watch_double(in->plugin.timeout_s, in->watch.hung_count);
    return s->is_stopping && half_s < in->plugin.timeout_s ? half_s : in->plugin.timeout_s;
}

static void kill_hung(struct hosted_instance *in, const struct host_view *view)
{
    struct text seen = {0};
    long long waited_s = (long long)patience_s(in);

    host_watch_describe(view, &seen);
    in->is_hung = true;
    in->hung_kills++;
    in->watch.hung_count++;
    log_error("plugin %s[%s]: its process gives no sign of life for %lld s while %llu hand-overs "
              "wait, %s: it is killed; the next one %s %lld s (plugin_timeout)",
              in->plugin.plugin_name, in->plugin.instance_name, waited_s,
              (unsigned long long)view->waiting_count, text_cstr(&seen),
              spool_only_s(in) > 0 ? "only spools for" : "has",
              (long long)(spool_only_s(in) > 0 ? spool_only_s(in) : patience_s(in)));
    text_clear(&seen);
    kill(in->pid, SIGKILL);
}

static void watch_host(struct hosted_instance *in, int64_t elapsed_ns)
{
    struct host_view view = view_host(in);
    struct text seen = {0};

    switch (host_watch_turn(&in->watch, &view, elapsed_ns, patience_s(in) * NS_PER_S)) {
    case HOST_HANGS:
        kill_hung(in, &view);
        break;
    case HOST_IS_SLOW:
        host_watch_describe(&view, &seen);
        log_warning("plugin %s[%s]: its backend is slow: nothing was written for %lld s, %llu "
                    "hand-overs wait, its process is %s; it is waited for",
                    in->plugin.plugin_name, in->plugin.instance_name,
                    (long long)(in->watch.slow_ns / NS_PER_S),
                    (unsigned long long)view.waiting_count, text_cstr(&seen));
        text_clear(&seen);
        break;
    default:
        break;
    }
}

static void watch_due(void *arg) ON_THREAD(main_thread)
{
    THREAD_ASSERT(main_thread);
    struct supervisor *s = arg;
    int64_t elapsed_ns = clock_mono().ns - s->watched.ns;

    s->watched = clock_mono();
    for (uint32_t i = 0; i < s->instance_count; i++)
        if (s->instances[i]->pid > 0 && !s->instances[i]->is_hung)
            watch_host(s->instances[i], elapsed_ns);
    poller_timer_set_in(s->poller, &s->watch_timer, WATCH_NS);
}

/* ---- public ---- */

struct supervisor *supervisor_new(struct poller *poller, const struct supervisor_settings *settings)
{
    struct supervisor *s = mem_zalloc(sizeof *s);
    s->poller = poller;
    s->settings = *settings;
    s->watched = clock_mono();
    s->watch_timer = (struct poller_timer){.fn = watch_due, .arg = s};
    if (!settings->is_replay) /* there a reader of the output may take as long as he likes */
        poller_timer_set_in(poller, &s->watch_timer, WATCH_NS);
    return s;
}

static void hosted_instance_free(struct hosted_instance *in)
{
    struct poller *poller = in->supervisor->poller;
    poller_timer_cancel(poller, &in->restart_timer);
    close_socket(in);
    if (in->pidfd >= 0) {
        poller_remove(poller, in->pidfd);
        close(in->pidfd);
    }
    if (in->pid > 0) {
        kill(in->pid, SIGKILL);
        waitpid(in->pid, NULL, in->is_left ? WNOHANG : 0);
    }
    for (size_t i = 0; i < in->counter_count; i++)
        mem_free(in->counters[i].name);
    mem_free(in->counters);
    mem_free(in->lock_path);
    mem_free(in);
}

void supervisor_free(struct supervisor *s)
{
    if (s == NULL)
        return;
    poller_timer_cancel(s->poller, &s->kill_timer);
    poller_timer_cancel(s->poller, &s->watch_timer);
    poller_timer_cancel(s->poller, &s->ring_timer);
    for (uint32_t i = 0; i < s->instance_count; i++)
        hosted_instance_free(s->instances[i]);
    mem_free(s->instances);
    mem_free(s);
}

/* Holds what a host says until it answers a check: lines of notices, and lines of what is worse. */
struct said {
    struct text notices, troubles;
};

static void keep_log_line(const struct host_message *m, struct said *said)
{
    struct reader r = reader_make(m->body, m->body_len);
    uint8_t level = reader_u8(&r);
    char *text = decode_string(&r);

    if (text != NULL && level <= LOG_LEVEL_NOTICE)
        text_append_printf(level < LOG_LEVEL_NOTICE ? &said->troubles : &said->notices, "%s\n",
                           text);
    mem_free(text);
}

/* Waits for the answer to a check; log lines that come before it are kept. */
static int wait_for_answer(struct supervisor *s, int socket, int timeout_ms, struct text *error,
                           struct said *said)
{
    struct pollfd p = {.fd = socket, .events = POLLIN};
    struct host_message m;

    for (;;) {
        int ready = poll(&p, 1, timeout_ms);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return ready == 0 ? -ETIMEDOUT : -errno;
        int err = host_message_receive(socket, MSG_DONTWAIT, &s->buffer, &m);
        if (err < 0)
            return err;
        host_message_close_fds(&m);
        if (m.type == HOST_MESSAGE_LOG)
            keep_log_line(&m, said);
        if (m.type != HOST_MESSAGE_CHECKED)
            continue;
        struct reader r = reader_make(m.body, m.body_len);
        bool is_bad = reader_u8(&r) != 0;
        char *text = decode_string(&r);
        if (text != NULL)
            text_append_string(error, text);
        mem_free(text);
        return is_bad ? -EINVAL : 0;
    }
}

/* Puts each line that was said where it belongs: what a plugin complains of before a trial fails
 * is what is wrong. */
static void sort_said(struct said *said, bool is_failed_trial, struct text *error,
                      struct text *notices)
{
    struct text *place = is_failed_trial ? error : notices;

    if (place->len > 0 && said->troubles.len > 0 && place->data[place->len - 1] != '\n')
        text_append_char(place, '\n');
    text_append_string(place, text_cstr(&said->troubles));
    text_append_string(notices, text_cstr(&said->notices));
    text_clear(&said->troubles);
    text_clear(&said->notices);
}

static int ask_host(struct supervisor *s, const struct supervisor_plugin *plugin,
                    enum purpose purpose, struct text *error, struct text *notices)
{
    bool is_trial = purpose == PURPOSE_TRIAL;
    const char *path = s->settings.host_path;
    struct said said = {0};
    pid_t pid = 0;
    int socket = -1, err = spawn_host(s, plugin, 0, &pid, &socket);

    if (err < 0) {
        text_append_printf(error, "cannot run %s: %s", path, strerrordesc_np(-err));
        return err;
    }
    err = send_setup(s, plugin, purpose, NULL, socket);
    if (err == 0)
        err = wait_for_answer(s, socket, is_trial ? TRIAL_TIMEOUT_MS : CHECK_TIMEOUT_MS, error,
                              &said);
    if (err < 0 && err != -EINVAL)
        text_append_printf(error, "the plugin's process did not answer: %s", strerrordesc_np(-err));
    sort_said(&said, is_trial && err < 0, error, notices);
    close(socket);
    kill(pid, SIGKILL); /* the host has nothing left to do */
    waitpid(pid, NULL, 0);
    return err;
}

int supervisor_check(struct supervisor *s, const struct supervisor_plugin *plugin,
                     struct text *error, struct text *notices)
{
    THREAD_ASSERT(main_thread);
    return ask_host(s, plugin, PURPOSE_CHECK, error, notices);
}

int supervisor_try_out(struct supervisor *s, const struct supervisor_plugin *plugin,
                       struct text *error, struct text *notices)
{
    THREAD_ASSERT(main_thread);
    return ask_host(s, plugin, PURPOSE_TRIAL, error, notices);
}

int supervisor_start(struct supervisor *s, const struct supervisor_plugin *plugin)
{
    THREAD_ASSERT(main_thread);
    const char *path = s->settings.host_path;
    if (access(path, X_OK) < 0)
        return -errno;
    struct hosted_instance *in = mem_zalloc(sizeof *in);
    in->supervisor = s;
    in->plugin = *plugin;
    in->number = s->instance_count;
    in->pidfd = in->socket = -1;
    in->lock_path =
        lock_folder_path(s->settings.daemon_name, s->settings.identity, plugin->instance_name);
    s->instances =
        mem_realloc_array(s->instances, s->instance_count + 1, sizeof(struct hosted_instance *));
    s->instances[s->instance_count++] = in;
    hosted_instance_start(in);
    if (s->instance_count == 1) {
        s->ring_timer = (struct poller_timer){.fn = rings_due, .arg = s};
        poller_timer_set_in(s->poller, &s->ring_timer, NS_PER_S);
    }
    return 0;
}

void supervisor_reopen(struct supervisor *s)
{
    for (uint32_t i = 0; i < s->instance_count; i++)
        if (s->instances[i]->socket >= 0)
            host_message_send(s->instances[i]->socket, HOST_MESSAGE_REOPEN, NULL, NULL, 0);
}

/* A process in the disk outlives SIGKILL until the disk answers, and must not hold up the end. */
static void leave_due(void *arg) ON_THREAD(main_thread)
{
    THREAD_ASSERT(main_thread);
    const struct supervisor *s = arg;
    for (uint32_t i = 0; i < s->instance_count; i++) {
        struct hosted_instance *in = s->instances[i];
        struct text seen = {0};
        if (in->pid == 0 || in->is_finished)
            continue;
        struct host_view view = view_host(in);
        host_watch_describe(&view, &seen);
        log_error("plugin %s[%s]: its process (process id %d) does not die, it is %s: the end does "
                  "not wait for it",
                  in->plugin.plugin_name, in->plugin.instance_name, (int)in->pid, text_cstr(&seen));
        text_clear(&seen);
        in->is_finished = in->is_left = true;
    }
}

static void kill_due(void *arg) ON_THREAD(main_thread)
{
    THREAD_ASSERT(main_thread);
    struct supervisor *s = arg;
    for (uint32_t i = 0; i < s->instance_count; i++) {
        struct hosted_instance *in = s->instances[i];
        if (in->pid > 0)
            kill(in->pid, SIGKILL);
        else if (!in->is_finished)
            in->is_finished = true; /* the host was waiting to be started again */
        poller_timer_cancel(s->poller, &in->restart_timer);
    }
    s->kill_timer.fn = leave_due;
    poller_timer_set_in(s->poller, &s->kill_timer, KILL_GRACE_S * NS_PER_S);
}

void supervisor_stop(struct supervisor *s)
{
    THREAD_ASSERT(main_thread);
    if (s->is_stopping)
        return;
    s->is_stopping = true;
    s->stop_deadline.ns = clock_mono().ns + s->settings.shutdown_timeout_s * NS_PER_S;
    s->kill_timer.fn = kill_due;
    s->kill_timer.arg = s;
    poller_timer_set_in(s->poller, &s->kill_timer,
                        (s->settings.shutdown_timeout_s + KILL_GRACE_S) * NS_PER_S);
    for (uint32_t i = 0; i < s->instance_count; i++) {
        struct hosted_instance *in = s->instances[i];
        if (in->socket >= 0)
            send_shutdown(in);
        else if (in->pid == 0 && !in->is_finished) /* no time to wait for the pause to end */
            poller_timer_set_in(s->poller, &in->restart_timer, 0);
    }
}

bool supervisor_is_done(const struct supervisor *s)
{
    for (uint32_t i = 0; i < s->instance_count; i++)
        if (!s->instances[i]->is_finished)
            return false;
    return true;
}

bool supervisor_all_clean(const struct supervisor *s)
{
    for (uint32_t i = 0; i < s->instance_count; i++)
        if (!s->instances[i]->is_clean)
            return false;
    return true;
}

void supervisor_status(const struct supervisor *s, uint32_t number,
                       struct supervisor_status *ret_status)
{
    const struct hosted_instance *in = s->instances[number];
    *ret_status = (struct supervisor_status){.pid = (int)in->pid,
                                             .is_finished = in->is_finished,
                                             .restarts = in->restarts,
                                             .hung_kills = in->hung_kills,
                                             .is_open = in->state.is_open,
                                             .is_failing = in->state.is_failing,
                                             .commits = in->commits_before + in->state.commits,
                                             .spooled_count = in->state.spooled_count,
                                             .spooled_flows = in->state.spooled_flows,
                                             .kept_count = in->state.kept_count,
                                             .spooled_bytes = in->state.spooled_bytes,
                                             .spooled_since_ns = in->state.spooled_since_ns,
                                             .failures = in->failures_before + in->state.failures,
                                             .commit_time = in->state.commit_time};
    histogram_sum_fold(&ret_status->commit_time, &in->commit_time_before);
}

void supervisor_counters(const struct supervisor *s, uint32_t number, supervisor_counter_fn *fn,
                         void *arg)
{
    const struct hosted_instance *in = s->instances[number];
    for (size_t i = 0; i < in->counter_count; i++)
        fn(arg, in->counters[i].name, in->counters[i].before + in->counters[i].value);
}
