/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes JSON of a plugin's key table. See describe.h. */
#include "host/describe.h"

#include "base/plugin_key.h"
#include "base/text.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

/* Returns NULL if a text is not UTF-8. */
static json_t *describe_key(const struct pa_key *key)
{
    return json_pack("{s:s, s:s?, s:b, s:s?, s:s?, s:I, s:I, s:s?, s:s?, s:s?}", "name", key->name,
                     "type", plugin_key_type_word((enum pa_key_type)key->type), "global",
                     key->is_global != 0, "role", plugin_key_role_word((enum pa_key_role)key->role),
                     "default", key->default_value, "min", (json_int_t)key->min, "max",
                     (json_int_t)key->max, "choices", key->choices, "aliases", key->aliases, "help",
                     key->help);
}

static json_t *describe_keys(const struct pa_plugin *plugin)
{
    const struct pa_key *tables[] = {plugin->keys, plugin->shared_keys};
    json_t *keys = json_array();

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (const struct pa_key *key = tables[i]; key != NULL && key->name != NULL; key++)
            if (json_array_append_new(keys, describe_key(key)) < 0) {
                json_decref(keys);
                return NULL;
            }
    return keys;
}

int describe_plugin(const struct pa_plugin *plugin, struct text *out)
{
    json_t *root = json_pack("{s:I, s:s, s:s?, s:I, s:o}", "abi", (json_int_t)plugin->abi, "name",
                             plugin->name, "help", plugin->help, "flags", (json_int_t)plugin->flags,
                             "keys", describe_keys(plugin));
    char *line = root != NULL ? json_dumps(root, JSON_COMPACT) : NULL;

    json_decref(root);
    if (line == NULL)
        return -EINVAL;
    text_append_printf(out, "%s\n", line);
    free(line); /* NOLINT: jansson allocated it */
    return 0;
}
