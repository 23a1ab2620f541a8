/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A BGP session whose peer is the test: the session has one end of a socketpair, the test writes and
 * reads bytes at the other, and time passes when the test says so. The session is AS 65000 with the
 * identifier 192.0.2.254 and offers a hold time of 90 s.
 */
#include "bgp/session.h"
#include "support/fake_clock.h"
#include "support/hex.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MARKER    "ffffffffffffffff ffffffffffffffff"
#define KEEPALIVE MARKER "0013 04"
/* AS 65010, hold time 30 s, 10.0.0.1, no optional parameters. */
#define PLAIN_OPEN MARKER "001d 01 04 fdf2 001e 0a000001 00"
/* No withdrawn routes, no attributes, no NLRI: the End-of-RIB of IPv4 (RFC 4724 section 2). */
#define EMPTY_UPDATE MARKER "0017 02 0000 0000"
/* Cease, administrative shutdown, and in its data the words "bye" (RFC 9003). */
#define SHUTDOWN MARKER "0019 03 06 02 03 627965"

struct session_rig {
    struct poller *poller;
    struct session_settings settings;
    struct session_owner owner;
    struct session *session; /* NULL: gone */
    int peer_fd;
    /* Calls of the owner's functions so far, and what came with the last one. */
    unsigned opened, established, updates, refreshes, closed, gone;
    char reason[256];
    uint8_t update[65535]; /* the body of the last one */
    size_t update_len;
    int refresh_family;
    uint8_t refresh_subtype;
    /* The error that the owner answers with; NULL: it accepts. */
    const struct notification *refuse_open, *refuse_update;
    bool closes_in_update; /* with a Cease */
};

static int rig_opened(void *arg, struct session *session, struct notification *ret_error)
{
    struct session_rig *rig = arg;

    assert_ptr_equal(session, rig->session);
    rig->opened++;
    if (!rig->refuse_open)
        return 0;
    *ret_error = *rig->refuse_open;
    return -1;
}

static void rig_established(void *arg, struct session *session)
{
    struct session_rig *rig = arg;

    assert_int_equal(session_info(session)->state, SESSION_ESTABLISHED);
    rig->established++;
}

static int rig_updated(void *arg, struct session *session, struct reader body,
                       struct notification *ret_error)
{
    struct session_rig *rig = arg;

    rig->updates++;
    rig->update_len = reader_left(&body);
    memcpy(rig->update, body.pos, rig->update_len);
    if (rig->closes_in_update)
        session_close(session, &(struct notification){.code = 6});
    if (!rig->refuse_update)
        return 0;
    *ret_error = *rig->refuse_update;
    return -1;
}

static void rig_refreshed(void *arg, struct session *session, int family, uint8_t subtype)
{
    struct session_rig *rig = arg;

    (void)session;
    rig->refreshes++;
    rig->refresh_family = family;
    rig->refresh_subtype = subtype;
}

static void rig_closed(void *arg, struct session *session, const char *reason)
{
    struct session_rig *rig = arg;

    (void)session;
    rig->closed++;
    strncpy(rig->reason, reason, sizeof rig->reason - 1);
}

static void rig_gone(void *arg, struct session *session)
{
    struct session_rig *rig = arg;

    assert_ptr_equal(session, rig->session);
    rig->gone++;
    rig->session = NULL;
}

/* Makes everything but the session, so that settings can still be changed. Returns the session's
 * descriptor. */
