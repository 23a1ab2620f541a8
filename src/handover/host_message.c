/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A packet is a header {magic, version, type, length of the body} and the body. The kernel keeps
 * packets apart and carries the descriptors. */
#include "handover/host_message.h"

#include "base/text.h"
#include "handover/encoding.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define HOST_MESSAGE_MAGIC   0x7061u
#define HOST_MESSAGE_VERSION 7
#define HEADER_LEN           8

int host_message_send(int socket, uint8_t type, const struct text *body, const int *fds,
                      size_t fd_count)
{
    struct text header = {0};
    size_t body_len = body != NULL ? body->len : 0;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(HOST_MESSAGE_FDS_MAX * sizeof(int))];
    } control = {0};
    int err = 0;

    if (body_len > HOST_MESSAGE_BODY_MAX || fd_count > HOST_MESSAGE_FDS_MAX)
        return -EMSGSIZE;
    encode_u16(&header, HOST_MESSAGE_MAGIC);
    encode_u8(&header, HOST_MESSAGE_VERSION);
    encode_u8(&header, type);
    encode_u32(&header, (uint32_t)body_len);
    struct iovec iov[2] = {{header.data, header.len}, {body != NULL ? body->data : NULL, body_len}};
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
    if (fd_count > 0) {
        msg.msg_control = control.bytes;
        msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
    }
    ssize_t sent;
    do
        sent = sendmsg(socket, &msg, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0)
        err = errno == ECONNRESET ? -EPIPE : -errno;
    text_clear(&header);
    return err;
}

/* Takes the descriptors out of a control message; more than expected are closed. */
static void collect_fds(struct msghdr *msg, struct host_message *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            if (message->fd_count < HOST_MESSAGE_FDS_MAX)
                message->fds[message->fd_count++] = fd;
            else
                close(fd);
        }
    }
}

int host_message_receive(int socket, int flags, struct host_message_buffer *buffer,
                         struct host_message *ret_message)
{
    struct host_message message = {.fds = {-1, -1, -1, -1}};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(HOST_MESSAGE_FDS_MAX * sizeof(int))];
    } control;
    struct iovec iov = {buffer->bytes, sizeof buffer->bytes};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof control.bytes};
    ssize_t len;

    /* The other end went away without reading all: that is said once, before what it had sent. */
    do
        len = recvmsg(socket, &msg, flags | MSG_CMSG_CLOEXEC);
    while (len < 0 && (errno == EINTR || errno == ECONNRESET));
    if (len < 0)
        return -errno;
    collect_fds(&msg, &message);
    if (len == 0)
        return -ENOTCONN;
    struct reader r = reader_make(buffer->bytes, (size_t)len);
    uint16_t magic = reader_u16(&r);
    uint8_t version = reader_u8(&r);
    message.type = reader_u8(&r);
    message.body_len = reader_u32(&r);
    message.body = r.pos;
    if (r.failed || magic != HOST_MESSAGE_MAGIC || version != HOST_MESSAGE_VERSION ||
        message.body_len != reader_left(&r) || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        host_message_close_fds(&message);
        return -EBADMSG;
    }
    *ret_message = message;
    return 0;
}

void host_message_close_fds(struct host_message *message)
{
    for (size_t i = 0; i < HOST_MESSAGE_FDS_MAX; i++) {
        if (message->fds[i] >= 0)
            close(message->fds[i]);
        message->fds[i] = -1;
    }
}
