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
#include "input/kept_sockets.h"
#include "input/steering.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdalign.h>
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
    struct udp_drops first_drops;
    uint32_t last_drops;
    uint64_t drops;
    bool has_stamps;   /* what waits has been given the time of its arrival */
    bool keeps_stamps; /* what comes from now on is given it */
    uint8_t *buffers;  /* UDP_BATCH_MAX of BUFFER_STRIDE bytes */
    struct mmsghdr messages[UDP_BATCH_MAX];
    struct iovec parts[UDP_BATCH_MAX];
    struct sockaddr_storage sources[UDP_BATCH_MAX];
    struct {
        alignas(struct cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(struct timespec))];
    } stamps[UDP_BATCH_MAX]; /* used while has_stamps */
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
        if (setsockopt(fd, level, MCAST_JOIN_GROUP, &request, sizeof request) < 0 &&
            errno != EADDRINUSE) /* it has joined it before */
            err = socket_failed(error, settings, word, errno);
    }
    mem_free(list);
    return err;
}

/* False: a kernel without it. */
static bool has_ipv6(void)
{
    int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd >= 0)
        close(fd);
    return fd >= 0 || errno != EAFNOSUPPORT;
}

int udp_settings_address(const struct udp_settings *settings, struct sockaddr_storage *ret_sa,
                         socklen_t *ret_len)
{
    struct ip_addr addr;

    if (!settings->listen_ip)
        addr = has_ipv6() ? ip_addr_v6(in6addr_any.s6_addr) : ip_addr_v4((const uint8_t[4]){0});
    else if (ip_addr_parse(settings->listen_ip, &addr) < 0)
        return -EINVAL;
    *ret_len = ip_addr_to_sockaddr(&addr, settings->port, ret_sa);
    return 0;
}

static void attach_steering(int fd, uint32_t worker_count)
{
    struct sock_filter code[STEERING_PROGRAM_MAX];
    struct sock_fprog program = {.filter = code};

    program.len = steering_program(worker_count, code);
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) < 0)
        log_notice(
            "flow socket: the kernel takes no steering program (%s); workers pass datagrams on",
            strerror(errno));
}

static int64_t buffer_of_each(const struct udp_settings *settings)
{
    int64_t all = settings->receive_buffer > 0 ? settings->receive_buffer : BUFFER_DEFAULT;

    return all / settings->worker_count;
}

static bool read_drops(int fd, uint32_t *ret_drops)
{
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t len = sizeof info;

    if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &len) < 0)
        return false;
    *ret_drops = info[SK_MEMINFO_DROPS];
    return true;
}

/* Asks the kernel what the receiver's socket is. */
static void receiver_look(struct udp_receiver *r)
{
    struct sockaddr_storage sa;
    socklen_t len = sizeof sa, cookie_len = sizeof r->first_drops.cookie;
    struct ip_addr bound;

    if (getsockname(r->fd, (struct sockaddr *)&sa, &len) == 0)
        ip_addr_from_sockaddr(&sa, &bound, &r->port);
    getsockopt(r->fd, SOL_SOCKET, SO_COOKIE, &r->first_drops.cookie, &cookie_len);
    read_drops(r->fd, &r->first_drops.drops);
    r->last_drops = r->first_drops.drops;
}

/* `index` 0 is the first socket of the group: it brings the program and the multicast groups. */
static int receiver_open(struct udp_receiver *r, const struct udp_settings *settings,
                         uint32_t index, bool is_shared, struct text *error)
{
    struct sockaddr_storage sa;
    socklen_t sa_len;
    int on = 1, off = 0, err;

    err = udp_settings_address(settings, &sa, &sa_len);
    if (err < 0) {
        text_append_printf(error, "%s_ip: %s is not an address\n", settings->daemon_name,
                           settings->listen_ip);
        return err;
    }
    r->fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (r->fd < 0)
        return socket_failed(error, settings, "socket", errno);
    if (sa.ss_family == AF_INET6)
        setsockopt(r->fd, IPPROTO_IPV6, IPV6_V6ONLY, settings->ipv6_only ? &on : &off, sizeof on);
    if (is_shared && setsockopt(r->fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) < 0)
        return socket_failed(error, settings, "SO_REUSEPORT", errno);
    if (settings->interface && setsockopt(r->fd, SOL_SOCKET, SO_BINDTODEVICE, settings->interface,
                                          (socklen_t)strlen(settings->interface)) < 0)
        return socket_failed(error, settings, settings->interface, errno);
    receive_buffer_set(r->fd, buffer_of_each(settings), settings->receive_buffer > 0 && index == 0);
    /* This comes before bind(2), so that not one datagram is spread by the kernel's own hash. */
    if (index == 0 && settings->worker_count > 1)
        attach_steering(r->fd, settings->worker_count);
    if (bind(r->fd, (struct sockaddr *)&sa, sa_len) < 0)
        return socket_failed(error, settings, "bind", errno);
    if (settings->multicast_groups && index == 0 &&
        (err = multicast_join(r->fd, settings, error)) < 0)
        return err;
    receiver_look(r);
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
    err = r ? receiver_open(r, &alone, 0, false, error) : -ENOMEM;
    udp_receiver_free(r);
    return err;
}

