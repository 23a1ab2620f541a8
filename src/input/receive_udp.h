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

struct udp_settings {
    const char *daemon_name; /* its keys begin with it */
    const char *listen_ip;   /* NULL: all addresses, IPv6 and IPv4 */
    uint16_t port;
    const char *interface; /* bind to this device or VRF; NULL: none */
    bool ipv6_only;
    const char *multicast_groups; /* comma-separated; NULL: none */
    int64_t receive_buffer;       /* bytes, in all sockets together; 0: what is usually enough */
    uint32_t worker_count;
};
extern const struct config_key udp_keys[]; /* all but daemon_name and worker_count */

struct udp_receiver;

/* Appends the reason to `error` when a socket cannot be opened. Writes `worker_count` receivers. */
int udp_receivers_open(const struct udp_settings *settings, struct text *error,
                       struct udp_receiver **ret_receivers);
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

/*
 * Datagrams that the socket's queue had no room for, since it was opened (SO_MEMINFO, widened from
 * 32 bits: ask at least once in 2^32 drops). One thread at a time asks.
 */
uint64_t udp_receiver_overflow(struct udp_receiver *receiver);
