/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks for the keys in the plugin's tables. See programs.h. */
#include "host/programs.h"
#include "base/memory.h"
#include "sandbox/host_bounds.h"
#include "sandbox/launcher.h"
#include "sandbox/program_start.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Triggers get these facts (plugins/common/trigger.h). Other variables, such as LD_PRELOAD, are not
 * for a process to set that may have been taken over. */
static const char *const variables_of_triggers[] = {"INSTANCE_NAME",
                                                    "TOTAL_ELEM_NUMBER",
                                                    "EFFECTIVE_ELEM_NUMBER",
                                                    "ELAPSED_TIME",
                                                    "INSERT_QUERIES_NUMBER",
                                                    "UPDATE_QUERIES_NUMBER",
                                                    "SQL_DB",
                                                    "SQL_TABLE",
                                                    "EFFECTIVE_SQL_TABLE",
                                                    "SQL_HOST",
                                                    "SQL_USER",
                                                    "SQL_REFRESH_TIME",
                                                    "SQL_HISTORY_BASETIME",
                                                    "SQL_HISTORY_TIMESLOT",
                                                    "PRINT_OUTPUT_FILE",
                                                    "PRINT_EFFECTIVE_OUTPUT_FILE",
                                                    "PRINT_LATEST_FILE",
                                                    "PRINT_REFRESH_TIME",
                                                    "KAFKA_REFRESH_TIME",
                                                    NULL};

struct named_program {
    const char *key;
    char *arguments[2];
};

struct programs {
    struct named_program *items;
    struct launcher_program *known; /* in the same order */
    size_t count;
    struct launcher *launcher; /* NULL: there is none */
};

static const char *value_of(const struct setup *setup, const char *key)
{
    for (uint32_t i = 0; i < setup->setting_count; i++)
        if (strcmp(setup->settings[i].key, key) == 0)
            return setup->settings[i].value;
    return NULL;
}

static void add_table(struct programs *p, const struct pa_key *keys, const struct setup *setup,
                      const struct host_bounds *bounds)
{
    for (; keys && keys->name; keys++) {
        const char *path = keys->role == PA_ROLE_PROGRAM ? value_of(setup, keys->name) : NULL;
        if (!path || (bounds && !host_bounds_allow(bounds, path)))
            continue;
        p->items = mem_realloc_array(p->items, p->count + 1, sizeof *p->items);
        p->items[p->count++] =
            (struct named_program){.key = keys->name, .arguments = {mem_strdup(path), NULL}};
    }
}

struct programs *programs_new(const struct pa_plugin *plugin, const struct setup *setup,
                              const struct host_bounds *bounds)
{
    struct programs *p = mem_zalloc(sizeof *p);

    add_table(p, plugin->keys, setup, bounds);
    add_table(p, plugin->shared_keys, setup, bounds);
    p->known = mem_calloc(p->count + 1, sizeof *p->known);
    for (size_t i = 0; i < p->count; i++)
        p->known[i] = (struct launcher_program){.path = p->items[i].arguments[0],
                                                .arguments = p->items[i].arguments,
                                                .has_standard_fds_only = true};
    return p;
}

void programs_free(struct programs *p)
{
    if (!p)
        return;
    launcher_free(p->launcher);
    for (size_t i = 0; i < p->count; i++)
        mem_free(p->items[i].arguments[0]);
    mem_free(p->items);
    mem_free(p->known);
    mem_free(p);
}

int programs_fork_launcher(struct programs *p, int argc, char **argv)
{
    struct launcher_settings settings = {.programs = p->known,
                                         .program_count = p->count,
                                         .environment = environ,
                                         .variables = variables_of_triggers,
                                         .title = "pathacct-host: launcher",
                                         .argc = argc,
                                         .argv = argv};

    return p->count > 0 ? launcher_new(&settings, &p->launcher) : 0;
}

int programs_start(struct programs *p, const char *key, char *const *variables, int *ret_pid)
{
    size_t i = 0;

    while (i < p->count && strcmp(p->items[i].key, key) != 0)
        i++;
    if (i == p->count)
        return -ENOENT;
    if (p->launcher)
        return launcher_run(p->launcher, i, variables, -1, ret_pid);
    char **environment = program_environment(variables, environ);
    struct program program = {.path = p->known[i].path,
                              .arguments = p->known[i].arguments,
                              .environment = environment,
                              .stdin_fd = -1,
                              .has_standard_fds_only = true};
    int err = program_start(&program, ret_pid);
    mem_free(environment);
    return err;
}
