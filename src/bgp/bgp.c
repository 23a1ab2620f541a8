/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BGP thread. One poller drives listeners, sessions and timers; between its rounds the RIB gets
 * a slice of time for sweeping. Other threads ask for a reload or the end through a word of bits
 * and an eventfd.
 */
#include "base/log.h"
#include "base/machine_memory.h"
#include "base/memory.h"
#include "bgp/bgp_private.h"
#include "bgp/table_save.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define IDLE_WAIT_MS       1000
#define STOP_WAIT_S        1 /* for peers to take our NOTIFICATION */
#define PUBLISH_INTERVAL_S 10

enum { REQUEST_STOP = 1, REQUEST_RELOAD = 2, REQUEST_NAMED = 4 };

/* Numbers what does not stand in bgp->counters. */
enum other_statistic {
#define BGP_COUNTER(NAME, HELP)
#define BGP_TOTAL(NAME, HELP) OTHER_##NAME,
#define BGP_GAUGE(NAME, HELP) OTHER_##NAME,
#include "bgp/bgp_counters.def"
#undef BGP_COUNTER
#undef BGP_TOTAL
#undef BGP_GAUGE
    OTHER_COUNT
};

/* The counters come first, in the order of their numbers; then the others in theirs. */
static const struct bgp_statistic statistics[BGP_COUNTER_COUNT + OTHER_COUNT] = {
#define BGP_COUNTER(NAME, HELP) {#NAME, HELP, false},
#define BGP_TOTAL(NAME, HELP)   {#NAME, HELP, false},
#define BGP_GAUGE(NAME, HELP)   {#NAME, HELP, true},
#include "bgp/bgp_counters.def"
#undef BGP_COUNTER
#undef BGP_TOTAL
#undef BGP_GAUGE
};

void bgp_publish(struct bgp *bgp)
{
    peer_table_publish(&bgp->peers, true);
    poller_timer_set_in(bgp->poller, &bgp->publish_timer, PUBLISH_INTERVAL_S * NS_PER_S);
    if (!bgp->neighbors)
        return;
    struct text list = {0};
    peer_table_list(&bgp->peers, &list);
    neighbors_file_put(bgp->neighbors, &list);
    text_clear(&list);
}

/* Makes what writes the list of neighbours, in the thread that uses it. */
static void neighbors_begin(struct bgp *bgp) ON_THREAD(bgp_thread)
{
    const char *path = bgp->settings.enabled ? bgp->settings.neighbors_file : NULL;
    int err = path ? neighbors_file_new(path, bgp->poller, &bgp->neighbors) : 0;

    if (err < 0)
        log_error("bgp: %s: %s; no list of neighbours is written", path, strerror(-err));
}

/* The list stays as it is: the sessions that end now end because we stop. */
static void neighbors_end(struct bgp *bgp) ON_THREAD(bgp_thread)
{
    neighbors_file_free(bgp->neighbors);
    bgp->neighbors = NULL;
}

static void publish_due(void *arg) ON_THREAD(bgp_thread)
{
    struct bgp *bgp = arg;

    THREAD_ASSERT(bgp_thread);
    peer_table_publish(&bgp->peers, false);
    poller_timer_set_in(bgp->poller, &bgp->publish_timer, PUBLISH_INTERVAL_S * NS_PER_S);
}

/* Reads a list again; one that cannot be read leaves the old one in force. False: it does. */
static bool list_reload(const char *file, bool has_passwords, struct address_list *list)
{
    struct address_list loaded;
    struct text error = {0};

    if (!file)
        return true;
    bool is_read = address_list_load(file, has_passwords, &error, &loaded) == 0;
    if (!is_read) {
        log_error("bgp: %s; the old list stays in force", text_cstr(&error));
    } else {
        address_list_clear(list);
        *list = loaded;
        log_notice("bgp: %s read again, %zu entries", file, list->count);
    }
    text_clear(&error);
    return is_read;
}

static void list_expect(struct bgp *bgp, const struct address_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct ip_prefix *prefix = &list->entries[i].prefix;
        if (prefix->len == (prefix->addr.family == IP_V6 ? 128 : 32))
            peer_table_expect(&bgp->peers, &prefix->addr);
    }
}

