/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* How plugins ask the host for their settings, and say what is wrong with them. */
#include "plugins/pathacct_plugin.h"
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>

/* Returns NULL if the key has no value or an empty one. Borrowed until close. */
static inline const char *setting_text(const struct pa_host *host, const char *key)
{
    const char *value = host->setting(host, key);

    return value && *value ? value : NULL;
}

/* True if a boolean key is set, or if a number is not 0. */
static inline bool setting_is_on(const struct pa_host *host, const char *key)
{
    return host->setting_number(host, key) != 0;
}

/* For a plugin's check: makes `what`, which says what is wrong and what would be right, the error.
 * -EINVAL. */
static inline int setting_refuse(char *error, size_t error_size, const char *what)
{
    snprintf(error, error_size, "%s", what);
    return -EINVAL;
}
