/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sends flow exports of the generators' world (world.h) to a capture file or over UDP, the same for
 * the same options, and writes the exact truth about them; `usage` below has the options.
 *
 * The truth is a CSV file of sums by exporter, input interface, next hop, peer AS and destination
 * AS. Totals go to stdout as JSON, with --views also the digests of what outputs must say (truth.h).
 * IPFIX and v9 use a template of 25 fields, as core routers send; an sFlow flow is one packet.
 */
#include "sflow_export.h"
#include "truth.h"
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EPOCH_S       1700000000u
#define MAX_DATAGRAM  1400
#define MAX_EXPORTERS 65536
#define MAX_SENDERS   64 /* exporters with a socket each */
#define IFACES        8
#define TCP_FLAGS     0x18 /* PSH, ACK */

struct options {
    uint64_t flows, seed, rate;
    uint32_t keys, prefixes, paths, exporters, seconds;
    double zipf;
    const char *format, *pcap, *udp, *truth;
    bool has_views;
};

/* The members that all flows of a key share. They are derived from the key's number, so that
 * nothing is stored per key. */
struct tuple {
    uint32_t src, dst, next_hop, peer_as, origin_as, exporter, iface;
    uint16_t sport, dport;
    uint8_t proto, dst_mask;
};

struct sum {
    uint32_t exporter, iface, next_hop, peer_as, origin_as;
    uint64_t flows, packets, bytes;
};

struct generator {
    struct options options;
    struct world world;
    double *zipf_cdf;
    struct sum *sums;
    uint64_t sums_mask, sums_used;
    struct truth *views;
    uint64_t total_flows, total_packets, total_bytes, datagrams;
    FILE *pcap;
    int fds[MAX_SENDERS];
    uint32_t sequence[MAX_EXPORTERS];
    uint32_t samples[MAX_EXPORTERS]; /* numbers of sFlow samples */
};

struct buffer {
    uint8_t data[2048];
    size_t len;
};

static void put(struct buffer *b, uint64_t value, unsigned size)
{
    while (size-- > 0)
        b->data[b->len++] = (uint8_t)(value >> (8 * size));
}

static void put_at(struct buffer *b, size_t at, uint64_t value, unsigned size)
{
    while (size-- > 0)
        b->data[at++] = (uint8_t)(value >> (8 * size));
}

/* ---- what is sent ---- */

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static struct tuple tuple_of(const struct generator *g, uint32_t key)
{
    uint64_t h = mix(key + g->options.seed * UINT64_C(0x9e3779b97f4a7c15) + 1), h2 = mix(h + 1);
    struct tuple t = {
        .sport = (uint16_t)(1024 + h % 60000),
        .dport = (h >> 20 & 3) ? 443 : 53,
        .proto = (h >> 20 & 3) ? 6 : 17,
        .src = UINT32_C(100) << 24 | (uint32_t)(h >> 32 & 0x3fffff),
        /* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): main() wants one at least */
        .exporter = (uint32_t)(h2 % g->options.exporters),
        .iface = (uint32_t)(h2 >> 8 & (IFACES - 1)) + 1};

    if (g->world.prefix_count > 0) {
        uint32_t i = (uint32_t)((h2 >> 16) % g->world.prefix_count),
                 path = (uint32_t)(h2 >> 60) % g->world.path_count;
        const struct world_prefix *p = &g->world.prefixes[i];
        t.dst = p->network | ((uint32_t)(h2 >> 24) & ~(UINT32_MAX << (32 - p->len)));
        t.dst_mask = p->len;
        t.next_hop = world_next_hop(i, path);
        t.peer_as = world_peer_as(i, path);
        t.origin_as = world_origin_as(i);
    } else {
        t.dst = UINT32_C(150) << 24 | (uint32_t)(h2 >> 24 & 0xffffff);
        t.dst_mask = 24;
        t.next_hop = UINT32_C(10) << 24 | (uint32_t)(h2 >> 50 & 15);
    }
    return t;
}