/* Whom the configuration names by address. */
static void peers_expect(struct bgp *bgp)
{
    peer_table_expect_none(&bgp->peers);
    list_expect(bgp, &bgp->allow);
    list_expect(bgp, &bgp->md5);
    for (size_t i = 0; i < bgp->connector_count; i++)
        peer_table_expect(&bgp->peers, &bgp->connectors[i].address);
}

static bool md5_reload(struct bgp *bgp)
{
    struct address_list old = {0};
    bool is_read;

    if (!bgp->settings.enabled || !bgp->settings.md5_file)
        return true;
    /* The new list takes the place of the old one, so a copy of that tells which keys the kernel
     * still has. */
    old.count = bgp->md5.count;
    old.entries = mem_dup(bgp->md5.entries, old.count * sizeof old.entries[0]);
    is_read = list_reload(bgp->settings.md5_file, true, &bgp->md5);
    for (size_t i = 0; i < BGP_LISTENERS_MAX; i++) {
        struct bgp_listener *listener = &bgp->listeners[i];
        int err = listener->fd < 0
                      ? 0
                      : bgp_socket_set_md5(listener->fd, listener->family, &old, &bgp->md5);
        if (err < 0)
            log_error("bgp: TCP-MD5 keys: %s", strerror(-err));
    }
    address_list_clear(&old);
    return is_read;
}

static void lists_reload(struct bgp *bgp) ON_THREAD(bgp_thread)
{
    const char *allow_file = bgp->settings.enabled ? bgp->settings.allow_file : NULL;
    bool is_allow_read = list_reload(allow_file, false, &bgp->allow);
    bool is_md5_read = md5_reload(bgp);
    bool is_guests_read = !bgp->guest.reload || bgp->guest.reload(bgp->guest.arg);

    atomic_store_explicit(&bgp->keeps_old_lists, !is_allow_read || !is_md5_read || !is_guests_read,
                          memory_order_relaxed);
    peers_expect(bgp);
    bgp_publish(bgp);
}

static void named_take(struct bgp *bgp) ON_THREAD(bgp_thread)
{
    struct bgp_named *next = atomic_exchange_explicit(&bgp->named_next, NULL, memory_order_acq_rel);

    if (!next)
        return;
    mem_free(bgp->named);
    bgp->named = next;
}

static void wake_readable(void *arg, int fd, unsigned events)
{
    (void)arg, (void)events;
    poller_event_drain(fd);
}

/* Says goodbye to everybody, and waits a moment for them to hear it. */
static void bgp_shut(struct bgp *bgp) ON_THREAD(bgp_thread)
{
    struct notification n = notification_shutdown("collector stops");
    struct mono_time end = {clock_mono().ns + STOP_WAIT_S * NS_PER_S};

    bgp_peering_stop(bgp, &n);
    while (bgp->session_count > 0) {
        int64_t left_ms = (end.ns - clock_mono().ns) / NS_PER_MS;
        if (left_ms <= 0 || poller_wait(bgp->poller, (int)left_ms) < 0)
            return;
    }
}

static void bgp_loop(struct bgp *bgp) ON_THREAD(bgp_thread)
{
    uint64_t changes = 0, published_changes = 0;
    bool has_more = false;

    for (;;) {
        unsigned requests = atomic_exchange_explicit(&bgp->requests, 0, memory_order_acquire);
        if (requests & REQUEST_STOP)
            return;
        if (requests & REQUEST_RELOAD)
            lists_reload(bgp);
        if (requests & REQUEST_NAMED)
            named_take(bgp);
        int log_ms = route_log_turn(bgp->log);
        int wait_ms = log_ms >= 0 && log_ms < IDLE_WAIT_MS ? log_ms : IDLE_WAIT_MS;
        int err = poller_wait(bgp->poller, has_more ? 0 : wait_ms);
        if (err < 0 && err != -EINTR) {
            log_error("bgp: waiting for events: %s; the BGP thread ends", strerror(-err));
            return;
        }
        has_more = rib_tick(bgp->rib, clock_wall(), clock_mono(), &changes);
        has_more |= bgp->guest.turn && bgp->guest.turn(bgp->guest.arg);
        has_more |= table_load_some(bgp);
        if (changes != published_changes) {
            published_changes = changes;
            bgp_publish(bgp);
        }
        peer_table_poll(&bgp->peers);
        attr_store_poll(bgp->attrs);
        counter_add(&bgp->beats, 1);
        bgp_memory_check(bgp);
    }
}

