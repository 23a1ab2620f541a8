/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See describe.h. */
#include "host/describe.h"

#include "base/text.h"

#include <string.h>

static const char *const type_names[] = {
    [PA_KEY_BOOL] = "bool",         [PA_KEY_INT] = "int",       [PA_KEY_SIZE] = "size",
    [PA_KEY_DURATION] = "duration", [PA_KEY_STRING] = "string", [PA_KEY_CHOICE] = "choice",
    [PA_KEY_IGNORED] = "ignored",
};
static const char *const role_names[] = {
    [PA_ROLE_NONE] = "none",
    [PA_ROLE_REFRESH_TIME] = "refresh_time",
    [PA_ROLE_HISTORY] = "history",
    [PA_ROLE_HISTORY_ROUNDOFF] = "history_roundoff",
    [PA_ROLE_HISTORY_OFFSET] = "history_offset",
    [PA_ROLE_OWN_PLACE] = "own_place",
};

static const char *name_of(const char *const *names, size_t count, uint8_t value)
{
    return value < count ? names[value] : NULL;
}

static void member(struct text *out, const char *name, const char *value)
{
    text_append_json_string(out, name, strlen(name));
    text_append_char(out, ':');
    if (value == NULL)
        text_append_string(out, "null");
    else
        text_append_json_string(out, value, strlen(value));
}

static void describe_key(const struct pa_key *key, struct text *out)
{
    text_append_char(out, '{');
    member(out, "name", key->name);
    text_append_char(out, ',');
    member(out, "type", name_of(type_names, sizeof type_names / sizeof type_names[0], key->type));
    text_append_printf(out, ",\"global\":%s,", key->is_global ? "true" : "false");
    member(out, "role", name_of(role_names, sizeof role_names / sizeof role_names[0], key->role));
    text_append_char(out, ',');
    member(out, "default", key->default_value);
    text_append_string(out, ",\"min\":");
    text_append_int(out, key->min);
    text_append_string(out, ",\"max\":");
    text_append_int(out, key->max);
    text_append_char(out, ',');
    member(out, "choices", key->choices);
    text_append_char(out, ',');
    member(out, "aliases", key->aliases);
    text_append_char(out, ',');
    member(out, "help", key->help);
    text_append_char(out, '}');
}

void describe_plugin(const struct pa_plugin *plugin, struct text *out)
{
    const struct pa_key *tables[] = {plugin->keys, plugin->shared_keys};
    bool is_first = true;

    text_append_printf(out, "{\"abi\":%u,", plugin->abi);
    member(out, "name", plugin->name);
    text_append_char(out, ',');
    member(out, "help", plugin->help);
    text_append_printf(out, ",\"flags\":%u,\"keys\":[", plugin->flags);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        for (const struct pa_key *key = tables[i]; key != NULL && key->name != NULL; key++) {
            if (!is_first)
                text_append_char(out, ',');
            is_first = false;
            describe_key(key, out);
        }
    text_append_string(out, "]}\n");
}
