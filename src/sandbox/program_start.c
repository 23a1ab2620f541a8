/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Has libc start a program, or, for the child of another, clones. See program_start.h. */
#include "sandbox/program_start.h"
#include "base/memory.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <unistd.h>

enum { STACK_LEN = 256 << 10 };

static const int ending_signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGCHLD};
enum { ENDING_COUNT = sizeof ending_signals / sizeof ending_signals[0] };

int program_start(const struct program *p, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t mask, defaults;

    sigemptyset(&mask);
    if (p->blocks_signals)
        sigfillset(&mask);
    sigemptyset(&defaults);
    for (size_t i = 0; i < ENDING_COUNT; i++)
        sigaddset(&defaults, ending_signals[i]);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    if (p->stdin_fd >= 0)
        posix_spawn_file_actions_adddup2(&actions, p->stdin_fd, STDIN_FILENO);
    if (p->has_standard_fds_only)
        posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &mask);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    int err = posix_spawn(ret_pid, p->path, &actions, &attributes, p->arguments, p->environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return -err;
}

struct start {
    const struct program *program;
    int error;
};

/* Runs in the new process, in our memory, while we wait. */
static int become_program(void *arg)
{
    struct start *start = arg;
    const struct program *p = start->program;
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t mask;

    for (size_t i = 0; i < ENDING_COUNT; i++)
        sigaction(ending_signals[i], &action, NULL);
    if (p->stdin_fd >= 0 && dup2(p->stdin_fd, STDIN_FILENO) < 0)
        goto fail;
    if (p->has_standard_fds_only)
        closefrom(STDERR_FILENO + 1);
    sigemptyset(&mask);
    if (p->blocks_signals)
        sigfillset(&mask);
    sigprocmask(SIG_SETMASK, &mask, NULL);
    execve(p->path, p->arguments, p->environment);
fail:
    start->error = -errno;
    _exit(127);
}

int program_start_beside(const struct program *p, pid_t *ret_pid)
{
    struct start start = {.program = p};
    uint8_t *stack = mem_aligned_zalloc(64, STACK_LEN);
    sigset_t all, before;

    /* No handler of ours may run in the new process, which has our memory. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = clone(become_program, stack + STACK_LEN,
                      CLONE_PARENT | CLONE_VM | CLONE_VFORK | SIGCHLD, &start);
    int err = pid < 0 ? -errno : start.error;
    sigprocmask(SIG_SETMASK, &before, NULL);
    mem_free(stack);
    /* If it became no program its end is our parent's to collect. */
    *ret_pid = pid;
    return err;
}

static size_t list_len(char *const *list)
{
    size_t count = 0;

    while (list && list[count])
        count++;
    return count;
}

static bool is_among(char *const *variables, size_t count, const char *variable)
{
    size_t len = strcspn(variable, "=") + 1;

    for (size_t i = 0; i < count; i++)
        if (strncmp(variables[i], variable, len) == 0)
            return true;
    return false;
}

char **program_environment(char *const *variables, char *const *environment)
{
    size_t count = list_len(variables), more = list_len(environment), at = count;
    char **result = mem_calloc(count + more + 1, sizeof *result);

    for (size_t i = 0; i < count; i++)
        result[i] = variables[i];
    for (size_t i = 0; i < more; i++)
        if (!is_among(variables, count, environment[i]))
            result[at++] = environment[i];
    return result;
}
