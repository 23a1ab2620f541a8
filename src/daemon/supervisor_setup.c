/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts the process of a plugin and sends what it works by. See supervisor_private.h. */
#include "daemon/supervisor_private.h"

#include "base/memory.h"
#include "base/text.h"
#include "daemon/process.h"
#include "daemon/raw_sockets.h"
#include "handover/encoding.h"
#include "sandbox/launcher.h"
#include "sandbox/program_start.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SPOOL_SIZE_DEFAULT (UINT64_C(1) << 30)

int supervisor_spawn_host(const struct supervisor *s, const struct supervisor_plugin *plugin,
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

uint32_t supervisor_seconds_left(const struct supervisor *s)
{
    int64_t left = (s->stop_deadline.ns - clock_mono().ns) / NS_PER_S;
    return left > 0 ? (uint32_t)left : 0;
}

int64_t hosted_instance_spool_only_s(const struct hosted_instance *in)
{
    const struct supervisor *s = in->supervisor;

    if (in->plugin.spool_dir != NULL && s->is_stopping && in->watch.hung_count > 0)
        return s->settings.shutdown_timeout_s; /* there will be no other chance */
    return in->plugin.spool_dir != NULL && in->watch.hung_count > 1
               ? host_watch_double(in->plugin.timeout_s, in->watch.hung_count - 1)
               : 0;
}

int supervisor_send_setup(const struct supervisor *s, const struct supervisor_plugin *plugin,
                          enum purpose purpose, const struct hosted_instance *in, int socket)
{
    bool is_check = purpose != PURPOSE_RUN;
    const struct raw_sockets *raw = is_check ? NULL : plugin->raw_sockets;
    int fds[3];
    size_t fd_count = 0;
    struct text body = {0};
    struct setup setup = {
        .is_check = is_check,
        .is_trial = purpose == PURPOSE_TRIAL,
        .is_replay = s->settings.is_replay,
        .is_tolerant = s->settings.is_tolerant,
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
        .spool_only_s = is_check ? 0 : (uint32_t)hosted_instance_spool_only_s(in),
        .has_raw_v4 = raw && raw->v4 >= 0,
        .has_raw_v6 = raw && raw->v6 >= 0,
        .setting_count = plugin->setting_count,
    };
    if (!is_check)
        fds[fd_count++] = plugin->outlet->host_event;
    if (setup.has_raw_v4)
        fds[fd_count++] = raw->v4;
    if (setup.has_raw_v6)
        fds[fd_count++] = raw->v6;
    memcpy(setup.core_id, s->settings.core_id, sizeof setup.core_id);
    setup.settings = mem_dup(plugin->settings, plugin->setting_count * sizeof *plugin->settings);
    int err = setup_encode(&setup, plugin->schema, &body);
    if (err == 0)
        err = host_message_send(socket, HOST_MESSAGE_SETUP, &body, fds, fd_count);
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

int hosted_instance_send_shutdown(const struct hosted_instance *in)
{
    struct text body = {0};
    encode_u32(&body, supervisor_seconds_left(in->supervisor));
    int err = host_message_send(in->socket, HOST_MESSAGE_SHUTDOWN, &body, NULL, 0);
    text_clear(&body);
    return err;
}

int hosted_instance_send_all(const struct hosted_instance *in)
{
    const struct outlet *outlet = in->plugin.outlet;
    int err = supervisor_send_setup(in->supervisor, &in->plugin, PURPOSE_RUN, in, in->socket);
    for (uint32_t i = 0; i < outlet->lane_count && err == 0; i++)
        err = send_lane(outlet, i, in->socket);
    if (err == 0 && in->supervisor->is_stopping)
        err = hosted_instance_send_shutdown(in);
    return err;
}
