/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A BGP session: the state machine of RFC 4271 section 8.2.2, driven by bytes, timers and the
 * owner. A session sends little and rarely, so that a fixed buffer holds whatever the socket does
 * not take at once.
 */
#include "bgp/session.h"
#include "base/log.h"
#include "base/memory.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define OPEN_WAIT_S      60  /* for the peer's OPEN: a stranger must not hold a connection longer */
#define OPEN_HOLD_S      240 /* in OpenSent (section 8.2.2: 4 minutes) */
#define CONNECT_S        30
#define CLOSE_S          2
#define OVERDUE_GRACE_S  1 /* when bytes are waiting that we had no time to read */
#define OVERDUE_GRACES   3 /* so often at most: half a message is none, however many bytes come */
#define OUTPUT_MAX       8192
#define DEBUG_PER_SECOND 50

struct session {
    struct session_info info;
    struct poller *poller;
    struct session_settings *settings;
    const struct session_owner *owner;
    int fd;
    struct poller_timer hold_timer, keepalive_timer;
    int64_t hold_ns;             /* agreed on; 0: none */
    struct mono_time last_alive; /* when the hold timer was set anew */
    unsigned overdue_count;      /* graces since then */
    uint8_t *input;              /* the start of a message whose end has not come */
    size_t input_len;
    uint8_t output[OUTPUT_MAX];
    size_t output_len;
    struct log_rate debug_rate;
};

static void session_end(struct session *session, const struct notification *n, const char *reason);

/* A line of debug about the session; a table of a million routes is not told UPDATE by UPDATE. */
static void debug_line(struct session *session, const char *verb, uint8_t type, size_t len)
{
    static const char *const types[] = {[MESSAGE_OPEN] = "OPEN",
                                        [MESSAGE_UPDATE] = "UPDATE",
                                        [MESSAGE_NOTIFICATION] = "NOTIFICATION",
                                        [MESSAGE_KEEPALIVE] = "KEEPALIVE",
                                        [MESSAGE_ROUTE_REFRESH] = "ROUTE-REFRESH"};
    const char *name = type < sizeof types / sizeof types[0] ? types[type] : NULL;
    char address[IP_TEXT_LEN], suppressed_text[80] = "";
    uint64_t suppressed = 0;

    if (!log_level_is_on(LOG_LEVEL_DEBUG) ||
        !log_rate_allow(&session->debug_rate, DEBUG_PER_SECOND, &suppressed))
        return;
    if (suppressed > 0)
        snprintf(suppressed_text, sizeof suppressed_text, " (%llu messages before were left out)",
                 (unsigned long long)suppressed);
    ip_addr_format(&session->info.address, address);
    log_debug("bgp: %s: %s %s (type %u) of %zu bytes%s", address, verb, name ? name : "a message",
              type, len, suppressed_text);
}

static size_t message_len_max(const struct session *session)
{
    bool is_extended = session->info.state >= SESSION_OPEN_CONFIRM &&
                       session->info.context.features.has_extended_message;
    return is_extended ? MESSAGE_EXTENDED_LEN_MAX : MESSAGE_LEN_MAX;
}

static void events_update(struct session *session)
{
    unsigned events = POLLER_READ;

    if (session->output_len > 0 || session->info.state == SESSION_CONNECT)
        events |= POLLER_WRITE;
    poller_modify(session->poller, session->fd, events);
}

/* Sends what the socket takes. A broken connection shows when it is read. The end of the stream
 * follows the last words of a session, and does not cut them off. */
static void output_flush(struct session *session)
{
    ssize_t sent =
        send(session->fd, session->output, session->output_len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent > 0) {
        session->output_len -= (size_t)sent;
        memmove(session->output, session->output + sent, session->output_len);
    }
    if (session->info.state == SESSION_CLOSING && session->output_len == 0)
        shutdown(session->fd, SHUT_WR);
    events_update(session);
}

static struct writer output_writer(struct session *session)
{
    return writer_make(session->output + session->output_len, OUTPUT_MAX - session->output_len);
}

/* Sends what was written. A message that does not fit is left out: a peer that reads so little
 * would not have read it either. */
static void output_commit(struct session *session, const struct writer *w)
{
    if (w->failed)
        return;
    session->output_len += writer_len(w);
    output_flush(session);
}

static void keepalive_send(struct session *session)
{
    struct writer w = output_writer(session);

    message_write_keepalive(&w);
    debug_line(session, "sends", MESSAGE_KEEPALIVE, writer_len(&w));
    output_commit(session, &w);
}

