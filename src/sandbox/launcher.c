/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The owner's side. Two pairs of sockets: one for requests, each with its answer, and one for reports,
 * which come by themselves. See launcher.h; launcher_process.c is the other side.
 */
#include "sandbox/launcher.h"
#include "base/memory.h"
#include "sandbox/launcher_private.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct launcher {
    pid_t pid;
    int requests, reports;
    struct launcher_request *request;
};

int launcher_new(const struct launcher_settings *settings, struct launcher **ret_launcher)
{
    int requests[2], reports[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, requests) < 0)
        return -errno;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, reports) < 0) {
        int err = -errno;
        close(requests[0]);
        close(requests[1]);
        return err;
    }
    pid_t pid = fork();
    if (pid == 0)
        launcher_process(settings, requests[1], reports[1]);
    int err = pid < 0 ? -errno : 0;
    close(requests[1]);
    close(reports[1]);
    if (err < 0) {
        close(requests[0]);
        close(reports[0]);
        return err;
    }
    struct launcher *l = mem_zalloc(sizeof *l);
    *l = (struct launcher){.pid = pid,
                           .requests = requests[0],
                           .reports = reports[0],
                           .request = mem_zalloc(sizeof *l->request)};
    *ret_launcher = l;
    return 0;
}

void launcher_free(struct launcher *l)
{
    if (!l)
        return;
    close(l->requests);
    close(l->reports);
    while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    mem_free(l->request);
    mem_free(l);
}

static int send_request(const struct launcher *l, size_t len, int fd)
{
    struct iovec part = {l->request, len};
    union launcher_control control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t sent;

    if (fd >= 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof control.bytes;
        struct cmsghdr *c = CMSG_FIRSTHDR(&message);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    do
        sent = sendmsg(l->requests, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0)
        return 0;
    return errno == ECONNRESET ? -EPIPE : -errno;
}

int launcher_run(struct launcher *l, size_t program, char *const *variables, int stdin_fd,
                 pid_t *ret_pid)
{
    struct launcher_request *r = l->request;
    struct launcher_answer answer;
    size_t len = 0;
    ssize_t got;

    r->kind = LAUNCHER_RUN;
    r->program = (uint32_t)program;
    for (size_t i = 0; variables && variables[i]; i++) {
        size_t size = strlen(variables[i]) + 1;
        if (size > LAUNCHER_TEXT_MAX - len)
            return -E2BIG;
        memcpy(r->text + len, variables[i], size);
        len += size;
    }
    int err = send_request(l, offsetof(struct launcher_request, text) + len, stdin_fd);
    if (err < 0)
        return err;
    do
        got = recv(l->requests, &answer, sizeof answer, 0);
    while (got < 0 && errno == EINTR);
    if (got != sizeof answer)
        return -EPIPE;
    if (answer.error == 0)
        *ret_pid = answer.pid;
    else if (answer.pid > 0)
        waitpid(answer.pid, NULL, 0);
    return answer.error;
}

int launcher_listen(struct launcher *l, const char *who, int listener)
{
    struct launcher_request *r = l->request;

    if (listener < 0)
        return 0;
    r->kind = LAUNCHER_LISTEN;
    snprintf(r->text, LAUNCHER_WHO_LEN, "%s", who);
    int err =
        send_request(l, offsetof(struct launcher_request, text) + strlen(r->text) + 1, listener);
    close(listener);
    return err;
}

int launcher_report_fd(const struct launcher *l)
{
    return l->reports;
}

int launcher_take_report(struct launcher *l, struct launcher_report *ret_report)
{
    ssize_t got;

    do
        got = recv(l->reports, ret_report, sizeof *ret_report, MSG_DONTWAIT);
    while (got < 0 && errno == EINTR);
    if (got == sizeof *ret_report)
        return 0;
    return got < 0 && errno == EAGAIN ? -EAGAIN : -EPIPE;
}