struct udp_receiver *udp_receiver_adopt(int fd)
{
    struct udp_receiver *r = receiver_new();

    if (!r) {
        close(fd);
        return NULL;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    r->fd = fd;
    r->has_stamps = true; /* if it was closed in order, and otherwise until it is empty */
    receiver_look(r);
    return r;
}

/* The groups that were joined and are not asked for any more are left; `joined` is as in the name. */
static void multicast_leave(int fd, char *joined, const struct udp_settings *settings)
{
    for (char *word; (word = strtok_r(joined, ",", &joined)) != NULL;) {
        struct group_req request = {0};
        struct ip_addr group;
        for (char *c = word; *c; c++)
            if (*c == '-')
                *c = ':';
        if (ip_addr_parse(word, &group) < 0)
            continue;
        request.gr_interface = settings->interface ? if_nametoindex(settings->interface) : 0;
        ip_addr_to_sockaddr(&group, 0, &request.gr_group);
        setsockopt(fd, group.family == IP_V4 ? IPPROTO_IP : IPPROTO_IPV6, MCAST_LEAVE_GROUP,
                   &request, sizeof request);
    }
}

/* Lets buffers grow; smaller ones have to wait until what lies in them was read. */
static void keep_buffers(const struct udp_settings *settings, struct kept_sockets *kept,
                         struct udp_receiver *const *receivers)
{
    for (uint32_t i = 0; i < settings->worker_count; i++) {
        int got = 0;
        socklen_t len = sizeof got;
        if (getsockopt(receivers[i]->fd, SOL_SOCKET, SO_RCVBUF, &got, &len) == 0 &&
            got / 2 > buffer_of_each(settings))
            kept->is_same_group = false;
        else
            receive_buffer_set(receivers[i]->fd, buffer_of_each(settings), false);
    }
}

/* Makes receivers of the sockets that were kept, the first of the group. */
static int adopt_kept(const struct udp_settings *settings, struct kept_sockets *kept,
                      struct text *error, struct udp_receiver **ret_receivers)
{
    uint32_t count = kept->count < settings->worker_count ? kept->count : settings->worker_count;
    int err = 0;

    for (uint32_t i = 0; i < count; i++)
        if (!(ret_receivers[i] = udp_receiver_adopt(kept->fds[i])))
            err = -ENOMEM;
    memmove(kept->fds, kept->fds + count, (kept->count - count) * sizeof *kept->fds);
    kept->count -= count;
    if (err < 0 || count == 0)
        return err;
    if (kept->is_same_group)
        keep_buffers(settings, kept, ret_receivers);
    int first = ret_receivers[0]->fd;
    if (kept->groups && !kept->is_same_group)
        multicast_leave(first, kept->groups, settings);
    if (settings->multicast_groups && !kept->is_same_group)
        err = multicast_join(first, settings, error);
    /* One alone may have no program, and would share with those that come now. */
    if (count < settings->worker_count)
        attach_steering(first, count);
    return err;
}

int udp_receivers_open(const struct udp_settings *settings, struct kept_sockets *kept,
                       struct text *error, struct udp_receiver **ret_receivers)
{
    struct udp_settings each = *settings;
    uint32_t kept_count = kept ? kept->count : 0;
    int err;

