/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sends datagrams in batches. See target.h. */
#include "plugins/tee/target.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/packet.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The socket's buffer is waited for so long, for all of a batch. */
#define BUFFER_WAIT_MS 20
#define RETRY_NS       (60 * NS_PER_S)
/* ICMP errors that may come between two datagrams that go out. */
#define REFUSALS_IN_A_ROW 8
/* Where the system does not tell: what each link has at least (RFC 8200), and Ethernet's. */
#define MTU_V6 1280
#define MTU_V4 1500

/* Datagrams of one size that the kernel is given as one; they fit into a packet of 64 KB. */
#define SEGMENTED_MAX_BYTES 65000

enum { BATCH_MAX = 64 };

static const struct {
    const char *counter, *what, *remedy;
} outcomes[] = {
#define OUTCOME(name, counter, what, remedy) {counter, what, remedy},
#include "plugins/tee/outcomes.def"
};

/* A datagram with a header of ours, for a raw socket. */
struct queued {
    struct iovec parts[2];
    uint8_t header[PACKET_HEADER_MAX];
};

/* Tells the kernel into pieces of which size to cut a message (udp(7), UDP_SEGMENT). */
union segment_control {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(sizeof(uint16_t))];
};

struct target {
    const struct target_settings *settings;
    const struct tee_pool *pool;
    const struct tee_receiver *receiver;
    struct ip_addr address; /* IP_NONE: its name is not resolved */
    struct sockaddr_storage to;
    socklen_t to_len;
    int fd; /* connected; -1: it could not be. Transparent: it tells the MTU alone */
    char trouble[256];
    int64_t tried_ns; /* when that was, of clock_mono() */
    int64_t told_ns;  /* when drops were logged last; 0: never */
    size_t mtu;
    uint32_t fragment_id;
    bool is_segmenting; /* the kernel cuts messages into datagrams */
    struct mmsghdr messages[BATCH_MAX];
    unsigned datagram_counts[BATCH_MAX]; /* of each message */
    struct queued queue[BATCH_MAX];      /* transparent: datagrams, one of each message */
    struct iovec datagrams[BATCH_MAX];   /* else: their bytes */
    union segment_control controls[BATCH_MAX];
    unsigned count; /* of datagrams */
    uint64_t counts[TEE_OUTCOME_COUNT], handed[TEE_OUTCOME_COUNT], told[TEE_OUTCOME_COUNT];
    char *counter_names[TEE_OUTCOME_COUNT];
};

/* ---- opening ---- */

static int resolve(struct target *t)
{
    const struct ip_addr *source = &t->settings->source;
    char port[8];
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_NUMERICSERV}, *found;

    if (!t->settings->is_transparent && source->family != IP_NONE)
        hints.ai_family = source->family == IP_V6 ? AF_INET6 : AF_INET;
    snprintf(port, sizeof port, "%u", t->receiver->port);
    int err = getaddrinfo(t->receiver->host, port, &hints, &found);
    if (err != 0) {
        snprintf(t->trouble, sizeof t->trouble, "%s", gai_strerror(err));
        return -ENOENT;
    }
    memcpy(&t->to, found->ai_addr, found->ai_addrlen);
    t->to_len = found->ai_addrlen;
    freeaddrinfo(found);
    return ip_addr_from_sockaddr(&t->to, &t->address, &(uint16_t){0});
}

static void look_at_mtu(struct target *t)
{
    bool is_v6 = t->to.ss_family == AF_INET6;
    int mtu = 0;
    socklen_t len = sizeof mtu;

    t->mtu = is_v6 ? MTU_V6 : MTU_V4;
    if (t->fd >= 0 &&
        getsockopt(t->fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? IPV6_MTU : IP_MTU, &mtu,
                   &len) == 0 &&
        mtu > 0)
        t->mtu = (size_t)mtu;
}

