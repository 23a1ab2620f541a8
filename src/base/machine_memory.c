/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory of the machine and of its control groups (cgroups(7)): /proc/self/cgroup has a line
 * `id:controllers:path` for each hierarchy, and a group is bound by those above it, too. */
#include "base/machine_memory.h"
#include "base/file.h"
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Lowers *bytes to the number in a file. One without a number ("max") sets no limit. */
static void limit_read(const char *path, uint64_t *bytes)
{
    char content[32];

    if (file_read_start(path, content, sizeof content) <= 0)
        return;
    uint64_t limit = strtoull(content, NULL, 10);
    if (limit > 0 && limit < *bytes)
        *bytes = limit;
}

/* Asks a group and all above it. `group` is its path, which is taken apart. */
static void groups_read(const char *root, const char *mount, char *group, const char *name,
                        uint64_t *bytes)
{
    char path[2 * PATH_MAX];

    for (;;) {
        snprintf(path, sizeof path, "%s%s%s/%s", root, mount, group, name);
        limit_read(path, bytes);
        char *slash = strrchr(group, '/');
        if (!slash)
            return;
        *slash = '\0';
    }
}

uint64_t machine_memory_at(const char *root, uint64_t machine_bytes)
{
    char line[PATH_MAX], path[PATH_MAX];
    uint64_t bytes = machine_bytes;

    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (!file)
        return bytes;
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        if (controllers[1] == '\0')
            groups_read(root, "/sys/fs/cgroup", group, "memory.max", &bytes);
        else if (strstr(controllers + 1, "memory"))
            groups_read(root, "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes", &bytes);
    }
    fclose(file);
    return bytes;
}

uint64_t machine_memory(void)
{
    return machine_memory_at("",
                             (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
}
