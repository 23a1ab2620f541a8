/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The plugin mysql brings rows into MariaDB or MySQL, each exactly once. It has these functions of
 * pathacct_plugin.h; the others are those of sql_server.h. */
#include "plugins/pathacct_plugin.h"
#include <stddef.h>

int my_plugin_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                    size_t error_size);
int my_plugin_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                      size_t error_size);
int my_plugin_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state);
