/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The functions of the plugin mysql, as pathacct_plugin.h describes them: rows into MariaDB or MySQL,
 * each exactly once. */
#include "plugins/pathacct_plugin.h"
#include <stddef.h>

int my_plugin_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                    size_t error_size);
int my_plugin_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                      size_t error_size);
int my_plugin_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state);
int my_plugin_begin(void *state, const struct pa_transaction *transaction);
int my_plugin_write(void *state, const struct pa_batch *batch);
int my_plugin_commit(void *state, const struct pa_transaction *transaction);
void my_plugin_abort(void *state);
void my_plugin_close(void *state);
