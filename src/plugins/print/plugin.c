/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the plugin's functions, which the shared object print.so exports. */
#include "plugins/print/print.h"
#include "plugins/print/print_settings.h"

PA_PLUGIN_EXPORT = {
    .abi = PA_PLUGIN_ABI,
    .flags = PA_PLUGIN_TRIES_OUT | PA_PLUGIN_BLOCKS,
    .name = "print",
    .help = "rows as JSON, CSV or columns, into files, a pipe or standard output",
    .keys = print_keys,
    .shared_keys = output_keys,
    .check = print_check,
    .open = print_open,
    .begin = print_begin,
    .write = print_write,
    .commit = print_commit,
    .abort = print_abort,
    .reopen = print_reopen,
    .close = print_close,
    .try_out = print_try_out,
};
