/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The value has a line for each: the mode, the folder, the programs. See host_bounds.h. */
#include "sandbox/host_bounds.h"
#include "base/memory.h"
#include "base/text.h"
#include <stdlib.h>
#include <string.h>

#define VARIABLE "PATHACCT_HOST_BOUNDS"

void host_bounds_format(const struct host_bounds *bounds, struct text *out)
{
    text_append_printf(out, VARIABLE "=%d\n%s\n%s", (int)bounds->mode, bounds->plugin_dir,
                       bounds->programs);
}

bool host_bounds_take(struct host_bounds *ret_bounds)
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the only thread */
    const char *value = getenv(VARIABLE);
    char *copy = value ? mem_strdup(value) : NULL, *folder, *programs;

    if (!copy)
        return false;
    unsetenv(VARIABLE); /* NOLINT(concurrency-mt-unsafe): the only thread */
    folder = strchr(copy, '\n');
    programs = folder ? strchr(folder + 1, '\n') : NULL;
    if (!programs || copy + 1 != folder || *copy < '0' || *copy > '0' + SYSCALLS_FREE) {
        mem_free(copy);
        return false;
    }
    *folder++ = *programs++ = '\0';
    *ret_bounds = (struct host_bounds){.mode = (enum syscall_mode)(*copy - '0'),
                                       .plugin_dir = folder,
                                       .programs = programs,
                                       .memory = copy};
    return true;
}

void host_bounds_clear(struct host_bounds *bounds)
{
    mem_free(bounds->memory);
    *bounds = (struct host_bounds){0};
}

bool host_bounds_allow(const struct host_bounds *bounds, const char *program)
{
    size_t len = strlen(program);

    for (const char *line = bounds->programs; *line; line += strcspn(line, "\n") + 1) {
        if (strcspn(line, "\n") == len && memcmp(line, program, len) == 0)
            return true;
        if (!strchr(line, '\n'))
            break;
    }
    return false;
}
