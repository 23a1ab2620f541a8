/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Collects the folders of all that is written. See written_places.h. */
#include "daemon/written_places.h"
#include "base/memory.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct place_list {
    char **folders;
    size_t count;
};

static void add_folder(struct place_list *list, char *folder)
{
    char real[PATH_MAX];

    if (realpath(folder, real)) { /* /var/run is /run */
        mem_free(folder);
        folder = mem_strdup(real);
    }
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->folders[i], folder) == 0) {
            mem_free(folder);
            return;
        }
    list->folders = mem_realloc(list->folders, (list->count + 1) * sizeof *list->folders);
    list->folders[list->count++] = folder;
}

/* A stream, such as /dev/stdout, is not made anew, so its folder is not written to. */
static bool is_stream(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISSOCK(status.st_mode) &&
           !S_ISDIR(status.st_mode);
}

/* Adds the folder of a file. A name without a slash may be something else, such as a database of a
 * server. */
static void add_file(struct place_list *list, const char *name)
{
    char target[PATH_MAX], *fixed, *slash;

    if (!name || !strchr(name, '/') || is_stream(name))
        return;
    fixed = mem_strndup(name, strcspn(name, "%$"));
    if (realpath(fixed, target)) { /* a link leads to where its target is */
        mem_free(fixed);
        fixed = mem_strdup(target);
    }
    slash = strrchr(fixed, '/');
    if (slash) {
        slash[slash == fixed ? 1 : 0] = 0;
        add_folder(list, fixed);
    } else {
        mem_free(fixed);
    }
}

static void add_setting(void *arg, const struct config_setting *setting)
{
    enum pa_key_role role = setting->key->role;

    if (role == PA_ROLE_OUTPUT || role == PA_ROLE_OWN_OUTPUT || role == PA_ROLE_OWN_PLACE)
        add_file(arg, setting->value);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void written_places_print(const struct daemon *d)
{
    const struct process_settings *p = &d->process;
    const char *const files[] = {
        p->pidfile,
        p->logfile,
        p->stats_file,
        p->templates_file,
        control_socket_of(&d->control_settings),
        d->bgp_settings.enabled ? d->bgp_settings.neighbors_file : NULL,
        d->bgp_settings.enabled ? d->bgp_settings.table_save : NULL,
        config_value(d->config, "sfacctd_counter_file", CONFIG_GLOBAL),
        d->bgp_settings.enabled ? d->table_dump_settings.file : NULL,
        d->bgp_settings.enabled ? d->table_dump_settings.latest_file : NULL,
    };
    struct place_list list = {0};

    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        add_file(&list, files[i]);
    for (uint32_t i = 0; i < d->instance_count; i++) {
        if (d->instance_settings[i].spool_dir)
            add_folder(&list, mem_strdup(d->instance_settings[i].spool_dir));
        config_each_setting(d->config, i, add_setting, &list);
    }
    if (list.count > 0)
        qsort(list.folders, list.count, sizeof *list.folders, compare);
    for (size_t i = 0; i < list.count; i++) {
        printf("writes to %s\n", list.folders[i]);
        mem_free(list.folders[i]);
    }
    mem_free(list.folders);
}
