/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts the operator's program with facts in its environment, and collects its children. See
 * trigger.h. */
#include "plugins/common/trigger.h"
#include "base/memory.h"
#include "plugins/pathacct_plugin.h"
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void trigger_facts_add(struct trigger_facts *facts, const char *format, ...)
{
    char line[4096];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (facts->count < TRIGGER_VARIABLES_MAX)
        facts->variables[facts->count++] = mem_strdup(line);
}

void trigger_facts_clear(struct trigger_facts *facts)
{
    for (uint32_t i = 0; i < facts->count; i++)
        mem_free(facts->variables[i]);
    facts->count = 0;
}

static bool is_replaced(const struct trigger_facts *facts, const char *variable)
{
    size_t len = strcspn(variable, "=") + 1;

    for (uint32_t i = 0; i < facts->count; i++)
        if (strncmp(facts->variables[i], variable, len) == 0)
            return true;
    return false;
}

/* Returns the facts and our own environment. The caller frees the array with mem_free; its strings
 * stay where they are. */
static char **make_environment(const struct trigger_facts *facts)
{
    uint32_t count = 0, at = facts->count;
    char **environment;

    while (environ[count])
        count++;
    environment = mem_calloc(count + facts->count + 1, sizeof *environment);
    memcpy(environment, facts->variables, facts->count * sizeof *environment);
    for (uint32_t i = 0; i < count; i++)
        if (!is_replaced(facts, environ[i]))
            environment[at++] = environ[i];
    return environment;
}

/* Starts the program with default signal handling: the plugin host ignores signals, and the program
 * must not inherit that; nor descriptors that the daemon was given, such as an output's. */
static int program_spawn(pid_t *ret_pid, const char *program, char *const arguments[],
                         char **environment)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults, none;
    int err;

    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGINT);
    sigaddset(&defaults, SIGTERM);
    sigaddset(&defaults, SIGHUP);
    sigaddset(&defaults, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    err = posix_spawn(ret_pid, program, &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return err;
}

static void wait_for(pid_t pid, const struct pa_host *host, const struct trigger *trigger)
{
    int status;

    host->wait(host, PA_WAIT_PROGRAM);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return;
    if (WIFSIGNALED(status))
        host->log(host, PA_LOG_WARNING, "%s %s: ended by signal %d", trigger->key, trigger->program,
                  WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        host->log(host, PA_LOG_WARNING, "%s %s: exit status %d", trigger->key, trigger->program,
                  WEXITSTATUS(status));
}

int trigger_try_out(const struct pa_host *host, const char *key, const char *program)
{
    int err = program && access(program, X_OK) < 0 ? -errno : 0;

    if (err < 0)
        host->log(host, PA_LOG_ERROR, "%s: cannot run %s: %s", key, program, strerror(-err));
    return err;
}

void trigger_run(struct trigger *trigger, const struct pa_host *host,
                 const struct trigger_facts *facts)
{
    char *const arguments[] = {mem_strdup(trigger->program), NULL};
    char **environment;
    pid_t pid;
    int err;

    trigger_reap(trigger, host, false);
    if (trigger->child_count == TRIGGER_CHILDREN_MAX) {
        host->log(host, PA_LOG_WARNING, "%s %s: %d of it still run; not started", trigger->key,
                  trigger->program, TRIGGER_CHILDREN_MAX);
        mem_free(arguments[0]);
        return;
    }
    environment = make_environment(facts);
    err = program_spawn(&pid, trigger->program, arguments, environment);
    if (err != 0)
        host->log(host, PA_LOG_ERROR, "%s %s: cannot be started: %s", trigger->key,
                  trigger->program, strerror(err));
    else if (trigger->is_async)
        trigger->children[trigger->child_count++] = pid;
    else
        wait_for(pid, host, trigger);
    mem_free(environment);
    mem_free(arguments[0]);
}

void trigger_reap(struct trigger *trigger, const struct pa_host *host, bool waits)
{
    uint32_t left = 0;

    if (waits && trigger->child_count > 0)
        host->wait(host, PA_WAIT_PROGRAM);
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
