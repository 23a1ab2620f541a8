/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The plugin's functions, as pathacct_plugin.h describes them: rows go into a table that clients
 * ask on a socket. */
#include "plugins/pathacct_plugin.h"

int memory_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                 size_t error_size);
int memory_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                   size_t error_size);
int memory_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state);
int memory_begin(void *state, const struct pa_transaction *transaction);
int memory_write(void *state, const struct pa_batch *batch);
int memory_commit(void *state, const struct pa_transaction *transaction);
void memory_close(void *state);
