/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the plugin's functions, which the shared object sqlite3.so exports. */
#include "plugins/sql/sql_settings.h"
#include "plugins/sqlite3/sqlite_plugin.h"
#include "plugins/text/output_keys.h"

PA_PLUGIN_EXPORT = {
    .abi = PA_PLUGIN_ABI,
    .flags = PA_PLUGIN_TRIES_OUT | PA_PLUGIN_BLOCKS,
    .name = "sqlite3",
    .help = "rows into tables of an SQLite database",
    .keys = sql_keys,
    .shared_keys = output_keys,
    .check = sqlite_plugin_check,
    .open = sqlite_plugin_open,
    .begin = sqlite_plugin_begin,
    .write = sqlite_plugin_write,
    .commit = sqlite_plugin_commit,
    .abort = sqlite_plugin_abort,
    .reopen = sqlite_plugin_reopen,
    .close = sqlite_plugin_close,
    .try_out = sqlite_plugin_try_out,
};
