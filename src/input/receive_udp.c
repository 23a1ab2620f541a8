/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * recvmmsg() into buffers that are set up once. A UDP payload is at most 65507 bytes over IPv4,
 * 65527 over IPv6; a batch of buffers of that size costs address space only, since the kernel
 * touches what a datagram fills.
 */
#include "input/receive_udp.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "input/steering.h"
#include <errno.h>
#include <limits.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    DATAGRAM_MAX = 65536,
    /* Were all buffers whole powers of two apart, the same few sets of the caches would have to
     * hold the datagrams of a batch. */
    BUFFER_STRIDE = DATAGRAM_MAX + 24 * CACHE_LINE,
    /* The buffer that is asked for when nothing is configured. The system's usual 208 kB are 90
     * datagrams: half a millisecond at 4 million flows a second, while an epoch's end or a growing
     * table takes tens. */
    BUFFER_DEFAULT = 32 << 20,
};

const struct config_key udp_keys[] = {
    {"NAME_ip", KEY_STRING_AT(struct udp_settings, listen_ip), .check = config_check_address,
     .help = "address to receive exports on; default: all, IPv6 and IPv4"},
    {"NAME_port", KEY_INT_AT(struct udp_settings, port, 0, 65535), "0",
     .help = "UDP port to receive exports on; 0: the daemon's usual one (nfacctd: 2100, sfacctd: "
             "6343)"},
    {"NAME_interface", KEY_STRING_AT(struct udp_settings, interface),
     .help = "receive on this interface or VRF only"},
    {"NAME_ipv6_only", KEY_BOOL_AT(struct udp_settings, ipv6_only), "false",
     .help = "no IPv4 on an IPv6 socket"},
    {"NAME_mcast_groups", KEY_STRING_AT(struct udp_settings, multicast_groups),
     .help = "multicast groups to join, comma-separated"},
    {"NAME_pipe_size", KEY_SIZE_AT(struct udp_settings, receive_buffer, 0, INT_MAX), "0",
     .aliases = "pmacctd_pipe_size",
     .help = "receive buffer in bytes, of all workers' sockets together; 0: 32 MB, or as much as "
             "net.core.rmem_max allows"},
    {0},
};

struct udp_receiver {
    int fd;
    uint16_t port;
    uint32_t last_drops;
    uint64_t drops;
    uint8_t *buffers; /* UDP_BATCH_MAX of BUFFER_STRIDE bytes */
    struct mmsghdr messages[UDP_BATCH_MAX];
    struct iovec parts[UDP_BATCH_MAX];
    struct sockaddr_storage sources[UDP_BATCH_MAX];
};

static struct udp_receiver *receiver_new(void)
{
    struct udp_receiver *r = mem_zalloc(sizeof *r);

    r->fd = -1;
    r->buffers = mmap(NULL, (size_t)UDP_BATCH_MAX * BUFFER_STRIDE, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (r->buffers == MAP_FAILED) {
        mem_free(r);
        return NULL;
    }
    for (size_t i = 0; i < UDP_BATCH_MAX; i++) {
        r->parts[i] = (struct iovec){r->buffers + i * BUFFER_STRIDE, DATAGRAM_MAX};
        r->messages[i].msg_hdr.msg_iov = &r->parts[i];
        r->messages[i].msg_hdr.msg_iovlen = 1;
        r->messages[i].msg_hdr.msg_name = &r->sources[i];
    }
    return r;
}

static int socket_failed(struct text *error, const struct udp_settings *settings, const char *what,
                         int err)
{
    text_append_printf(error, "flow socket %s port %u: %s: %s",
                       settings->listen_ip ? settings->listen_ip : "(all addresses)",
                       settings->port, what, strerror(err));
    if (err == EADDRINUSE)
        text_append_printf(error, "; `ss -ulpn 'sport = :%u'` shows who has it", settings->port);
    text_append_string(error, "\n");
    return -err;
}

/* Asks for `wanted` bytes, beyond the system's limit if we may. The kernel books twice what is
 * asked for. `tells`: if it gives less. */
static void receive_buffer_set(int fd, int64_t wanted, bool tells)
{
    int size = wanted > INT32_MAX / 2 ? INT32_MAX / 2 : (int)wanted;
    int got = 0;
    socklen_t len = sizeof got;

    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &got, &len) == 0 && got / 2 < size && tells)
        log_notice(
            "flow socket: the kernel gives a receive buffer of %d bytes, not the %d asked for; "
            "raise net.core.rmem_max",
            got / 2, size);
}