static void keepalive_due(void *arg)
{
    struct session *session = arg;

    keepalive_send(session);
    poller_timer_set_in(session->poller, &session->keepalive_timer, session->hold_ns / 3);
}

static void hold_timer_start(struct session *session, int64_t seconds)
{
    poller_timer_set_in(session->poller, &session->hold_timer, seconds * NS_PER_S);
}

/* The peer has said by a whole message that it lives (RFC 4271 section 8.2.2, events 26 and 27). */
static void hold_timer_renew(struct session *session)
{
    session->last_alive = clock_mono();
    session->overdue_count = 0;
}

static void session_finish(struct session *session)
{
    session->owner->gone(session->owner->arg, session);
    session_free(session);
}

static void hold_expired(void *arg)
{
    struct session *session = arg;

    if (session->info.state == SESSION_CLOSING) {
        session_finish(session);
        return;
    }
    if (session->info.state == SESSION_CONNECT) {
        session_end(session, NULL, "no answer to our connection");
        return;
    }
    if (session->info.state == SESSION_WAIT) {
        session_end(session, NULL, "no OPEN came");
        return;
    }
    if (session->info.state >= SESSION_OPEN_CONFIRM) {
        int64_t left = session->last_alive.ns + session->hold_ns - clock_mono().ns;
        if (left > 0) {
            poller_timer_set_in(session->poller, &session->hold_timer, left);
            return;
        }
        /* Its bytes may be here, and we are late to read them. */
        if (session->overdue_count < OVERDUE_GRACES && session_has_input(session)) {
            session->overdue_count++;
            hold_timer_start(session, OVERDUE_GRACE_S);
            return;
        }
    }
    struct notification n = notification_make(ERROR_HOLD_TIMER, 0);
    session_end(session, &n, "hold timer expired");
}

/* From here on the session only sends what it has to say and drains what it does not want to
 * hear. */
static void session_shut(struct session *session, const struct notification *n)
{
    if (n) {
        struct writer w = output_writer(session);
        message_write_notification(&w, n);
        debug_line(session, "sends", MESSAGE_NOTIFICATION, writer_len(&w));
        if (!w.failed)
            session->output_len += writer_len(&w);
    }
    session->info.state = SESSION_CLOSING;
    poller_timer_cancel(session->poller, &session->keepalive_timer);
    output_flush(session);
    hold_timer_start(session, n ? CLOSE_S : 0);
}

/* Ends a session and tells the owner why; `n` NULL: the peer is told nothing. */
static void session_end(struct session *session, const struct notification *n, const char *reason)
{
    if (session->info.state == SESSION_CLOSING)
        return;
    session_shut(session, n);
    session->owner->closed(session->owner->arg, session, reason);
}

static void session_refuse(struct session *session, const struct notification *n)
{
    char text[NOTIFICATION_TEXT_LEN];

    session->info.is_over_for_good =
        n->code == ERROR_CEASE &&
        (n->subcode == CEASE_MAX_PREFIXES || n->subcode == CEASE_OUT_OF_RESOURCES);
    notification_format(n, text);
    session_end(session, n, text);
}

static void open_send(struct session *session)
{
    struct session_info *info = &session->info;
    struct capabilities own = capabilities_own(info->local_as, session->settings->add_path);
    struct open_message open = {info->local_as, session->settings->hold_time_s,
                                session->settings->router_id, own};

    if (info->theirs.router_id != 0)
        open.capabilities = capabilities_mirror(&own, &info->theirs.capabilities);
    struct writer w = output_writer(session);
    message_write_open(&w, &open);
    debug_line(session, "sends", MESSAGE_OPEN, writer_len(&w));
    output_commit(session, &w);
}

static void features_agree(struct session *session)
{
    struct session_info *info = &session->info;
    struct capabilities own = capabilities_own(info->local_as, session->settings->add_path);

    info->context.is_internal = info->theirs.as == info->local_as;
    info->context.features = capabilities_negotiate(&own, &info->theirs.capabilities);

    uint16_t hold_s = info->theirs.hold_time_s < session->settings->hold_time_s
                          ? info->theirs.hold_time_s
                          : session->settings->hold_time_s;
    session->hold_ns = hold_s * NS_PER_S;
}

