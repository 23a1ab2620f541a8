/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The description of a plugin: the JSON object that `pathacct-host --describe NAME` prints.
 *
 *     {"abi": 1, "name": "print", "help": "...", "flags": 0, "keys": [
 *       {"name": "print_output", "type": "choice", "global": false, "role": "none", "default":
 * "formatted", "min": 0, "max": 0, "choices": "json|csv|formatted", "aliases": null, "help":
 * "..."}, ...]}
 *
 * Words of types and roles are those of base/plugin_key.def. The keys are the plugin's own and
 * those it shares. Members that are NULL in struct pa_key are null or absent.
 */
#include "plugins/pathacct_plugin.h"
#include <stddef.h>
#include <stdint.h>

struct text;

struct plugin_description {
    char *name, *help;
    uint32_t abi, flags;
    struct pa_key *keys; /* ends with a row without name */
    size_t key_count;
};

/* -EBADMSG: not such an object; -EPROTONOSUPPORT: another version of the interface. The reason is
 * appended to `error`. */
int plugin_description_parse(const char *json, size_t len, struct text *error,
                             struct plugin_description **ret_description);
void plugin_description_free(struct plugin_description *description); /* NULL is fine */
