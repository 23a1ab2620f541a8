/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sends datagrams to the manager's socket, in the file system or in the abstract name space. See
 * service.h, and sd_notify(3) and sd_watchdog_enabled(3) of systemd. */
#include "base/service.h"
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
