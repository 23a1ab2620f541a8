/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Lists all keys of all tables, for people (--keys), the manual and tests. */
#include "base/memory.h"
#include "base/text.h"
#include "config/config_private.h"
#include "config/config_value.h"
#include "config/unsupported.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *scope_name(const struct config_claim *claim)
{
    static const char *const names[] = {
        [SCOPE_GLOBAL] = "global", [SCOPE_INSTANCE] = "instance", [SCOPE_BOUND] = "bound"};
    return names[claim->key.scope];
}

static int compare_claims(const void *a, const void *b)
{
    const struct config_claim *x = *(const struct config_claim *const *)a,
                              *y = *(const struct config_claim *const *)b;
    int order = strcmp(x->key.name, y->key.name);

    if (order)
        return order;
    if (!x->plugin || !y->plugin)
        return (x->plugin != NULL) - (y->plugin != NULL);
    return strcmp(x->plugin->name, y->plugin->name);
}

/* Plugins' keys are listed for a program that `plugins` may give some. */
static const struct config_claim **sorted_claims(const struct config *config, size_t *ret_count)
{
    const struct config_claim **claims = mem_calloc(config->claim_count, sizeof *claims);
    size_t count = 0;

    for (size_t i = 0; i < config->claim_count; i++)
        if (!config->claims[i].plugin || config->has_plugins)
            claims[count++] = &config->claims[i];
    qsort(claims, count, sizeof *claims, compare_claims);
    *ret_count = count;
    return claims;
}

/* Appends what a line for people begins with: print_output[instance]  json|csv|formatted
 * formatted. */
static void append_key(struct text *out, const struct config_key *key)
{
    text_append_string(out, key->name);
    if (key->scope != SCOPE_GLOBAL)
        text_append_string(out, key->scope == SCOPE_BOUND ? "[name]" : "[name]?");
    text_append_char(out, '\t');
    if (key->type == KEY_CHOICE)
        config_choices_append(key->choices, "|", out);
    else
        text_append_string(out, config_type_name(key->type));
    if (key->min || key->max)
        text_append_printf(out, " %" PRId64 "..", key->min);
    if (key->max && key->max != INT64_MAX)
        text_append_int(out, key->max);
    text_append_printf(out, "\t%s\t", key->default_value ? key->default_value : "-");
}

/* True if two keys read the same to people. */
static bool is_same_line(const struct config_key *a, const struct config_key *b)
{
    struct text x = {0}, y = {0};

    append_key(&x, a);
    append_key(&y, b);
    bool is_same = strcmp(text_cstr(&x), text_cstr(&y)) == 0 &&
                   strcmp(a->help ? a->help : "", b->help ? b->help : "") == 0;
    text_clear(&x);
    text_clear(&y);
    return is_same;
}

/* Appends one line for all plugins that have the first claim's key, as it is there: print, kafka:
 * its meaning. Returns how many claims that were. */
static size_t append_text(struct text *out, const struct config_claim **claims, size_t count)
{
    const struct config_key *key = &claims[0]->key;
    size_t same = 1;

    while (same < count && is_same_line(key, &claims[same]->key))
        same++;
    append_key(out, key);
    for (size_t i = 0; i < same; i++)
        if (claims[i]->plugin)
            text_append_printf(out, "%s%s", claims[i]->plugin->name, i + 1 < same ? ", " : ": ");
    text_append_string(out, key->help ? key->help : "");
    if (key->aliases)
        text_append_printf(out, " (also %s)", key->aliases);
    text_append_char(out, '\n');
    return same;
}

static void append_member(struct text *out, const char *name, const char *value)
{
    text_append_printf(out, ", \"%s\": ", name);
    if (value)
        text_append_json_string(out, value, strlen(value));
    else
        text_append_string(out, "null");
}

static void append_json(struct text *out, const struct config_claim *claim)
{
    const struct config_key *key = &claim->key;
    struct text choices = {0};

    if (key->choices)
        config_choices_append(key->choices, "|", &choices);
    text_append_string(out, "{\"name\": ");
    text_append_json_string(out, key->name, strlen(key->name));
    append_member(out, "type", config_type_name(key->type));
    append_member(out, "scope", scope_name(claim));
    append_member(out, "plugin", claim->plugin ? claim->plugin->name : NULL);
    append_member(out, "default", key->default_value);
    text_append_printf(out, ", \"min\": %" PRId64 ", \"max\": %" PRId64, key->min, key->max);
    append_member(out, "choices", key->choices ? text_cstr(&choices) : NULL);
    append_member(out, "aliases", key->aliases);
    append_member(out, "help", key->help);
    text_append_char(out, '}');
    text_clear(&choices);
}

static bool is_claimed(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->claim_count; i++)
        if (config_key_is_named(&config->claims[i].key, name))
            return true;
    return false;
}

static void append_effect(struct text *out, bool *is_first, const char *name, const char *effect,
                          const struct unsupported_key *row)
{
    text_append_printf(out, "%s\n{\"name\": \"%s\"", *is_first ? "" : ",", name);
    append_member(out, "effect", effect);
    append_member(out, "reason", row->reason);
    append_member(out, "remedy", row->remedy);
    text_append_char(out, '}');
    *is_first = false;
}

static void append_unsupported(struct text *out, const struct config *config)
{
    static const char *const effects[] = {[UNSUPPORTED_REFUSED] = "refused",
                                          [UNSUPPORTED_IGNORED] = "ignored",
                                          [UNSUPPORTED_FOREIGN] = "foreign"};
    static const struct unsupported_key foreign = {.effect = UNSUPPORTED_FOREIGN};
    struct unsupported_key row;
    bool is_first = true;

    for (size_t i = 0; i < config->foreign_count; i++)
        for (const struct config_key *key = config->foreign[i]; key->name; key++)
            append_effect(out, &is_first, key->name, effects[foreign.effect], &foreign);
    for (size_t i = 0; unsupported_at(i, &row); i++)
        if (!is_claimed(config, row.name) && !config_is_foreign(config, row.name))
            append_effect(out, &is_first, row.name, effects[row.effect], &row);
}

void config_list(const struct config *config, FILE *file, enum config_list_format format)
{
    size_t count;
    const struct config_claim **claims = sorted_claims(config, &count);
    struct text out = {0};

    if (format == CONFIG_LIST_JSON)
        text_append_string(&out, "{\"keys\": [\n");
    for (size_t i = 0; format == CONFIG_LIST_TEXT && i < count;)
        i += append_text(&out, &claims[i], count - i);
    for (size_t i = 0; format == CONFIG_LIST_JSON && i < count; i++) {
        text_append_string(&out, i ? ",\n" : "");
        append_json(&out, claims[i]);
    }
    if (format == CONFIG_LIST_JSON) {
        text_append_string(&out, "\n],\n\"unsupported\": [");
        append_unsupported(&out, config);
        text_append_string(&out, "\n]}\n");
    }
    fwrite(out.data, 1, out.len, file);
    text_clear(&out);
    mem_free(claims);
}
