/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread of the client: it connects, asks, takes answers, and waits for what comes next. After
 * anything that goes wrong it gives the connection up and begins anew, with what it knows.
 */
#include "rpki/rtr.h"

#include "base/address_port.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/metric.h"
#include "base/poller.h"
#include "base/text.h"
#include "base/thread.h"
#include "rpki/roa_set.h"
#include "rpki/rtr_pdu.h"
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

const struct config_key rtr_keys[] = {
    {"rpki_rtr_cache", KEY_STRING_AT(struct rtr_settings, cache),
     .help = "address and port of a cache of the RPKI (RTR over TCP), ADDRESS:PORT or "
             "[ADDRESS]:PORT, which tells the ROAs in place of rpki_roas_file"},
    {"rpki_rtr_cache_version", KEY_INT_AT(struct rtr_settings, version, 0, 1), "0",
     .help = "version of RTR; a cache that does not speak 1 is asked by 0"},
    {"rpki_rtr_cache_pipe_size", KEY_SIZE_AT(struct rtr_settings, pipe_size, 0, INT32_MAX), "0",
     .help = "receive buffer of the connection to the cache; 0: the system's"},
    {"rpki_rtr_cache_ipprec", KEY_INT_AT(struct rtr_settings, ip_precedence, 0, 7), "0",
     .help = "IP precedence of what is sent to the cache"},
    {0},
};

/* Seconds. Without intervals of the cache's own those of RFC 8210 section 6 hold, and RFC 6810 has none
 * but a wait before the next try. */
enum {
    CONNECT_S = 10,
    ANSWER_S = 60,
    REFRESH_S = 3600,
    REFRESH_MAX_S = 86400,
    FIRST_RETRY_S = 10,
    RETRY_S = 600,
    RETRY_MAX_S = 7200,
    EXPIRE_S = 7200,
    EXPIRE_MIN_S = 600,
    EXPIRE_MAX_S = 172800,
    SAY_AGAIN_S = 600, /* the same trouble */
};

enum rtr_counter {
#define RTR_COUNTER(name, help) RTR_COUNTER_##name,
#define RTR_GAUGE(name, help)   RTR_COUNTER_##name,
#include "rpki/rtr_counters.def"
#undef RTR_COUNTER
#undef RTR_GAUGE
    RTR_COUNTER_COUNT
};
static const struct rtr_statistic statistics[RTR_COUNTER_COUNT] = {
#define RTR_COUNTER(name, help) {#name, help, false},
#define RTR_GAUGE(name, help)   {#name, help, true},
#include "rpki/rtr_counters.def"
#undef RTR_COUNTER
#undef RTR_GAUGE
};

enum { TROUBLES_KEPT = 4 };

struct rtr {
    struct rtr_settings settings;
    struct address_port cache;
    struct thread thread;
    int stop_event;
    atomic_bool is_stopping;
    const struct roa_table *_Atomic table;
    struct counter counters[RTR_COUNTER_COUNT];
    /* The thread's own: */
    struct rcu_queue *retired;
    struct roa_set set;
    int fd;
    int version;
    bool has_session; /* the set is what the cache had at that serial */
    uint16_t session;
    uint32_t serial;
    bool is_asked, asked_all; /* an answer is due; to a question for all there is */
    bool in_answer;
    int64_t refresh_s, retry_s, expire_s;
    bool tries_at_once; /* to connect again */
    int64_t next_ns;    /* the answer's due, or the next question */
    int64_t expire_ns;  /* of the set; 0: there is none */
    struct {
        char text[256];
        int64_t told_ns;
    } troubles
        [TROUBLES_KEPT]; /* those that were told last; what comes in turns is not told each time */
    uint32_t trouble_count; /* since the last answer */
    uint8_t input[RTR_LEN_MAX];
    size_t input_len;
};

int rtr_check(const struct rtr_settings *settings, struct text *error)
{
    struct address_port cache;

    return settings->cache ? address_port_parse(settings->cache, &cache, error) : 0;
}

