/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The station's life as a guest of the BGP thread: listeners, lists, memory, statistics. */
#include "base/memory.h"
#include "bgp/bgp_socket.h"
#include "bmp/bmp_station_private.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define SILENT_MAX_S 60 /* for a connection's first message */
#define SLOTS_A_ROUTER                                                                             \
    8 /* of the RIB, on average; a router has a view or two, and two for each VRF */
#define SLOTS_MIN 64

bool station_log_allowed(struct log_limit *limit)
{
    uint64_t suppressed;

    if (!log_limit_allow(limit, &suppressed))
        return false;
    if (suppressed > 0)
        log_notice("bmp: %" PRIu64 " lines like the next one were left out", suppressed);
    return true;
}

bool station_names(const struct bmp_station *station, const struct ip_addr *address)
{
    return address_list_contains(&station->allow, address) || bgp_is_named(station->bgp, address);
}

/* ---- for the BGP thread ---- */

static void station_start(void *arg) ON_THREAD(bgp_thread)
{
    THREAD_ASSERT(bgp_thread);
    station_accept_start(arg);
}

static void station_stop(void *arg) ON_THREAD(bgp_thread)
{
    struct bmp_station *station = arg;

    THREAD_ASSERT(bgp_thread);
    station_accept_stop(station);
    while (station->connection_count > 0)
        connection_close(station->connections[station->connection_count - 1], true);
}

static bool station_reload(void *arg) ON_THREAD(bgp_thread)
{
    struct bmp_station *station = arg;
    const char *file = station->settings.allow_file;
    struct address_list loaded;
    struct text error = {0};

    THREAD_ASSERT(bgp_thread);
    if (!file)
        return true;
    bool is_read = address_list_load(file, false, &error, &loaded) == 0;
    if (!is_read) {
        log_error("bmp: %s; the old list stays in force", text_cstr(&error));
    } else {
        address_list_clear(&station->allow);
        station->allow = loaded;
        log_notice("bmp: %s read again, %zu entries", file, loaded.count);
    }
    text_clear(&error);
    return is_read;
}

/* Ends connections that have said nothing whole for too long. */
static void silent_end(struct bmp_station *station, struct mono_time now) ON_THREAD(bgp_thread)
{
    for (size_t i = station->connection_count; i-- > 0;) {
        struct bmp_connection *connection = station->connections[i];
        if (connection->router || now.ns - connection->since.ns < SILENT_MAX_S * NS_PER_S)
            continue;
        station_count(station, BMP_STATION_COUNTER_connections_silent);
        connection_close(connection, true);
    }
}

static bool station_turn(void *arg) ON_THREAD(bgp_thread)
{
    struct bmp_station *station = arg;
    struct counter *counters = station->counters;

    THREAD_ASSERT(bgp_thread);
    struct mono_time now = clock_mono();
    if (now.ns >= station->next_second.ns) {
        station->next_second.ns = now.ns + NS_PER_S;
        silent_end(station, now);
    }
    bmp_tables_set_time(station->tables, clock_wall(), now);
    counter_set(&counters[BMP_STATION_COUNTER_routers], station->router_count);
    counter_set(&counters[BMP_STATION_COUNTER_unopened],
                station->connection_count - station->router_count);
    counter_set(&counters[BMP_STATION_COUNTER_peers], station->peer_count);
    return bmp_tables_turn(station->tables);
}

static uint64_t station_memory(void *arg)
{
    const struct bmp_station *station = arg;

    return station->peer_count * sizeof(struct bmp_peer) +
           station->router_count * sizeof(struct bmp_connection);
}

static uint64_t station_forget_stale(void *arg) ON_THREAD(bgp_thread)
{
    struct bmp_station *station = arg;

    THREAD_ASSERT(bgp_thread);
    return bmp_tables_forget_stale(station->tables);
}

static uint64_t station_largest_stranger(void *arg, uint64_t least) ON_THREAD(bgp_thread)
{
    struct bmp_station *station = arg;
    uint64_t most = least;

    THREAD_ASSERT(bgp_thread);
    station->stranger = NULL;
    for (size_t i = 0; i < station->connection_count; i++) {
        struct bmp_connection *connection = station->connections[i];
        uint64_t paths =
            connection->router ? bmp_tables_paths(station->tables, connection->tables_router) : 0;
        if (paths <= most || station_names(station, &connection->address) ||
            standing_since(&station->standing, &connection->address) < connection->since.ns)
            continue;
        station->stranger = connection;
        most = paths;
    }
    return station->stranger ? most : 0;
}

