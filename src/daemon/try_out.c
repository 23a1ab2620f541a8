/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tries what a start opens beside sockets, for -T setup. All that would be refused is told, and
 * nothing is made. See daemon_private.h. */
#include "base/file_trial.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "daemon/daemon_private.h"
#include "daemon/process.h"
#include "daemon/spool_use.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void refuse_file(const struct daemon *d, const char *key, size_t instance, const char *path,
                        int err, struct text *errors)
{
    const char *remedy = err == -ENOENT   ? "; make its folder"
                         : err == -EACCES ? "; let this user write there (chown, chmod)"
                         : err == -EROFS  ? "; under systemd, ReadWritePaths= of the unit names it"
                                          : "";

    text_append_printf(errors, "%s: %s: cannot write %s: %s (user id %u)%s\n",
                       config_place(d->config, key, instance), key, path, named_file_error(err),
                       (unsigned)geteuid(), remedy);
}

static void try_files(const struct daemon *d, struct text *errors)
{
    const struct {
        const char *key, *path;
    } files[] = {
        {"pidfile", d->process.pidfile},
        {"stats_file", d->process.stats_file},
        {"control_socket", control_socket_of(&d->control_settings)},
        {"nfacctd_templates_file", d->process.templates_file},
        {"bgp_neighbors_file", d->bgp_settings.enabled ? d->bgp_settings.neighbors_file : NULL},
        {"bgp_table_save", d->bgp_settings.enabled ? d->bgp_settings.table_save : NULL},
    };

    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        int err = files[i].path ? file_trial_replace(files[i].path) : 0;
        if (err < 0)
            refuse_file(d, files[i].key, CONFIG_GLOBAL, files[i].path, err, errors);
    }
    if (d->process.logfile) {
        int err = file_trial_write(d->process.logfile, false);
        if (err < 0)
            refuse_file(d, "logfile", CONFIG_GLOBAL, d->process.logfile, err, errors);
    }
}

/* The plugin's process makes DIR/INSTANCE if it is not there. */
static void try_spool(const struct daemon *d, uint32_t index, struct text *errors)
{
    const char *dir = d->instance_settings[index].spool_dir;
    const struct config_instance *identity = d->instances[index]->identity;
    struct text error = {0};
    struct stat status;

    if (!dir)
        return;
    char *own = mem_printf("%s/%s", dir, identity->name);
    int err = file_trial_folder(lstat(own, &status) == 0 ? own : dir, false);
    if (err < 0)
        refuse_file(d, "plugin_spool_dir", index, dir, err, errors);
    mem_free(own);
    if (spool_use_try(dir, identity->name, &error) < 0)
        text_append_printf(errors, "%s: plugin_spool_dir[%s]: %s\n",
                           config_place(d->config, "plugin_spool_dir", index), identity->name,
                           text_cstr(&error));
    text_clear(&error);
}

static void try_plugin(struct daemon *d, uint32_t index, struct text *errors) ON_THREAD(main_thread)
{
    struct supervisor_plugin plugin = instance_plugin(d->instances[index]);
    struct text error = {0}, notices = {0};

    if (supervisor_try_out(d->supervisor, &plugin, &error, &notices) < 0)
        setup_append_said(d, index, error.len ? text_cstr(&error) : "cannot be tried out", errors);
    if (notices.len)
        setup_append_said(d, index, text_cstr(&notices), &d->notices);
    text_clear(&error);
    text_clear(&notices);
}

int setup_try_out(struct daemon *d, struct text *errors)
{
    const char *mask = d->process.files_umask;

    if (mask && process_set_umask(mask) < 0)
        text_append_printf(errors, "%s: files_umask: '%s' is not an octal number up to 777\n",
                           config_place(d->config, "files_umask", CONFIG_GLOBAL), mask);
    try_files(d, errors);
    confinement_try_out(d, &d->warnings, &d->notices);
    for (uint32_t i = 0; i < d->instance_count; i++) {
        try_spool(d, i, errors);
        try_plugin(d, i, errors);
    }
    return errors->len > 0 ? -EINVAL : 0;
}
