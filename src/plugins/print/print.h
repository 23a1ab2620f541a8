/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The plugin's functions, as pathacct_plugin.h describes them. They write rows as text into files
 * (exactly once), into a pipe or to standard output (at least once).
 */
#include "plugins/pathacct_plugin.h"

int print_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                size_t error_size);
int print_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                  size_t error_size);
int print_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state);
int print_begin(void *state, const struct pa_transaction *transaction);
int print_write(void *state, const struct pa_batch *batch);
int print_commit(void *state, const struct pa_transaction *transaction);
void print_abort(void *state);
int print_reopen(void *state);
void print_close(void *state);
