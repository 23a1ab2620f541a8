/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tries the places of an instance's output without opening one: opening a pipe would show its reader
 * an end. See print_try_out() in print.h. */
#include "plugins/print/print_trial.h"
#include "base/clock.h"
#include "base/file_trial.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "base/text.h"
#include "plugins/common/trigger.h"
#include "plugins/print/print.h"
#include "plugins/print/print_fault.h"
#include "plugins/print/print_settings.h"
#include "plugins/text/file_name.h"
#include "plugins/text/schema_file.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct trial {
    const struct pa_host *host;
    bool has_failed;
};

static void refuse(struct trial *t, const char *key, const char *path, int err)
{
    t->has_failed = true;
    t->host->log(t->host, PA_LOG_ERROR, "%s: cannot write %s: %s (user id %u): %s", key, path,
                 named_file_error(err), (unsigned)geteuid(), print_fault_remedy(-err));
}

/* Returns the folder that all names of a glob(7) pattern share: what stands before the last slash
 * that no wildcard precedes. To be freed. */
static char *common_folder(const char *glob)
{
    struct text folder = {0};
    size_t len = 0;

    for (; *glob && !strchr("*?[", *glob); glob++) {
        if (*glob == '\\')
            glob++;
        text_append_char(&folder, *glob);
        if (*glob == '/')
            len = folder.len;
    }
    folder.len = len > 1 ? len - 1 : len; /* the slash stays if it is all */
    char *result = mem_strdup(folder.len > 0 ? text_cstr(&folder) : ".");
    text_clear(&folder);
    return result;
}

static void tell_of_folder(const struct pa_host *host, const char *key, const char *folder,
                           mode_t mask)
{
    struct stat status;

    if (stat(folder, &status) < 0)
        host->log(host, PA_LOG_NOTICE,
                  "%s: the folder %s is not there; it will be made with mode %03o (files_umask)",
                  key, folder, 0777u & ~(unsigned)mask);
}

void print_tell_of_folder(const struct pa_host *host, const struct print_settings *settings)
{
    struct text glob = {0};

    if (!settings->name)
        return;
    file_name_append_glob(settings->name, &glob);
    char *folder = common_folder(text_cstr(&glob));
    tell_of_folder(host, "print_output_file", folder, settings->owner.mask);
    text_clear(&glob);
    mem_free(folder);
}

static void try_name(struct trial *t, const char *key, const struct file_name *name, mode_t mask)
{
    bool is_one = !file_name_has_columns(name); /* of which there is one now */
    struct text path = {0}, glob = {0};

    file_name_append_glob(name, &glob);
    char *folder = common_folder(text_cstr(&glob));
    if (is_one)
        file_name_append(name, NULL, NULL, clock_wall().ns / NS_PER_S, &path);
    int err = is_one ? file_trial_write(text_cstr(&path), true) : file_trial_folder(folder, true);
    if (err < 0)
        refuse(t, key, is_one ? text_cstr(&path) : folder, err);
    else
        tell_of_folder(t->host, key, folder, mask);
    text_clear(&path);
    text_clear(&glob);
    mem_free(folder);
}

static void try_stream(struct trial *t, const struct print_settings *s)
{
    int err = s->output_file ? file_trial_write(s->output_file, false) : 0;

    if (err < 0)
        refuse(t, "print_output_file", s->output_file, err);
    err = s->lock_file ? file_trial_write(s->lock_file, false) : 0;
    if (err < 0)
        refuse(t, "print_output_lock_file", s->lock_file, err);
}

int print_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                  size_t error_size)
{
    struct trial t = {.host = host};
    struct print_settings settings;
    int err = print_settings_read(host, schema, error, error_size, &settings);

    if (err < 0)
        return err;
    if (settings.is_stream) {
        try_stream(&t, &settings);
    } else {
        try_name(&t, "print_output_file", settings.name, settings.owner.mask);
        if (settings.latest)
            try_name(&t, "print_latest_file", settings.latest, settings.owner.mask);
    }
    if (schema_file_try_out(host, "print_avro_schema_file", settings.avro_schema_file) < 0)
        t.has_failed = true;
    if (trigger_try_out(host, "print_trigger_exec", settings.trigger_exec) < 0)
        t.has_failed = true;
    print_settings_clear(&settings);
    return t.has_failed ? -EINVAL : 0;
}
