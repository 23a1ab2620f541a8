/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Polls between heartbeats. See sql_wait.h. */
#include "plugins/sql/sql_wait.h"
#include "base/clock.h"
#include "plugins/pathacct_plugin.h"
#include <errno.h>
#include <poll.h>
#include <string.h>

#define TURN_MS 1000 /* between two heartbeats */

static int64_t deadline_in(uint32_t seconds)
{
    return clock_mono().ns + (int64_t)seconds * NS_PER_S;
}

struct sql_wait sql_wait_start(const struct pa_host *host, const char *server, const char *doing,
                               uint32_t patience_s, uint32_t work_s)
{
    return (struct sql_wait){.host = host,
                             .server = server,
                             .doing = doing,
                             .patience_s = patience_s,
                             .begun_ns = clock_mono().ns,
                             .deadline_ns = deadline_in(patience_s + work_s)};
}

static int wait_until(const struct sql_wait *w, int fd, short events)
{
    struct pollfd p = {.fd = fd, .events = events};

    for (;;) {
        int err = w->host->beat(w->host);
        if (err < 0)
            return err;
        int64_t left_ms = (w->deadline_ns - clock_mono().ns) / 1000000;
        if (left_ms <= 0)
            return 0;
        int ready = poll(&p, 1, left_ms > TURN_MS ? TURN_MS : (int)left_ms + 1);
        if (ready > 0)
            return p.revents;
        if (ready < 0 && errno != EINTR)
            return -errno;
    }
}

int sql_wait_for(struct sql_wait *w, int fd, short events, sql_wait_ask_fn *ask, void *arg)
{
    char state[sizeof w->state] = "";
    int came;

    while ((came = wait_until(w, fd, events)) == 0) {
        if (!ask || !ask(arg, state, sizeof state))
            break;
        if (strcmp(state, w->state) != 0)
            w->host->log(w->host, PA_LOG_WARNING,
                         "the server at %s is slow: %s takes %lld s so far (%s); it is waited for",
                         w->server, w->doing,
                         (long long)((clock_mono().ns - w->begun_ns) / NS_PER_S), state);
        memcpy(w->state, state, sizeof state);
        w->deadline_ns = deadline_in(w->patience_s);
    }
    return came;
}
