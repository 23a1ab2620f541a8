/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The words for types and roles of plugin keys: the host describes plugins in them, the daemons
 * read them. One table, plugin_key.def. No state; any thread. */
#include "plugins/pathacct_plugin.h"

/* NULL: there is no such value. */
const char *plugin_key_type_word(enum pa_key_type type);
const char *plugin_key_role_word(enum pa_key_role role);

/* The enumerator; -ENOENT: there is no such word. */
int plugin_key_type_find(const char *word);
int plugin_key_role_find(const char *word);
