/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The plugins that are installed, each described by itself: `pathacct-host --describe NAME` is run
 * for every NAME.so in the plugin folder. The core loads none of them.
 */
#include "base/text.h"
#include "config/plugin_description.h"

struct plugin_list {
    struct plugin_description **items;
    size_t count;
};

/* Leaves a plugin out that cannot describe itself, and says so in `warnings`. Negative errno: the
 * folder or the host cannot be used; appended to `errors`. */
int plugin_list_read(const char *host_path, const char *plugin_dir, struct text *errors,
                     struct text *warnings, struct plugin_list *ret_list);
void plugin_list_clear(struct plugin_list *list);