static int multicast_join(int fd, const struct udp_settings *settings, struct text *error)
{
    char *list = mem_strdup(settings->multicast_groups);
    char *rest = list;
    int err = 0;

    for (char *word; err == 0 && (word = strtok_r(rest, ", \t", &rest)) != NULL;) {
        struct group_req request = {0};
        struct ip_addr group;
        if (ip_addr_parse(word, &group) < 0) {
            text_append_printf(error, "%s_mcast_groups: %s is not an address\n",
                               settings->daemon_name, word);
            err = -EINVAL;
            break;
        }
        request.gr_interface = settings->interface ? if_nametoindex(settings->interface) : 0;
        ip_addr_to_sockaddr(&group, 0, &request.gr_group);
        int level = group.family == IP_V4 ? IPPROTO_IP : IPPROTO_IPV6;
        if (setsockopt(fd, level, MCAST_JOIN_GROUP, &request, sizeof request) < 0)
            err = socket_failed(error, settings, word, errno);
    }
    mem_free(list);
    return err;
}

static int address_of(const struct udp_settings *settings, uint16_t port, struct text *error,
                      struct sockaddr_storage *ret_sa, socklen_t *ret_len)
{
    struct ip_addr addr;

    if (!settings->listen_ip) {
        addr = ip_addr_v6(in6addr_any.s6_addr);
    } else if (ip_addr_parse(settings->listen_ip, &addr) < 0) {
        text_append_printf(error, "%s_ip: %s is not an address\n", settings->daemon_name,
                           settings->listen_ip);
        return -EINVAL;
    }
    *ret_len = ip_addr_to_sockaddr(&addr, port, ret_sa);
    return 0;
}

static int attach_steering(int fd, uint32_t worker_count)
{
    struct sock_filter code[STEERING_PROGRAM_MAX];
    struct sock_fprog program = {.filter = code};

    program.len = steering_program(worker_count, code);
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) < 0
               ? -errno
               : 0;
}

