/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes messages to the core; what a full socket does not take is lost. See link.h. */
#include "host/link.h"

#include "base/log.h"
#include "handover/encoding.h"
#include "handover/host_message.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#define LINE_MAX_LEN 4096

static bool send_body(struct link *link, uint8_t type, struct text *body)
{
    int err = link->socket >= 0 ? host_message_send(link->socket, type, body, NULL, 0) : -EPIPE;
    text_clear(body);
    return err == 0;
}

static bool send_line(struct link *link, int level, const char *line)
{
    struct text body = {0};
    encode_u8(&body, (uint8_t)level);
    encode_string(&body, line);
    return send_body(link, HOST_MESSAGE_LOG, &body);
}

static void send_or_count(struct link *link, int level, const char *line)
{
    if (link->lost_lines > 0) {
        char notice[64];
        snprintf(notice, sizeof notice, "%llu log lines were lost",
                 (unsigned long long)link->lost_lines);
        if (send_line(link, PA_LOG_WARNING, notice))
            link->lost_lines = 0;
    }
    if (!send_line(link, level, line))
        link->lost_lines++;
}

void link_vlog(struct link *link, int level, const char *format, va_list args)
{
    char line[LINE_MAX_LEN];

    if (level == PA_LOG_DEBUG && !link->debug)
        return;
    vsnprintf(line, sizeof line, format, args);
    pthread_mutex_lock(&link->lock);
    if (link->socket < 0)
        log_forward((enum log_level)(level & ~HOST_LOG_ASIDE), link->instance_name,
                    link->plugin_name, line);
    else
        send_or_count(link, level, line);
    pthread_mutex_unlock(&link->lock);
}

void link_log(struct link *link, int level, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    link_vlog(link, level, format, args);
    va_end(args);
}

void link_lose_core(struct link *link)
{
    pthread_mutex_lock(&link->lock);
    close(link->socket);
    link->socket = -1;
    pthread_mutex_unlock(&link->lock);
}

void link_state(struct link *link, const struct host_state *state)
{
    struct text body = {0};
    host_state_encode(state, &body);
    send_body(link, HOST_MESSAGE_STATE, &body);
}

void link_counter(struct link *link, const char *name, uint64_t value)
{
    struct text body = {0};
    encode_string(&body, name);
    encode_u64(&body, value);
    send_body(link, HOST_MESSAGE_COUNTER, &body);
}

void link_checked(struct link *link, const char *error)
{
    struct text body = {0};
    encode_u8(&body, error != NULL);
    encode_string(&body, error);
    send_body(link, HOST_MESSAGE_CHECKED, &body);
}