static uint32_t draw_key(struct generator *g, uint64_t *seed)
{
    if (!g->zipf_cdf)
        return (uint32_t)(world_random(seed) % g->options.keys);
    double u = (double)(world_random(seed) >> 11) * 0x1p-53;
    uint32_t low = 0, high = g->options.keys - 1;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (g->zipf_cdf[middle] < u)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void add_truth(struct generator *g, const struct tuple *t, uint64_t packets, uint64_t bytes)
{
    uint64_t at = mix(t->next_hop ^ (uint64_t)t->peer_as << 32 ^ (uint64_t)t->exporter << 48) ^
                  mix(t->origin_as ^ (uint64_t)t->iface << 40);

    for (;; at++) {
        struct sum *s = &g->sums[at & g->sums_mask];
        if (s->flows == 0) {
            if (++g->sums_used > g->sums_mask * 3 / 4) {
                fprintf(stderr,
                        "flowgen: too many sums for the truth: fewer prefixes or no --truth\n");
                exit(2);
            }
            *s =
                (struct sum){t->exporter, t->iface, t->next_hop, t->peer_as, t->origin_as, 0, 0, 0};
        } else if (s->exporter != t->exporter || s->iface != t->iface ||
                   s->next_hop != t->next_hop || s->peer_as != t->peer_as ||
                   s->origin_as != t->origin_as) {
            continue;
        }
        s->flows++;
        s->packets += packets;
        s->bytes += bytes;
        return;
    }
}

/* Flows start 2 s before they are exported and end 0.5 s before; v5 and v9 know whole seconds of
 * export only. */
static void add_views(struct generator *g, const struct tuple *t, uint64_t ms, uint64_t packets,
                      uint64_t bytes)
{
    uint64_t export_ms = g->options.format[0] == 'i' ? ms : ms / 1000 * 1000;
    struct truth_flow flow = {.exporter = 0x7f000201 + t->exporter,
                              .iface = t->iface,
                              .next_hop = t->next_hop,
                              .peer_as = t->peer_as,
                              .origin_as = t->origin_as,
                              .src = t->src,
                              .dst = t->dst,
                              .sport = t->sport,
                              .dport = t->dport,
                              .proto = t->proto,
                              .tcp_flags = TCP_FLAGS,
                              .start_ms = export_ms - 2000,
                              .end_ms = export_ms - 500,
                              .packets = packets,
                              .bytes = bytes};
    truth_add(g->views, &flow);
}

/* The template has 25 fields: element, length. IPFIX has no uptime in its header, so its times are
 * absolute (152, 153). */
static const uint16_t fields[][2] = {{8, 4},  {12, 4}, {7, 2},   {11, 2}, {4, 1},  {5, 1},  {6, 1},
                                     {10, 4}, {14, 4}, {18, 4},  {15, 4}, {16, 4}, {17, 4}, {9, 1},
                                     {13, 1}, {61, 1}, {136, 1}, {32, 2}, {58, 2}, {89, 1}, {60, 1},
                                     {22, 4}, {21, 4}, {1, 4},   {2, 4}};
#define FIELD_COUNT (sizeof fields / sizeof *fields)

static void put_template(struct buffer *b, bool ipfix)
{
    put(b, ipfix ? 2 : 0, 2);
    put(b, 8 + 4 * FIELD_COUNT, 2);
    put(b, 256, 2);
    put(b, FIELD_COUNT, 2);
    for (size_t i = 0; i < FIELD_COUNT; i++) {
        bool is_time = fields[i][0] == 21 || fields[i][0] == 22;
        put(b, is_time && ipfix ? 174u - fields[i][0] : fields[i][0], 2);
        put(b, is_time && ipfix ? 8 : fields[i][1], 2);
    }
}

static void put_record(struct buffer *b, const struct tuple *t, bool ipfix, uint64_t ms,
                       uint32_t packets, uint32_t bytes)
{
    put(b, t->src, 4);
    put(b, t->dst, 4);
    put(b, t->sport, 2);
    put(b, t->dport, 2);
    put(b, t->proto, 1);
    put(b, 0, 1);
    put(b, TCP_FLAGS, 1);
    put(b, t->iface, 4);
    put(b, 100 + t->iface, 4);
    put(b, t->next_hop, 4);
    put(b, t->next_hop, 4);
    put(b, 64512, 4);
    put(b, t->origin_as, 4);
    put(b, 24, 1);
    put(b, t->dst_mask, 1);
    put(b, 0, 1);
    put(b, 2, 1);
    put(b, 0, 2);
    put(b, 100, 2);
    put(b, 64, 1);
    put(b, 4, 1);
    put(b, ms - 2000, ipfix ? 8 : 4);
    put(b, ms - 500, ipfix ? 8 : 4);
    put(b, bytes, 4);
    put(b, packets, 4);
}

static void put_record5(struct buffer *b, const struct tuple *t, uint32_t uptime, uint32_t packets,
                        uint32_t bytes)
{
    put(b, t->src, 4);
    put(b, t->dst, 4);
    put(b, t->next_hop, 4);
    put(b, t->iface, 2);
    put(b, 100 + t->iface, 2);
    put(b, packets, 4);
    put(b, bytes, 4);
    put(b, uptime - 2000, 4);
    put(b, uptime - 500, 4);
    put(b, t->sport, 2);
    put(b, t->dport, 2);
    put(b, TCP_FLAGS, 2);
    put(b, t->proto, 1);
    put(b, 0, 1);
    put(b, 64512, 2);
    put(b, t->origin_as & 0xffff, 2);
    put(b, 24, 1);
    put(b, t->dst_mask, 1);
    put(b, 0, 2);
}

/* ---- where it goes ---- */

static void send_pcap(struct generator *g, uint32_t exporter, const struct buffer *payload,
                      uint64_t time_us)
{
    uint32_t len = (uint32_t)payload->len + 28;
    uint32_t header[4] = {(uint32_t)(time_us / 1000000), (uint32_t)(time_us % 1000000), len, len};
    struct buffer ip = {.len = 0};

    put(&ip, 0x45000000 | len, 4);
    put(&ip, 0, 4);
    put(&ip, 0x40110000, 4);
    put(&ip, 0x7f000201 + exporter, 4); /* 127.0.2.1 and so on */
    put(&ip, 0x7f000001, 4);
    put(&ip, 50000, 2);
    put(&ip, 2100, 2);
    put(&ip, payload->len + 8, 2);
    put(&ip, 0, 2);
    if (fwrite(header, 16, 1, g->pcap) != 1 || fwrite(ip.data, ip.len, 1, g->pcap) != 1 ||
        fwrite(payload->data, payload->len, 1, g->pcap) != 1) {
        perror(g->options.pcap);
        exit(1);
    }
}

static void send_udp(struct generator *g, uint32_t exporter, const struct buffer *payload)
{
    while (send(g->fds[exporter], payload->data, payload->len, 0) < 0) {
        if (errno == ECONNREFUSED || errno == EINTR)
            continue;
        if (errno != ENOBUFS && errno != EAGAIN) {
            perror("send");
            exit(1);
        }
    }
}

static void open_udp(struct generator *g)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    const char *colon = strrchr(g->options.udp, ':');
    char address[64];

    if (!colon || (size_t)(colon - g->options.udp) >= sizeof address) {
        fprintf(stderr, "--udp ADDRESS:PORT\n");
        exit(2);
    }
    memcpy(address, g->options.udp, (size_t)(colon - g->options.udp));
    address[colon - g->options.udp] = 0;
    to.sin_port = htons((uint16_t)atoi(colon + 1));
    if (inet_pton(AF_INET, address, &to.sin_addr) != 1 ||
        (ntohl(to.sin_addr.s_addr) >> 24) != 127) {
        fprintf(stderr, "--udp: only loopback addresses are sent to\n");
        exit(2);
    }
    for (uint32_t e = 0; e < g->options.exporters; e++) {
        struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000201 + e)};
        g->fds[e] = socket(AF_INET, SOCK_DGRAM, 0);
        if (g->fds[e] < 0 || bind(g->fds[e], (struct sockaddr *)&from, sizeof from) < 0 ||
            connect(g->fds[e], (struct sockaddr *)&to, sizeof to) < 0) {
            perror("socket");
            exit(1);
        }
    }
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- the run ---- */