/* `index` 0 is the first socket of the group: it brings the program and the multicast groups. */
static int receiver_open(struct udp_receiver *r, const struct udp_settings *settings,
                         uint32_t index, uint16_t port, bool is_shared, struct text *error)
{
    struct sockaddr_storage sa;
    socklen_t sa_len;
    int on = 1, off = 0, err;

    err = address_of(settings, port, error, &sa, &sa_len);
    if (err < 0)
        return err;
    r->fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (r->fd < 0 && errno == EAFNOSUPPORT && !settings->listen_ip) { /* a kernel without IPv6 */
        struct ip_addr any = ip_addr_v4((const uint8_t[4]){0});
        sa_len = ip_addr_to_sockaddr(&any, port, &sa);
        r->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    if (r->fd < 0)
        return socket_failed(error, settings, "socket", errno);
    if (sa.ss_family == AF_INET6)
        setsockopt(r->fd, IPPROTO_IPV6, IPV6_V6ONLY, settings->ipv6_only ? &on : &off, sizeof on);
    if (is_shared && setsockopt(r->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
        return socket_failed(error, settings, "SO_REUSEPORT", errno);
    if (settings->interface && setsockopt(r->fd, SOL_SOCKET, SO_BINDTODEVICE, settings->interface,
                                          (socklen_t)strlen(settings->interface)) < 0)
        return socket_failed(error, settings, settings->interface, errno);
    int64_t buffer = settings->receive_buffer > 0 ? settings->receive_buffer : BUFFER_DEFAULT;
    receive_buffer_set(r->fd, buffer / settings->worker_count,
                       settings->receive_buffer > 0 && index == 0);
    /* This comes before bind(2), so that not one datagram is spread by the kernel's own hash. */
    if (index == 0 && settings->worker_count > 1 &&
        (err = attach_steering(r->fd, settings->worker_count)) < 0)
        log_notice(
            "flow socket: the kernel takes no steering program (%s); workers pass datagrams on",
            strerror(-err));
    if (bind(r->fd, (struct sockaddr *)&sa, sa_len) < 0)
        return socket_failed(error, settings, "bind", errno);
    if (settings->multicast_groups && index == 0 &&
        (err = multicast_join(r->fd, settings, error)) < 0)
        return err;
    sa_len = sizeof sa;
    if (getsockname(r->fd, (struct sockaddr *)&sa, &sa_len) == 0) {
        struct ip_addr bound;
        ip_addr_from_sockaddr(&sa, &bound, &r->port);
    }
    return 0;
}

/* SO_REUSEPORT is for the sockets of one daemon. Two daemons that share a port would each get a
 * part of the datagrams without a word; a socket without that option meets the other one. */
static int port_probe(const struct udp_settings *settings, struct text *error)
{
    struct udp_settings alone = *settings;
    struct udp_receiver *r;
    int err;

    if (settings->port == 0)
        return 0; /* the kernel chooses one */
    alone.worker_count = 1;
    alone.multicast_groups = NULL;
    alone.receive_buffer = 0;
    r = receiver_new();
    err = r ? receiver_open(r, &alone, 0, settings->port, false, error) : -ENOMEM;
    udp_receiver_free(r);
    return err;
}

int udp_receivers_open(const struct udp_settings *settings, struct text *error,
                       struct udp_receiver **ret_receivers)
{
    uint16_t port = settings->port;
    int err = port_probe(settings, error);

    if (err < 0)
        return err;

    for (uint32_t i = 0; i < settings->worker_count; i++) {
        struct udp_receiver *r = receiver_new();
        err = r ? receiver_open(r, settings, i, port, true, error) : -ENOMEM;
        if (err < 0) {
            udp_receiver_free(r);
            while (i > 0)
                udp_receiver_free(ret_receivers[--i]);
            return err;
        }
        port = r->port;
        ret_receivers[i] = r;
    }
    return 0;
}

void udp_receiver_free(struct udp_receiver *r)
{
    if (!r)
        return;
    if (r->fd >= 0)
        close(r->fd);
    munmap(r->buffers, (size_t)UDP_BATCH_MAX * BUFFER_STRIDE);
    mem_free(r);
}

int udp_receiver_fd(const struct udp_receiver *r)
{
    return r->fd;
}

uint16_t udp_receiver_port(const struct udp_receiver *r)
{
    return r->port;
}

uint32_t udp_receiver_read(struct udp_receiver *r, struct datagram *datagrams, uint32_t max)
{
    uint32_t count = 0;
    int64_t now_ns;
    int n;

    THREAD_ASSERT(worker_thread);
    if (max > UDP_BATCH_MAX)
        max = UDP_BATCH_MAX;
    for (uint32_t i = 0; i < max; i++)
        r->messages[i].msg_hdr.msg_namelen = sizeof r->sources[i];
    n = recvmmsg(r->fd, r->messages, max, MSG_DONTWAIT, NULL);
    if (n <= 0)
        return 0;
    now_ns = clock_wall().ns;
    for (int i = 0; i < n; i++) {
        struct datagram *d = &datagrams[count];
        if (ip_addr_from_sockaddr(&r->sources[i], &d->source, &d->source_port) < 0)
            continue;
        d->data = r->parts[i].iov_base;
        d->len = r->messages[i].msg_len;
        d->received_ns = now_ns;
        d->number = 0;
        count++;
    }
    return count;
}

uint64_t udp_receiver_overflow(struct udp_receiver *r)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof info;

    if (getsockopt(r->fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0) {
        r->drops += (uint32_t)(info[SK_MEMINFO_DROPS] - r->last_drops);
        r->last_drops = info[SK_MEMINFO_DROPS];
    }
    return r->drops;
}
