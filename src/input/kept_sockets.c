/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks the kernel what each descriptor is. Any program may have put it into the store, so nothing is
 * believed but the order in the names. See kept_sockets.h. */
#include "input/kept_sockets.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The datagrams of a socket that does not fit are counted up to this. */
enum { COUNT_MAX = 1000000 };

static const char *stored_as(const struct udp_settings *settings)
{
    return settings->stored_as ? settings->stored_as : settings->daemon_name;
}

void kept_socket_name(const struct udp_settings *settings, uint32_t index,
                      char ret_name[SERVICE_NAME_LEN])
{
    int len = snprintf(ret_name, SERVICE_NAME_LEN, "%s.%u", stored_as(settings), index);

    if (index > 0 || !settings->multicast_groups)
        return;
    snprintf(ret_name + len, SERVICE_NAME_LEN - (size_t)len, ".%s", settings->multicast_groups);
    for (char *c = ret_name + len; *c;
         c++) /* the manager takes no colon and no control characters */
        *c = (char)(*c == ':' ? '-' : *c <= ' ' || *c > '~' ? ',' : *c);
}

/* Reads the number in a name, and what follows it. False: it is no name of ours. */
static bool read_name(const char *name, const char *prefix, unsigned long *ret_index,
                      const char **ret_groups)
{
    size_t len = strlen(prefix);
    char *end;

    if (strncmp(name, prefix, len) != 0 || name[len] != '.' || name[len + 1] < '0' ||
        name[len + 1] > '9')
        return false;
    *ret_index = strtoul(name + len + 1, &end, 10);
    *ret_groups = *end == '.' ? end + 1 : "";
    return *ret_index <= UINT16_MAX && (*end == 0 || *end == '.');
}

static int option_of(int fd, int level, int name)
{
    int value = -1;
    socklen_t len = sizeof value;

    return getsockopt(fd, level, name, &value, &len) == 0 && len == sizeof value ? value : -1;
}

static void append_address(struct text *out, const struct sockaddr_storage *sa)
{
    struct ip_addr addr = {0};
    uint16_t port = 0;
    char text[IP_TEXT_LEN];

    if (ip_addr_from_sockaddr(sa, &addr, &port) < 0)
        return;
    ip_addr_format(&addr, text);
    text_append_printf(out, "%s port %u", text, port);
}

static bool is_bound_so(const struct udp_settings *settings, int fd, struct text *reason)
{
    struct sockaddr_storage sa = {0}, wanted;
    socklen_t len = sizeof sa, wanted_len;
    struct ip_addr addr, wanted_addr;
    uint16_t port = 0, wanted_port = 0;

    if (udp_settings_address(settings, &wanted, &wanted_len) < 0 ||
        getsockname(fd, (struct sockaddr *)&sa, &len) < 0 || sa.ss_family != wanted.ss_family ||
        ip_addr_from_sockaddr(&sa, &addr, &port) < 0 ||
        ip_addr_from_sockaddr(&wanted, &wanted_addr, &wanted_port) < 0 || port == 0 ||
        (wanted_port != 0 && port != wanted_port) || !ip_addr_equal(&addr, &wanted_addr)) {
        text_append_string(reason, "it is bound to ");
        append_address(reason, &sa);
        text_append_string(reason, ", not to ");
        append_address(reason, &wanted);
        return false;
    }
    return true;
}

/* Returns whether it is what these settings would open; appends why it is not. */
static bool fits(const struct udp_settings *settings, int fd, struct text *reason)
{
    char device[IF_NAMESIZE] = "";
    socklen_t len = sizeof device - 1;
    int family = option_of(fd, SOL_SOCKET, SO_DOMAIN);

    if ((family != AF_INET && family != AF_INET6) ||
        option_of(fd, SOL_SOCKET, SO_TYPE) != SOCK_DGRAM ||
        option_of(fd, SOL_SOCKET, SO_PROTOCOL) != IPPROTO_UDP) {
        text_append_string(reason, "it is no UDP socket");
        return false;
    }
    if (!is_bound_so(settings, fd, reason))
        return false;
    if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device, &len) < 0 ||
        strcmp(device, settings->interface ? settings->interface : "") != 0) {
        text_append_printf(reason, "it is bound to interface '%s', not '%s'", device,
                           settings->interface ? settings->interface : "");
        return false;
    }
    if (family == AF_INET6 && option_of(fd, IPPROTO_IPV6, IPV6_V6ONLY) != settings->ipv6_only) {
        text_append_printf(reason, "%s_ipv6_only was otherwise when it was opened",
                           settings->daemon_name);
        return false;
    }
    if (option_of(fd, SOL_SOCKET, SO_REUSEPORT) != 1) {
        text_append_string(reason, "it shares its port with no other (SO_REUSEPORT)");
        return false;
    }
    return true;
}

