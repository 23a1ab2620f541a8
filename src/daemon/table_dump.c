/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The thread of dumps: waits for the next one, walks, writes. See table_dump.h. */
#include "daemon/table_dump.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/poller.h"
#include "base/thread.h"
#include "bgp/attr_store.h"
#include "bgp/rib_dump.h"
#include "bgp/route_events.h"
#include "daemon/dump_files.h"
#include "daemon/dump_mrt.h"
#include "pipeline/event_producer.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WAIT_MAX_MS = 5000 }; /* the wall clock may be set meanwhile */

const struct event_output table_dump_output = {
    .name = "bgp_dump",
    .prefix = "bgp_table_dump",
    .events = &route_events,
    .has_writer_id = true,
    .is_foreign = true,
    .switch_key = "bgp_daemon",
};

/* A peer whose table is dumped. */
struct dumped_peer {
    uint32_t index, router_id;
    struct ip_addr address;
    uint16_t port;
    int64_t established_ns; /* tells its session from a later one */
    uint32_t as;
    struct dump_file *file;
    uint32_t mrt_number; /* with MRT */
    uint64_t entries;
};

/* A path, copied out of the read section. */
struct copied_path {
    struct rib_dumped path; /* its set may be gone by now */
    struct ip_addr next_hop;
    size_t attrs_at, attrs_len; /* as received, in table_dump.received */
    bool has_four_octet_as;
};

struct table_dump {
    struct table_dump_settings settings;
    struct bgp *bgp;
    struct rcu_reader *reader;
    struct thread thread;
    atomic_bool is_stopping;
    int stop_event;
    struct poller *poller;
    struct event_producer *producer; /* NULL: to files */
    struct event_json *json;
    struct dump_files *files;
    struct dump_mrt *mrt; /* NULL: files are JSON */
    struct route_writer writer;
    struct event *event; /* large */
    /* The dump under way: */
    int64_t time_ns;
    struct text time_text;
    uint64_t seq, peers_generation;
    struct dumped_peer *peers;
    uint32_t peer_count, slot_count;
    bool *is_wanted;   /* by the RIB's slot */
    uint32_t *peer_of; /* by the RIB's slot, where it is wanted or was: place in `peers` */
    struct copied_path *paths;
    uint32_t path_count;
    struct text received; /* their attributes */
    uint64_t number;      /* of dumps so far */
    struct table_dump_counts counts;
};

/* ---- settings ---- */

static const char *const variables[] = {"peer_src_ip", "peer_tcp_port", "bgp_router_id", NULL};

static int check_file(const char *value, struct text *error)
{
    return dump_files_check(value, variables, true, error);
}

static int check_latest_file(const char *value, struct text *error)
{
    return dump_files_check(value, variables, false, error);
}

const struct config_key table_dump_keys[] = {
    {"bgp_table_dump_file", KEY_STRING_AT(struct table_dump_settings, file), .check = check_file,
     .help = "file for dumps of the BGP tables; the name may have conversions of strftime(3), for "
             "the dump's "
             "time, and $peer_src_ip, $peer_tcp_port and $bgp_router_id"},
    {"bgp_table_dump_latest_file", KEY_STRING_AT(struct table_dump_settings, latest_file),
     .check = check_latest_file,
     .help = "symbolic link to the latest file that is whole; the name may have those variables"},
    {"bgp_table_dump_refresh_time",
     KEY_DURATION_AT(struct table_dump_settings, refresh_s, 0, 86400), "0",
     .help = "seconds between dumps of a table, at whole multiples of them; 0: none is made"},
    {"bgp_table_dump_time_slots", KEY_INT_AT(struct table_dump_settings, time_slots, 1, 86400), "1",
     .help = "parts of that time; each peer is dumped in one of them, by a hash of its address"},
    {"bgp_table_dump_output", KEY_CHOICE_AT(struct table_dump_settings, output), "json",
     .choices = KEY_CHOICES({"json", TABLE_DUMP_JSON}, {"mrt", TABLE_DUMP_MRT}),
     .help = "format of files with dumps"},
    {"bgp_table_dump_workers", KEY_IGNORED,
     .help = "one thread makes all dumps, in one walk over all tables"},
    KEY_ROWS_EVENT_OUTPUT("bgp_table_dump", "dumps of the BGP tables",
                          "the name may have $peer_src_ip, $peer_tcp_port"),
    {0},
};

/* ---- records ---- */

static bool is_stopping(const struct table_dump *d)
{
    return atomic_load_explicit(&d->is_stopping, memory_order_relaxed);
}

