/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the plugin's functions, which the shared object mysql.so exports. */
#include "plugins/mysql/my_plugin.h"
#include "plugins/sql/sql_server.h"

PA_PLUGIN_EXPORT = {
    .abi = PA_PLUGIN_ABI,
    .flags = PA_PLUGIN_TRIES_OUT,
    .name = "mysql",
    .help = "rows into tables of a MariaDB or MySQL server",
    .keys = sql_keys,
    .shared_keys = output_keys,
    .check = my_plugin_check,
    .open = my_plugin_open,
    .begin = sql_server_begin,
    .write = sql_server_write,
    .commit = sql_server_commit,
    .abort = sql_server_abort,
    .close = sql_server_close,
    .try_out = my_plugin_try_out,
};
