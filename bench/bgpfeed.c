/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A BGP speaker that announces the generators' world (world.h) by ADD-PATH and keeps the session up:
 *
 *   bgpfeed --port P [--collector ADDRESS] [--address ADDRESS] [--prefixes N] [--paths Q]
 *           [--no-add-path] [--churn UPDATES_PER_S] [--ready FILE]
 *
 * It connects from --address (127.0.2.1: the generators' first exporter), sends the table and prints
 * how long that took. It writes --ready when End-of-RIB is out, then sends keepalives and churn (each
 * update gives a run of prefixes another MED, then the old one back) until it is told to end.
 * Messages follow RFC 4271 section 4, capabilities RFC 5492, 6793, 7911 and 4724.
 */
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { OPEN = 1, UPDATE = 2, NOTIFICATION = 3, KEEPALIVE = 4 };
#define LOCAL_AS 65000

struct feed {
    struct world world;
    int fd;
    bool add_path;
    uint8_t out[1 << 18];
    size_t out_len;
};

static volatile sig_atomic_t is_ended;

static void on_signal(int number)
{
    (void)number;
    is_ended = 1;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void flush(struct feed *f)
{
    for (size_t done = 0; done < f->out_len;) {
        ssize_t n = send(f->fd, f->out + done, f->out_len - done, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            perror("bgpfeed: the collector closed the session");
            exit(1);
        }
        done += (size_t)n;
    }
    f->out_len = 0;
}

static void put(struct feed *f, uint64_t value, unsigned size)
{
    while (size-- > 0)
        f->out[f->out_len++] = (uint8_t)(value >> (8 * size));
}

static size_t begin(struct feed *f, uint8_t type)
{
    if (f->out_len + 4096 > sizeof f->out)
        flush(f);
    size_t start = f->out_len;
    put(f, UINT64_MAX, 8);
    put(f, UINT64_MAX, 8);
    put(f, 0, 2);
    put(f, type, 1);
    return start;
}

static void end(struct feed *f, size_t start)
{
    size_t len = f->out_len - start;
    f->out[start + 16] = (uint8_t)(len >> 8);
    f->out[start + 17] = (uint8_t)len;
}

static void send_open(struct feed *f, const char *address)
{
    struct in_addr id;
    size_t start = begin(f, OPEN);

    inet_pton(AF_INET, address, &id);
    put(f, 4, 1);
    put(f, LOCAL_AS, 2);
    put(f, 90, 2);
    put(f, ntohl(id.s_addr), 4);
    /* One optional parameter has all capabilities: multiprotocol IPv4 unicast, four-octet AS,
     * graceful restart, ADD-PATH send. */
    put(f, 6 + 6 + 4 + (f->add_path ? 6 : 0) + 2, 1);
    put(f, 2, 1);
    put(f, 6 + 6 + 4 + (f->add_path ? 6 : 0), 1);
    put(f, 0x010400010001, 6);
    put(f, 0x4104, 2);
    put(f, LOCAL_AS, 4);
    put(f, 0x40020078, 4);
    if (f->add_path)
        put(f, 0x450400010102, 6);
    end(f, start);
    flush(f);
}

/* Announces path number `path` of the prefixes [first, last), which share their attributes. */
static void send_update(struct feed *f, uint32_t first, uint32_t last, uint32_t path, uint32_t med)
{
    size_t start = begin(f, UPDATE);
    unsigned hops = 2 + world_attrs(first) % 3;

    put(f, 0, 2);
    put(f, 4 + 3 + 4 * hops + 2 + 7 + 7 + 7 + 3 + 8, 2);
    put(f, 0x40010100, 4); /* ORIGIN IGP */
    put(f, 0x4002, 2);     /* AS_PATH, one sequence: the peer, transits, the origin */
    put(f, 2 + 4 * hops, 1);
    put(f, 2, 1);
    put(f, hops, 1);
    put(f, world_peer_as(first, path), 4);
    for (unsigned i = 2; i < hops; i++)
        put(f, 3000 + (world_attrs(first) + path + i) % 500, 4);
    put(f, world_origin_as(first), 4);
    put(f, 0x400304, 3); /* NEXT_HOP */
    put(f, world_next_hop(first, path), 4);
    put(f, 0x800404, 3); /* MED */
    put(f, med, 4);
    put(f, 0x400504, 3); /* LOCAL_PREF */
    put(f, 100 + path, 4);
    put(f, 0xc00808, 3); /* COMMUNITIES */
    put(f,
        (uint64_t)65000 << 48 | (uint64_t)(path + 1) << 32 | 65000u << 16 |
            world_attrs(first) % 100,
        8);
    for (uint32_t i = first; i < last; i++) {
        const struct world_prefix *p = &f->world.prefixes[i];
        if (f->add_path)
            put(f, path + 1, 4);
        put(f, p->len, 1);
        put(f, p->network >> (32 - 8 * ((p->len + 7) / 8)), (p->len + 7) / 8);
    }
    end(f, start);
}

static void send_run(struct feed *f, uint32_t run, uint32_t path, uint32_t med)
{
    uint32_t first = run * 8, last = first + 8;
    send_update(f, first, last < f->world.prefix_count ? last : f->world.prefix_count, path, med);
}

static void send_keepalive(struct feed *f)
{
    end(f, begin(f, KEEPALIVE));
    flush(f);
}

/* Reads what the collector says; exits when it closes or complains. */
static void drain(struct feed *f, bool until_open)
{
    static uint8_t in[65536];
    static size_t len;
    bool seen = false;

    do {
        ssize_t n = recv(f->fd, in + len, sizeof in - len, until_open ? 0 : MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0) {
            fprintf(stderr, "bgpfeed: the collector closed the session\n");
            exit(1);
        }
        len += (size_t)n;
        size_t pos = 0;
        while (len - pos >= 19) {
            size_t message = (size_t)in[pos + 16] << 8 | in[pos + 17];
            if (message < 19 || len - pos < message)
                break;
            if (in[pos + 18] == NOTIFICATION) {
                fprintf(stderr, "bgpfeed: notification %u/%u\n", in[pos + 19], in[pos + 20]);
                exit(1);
            }
            seen |= in[pos + 18] == OPEN;
            pos += message;
        }
        memmove(in, in + pos, len - pos);
        len -= pos;
    } while (until_open && !seen);
}

static void session_connect(struct feed *f, const char *address, const char *collector,
                            uint16_t port)
{
    struct sockaddr_in from = {.sin_family = AF_INET},
                       to = {.sin_family = AF_INET, .sin_port = htons(port)};

    if (inet_pton(AF_INET, address, &from.sin_addr) != 1 ||
        inet_pton(AF_INET, collector, &to.sin_addr) != 1) {
        fprintf(stderr, "bgpfeed: addresses are IPv4\n");
        exit(2);
    }
    for (int attempt = 0; attempt < 100; attempt++) {
        f->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (f->fd >= 0 && bind(f->fd, (struct sockaddr *)&from, sizeof from) == 0 &&
            connect(f->fd, (struct sockaddr *)&to, sizeof to) == 0)
            return;
        close(f->fd);
        usleep(100000);
    }
    perror("bgpfeed: connect");
    exit(1);
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"port", 1, 0, 'P'},     {"collector", 1, 0, 'C'}, {"address", 1, 0, 'a'},
        {"prefixes", 1, 0, 'p'}, {"paths", 1, 0, 'q'},     {"no-add-path", 0, 0, 'x'},
        {"churn", 1, 0, 'c'},    {"ready", 1, 0, 'r'},     {0}};
    static struct feed f = {.add_path = true};
    const char *address = "127.0.2.1", *collector = "127.0.0.1", *ready = NULL;
    unsigned port = 0, prefixes = 1000, paths = 4, churn = 0;

    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 'P':
            port = (unsigned)atoi(optarg);
            break;
        case 'C':
            collector = optarg;
            break;
        case 'a':
            address = optarg;
            break;
        case 'p':
            prefixes = (unsigned)atoi(optarg);
            break;
        case 'q':
            paths = (unsigned)atoi(optarg);
            break;
        case 'x':
            f.add_path = false;
            break;
        case 'c':
            churn = (unsigned)atoi(optarg);
            break;
        case 'r':
            ready = optarg;
            break;
        default:
            return 2;
        }
    }
    if (port < 1 || port > 65535 || (!f.add_path && paths > 1)) {
        fprintf(stderr, "bgpfeed: see the head of bgpfeed.c\n");
        return 2;
    }
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    world_init(&f.world, prefixes, paths);
    session_connect(&f, address, collector, (uint16_t)port);
    send_open(&f, address);
    drain(&f, true);
    send_keepalive(&f);

    double started = now_s();
    uint32_t runs = (prefixes + 7) / 8;
    for (uint32_t run = 0; run < runs; run++) {
        for (uint32_t path = 0; path < paths; path++)
            send_run(&f, run, path, 100);
        if (run % 64 == 0)
            drain(&f, false);
    }
    size_t start = begin(&f, UPDATE);
    put(&f, 0, 4);
    end(&f, start);
    flush(&f);
    printf("{\"prefixes\": %u, \"paths\": %u, \"seconds\": %.3f}\n", prefixes, prefixes * paths,
           now_s() - started);
    fflush(stdout);
    if (ready) {
        FILE *file = fopen(ready, "w");
        if (!file || fclose(file) != 0)
            perror(ready);
    }

    double next_keepalive = now_s() + 20, churn_started = now_s();
    uint64_t churned = 0, seed = 99;
    while (!is_ended) {
        struct pollfd p = {.fd = f.fd, .events = POLLIN};
        poll(&p, 1, churn ? 10 : 500);
        drain(&f, false);
        for (; churn && runs && (double)churned < (now_s() - churn_started) * churn; churned++)
            send_run(&f, (uint32_t)(world_random(&seed) % runs), (uint32_t)(churned % paths),
                     100 + (uint32_t)(churned & 1));
        flush(&f);
        if (now_s() > next_keepalive) {
            send_keepalive(&f);
            next_keepalive += 20;
        }
    }
    close(f.fd);
    world_clear(&f.world);
    return 0;
}
