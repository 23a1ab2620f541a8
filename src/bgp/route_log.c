/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes records of what peers say and leave. See route_log.h. */
#include "bgp/route_log.h"
#include "base/memory.h"
#include "bgp/rib_dump.h"
#include "bgp/route_events.h"
#include <stdatomic.h>

enum { FINISH_AGAIN_MS = 200 };

/* A peer as its log sees it. */
struct logged_peer {
    bool is_open; /* log_init was told, log_close was not */
    bool is_lost; /* the session is gone, and log_close is still to be told */
    bool is_kept; /* of rib_peer_down(), as is what follows */
    struct wall_time wall;
    struct mono_time mono;
    struct ip_addr address;
    uint16_t port;
};

struct route_log {
    struct bgp_log_sink sink;
    struct rib *rib; /* of the peers that are lost */
    const struct peer_table *peers;
    struct route_writer writer;
    struct event event;
    uint64_t seq;
    _Atomic uint64_t published; /* no later than seq: see route_log_seq() */
    struct logged_peer *logged; /* by peer */
    uint32_t lost_count;
    /* The walk that tells what lost sessions had: one serves all that were lost when it began. */
    struct rib_dump walk;
    bool *is_walked;
    bool is_walking;
    bool is_over, is_finished;
    bool lacks_table; /* settings.log_lacks_table */
};

struct route_log *route_log_new(const struct bgp_log_sink *sink,
                                const struct bgp_settings *settings, const struct rib *rib,
                                const struct peer_table *peers)
{
    struct route_log *log = mem_zalloc(sizeof *log);

    log->sink = *sink;
    log->peers = peers;
    log->writer.communities_numeric = settings->communities_numeric;
    log->writer.has_numeric_origin = settings->has_numeric_origin;
    log->lacks_table = settings->log_lacks_table;
    log->logged = mem_calloc(peers->capacity, sizeof *log->logged);
    log->is_walked = mem_calloc(peers->capacity, sizeof *log->is_walked);
    log->walk = (struct rib_dump){.rib = rib};
    return log;
}

void route_log_free(struct route_log *log)
{
    if (!log)
        return;
    route_writer_clear(&log->writer);
    mem_free(log->logged);
    mem_free(log->is_walked);
    mem_free(log);
}

/* ---- records ---- */

static void record_begin(struct route_log *log, enum route_event_kind kind,
                         enum route_event_type type, const struct logged_peer *of, int64_t time_ns)
{
    event_begin(&log->event, (uint8_t)kind);
    event_set_number(&log->event, ROUTE_EVENT_EVENT_TYPE, type);
    event_set_number(&log->event, ROUTE_EVENT_TIMESTAMP, (uint64_t)time_ns);
    event_set_addr(&log->event, ROUTE_EVENT_PEER, &of->address);
    event_set_number(&log->event, ROUTE_EVENT_PEER_PORT, of->port);
}

static void record_put(struct route_log *log, int64_t time_ns)
{
    event_set_number(&log->event, ROUTE_EVENT_SEQ, log->seq++);
    log->sink.put(log->sink.arg, &log->event, time_ns);
}

static void session_put(struct route_log *log, enum route_event_type type,
                        const struct logged_peer *of, int64_t time_ns)
{
    record_begin(log, ROUTE_EVENT_KIND_SESSION, type, of, time_ns);
    record_put(log, time_ns);
}

static void route_begin(struct route_log *log, enum route_log_type type,
                        const struct logged_peer *of, int64_t time_ns)
{
    record_begin(log, ROUTE_EVENT_KIND_ROUTE, ROUTE_EVENT_TYPE_LOG, of, time_ns);
    event_set_number(&log->event, ROUTE_EVENT_LOG_TYPE, type);
}

static struct logged_peer *logged_of(struct route_log *log, const struct peer *peer)
{
    return &log->logged[peer->info.index];
}

static bool is_logged(struct route_log *log, const struct peer *peer)
{
    return log && !log->is_over && logged_of(log, peer)->is_open;
}

void route_log_open(struct route_log *log, const struct peer *peer)
{
    if (!log)
        return;
    struct logged_peer *of = logged_of(log, peer);
    int64_t now_ns = clock_wall().ns;

    if (of->is_lost)
        route_log_settle(log);
    if (log->is_over)
        return;
    *of = (struct logged_peer){
        .is_open = true, .address = peer->info.address, .port = peer->info.port};
    session_put(log, ROUTE_EVENT_TYPE_LOG_INIT, of, now_ns);
}

void route_log_close(struct route_log *log, const struct peer *peer)
{
    if (!is_logged(log, peer) || logged_of(log, peer)->is_lost)
        return;
    session_put(log, ROUTE_EVENT_TYPE_LOG_CLOSE, logged_of(log, peer), clock_wall().ns);
    logged_of(log, peer)->is_open = false;
}

static void route_put(struct route_log *log, const struct route_log_batch *batch, size_t index)
{
    const struct rib_nlri *nlri = &batch->nlri[index];

    route_event_set_nlri(&log->writer, batch->family, nlri, batch->has_add_path, &log->event);
    if (address_families[batch->family].has_labels)
        route_event_set_label(&log->writer, nlri->label, &log->event);
    record_put(log, batch->time_ns);
}

void route_log_update(struct route_log *log, const struct route_log_batch *batch,
                      const struct path_attrs *attrs)
{
    if (!is_logged(log, batch->peer))
        return;
    route_begin(log, ROUTE_LOG_UPDATE, logged_of(log, batch->peer), batch->time_ns);
    route_event_set_kept(&log->writer, attrs, &log->event);
    for (size_t i = 0; i < batch->count; i++)
        route_put(log, batch, i);
}