/* Waits until the plugin has taken something, or the daemon ends. */
static void wait_for_room(struct table_dump *d) ON_THREAD(worker_thread)
{
    int left_ms = event_producer_turn(d->producer, clock_mono().ns, clock_wall().ns);

    poller_wait(d->poller, left_ms < 0 ? WAIT_MAX_MS : left_ms);
}

/* False: the daemon ends. */
static bool put_event(struct table_dump *d, struct dumped_peer *peer) ON_THREAD(worker_thread)
{
    if (!d->producer) {
        event_json_append(d->json, d->event, dump_file_text(peer->file));
        dump_file_added(d->files, peer->file, 1);
        return true;
    }
    while (event_producer_try(d->producer, d->event, clock_wall().ns) < 0) {
        if (is_stopping(d))
            return false;
        wait_for_room(d);
    }
    return true;
}

static void event_of_peer(struct table_dump *d, enum route_event_kind kind,
                          enum route_event_type type, const struct dumped_peer *peer)
{
    event_begin(d->event, (uint8_t)kind);
    event_set_number(d->event, ROUTE_EVENT_SEQ, d->seq);
    event_set_bytes(d->event, ROUTE_EVENT_DUMP_TIME, d->time_text.data, d->time_text.len);
    event_set_addr(d->event, ROUTE_EVENT_PEER, &peer->address);
    event_set_number(d->event, ROUTE_EVENT_PEER_PORT, peer->port);
    event_set_number(d->event, ROUTE_EVENT_EVENT_TYPE, type);
}

static enum address_family family_of(const struct rib_dumped *path)
{
    unsigned family = 0;

    while (address_families[family].rib_safi != path->safi ||
           address_families[family].ip_family != path->prefix.addr.family)
        family++;
    return (enum address_family)family;
}

static bool put_mrt(struct table_dump *d, const struct dumped_peer *peer,
                    const struct copied_path *copy)
{
    const struct rib_dumped *path = &copy->path;
    const struct mrt_table_path added = {
        .safi = path->safi,
        .rd = path->rd,
        .prefix = path->prefix,
        .has_add_path = path->has_add_path,
        .path_id = path->path_id,
        .announced_ms = path->announced_ms,
        .received = {(const uint8_t *)d->received.data + copy->attrs_at, copy->attrs_len,
                     copy->has_four_octet_as},
        .next_hop = copy->next_hop};

    return dump_mrt_add(d->mrt, peer->mrt_number, &added);
}

static bool put_path(struct table_dump *d, const struct copied_path *copy) ON_THREAD(worker_thread)
{
    struct dumped_peer *peer = &d->peers[d->peer_of[copy->path.peer]];
    const struct rib_nlri nlri = {
        .rd = copy->path.rd, .prefix = copy->path.prefix, .path_id = copy->path.path_id};

    if (d->mrt) {
        peer->entries += put_mrt(d, peer, copy);
        return true;
    }
    /* The session has checked what was kept, by its own rules. */
    const struct attr_context context = {.is_internal = true,
                                         .features.has_four_octet_as = copy->has_four_octet_as};

    event_of_peer(d, ROUTE_EVENT_KIND_DUMP_ROUTE, ROUTE_EVENT_TYPE_DUMP, peer);
    route_event_set_nlri(&d->writer, family_of(&copy->path), &nlri, copy->path.has_add_path,
                         d->event);
    route_event_read_attrs(
        &d->writer,
        reader_make((const uint8_t *)d->received.data + copy->attrs_at, copy->attrs_len), &context,
        &copy->next_hop, d->event);
    peer->entries++;
    return put_event(d, peer);
}

/* ---- slices ---- */

static void copy_path(void *arg, const struct rib_dumped *path)
{
    const struct attr_received received = attr_store_received(path->attrs);
    struct table_dump *d = arg;

    d->paths[d->path_count++] =
        (struct copied_path){.path = *path,
                             .next_hop = path->attrs->next_hop,
                             .attrs_at = d->received.len,
                             .attrs_len = received.len,
                             .has_four_octet_as = received.has_four_octet_as};
    text_append(&d->received, received.data, received.len);
}

/* Leaves out peers whose session is not the one that the dump began with. What the slice has of them may be of another
 * peer, which has their slot now. */
static void forget_lost_peers(struct table_dump *d)
{
    const struct bgp_peers *now = bgp_peers(d->bgp);

    if (now->generation == d->peers_generation)
        return;
    d->peers_generation = now->generation;
    for (uint32_t i = 0; i < d->peer_count; i++) {
        const struct dumped_peer *peer = &d->peers[i];
        const struct bgp_peer_info *info = bgp_peers_find(now, peer->index);
        if (!info || info->state != BGP_PEER_ESTABLISHED ||
            info->established_ns != peer->established_ns)
            d->is_wanted[peer->index] = false;
    }
}