static void bgp_main(void *arg)
{
    struct bgp *bgp = arg;

    thread_enter_role(&bgp_thread);
    neighbors_begin(bgp);
    bgp_peering_start(bgp);
    if (bgp->guest.start)
        bgp->guest.start(bgp->guest.arg);
    bgp_loop(bgp);
    if (bgp->settings.enabled && bgp->settings.table_save && !bgp->settings.is_replay)
        table_save(bgp);
    neighbors_end(bgp);
    if (bgp->guest.stop)
        bgp->guest.stop(bgp->guest.arg);
    bgp_shut(bgp);
    thread_leave_role(&bgp_thread);
}

static int listener_open(struct bgp *bgp, const struct ip_addr *address, struct text *error)
{
    struct bgp_listener *listener = &bgp->listeners[address->family == IP_V6];
    char text[IP_TEXT_LEN];

    listener->family = (enum ip_family)address->family;
    listener->address = *address;
    int err = bgp_socket_listen(&bgp->settings, address, &listener->fd);
    if (err >= 0)
        err = bgp_socket_set_md5(listener->fd, listener->family, &(struct address_list){0},
                                 &bgp->md5);
    if (err < 0) {
        ip_addr_format(address, text);
        text_append_printf(error, "bgp_daemon_port: cannot listen on %s port %u%s%s: %s", text,
                           bgp->settings.port, bgp->settings.interface ? " of interface " : "",
                           bgp->settings.interface ? bgp->settings.interface : "", strerror(-err));
        if (err == -EACCES)
            text_append_string(error,
                               "; give the program CAP_NET_BIND_SERVICE or use another port");
        if (err == -EADDRINUSE)
            text_append_printf(error, "; `ss -tlpn 'sport = :%u'` shows who has it",
                               bgp->settings.port);
        if (err == -ENOPROTOOPT && bgp->md5.count > 0)
            text_append_string(error, "; bgp_daemon_md5_file needs a kernel with TCP-MD5 "
                                      "(CONFIG_TCP_MD5SIG)");
    }
    return err;
}

static int listeners_open(struct bgp *bgp, struct text *error)
{
    const struct ip_addr any_v4 = ip_addr_v4((const uint8_t[4]){0});
    const struct ip_addr any_v6 = ip_addr_v6((const uint8_t[16]){0});
    struct ip_addr address;

    if (bgp->settings.listen_ip) {
        if (ip_addr_parse(bgp->settings.listen_ip, &address) < 0) {
            text_append_string(error, "bgp_daemon_ip: not an IP address");
            return -EINVAL;
        }
        return listener_open(bgp, &address, error);
    }
    size_t before = error->len;
    int err = listener_open(bgp, &any_v6, error);
    if (bgp->settings.ipv6_only)
        return err;
    /* A host without IPv6 is no error: IPv4 alone will do. */
    if (err < 0 && err != -EAFNOSUPPORT && err != -EADDRNOTAVAIL)
        return err;
    error->len = before;
    return listener_open(bgp, &any_v4, error);
}

/* Returns the identifier that was asked for, else the address that we listen on. */
static uint32_t router_id_choose(const struct bgp_settings *settings)
{
    const char *texts[] = {settings->router_id, settings->listen_ip};
    struct ip_addr address;

    for (size_t i = 0; i < 2; i++) {
        if (texts[i] && ip_addr_parse(texts[i], &address) == 0 && address.family == IP_V4 &&
            !ip_addr_is_zero(&address))
            return wire_u32(ip_addr_wire(&address));
    }
    return 0x01020304;
}