static void open_received(struct session *session, struct reader body)
{
    struct session_info *info = &session->info;
    struct notification error;
    struct open_message open;

    if (message_parse_open(body, &open, &error) < 0) {
        session_refuse(session, &error);
        return;
    }
    if (info->local_as == 0)
        info->local_as = open.as;
    /* RFC 6286 section 2.2: an identifier is unique within an AS. */
    if (open.router_id == session->settings->router_id && open.as == info->local_as) {
        error = notification_make(ERROR_OPEN, OPEN_BAD_IDENTIFIER);
        session_refuse(session, &error);
        return;
    }
    info->theirs = open;
    features_agree(session);
    if (session->owner->opened(session->owner->arg, session, &error) < 0) {
        session_refuse(session, &error);
        return;
    }
    if (info->state == SESSION_WAIT)
        open_send(session);
    info->state = SESSION_OPEN_CONFIRM;
    hold_timer_renew(session);
    keepalive_send(session);
    /* Without a hold time a KEEPALIVE must come all the same. */
    hold_timer_start(session, OPEN_WAIT_S);
    if (session->hold_ns > 0) {
        poller_timer_set_in(session->poller, &session->hold_timer, session->hold_ns);
        poller_timer_set_in(session->poller, &session->keepalive_timer, session->hold_ns / 3);
    }
}

/* Who expects which AS of whom is what both sides have to compare. */
static void explain_bad_as(const struct session *session, const char *text, char *out, size_t size)
{
    const struct session_info *info = &session->info;
    char theirs[32] = "has not said its own";

    if (info->theirs.router_id != 0) /* its OPEN came */
        snprintf(theirs, sizeof theirs, "is in AS %u", info->theirs.as);
    snprintf(
        out, size,
        "peer says: %s: we sent AS %u, the peer %s; bgp_daemon_as is our AS, and the peer must "
        "have that one for us (remote-as, peer-as, `neighbor ... as`)%s",
        text, info->local_as, theirs,
        session->settings->local_as == 0 ? "; it is not set, so that we take the peer's own" : "");
}

static void notification_received(struct session *session, struct reader body)
{
    struct notification n = message_parse_notification(body);
    char text[NOTIFICATION_TEXT_LEN], reason[NOTIFICATION_TEXT_LEN + 256];

    session->info.is_over_for_good = notification_is_final(&n);
    notification_format(&n, text);
    if (n.code == ERROR_OPEN && n.subcode == OPEN_BAD_PEER_AS)
        explain_bad_as(session, text, reason, sizeof reason);
    else
        snprintf(reason, sizeof reason, "peer says: %s", text);
    session_end(session, NULL, reason);
}

static void message_unexpected(struct session *session)
{
    uint8_t subcode = session->info.state == SESSION_ESTABLISHED ? STATE_UNEXPECTED_IN_ESTABLISHED
                      : session->info.state == SESSION_OPEN_CONFIRM
                          ? STATE_UNEXPECTED_IN_OPEN_CONFIRM
                          : STATE_UNEXPECTED_IN_OPEN_SENT;
    struct notification n = notification_make(ERROR_STATE_MACHINE, subcode); /* RFC 6608 */
    session_refuse(session, &n);
}

static void established_message(struct session *session, const struct message *message)
{
    const struct session_owner *owner = session->owner;
    struct notification error;
    int family;
    uint8_t subtype;

    switch (message->type) {
    case MESSAGE_UPDATE:
        session->info.updates_received++;
        if (owner->update(owner->arg, session, message->body, &error) < 0)
            session_refuse(session, &error);
        return;
    case MESSAGE_ROUTE_REFRESH:
        if (message_parse_route_refresh(message->body, &family, &subtype, &error) < 0)
            session_refuse(session, &error);
        else
            owner->route_refresh(owner->arg, session, family, subtype);
        return;
    case MESSAGE_KEEPALIVE:
        return;
    default:
        message_unexpected(session);
    }
}

static void message_received(struct session *session, const struct message *message)
{
    session->info.messages_received++;
    debug_line(session, "received", message->type, message->len);
    if (message->type == MESSAGE_KEEPALIVE || message->type == MESSAGE_UPDATE)
        hold_timer_renew(session);
    if (message->type == MESSAGE_NOTIFICATION) {
        notification_received(session, message->body);
        return;
    }
    switch (session->info.state) {
    case SESSION_WAIT:
    case SESSION_OPEN_SENT:
        if (message->type == MESSAGE_OPEN)
            open_received(session, message->body);
        else
            message_unexpected(session);
        return;
    case SESSION_OPEN_CONFIRM:
        if (message->type != MESSAGE_KEEPALIVE) {
            message_unexpected(session);
            return;
        }
        session->info.state = SESSION_ESTABLISHED;
        if (session->hold_ns == 0)
            poller_timer_cancel(session->poller, &session->hold_timer);
        session->owner->established(session->owner->arg, session);
        return;
    case SESSION_ESTABLISHED:
        established_message(session, message);
        return;
    default:
        return;
    }
}

