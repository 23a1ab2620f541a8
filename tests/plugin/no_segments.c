/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands for a way on which the kernel cannot cut messages into datagrams (UDP_SEGMENT): preloaded into a
 * process, it has sendmmsg(2) fail with EIO from the first message on that asks for it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <sys/socket.h>

__attribute__((visibility("default"))) int sendmmsg(int fd, struct mmsghdr *messages,
                                                    unsigned int count, int flags)
{
    int (*next)(int, struct mmsghdr *, unsigned int, int);
    unsigned int good = 0;

    *(void **)(void *)&next = dlsym(RTLD_NEXT, "sendmmsg");
    while (good < count && messages[good].msg_hdr.msg_controllen == 0)
        good++;
    if (good == 0) {
        errno = EIO;
        return -1;
    }
    return next(fd, messages, good, flags);
}
