/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The functions of the plugin pgsql, as pathacct_plugin.h describes them: rows into PostgreSQL,
 * each exactly once. */
#include "plugins/pathacct_plugin.h"
#include <stddef.h>

int pgsql_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                size_t error_size);
int pgsql_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                  size_t error_size);
int pgsql_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state);
int pgsql_begin(void *state, const struct pa_transaction *transaction);
int pgsql_write(void *state, const struct pa_batch *batch);
int pgsql_commit(void *state, const struct pa_transaction *transaction);
void pgsql_abort(void *state);
void pgsql_close(void *state);