static int patterns_load(struct bgp *bgp, struct text *error)
{
    const char *lists[COMMUNITY_KIND_COUNT] = {bgp->settings.stdcomm_pattern,
                                               bgp->settings.extcomm_pattern,
                                               bgp->settings.lrgcomm_pattern};

    for (int kind = 0; kind < COMMUNITY_KIND_COUNT; kind++) {
        if (community_patterns_parse(lists[kind], &bgp->text_settings.patterns[kind]) < 0) {
            text_append_printf(error, "more than %d community patterns", COMMUNITY_PATTERNS_MAX);
            return -E2BIG;
        }
    }
    bgp->text_settings.communities_numeric = bgp->settings.communities_numeric;
    bgp->text_settings.as_path_radius = bgp->settings.aspath_radius;
    bgp->text_settings.keeps_received =
        bgp->settings.keeps_received || (bgp->settings.enabled && bgp->settings.table_save);
    return 0;
}

static int files_load(struct bgp *bgp, struct text *error)
{
    int err = 0;

    if (bgp->settings.allow_file)
        err = address_list_load(bgp->settings.allow_file, false, error, &bgp->allow);
    if (err == 0 && bgp->settings.md5_file)
        err = address_list_load(bgp->settings.md5_file, true, error, &bgp->md5);
    return err;
}

int bgp_check(const struct bgp_settings *settings, struct text *errors)
{
    struct bgp bgp = {.settings = *settings};
    struct address_list list = {0};
    const struct {
        const char *file;
        bool has_passwords;
    } files[] = {{settings->allow_file, false}, {settings->md5_file, true}};
    size_t before = errors->len;

    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        if (!files[i].file)
            continue;
        if (address_list_load(files[i].file, files[i].has_passwords, errors, &list) < 0)
            text_append_string(errors, "\n");
        else
            address_list_clear(&list);
    }
    if (bgp_connectors_make(&bgp, errors) < 0)
        text_append_string(errors, "\n");
    if (table_load_check(settings, errors) < 0)
        text_append_string(errors, "\n");
    mem_free(bgp.connectors);
    return errors->len > before ? -EINVAL : 0;
}

static void tables_make(struct bgp *bgp, struct rcu *rcu)
{
    /* There are as many slots again for peers that are down and still have paths. */
    uint32_t slots = bgp->settings.enabled ? bgp->settings.max_peers * 2 : 0;

    bgp->rcu = rcu;
    bgp->attrs = attr_store_new(rcu, &bgp->text_settings);
    const struct rib_settings rib_settings = {
        .max_peers = slots + bgp->settings.guest_slots,
        .max_members = bgp->settings.guest_members,
        .history_s = bgp->settings.path_history_s,
        .history_max = bgp->settings.path_history_max,
        .peer_paths_max = bgp->settings.peer_paths_max,
        .peer_prefixes_max = bgp->settings.max_prefixes,
        .peer_down_keep_s = bgp->settings.peer_down_keep_s,
        .attrs_pool = attr_store_pool(bgp->attrs),
        .attrs_unref = attr_store_unref,
        .attrs_arg = bgp->attrs,
    };
    bgp->rib = rib_new(rcu, &rib_settings);
    bgp->memory_max =
        bgp->settings.max_memory ? bgp->settings.max_memory : machine_memory() / 4 * 3;
    peer_table_init(&bgp->peers, slots, bgp->rib, rcu);
    bgp->session_max = slots + 2 * BGP_UNOPENED_MAX;
    bgp->sessions = mem_calloc(bgp->session_max, sizeof bgp->sessions[0]);
}

/* Opens and reads what speaking BGP needs. */
static int speaker_open(struct bgp *bgp, struct text *error)
{
    int err = files_load(bgp, error);

    if (err == 0)
        err = bgp_connectors_make(bgp, error);
    if (err == 0)
        err = table_load_new(&bgp->settings, error, &bgp->load);
    return err < 0 ? err : listeners_open(bgp, error);
}

int bgp_new(const struct bgp_settings *settings, struct rcu *rcu, struct text *error,
            struct bgp **ret_bgp)
{
    struct bgp *bgp = mem_zalloc(sizeof *bgp);
    int err;

