/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The plugin's functions, as pathacct_plugin.h describes them. They write rows into tables of an
 * SQLite file, each transaction of the host in one of the database, exactly once by the table
 * pathacct_progress.
 */
#include "plugins/pathacct_plugin.h"

int sqlite_plugin_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                        size_t error_size);
int sqlite_plugin_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                          size_t error_size);
int sqlite_plugin_open(const struct pa_host *host, const struct pa_schema *schema,
                       void **ret_state);
int sqlite_plugin_begin(void *state, const struct pa_transaction *transaction);
int sqlite_plugin_write(void *state, const struct pa_batch *batch);
int sqlite_plugin_commit(void *state, const struct pa_transaction *transaction);
void sqlite_plugin_abort(void *state);
int sqlite_plugin_reopen(void *state);
void sqlite_plugin_close(void *state);