static void station_end_stranger(void *arg) ON_THREAD(bgp_thread)
{
    struct bmp_station *station = arg;
    struct bmp_connection *connection = station->stranger;
    char text[ROUTER_TEXT_LEN];

    THREAD_ASSERT(bgp_thread);
    if (!connection)
        return;
    uint64_t paths = bmp_tables_paths(station->tables, connection->tables_router);
    int64_t wait_s = standing_refuse(&station->standing, &connection->address,
                                     CEASE_OUT_OF_RESOURCES, clock_mono());
    station_count(station, BMP_STATION_COUNTER_routers_ended_limit);
    log_error(
        "bmp: router %s: connection ended, and refused for %" PRId64
        " s: bgp_daemon_max_memory is reached, and it holds most of those that are not known, "
        "%" PRIu64 " paths",
        connection_text(connection, text), wait_s, paths);
    connection_close(connection, false);
}

/* ---- from other threads ---- */

static int listener_open(struct bmp_station *station, const struct ip_addr *address,
                         struct text *error)
{
    const struct bmp_station_settings *settings = &station->settings;
    const struct bgp_settings socket_settings = {
        .port = settings->port,
        .interface = settings->interface,
        .pipe_size = settings->pipe_size,
        .ip_precedence = settings->ip_precedence,
    };
    struct bmp_listener *listener = &station->listeners[address->family == IP_V6];
    char text[IP_TEXT_LEN];

    listener->address = *address;
    int err = bgp_socket_listen(&socket_settings, address, &listener->fd);
    if (err < 0) {
        ip_addr_format(address, text);
        text_append_printf(error, "bmp_daemon_port: cannot listen on %s port %u%s%s: %s", text,
                           settings->port, settings->interface ? " of interface " : "",
                           settings->interface ? settings->interface : "", strerror(-err));
        if (err == -EACCES)
            text_append_string(error,
                               "; give the program CAP_NET_BIND_SERVICE or use another port");
        if (err == -EADDRINUSE)
            text_append_printf(error, "; `ss -tlpn 'sport = :%u'` shows who has it",
                               settings->port);
    }
    return err;
}

static int listeners_open(struct bmp_station *station, struct text *error)
{
    const struct ip_addr any_v4 = ip_addr_v4((const uint8_t[4]){0});
    const struct ip_addr any_v6 = ip_addr_v6((const uint8_t[16]){0});
    struct ip_addr address;

    if (station->settings.listen_ip) {
        if (ip_addr_parse(station->settings.listen_ip, &address) < 0) {
            text_append_string(error, "bmp_daemon_ip: not an IP address");
            return -EINVAL;
        }
        return listener_open(station, &address, error);
    }
    size_t before = error->len;
    int err = listener_open(station, &any_v6, error);
    if (station->settings.ipv6_only)
        return err;
    /* A host without IPv6 is no error: IPv4 alone will do. */
    if (err < 0 && err != -EAFNOSUPPORT && err != -EADDRNOTAVAIL)
        return err;
    error->len = before;
    return listener_open(station, &any_v4, error);
}

int bmp_station_check(const struct bmp_station_settings *settings, struct text *errors)
{
    struct address_list list = {0};

    if (!settings->allow_file)
        return 0;
    if (address_list_load(settings->allow_file, false, errors, &list) < 0) {
        text_append_string(errors, "\n");
        return -EINVAL;
    }
    address_list_clear(&list);
    return 0;
}

int bmp_station_claim(const struct bmp_station_settings *settings,
                      struct bgp_settings *bgp_settings, struct text *errors)
{
    uint32_t taken = bgp_settings->enabled ? bgp_settings->max_peers * 2 : 0;
    uint32_t slots = settings->routers_max * SLOTS_A_ROUTER;

    if (slots < SLOTS_MIN)
        slots = SLOTS_MIN;
    if (slots > RIB_SLOTS_MAX - taken)
        slots = RIB_SLOTS_MAX - taken;
    bgp_settings->guest_slots = slots;
    /* A peer may be a member of a view before policy, of one of its VRF, and of Adj-RIB-Out. */
    bgp_settings->guest_members = settings->routers_max * settings->peers_max * 2;
    if (slots >= SLOTS_MIN)
        return 0;
    text_append_printf(errors,
                       "bgp_daemon_max_peers: with bmp_daemon at most %d, so that BMP routers have "
                       "room in the RIB\n",
                       (RIB_SLOTS_MAX - SLOTS_MIN) / 2);
    return -EINVAL;
}

