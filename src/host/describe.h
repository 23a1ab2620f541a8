/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* `pathacct-host --describe NAME`: a plugin's table of keys as JSON, for the core's checks and the
 * manual. */
#include "plugins/pathacct_plugin.h"

struct text;

/* Appends one line, {"abi", "name", "help", "flags", "keys": [{"name", "type", "global", "role",
 * "default", "min", "max", "choices", "aliases", "help"}]}, with keys of the plugin before shared
 * ones. -EINVAL: a text of the plugin is not UTF-8. */
int describe_plugin(const struct pa_plugin *plugin, struct text *out);
