/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The launcher's own side: one loop over requests and listeners. What its owner sends is checked as
 * from a stranger, for the owner is the one who reads datagrams. See launcher.h.
 */
#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/process_title.h"
#include "sandbox/launcher_private.h"
#include "sandbox/program_start.h"
#include "sandbox/syscall_filter.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Who calls one number after the other must not make the table grow. */
enum { NUMBERS_MAX = 64, VARIABLES_MAX = 64 };

struct listener {
    int fd;
    uint32_t count;
    struct launcher_report refused[NUMBERS_MAX + 1]; /* the last is of all others */
};

struct launcher_state {
    const struct launcher_settings *settings;
    int requests, reports;
    struct listener **listeners;
    size_t listener_count;
    struct launcher_request request;
    bool has_unsent;
    int64_t sent_ns;
};

/* Sockets and locks, which the owner keeps for itself, are closed. */
static void close_others(int a, int b)
{
    struct dirent *entry;
    DIR *list = opendir("/proc/self/fd");

    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream of this readdir is ours alone */
    while (list && (entry = readdir(list)) != NULL) {
        int fd = atoi(entry->d_name); /* NOLINT(cert-err34-c): the kernel's numbers, and dots */
        if (fd > STDERR_FILENO && fd != a && fd != b && fd != dirfd(list) &&
            fcntl(fd, F_GETFD) & FD_CLOEXEC)
            close(fd);
    }
    if (list)
        closedir(list);
}

/* ---- programs ---- */

static bool may_set(const struct launcher_settings *settings, const char *variable)
{
    size_t len = strcspn(variable, "=");

    if (variable[len] != '=')
        return false;
    for (size_t i = 0; settings->variables && settings->variables[i]; i++)
        if (strlen(settings->variables[i]) == len &&
            memcmp(settings->variables[i], variable, len) == 0)
            return true;
    return false;
}

/* Takes the variables of a request. `text` ends with a zero, whatever the owner sent. */
static int take_variables(const struct launcher_settings *settings, char *text, size_t len,
                          char *variables[VARIABLES_MAX + 1])
{
    size_t count = 0;

    for (char *at = text; at < text + len; at += strlen(at) + 1) {
        if (count == VARIABLES_MAX || !may_set(settings, at))
            return -EPERM;
        variables[count++] = at;
    }
    variables[count] = NULL;
    return 0;
}

static void start_program(struct launcher_state *s, size_t text_len, int stdin_fd)
{
    const struct launcher_settings *settings = s->settings;
    char *variables[VARIABLES_MAX + 1];
    struct launcher_answer answer = {.error = -EPERM, .pid = -1};

    if (s->request.program < settings->program_count)
        answer.error = take_variables(settings, s->request.text, text_len, variables);
    if (answer.error == 0) {
        const struct launcher_program *known = &settings->programs[s->request.program];
        char **own = program_environment(known->variables, settings->environment);
        char **environment = program_environment(variables, own);
        struct program program = {.path = known->path,
                                  .arguments = known->arguments,
                                  .environment = environment,
                                  .stdin_fd = stdin_fd,
                                  .blocks_signals = known->blocks_signals,
                                  .has_standard_fds_only = known->has_standard_fds_only};
        answer.error = program_start_beside(&program, &answer.pid);
        mem_free(environment);
        mem_free(own);
    }
    if (stdin_fd >= 0)
        close(stdin_fd);
    (void)!send(s->requests, &answer, sizeof answer, MSG_NOSIGNAL);
}

/* ---- listeners ---- */

static void listen_to(struct launcher_state *s, const char *who, int fd)
{
    struct listener *l = mem_zalloc(sizeof *l);

    l->fd = fd;
    for (size_t i = 0; i <= NUMBERS_MAX; i++) {
        snprintf(l->refused[i].who, LAUNCHER_WHO_LEN, "%.*s", LAUNCHER_WHO_LEN - 1, who);
        l->refused[i].number = -1;
    }
    s->listeners =
        mem_realloc_array(s->listeners, s->listener_count + 1, sizeof(struct listener *));
    s->listeners[s->listener_count++] = l;
}