static inline int rig_init(struct session_rig *rig)
{
    int fds[2];

    memset(rig, 0, sizeof *rig);
    rig->settings.local_as = 65000;
    rig->settings.router_id = 0xc00002fe;
    rig->settings.hold_time_s = 90;
    rig->settings.add_path = true;
    rig->owner = (struct session_owner){rig_opened, rig_established, rig_updated, rig_refreshed,
                                        rig_closed, rig_gone,        rig};
    assert_int_equal(poller_new(&rig->poller), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    rig->peer_fd = fds[1];
    return fds[0];
}

static inline void rig_begin(struct session_rig *rig, int fd, bool is_active)
{
    struct ip_addr address = ip_addr_v4((const uint8_t[]){10, 0, 0, 1});

    rig->session =
        session_new(rig->poller, fd, &address, 179, is_active, &rig->settings, &rig->owner);
}

static inline void rig_clear(struct session_rig *rig)
{
    session_free(rig->session);
    if (rig->peer_fd >= 0)
        close(rig->peer_fd);
    poller_free(rig->poller);
}

/* Runs the poller until nothing is left to do at this time. */
static inline void rig_run(struct session_rig *rig)
{
    int rounds = 0;

    while (poller_wait(rig->poller, 0) > 0)
        assert_true(++rounds < 1000);
}

static inline void rig_pass(struct session_rig *rig, int64_t ns)
{
    fake_now_ns += ns;
    rig_run(rig);
}

static inline enum session_state rig_state(const struct session_rig *rig)
{
    assert_non_null(rig->session);
    return session_info(rig->session)->state;
}

/* Writes these bytes as the peer; the session does not read them before the next rig_run(). */
static inline void rig_write(const struct session_rig *rig, const char *digits)
{
    struct hex hex = hex_make(digits);

    assert_int_equal(write(rig->peer_fd, hex.data, hex.len), hex.len);
    hex_clear(&hex);
}

static inline void rig_say(struct session_rig *rig, const char *digits)
{
    rig_write(rig, digits);
    rig_run(rig);
}

/* Asserts that the next bytes that the peer hears are these. */
static inline void rig_expect(const struct session_rig *rig, const char *digits)
{
    struct hex hex = hex_make(digits);
    uint8_t *heard = calloc(1, hex.len);

    assert_int_equal(recv(rig->peer_fd, heard, hex.len, 0), hex.len);
    assert_memory_equal(heard, hex.data, hex.len);
    free(heard);
    hex_clear(&hex);
}

/* Asserts that nothing more is to be heard and that the connection stands. */
static inline void rig_expect_silence(const struct session_rig *rig)
{
    uint8_t byte;

    assert_int_equal(recv(rig->peer_fd, &byte, 1, 0), -1);
}

/* Asserts that nothing more is to be heard and that the connection has ended. */
static inline void rig_expect_end(const struct session_rig *rig)
{
    uint8_t byte;

    assert_int_equal(recv(rig->peer_fd, &byte, 1, 0), 0);
}

/* Reads the session's OPEN, whatever it offers, into `body`. Returns the body's length. */
static inline size_t rig_expect_open(const struct session_rig *rig, uint8_t body[256])
{
    uint8_t header[19];

    rig_expect(rig, MARKER);
    assert_int_equal(recv(rig->peer_fd, header, 3, 0), 3);
    assert_int_equal(header[2], 1);
    size_t len = (size_t)(header[0] << 8 | header[1]) - sizeof header;
    assert_true(len >= 10 && len <= 256);
    assert_int_equal(recv(rig->peer_fd, body, len, 0), len);
    assert_int_equal(body[9], len - 10); /* optional parameters are all the rest */
    return len;
}

/* Brings a new session into this state, with all that it said already read. The peer has connected,
 * but for OpenSent: there the session has, as one that was connected to waits for the peer's OPEN. */
static inline void rig_reach(struct session_rig *rig, enum session_state state)
{
    uint8_t body[256];
    int fd = rig_init(rig);

    rig_begin(rig, fd, state == SESSION_OPEN_SENT);
    rig_run(rig);
    if (state == SESSION_OPEN_SENT)
        rig_expect_open(rig, body);
    if (state >= SESSION_OPEN_CONFIRM) {
        rig_say(rig, PLAIN_OPEN);
        rig_expect_open(rig, body);
        rig_expect(rig, KEEPALIVE);
    }
    if (state >= SESSION_ESTABLISHED)
        rig_say(rig, KEEPALIVE);
    assert_int_equal(rig_state(rig), state);
}
