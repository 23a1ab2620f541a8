/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes, moves and stores the flow sockets. See flow_sockets.h. */
#include "daemon/flow_sockets.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/daemon_private.h"
#include <inttypes.h>
#include <poll.h>
#include <string.h>

/* The reading of queues ends after this, where more comes than can be read. */
#define MOVE_MAX_NS (2 * NS_PER_S)
/* A datagram that was steered by the old program is in its queue by then. */
enum { SETTLE_MS = 10 };

int flow_sockets_open(struct daemon *d, struct text *errors)
{
    struct flow_sockets *s = &d->flow_sockets;
    bool is_live = !d->crew.replay.path;
    int template_err = 0;

    if (d->options.action == ACTION_RUN) {
        passed_sockets_find(&s->passed);
        template_err = template_sharing_open(d, &s->passed, errors);
        kept_sockets_take(is_live ? &d->udp : NULL, &s->passed, &s->kept);
    }
    s->kept_count = s->kept.count < d->udp.worker_count ? s->kept.count : d->udp.worker_count;
    int err = is_live ? udp_receivers_open(&d->udp, &s->kept, errors, d->receivers) : 0;
    s->is_stored = s->kept_count > 0 && s->kept.is_same_group;
    return err < 0 ? err : template_err;
}

static void say_kept(const struct daemon *d, uint32_t before, uint32_t moved)
{
    const char *were = before == 1 ? " was" : "s were";

    if (d->flow_sockets.is_stored)
        log_notice("%u flow socket%s kept by the service manager: what came meanwhile waits there",
                   before, were);
    else
        log_notice(
            "%u flow socket%s kept by the service manager, for %u worker%s now: %u datagrams "
            "that waited were shared out anew",
            before, were, d->crew.worker_count, d->crew.worker_count == 1 ? "" : "s", moved);
}

/* Reads all queues. */
static uint32_t move_all(struct daemon *d, struct udp_receiver **surplus, uint32_t surplus_count)
    ON_THREAD(main_thread)
{
    const struct crew *crew = &d->crew;
    int64_t until_ns = clock_mono().ns + MOVE_MAX_NS;
    uint32_t count = 0;

    for (uint32_t i = 0; i < d->flow_sockets.kept_count; i++)
        count += worker_move_queued(crew->workers[i], worker_receiver(crew->workers[i]), until_ns);
    for (uint32_t i = 0; i < surplus_count; i++)
        if (surplus[i])
            count += worker_move_queued(crew->workers[0], surplus[i], until_ns);
    return count;
}

/*
 * Has all that comes meanwhile wait in a socket of its own, so that an exporter's datagrams are read in
 * their order: first what its old socket had, then what waited, then what its new socket gets.
 */
static uint32_t move_in_order(struct daemon *d, struct udp_receiver **surplus,
                              uint32_t surplus_count) ON_THREAD(main_thread)
{
    struct flow_sockets *s = &d->flow_sockets;
    struct udp_receiver *receivers[WORKERS_MAX] = {0}, *funnel;
    uint32_t before = s->kept_count + surplus_count, count;

    for (uint32_t i = 0; i < d->crew.worker_count; i++)
        receivers[i] = worker_receiver(d->crew.workers[i]);
    funnel = udp_funnel_open(&d->udp, receivers[0],
                             before > d->crew.worker_count ? before : d->crew.worker_count);
    (void)poll(NULL, 0, SETTLE_MS);
    count = move_all(d, surplus, surplus_count);
    udp_receivers_steer(&d->udp, receivers);
    (void)poll(NULL, 0, SETTLE_MS);
    if (!funnel)
        return count + move_all(d, surplus, surplus_count);
    count += worker_move_queued(d->crew.workers[0], funnel, clock_mono().ns + MOVE_MAX_NS);
    s->funnel_lost = udp_receiver_overflow(funnel);
    udp_receiver_free(funnel);
    return count;
}

static void close_surplus(struct flow_sockets *s, struct udp_receiver **surplus)
{
    s->closed = mem_calloc(s->kept.count + 1, sizeof *s->closed);
    for (uint32_t i = s->kept.count;
         i-- > 0;) { /* the last of a group goes without a change to it */
        if (!surplus[i])
            continue;
        struct udp_drops drops = udp_receiver_first_drops(surplus[i]);
        drops.drops += (uint32_t)udp_receiver_overflow(surplus[i]);
        s->closed[s->closed_count++] = drops;
        udp_receiver_free(surplus[i]);
    }
    s->kept.count = 0;
}

void flow_sockets_move(struct daemon *d)
{
    struct flow_sockets *s = &d->flow_sockets;
    uint32_t surplus_count = s->kept.count, moved = 0;
    struct udp_receiver **surplus;

    THREAD_ASSERT(main_thread);
    if (s->kept_count == 0)
        return;
    surplus = mem_calloc(surplus_count + 1, sizeof *surplus);
    for (uint32_t i = 0; i < surplus_count; i++)
        surplus[i] = udp_receiver_adopt(s->kept.fds[i]);
    if (!s->is_stored) {
        moved = move_in_order(d, surplus, surplus_count);
        close_surplus(s, surplus);
    }
    mem_free(surplus);
    say_kept(d, s->kept_count + surplus_count, moved);
}

void flow_sockets_count_lost(struct daemon *d)
{
    const struct flow_sockets *s = &d->flow_sockets;
    uint64_t lost = s->funnel_lost, unknown = 0;

    THREAD_ASSERT(main_thread);
    for (uint32_t i = 0; i < s->kept_count + s->closed_count; i++) {
        struct udp_drops now =
            i < s->kept_count ? worker_drops(d->crew.workers[i]) : s->closed[i - s->kept_count];
        uint32_t before;
        if (d->templates && templates_file_find_drops(d->templates, now.cookie, &before))
            lost += (uint32_t)(now.drops - before);
        else
            unknown += now.drops;
    }
    if (lost > 0) {
        worker_add_lost(d->crew.workers[0], lost);
        log_warning("%" PRIu64
                    " datagrams were lost while no daemon read them: the sockets' buffers "
                    "were full; raise %s_pipe_size",
                    lost, d->description->name);
    }
    if (unknown > 0)
        log_warning("the kernel has lost %" PRIu64
                    " datagrams at the sockets that were kept; how many "
                    "of them while no daemon read is not known, as nothing was saved",
                    unknown);
}

void flow_sockets_store(struct daemon *d)
{
    struct flow_sockets *s = &d->flow_sockets;
    const struct service *service = &d->watchdog.service;
    char name[SERVICE_NAME_LEN];

    THREAD_ASSERT(main_thread);
    if (s->is_stored || service->fd < 0)
        return;
    for (size_t i = s->passed.count; i-- > 0;)
        service_unstore(service, s->passed.items[i].name);
    for (uint32_t i = 0; i < d->crew.worker_count && !d->crew.replay.path; i++) {
        kept_socket_name(&d->udp, i, name);
        int err =
            service_store(service, udp_receiver_fd(worker_receiver(d->crew.workers[i])), name);
        if (err == 0)
            continue;
        log_warning(
            "the service manager does not take the flow sockets (%s): what is sent during a "
            "restart will be lost",
            strerror(-err));
        return;
    }
    s->is_stored = true;
}

void flow_sockets_clear(struct flow_sockets *s)
{
    passed_sockets_clear(&s->passed);
    kept_sockets_clear(&s->kept);
    mem_free(s->closed);
}
