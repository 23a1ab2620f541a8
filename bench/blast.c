/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends the datagrams of a capture made by flowgen over UDP on loopback, each from its exporter's
 * address, at a steady rate:
 *
 *   blast --pcap FILE --port P [--rate DATAGRAMS_PER_S] [--rounds N]
 *
 * Nothing is computed per flow while sending, so that one core can keep a collector busy. Prints
 * how many datagrams went out, in how many seconds, and in how many of CPU time. The first round begins with the templates.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PCAP_HEADER   24
#define FRAME_HEADER  16
#define IP_UDP_HEADER 28
#define MAX_EXPORTERS 64
#define BURST         32 /* datagrams of one exporter in one sendmmsg() */

struct sender {
    int fd;
    unsigned count;
    struct mmsghdr messages[BURST];
    struct iovec parts[BURST];
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu_s(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) +
           (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1e-6;
}

static void sender_open(struct sender *s, uint32_t source, uint16_t port)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(source)},
                       to = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    s->fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&from, sizeof from) < 0 ||
        connect(s->fd, (struct sockaddr *)&to, sizeof to) < 0)
        fail("socket");
}

static void sender_flush(struct sender *s)
{
    for (unsigned done = 0; done < s->count;) {
        int n = sendmmsg(s->fd, s->messages + done, s->count - done, 0);
        if (n > 0)
            done += (unsigned)n;
        else if (errno != EINTR && errno != ENOBUFS && errno != EAGAIN)
            fail("sendmmsg"); /* ECONNREFUSED too: nobody listens */
    }
    s->count = 0;
}

static void sender_add(struct sender *s, const uint8_t *payload, size_t len)
{
    s->parts[s->count] = (struct iovec){(void *)(uintptr_t)payload, len};
    s->messages[s->count].msg_hdr =
        (struct msghdr){.msg_iov = &s->parts[s->count], .msg_iovlen = 1};
    if (++s->count == BURST)
        sender_flush(s);
}

static uint32_t frame_len(const uint8_t *frame)
{
    uint32_t len; /* flowgen writes in this machine's order */
    memcpy(&len, frame + 8, sizeof len);
    return len;
}

int main(int argc, char **argv)
{
    static const struct option names[] = {
        {"pcap", 1, 0, 'w'}, {"port", 1, 0, 'p'}, {"rate", 1, 0, 'r'}, {"rounds", 1, 0, 'n'}, {0}};
    static struct sender senders[MAX_EXPORTERS];
    const char *path = NULL;
    unsigned port = 0, rounds = 1;
    double rate = 0;

    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 'w':
            path = optarg;
            break;
        case 'p':
            port = (unsigned)atoi(optarg);
            break;
        case 'r':
            rate = strtod(optarg, NULL);
            break;
        case 'n':
            rounds = (unsigned)atoi(optarg);
            break;
        default:
            return 2;
        }
    }
    if (!path || port < 1 || port > 65535) {
        fprintf(stderr, "blast: see the head of blast.c\n");
        return 2;
    }
    int fd = open(path, O_RDONLY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0)
        fail(path);
    const uint8_t *data =
        mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (data == MAP_FAILED)
        fail(path);
    const uint8_t *end = data + status.st_size;
    uint64_t sent = 0;
    double started = now_s(), cpu_before = cpu_s();
    for (unsigned round = 0; round < rounds; round++) {
        for (const uint8_t *at = data + PCAP_HEADER; at < end;) {
            uint32_t len = frame_len(at);
            const uint8_t *ip = at + FRAME_HEADER;
            if (len < IP_UDP_HEADER || len > (size_t)(end - ip)) {
                fprintf(stderr, "blast: %s is not flowgen's\n", path);
                return 1;
            }
            struct sender *s = &senders[(ip[15] - 1) % MAX_EXPORTERS]; /* 127.0.2.N */
            if (s->fd == 0)
                sender_open(s, UINT32_C(0x7f000200) | ip[15], (uint16_t)port);
            sender_add(s, ip + IP_UDP_HEADER, len - IP_UDP_HEADER);
            at = ip + len;
            sent++;
            while (rate > 0 && sent % 16 == 0 && (double)sent / rate > now_s() - started)
                continue;
        }
        for (int i = 0; i < MAX_EXPORTERS; i++)
            if (senders[i].fd)
                sender_flush(&senders[i]);
    }
    printf("{\"datagrams\": %lu, \"seconds\": %.6f, \"cpu_s\": %.6f}\n", sent, now_s() - started,
           cpu_s() - cpu_before);
    return 0;
}
