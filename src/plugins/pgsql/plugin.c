/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the plugin's functions, which the shared object pgsql.so exports. */
#include "plugins/pgsql/pgsql.h"
#include "plugins/sql/sql_server.h"

PA_PLUGIN_EXPORT = {
    .abi = PA_PLUGIN_ABI,
    .flags = PA_PLUGIN_TRIES_OUT,
    .name = "pgsql",
    .help = "rows into tables of a PostgreSQL server",
    .keys = sql_keys,
    .shared_keys = output_keys,
    .check = pgsql_check,
    .open = pgsql_open,
    .begin = sql_server_begin,
    .write = sql_server_write,
    .commit = sql_server_commit,
    .abort = sql_server_abort,
    .close = sql_server_close,
    .try_out = pgsql_try_out,
};