void route_log_withdraw(struct route_log *log, struct rib *rib, const struct route_log_batch *batch)
{
    const struct path_attrs *told = NULL;

    if (!is_logged(log, batch->peer))
        return;
    route_begin(log, ROUTE_LOG_WITHDRAW, logged_of(log, batch->peer), batch->time_ns);
    for (size_t i = 0; i < batch->count; i++) {
        const struct path_attrs *attrs =
            log->lacks_table
                ? NULL
                : rib_announced(rib, batch->peer->info.index,
                                address_families[batch->family].rib_safi, &batch->nlri[i]);
        if (!attrs && !log->lacks_table)
            continue;
        if (attrs && attrs != told)
            route_event_set_kept(&log->writer, attrs, &log->event);
        told = attrs;
        route_put(log, batch, i);
    }
}

void route_log_end_of_rib(struct route_log *log, const struct peer *peer,
                          enum address_family family, int64_t time_ns)
{
    if (!is_logged(log, peer))
        return;
    route_begin(log, ROUTE_LOG_END_OF_RIB, logged_of(log, peer), time_ns);
    event_set_number(&log->event, ROUTE_EVENT_AFI, address_families[family].afi);
    event_set_number(&log->event, ROUTE_EVENT_SAFI, address_families[family].safi);
    record_put(log, time_ns);
}

/* ---- lost sessions ---- */

static enum address_family family_of(const struct rib_dumped *path)
{
    enum rib_family family = path->prefix.addr.family == IP_V6 ? RIB_IPV6 : RIB_IPV4;
    int i = 0;

    while (address_families[i].rib_safi != path->safi || address_families[i].rib_family != family)
        i++;
    return (enum address_family)i;
}

static void delete_put(void *arg, const struct rib_dumped *path)
{
    struct route_log *log = arg;
    const struct logged_peer *of = &log->logged[path->peer];
    const struct rib_nlri nlri = {.rd = path->rd, .prefix = path->prefix, .path_id = path->path_id};
    int64_t now_ns = clock_wall().ns;

    if (!of->is_open)
        return;
    route_begin(log, ROUTE_LOG_DELETE, of, now_ns);
    route_event_set_kept(&log->writer, path->attrs, &log->event);
    route_event_set_nlri(&log->writer, family_of(path), &nlri, path->has_add_path, &log->event);
    record_put(log, now_ns);
}

static void walk_begin(struct route_log *log)
{
    log->walk = (struct rib_dump){
        .rib = log->walk.rib, .is_wanted = log->is_walked, .peer_count = log->peers->capacity};
    for (uint32_t i = 0; i < log->peers->capacity; i++)
        log->is_walked[i] = log->logged[i].is_lost;
    log->is_walking = true;
}

/* Closes the logs of those whose paths have all been told. */
static void walk_end(struct route_log *log) ON_THREAD(bgp_thread)
{
    log->is_walking = false;
    for (uint32_t i = 0; i < log->peers->capacity; i++) {
        struct logged_peer *of = &log->logged[i];
        if (!log->is_walked[i])
            continue;
        log->is_walked[i] = false;
        if (of->is_open)
            session_put(log, ROUTE_EVENT_TYPE_LOG_CLOSE, of, clock_wall().ns);
        of->is_open = of->is_lost = false;
        log->lost_count--;
        rib_peer_down(log->rib, i, of->is_kept, of->wall, of->mono);
    }
}

static void slice_do(struct route_log *log) ON_THREAD(bgp_thread)
{
    if (!log->is_walking)
        walk_begin(log);
    if (log->is_over || !rib_dump_some(&log->walk, delete_put, log))
        walk_end(log);
}

void route_log_lose(struct route_log *log, struct rib *rib, const struct peer *peer, bool is_kept,
                    struct wall_time wall, struct mono_time mono)
{
    struct logged_peer *of = log ? logged_of(log, peer) : NULL;

    if (!of || !of->is_open || log->lacks_table) {
        route_log_close(log, peer);
        rib_peer_down(rib, peer->info.index, is_kept, wall, mono);
        return;
    }
    of->is_lost = true;
    of->is_kept = is_kept;
    of->wall = wall;
    of->mono = mono;
    log->rib = rib;
    log->lost_count++;
    slice_do(log); /* of most tables this is all */
}

void route_log_settle(struct route_log *log)
{
    while (log && log->lost_count > 0)
        slice_do(log);
}

void route_log_publish(struct route_log *log)
{
    /* The RIB hears of deleted paths at the end of the walk. */
    if (log && log->lost_count == 0)
        atomic_store_explicit(&log->published, log->seq, memory_order_release);
}

uint64_t route_log_seq(const struct route_log *log)
{
    return atomic_load_explicit(&log->published, memory_order_acquire);
}

/* ---- turns ---- */

static void end_all(struct route_log *log) ON_THREAD(bgp_thread)
{
    for (uint32_t i = 0; i < log->peers->capacity; i++) {
        struct logged_peer *of = &log->logged[i];
        if (of->is_open)
            session_put(log, ROUTE_EVENT_TYPE_LOG_CLOSE, of, clock_wall().ns);
        of->is_open = false;
    }
    log->is_over = true;
}

int route_log_turn(struct route_log *log)
{
    if (!log)
        return -1;
    if (log->lost_count > 0)
        slice_do(log);
    route_log_publish(log);
    int wait_ms = log->sink.turn(log->sink.arg);
    if (!log->is_over && log->sink.is_ending(log->sink.arg))
        end_all(log);
    if (log->is_over && !log->is_finished) {
        log->is_finished = log->sink.finish(log->sink.arg);
        wait_ms = FINISH_AGAIN_MS;
    }
    return log->lost_count > 0 ? 0 : wait_ms;
}
