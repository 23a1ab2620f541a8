/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The keys of a memory table, and the settings that they make. */
#include "plugins/memory/server.h"
#include "plugins/pathacct_plugin.h"

extern const struct pa_key memory_keys[];

struct memory_settings {
    uint64_t max_bytes; /* 0: no bound */
    struct server_settings server;
};

/* -EINVAL: what is wrong and what would be right stands in `error`. Reads the user database. */
int memory_settings_read(const struct pa_host *host, const struct pa_schema *schema, char *error,
                         size_t error_size, struct memory_settings *ret_settings);