/* Binds to tee_source_ip and src_port, as far as they are set. */
static int bind_source(const struct target *t, int fd)
{
    const struct target_settings *s = t->settings;
    struct ip_addr any = {.family = t->to.ss_family == AF_INET6 ? IP_V6 : IP_V4};
    struct sockaddr_storage from;
    int on = 1;

    if (s->is_transparent || (s->source.family == IP_NONE && t->pool->source_port == 0))
        return 0;
    if (any.family == IP_V4)
        any.bytes[10] = any.bytes[11] = 0xff;
    socklen_t len = ip_addr_to_sockaddr(s->source.family == IP_NONE ? &any : &s->source,
                                        t->pool->source_port, &from);
    /* Receivers of a pool share the port. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(fd, (const void *)&from, len) < 0 ? -errno : 0;
}

static void set_options(const struct target *t, int fd)
{
    const struct target_settings *s = t->settings;
    int class = s->traffic_class;

    if (class != 0 && t->to.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &class, sizeof class);
    else if (class != 0)
        setsockopt(fd, IPPROTO_IP, IP_TOS, &class, sizeof class);
    if (s->buffer_size > 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &s->buffer_size, sizeof s->buffer_size);
}

static int open_socket(struct target *t)
{
    int fd = socket(t->to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const char *what = "cannot be reached";
    int err = fd < 0 ? -errno : 0;

    if (err == 0) {
        set_options(t, fd);
        err = bind_source(t, fd);
        what = "tee_source_ip or src_port cannot be used";
    }
    if (err == 0) {
        what = "cannot be reached";
        err = connect(fd, (const void *)&t->to, t->to_len) < 0 ? -errno : 0;
    }
    if (err < 0) {
        snprintf(t->trouble, sizeof t->trouble, "%s: %s", what, strerrordesc_np(-err));
        if (fd >= 0)
            close(fd);
        return err;
    }
    t->fd = fd;
    return 0;
}

static void target_open(struct target *t)
{
    t->tried_ns = clock_mono().ns;
    t->trouble[0] = 0;
    t->address = (struct ip_addr){0};
    if (resolve(t) == 0)
        open_socket(t);
    look_at_mtu(t);
    if (t->trouble[0])
        t->settings->host->log(t->settings->host, PA_LOG_WARNING,
                               "tee_receivers: pool %u, receiver %s: %s; it gets nothing, and is "
                               "tried again each minute",
                               t->pool->id, t->receiver->name, t->trouble);
}

struct target *target_new(const struct target_settings *settings, const struct tee_pool *pool,
                          const struct tee_receiver *receiver)
{
    struct target *t = mem_zalloc(sizeof *t);

    t->settings = settings;
    t->pool = pool;
    t->receiver = receiver;
    t->fd = -1;
    t->is_segmenting = true;
    for (int i = 0; i < TEE_OUTCOME_COUNT; i++)
        t->counter_names[i] = mem_printf("%u %s %s", pool->id, receiver->name, outcomes[i].counter);
    target_open(t);
    return t;
}

void target_free(struct target *t)
{
    if (!t)
        return;
    if (t->fd >= 0)
        close(t->fd);
    for (int i = 0; i < TEE_OUTCOME_COUNT; i++)
        mem_free(t->counter_names[i]);
    mem_free(t);
}

const char *target_trouble(const struct target *t)
{
    return t->trouble[0] ? t->trouble : NULL;
}

/* ---- sending ---- */

static void count(struct target *t, enum tee_outcome outcome, uint64_t n)
{
    t->counts[outcome] += n;
}

static enum tee_outcome outcome_of(int err)
{
    return err == -EAGAIN || err == -ENOBUFS ? TEE_BUFFER
           : err == -EMSGSIZE                ? TEE_TOO_LONG
                                             : TEE_UNREACHABLE;
}

/* Waits for room in the socket's buffer, until the time for all is over. */
static bool wait_for_room(int fd, int64_t until_ns)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int64_t left_ns = until_ns - clock_mono().ns;

    return left_ns > 0 && poll(&p, 1, (int)(left_ns / NS_PER_MS) + 1) > 0;
}

/*
 * Sends messages from `at` on; returns how many went out, or a negative errno that is the first one's.
 * An error that ICMP told is of an earlier one: it is counted, and the same goes out again.
 */
