/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the plugin's functions, which the shared object memory.so exports. */
#include "plugins/memory/memory.h"
#include "plugins/memory/memory_settings.h"
#include "plugins/text/output_keys.h"

PA_PLUGIN_EXPORT = {
    .abi = PA_PLUGIN_ABI,
    .flags = PA_PLUGIN_ADDS_UP | PA_PLUGIN_IS_VOLATILE | PA_PLUGIN_TRIES_OUT,
    .name = "memory",
    .help = "a live table in memory that pmacct(1) asks on a Unix socket",
    .keys = memory_keys,
    .shared_keys = output_keys,
    .check = memory_check,
    .open = memory_open,
    .begin = memory_begin,
    .write = memory_write,
    .commit = memory_commit,
    .close = memory_close,
    .try_out = memory_try_out,
};
