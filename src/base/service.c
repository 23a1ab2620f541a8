/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sends datagrams to the manager's socket, in the file system or in the abstract name space. See
 * service.h, and sd_notify(3) and sd_watchdog_enabled(3) of systemd. */
#include "base/service.h"
#include <errno.h>
#include <poll.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STORE_WAIT_MS = 1000 };

#define NS_PER_US INT64_C(1000)

static int64_t read_watchdog(void)
{
    /* NOLINTBEGIN(concurrency-mt-unsafe): nobody changes the environment */
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    /* NOLINTEND(concurrency-mt-unsafe) */
    char *end;

    if (!usec || (pid && strtoll(pid, NULL, 10) != getpid()))
        return 0;
    errno = 0;
    long long value = strtoll(usec, &end, 10);
    return errno == 0 && *end == 0 && value > 0 && value < INT64_MAX / NS_PER_US ? value * NS_PER_US
                                                                                 : 0;
}

/* False: it is not the name of a Unix socket. */
static bool set_address(struct service *s, const char *name)
{
    size_t len = strlen(name);

    if ((*name != '/' && *name != '@') || len < 2 || len >= sizeof s->address.sun_path)
        return false;
    s->address.sun_family = AF_UNIX;
    memcpy(s->address.sun_path, name, len);
    if (*name == '@')
        s->address.sun_path[0] = 0;
    s->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    return true;
}

void service_open(struct service *s)
{
    const char *name = getenv("NOTIFY_SOCKET"); /* NOLINT(concurrency-mt-unsafe): as above */

    *s = (struct service){.fd = -1};
    if (name && set_address(s, name)) {
        s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        s->watchdog_ns = read_watchdog();
    }
}

bool service_is_managed(void)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): nobody changes the environment */
    return getenv("NOTIFY_SOCKET") != NULL;
}

void service_close(struct service *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void service_tell(const struct service *s, const char *format, ...)
{
    char text[1024];
    va_list args;

    if (s->fd < 0)
        return;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len > 0 && (size_t)len < sizeof text)
        (void)sendto(s->fd, text, (size_t)len, MSG_NOSIGNAL, (const struct sockaddr *)&s->address,
                     s->address_len);
}

/* Sends a text, with a descriptor unless that is -1; waits while the manager's queue is full. */
static int send_patiently(const struct service *s, const char *text, int fd)
{
    alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec part = {(void *)(uintptr_t)text, strlen(text)};
    struct msghdr message = {.msg_name = (void *)(uintptr_t)&s->address,
                             .msg_namelen = s->address_len,
                             .msg_iov = &part,
                             .msg_iovlen = 1};

    if (s->fd < 0)
        return -ENOTCONN;
    if (fd >= 0) {
        message.msg_control = control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    if (sendmsg(s->fd, &message, MSG_NOSIGNAL) >= 0)
        return 0;
    if (errno != EAGAIN)
        return -errno;
    /* A socket that is not connected is writable at any time, so time is all that can be waited for. */
    for (int waited_ms = 0; waited_ms < STORE_WAIT_MS; waited_ms += 10) {
        (void)poll(NULL, 0, 10);
        if (sendmsg(s->fd, &message, MSG_NOSIGNAL) >= 0)
            return 0;
    }
    return -errno;
}

int service_store(const struct service *s, int fd, const char *name)
{
    char text[SERVICE_NAME_LEN + 64];

    snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
    return send_patiently(s, text, fd);
}

void service_unstore(const struct service *s, const char *name)
{
    char text[SERVICE_NAME_LEN + 64];

    snprintf(text, sizeof text, "FDSTOREREMOVE=1\nFDNAME=%s", name);
    (void)send_patiently(s, text, -1);
}
