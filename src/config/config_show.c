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

/* Finds what "password = " introduces, spaces or none beside the sign, as libpq takes it; NULL: there
 * is none. */
static const char *find_password(const char *value)
{
    static const char word[] = "password";

    while ((value = strcasestr(value, word)) != NULL) {
        value += strlen(word);
        const char *sign = value + strspn(value, " ");
        if (*sign == '=')
            return sign + 1 + strspn(sign + 1, " ");
    }
    return NULL;
}

/* Returns where a password ends: with its quotes, in which a backslash takes the next character's
 * meaning, else before what parts it from the next setting. */
static const char *password_end(const char *value)
{
    char quote = *value;

    if (quote != '\'' && quote != '"')
        return value + strcspn(value, " &;,");
    for (value++; *value && *value != quote; value++)
        if (*value == '\\' && value[1])
            value++;
    return *value ? value + 1 : value;
}

/* Appends a value, but for the user and password of a URL, and the passwords in a list of settings. */
static void append_masked(struct text *out, const char *value)
{
    while (*value) {
        const char *url = strstr(value, "://"), *password = find_password(value);
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
            text_append(out, value, (size_t)(password - value));
            text_append_string(out, MASK);
            value = password_end(password);
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