static bool put_slice(struct table_dump *d) ON_THREAD(worker_thread)
{
    for (uint32_t i = 0; i < d->path_count; i++)
        if (d->is_wanted[d->paths[i].path.peer] && !put_path(d, &d->paths[i]))
            return false;
    if (d->producer)
        event_producer_turn(d->producer, clock_mono().ns, clock_wall().ns);
    return !is_stopping(d);
}

/* Walks all tables. False: the daemon ends. */
static bool walk_tables(struct table_dump *d) ON_THREAD(worker_thread)
{
    struct rib_dump walk = {
        .rib = bgp_rib(d->bgp), .is_wanted = d->is_wanted, .peer_count = d->slot_count};
    bool has_more = true;

    while (has_more) {
        d->path_count = 0;
        text_reset(&d->received);
        rcu_online(d->reader);
        has_more = rib_dump_some(&walk, copy_path, d);
        forget_lost_peers(d);
        rcu_offline(d->reader);
        if (!put_slice(d))
            return false;
    }
    return true;
}

/* ---- a dump ---- */

/* Returns the time slot of a peer: pmacct's. */
static uint32_t slot_of(const struct ip_addr *address, uint32_t slot_count)
{
    char text[IP_TEXT_LEN];
    uint32_t hash = 5381;

    ip_addr_format(address, text);
    for (const char *c = text; *c; c++)
        hash = hash * 33 ^ (uint8_t)*c;
    return (hash & UINT32_C(1) << 31 ? 0 - hash : hash) % slot_count;
}

static void take_peers(struct table_dump *d, uint32_t slot)
{
    rcu_online(d->reader);
    const struct bgp_peers *now = bgp_peers(d->bgp);
    uint32_t slots = now->count ? now->peers[now->count - 1].index + 1 : 0;

    d->peers_generation = now->generation;
    d->peer_count = 0;
    d->peers = mem_realloc_array(d->peers, now->count + 1, sizeof *d->peers);
    d->slot_count = slots;
    d->is_wanted = mem_realloc_array(d->is_wanted, slots + 1, sizeof *d->is_wanted);
    d->peer_of = mem_realloc_array(d->peer_of, slots + 1, sizeof *d->peer_of);
    memset(d->is_wanted, 0, slots * sizeof *d->is_wanted);
    for (uint32_t i = 0; i < now->count; i++) {
        const struct bgp_peer_info *info = &now->peers[i];
        if (info->state != BGP_PEER_ESTABLISHED ||
            slot_of(&info->address, d->settings.time_slots) != slot)
            continue;
        d->is_wanted[info->index] = true;
        d->peer_of[info->index] = d->peer_count;
        d->peers[d->peer_count++] = (struct dumped_peer){.index = info->index,
                                                         .router_id = info->router_id,
                                                         .address = info->address,
                                                         .as = info->as,
                                                         .port = info->port,
                                                         .established_ns = info->established_ns};
    }
    rcu_offline(d->reader);
}

static void open_file(struct table_dump *d, struct dumped_peer *peer)
{
    char address[IP_TEXT_LEN], port[8], router_id[IP_TEXT_LEN];
    const struct dump_variable values[] = {
        {"peer_src_ip", address}, {"peer_tcp_port", port}, {"bgp_router_id", router_id}};

    ip_addr_format(&peer->address, address);
    snprintf(port, sizeof port, "%u", peer->port);
    snprintf(router_id, sizeof router_id, "%u.%u.%u.%u", peer->router_id >> 24,
             peer->router_id >> 16 & 0xff, peer->router_id >> 8 & 0xff, peer->router_id & 0xff);
    peer->file = dump_files_get(d->files, values, sizeof values / sizeof values[0]);
}

static int64_t period_s(const struct table_dump *d)
{
    int64_t period = d->settings.refresh_s / d->settings.time_slots;

    return period > 0 ? period : 1;
}

static bool put_init(struct table_dump *d, struct dumped_peer *peer) ON_THREAD(worker_thread)
{
    event_of_peer(d, ROUTE_EVENT_KIND_DUMP_INIT, ROUTE_EVENT_TYPE_DUMP_INIT, peer);
    event_set_number(d->event, ROUTE_EVENT_DUMP_PERIOD, (uint64_t)period_s(d));
    return put_event(d, peer);
}

