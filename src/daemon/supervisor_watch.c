/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks each second at the hosts and at what they write into the rings, and kills those that hang or
 * write nonsense. See supervisor_private.h and host_watch.h. */
#include "daemon/supervisor_private.h"

#include "base/log.h"
#include "base/text.h"

#include <signal.h>

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

void supervisor_rings_due(void *arg)
{
    THREAD_ASSERT(main_thread);
    struct supervisor *s = arg;

    for (uint32_t i = 0; i < s->instance_count; i++)
        look_at_rings(s->instances[i]);
    poller_timer_set_in(s->poller, &s->ring_timer, NS_PER_S);
}

void hosted_instance_repair_rings(struct hosted_instance *in)
{
    in->is_mad = false;
    for (uint32_t i = 0; i < in->plugin.outlet->lane_count; i++) {
        struct ring *ring = in->plugin.outlet->lanes[i].ring;
        if (!ring_check(ring))
            ring_repair(ring);
    }
}

/* ---- hosts that hang ---- */

struct host_view hosted_instance_view(const struct hosted_instance *in)
{
    const struct outlet *outlet = in->plugin.outlet;
    struct host_view view = {.pid = in->pid,
                             .thread = (pid_t)in->state.thread,
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
              hosted_instance_spool_only_s(in) > 0 ? "only spools for" : "has",
              (long long)(hosted_instance_spool_only_s(in) > 0 ? hosted_instance_spool_only_s(in)
                                                               : patience_s(in)));
    text_clear(&seen);
    kill(in->pid, SIGKILL);
}

static void watch_host(struct hosted_instance *in, int64_t elapsed_ns)
{
    struct host_view view = hosted_instance_view(in);
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

void supervisor_watch_due(void *arg)
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
