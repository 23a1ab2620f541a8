/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plugins/print/trigger.h"
#include "base/memory.h"
#include "plugins/pathacct_plugin.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { VARIABLES_MAX = 10 };

static bool is_ours(const char *variable)
{
    return !strncmp(variable, "PRINT_", 6) || !strncmp(variable, "INSTANCE_NAME=", 14) ||
           !strncmp(variable, "ELAPSED_TIME=", 13) ||
           !strncmp(variable, "TOTAL_ELEM_NUMBER=", 18) ||
           !strncmp(variable, "EFFECTIVE_ELEM_NUMBER=", 22);
}

/* Our environment and the facts; `ret_own` of the first entries are ours to free. */
static char **make_environment(const struct pa_host *host, const struct trigger_facts *facts,
                               uint32_t *ret_own)
{
    uint32_t count = 0, own = 0;
    char **environment;

    while (environ[count])
        count++;
    environment = mem_calloc(count + VARIABLES_MAX + 1, sizeof *environment);
    environment[own++] = mem_printf("INSTANCE_NAME=%s", host->instance_name);
    environment[own++] = mem_printf("PRINT_OUTPUT_FILE=%s", facts->output_file);
    environment[own++] = mem_printf("PRINT_EFFECTIVE_OUTPUT_FILE=%s", facts->last_file);
    environment[own++] = mem_printf("PRINT_LATEST_FILE=%s", facts->latest_file);
    environment[own++] = mem_printf("PRINT_REFRESH_TIME=%s", facts->refresh_time);
    environment[own++] = mem_printf("TOTAL_ELEM_NUMBER=%" PRIu64, facts->total);
    environment[own++] = mem_printf("EFFECTIVE_ELEM_NUMBER=%" PRIu64, facts->written);
    environment[own++] = mem_printf("ELAPSED_TIME=%.0f", facts->seconds);
    *ret_own = own;
    for (uint32_t i = 0, at = own; i < count; i++)
        if (!is_ours(environ[i]))
            environment[at++] = environ[i];
    return environment;
}

/* The plugin host ignores signals that the program must not inherit as ignored. */
static int spawn(pid_t *ret_pid, const char *program, char *const arguments[], char **environment)
{
    posix_spawnattr_t attributes;
    sigset_t defaults, none;
    int err;

    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGTERM);
    sigaddset(&defaults, SIGHUP);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    err = posix_spawn(ret_pid, program, NULL, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    return err;
}

static void wait_for(pid_t pid, const struct pa_host *host, const char *program)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return;
    if (WIFSIGNALED(status))
        host->log(host, PA_LOG_WARNING, "print_trigger_exec %s: ended by signal %d", program,
                  WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        host->log(host, PA_LOG_WARNING, "print_trigger_exec %s: exit status %d", program,
                  WEXITSTATUS(status));
}

void trigger_run(struct trigger *trigger, const struct pa_host *host,
                 const struct trigger_facts *facts)
{
    char *const arguments[] = {mem_strdup(trigger->program), NULL};
    char **environment;
    uint32_t own;
    pid_t pid;
    int err;

    trigger_reap(trigger, false);
    if (trigger->child_count == TRIGGER_CHILDREN_MAX) {
        host->log(host, PA_LOG_WARNING, "print_trigger_exec %s: %d of it still run; not started",
                  trigger->program, TRIGGER_CHILDREN_MAX);
        mem_free(arguments[0]);
        return;
    }
    environment = make_environment(host, facts, &own);
    err = spawn(&pid, trigger->program, arguments, environment);
    if (err != 0)
        host->log(host, PA_LOG_ERROR, "print_trigger_exec %s: cannot be started: %s",
                  trigger->program, strerror(err));
    else if (trigger->is_async)
        trigger->children[trigger->child_count++] = pid;
    else
        wait_for(pid, host, trigger->program);
    for (uint32_t i = 0; i < own; i++)
        mem_free(environment[i]);
    mem_free(environment);
    mem_free(arguments[0]);
}

void trigger_reap(struct trigger *trigger, bool waits)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < trigger->child_count; i++) {
        pid_t pid = trigger->children[i], result;
        do {
            result = waitpid(pid, NULL, waits ? 0 : WNOHANG);
        } while (result < 0 && errno == EINTR);
        if (result == 0)
            trigger->children[left++] = pid;
    }
    trigger->child_count = left;
}
