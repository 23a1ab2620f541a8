/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the plugin's functions, which the shared object tee.so exports. */
#include "plugins/tee/tee.h"

PA_PLUGIN_EXPORT = {
    .abi = PA_PLUGIN_ABI,
    .flags = PA_PLUGIN_TAKES_DATAGRAMS | PA_PLUGIN_TRIES_OUT,
    .name = "tee",
    .help = "datagrams as they came, to other collectors",
    .keys = tee_keys,
    .check = tee_check,
    .open = tee_open,
    .write = tee_write,
    .commit = tee_commit,
    .abort = tee_abort,
    .reopen = tee_reopen,
    .close = tee_close,
    .try_out = tee_try_out,
};
