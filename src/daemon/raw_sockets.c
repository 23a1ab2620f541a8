/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opens raw sockets. See raw_sockets.h. */
#include "daemon/raw_sockets.h"
#include "base/text.h"
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* With IPPROTO_RAW the header of each packet is the sender's (raw(7)). Nothing is ever received. */
static int open_family(int family, struct text *error)
{
    int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_RAW);
    int err = fd < 0 ? -errno : 0;

    if (fd >= 0)
        return fd;
    if (err == -EPERM || err == -EACCES)
        text_append_string(
            error, "addresses of exporters can be used as source by raw sockets alone, which "
                   "need CAP_NET_RAW: start as root, or take the comment from the line with "
                   "CAP_NET_RAW in the daemon's systemd unit");
    else
        text_append_printf(error, "cannot open a raw socket: %s", strerrordesc_np(-err));
    return err;
}

int raw_sockets_open(struct raw_sockets *sockets, struct text *error)
{
    int fd = open_family(AF_INET, error);

    sockets->v4 = sockets->v6 = -1;
    if (fd < 0)
        return fd;
    sockets->v4 = fd;
    fd = open_family(AF_INET6, error);
    if (fd >= 0) {
        sockets->v6 = fd;
    } else if (fd == -EAFNOSUPPORT) {
        text_reset(error);
    } else {
        raw_sockets_close(sockets);
        return fd;
    }
    return 0;
}

void raw_sockets_close(struct raw_sockets *sockets)
{
    if (sockets->v4 >= 0)
        close(sockets->v4);
    if (sockets->v6 >= 0)
        close(sockets->v6);
    sockets->v4 = sockets->v6 = -1;
}