static int send_some(struct target *t, int fd, struct mmsghdr *messages, unsigned n,
                     int64_t until_ns)
{
    unsigned refusals = 0;

    for (;;) {
        int sent = sendmmsg(fd, messages, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        int err = sent < 0 ? -errno : 0;
        if (err == 0)
            return sent;
        if (err == -ECONNREFUSED) {
            count(t, TEE_REFUSED, 1);
            if (++refusals == REFUSALS_IN_A_ROW)
                return -EHOSTUNREACH;
        } else if (err == -EAGAIN || err == -ENOBUFS) {
            if (!wait_for_room(fd, until_ns))
                return err;
        } else if (err != -EINTR) {
            return err;
        }
    }
}

static int fd_of(const struct target *t)
{
    const struct pa_host *host = t->settings->host;

    return t->settings->is_transparent ? host->raw_socket(host, t->to.ss_family) : t->fd;
}

/* Where raw packets go: of IPv6 the kernel takes the port for a protocol (raw(7)). */
static struct sockaddr_storage raw_address(const struct target *t)
{
    struct sockaddr_storage to = t->to;

    if (to.ss_family == AF_INET6)
        ((struct sockaddr_in6 *)(void *)&to)->sin6_port = 0;
    return to;
}

/* Returns how many datagrams from `at` on the kernel can be given as one: all are of one size, which fits
 * the MTU, but the last one may be shorter. */
static unsigned run_at(const struct target *t, unsigned at)
{
    size_t len = t->datagrams[at].iov_len, bytes = len;
    unsigned n = 1;

    if (!t->is_segmenting || len == 0 || len > packet_payload_max(t->address.family, t->mtu))
        return 1;
    for (; at + n < t->count; n++) {
        size_t next = t->datagrams[at + n].iov_len;
        if (next == 0 || next > len || bytes + next > SEGMENTED_MAX_BYTES)
            break;
        bytes += next;
        if (next < len)
            return n + 1;
    }
    return n;
}

static void set_segment(struct msghdr *message, union segment_control *control, size_t len)
{
    uint16_t size = (uint16_t)len;
    struct cmsghdr *header = &control->header;

    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(header), &size, sizeof size);
    message->msg_control = control;
    message->msg_controllen = sizeof control->bytes;
}

/* Puts the datagrams from `at` on into messages; returns how many these are. */
static unsigned make_messages(struct target *t, unsigned at)
{
    unsigned count = 0;

    while (at < t->count) {
        unsigned n = run_at(t, at);
        struct msghdr *message = &t->messages[count].msg_hdr;
        *message = (struct msghdr){.msg_iov = &t->datagrams[at], .msg_iovlen = n};
        if (n > 1)
            set_segment(message, &t->controls[count], t->datagrams[at].iov_len);
        t->datagram_counts[count++] = n;
        at += n;
    }
    return count;
}

/* Gives raw packets their address. */
static unsigned address_messages(struct target *t, struct sockaddr_storage *to)
{
    *to = raw_address(t);
    for (unsigned i = 0; i < t->count; i++) {
        t->messages[i].msg_hdr.msg_name = to;
        t->datagram_counts[i] = 1;
    }
    return t->count;
}

/* Counts messages that went out; returns how many datagrams they had. */
static unsigned count_sent(struct target *t, const unsigned *datagram_counts, int sent)
{
    unsigned n = 0;

    for (int i = 0; i < sent; i++)
        n += datagram_counts[i];
    count(t, TEE_SENT, n);
    return n;
}

/* Counts the first datagram of a message that went nowhere; returns how many of those that are left are done
 * with. */
static unsigned count_failed(struct target *t, int err, unsigned left)
{
    enum tee_outcome outcome = outcome_of(err);

    if (outcome == TEE_TOO_LONG)
        look_at_mtu(t);
    count(t, outcome, outcome == TEE_BUFFER ? left : 1);
    return outcome == TEE_BUFFER ? left : 1; /* nothing more will fit */
}

static void send_queue(struct target *t)
{
    int64_t until_ns = clock_mono().ns + BUFFER_WAIT_MS * NS_PER_MS;
    struct sockaddr_storage to;
    unsigned done = 0, at = 0, message_count;
    int fd = fd_of(t);

    message_count = t->settings->is_transparent ? address_messages(t, &to) : make_messages(t, 0);
    while (done < t->count) {
        int sent = fd < 0 ? -EHOSTUNREACH
                          : send_some(t, fd, &t->messages[at], message_count - at, until_ns);
        if (sent > 0) {
            done += count_sent(t, &t->datagram_counts[at], sent);
            at += (unsigned)sent;
        } else if (t->datagram_counts[at] > 1 && outcome_of(sent) != TEE_BUFFER) {
            t->is_segmenting = false; /* not there, or not by this way: one by one */
            message_count = make_messages(t, done);
            at = 0;
        } else {
            done += count_failed(t, sent, t->count - done);
            at++;
        }
    }
    t->count = 0;
    (void)t->settings->host->beat(t->settings->host);
}

static int send_fragments(struct target *t, const struct packet_ends *ends, const uint8_t *data,
                          size_t len)
{
    int64_t until_ns = clock_mono().ns + BUFFER_WAIT_MS * NS_PER_MS;
    struct sockaddr_storage to = raw_address(t);
    int fd = fd_of(t), from = 0;

    t->fragment_id++;
    if (fd < 0)
        return -EHOSTUNREACH;
    do {
        struct packet_fragment f;
        from = packet_make_fragment(ends, data, len, t->mtu, t->fragment_id, (size_t)from, &f);
        if (from < 0)
            return from;
        struct iovec parts[] = {{f.header, f.header_len},
                                {(void *)(uintptr_t)(data + f.payload_from), f.payload_len}};
        struct mmsghdr message = {
            .msg_hdr = {
                .msg_name = &to, .msg_namelen = t->to_len, .msg_iov = parts, .msg_iovlen = 2}};
        int sent = send_some(t, fd, &message, 1, until_ns);
        if (sent < 0)
            return sent;
    } while (from > 0);
    return 0;
}

