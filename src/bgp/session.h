/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One TCP connection with a BGP speaker: the state machine of RFC 4271 section 8 for a speaker that
 * learns and never announces, its timers, and its bytes. Owned by the thread of its poller.
 *
 * We wait for the peer's OPEN before we send ours (DelayOpen, section 8.1.1), unless we connected
 * and know our AS number: `bgp_daemon_as` is the peer's when unset, and what the peer cannot do is
 * not offered.
 */
#include "base/address.h"
#include "base/clock.h"
#include "base/poller.h"
#include "bgp/message.h"
#include "bgp/path_attr.h"

struct session;

enum session_state {
    SESSION_CONNECT,      /* our TCP connection is being made */
    SESSION_WAIT,         /* connected, waiting for the peer's OPEN, ours not sent */
    SESSION_OPEN_SENT,    /* ours is sent */
    SESSION_OPEN_CONFIRM, /* both are sent, waiting for a KEEPALIVE */
    SESSION_ESTABLISHED,
    SESSION_CLOSING, /* over; what is still sent and drained keeps our NOTIFICATION from getting
                        lost */
};

/* The settings that all sessions share, and a buffer for reading. */
#define SESSION_READ_MAX 65536 /* bytes per turn, so that no session starves the others */
struct session_settings {
    uint32_t local_as; /* 0: the peer's */
    uint32_t router_id;
    uint16_t hold_time_s;
    bool add_path;
    /* Room for what a turn reads after the start of a message that an earlier turn left. */
    uint8_t buffer[MESSAGE_EXTENDED_LEN_MAX + SESSION_READ_MAX];
};

/* The functions that a session reports to; all calls come out of the poller or of the functions
 * below. */
struct session_owner {
    /* The peer's OPEN is good. A negative value refuses it with *ret_error. */
    int (*opened)(void *arg, struct session *session, struct notification *ret_error);
    void (*established)(void *arg, struct session *session);
    /* The body of an UPDATE. A negative value resets the session with *ret_error. */
    int (*update)(void *arg, struct session *session, struct reader body,
                  struct notification *ret_error);
    void (*route_refresh)(void *arg, struct session *session, int family, uint8_t subtype);
    /* The session is over; `reason` says why. Not called when the owner closed it. */
    void (*closed)(void *arg, struct session *session, const char *reason);
    /* The last call for a session, which is freed after it. */
    void (*gone)(void *arg, struct session *session);
    void *arg;
};

/* The facts about a session that its owner may read; `peer` and `is_known` are the owner's to
 * write. */
struct session_info {
    struct ip_addr address; /* the peer's */
    uint16_t port;
    bool is_active; /* we connected */
    struct mono_time since;
    enum session_state state;
    uint32_t local_as;
    struct open_message theirs; /* from `opened` on */
    struct attr_context context;
    void *peer;    /* the owner's own */
    bool is_known; /* the owner's own: no stranger's connection */
    /* The session ended on purpose: the peer said shutdown, de-configured or hard reset (RFC 4486,
     * 8538), or we ended it for a limit. Else it will likely come back as it was. */
    bool is_over_for_good;
    uint64_t messages_received, updates_received;
};

/* Takes `fd`, which is connected, or connecting if `is_active`. */
struct session *session_new(struct poller *poller, int fd, const struct ip_addr *address,
                            uint16_t port, bool is_active, struct session_settings *settings,
                            const struct session_owner *owner);
struct session_info *session_info(struct session *session);
/* Whether bytes wait to be read, of a session that listens to them. */
bool session_has_input(const struct session *session);
/* Reads them now, not when the poller comes by. It may close, and is not gone yet. */
void session_hear(struct session *session);
/* Tells the peer and lets go of it within two seconds; `n` NULL: without a word. Does nothing when
 * closing. */
void session_close(struct session *session, const struct notification *n);
void session_free(struct session *session); /* at once, without `gone` */