static bool send_report(const struct launcher_state *s, struct launcher_report *report)
{
    if (report->count == 0)
        return true;
    if (send(s->reports, report, sizeof *report, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        return false;
    report->count = 0;
    return true;
}

static void name_thread(int thread_id, char name[LAUNCHER_THREAD_LEN])
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/comm", thread_id);
    (void)file_read_start(path, name, LAUNCHER_THREAD_LEN);
    name[strcspn(name, "\n")] = '\0';
}

/* Finds the report of a call, or makes it while there is room. */
static struct launcher_report *find_report(struct listener *l, const struct refused_call *call)
{
    uint32_t i = 0;

    while (i < l->count && l->refused[i].number != call->number)
        i++;
    struct launcher_report *report = &l->refused[i];
    if (i < l->count || i == NUMBERS_MAX)
        return report;
    l->count++;
    report->number = call->number;
    report->answer = call->answer;
    report->thread_id = call->thread_id;
    name_thread(call->thread_id, report->thread);
    return report;
}

static void take_call(struct launcher_state *s, struct listener *l)
{
    struct refused_call call;

    if (syscall_filter_take(l->fd, &call) < 0)
        return;
    uint32_t count = l->count;
    struct launcher_report *report = find_report(l, &call);
    syscall_filter_answer(l->fd, &call);
    report->count++;
    s->has_unsent = true;
    if (l->count > count)
        send_report(s, report);
}

static void send_reports(struct launcher_state *s)
{
    s->has_unsent = false;
    for (size_t i = 0; i < s->listener_count; i++)
        for (uint32_t k = 0; k <= NUMBERS_MAX; k++)
            if (!send_report(s, &s->listeners[i]->refused[k]))
                s->has_unsent = true;
    s->sent_ns = clock_mono().ns;
}

static void drop_listener(struct launcher_state *s, size_t index)
{
    send_reports(s);
    close(s->listeners[index]->fd);
    mem_free(s->listeners[index]);
    s->listeners[index] = s->listeners[--s->listener_count];
}

/* ---- the loop ---- */

/* False: the owner is gone. */
static bool take_request(struct launcher_state *s)
{
    const size_t head_len = offsetof(struct launcher_request, text);
    struct iovec part = {&s->request, head_len + LAUNCHER_TEXT_MAX};
    union launcher_control control;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    int fd = -1;

    ssize_t len = recvmsg(s->requests, &message, MSG_CMSG_CLOEXEC);
    if (len < 0)
        return errno == EINTR;
    if (len == 0)
        return false;
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
    if ((size_t)len < head_len)
        return false;
    s->request.text[(size_t)len - head_len] = '\0';
    if (s->request.kind == LAUNCHER_RUN)
        start_program(s, (size_t)len - head_len, fd);
    else if (s->request.kind == LAUNCHER_LISTEN && fd >= 0)
        listen_to(s, s->request.text, fd);
    return true;
}

static void serve_owner(struct launcher_state *s)
{
    struct pollfd *fds = NULL;

    for (;;) {
        int64_t due_ns = s->sent_ns + NS_PER_S - clock_mono().ns;
        size_t count = s->listener_count;
        if (s->has_unsent && due_ns <= 0)
            send_reports(s);
        fds = mem_realloc_array(fds, count + 1, sizeof *fds);
        fds[0] = (struct pollfd){.fd = s->requests, .events = POLLIN};
        for (size_t i = 0; i < count; i++)
            fds[i + 1] = (struct pollfd){.fd = s->listeners[i]->fd, .events = POLLIN};
        if (poll(fds, count + 1, s->has_unsent ? 1000 : -1) < 0)
            continue;
        for (size_t i = count; i-- > 0;) {
            if (fds[i + 1].revents & POLLIN)
                take_call(s, s->listeners[i]);
            else if (fds[i + 1].revents)
                drop_listener(s, i);
        }
        if (fds[0].revents && !take_request(s))
            break;
    }
    mem_free(fds);
}

void launcher_process(const struct launcher_settings *settings, int requests, int reports)
{
    struct launcher_state *s = mem_zalloc(sizeof *s);
    sigset_t all;

    /* The owner alone says when to end. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    close_others(requests, reports);
    process_title_set(settings->argc, settings->argv, settings->title);
    s->settings = settings;
    s->requests = requests;
    s->reports = reports;
    serve_owner(s);
    send_reports(s);
    _exit(0);
}