/* Sends in fragments what the MTU has no room for. */
static void send_long(struct target *t, const struct packet_ends *ends, const uint8_t *data,
                      size_t len)
{
    int err;

    send_queue(t); /* the order stays */
    err = send_fragments(t, ends, data, len);
    if (err == -EMSGSIZE) { /* it may have become less */
        look_at_mtu(t);
        err = send_fragments(t, ends, data, len);
    }
    count(t, err < 0 ? outcome_of(err) : TEE_SENT, 1);
}

static void put_raw(struct target *t, const struct packet_ends *ends, const uint8_t *data,
                    size_t len)
{
    struct queued *q = &t->queue[t->count];
    int header_len;

    if (len > packet_payload_max(t->address.family, t->mtu)) {
        send_long(t, ends, data, len);
        return;
    }
    header_len = packet_write_header(ends, data, len, q->header);
    if (header_len < 0) {
        count(t, TEE_TOO_LONG, 1);
        return;
    }
    q->parts[0] = (struct iovec){q->header, (size_t)header_len};
    q->parts[1] = (struct iovec){(void *)(uintptr_t)data, len};
    t->messages[t->count++].msg_hdr =
        (struct msghdr){.msg_iov = q->parts, .msg_iovlen = 2, .msg_namelen = t->to_len};
}

void target_send(struct target *t, const struct ip_addr *exporter, uint16_t exporter_port,
                 const uint8_t *data, size_t len)
{
    if (t->address.family == IP_NONE) {
        count(t, TEE_UNRESOLVED, 1);
        return;
    }
    if (t->settings->is_transparent && exporter->family != t->address.family) {
        count(t, TEE_FAMILY, 1);
        return;
    }
    if (t->count == BATCH_MAX)
        send_queue(t);
    if (t->settings->is_transparent) {
        const struct packet_ends ends = {.source = *exporter,
                                         .destination = t->address,
                                         .source_port = exporter_port,
                                         .destination_port = t->receiver->port,
                                         .traffic_class = t->settings->traffic_class};
        put_raw(t, &ends, data, len);
    } else {
        t->datagrams[t->count++] = (struct iovec){(void *)(uintptr_t)data, len};
    }
}

void target_flush(struct target *t)
{
    const struct pa_host *host = t->settings->host;
    bool has_dropped = false;

    if (t->count > 0)
        send_queue(t);
    for (int i = 0; i < TEE_OUTCOME_COUNT; i++)
        if (t->counts[i] != t->handed[i]) {
            host->count(host, t->counter_names[i], t->counts[i] - t->handed[i]);
            t->handed[i] = t->counts[i];
            has_dropped = has_dropped || i != TEE_SENT;
        }
    if (has_dropped && t->told_ns == 0) /* the next datagram may be long in coming */
        target_tick(t);
}

void target_forget(struct target *t)
{
    t->count = 0;
}

/* ---- now and then ---- */

/* Logs what was counted since the last time; false: nothing was. */
static bool tell(struct target *t, enum tee_outcome outcome)
{
    const struct pa_host *host = t->settings->host;
    uint64_t n = t->counts[outcome] - t->told[outcome];

    t->told[outcome] = t->counts[outcome];
    if (n > 0)
        host->log(host, PA_LOG_WARNING,
                  "tee_receivers: pool %u, receiver %s: %llu datagrams %s: %s; %s", t->pool->id,
                  t->receiver->name, (unsigned long long)n,
                  outcome == TEE_REFUSED ? "were sent in vain" : "dropped", outcomes[outcome].what,
                  outcomes[outcome].remedy);
    return n > 0;
}

void target_tick(struct target *t)
{
    int64_t now_ns = clock_mono().ns;
    bool is_due = t->told_ns == 0 || now_ns - t->told_ns >= RETRY_NS, has_told = false;

    for (int i = TEE_SENT + 1; is_due && i < TEE_OUTCOME_COUNT; i++)
        has_told = tell(t, (enum tee_outcome)i) || has_told;
    if (has_told)
        t->told_ns = now_ns;
    t->is_segmenting = true; /* the way may be another one now */
    if (t->trouble[0] && now_ns - t->tried_ns >= RETRY_NS)
        target_open(t);
    else
        look_at_mtu(t);
}
