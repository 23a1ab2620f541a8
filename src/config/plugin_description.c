/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads a plugin's description, which is JSON. It comes from another program, so nothing in it is
 * taken on trust. */
#include "config/plugin_description.h"

#include "base/memory.h"
#include "base/plugin_key.h"
#include "base/text.h"
#include <errno.h>
#include <jansson.h>
#include <string.h>

/* Returns a copy; NULL if the member is absent or null. */
static char *string_member(const json_t *json, const char *name)
{
    const char *value = json_string_value(json_object_get(json, name));

    return value ? mem_strdup(value) : NULL;
}

static int parse_key(json_t *json, struct pa_key *key, struct text *error)
{
    const char *name, *type, *role = "none";
    json_int_t min = 0, max = 0;
    int is_global = 0;
    json_error_t why;

    if (json_unpack_ex(json, &why, 0, "{s:s, s:s, s?b, s?s, s?I, s?I}", "name", &name, "type",
                       &type, "global", &is_global, "role", &role, "min", &min, "max", &max) < 0) {
        text_append_printf(error, "a key: %s", why.text);
        return -EBADMSG;
    }
    int type_value = plugin_key_type_find(type), role_value = plugin_key_role_find(role);
    if (*name == '\0' || type_value < 0 || role_value < 0 ||
        (type_value == PA_KEY_CHOICE && !json_is_string(json_object_get(json, "choices")))) {
        text_append_printf(error,
                           "key '%s': type '%s' or role '%s' is not known, or choices are missing",
                           name, type, role);
        return -EBADMSG;
    }
    *key = (struct pa_key){
        .name = mem_strdup(name),
        .type = (uint8_t)type_value,
        .is_global = is_global != 0,
        .role = (uint8_t)role_value,
        .default_value = string_member(json, "default"),
        .min = min,
        .max = max,
        .choices = string_member(json, "choices"),
        .aliases = string_member(json, "aliases"),
        .help = string_member(json, "help"),
    };
    return 0;
}

static int parse_description(json_t *json, struct plugin_description *d, struct text *error)
{
    const char *name, *help = "";
    json_int_t abi, flags = 0;
    json_t *keys;
    json_error_t why;
    int err;

    if (json_unpack_ex(json, &why, 0, "{s:I, s:s, s?s, s?I, s:o}", "abi", &abi, "name", &name,
                       "help", &help, "flags", &flags, "keys", &keys) < 0 ||
        !json_is_array(keys)) {
        text_append_printf(error, "not a description of a plugin: %s",
                           json_is_object(json) ? why.text : "no object");
        return -EBADMSG;
    }
    if (abi != PA_PLUGIN_ABI) {
        text_append_printf(
            error,
            "plugin %s has interface version %lld, not %d; build it with this version's header",
            name, (long long)abi, PA_PLUGIN_ABI);
        return -EPROTONOSUPPORT;
    }
    d->abi = (uint32_t)abi;
    d->flags = (uint32_t)flags;
    d->name = mem_strdup(name);
    d->help = mem_strdup(help);
    d->keys = mem_calloc(json_array_size(keys) + 1, sizeof *d->keys);
    for (size_t i = 0; i < json_array_size(keys); i++) {
        err = parse_key(json_array_get(keys, i), &d->keys[i], error);
        if (err < 0)
            return err;
        d->key_count++;
    }
    return 0;
}

int plugin_description_parse(const char *json, size_t len, struct text *error,
                             struct plugin_description **ret_description)
{
    struct plugin_description *d = mem_zalloc(sizeof *d);
    json_error_t why;
    json_t *root = json_loadb(json, len, 0, &why);
    int err = -EBADMSG;

    if (root)
        err = parse_description(root, d, error);
    else
        text_append_printf(error, "not JSON: line %d: %s", why.line, why.text);
    json_decref(root);
    if (err < 0) {
        plugin_description_free(d);
        return err;
    }
    *ret_description = d;
    return 0;
}

/* The strings are ours, although the public struct says const. */
static void free_string(const char *string)
{
    mem_free((void *)(uintptr_t)string);
}

void plugin_description_free(struct plugin_description *d)
{
    if (!d)
        return;
    for (size_t i = 0; i < d->key_count; i++) {
        free_string(d->keys[i].name);
        free_string(d->keys[i].default_value);
        free_string(d->keys[i].choices);
        free_string(d->keys[i].aliases);
        free_string(d->keys[i].help);
    }
    mem_free(d->keys);
    mem_free(d->name);
    mem_free(d->help);
    mem_free(d);
}
