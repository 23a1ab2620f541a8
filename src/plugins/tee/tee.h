/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The functions of the tee plugin, which passes datagrams on to other collectors, and its keys. */
#include "plugins/pathacct_plugin.h"

extern const struct pa_key tee_keys[];

int tee_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
              size_t error_size);
int tee_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state);
int tee_write(void *state, const struct pa_batch *batch);
int tee_commit(void *state, const struct pa_transaction *transaction);
void tee_abort(void *state);
int tee_reopen(void *state);
void tee_close(void *state);
int tee_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                size_t error_size);