static void tables_make(struct bmp_station *station)
{
    const struct bmp_station_settings *settings = &station->settings;
    const struct bmp_tables_settings tables = {
        .rib = station->place.rib,
        .rcu = station->place.rcu,
        .first_slot = station->place.first_slot,
        .slot_count = station->place.slot_count,
        .routers = {settings->routers_max, "bmp_daemon_max_peers"},
        .peers = {settings->peers_max, "bmp_router_peers_max"},
        .paths = {settings->paths_max, "bmp_router_paths_max"},
    };

    /* The BGP thread does not run yet. */
    thread_enter_role(&bgp_thread);
    station->tables = bmp_tables_new(&tables);
    thread_leave_role(&bgp_thread);
    station->marks = mem_zalloc(sizeof *station->marks);
    station->router_settings = (struct bmp_router_settings){
        .peers_max = settings->peers_max,
        .attrs = station->place.attrs,
        .marks = station->marks,
        .totals = &station->totals,
    };
    station->connection_max = settings->routers_max + 2 * STATION_UNOPENED_MAX;
    station->connections = mem_calloc(station->connection_max, sizeof station->connections[0]);
}

int bmp_station_new(const struct bmp_station_settings *settings, struct bgp *bgp,
                    struct text *error, struct bmp_station **ret_station)
{
    struct bmp_station *station = mem_zalloc(sizeof *station);
    int err = 0;

    station->settings = *settings;
    station->bgp = bgp;
    station->place = bgp_place(bgp);
    for (size_t i = 0; i < STATION_LISTENERS_MAX; i++)
        station->listeners[i].fd = -1;
    if (settings->allow_file)
        err = address_list_load(settings->allow_file, false, error, &station->allow);
    if (err == 0)
        err = listeners_open(station, error);
    if (err < 0) {
        bmp_station_free(station);
        return err;
    }
    tables_make(station);
    bgp_set_guest(bgp,
                  &(struct bgp_guest){station_start, station_stop, station_reload, station_turn,
                                      station_memory, station_forget_stale,
                                      station_largest_stranger, station_end_stranger, station});
    *ret_station = station;
    return 0;
}

void bmp_station_say(const struct bmp_station *station)
{
    struct text places = {0};
    char text[IP_TEXT_LEN];

    for (size_t i = 0; i < STATION_LISTENERS_MAX; i++) {
        const struct bmp_listener *listener = &station->listeners[i];
        bool is_v6 = listener->address.family == IP_V6;
        if (listener->fd < 0)
            continue;
        ip_addr_format(&listener->address, text);
        text_append_printf(&places, "%s%s%s%s:%u", places.len ? " and " : "", is_v6 ? "[" : "",
                           text, is_v6 ? "]" : "", station->settings.port);
    }
    log_notice("bmp: waiting for routers on %s", text_cstr(&places));
    text_clear(&places);
}

void bmp_station_free(struct bmp_station *station)
{
    if (!station)
        return;
    for (size_t i = 0; i < STATION_LISTENERS_MAX; i++) {
        if (station->listeners[i].fd >= 0)
            close(station->listeners[i].fd);
    }
    if (station->tables) {
        thread_enter_role(&bgp_thread); /* which has ended */
        bmp_tables_free(station->tables);
        thread_leave_role(&bgp_thread);
    }
    address_list_clear(&station->allow);
    standing_clear(&station->standing);
    mem_free(station->connections);
    mem_free(station->marks);
    mem_free(station);
}

const struct bmp_tables *bmp_station_tables(const struct bmp_station *station)
{
    return station->tables;
}

/* ---- statistics ---- */

static const struct bgp_statistic station_rows[] =
    {
#define BMP_STATION_COUNTER(NAME, HELP) {#NAME, HELP, false},
#define BMP_STATION_GAUGE(NAME, HELP)   {#NAME, HELP, true},
#include "bmp/bmp_station_counters.def"
#undef BMP_STATION_COUNTER
#undef BMP_STATION_GAUGE
},
                                  message_rows[] =
                                      {
#define BMP_COUNTER(NAME, HELP) {#NAME, HELP, false},
#include "bmp/bmp_counters.def"
#undef BMP_COUNTER
},
                                  reject_rows[] = {
#define BMP_REJECT(NAME, HELP) {"rejected_" #NAME, HELP, false},
#include "bmp/bmp_rejects.def"
#undef BMP_REJECT
};

void bmp_station_statistics_each(const struct bmp_station *station, bgp_statistic_fn *fn, void *arg)
{
    for (int i = 0; i < BMP_STATION_COUNTER_COUNT; i++)
        fn(arg, &station_rows[i], counter_get(&station->counters[i]));
    for (int i = 0; i < BMP_COUNTER_COUNT; i++)
        fn(arg, &message_rows[i], counter_get(&station->totals.counters[i]));
    for (int i = 0; i < BMP_REJECT_COUNT; i++)
        fn(arg, &reject_rows[i], counter_get(&station->totals.rejects[i]));
    bmp_tables_statistics_each(station->tables, fn, arg);
}