struct message {
    struct buffer buffer;
    uint32_t flows;
};

static bool is_sflow(const struct generator *g)
{
    return g->options.format[0] == 's';
}

static void put_sample(struct generator *g, struct buffer *b, const struct tuple *t, uint32_t bytes)
{
    const struct sflow_packet packet = {.sequence = g->samples[t->exporter]++,
                                        .iface = t->iface,
                                        .src = t->src,
                                        .dst = t->dst,
                                        .next_hop = t->next_hop,
                                        .peer_as = t->peer_as,
                                        .origin_as = t->origin_as,
                                        .frame_len = bytes,
                                        .sport = t->sport,
                                        .dport = t->dport,
                                        .proto = t->proto,
                                        .dst_mask = t->dst_mask};

    b->len += sflow_put_sample(b->data + b->len, &packet);
}

static void begin_message(struct generator *g, struct message *m, uint32_t exporter,
                          uint64_t time_us)
{
    struct buffer *b = &m->buffer;
    uint32_t now = (uint32_t)(time_us / 1000000);
    bool v5 = g->options.format[1] == '5', ipfix = g->options.format[0] == 'i';

    b->len = 0;
    m->flows = 0;
    if (is_sflow(g)) {
        b->len = sflow_put_header(b->data, 0x7f000201 + exporter, g->sequence[exporter],
                                  (now - EPOCH_S + 3600) * 1000);
        return;
    }
    put(b, v5 ? 5 : ipfix ? 10 : 9, 2);
    put(b, 0, 2); /* length or count: finish_message() */
    if (!ipfix)
        put(b, (uint64_t)(now - EPOCH_S + 3600) * 1000, 4);
    put(b, now, 4);
    if (v5)
        put(b, time_us % 1000000 * 1000, 4);
    put(b, g->sequence[exporter], 4);
    put(b, v5 ? 0 : 1, 4);
    if (!v5) {
        put(b, 256, 2);
        put(b, 0, 2);
    }
}

