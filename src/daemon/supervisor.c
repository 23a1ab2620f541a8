/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starts, watches and restarts the plugin processes. The life of an instance: starting (setup sent)
 * -> running -> ended; then back to starting after a pause, unless its host had said that it was
 * finished. See supervisor.h.
 */
#include "daemon/supervisor_private.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/reader.h"
#include "base/text.h"
#include "daemon/lock_folder.h"
#include "handover/encoding.h"
#include "sandbox/launcher.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESTART_FIRST_NS NS_PER_S
#define RESTART_MAX_NS   (60 * NS_PER_S)
#define KILL_GRACE_S     5 /* after shutdown_timeout a host has this long to spool and leave */

static void hosted_instance_start(struct hosted_instance *in);

char *supervisor_host_name(const struct supervisor_plugin *plugin)
{
    return mem_printf("%s[%s]", plugin->plugin_name, plugin->instance_name);
}

void supervisor_use_launcher(struct supervisor *s, struct launcher *launcher)
{
    s->launcher = launcher;
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

static void take_log_line(struct hosted_instance *in, const struct host_message *m)
{
    struct reader r = reader_make(m->body, m->body_len);
    uint8_t flags = reader_u8(&r), level = (uint8_t)(flags & ~HOST_LOG_ASIDE);
    char *text = decode_string(&r);
    if (text != NULL && level <= LOG_LEVEL_DEBUG && log_level_is_on((enum log_level)level))
        log_forward((enum log_level)level, in->plugin.instance_name, in->plugin.plugin_name, text);
    /* One that waits, for a lock, tells it as a notice. */
    if (text != NULL && !((flags & HOST_LOG_ASIDE) && in->said[0]) &&
        level <= (in->state.is_open ? LOG_LEVEL_WARNING : LOG_LEVEL_NOTICE))
        snprintf(in->said, sizeof in->said, "%s", text);
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

static void take_state(struct hosted_instance *in, const struct host_message *m)
{
    bool was_failing = in->state.is_failing;
    uint64_t commits = in->state.commits;

    host_state_decode(m->body, m->body_len, &in->state);
    if (in->state.is_open && !in->state.is_failing && (was_failing || in->state.commits > commits))
        in->said[0] = '\0';
    tell_of_recovery(in);
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
        take_log_line(in, m);
        break;
    case HOST_MESSAGE_STATE:
        take_state(in, m);
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

static void note_end(struct hosted_instance *in, const char *how)
{
    memmove(&in->ends_ns[1], in->ends_ns, sizeof in->ends_ns - sizeof in->ends_ns[0]);
    in->ends_ns[0] = clock_mono().ns;
    snprintf(in->ended, sizeof in->ended, "%s", how);
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
    } else if (in->supervisor->is_stopping && supervisor_seconds_left(in->supervisor) == 0) {
        in->is_finished = true;
        log_error("plugin %s[%s]: its process %s; the time to shut down is over",
                  in->plugin.plugin_name, in->plugin.instance_name, text_cstr(&how));
    } else {
        restart_later(in);
        note_end(in, text_cstr(&how));
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

static void hosted_instance_start(struct hosted_instance *in)
{
    struct poller *poller = in->supervisor->poller;
    const char *path = in->supervisor->settings.host_path;

    in->state = (struct host_state){.spooled_count = in->state.spooled_count,
                                    .spooled_flows = in->state.spooled_flows,
                                    .kept_count = in->state.kept_count,
                                    .spooled_bytes = in->state.spooled_bytes,
                                    .spooled_since_ns = in->state.spooled_since_ns};
    hosted_instance_repair_rings(in);
    host_watch_start(&in->watch);
    int err = supervisor_spawn_host(in->supervisor, &in->plugin, in->number, &in->pid, &in->socket);
    if (err < 0) {
        in->pid = 0;
        in->socket = -1;
        restart_later(in);
        snprintf(in->ended, sizeof in->ended, "cannot be started");
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
    err = hosted_instance_send_all(in);
    if (err < 0) {
        log_error("plugin %s[%s]: cannot send its setup: %s", in->plugin.plugin_name,
                  in->plugin.instance_name, strerrordesc_np(-err));
        kill(in->pid, SIGKILL);
    }
}

/* ---- public ---- */

struct supervisor *supervisor_new(struct poller *poller, const struct supervisor_settings *settings)
{
    struct supervisor *s = mem_zalloc(sizeof *s);
    s->poller = poller;
    s->settings = *settings;
    s->watched = clock_mono();
    s->watch_timer = (struct poller_timer){.fn = supervisor_watch_due, .arg = s};
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
        s->ring_timer = (struct poller_timer){.fn = supervisor_rings_due, .arg = s};
        poller_timer_set_in(s->poller, &s->ring_timer, NS_PER_S);
    }
    return 0;
}

static void tell_all(const struct supervisor *s, uint8_t message)
{
    for (uint32_t i = 0; i < s->instance_count; i++)
        if (s->instances[i]->socket >= 0)
            host_message_send(s->instances[i]->socket, message, NULL, NULL, 0);
}

void supervisor_reopen(struct supervisor *s)
{
    tell_all(s, HOST_MESSAGE_REOPEN);
}

void supervisor_reload(struct supervisor *s)
{
    tell_all(s, HOST_MESSAGE_RELOAD);
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
        struct host_view view = hosted_instance_view(in);
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
            hosted_instance_send_shutdown(in);
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
    *ret_status =
        (struct supervisor_status){.pid = (int)in->pid,
                                   .is_finished = in->is_finished,
                                   .restarts = in->restarts,
                                   .hung_kills = in->hung_kills,
                                   .is_open = in->state.is_open,
                                   .is_failing = in->state.is_failing,
                                   .is_spool_full = in->state.is_spool_full,
                                   .hung_count = in->watch.hung_count,
                                   .silent_s = in->watch.silent_ns / NS_PER_S,
                                   .slow_s = in->watch.told_ns ? in->watch.slow_ns / NS_PER_S : 0,
                                   .third_last_end_ns = in->ends_ns[2],
                                   .commits = in->commits_before + in->state.commits,
                                   .spooled_count = in->state.spooled_count,
                                   .spooled_flows = in->state.spooled_flows,
                                   .kept_count = in->state.kept_count,
                                   .spooled_bytes = in->state.spooled_bytes,
                                   .spooled_since_ns = in->state.spooled_since_ns,
                                   .failures = in->failures_before + in->state.failures,
                                   .commit_time = in->state.commit_time};
    memcpy(ret_status->said, in->said, sizeof in->said);
    memcpy(ret_status->ended, in->ended, sizeof in->ended);
    histogram_sum_fold(&ret_status->commit_time, &in->commit_time_before);
}

void supervisor_counters(const struct supervisor *s, uint32_t number, supervisor_counter_fn *fn,
                         void *arg)
{
    const struct hosted_instance *in = s->instances[number];
    for (size_t i = 0; i < in->counter_count; i++)
        fn(arg, in->counters[i].name, in->counters[i].before + in->counters[i].value);
}
