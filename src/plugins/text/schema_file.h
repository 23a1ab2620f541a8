/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The file that has the Avro schema of an instance's rows (avro_schema_file), for who reads them. */
#include "plugins/pathacct_plugin.h"

/* Writes it anew, in one step. `key` names it in `error`. A NULL path is none. */
int schema_file_write(const struct pa_host *host, const char *key, const char *path,
                      const char *schema, char *error, size_t error_size);
/* Tells whether it can be written, and logs why not; makes nothing. */
int schema_file_try_out(const struct pa_host *host, const char *key, const char *path);
