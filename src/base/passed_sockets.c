/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the three variables. See passed_sockets.h, and sd_listen_fds(3) of systemd. */
#include "base/passed_sockets.h"
#include "base/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool read_number(const char *text, long min, long max, long *ret_number)
{
    char *end;

    if (!text || *text < '0' || *text > '9')
        return false;
    errno = 0;
    *ret_number = strtol(text, &end, 10);
    return errno == 0 && *end == 0 && *ret_number >= min && *ret_number <= max;
}

void passed_sockets_parse(const char *listen_pid, const char *listen_fds, const char *listen_names,
                          pid_t pid, struct passed_sockets *ret_passed)
{
    const char *name = listen_names ? listen_names : "";
    long number, count;

    *ret_passed = (struct passed_sockets){0};
    /* The variables may be meant for whoever started us. */
    if (!read_number(listen_pid, 1, LONG_MAX, &number) || number != pid ||
        !read_number(listen_fds, 1, PASSED_SOCKETS_MAX, &count))
        return;
    ret_passed->items = mem_calloc((size_t)count, sizeof *ret_passed->items);
    for (long i = 0; i < count; i++) {
        size_t len = strcspn(name, ":");
        struct passed_socket *passed = &ret_passed->items[ret_passed->count++];
        passed->fd = PASSED_SOCKET_FIRST + (int)i;
        passed->name = len > 0 ? mem_strndup(name, len) : mem_strdup("unknown");
        name += len + (name[len] == ':');
    }
}

void passed_sockets_find(struct passed_sockets *ret_passed)
{
    /* NOLINTBEGIN(concurrency-mt-unsafe): nobody changes the environment */
    passed_sockets_parse(getenv("LISTEN_PID"), getenv("LISTEN_FDS"), getenv("LISTEN_FDNAMES"),
                         getpid(), ret_passed);
    /* NOLINTEND(concurrency-mt-unsafe) */
    for (size_t i = 0; i < ret_passed->count; i++)
        if (fcntl(ret_passed->items[i].fd, F_SETFD, FD_CLOEXEC) < 0)
            ret_passed->items[i].fd = -1; /* there is none of that number */
}

void passed_sockets_part(struct passed_sockets *passed, const char *prefix,
                         struct passed_sockets *ret_part)
{
    size_t kept = 0;

    *ret_part =
        (struct passed_sockets){.items = mem_calloc(passed->count + 1, sizeof *ret_part->items)};
    for (size_t i = 0; i < passed->count; i++) {
        struct passed_socket *item = &passed->items[i];
        if (strncmp(item->name, prefix, strlen(prefix)) == 0)
            ret_part->items[ret_part->count++] = *item;
        else
            passed->items[kept++] = *item;
    }
    passed->count = kept;
}

void passed_sockets_clear(struct passed_sockets *passed)
{
    for (size_t i = 0; i < passed->count; i++)
        mem_free(passed->items[i].name);
    mem_free(passed->items);
    *passed = (struct passed_sockets){0};
}