    bgp->settings = *settings;
    bgp->wake_fd = -1;
    for (size_t i = 0; i < BGP_LISTENERS_MAX; i++)
        bgp->listeners[i].fd = -1;
    bgp->session_settings.local_as = settings->local_as;
    bgp->session_settings.router_id = router_id_choose(settings);
    bgp->session_settings.hold_time_s = settings->hold_time_s;
    if (settings->hold_time_s == 1 || settings->hold_time_s == 2)
        bgp->session_settings.hold_time_s = 3; /* the least that RFC 4271 section 4.2 allows */
    bgp->session_settings.add_path = !settings->add_path_ignore;
    bgp->publish_timer.fn = publish_due;
    bgp->publish_timer.arg = bgp;
    err = poller_new(&bgp->poller);
    if (err < 0)
        goto fail;
    err = patterns_load(bgp, error);
    if (err < 0)
        goto fail;
    tables_make(bgp, rcu);
    err = settings->enabled ? speaker_open(bgp, error) : 0;
    if (err < 0)
        goto fail;
    err = bgp->wake_fd = poller_event_new();
    if (err < 0)
        goto fail;
    err = poller_add(bgp->poller, bgp->wake_fd, POLLER_READ, wake_readable, bgp);
    if (err < 0)
        goto fail;
    peers_expect(bgp);
    *ret_bgp = bgp;
    return 0;
fail:
    if (error->len == 0)
        text_append_printf(error, "bgp: %s", strerror(-err));
    bgp_free(bgp);
    return err;
}

/* An address and port as operators write them: 192.0.2.1:179, [2001:db8::1]:179. */
static void listeners_say(const struct bgp *bgp)
{
    struct text places = {0};
    char text[IP_TEXT_LEN];

    for (size_t i = 0; i < BGP_LISTENERS_MAX; i++) {
        const struct bgp_listener *listener = &bgp->listeners[i];
        bool is_v6 = listener->family == IP_V6;
        if (listener->fd < 0)
            continue;
        ip_addr_format(&listener->address, text);
        text_append_printf(&places, "%s%s%s%s:%u", places.len ? " and " : "", is_v6 ? "[" : "",
                           text, is_v6 ? "]" : "", bgp->settings.port);
    }
    log_notice("bgp: waiting for peers on %s", text_cstr(&places));
    text_clear(&places);
}

/* Loads all files before flows are read; there is no BGP thread yet. */
static void load_all(struct bgp *bgp)
{
    thread_enter_role(&bgp_thread);
    while (table_load_some(bgp))
        bgp_memory_check(bgp);
    thread_leave_role(&bgp_thread);
}

int bgp_set_log(struct bgp *bgp, const struct bgp_log_sink *sink)
{
    bgp->log = route_log_new(sink, &bgp->settings, bgp->rib, &bgp->peers);
    return poller_add(bgp->poller, sink->fd, POLLER_READ, wake_readable, bgp);
}

bool bgp_log_seq(const struct bgp *bgp, uint64_t *ret_seq)
{
    if (bgp->log)
        *ret_seq = route_log_seq(bgp->log);
    return bgp->log != NULL;
}

int bgp_start(struct bgp *bgp)
{
    if (bgp->settings.enabled)
        listeners_say(bgp);
    if (bgp->settings.enabled && bgp->settings.neighbors_file)
        neighbors_file_load(bgp->settings.neighbors_file, &bgp->standing, clock_mono());
    if (bgp->settings.is_replay)
        load_all(bgp);
    return thread_start(&bgp->thread, "bgp", bgp_main, bgp);
}

static void bgp_request(struct bgp *bgp, unsigned request)
{
    atomic_fetch_or_explicit(&bgp->requests, request, memory_order_release);
    poller_event_wake(bgp->wake_fd);
}

void bgp_stop(struct bgp *bgp)
{
    bgp_request(bgp, REQUEST_STOP);
    thread_join(&bgp->thread);
}

