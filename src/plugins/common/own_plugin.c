/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each plugin of the project links this. See own_plugin.h. */
#include "plugins/common/own_plugin.h"
#include <stddef.h>

__attribute__((weak)) const char *own_plugin_why_free(const struct pa_host *host)
{
    (void)host;
    return NULL;
}

extern const char *(*const pathacct_own_plugin)(const struct pa_host *host);
__attribute__((visibility("default")))
const char *(*const pathacct_own_plugin)(const struct pa_host *host) = own_plugin_why_free;
