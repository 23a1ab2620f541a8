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

#define MESSAGE_BODY_MAX 131072u
#define MESSAGE_FDS_MAX  4

enum message_type {
    /* core to host; a host gets SETUP, then LANE for each lane, then works */
    MESSAGE_SETUP = 1, /* struct setup; fds: host event */
    MESSAGE_LANE,      /* u32 lane, u32 pool_max_count(); fds: slots, cursors, pool, worker event */
    MESSAGE_REOPEN,
    MESSAGE_SHUTDOWN, /* u32 seconds that are left */
    /* host to core */
    MESSAGE_LOG = 64, /* u8 level, string text */
    MESSAGE_STATE,    /* struct host_state */
    MESSAGE_COUNTER,  /* string name, u64 value since this host started */
    MESSAGE_CHECKED,  /* u8 is_bad, string what is wrong */
    MESSAGE_LISTENER, /* empty; fds: where the system calls are that its filter refused */
};

struct message {
    uint8_t type;
    const uint8_t *body; /* borrowed until the next receive */
    size_t body_len;
    int fds[MESSAGE_FDS_MAX]; /* the receiver's: it closes them or sets them to -1 */
    size_t fd_count;
};

/* `body` NULL: empty; the fds stay the caller's. -EAGAIN: no room now; -EPIPE: the other side is
 * gone; -EMSGSIZE. */
int message_send(int socket, uint8_t type, const struct text *body, const int *fds,
                 size_t fd_count);

/* Memory that one end receives into. */
struct message_buffer {
    uint8_t bytes[8 + MESSAGE_BODY_MAX];
};
/*
 * 0 and a message, -EAGAIN: none there (with `flags` MSG_DONTWAIT), -ENOTCONN: the other side is
 * gone, -EBADMSG: not a message of this version; its descriptors have been closed.
 */
int message_receive(int socket, int flags, struct message_buffer *buffer,
                    struct message *ret_message);
void message_close_fds(struct message *message);
