/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The flow sockets: one for each worker, sharing address and port by SO_REUSEPORT, with the kernel
 * choosing by the exporter's source address (input/steering.h). The main thread opens them all, in
 * order, before workers start; then each belongs to its worker, but for the counters.
 */
#include "base/metric.h"
#include "base/text.h"
#include "base/thread.h"
#include "config/config_key.h"
#include "flow/decoder.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct udp_settings {
    const char *daemon_name; /* its keys begin with it */
    const char *stored_as;   /* its sockets in the service manager's store; NULL: daemon_name */
    const char *listen_ip;   /* NULL: all addresses, IPv6 and IPv4 */
    uint16_t port;
    const char *interface; /* bind to this device or VRF; NULL: none */
    bool ipv6_only;
    const char *multicast_groups; /* comma-separated; NULL: none */
    int64_t receive_buffer;       /* bytes, in all sockets together; 0: what is usually enough */
    uint32_t worker_count;
};
extern const struct config_key udp_keys[]; /* all but the names and worker_count */

struct udp_receiver;
struct kept_sockets;

/* Gives the address to bind to. -EINVAL: listen_ip is none. */
int udp_settings_address(const struct udp_settings *settings, struct sockaddr_storage *ret_sa,
                         socklen_t *ret_len);

/*
 * Appends the reason to `error` when a socket cannot be opened. Writes `worker_count` receivers.
 * Sockets of `kept` (input/kept_sockets.h; NULL: none) become the first of them. Unless they are the
 * same group, the kernel goes on as it did, and others get nothing, until udp_receivers_steer(); those
 * that are too many stay in `kept`. On errors kept ones are closed too.
 */
int udp_receivers_open(const struct udp_settings *settings, struct kept_sockets *kept,
                       struct text *error, struct udp_receiver **ret_receivers);
/* A receiver of a socket that was opened before; it is taken. */
struct udp_receiver *udp_receiver_adopt(int fd);
/*
 * Opens one more socket of the group of `first`, which has `group_count` sockets, and has the kernel give it
 * all that comes until udp_receivers_steer(): then what waits in the others is older than what waits in
 * it, and that is older than what comes later. NULL: it cannot be opened, and they go on as they were.
 */
struct udp_receiver *udp_funnel_open(const struct udp_settings *settings,
                                     const struct udp_receiver *first, uint32_t group_count);
/* From now on each of the group's sockets gets what is its worker's, and they have the buffers that the
 * settings ask for. Called when what they had was read, as a smaller buffer has no room for it. */
void udp_receivers_steer(const struct udp_settings *settings,
                         struct udp_receiver *const *receivers);
void udp_receiver_free(struct udp_receiver *receiver);

int udp_receiver_fd(const struct udp_receiver *receiver); /* for epoll: readable */
/* The port it is bound to: what was asked for, unless that was 0. */
uint16_t udp_receiver_port(const struct udp_receiver *receiver);

/*
 * Takes what is queued, without waiting: at most `max` datagrams, whose bytes are borrowed until
 * the next call. Returns how many; 0: nothing there. Datagrams with a length of 0 are reported like
 * others.
 */
uint32_t udp_receiver_read(struct udp_receiver *receiver, struct datagram *datagrams, uint32_t max)
    ON_THREAD(worker_thread);
enum { UDP_BATCH_MAX = 64 };
/* From now on what arrives keeps the time of that: whoever adopts the socket later has it as received_ns, until
 * the queue is empty. */
void udp_receiver_stamp(struct udp_receiver *receiver) ON_THREAD(worker_thread);

/*
 * Datagrams that the socket's queue had no room for, since the receiver was made (SO_MEMINFO, widened
 * from 32 bits: ask at least once in 2^32 drops). One thread at a time asks.
 */
uint64_t udp_receiver_overflow(struct udp_receiver *receiver);

/* The kernel's count for a socket, whose cookie nothing else has until the machine starts again: a
 * socket may outlive its receivers. */
struct udp_drops {
    uint64_t cookie; /* SO_COOKIE; 0: there is no socket */
    uint32_t drops;  /* since the socket was opened, modulo 2^32 */
};
/* Returns the count as it was when the receiver was made. */
struct udp_drops udp_receiver_first_drops(const struct udp_receiver *receiver);
