/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Tells the service manager how the process is: the protocol of sd_notify(3), datagrams of lines
 * NAME=value to the Unix socket that NOTIFY_SOCKET names. Without one all this does nothing. One
 * thread; nothing blocks but for descriptors, and what the manager does not take is lost.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Room for the name of a descriptor, with its end: sd_notify(3), FDNAME=. */
enum { SERVICE_NAME_LEN = 256 };

struct service {
    int fd; /* -1: nobody is to be told */
    struct sockaddr_un address;
    socklen_t address_len;
    int64_t watchdog_ns; /* WATCHDOG_USEC: how long it waits for a sign of life; 0: it does not */
};

/* Reads the environment: NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID; no thread may change it
 * meanwhile. After the process has gone into the background, where it has another number. */
void service_open(struct service *service);
void service_close(struct service *service);
/* True if a manager waits for what the process tells, so that it must stay the manager's child: in
 * the foreground. */
bool service_is_managed(void);
/*
 * Gives the manager a descriptor to keep, under a name, until it starts the process again
 * (base/passed_sockets.h). The manager must not watch it, as a socket has errors that go by. What is
 * kept under that name already stays beside it. -errno: the manager did not take it within a second.
 * What becomes of it is not known: it keeps no more than FileDescriptorStoreMax= allows.
 */
int service_store(const struct service *service, int fd, const char *name);
/* Lets the manager close all that it keeps under that name. */
void service_unstore(const struct service *service, const char *name);
/* Sends lines, such as "READY=1\nSTATUS=...". */
void service_tell(const struct service *service, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
