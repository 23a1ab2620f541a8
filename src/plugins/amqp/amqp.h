/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The functions of the plugin amqp, as pathacct_plugin.h describes them. */
#include "plugins/pathacct_plugin.h"

int amqp_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
               size_t error_size);
int amqp_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                 size_t error_size);
int amqp_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state);
int amqp_begin(void *state, const struct pa_transaction *transaction);
int amqp_write(void *state, const struct pa_batch *batch);
int amqp_commit(void *state, const struct pa_transaction *transaction);
void amqp_abort(void *state);
void amqp_close(void *state);
