/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The host asks this of plugins of the project alone, whose system calls the table of sandbox/ knows:
 * it looks for the symbol pathacct_own_plugin, which no other plugin has.
 */
#include "plugins/pathacct_plugin.h"

/* Returns NULL, or why the settings make a library do more than the table allows, so that there can be
 * no filter. A plugin may define it; own_plugin.c has the one of all others. */
const char *own_plugin_why_free(const struct pa_host *host);