struct rtr *rtr_new(const struct rtr_settings *settings, struct rcu *rcu)
{
    struct rtr *r = mem_zalloc(sizeof *r);
    struct text ignored = {0}; /* rtr_check() has told it */

    r->settings = *settings;
    r->version = settings->version;
    r->fd = -1;
    r->refresh_s = REFRESH_S;
    r->retry_s = r->version == 0 ? FIRST_RETRY_S : RETRY_S;
    r->expire_s = EXPIRE_S;
    r->stop_event = poller_event_new();
    r->retired = rcu_queue_new(rcu);
    address_port_parse(settings->cache, &r->cache, &ignored);
    text_clear(&ignored);
    return r;
}

void rtr_free(struct rtr *r)
{
    if (!r)
        return;
    rcu_queue_free(r->retired);
    roa_table_free((void *)(uintptr_t)rcu_read(&r->table));
    roa_set_clear(&r->set);
    if (r->stop_event >= 0)
        close(r->stop_event);
    mem_free(r);
}

const struct roa_table *_Atomic *rtr_roas(struct rtr *r)
{
    return &r->table;
}

void rtr_statistics_each(const struct rtr *r, rtr_statistic_fn *fn, void *arg)
{
    for (int i = 0; i < RTR_COUNTER_COUNT; i++)
        fn(arg, &statistics[i], counter_get(&r->counters[i]));
}

/* ---- what is in force ---- */

static void publish(struct rtr *r, struct roa_table *table)
{
    const struct roa_table *old = rcu_read(&r->table);

    rcu_publish(&r->table, table);
    if (old)
        rcu_retire(r->retired, roa_table_free, (void *)(uintptr_t)old);
    counter_set(&r->counters[RTR_COUNTER_roas], table ? roa_table_count(table) : 0);
    counter_set(&r->counters[RTR_COUNTER_serial], table ? r->serial : 0);
}

static void forget(struct rtr *r)
{
    roa_set_clear(&r->set);
    r->has_session = false;
    r->expire_ns = 0;
    publish(r, NULL);
}

static void expire_if_due(struct rtr *r)
{
    if (r->expire_ns == 0 || clock_mono().ns < r->expire_ns)
        return;
    log_warning("rpki: cache %s: no answer for %" PRId64
                " s: its %zu ROAs no longer hold, and origins are unknown until it is back",
                r->settings.cache, r->expire_s, r->set.count);
    counter_add(&r->counters[RTR_COUNTER_expired], 1);
    forget(r);
}

/* ---- the connection ---- */

/* Waits for something to read or write (`events` of poll(), 0: for nothing) until an instant. Returns
 * false when there is nothing, as the time is over or the thread has to end. */
static bool wait_until(struct rtr *r, short events, int64_t until_ns)
{
    struct pollfd fds[] = {{.fd = r->stop_event, .events = POLLIN},
                           {.fd = events ? r->fd : -1, .events = events}};

    while (!atomic_load_explicit(&r->is_stopping, memory_order_relaxed)) {
        int64_t left_ns = until_ns - clock_mono().ns;
        int64_t left_ms = left_ns > 0 ? (left_ns + NS_PER_MS - 1) / NS_PER_MS : 0;
        expire_if_due(r);
        rcu_queue_poll(r->retired);
        if (left_ms == 0)
            return false;
        if (poll(fds, 2, left_ms < 1000 ? (int)left_ms : 1000) > 0 && fds[1].revents)
            return true;
    }
    return false;
}

