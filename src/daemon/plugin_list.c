/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs pathacct-host for each plugin and reads its descriptions. See plugin_list.h. */
#include "daemon/plugin_list.h"
#include "base/file.h"
#include "base/memory.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs the host to describe a plugin of the folder, and takes its output. */
static int host_run(const char *host_path, const char *plugin_dir, const char *name,
                    struct text *output)
{
    char *const args[] = {mem_strdup(host_path), mem_strdup("--describe"), mem_strdup(name),
                          mem_strdup(plugin_dir), NULL};
    posix_spawn_file_actions_t actions;
    int pipe_fds[2], status = 0, err;
    pid_t pid;

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return -errno;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], STDOUT_FILENO);
    err = posix_spawn(&pid, host_path, &actions, NULL, args, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_fds[1]);
    /* The host's status tells if that is all. */
    if (err == 0)
        (void)file_read_all(pipe_fds[0], SIZE_MAX, output);
    close(pipe_fds[0]);
    for (size_t i = 0; args[i]; i++)
        mem_free(args[i]);
    if (err != 0)
        return -err;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EINVAL;
}

static int describe_plugin_file(const char *host_path, const char *plugin_dir, const char *name,
                                struct text *warnings, struct plugin_list *list)
{
    struct plugin_description *description;
    struct text output = {0}, error = {0};
    int err = host_run(host_path, plugin_dir, name, &output);

    if (err == -ENOENT || err == -EACCES)
        goto out;
    if (err == 0)
        err = plugin_description_parse(output.data, output.len, &error, &description);
    if (err == 0) {
        list->items =
            mem_realloc_array(list->items, list->count + 1, sizeof(struct plugin_description *));
        list->items[list->count++] = description;
    } else {
        text_append_printf(warnings, "plugin %s in %s cannot be used: %s\n", name, plugin_dir,
                           error.len ? text_cstr(&error) : "it does not describe itself");
        err = 0;
    }
out:
    text_clear(&output);
    text_clear(&error);
    return err;
}

static int is_plugin(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return len > 3 && strcmp(entry->d_name + len - 3, ".so") == 0;
}

int plugin_list_read(const char *host_path, const char *plugin_dir, struct text *errors,
                     struct text *warnings, struct plugin_list *list)
{
    struct dirent **entries;
    int count = scandir(plugin_dir, &entries, is_plugin, alphasort), err = 0;

    *list = (struct plugin_list){0};
    if (count < 0) {
        err = -errno;
        text_append_printf(errors, "plugin folder %s: %s\n", plugin_dir, strerror(errno));
        return err;
    }
    for (int i = 0; i < count; i++) {
        char *name = mem_strndup(entries[i]->d_name, strlen(entries[i]->d_name) - 3);
        if (err == 0)
            err = describe_plugin_file(host_path, plugin_dir, name, warnings, list);
        mem_free(name);
        free(entries[i]); /* NOLINT: scandir allocated it */
    }
    free(entries); /* NOLINT: scandir allocated it */
    if (err < 0)
        text_append_printf(errors, "plugin host %s: %s\n", host_path, strerror(-err));
    return err;
}

void plugin_list_clear(struct plugin_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        plugin_description_free(list->items[i]);
    mem_free(list->items);
    *list = (struct plugin_list){0};
}
