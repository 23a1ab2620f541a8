/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shows the configuration in force, without its secrets. */
#include "base/memory.h"
#include "base/text.h"
#include "config/config_private.h"
#include <stdlib.h>
#include <string.h>

#define MASK "***"

/* True if whatever stands in the key is a secret: sql_passwd. */
static bool is_secret(const char *key)
{
    return strstr(key, "passw") || (strstr(key, "token") && !strstr(key, "_file"));
}

/* Appends a value, but for the user and password of a URL, and what follows "password=" in a list of
 * settings. */
static void append_masked(struct text *out, const char *value)
{
    static const char word[] = "password=";

    while (*value) {
        const char *url = strstr(value, "://"), *password = strcasestr(value, word);
        if (url && (!password || url < password)) {
            size_t host = strcspn(url + 3, "/ ,");
            const char *at = memrchr(url + 3, '@', host);
            text_append(out, value, (size_t)(url + 3 - value));
            value = url + 3;
            if (at) {
                text_append_string(out, MASK);
                value = at;
            }
        } else if (password) {
            text_append(out, value, (size_t)(password - value) + strlen(word));
            text_append_string(out, MASK);
            value = password + strlen(word);
            value += strcspn(value, " &;,");
        } else {
            text_append_string(out, value);
            return;
        }
    }
}

static void show(const struct config_claim *claim, size_t instance,
                 void (*fn)(void *arg, const struct config_shown *shown), void *arg)
{
    const struct config_slot *slot = &claim->slots[claim->kind == CLAIM_GLOBAL ? 0 : instance];
    struct text value = {0};

    if (slot->value && is_secret(claim->key.name))
        text_append_string(&value, MASK);
    else if (slot->value)
        append_masked(&value, slot->value);
    const struct config_shown shown = {
        claim->key.name, instance, slot->value ? text_cstr(&value) : NULL, config_slot_place(slot)};
    fn(arg, &shown);
    text_clear(&value);
}

static int compare(const void *a, const void *b)
{
    const struct config_claim *x = *(const struct config_claim *const *)a,
                              *y = *(const struct config_claim *const *)b;

    return strcmp(x->key.name, y->key.name);
}

void config_show(const struct config *config,
                 void (*fn)(void *arg, const struct config_shown *shown), void *arg)
{
    const struct config_claim **claims = mem_calloc(config->claim_count + 1, sizeof *claims);

    for (size_t i = 0; i < config->claim_count; i++)
        claims[i] = &config->claims[i];
    qsort(claims, config->claim_count, sizeof *claims, compare);
    for (size_t i = 0; i < config->claim_count; i++) {
        const struct config_claim *claim = claims[i];
        if (claim->key.type == KEY_IGNORED || !claim->slots)
            continue;
        if (claim->kind == CLAIM_GLOBAL)
            show(claim, CONFIG_GLOBAL, fn, arg);
        for (size_t n = 0; claim->kind != CLAIM_GLOBAL && n < config->instance_count; n++)
            if (config_claim_covers(config, claim, n))
                show(claim, n, fn, arg);
    }
    mem_free(claims);
}