/* Tells of a trouble, but of the same one not each time. */
static void tell(struct rtr *r, const char *what, const char *why)
{
    char trouble[sizeof r->troubles[0].text];
    int64_t now = clock_mono().ns;

    snprintf(trouble, sizeof trouble, "%s%s%s", what, *why ? ": " : "", why);
    for (int i = 0; i < TROUBLES_KEPT; i++)
        if (strcmp(trouble, r->troubles[i].text) == 0 &&
            now - r->troubles[i].told_ns < SAY_AGAIN_S * NS_PER_S)
            return;
    memcpy(r->troubles[r->trouble_count % TROUBLES_KEPT].text, trouble, sizeof trouble);
    r->troubles[r->trouble_count++ % TROUBLES_KEPT].told_ns = now;
    if (r->expire_ns > 0)
        log_warning("rpki: cache %s: %s; its %zu ROAs hold for another %" PRId64 " s",
                    r->settings.cache, trouble, r->set.count, (r->expire_ns - now) / NS_PER_S);
    else
        log_warning(
            "rpki: cache %s: %s; there are no ROAs, and origins are unknown until it answers",
            r->settings.cache, trouble);
}

/* Returns -errno. */
static int begin_to_connect(struct rtr *r)
{
    struct sockaddr_storage to;
    socklen_t len = ip_addr_to_sockaddr(&r->cache.ip, r->cache.port, &to);
    int precedence = r->settings.ip_precedence << 5;
    bool is_v4 = r->cache.ip.family == IP_V4;

    r->fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (r->fd < 0)
        return -errno;
    if (r->settings.pipe_size > 0 &&
        setsockopt(r->fd, SOL_SOCKET, SO_RCVBUF, &r->settings.pipe_size,
                   sizeof r->settings.pipe_size) < 0)
        return -errno;
    if (precedence > 0 &&
        setsockopt(r->fd, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_TOS : IPV6_TCLASS,
                   &precedence, sizeof precedence) < 0)
        return -errno;
    return connect(r->fd, (const struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS ? -errno
                                                                                         : 0;
}

static int connect_cache(struct rtr *r)
{
    int err = begin_to_connect(r), result = 0;
    socklen_t len = sizeof result;

    if (err == 0 && !wait_until(r, POLLOUT, clock_mono().ns + CONNECT_S * NS_PER_S))
        err = -ETIMEDOUT;
    if (err == 0 && getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &result, &len) == 0)
        err = -result;
    return err;
}

/* ---- the protocol ---- */

/* Says how the connection goes on after a message. */
enum course { GOES_ON, IS_LOST };

static enum course ask(struct rtr *r)
{
    uint8_t query[RTR_QUERY_MAX];
    size_t len = r->has_session
                     ? rtr_serial_query(query, (uint8_t)r->version, r->session, r->serial)
                     : rtr_reset_query(query, (uint8_t)r->version);

    r->is_asked = true;
    r->asked_all = !r->has_session;
    r->in_answer = false;
    r->next_ns = clock_mono().ns + ANSWER_S * NS_PER_S;
    if (send(r->fd, query, len, MSG_NOSIGNAL) == (ssize_t)len)
        return GOES_ON;
    tell(r, "the connection is lost", strerror(errno));
    return IS_LOST;
}

static enum course give_up(struct rtr *r, const char *why)
{
    counter_add(&r->counters[RTR_COUNTER_malformed], 1);
    tell(r, "the connection is given up", why);
    return IS_LOST;
}

static enum course begin_answer(struct rtr *r, const struct rtr_pdu *pdu)
{
    if (!r->is_asked || r->in_answer)
        return give_up(r, "it sent an answer that nobody asked for");
    if (!r->asked_all && pdu->session != r->session) {
        r->tries_at_once = true; /* it has begun anew: ask for all */
        return give_up(r, "it has lost its session");
    }
    roa_set_drop_changes(&r->set);
    r->session = pdu->session;
    r->in_answer = true;
    return GOES_ON;
}

static enum course take_roa(struct rtr *r, const struct rtr_pdu *pdu)
{
    if (!r->in_answer)
        return give_up(r, "it sent a ROA outside of an answer");
    if (roa_set_change(&r->set, &pdu->roa, pdu->is_announcement) < 0)
        return give_up(r, "it has more ROAs than are believed");
    counter_add(&r->counters[pdu->is_announcement ? RTR_COUNTER_announced : RTR_COUNTER_withdrawn],
                1);
    r->next_ns = clock_mono().ns + ANSWER_S * NS_PER_S;
    return GOES_ON;
}

static int64_t within(int64_t value, int64_t min, int64_t max)
{
    return value < min ? min : value > max ? max : value;
}

static void take_intervals(struct rtr *r, const struct rtr_pdu *pdu)
{
    if (!pdu->has_intervals)
        return;
    r->refresh_s = within(pdu->refresh_s, 1, REFRESH_MAX_S);
    r->retry_s = within(pdu->retry_s, 1, RETRY_MAX_S);
    r->expire_s = within(pdu->expire_s, EXPIRE_MIN_S, EXPIRE_MAX_S);
}

static enum course end_answer(struct rtr *r, const struct rtr_pdu *pdu)
{
    size_t changed = r->set.change_count;

    if (!r->in_answer)
        return give_up(r, "it ended an answer that had not begun");
    if (roa_set_commit(&r->set, r->asked_all) < 0)
        return give_up(r, "it has more ROAs than are believed");
    take_intervals(r, pdu);
    r->has_session = true;
    r->serial = pdu->serial;
    r->is_asked = r->in_answer = false;
    r->next_ns = clock_mono().ns + r->refresh_s * NS_PER_S;
    r->expire_ns = clock_mono().ns + r->expire_s * NS_PER_S;
    counter_add(&r->counters[RTR_COUNTER_answers], 1);
    if (changed > 0 || r->asked_all)
        publish(r, roa_table_new(r->set.roas, r->set.count));
    else
        counter_set(&r->counters[RTR_COUNTER_serial], r->serial);
    if (r->asked_all || r->trouble_count > 0)
        log_notice("rpki: cache %s: %zu ROAs, serial %" PRIu32, r->settings.cache, r->set.count,
                   r->serial);
    memset(r->troubles, 0, sizeof r->troubles);
    r->trouble_count = 0;
    return GOES_ON;
}

static enum course take_error(struct rtr *r, const struct rtr_pdu *pdu)
{
    char why[RTR_TEXT_LEN + 64];

    counter_add(&r->counters[RTR_COUNTER_errors], 1);
    if (pdu->session == RTR_ERROR_NO_DATA) {
        tell(r, "it has no data yet", pdu->text);
        r->is_asked = r->in_answer = false;
        r->next_ns = clock_mono().ns + (r->expire_ns > 0 ? r->retry_s : FIRST_RETRY_S) * NS_PER_S;
        return GOES_ON;
    }
    if (pdu->session == RTR_ERROR_VERSION && r->version > 0) {
        log_notice("rpki: cache %s: it does not speak version 1; it is asked by version 0",
                   r->settings.cache);
        r->version = 0;
        r->retry_s = FIRST_RETRY_S;
        r->tries_at_once = true;
        return IS_LOST;
    }
    snprintf(why, sizeof why, "error %u%s%s", pdu->session, *pdu->text ? ": " : "", pdu->text);
    tell(r, "it refuses", why);
    return IS_LOST;
}

static enum course take_message(struct rtr *r, const struct rtr_pdu *pdu)
{
    if (pdu->version != r->version && pdu->type != RTR_ERROR_REPORT) {
        if (pdu->version > r->version || r->has_session)
            return give_up(r, "it speaks another version than it is asked by");
        r->version = pdu->version; /* an older cache (RFC 8210 section 7) */
        r->retry_s = FIRST_RETRY_S;
    }
    switch (pdu->type) {
    case RTR_SERIAL_NOTIFY:
        counter_add(&r->counters[RTR_COUNTER_notifies], 1);
        return r->is_asked ? GOES_ON : ask(r);
    case RTR_CACHE_RESPONSE:
        return begin_answer(r, pdu);
    case RTR_IPV4_PREFIX:
    case RTR_IPV6_PREFIX:
        return take_roa(r, pdu);
    case RTR_END_OF_DATA:
        return end_answer(r, pdu);
    case RTR_CACHE_RESET:
        counter_add(&r->counters[RTR_COUNTER_resets], 1);
        if (!r->is_asked || r->asked_all)
            return give_up(r, "it asked for a reset that it had");
        r->has_session = false;
        return ask(r);
    case RTR_ERROR_REPORT:
        return take_error(r, pdu);
    default:
        counter_add(&r->counters[RTR_COUNTER_skipped], 1);
        return GOES_ON;
    }
}

/* Takes all messages that are there whole. */
static enum course take_input(struct rtr *r)
{
    size_t at = 0;

    for (;;) {
        struct rtr_pdu pdu;
        int len = rtr_pdu_parse(r->input + at, r->input_len - at, &pdu);
        if (len < 0)
            return give_up(r, "it sent what is no message of RTR; is it a cache of the RPKI?");
        if (len == 0)
            break;
        at += (size_t)len;
        if (take_message(r, &pdu) == IS_LOST)
            return IS_LOST;
    }
    r->input_len -= at;
    memmove(r->input, r->input + at, r->input_len);
    return GOES_ON;
}

static enum course read_some(struct rtr *r)
{
    ssize_t len = recv(r->fd, r->input + r->input_len, sizeof r->input - r->input_len, 0);

    if (len > 0) {
        r->input_len += (size_t)len;
        return take_input(r);
    }
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return GOES_ON;
    counter_add(&r->counters[RTR_COUNTER_losses], 1);
    tell(r, "the connection is lost", len < 0 ? strerror(errno) : "the cache closed it");
    return IS_LOST;
}

/* Does what there is to do at r->next_ns. */
static enum course go_on_by_time(struct rtr *r)
{
    if (clock_mono().ns < r->next_ns)
        return GOES_ON;
    if (!r->is_asked)
        return ask(r);
    counter_add(&r->counters[RTR_COUNTER_losses], 1);
    tell(r, "the connection is given up", "it does not answer");
    return IS_LOST;
}

static void talk(struct rtr *r)
{
    enum course course = ask(r);

    while (course == GOES_ON && !atomic_load_explicit(&r->is_stopping, memory_order_relaxed))
        course = wait_until(r, POLLIN, r->next_ns) ? read_some(r) : go_on_by_time(r);
}

static void rtr_run(void *arg)
{
    struct rtr *r = arg;

    while (!atomic_load_explicit(&r->is_stopping, memory_order_relaxed)) {
        int err = connect_cache(r);
        if (err == 0) {
            counter_add(&r->counters[RTR_COUNTER_connections], 1);
            counter_set(&r->counters[RTR_COUNTER_is_connected], 1);
            talk(r);
            counter_set(&r->counters[RTR_COUNTER_is_connected], 0);
        } else if (!atomic_load_explicit(&r->is_stopping, memory_order_relaxed)) {
            counter_add(&r->counters[RTR_COUNTER_connect_failures], 1);
            tell(r, "it cannot be reached", strerror(-err));
        }
        if (r->fd >= 0)
            close(r->fd);
        r->fd = -1;
        r->input_len = 0;
        if (r->is_asked) /* perhaps it no longer knows what changed since then: ask for all */
            r->has_session = false;
        r->is_asked = r->in_answer = false;
        roa_set_drop_changes(&r->set);
        int64_t retry_s = r->expire_ns > 0 ? r->retry_s : FIRST_RETRY_S;
        if (!r->tries_at_once)
            wait_until(r, 0, clock_mono().ns + retry_s * NS_PER_S);
        r->tries_at_once = false;
    }
}

int rtr_start(struct rtr *r)
{
    return thread_start(&r->thread, "rtr", rtr_run, r);
}

void rtr_stop(struct rtr *r)
{
    atomic_store_explicit(&r->is_stopping, true, memory_order_relaxed);
    poller_event_wake(r->stop_event);
    thread_join(&r->thread);
}