/* Handles all whole messages of `data` and keeps the rest. */
static void input_process(struct session *session, const uint8_t *data, size_t len)
{
    struct notification error;
    struct message message;

    while (len > 0 && session->info.state != SESSION_CLOSING) {
        int err = message_frame(data, len, message_len_max(session), &message, &error);
        if (err == -EAGAIN)
            break;
        if (err < 0) {
            session_refuse(session, &error);
            break;
        }
        message_received(session, &message);
        data += message.len;
        len -= message.len;
    }
    mem_free(session->input);
    session->input = NULL;
    session->input_len = 0;
    if (len > 0 && session->info.state != SESSION_CLOSING) {
        session->input = mem_dup(data, len);
        session->input_len = len;
    }
}

static void closing_readable(struct session *session)
{
    uint8_t *buffer = session->settings->buffer;
    ssize_t len = recv(session->fd, buffer, SESSION_READ_MAX, MSG_DONTWAIT);

    if (len == 0 || (len < 0 && errno != EAGAIN && errno != EINTR))
        session_finish(session);
}

static void session_readable(struct session *session)
{
    uint8_t *buffer = session->settings->buffer;
    size_t kept = session->input_len;
    ssize_t len = recv(session->fd, buffer + kept, SESSION_READ_MAX, MSG_DONTWAIT);

    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0) {
        session_end(session, NULL, len == 0 ? "connection closed by the peer" : strerror(errno));
        return;
    }
    if (kept > 0)
        memcpy(buffer, session->input, kept);
    input_process(session, buffer, kept + (size_t)len);
}

static void connect_finished(struct session *session)
{
    int error = 0;
    socklen_t len = sizeof error;

    getsockopt(session->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) {
        session_end(session, NULL, strerror(error));
        return;
    }
    if (session->info.local_as != 0) {
        session->info.state = SESSION_OPEN_SENT;
        open_send(session);
        hold_timer_start(session, OPEN_HOLD_S);
    } else {
        session->info.state = SESSION_WAIT;
        hold_timer_start(session, OPEN_WAIT_S);
    }
    events_update(session);
}

static void session_event(void *arg, int fd, unsigned events)
{
    struct session *session = arg;

    (void)fd;
    if (session->info.state == SESSION_CONNECT) {
        if (events & (POLLER_WRITE | POLLER_HANGUP))
            connect_finished(session);
        return;
    }
    if (events & POLLER_WRITE)
        output_flush(session);
    if (events & (POLLER_READ | POLLER_HANGUP)) {
        if (session->info.state == SESSION_CLOSING)
            closing_readable(session);
        else
            session_readable(session);
    }
}

struct session *session_new(struct poller *poller, int fd, const struct ip_addr *address,
                            uint16_t port, bool is_active, struct session_settings *settings,
                            const struct session_owner *owner)
{
    struct session *session = mem_zalloc(sizeof *session);

    session->info.address = *address;
    session->info.port = port;
    session->info.is_active = is_active;
    session->info.since = clock_mono();
    session->info.state = is_active ? SESSION_CONNECT : SESSION_WAIT;
    session->info.local_as = settings->local_as;
    session->poller = poller;
    session->settings = settings;
    session->owner = owner;
    session->fd = fd;
    session->hold_timer.fn = hold_expired;
    session->hold_timer.arg = session;
    session->keepalive_timer.fn = keepalive_due;
    session->keepalive_timer.arg = session;
    hold_timer_start(session, is_active ? CONNECT_S : OPEN_WAIT_S);
    poller_add(poller, fd, is_active ? POLLER_READ | POLLER_WRITE : POLLER_READ, session_event,
               session);
    return session;
}

struct session_info *session_info(struct session *session)
{
    return &session->info;
}

bool session_has_input(const struct session *session)
{
    int waiting = 0;

    return session->info.state != SESSION_CLOSING && session->info.state != SESSION_CONNECT &&
           ioctl(session->fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

void session_hear(struct session *session)
{
    if (session->info.state != SESSION_CLOSING && session->info.state != SESSION_CONNECT)
        session_readable(session);
}

void session_close(struct session *session, const struct notification *n)
{
    if (session->info.state != SESSION_CLOSING)
        session_shut(session, n);
}

void session_free(struct session *session)
{
    if (!session)
        return;
    poller_timer_cancel(session->poller, &session->hold_timer);
    poller_timer_cancel(session->poller, &session->keepalive_timer);
    poller_remove(session->poller, session->fd);
    close(session->fd);
    mem_free(session->input);
    mem_free(session);
}
