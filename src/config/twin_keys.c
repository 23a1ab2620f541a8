/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds what a key of another plugin's name stands for. See twin_keys.h. */
#include "config/twin_keys.h"
#include "base/memory.h"
#include "config/config_private.h"
#include <string.h>

#define PREFIX_COUNT 4

static const char *const prefixes[PREFIX_COUNT] = {"sql", "print", "kafka", "amqp"};
static const char *const endings[] = {
    "history",    "history_offset", "history_roundoff", "markers",      "multi_values",
    "num_protos", "refresh_time",   "startup_delay",    "trigger_exec", "trigger_exec_async"};

/* Returns what follows a plugin's prefix, if it is an ending of them all; else NULL. */
static const char *ending_of(const char *key)
{
    for (size_t i = 0; i < PREFIX_COUNT; i++) {
        size_t len = strlen(prefixes[i]);
        if (strncmp(key, prefixes[i], len) != 0 || key[len] != '_')
            continue;
        for (size_t k = 0; k < sizeof endings / sizeof endings[0]; k++)
            if (strcmp(key + len + 1, endings[k]) == 0)
                return endings[k];
    }
    return NULL;
}

const struct config_claim *twin_key_claim(const struct config *config, const char *key,
                                          size_t instance)
{
    const char *ending = ending_of(key);
    const struct config_claim *claim = NULL;

    for (size_t i = 0; i < PREFIX_COUNT && ending && !claim; i++) {
        char *twin = mem_printf("%s_%s", prefixes[i], ending);
        claim = config_find_claim(config, twin, instance);
        mem_free(twin);
    }
    return claim;
}
