/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures what the machine allows, stage by stage, so that results can be shown as a share of it:
 *
 *   limits read FILE        reads every byte of the input
 *   limits lookup KEYS      reads one cache line each at random, issued in batches of 32
 *   limits write BYTES      writes that many bytes with write(2), in blocks of 256 KiB, to a file in
 *                           the current folder
 *   limits receive PORT N   receives on 127.0.0.1 with recvmmsg and only counts, until N datagrams
 *                           came or 10 s passed
 *   limits feed PORT        reads every byte of one bgpfeed's table over TCP, until its End-of-RIB
 *
 * Each prints one JSON object with the CPU seconds it took.
 */
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double cpu_s(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void limit_read(const char *path)
{
    static uint64_t block[32768];
    uint64_t sum = 0, total = 0;
    int fd = open(path, O_RDONLY);

    if (fd < 0)
        fail(path);
    double start = cpu_s();
    for (ssize_t n; (n = read(fd, block, sizeof block)) > 0; total += (uint64_t)n)
        for (ssize_t i = 0; i < n / 8; i++)
            sum += block[i];
    printf("{\"bytes\": %lu, \"cpu_s\": %.6f, \"sum\": %lu}\n", total, cpu_s() - start, sum);
    close(fd);
}

static void limit_lookup(uint64_t keys)
{
    enum { BATCH = 32 };
    uint64_t seed = 3, sum = 0, count = 20000000, at[BATCH];
    uint64_t(*lines)[8] = aligned_alloc(64, keys * 64);

    if (!lines)
        fail("memory");
    memset(lines, 1, keys * 64);
    double start = cpu_s();
    for (uint64_t n = 0; n < count; n += BATCH) {
        for (int i = 0; i < BATCH; i++) {
            at[i] = world_random(&seed) % keys;
            __builtin_prefetch(lines[at[i]], 1);
        }
        for (int i = 0; i < BATCH; i++)
            sum += ++lines[at[i]][n & 7];
    }
    printf("{\"keys\": %lu, \"accesses\": %lu, \"cpu_s\": %.6f, \"sum\": %lu}\n", keys, count,
           cpu_s() - start, sum);
    free(lines);
}

static void limit_write(uint64_t bytes)
{
    static char block[256 * 1024];
    char name[] = "limits-XXXXXX";
    int fd = mkstemp(name);

    if (fd < 0)
        fail(name);
    unlink(name);
    memset(block, 'x', sizeof block);
    double start = cpu_s();
    for (uint64_t done = 0; done < bytes; done += sizeof block)
        if (write(fd, block, sizeof block) != (ssize_t)sizeof block)
            fail("write");
    printf("{\"bytes\": %lu, \"cpu_s\": %.6f}\n", bytes, cpu_s() - start);
    close(fd);
}

static void limit_receive(uint16_t port, uint64_t count)
{
    enum { BATCH = 256, SIZE = 2048 };
    static char data[BATCH][SIZE];
    static struct iovec iov[BATCH];
    static struct mmsghdr messages[BATCH];
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0), size = 64 << 20;
    uint64_t got = 0, bytes = 0;

    if (fd < 0 || bind(fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail("bind");
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    for (int i = 0; i < BATCH; i++) {
        iov[i] = (struct iovec){data[i], SIZE};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
    }
    time_t end = time(NULL) + 10;
    double start = cpu_s();
    while (got < count && time(NULL) < end) {
        int n = recvmmsg(fd, messages, BATCH, MSG_DONTWAIT, NULL);
        if (n < 0) {
            struct pollfd p = {.fd = fd, .events = POLLIN};
            poll(&p, 1, 100);
            continue;
        }
        got += (uint64_t)n;
        for (int i = 0; i < n; i++)
            bytes += messages[i].msg_len;
    }
    printf("{\"datagrams\": %lu, \"bytes\": %lu, \"cpu_s\": %.6f}\n", got, bytes, cpu_s() - start);
    close(fd);
}

/* Plays the collector's side of a session, as far as bgpfeed needs it: AS 65000, hold time 90 s. */
static void feed_greet(int fd)
{
    static const uint8_t greeting[] = {
        [0 ... 15] = 0xff,  0, 29, 1, 4, 0xfd, 0xe8, 0, 90, 127, 0, 0, 1, 0, /* OPEN */
        [29 ... 44] = 0xff, 0, 19, 4,                                        /* KEEPALIVE */
    };

    if (write(fd, greeting, sizeof greeting) != (ssize_t)sizeof greeting)
        fail("write");
}

static void limit_feed(uint16_t port)
{
    static const uint8_t end_of_rib[] = {0, 23, 2, 0, 0, 0, 0};
    static uint8_t block[1 << 16];
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listening = socket(AF_INET, SOCK_STREAM, 0), fd, one = 1;
    uint64_t bytes = 0, sum = 0, word;
    bool is_ended = false;

    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listening, (struct sockaddr *)&at, sizeof at) < 0 || listen(listening, 1) < 0)
        fail("bind");
    fd = accept(listening, NULL, NULL);
    if (fd < 0)
        fail("accept");
    feed_greet(fd);
    double start = cpu_s();
    for (ssize_t n; !is_ended && (n = recv(fd, block, sizeof block, 0)) > 0; bytes += (uint64_t)n) {
        for (ssize_t i = 0; i + 8 <= n; i += 8) {
            memcpy(&word, block + i, sizeof word);
            sum += word;
        }
        is_ended = n >= (ssize_t)sizeof end_of_rib &&
                   !memcmp(block + n - sizeof end_of_rib, end_of_rib, sizeof end_of_rib);
    }
    printf("{\"bytes\": %lu, \"cpu_s\": %.6f, \"sum\": %lu}\n", bytes, cpu_s() - start, sum);
    close(fd);
    close(listening);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "read") == 0)
        limit_read(argv[2]);
    else if (argc == 3 && strcmp(argv[1], "lookup") == 0)
        limit_lookup(strtoull(argv[2], NULL, 10));
    else if (argc == 3 && strcmp(argv[1], "write") == 0)
        limit_write(strtoull(argv[2], NULL, 10));
    else if (argc == 4 && strcmp(argv[1], "receive") == 0)
        limit_receive((uint16_t)atoi(argv[2]), strtoull(argv[3], NULL, 10));
    else if (argc == 3 && strcmp(argv[1], "feed") == 0)
        limit_feed((uint16_t)atoi(argv[2]));
    else
        return fprintf(stderr, "limits: see the head of limits.c\n"), 2;
    return 0;
}
