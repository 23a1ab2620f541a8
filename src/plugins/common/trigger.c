/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Has the host start the operator's program with facts in its environment, and collects it. See
 * trigger.h. */
#include "plugins/common/trigger.h"
#include "base/memory.h"
#include "plugins/pathacct_plugin.h"
#include <errno.h>
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
    char *variables[TRIGGER_VARIABLES_MAX + 1] = {NULL};
    int err, pid;

    trigger_reap(trigger, host, false);
    if (trigger->child_count == TRIGGER_CHILDREN_MAX) {
        host->log(host, PA_LOG_WARNING, "%s %s: %d of it still run; not started", trigger->key,
                  trigger->program, TRIGGER_CHILDREN_MAX);
        return;
    }
    memcpy(variables, facts->variables, facts->count * sizeof variables[0]);
    err = host->start_program(host, trigger->key, variables, &pid);
    if (err < 0)
        host->log(host, PA_LOG_ERROR, "%s %s: cannot be started: %s", trigger->key,
                  trigger->program, strerror(-err));
    else if (trigger->is_async)
        trigger->children[trigger->child_count++] = pid;
    else
        wait_for(pid, host, trigger);
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
