/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the plugin's functions, which the shared object pgsql.so exports. */
#include "plugins/pgsql/pgsql.h"
#include "plugins/sql/sql_settings.h"

PA_PLUGIN_EXPORT = {
    .abi = PA_PLUGIN_ABI,
    .flags = PA_PLUGIN_TRIES_OUT,
    .name = "pgsql",
    .help = "rows into tables of a PostgreSQL server",
    .keys = sql_keys,
    .shared_keys = output_keys,
    .check = pgsql_check,
    .open = pgsql_open,
    .begin = pgsql_begin,
    .write = pgsql_write,
    .commit = pgsql_commit,
    .abort = pgsql_abort,
    .close = pgsql_close,
    .try_out = pgsql_try_out,
};