static void finish_message(struct generator *g, struct message *m, uint32_t exporter,
                           uint64_t time_us)
{
    struct buffer *b = &m->buffer;
    bool v5 = g->options.format[1] == '5', ipfix = g->options.format[0] == 'i';
    size_t header = ipfix ? 16 : 20;

    if (m->flows == 0)
        return;
    if (is_sflow(g))
        put_at(b, 24, m->flows, 4);
    else
        put_at(b, 2, ipfix ? b->len : m->flows, 2);
    if (!v5 && !is_sflow(g))
        put_at(b, header + 2, b->len - header, 2);
    g->sequence[exporter] += v5 || ipfix ? m->flows : 1;
    g->datagrams++;
    if (g->pcap)
        send_pcap(g, exporter, b, time_us);
    else
        send_udp(g, exporter, b);
}

static void send_templates(struct generator *g)
{
    bool ipfix = g->options.format[0] == 'i';

    if (g->options.format[1] == '5' || is_sflow(g))
        return;
    for (uint32_t e = 0; e < g->options.exporters; e++) {
        struct message m;
        begin_message(g, &m, e, (uint64_t)EPOCH_S * 1000000);
        m.buffer.len = ipfix ? 16 : 20;
        put_template(&m.buffer, ipfix);
        put_at(&m.buffer, 2, ipfix ? m.buffer.len : 1, 2);
        if (!ipfix)
            g->sequence[e]++;
        g->datagrams++;
        if (g->pcap)
            send_pcap(g, e, &m.buffer, (uint64_t)EPOCH_S * 1000000);
        else
            send_udp(g, e, &m.buffer);
    }
}

static void generate(struct generator *g)
{
    static struct message messages[MAX_EXPORTERS];
    bool v5 = g->options.format[1] == '5', ipfix = g->options.format[0] == 'i';
    uint64_t seed = g->options.seed * 2 + 1;
    double started = now_s();

    send_templates(g);
    for (uint32_t e = 0; e < g->options.exporters; e++)
        begin_message(g, &messages[e], e, (uint64_t)EPOCH_S * 1000000);
    for (uint64_t n = 0; n < g->options.flows; n++) {
        uint64_t time_us =
            (uint64_t)EPOCH_S * 1000000 + n * g->options.seconds * 1000000 / g->options.flows;
        struct tuple t = tuple_of(g, draw_key(g, &seed));
        struct message *m = &messages[t.exporter];
        uint32_t packets = 1 + (uint32_t)(world_random(&seed) & (is_sflow(g) ? 0 : 15));
        uint32_t bytes = packets * (64 + (uint32_t)(world_random(&seed) % 1400));
        uint32_t uptime = ((uint32_t)(time_us / 1000000) - EPOCH_S + 3600) * 1000;

        if (is_sflow(g))
            put_sample(g, &m->buffer, &t, bytes);
        else if (v5)
            put_record5(&m->buffer, &t, uptime, packets, bytes);
        else
            put_record(&m->buffer, &t, ipfix, ipfix ? time_us / 1000 : uptime, packets, bytes);
        m->flows++;
        g->total_flows++;
        g->total_packets += packets;
        g->total_bytes += bytes;
        if (g->sums)
            add_truth(g, &t, packets, bytes);
        if (g->views)
            add_views(g, &t, time_us / 1000, packets, bytes);
        size_t next_len = is_sflow(g) ? SFLOW_SAMPLE_LEN : 70;
        if (v5 ? m->flows == 30 : m->buffer.len + next_len > MAX_DATAGRAM) {
            finish_message(g, m, t.exporter, time_us);
            begin_message(g, m, t.exporter, time_us);
        }
        if (g->options.rate && n % 64 == 0)
            while ((double)n / (double)g->options.rate > now_s() - started)
                ;
    }
    uint64_t end_us = ((uint64_t)EPOCH_S + g->options.seconds) * 1000000;
    for (uint32_t e = 0; e < g->options.exporters; e++)
        finish_message(g, &messages[e], e, end_us);
}