static bool put_close(struct table_dump *d, struct dumped_peer *peer) ON_THREAD(worker_thread)
{
    event_of_peer(d, ROUTE_EVENT_KIND_DUMP_CLOSE, ROUTE_EVENT_TYPE_DUMP_CLOSE, peer);
    event_set_number(d->event, ROUTE_EVENT_ENTRIES, peer->entries);
    event_set_number(d->event, ROUTE_EVENT_TABLES, 1);
    return put_event(d, peer);
}

/* Puts all that a dump has to files of MRT. False: the daemon ends. */
static bool put_mrt_tables(struct table_dump *d) ON_THREAD(worker_thread)
{
    dump_mrt_begin(d->mrt, (uint32_t)(clock_wall().ns / NS_PER_S));
    for (uint32_t i = 0; i < d->peer_count; i++) {
        struct dumped_peer *peer = &d->peers[i];
        const struct mrt_peer told = {peer->address, peer->router_id, peer->as};
        open_file(d, peer);
        peer->mrt_number = dump_mrt_add_peer(d->mrt, peer->file, &told);
    }
    bool is_whole = d->peer_count == 0 || walk_tables(d);
    dump_mrt_end(d->mrt);
    return is_whole;
}

/* Puts all that a dump has. False: the daemon ends. */
static bool put_tables(struct table_dump *d) ON_THREAD(worker_thread)
{
    if (d->mrt)
        return put_mrt_tables(d);
    for (uint32_t i = 0; i < d->peer_count; i++) {
        if (d->files)
            open_file(d, &d->peers[i]);
        if (!put_init(d, &d->peers[i]))
            return false;
    }
    if (d->peer_count > 0 && !walk_tables(d))
        return false;
    for (uint32_t i = 0; i < d->peer_count; i++)
        if (!put_close(d, &d->peers[i]))
            return false;
    return true;
}

/* Makes the dump of a time slot. The lines that it logs are pmacct's. */
static void dump_slot(struct table_dump *d, uint32_t slot) ON_THREAD(worker_thread)
{
    int64_t began_ns = clock_mono().ns;
    uint64_t entries = 0;

    log_notice("*** Dumping BGP tables - START (PID: %d RID: %" PRIu64 ") ***", (int)getpid(),
               ++d->number);
    if (d->settings.time_slots > 1)
        log_notice("*** Dumping BGP tables - SLOT %u / %u ***", slot + 1, d->settings.time_slots);
    if (!bgp_log_seq(d->bgp, &d->seq)) /* with a log, what brings the dump up to date */
        d->seq = d->number - 1;
    text_reset(&d->time_text);
    event_json_append_time(d->json, d->time_ns, &d->time_text);
    take_peers(d, slot);
    if (d->files)
        dump_files_begin(d->files, d->time_ns / NS_PER_S);
    bool is_whole = put_tables(d);
    if (d->files)
        dump_files_end(d->files, is_whole);
    for (uint32_t i = 0; i < d->peer_count; i++)
        entries += d->peers[i].entries;
    int64_t took_ms = (clock_mono().ns - began_ns) / NS_PER_MS;
    counter_add(is_whole ? &d->counts.dumps : &d->counts.given_up, 1);
    counter_set(&d->counts.last_paths, entries);
    counter_set(&d->counts.last_ms, (uint64_t)took_ms);
    if (is_whole)
        log_notice("*** Dumping BGP tables - END (PID: %d RID: %" PRIu64
                   " TABLES: %u ENTRIES: %" PRIu64 " ET: %" PRId64 ") ***",
                   (int)getpid(), d->number, d->peer_count, entries, took_ms / 1000);
    else
        log_notice("the dump of the BGP tables is given up, as the daemon ends");
}

/* ---- the thread ---- */

static void on_event(void *arg, int fd, unsigned events)
{
    (void)arg, (void)events;
    poller_event_drain(fd);
}

/* Waits for the next dump, at most so long. */
static void wait_idle(struct table_dump *d, int64_t left_ns) ON_THREAD(worker_thread)
{
    int64_t left_ms = left_ns / NS_PER_MS + 1;
    int wait_ms = left_ms < WAIT_MAX_MS ? (int)left_ms : WAIT_MAX_MS;
    int turn_ms =
        d->producer ? event_producer_turn(d->producer, clock_mono().ns, clock_wall().ns) : -1;

    poller_wait(d->poller, turn_ms >= 0 && turn_ms < wait_ms ? turn_ms : wait_ms);
}

/* Hands the last over; the plugin may have to take something first. */
static void finish(struct table_dump *d) ON_THREAD(worker_thread)
{
    while (d->producer && !event_producer_finish(d->producer, clock_wall().ns) &&
           !atomic_load_explicit(d->settings.is_abandoned, memory_order_acquire))
        poller_wait(d->poller, WAIT_MAX_MS);
}