void bgp_free(struct bgp *bgp)
{
    if (!bgp)
        return;
    for (size_t i = 0; i < bgp->session_count; i++)
        session_free(bgp->sessions[i]);
    mem_free(bgp->sessions);
    mem_free(bgp->connectors);
    for (size_t i = 0; i < BGP_LISTENERS_MAX; i++) {
        if (bgp->listeners[i].fd >= 0)
            close(bgp->listeners[i].fd);
    }
    if (bgp->wake_fd >= 0)
        close(bgp->wake_fd);
    poller_free(bgp->poller);
    table_load_free(bgp->load);
    route_log_free(bgp->log);
    peer_table_clear(&bgp->peers);
    if (bgp->rib)
        rib_free(bgp->rib);
    attr_store_free(bgp->attrs);
    for (int kind = 0; kind < COMMUNITY_KIND_COUNT; kind++)
        community_patterns_clear(&bgp->text_settings.patterns[kind]);
    address_list_clear(&bgp->allow);
    address_list_clear(&bgp->md5);
    standing_clear(&bgp->standing);
    mem_free(bgp->named);
    mem_free(atomic_load_explicit(&bgp->named_next, memory_order_relaxed));
    mem_free(bgp);
}

uint64_t bgp_beats(const struct bgp *bgp)
{
    return counter_get(&bgp->beats);
}

bool bgp_keeps_old_lists(const struct bgp *bgp)
{
    return atomic_load_explicit(&bgp->keeps_old_lists, memory_order_relaxed);
}

void bgp_reload(struct bgp *bgp)
{
    bgp_request(bgp, REQUEST_RELOAD);
}

void bgp_name_addresses(struct bgp *bgp, const struct ip_addr *addresses, size_t count)
{
    struct bgp_named *named = mem_alloc(sizeof *named + count * sizeof named->addresses[0]);

    named->count = count;
    if (count > 0)
        memcpy(named->addresses, addresses, count * sizeof named->addresses[0]);
    mem_free(atomic_exchange_explicit(&bgp->named_next, named, memory_order_acq_rel));
    bgp_request(bgp, REQUEST_NAMED);
}

const struct rib *bgp_rib(const struct bgp *bgp)
{
    return bgp->rib;
}

void bgp_set_guest(struct bgp *bgp, const struct bgp_guest *guest)
{
    bgp->guest = *guest;
}

struct bgp_place bgp_place(const struct bgp *bgp)
{
    return (struct bgp_place){
        .poller = bgp->poller,
        .rib = bgp->rib,
        .rcu = bgp->rcu,
        .attrs = bgp->attrs,
        .first_slot = bgp->peers.capacity,
        .slot_count = bgp->settings.guest_slots,
    };
}

const struct bgp_peers *bgp_peers(const struct bgp *bgp)
{
    return rcu_read(&bgp->peers.snapshot);
}

const struct bgp_peer_info *bgp_peers_find(const struct bgp_peers *peers, uint32_t index)
{
    uint32_t low = 0, high = peers ? peers->count : 0;

    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (peers->peers[middle].index < index)
            low = middle + 1;
        else
            high = middle;
    }
    return peers && low < peers->count && peers->peers[low].index == index ? &peers->peers[low]
                                                                           : NULL;
}

void bgp_statistics_each(const struct bgp *bgp, bgp_statistic_fn *fn, void *arg)
{
    struct attr_store_statistics attrs = attr_store_statistics(bgp->attrs);
    struct rib_statistics rib;

    rib_statistics(bgp->rib, &rib);
    const uint64_t others[OTHER_COUNT] = {
        [OTHER_rib_history_evicted] = rib.history_evicted,
        [OTHER_rib_paths_refused] = rib.paths_refused,
        [OTHER_rib_prefixes] = rib.prefixes,
        [OTHER_rib_paths] = rib.paths,
        [OTHER_rib_history_paths] = rib.history_paths,
        [OTHER_rib_bytes] = rib.bytes,
        [OTHER_memory_used] = counter_get(&bgp->memory_used),
        [OTHER_memory_max] = bgp->memory_max,
        [OTHER_attribute_sets] = attrs.sets,
        [OTHER_attribute_texts] = attrs.texts,
        [OTHER_attribute_bytes] = attrs.bytes,
    };
    for (int i = 0; i < BGP_COUNTER_COUNT; i++)
        fn(arg, &statistics[i], counter_get(&bgp->counters[i]));
    for (int i = 0; i < OTHER_COUNT; i++)
        fn(arg, &statistics[BGP_COUNTER_COUNT + i], others[i]);
}