static int compare_sums(const void *a, const void *b)
{
    return memcmp(a, b, offsetof(struct sum, flows));
}

static void write_truth(struct generator *g)
{
    FILE *out = fopen(g->options.truth, "w");
    size_t count = 0;

    if (!out) {
        perror(g->options.truth);
        exit(1);
    }
    for (uint64_t i = 0; i <= g->sums_mask; i++)
        if (g->sums[i].flows > 0)
            g->sums[count++] = g->sums[i];
    qsort(g->sums, count, sizeof *g->sums, compare_sums);
    fputs("PEER_SRC_IP,IN_IFACE,PEER_DST_IP,PEER_DST_AS,DST_AS,FLOWS,PACKETS,BYTES\n", out);
    for (size_t i = 0; i < count; i++) {
        const struct sum *s = &g->sums[i];
        uint32_t address = 0x7f000201 + s->exporter;
        fprintf(out, "127.%u.%u.%u,%u,%u.%u.%u.%u,%u,%u,%lu,%lu,%lu\n", address >> 16 & 255,
                address >> 8 & 255, address & 255, s->iface, s->next_hop >> 24,
                s->next_hop >> 16 & 255, s->next_hop >> 8 & 255, s->next_hop & 255, s->peer_as,
                s->origin_as, s->flows, s->packets, s->bytes);
    }
    if (fclose(out) != 0) {
        perror(g->options.truth);
        exit(1);
    }
}

static const char usage[] =
    "usage: flowgen (--pcap FILE | --udp ADDRESS:PORT) [OPTION...]\n"
    "Makes flow exports, the same for the same options, and prints their sums as JSON.\n\n"
    "  --pcap FILE         write them to a capture file\n"
    "  --udp ADDRESS:PORT  send them, from 127.0.2.1 and so on, an address for each exporter\n"
    "  --rate N            with --udp: flows a second; as fast as possible if it is not given\n"
    "  --flows N           how many (100000)\n"
    "  --format FORMAT     ipfix, v9, v5 or sflow (ipfix)\n"
    "  --exporters N       exporters (4); at most 65536, with --udp 64\n"
    "  --keys N            distinct 5-tuples (10000)\n"
    "  --zipf S            draw them by a Zipf law of exponent S, not uniformly\n"
    "  --prefixes N        destinations lie in that many prefixes, as bgpfeed announces them\n"
    "  --paths N           paths of a prefix (4)\n"
    "  --seconds N         the time that the exports span (60)\n"
    "  --seed N            another number gives other flows (1)\n"
    "  --truth FILE        write their sums by exporter, interface, next hop and AS as CSV\n"
    "  --views             print digests of what outputs must say, too\n"
    "  --help              print this\n";

/* Ends the program over what is wrong with its arguments. */
static void refuse(const char *what)
{
    fprintf(stderr, "flowgen: %s; see flowgen --help\n", what);
    exit(2);
}

static void check_options(const struct options *o)
{
    bool is_known = strcmp(o->format, "ipfix") == 0 || strcmp(o->format, "v9") == 0 ||
                    strcmp(o->format, "v5") == 0 || strcmp(o->format, "sflow") == 0;

    if (!o->pcap == !o->udp)
        refuse("one of --pcap and --udp says where flows go");
    if (!is_known)
        refuse("--format: neither ipfix, v9, v5 nor sflow");
    if (o->keys < 1 || o->flows < 1)
        refuse("--keys and --flows: at least 1");
    if (o->exporters < 1 || o->exporters > (o->udp ? MAX_SENDERS : MAX_EXPORTERS))
        refuse("--exporters: too few or too many");
}