/* Makes dumps at whole multiples of the period until the daemon ends. */
static void make_dumps(struct table_dump *d) ON_THREAD(worker_thread)
{
    int64_t period_ns = period_s(d) * NS_PER_S;
    int64_t due_ns = clock_next_multiple(clock_wall().ns, period_ns);

    while (!is_stopping(d)) {
        int64_t now_ns = clock_wall().ns;
        if (due_ns - now_ns > period_ns) /* the clock was set back */
            due_ns = clock_next_multiple(now_ns, period_ns);
        if (now_ns < due_ns || d->settings.refresh_s == 0) {
            wait_idle(d, d->settings.refresh_s == 0 ? INT64_MAX : due_ns - now_ns);
            continue;
        }
        d->time_ns = due_ns;
        dump_slot(d, (uint32_t)(due_ns / period_ns % d->settings.time_slots));
        due_ns = clock_next_multiple(now_ns, period_ns);
    }
}

static void table_dump_run(void *arg)
{
    struct table_dump *d = arg;

    thread_enter_role(&worker_thread); /* of the producer's lane */
    make_dumps(d);
    finish(d);
    thread_leave_role(&worker_thread);
}

static void files_make(struct table_dump *d)
{
    const struct table_dump_settings *s = &d->settings;
    const struct dump_files_settings files = {.key = "bgp_table_dump_file",
                                              .latest_key = "bgp_table_dump_latest_file",
                                              .pattern = s->file,
                                              .latest = s->latest_file,
                                              .files_uid = s->files_uid,
                                              .files_gid = s->files_gid,
                                              .is_utc = s->json.is_utc,
                                              .is_stopping = &d->is_stopping};

    d->files = dump_files_new(&files);
    if (s->output == TABLE_DUMP_MRT)
        d->mrt = dump_mrt_new(d->files);
}

int table_dump_new(const struct table_dump_settings *settings, struct bgp *bgp, struct rcu *rcu,
                   struct event_producer *producer, struct table_dump **ret_dump)
{
    struct table_dump *d = mem_zalloc(sizeof *d);
    int err;

    d->settings = *settings;
    d->bgp = bgp;
    d->producer = producer;
    d->stop_event = -1;
    d->event = mem_zalloc(sizeof *d->event);
    d->paths = mem_calloc(RIB_DUMP_SLICE_MAX, sizeof *d->paths);
    d->writer.communities_numeric = settings->communities_numeric;
    d->writer.has_numeric_origin = settings->has_numeric_origin;
    d->json = event_json_new(&route_events, &settings->json);
    if (!producer)
        files_make(d);
    err = poller_new(&d->poller);
    if (err == 0)
        err = d->stop_event = poller_event_new();
    if (err >= 0)
        err = poller_add(d->poller, d->stop_event, POLLER_READ, on_event, d);
    if (err >= 0 && producer)
        err = poller_add(d->poller, event_producer_fd(producer), POLLER_READ, on_event, d);
    if (err >= 0)
        err = rcu_reader_register(rcu, &d->reader);
    if (err < 0) {
        table_dump_free(d);
        return err;
    }
    *ret_dump = d;
    return 0;
}

int table_dump_start(struct table_dump *d)
{
    return thread_start(&d->thread, "table_dump", table_dump_run, d);
}

void table_dump_stop(struct table_dump *d)
{
    if (!d)
        return;
    atomic_store_explicit(&d->is_stopping, true, memory_order_relaxed);
    poller_event_wake(d->stop_event);
}

void table_dump_join(struct table_dump *d)
{
    if (!d)
        return;
    thread_join(&d->thread);
    if (d->producer)
        event_producer_settle(d->producer, true);
}

void table_dump_free(struct table_dump *d)
{
    if (!d)
        return;
    rcu_reader_unregister(d->reader);
    poller_free(d->poller);
    if (d->stop_event >= 0)
        close(d->stop_event);
    event_producer_free(d->producer);
    dump_mrt_free(d->mrt);
    dump_files_free(d->files);
    event_json_free(d->json);
    route_writer_clear(&d->writer);
    mem_free(d->event);
    text_clear(&d->received);
    text_clear(&d->time_text);
    mem_free(d->paths);
    mem_free(d->peers);
    mem_free(d->is_wanted);
    mem_free(d->peer_of);
    mem_free(d);
}

const struct table_dump_counts *table_dump_counts(const struct table_dump *d)
{
    return &d->counts;
}

const struct dump_file_counts *table_dump_file_counts(const struct table_dump *d)
{
    return d->files ? dump_files_counts(d->files) : NULL;
}
