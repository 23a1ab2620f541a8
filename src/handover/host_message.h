/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Messages between the core's supervisor and a plugin host, over a SOCK_SEQPACKET socketpair: one
 * packet each, a header with the version and the body's length, and descriptors where the type has
 * some (SCM_RIGHTS). The two ends are of one build or they part at the first message.
 */
#include <stddef.h>
#include <stdint.h>

struct text;

#define HOST_MESSAGE_BODY_MAX 131072u
#define HOST_MESSAGE_FDS_MAX  4

enum host_message_type {
    /* core to host; a host gets SETUP, then LANE for each lane, then works */
    HOST_MESSAGE_SETUP = 1, /* struct setup; fds: host event, raw sockets as setup says */
    HOST_MESSAGE_LANE, /* u32 lane, u32 pool_max_count(); fds: slots, cursors, pool, worker event */
    HOST_MESSAGE_REOPEN,
    HOST_MESSAGE_SHUTDOWN, /* u32 seconds that are left */
    HOST_MESSAGE_RELOAD,   /* empty: maps are read anew */
    /* host to core */
    HOST_MESSAGE_LOG = 64, /* u8 level, perhaps with HOST_LOG_ASIDE; string text */
    HOST_MESSAGE_STATE,    /* struct host_state */
    HOST_MESSAGE_COUNTER,  /* string name, u64 value since this host started */
    HOST_MESSAGE_CHECKED,  /* u8 is_bad, string what is wrong */
    HOST_MESSAGE_LISTENER, /* empty; fds: where the system calls are that its filter refused */
};

/* The line says less of what is wrong than the one before it. */
#define HOST_LOG_ASIDE 0x40

struct host_message {
    uint8_t type;
    const uint8_t *body; /* borrowed until the next receive */
    size_t body_len;
    int fds[HOST_MESSAGE_FDS_MAX]; /* the receiver's: it closes them or sets them to -1 */
    size_t fd_count;
};

/* `body` NULL: empty; the fds stay the caller's. -EAGAIN: no room now; -EPIPE: the other side is
 * gone; -EMSGSIZE. */
int host_message_send(int socket, uint8_t type, const struct text *body, const int *fds,
                      size_t fd_count);

/* Memory that one end receives into. */
struct host_message_buffer {
    uint8_t bytes[8 + HOST_MESSAGE_BODY_MAX];
};
/*
 * 0 and a message, -EAGAIN: none there (with `flags` MSG_DONTWAIT), -ENOTCONN: the other side is
 * gone, -EBADMSG: not a message of this version; its descriptors have been closed.
 */
int host_message_receive(int socket, int flags, struct host_message_buffer *buffer,
                         struct host_message *ret_message);
void host_message_close_fds(struct host_message *message);