static void parse_options(int argc, char **argv, struct options *o)
{
    static const struct option names[] = {{"flows", 1, 0, 'n'},     {"format", 1, 0, 'f'},
                                          {"keys", 1, 0, 'k'},      {"zipf", 1, 0, 'z'},
                                          {"prefixes", 1, 0, 'p'},  {"paths", 1, 0, 'q'},
                                          {"seed", 1, 0, 's'},      {"seconds", 1, 0, 't'},
                                          {"pcap", 1, 0, 'w'},      {"udp", 1, 0, 'u'},
                                          {"rate", 1, 0, 'r'},      {"truth", 1, 0, 'T'},
                                          {"exporters", 1, 0, 'e'}, {"views", 0, 0, 'v'},
                                          {"help", 0, 0, 'h'},      {0}};

    *o = (struct options){.flows = 100000,
                          .seed = 1,
                          .keys = 10000,
                          .paths = 4,
                          .exporters = 4,
                          .seconds = 60,
                          .format = "ipfix"};
    for (int c; (c = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        switch (c) {
        case 'n':
            o->flows = strtoull(optarg, NULL, 10);
            break;
        case 'f':
            o->format = optarg;
            break;
        case 'k':
            o->keys = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'z':
            o->zipf = strtod(optarg, NULL);
            break;
        case 'p':
            o->prefixes = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'q':
            o->paths = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 's':
            o->seed = strtoull(optarg, NULL, 10);
            break;
        case 't':
            o->seconds = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'w':
            o->pcap = optarg;
            break;
        case 'u':
            o->udp = optarg;
            break;
        case 'r':
            o->rate = strtoull(optarg, NULL, 10);
            break;
        case 'T':
            o->truth = optarg;
            break;
        case 'e':
            o->exporters = (uint32_t)strtoul(optarg, NULL, 10);
            break;
        case 'v':
            o->has_views = true;
            break;
        case 'h':
            fputs(usage, stdout);
            exit(0);
        default:
            exit(2);
        }
    }
    if (optind < argc)
        refuse("it has options alone");
    check_options(o);
}

int main(int argc, char **argv)
{
    static struct generator g;

    parse_options(argc, argv, &g.options);
    world_init(&g.world, g.options.prefixes, g.options.paths);
    if (g.options.zipf > 0) {
        double sum = 0;
        g.zipf_cdf = malloc(g.options.keys * sizeof *g.zipf_cdf);
        if (!g.zipf_cdf)
            abort();
        for (uint32_t k = 0; k < g.options.keys; k++)
            g.zipf_cdf[k] = sum += pow(k + 1, -g.options.zipf);
        for (uint32_t k = 0; k < g.options.keys; k++)
            g.zipf_cdf[k] /= sum;
    }
    if (g.options.truth) {
        g.sums_mask = (UINT64_C(1) << 23) - 1;
        g.sums = calloc(g.sums_mask + 1, sizeof *g.sums);
        if (!g.sums)
            abort();
    }
    if (g.options.pcap) {
        /* The file is little-endian, with microseconds and raw IP (link type 101). */
        static const uint32_t header[6] = {0xa1b2c3d4, 4u << 16 | 2, 0, 0, 262144, 101};
        g.pcap = fopen(g.options.pcap, "wb");
        if (!g.pcap || fwrite(header, sizeof header, 1, g.pcap) != 1) {
            perror(g.options.pcap);
            return 1;
        }
    } else {
        open_udp(&g);
    }
    if (g.options.has_views)
        g.views = truth_new();
    generate(&g);
    if (g.pcap && fclose(g.pcap) != 0) {
        perror(g.options.pcap);
        return 1;
    }
    if (g.options.truth)
        write_truth(&g);
    printf("{\"datagrams\": %lu, \"flows\": %lu, \"packets\": %lu, \"bytes\": %lu", g.datagrams,
           g.total_flows, g.total_packets, g.total_bytes);
    if (g.views) {
        printf(", \"views\": {");
        truth_print(g.views);
        printf("}");
    }
    printf("}\n");
    truth_free(g.views);
    free(g.sums);
    free(g.zipf_cdf);
    world_clear(&g.world);
    return 0;
}
