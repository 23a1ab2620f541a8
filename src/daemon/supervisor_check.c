/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Has a plugin look at its settings, or try what it would open, in a process of its own that ends
 * with the answer. See supervisor_check() in supervisor.h. */
#include "daemon/supervisor_private.h"

#include "base/log.h"
#include "base/memory.h"
#include "base/reader.h"
#include "base/text.h"
#include "handover/encoding.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK_TIMEOUT_MS 30000
#define TRIAL_TIMEOUT_MS 90000 /* a plugin has a minute */

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
    int socket = -1, err = supervisor_spawn_host(s, plugin, 0, &pid, &socket);

    if (err < 0) {
        text_append_printf(error, "cannot run %s: %s", path, strerrordesc_np(-err));
        return err;
    }
    err = supervisor_send_setup(s, plugin, purpose, NULL, socket);
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