    memset(ret_receivers, 0, settings->worker_count * sizeof *ret_receivers);
    err = kept_count > 0 ? adopt_kept(settings, kept, error, ret_receivers)
                         : port_probe(settings, error);
    if (err == 0 && kept_count > 0)
        each.port = ret_receivers[0]->port;
    for (uint32_t i = kept_count; err == 0 && i < settings->worker_count; i++) {
        struct udp_receiver *r = ret_receivers[i] = receiver_new();
        err = r ? receiver_open(r, &each, i, true, error) : -ENOMEM;
        if (err == 0)
            each.port = r->port;
    }
    if (err == 0)
        return 0;
    for (uint32_t i = 0; i < settings->worker_count; i++) {
        udp_receiver_free(ret_receivers[i]);
        ret_receivers[i] = NULL;
    }
    for (uint32_t i = 0; kept && i < kept->count; i++)
        close(kept->fds[i]);
    return err;
}

struct udp_receiver *udp_funnel_open(const struct udp_settings *settings,
                                     const struct udp_receiver *first, uint32_t group_count)
{
    struct sock_filter code = BPF_STMT(BPF_RET | BPF_K, group_count);
    struct sock_fprog program = {.len = 1, .filter = &code};
    struct udp_settings one = *settings;
    struct udp_receiver *r = receiver_new();
    struct text ignored = {0};

    one.worker_count = 1; /* it has room for all that the others have */
    one.port = first->port;
    one.multicast_groups = NULL;
    if (r && (receiver_open(r, &one, group_count, true, &ignored) < 0 ||
              setsockopt(first->fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program,
                         sizeof program) < 0)) {
        udp_receiver_free(r);
        r = NULL;
    }
    text_clear(&ignored);
    return r;
}

void udp_receivers_steer(const struct udp_settings *settings, struct udp_receiver *const *receivers)
{
    for (uint32_t i = 0; i < settings->worker_count; i++)
        receive_buffer_set(receivers[i]->fd, buffer_of_each(settings),
                           settings->receive_buffer > 0 && i == 0);
    attach_steering(receivers[0]->fd, settings->worker_count);
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

void udp_receiver_stamp(struct udp_receiver *r)
{
    int on = 1;

    r->keeps_stamps = true;
    setsockopt(r->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
}

static void prepare_stamps(struct udp_receiver *r)
{
    for (uint32_t i = 0; i < UDP_BATCH_MAX; i++) {
        r->messages[i].msg_hdr.msg_control = r->stamps[i].bytes;
        r->messages[i].msg_hdr.msg_controllen = sizeof r->stamps[i].bytes;
    }
}

/* Once the queue was empty all comes at the time when it is read. */
static void end_stamps(struct udp_receiver *r)
{
    int off = 0;

    if (!r->keeps_stamps)
        setsockopt(r->fd, SOL_SOCKET, SO_TIMESTAMPNS, &off, sizeof off);
    r->has_stamps = false;
    for (uint32_t i = 0; i < UDP_BATCH_MAX; i++) {
        r->messages[i].msg_hdr.msg_control = NULL;
        r->messages[i].msg_hdr.msg_controllen = 0;
    }
}

/* Returns when the datagram arrived; `now_ns` if the kernel did not say so, or our clock went back. */
static int64_t stamp_of(struct msghdr *message, int64_t now_ns)
{
    struct timespec time;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS ||
            c->cmsg_len < CMSG_LEN(sizeof time))
            continue;
        memcpy(&time, CMSG_DATA(c), sizeof time);
        int64_t stamp_ns = time.tv_sec * NS_PER_S + time.tv_nsec;
        return stamp_ns < now_ns ? stamp_ns : now_ns;
    }
    return now_ns;
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
    if (r->has_stamps)
        prepare_stamps(r);
    n = recvmmsg(r->fd, r->messages, max, MSG_DONTWAIT, NULL);
    if (n <= 0 && r->has_stamps)
        end_stamps(r);
    if (n <= 0)
        return 0;
    now_ns = clock_wall().ns;
    for (int i = 0; i < n; i++) {
        struct datagram *d = &datagrams[count];
        if (ip_addr_from_sockaddr(&r->sources[i], &d->source, &d->source_port) < 0)
            continue;
        d->data = r->parts[i].iov_base;
        d->len = r->messages[i].msg_len;
        d->received_ns = r->has_stamps ? stamp_of(&r->messages[i].msg_hdr, now_ns) : now_ns;
        d->number = 0;
        d->is_of_templates = false;
        count++;
    }
    return count;
}

uint64_t udp_receiver_overflow(struct udp_receiver *r)
{
    uint32_t drops;

    if (read_drops(r->fd, &drops)) {
        r->drops += (uint32_t)(drops - r->last_drops);
        r->last_drops = drops;
    }
    return r->drops;
}

struct udp_drops udp_receiver_first_drops(const struct udp_receiver *r)
{
    return r->first_drops;
}
