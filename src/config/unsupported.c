/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes a table of the rows in unsupported.def and searches it. */
#include "config/unsupported.h"

#include <string.h>
#include <strings.h>

enum group {
#define GROUP(id, ...) GROUP_##id,
#define REFUSED(...)
#define PART(...)
#define IGNORED(...)
#define FOREIGN(...)
#define PLUGIN(...)
#define REFUSED_VALUE(...)
#include "config/unsupported.def"
#undef GROUP
    GROUP_COUNT
};

static const struct {
    const char *reason, *remedy;
} groups[GROUP_COUNT] = {
#define GROUP(id, reason_, remedy_) {reason_, remedy_},
#include "config/unsupported.def"
#undef GROUP
};

#undef REFUSED
#undef PART
#undef IGNORED
#undef FOREIGN
#define GROUP(...)

static const struct {
    const char *name;
    enum unsupported_effect effect;
    enum group group; /* GROUP_COUNT unless refused */
    const char *part_of;
} rows[] = {
#define REFUSED(name, group)       {#name, UNSUPPORTED_REFUSED, GROUP_##group, NULL},
#define PART(name, part_of, group) {#name, UNSUPPORTED_REFUSED, GROUP_##group, #part_of},
#define IGNORED(name)              {#name, UNSUPPORTED_IGNORED, GROUP_COUNT, NULL},
#define FOREIGN(name)              {#name, UNSUPPORTED_FOREIGN, GROUP_COUNT, NULL},
#include "config/unsupported.def"
#undef REFUSED
#undef PART
#undef IGNORED
#undef FOREIGN
};

#undef PLUGIN
#define REFUSED(...)
#define PART(...)
#define IGNORED(...)
#define FOREIGN(...)

static const struct {
    const char *type;
    enum group group;
} plugin_rows[] = {
#define PLUGIN(type, group) {#type, GROUP_##group},
#include "config/unsupported.def"
#undef PLUGIN
};

#define PLUGIN(...)
#undef REFUSED_VALUE

static const struct {
    const char *key, *value;
    enum group group;
} value_rows[] = {
#define REFUSED_VALUE(key, value, group) {#key, #value, GROUP_##group},
#include "config/unsupported.def"
#undef REFUSED_VALUE
};

bool unsupported_at(size_t index, struct unsupported_key *ret_key)
{
    if (index >= sizeof rows / sizeof rows[0])
        return false;
    *ret_key = (struct unsupported_key){
        .name = rows[index].name, .effect = rows[index].effect, .part_of = rows[index].part_of};
    if (ret_key->effect == UNSUPPORTED_REFUSED) {
        ret_key->reason = groups[rows[index].group].reason;
        ret_key->remedy = groups[rows[index].group].remedy;
    }
    return true;
}

bool unsupported_find(const char *name, struct unsupported_key *ret_key)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, name) == 0)
            return unsupported_at(i, ret_key);
    return false;
}

static struct unsupported_key plugin_at(size_t index)
{
    return (struct unsupported_key){.name = plugin_rows[index].type,
                                    .reason = groups[plugin_rows[index].group].reason,
                                    .remedy = groups[plugin_rows[index].group].remedy};
}

bool unsupported_find_plugin(const char *type, struct unsupported_key *ret_plugin)
{
    for (size_t i = 0; i < sizeof plugin_rows / sizeof plugin_rows[0]; i++)
        if (strcmp(plugin_rows[i].type, type) == 0) {
            *ret_plugin = plugin_at(i);
            return true;
        }
    return false;
}

bool unsupported_find_plugin_of(const char *key, struct unsupported_key *ret_plugin)
{
    for (size_t i = 0; i < sizeof plugin_rows / sizeof plugin_rows[0]; i++) {
        size_t len = strlen(plugin_rows[i].type);
        if (strncmp(key, plugin_rows[i].type, len) == 0 && key[len] == '_') {
            *ret_plugin = plugin_at(i);
            return true;
        }
    }
    return false;
}

bool unsupported_find_value(const char *key, const char *value, struct unsupported_key *ret_value)
{
    for (size_t i = 0; i < sizeof value_rows / sizeof value_rows[0]; i++)
        if (strcmp(value_rows[i].key, key) == 0 && strcasecmp(value_rows[i].value, value) == 0) {
            *ret_value = (struct unsupported_key){.name = value_rows[i].value,
                                                  .reason = groups[value_rows[i].group].reason,
                                                  .remedy = groups[value_rows[i].group].remedy};
            return true;
        }
    return false;
}
