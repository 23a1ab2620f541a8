/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Connects the BGP thread with the instance that takes its log. See msglog.h. */
#include "daemon/msglog.h"
#include "base/clock.h"
#include "bgp/route_events.h"
#include "daemon/daemon_private.h"
#include "daemon/table_dump_use.h"
#include "pipeline/event_producer.h"

#define PREFIX    "bgp_daemon_msglog"
#define VARIABLES "$peer_src_ip and $peer_tcp_port in it stand for the peer"

const struct config_key msglog_keys[] = {
    {PREFIX "_file", KEY_STRING,
     .help = "file that BGP messages are appended to as JSON lines, by an instance of the plugin "
             "print; " VARIABLES},
    {PREFIX "_output", KEY_CHOICE, .default_value = "json", .choices = KEY_CHOICES({"json", 0}),
     .help = "form of the log of BGP messages, wherever it goes"},
    KEY_ROWS_EVENT_OUTPUT(PREFIX, "BGP messages, as JSON,", VARIABLES),
    {"tmp_bgp_daemon_origin_type_int", KEY_BOOL_AT(struct bgp_settings, has_numeric_origin),
     "false", .help = "origin is a number in logs and dumps of BGP: 0 for i, 1 for e, 2 for u"},
    {0},
};

const struct event_output msglog_output = {
    .name = "bgp_msglog",
    .prefix = PREFIX,
    .events = &route_events,
    .has_writer_id = true,
    .switch_key = "bgp_daemon",
    .has_file = true,
    .is_foreign = true,
};

/* Finds the instance; NULL: there is no log. */
static struct worker_instance *instance_of(const struct daemon *d, const char **ret_place)
{
    for (uint32_t i = 0; i < d->instance_count; i++) {
        if (d->instance_settings[i].event_output != &msglog_output)
            continue;
        *ret_place = config_instance_at(d->config, i)->place;
        return d->worker_instances ? &d->worker_instances[i] : NULL;
    }
    *ret_place = NULL;
    return NULL;
}

void msglog_read(struct daemon *d)
{
    static const char *const keys[] = {PREFIX "_file", PREFIX "_kafka_topic",
                                       PREFIX "_amqp_routing_key"};
    struct config_found_line line;
    const char *place;

    instance_of(d, &place);
    /* pmacct's programs without flows have no table then, and some who read their logs rely on it. */
    d->bgp_settings.log_lacks_table = d->description->service && !table_dump_use_is_asked(d);
    d->bgp_settings.keeps_received = d->bgp_settings.keeps_received || place;
    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && !place; i++)
        if (config_find_line(d->config, keys[i], &line))
            text_append_printf(&d->notices, "%s: %s: there is no log, as bgp_daemon is not true\n",
                               line.place, line.key);
}

/* ---- calls of the BGP thread, which takes a worker's role for them ---- */

static void log_put(void *arg, const struct event *event, int64_t time_ns)
{
    const struct daemon *d = arg;

    thread_enter_role(&worker_thread);
    event_producer_put(d->msglog, event, time_ns);
    thread_leave_role(&worker_thread);
}

static int log_turn(void *arg)
{
    const struct daemon *d = arg;

    thread_enter_role(&worker_thread);
    int wait_ms = event_producer_turn(d->msglog, clock_mono().ns, clock_wall().ns);
    thread_leave_role(&worker_thread);
    return wait_ms;
}

static bool log_is_ending(void *arg)
{
    const struct daemon *d = arg;

    return atomic_load_explicit(&d->crew.is_stopping, memory_order_acquire);
}

static bool log_finish(void *arg)
{
    const struct daemon *d = arg;

    thread_enter_role(&worker_thread);
    bool is_finished = event_producer_finish(d->msglog, clock_wall().ns);
    thread_leave_role(&worker_thread);
    return is_finished;
}

/* ---- life ---- */

int msglog_open(struct daemon *d)
{
    const char *place;
    const struct worker_instance *instance = instance_of(d, &place);

    if (!instance || !d->bgp)
        return 0;
    d->msglog = event_producer_new(instance);
    const struct bgp_log_sink sink = {.put = log_put,
                                      .turn = log_turn,
                                      .is_ending = log_is_ending,
                                      .finish = log_finish,
                                      .fd = event_producer_fd(d->msglog),
                                      .arg = d};
    return bgp_set_log(d->bgp, &sink);
}

void msglog_settle(struct daemon *d)
{
    if (d->msglog)
        event_producer_settle(d->msglog, true);
}

void msglog_free(struct daemon *d)
{
    event_producer_free(d->msglog);
    d->msglog = NULL;
}
