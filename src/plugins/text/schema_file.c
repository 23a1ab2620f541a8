/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes the schema, for the owner of all files. See schema_file.h. */
#include "plugins/text/schema_file.h"
#include "base/file_trial.h"
#include "base/named_file.h"
#include "plugins/text/output_keys.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int write_file(const struct file_owner *owner, const char *path, const char *text)
{
    struct named_file target;
    int err = named_file_resolve(path, &target);

    if (err < 0)
        return err;
    err = target.is_stream ? -EEXIST : file_owner_make_directories(owner, target.path);
    if (err == 0)
        err = file_owner_replace(owner, target.path, text, strlen(text));
    named_file_clear(&target);
    return err;
}

int schema_file_write(const struct pa_host *host, const char *key, const char *path,
                      const char *schema, char *error, size_t error_size)
{
    struct file_owner owner;
    int err;

    if (!path || !schema)
        return 0;
    err = file_owner_read(host, error, error_size, &owner);
    if (err < 0)
        return err;
    err = write_file(&owner, path, schema);
    if (err < 0)
        snprintf(error, error_size, "%s: cannot write %s: %s", key, path, named_file_error(err));
    return err;
}

int schema_file_try_out(const struct pa_host *host, const char *key, const char *path)
{
    int err = path ? file_trial_replace(path) : 0;

    if (err < 0)
        host->log(host, PA_LOG_ERROR, "%s: cannot write %s: %s", key, path, named_file_error(err));
    return err;
}
