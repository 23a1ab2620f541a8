/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets of BGP sessions and their options. IPv4 and IPv6 have listening sockets of their own,
 * so that TCP-MD5 keys (RFC 2385) need no mapped form. */
#include "bgp/bgp_socket.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTEN_BACKLOG 1024
/* A peer whose machine is gone without a word is found out within two minutes, also where a session
 * has no hold time. */
#define KEEPALIVE_IDLE_S     60
#define KEEPALIVE_INTERVAL_S 10
#define KEEPALIVE_COUNT      6

static int option_set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

/* Sockets that are accepted inherit this. */
static int keepalive_set(int fd)
{
    int err = option_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);

    if (err == 0)
        err = option_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    if (err == 0)
        err = option_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    if (err == 0)
        err = option_set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
    return err;
}

/* RFC 5082: both ends send with the highest TTL, so that a lower one tells how far away the sender
 * is at least. What comes from farther than `hops` is dropped by the kernel. */
static int ttl_security_set(int fd, enum ip_family family, int hops)
{
    bool is_v4 = family == IP_V4;
    int level = is_v4 ? IPPROTO_IP : IPPROTO_IPV6;
    int err = option_set(fd, level, is_v4 ? IP_TTL : IPV6_UNICAST_HOPS, 255);

    return err < 0 ? err : option_set(fd, level, is_v4 ? IP_MINTTL : IPV6_MINHOPCOUNT, 256 - hops);
}

static int socket_make(const struct bgp_settings *settings, enum ip_family family, int *ret_fd)
{
    int err;
    int fd =
        socket(family == IP_V4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    err = keepalive_set(fd);
    if (err == 0 && family == IP_V6)
        err = option_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (err == 0 && settings->interface &&
        setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, settings->interface,
                   (socklen_t)strlen(settings->interface)) < 0)
        err = -errno;
    if (err == 0 && settings->pipe_size > 0)
        err = option_set(fd, SOL_SOCKET, SO_RCVBUF, settings->pipe_size);
    if (err == 0 && settings->ip_precedence > 0)
        err = option_set(fd, family == IP_V4 ? IPPROTO_IP : IPPROTO_IPV6,
                         family == IP_V4 ? IP_TOS : IPV6_TCLASS, settings->ip_precedence << 5);
    if (err == 0 && settings->ttl_security > 0)
        err = ttl_security_set(fd, family, settings->ttl_security);
    if (err < 0) {
        close(fd);
        return err;
    }
    *ret_fd = fd;
    return 0;
}

static int md5_set(int fd, const struct ip_prefix *prefix, const char *password)
{
    struct tcp_md5sig key = {0};
    size_t len = strlen(password);

    ip_addr_to_sockaddr(&prefix->addr, 0, (struct sockaddr_storage *)&key.tcpm_addr);
    key.tcpm_keylen = (uint16_t)len; /* 0 removes */
    memcpy(key.tcpm_key, password, len);
    key.tcpm_flags = TCP_MD5SIG_FLAG_PREFIX;
    key.tcpm_prefixlen = prefix->len;
    return setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG_EXT, &key, sizeof key) < 0 ? -errno : 0;
}

static bool md5_has(const struct address_list *list, const struct ip_prefix *prefix)
{
    for (size_t i = 0; i < list->count; i++) {
        if (ip_prefix_equal(&list->entries[i].prefix, prefix))
            return true;
    }
    return false;
}

int bgp_socket_set_md5(int fd, enum ip_family family, const struct address_list *old,
                       const struct address_list *md5)
{
    for (size_t i = 0; i < old->count; i++) {
        const struct ip_prefix *prefix = &old->entries[i].prefix;
        if (prefix->addr.family == family && !md5_has(md5, prefix))
            md5_set(fd, prefix, "");
    }
    for (size_t i = 0; i < md5->count; i++) {
        const struct address_entry *entry = &md5->entries[i];
        int err = 0;
        if (entry->prefix.addr.family == family)
            err = md5_set(fd, &entry->prefix, entry->password);
        if (err < 0)
            return err;
    }
    return 0;
}

int bgp_socket_listen(const struct bgp_settings *settings, const struct ip_addr *address,
                      int *ret_fd)
{
    const int one = 1;
    struct sockaddr_storage sa;
    socklen_t sa_len = ip_addr_to_sockaddr(address, settings->port, &sa);
    int fd = -1;

    int err = socket_make(settings, (enum ip_family)address->family, &fd);
    if (err < 0)
        return err;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, (struct sockaddr *)&sa, sa_len) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
        err = -errno;
        close(fd);
        return err;
    }
    *ret_fd = fd;
    return 0;
}

int bgp_socket_connect(const struct bgp_settings *settings, const struct address_list *md5,
                       const struct ip_addr *address, uint16_t port, int *ret_fd)
{
    struct sockaddr_storage sa;
    socklen_t sa_len = ip_addr_to_sockaddr(address, port, &sa);
    struct ip_addr local;
    int fd = -1;

    int err = socket_make(settings, (enum ip_family)address->family, &fd);
    if (err < 0)
        return err;
    err = bgp_socket_set_md5(fd, (enum ip_family)address->family, &(struct address_list){0}, md5);
    if (err < 0)
        goto fail;
    /* The peer knows us by the address that we listen on. */
    if (settings->listen_ip && ip_addr_parse(settings->listen_ip, &local) == 0 &&
        local.family == address->family && !ip_addr_is_zero(&local)) {
        struct sockaddr_storage from;
        socklen_t from_len = ip_addr_to_sockaddr(&local, 0, &from);
        if (bind(fd, (struct sockaddr *)&from, from_len) < 0) {
            err = -errno;
            goto fail;
        }
    }
    if (connect(fd, (struct sockaddr *)&sa, sa_len) < 0 && errno != EINPROGRESS) {
        err = -errno;
        goto fail;
    }
    *ret_fd = fd;
    return 0;
fail:
    close(fd);
    return err;
}
