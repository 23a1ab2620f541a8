/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The functions of the plugin kafka, as pathacct_plugin.h describes them. */
#include "plugins/pathacct_plugin.h"

int kafka_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                size_t error_size);
int kafka_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                  size_t error_size);
int kafka_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state);
int kafka_begin(void *state, const struct pa_transaction *transaction);
int kafka_write(void *state, const struct pa_batch *batch);
int kafka_commit(void *state, const struct pa_transaction *transaction);
void kafka_abort(void *state);
void kafka_close(void *state);