static uint32_t count_queued(int fd)
{
    uint32_t count = 0;
    char byte;

    if (option_of(fd, SOL_SOCKET, SO_TYPE) != SOCK_DGRAM)
        return 0;
    while (count < COUNT_MAX && recv(fd, &byte, sizeof byte, MSG_DONTWAIT | MSG_TRUNC) >= 0)
        count++;
    return count;
}

static void drop(struct passed_socket *passed, const char *reason)
{
    uint32_t count = count_queued(passed->fd);

    log_warning("a descriptor that the service manager kept as %s is closed: %s; %u datagrams that "
                "waited there are lost",
                passed->name, reason, count);
    close(passed->fd);
    passed->fd = -1;
}

struct candidate {
    unsigned long index;
    struct passed_socket *passed;
};

static int compare(const void *a, const void *b)
{
    unsigned long left = ((const struct candidate *)a)->index,
                  right = ((const struct candidate *)b)->index;

    return left < right ? -1 : left > right;
}

/* Drops what does not fit, and writes the others into `ret`; returns how many there are. */
static uint32_t find_candidates(const struct udp_settings *settings, struct passed_sockets *passed,
                                struct candidate *ret)
{
    uint32_t count = 0;

    for (size_t i = 0; i < passed->count; i++) {
        struct passed_socket *p = &passed->items[i];
        struct text reason = {0};
        const char *groups;
        if (p->fd < 0)
            continue;
        if (!settings)
            text_append_string(&reason, "no flow sockets are needed");
        else if (!read_name(p->name, stored_as(settings), &ret[count].index, &groups))
            text_append_printf(&reason, "this name is none of %s's sockets", stored_as(settings));
        else if (fits(settings, p->fd, &reason))
            ret[count++].passed = p;
        if (reason.len > 0)
            drop(p, text_cstr(&reason));
        text_clear(&reason);
    }
    qsort(ret, count, sizeof *ret, compare);
    return count;
}

void kept_sockets_take(const struct udp_settings *settings, struct passed_sockets *passed,
                       struct kept_sockets *ret_kept)
{
    struct candidate *found = mem_calloc(passed->count + 1, sizeof *found);
    uint32_t count = find_candidates(settings, passed, found);
    char name[SERVICE_NAME_LEN];
    unsigned long index;
    const char *groups;

    *ret_kept = (struct kept_sockets){
        .fds = mem_calloc(count + 1, sizeof *ret_kept->fds),
        .is_same_group = settings && count == settings->worker_count && count == passed->count};
    for (uint32_t i = 0; settings && i < count; i++) {
        struct passed_socket *p = found[i].passed;
        if (i > 0 && found[i].index == found[i - 1].index) {
            drop(p, "there is another one of that name");
            ret_kept->is_same_group = false;
            continue;
        }
        kept_socket_name(settings, i, name);
        if (strcmp(p->name, name) != 0)
            ret_kept->is_same_group = false;
        if (found[i].index == 0 && read_name(p->name, stored_as(settings), &index, &groups) &&
            *groups)
            ret_kept->groups = mem_strdup(groups);
        ret_kept->fds[ret_kept->count++] = p->fd;
        p->fd = -1;
    }
    mem_free(found);
}

void kept_sockets_clear(struct kept_sockets *kept)
{
    mem_free(kept->fds);
    mem_free(kept->groups);
    *kept = (struct kept_sockets){0};
}
