/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration as an object: takes lines and tables, and tells settings. Checking is in
 * config_check.c. */
#include "config/config.h"

#include "base/memory.h"
#include "base/text.h"
#include "config/config_private.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Keys that this folder reads directly; they are listed with the others. */
const struct config_key config_plugins_keys[] = {
    {.name = "plugins",
     .type = KEY_STRING,
     .help = "instances of plugins: type[name], separated by commas, such as print[matrix]; the "
             "last such line counts"},
    {0},
};
static const struct config_key own_keys[] = {
    {.name = "strict_config",
     .type = KEY_BOOL,
     .default_value = "true",
     .help = "false: lines and rows of maps with an error are left out with a warning, as pmacct "
             "does, instead of refusing to start"},
    {0},
};

struct config *config_new(void)
{
    struct config *config = mem_zalloc(sizeof *config);

    config->is_strict = true;
    config_add_table(config, own_keys, NULL);
    return config;
}

/* Makes choices of "json|csv": their values are the indices, their words are pieces of one copy. */
static struct config_choice *choices_new(const char *words)
{
    struct config_choice *choices = mem_calloc(strlen(words) + 2, sizeof *choices);
    char *word = mem_strdup(words), *end;

    for (int i = 0;; i++, word = end + 1) {
        choices[i] = (struct config_choice){word, i};
        end = strchr(word, '|');
        if (!end)
            return choices;
        *end = '\0';
    }
}

static void choices_free(struct config_choice *choices)
{
    if (choices)
        mem_free((void *)(uintptr_t)choices[0].word);
    mem_free(choices);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->claim_count; i++) {
        mem_free(config->claims[i].slots);
        choices_free(config->claims[i].plugin_choices);
    }
    mem_free(config->claims);
    mem_free(config->foreign);
    for (size_t i = 0; i < config->instance_count; i++) {
        mem_free((void *)(uintptr_t)config->instances[i].type);
        mem_free((void *)(uintptr_t)config->instances[i].name);
        mem_free((void *)(uintptr_t)config->instances[i].place);
    }
    mem_free(config->instances);
    mem_free(config->names);
    mem_free(config->plugins);
    config_lines_clear(&config->lines);
    mem_free(config);
}

int config_read_file(struct config *config, const char *path, struct text *errors)
{
    return config_parse_file(&config->lines, path, errors);
}

int config_read_text(struct config *config, const char *name, const char *data, size_t len,
                     struct text *errors)
{
    return config_parse_text(&config->lines, name, data, len, errors);
}

void config_set(struct config *config, const char *key, const char *instance, const char *value,
                const char *origin)
{
    config_lines_add(&config->lines, key, instance, value, origin);
}

static struct config_claim *add_claim(struct config *config)
{
    if (config->claim_count == config->claim_capacity) {
        config->claim_capacity = config->claim_capacity ? 2 * config->claim_capacity : 128;
        config->claims =
            mem_realloc_array(config->claims, config->claim_capacity, sizeof *config->claims);
    }
    struct config_claim *claim = &config->claims[config->claim_count++];
    *claim = (struct config_claim){0};
    return claim;
}

void config_add_table(struct config *config, const struct config_key *keys, void *settings)
{
    for (; keys->name; keys++) {
        struct config_claim *claim = add_claim(config);
        claim->key = *keys;
        claim->kind = CLAIM_GLOBAL;
        claim->settings = settings;
    }
}

void config_add_foreign_table(struct config *config, const struct config_key *keys)
{
    config->foreign =
        mem_realloc_array(config->foreign, config->foreign_count + 1, sizeof *config->foreign);
    config->foreign[config->foreign_count++] = keys;
}

/* Says whether a list of words, separated by '|', has this one. */
static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = words; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (strncmp(at, word, len) == 0 && (at[len] == '|' || at[len] == '\0'))
            return true;
    return false;
}

bool config_key_is_named(const struct config_key *key, const char *name)
{
    return strcmp(key->name, name) == 0 || has_word(key->aliases, name);
}

bool config_is_foreign(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->foreign_count; i++)
        for (const struct config_key *key = config->foreign[i]; key->name; key++)
            if (config_key_is_named(key, name))
                return true;
    return false;
}

void config_add_instance_table(struct config *config, const struct config_key *keys, void *settings,
                               size_t size)
{
    for (; keys->name; keys++) {
        struct config_claim *claim = add_claim(config);
        claim->key = *keys;
        claim->kind = CLAIM_INSTANCE;
        claim->settings = settings;
        claim->settings_size = size;
    }
}

/* Translates a plugin's key into our words: the public header has words of its own, so that it
 * needs nothing of ours. */
static struct config_key key_of_plugin(const struct pa_key *key)
{
    return (struct config_key){
        .name = key->name,
        .type = (enum config_key_type)key->type,
        .scope = key->is_global ? SCOPE_GLOBAL : SCOPE_INSTANCE,
        .default_value = key->default_value,
        .min = key->min,
        .max = key->max,
        .aliases = key->aliases,
        .help = key->help,
    };
}

void config_add_plugin(struct config *config, const struct plugin_description *plugin)
{
    config->plugins =
        mem_realloc_array(config->plugins, config->plugin_count + 1, sizeof *config->plugins);
    config->plugins[config->plugin_count++] = plugin;
    for (size_t i = 0; i < plugin->key_count; i++) {
        struct config_claim *claim = add_claim(config);
        claim->key = key_of_plugin(&plugin->keys[i]);
        claim->kind = CLAIM_PLUGIN;
        claim->plugin = plugin;
        claim->plugin_key = &plugin->keys[i];
        if (claim->plugin_key->choices)
            claim->key.choices = claim->plugin_choices = choices_new(claim->plugin_key->choices);
    }
}

static const struct plugin_description *find_plugin(const struct config *config, const char *type)
{
    for (size_t i = 0; i < config->plugin_count; i++)
        if (strcmp(config->plugins[i]->name, type) == 0)
            return config->plugins[i];
    return NULL;
}

bool config_has_plugin(const struct config *config, const char *type)
{
    return find_plugin(config, type) != NULL;
}

uint32_t config_plugin_flags(const struct config *config, const char *type)
{
    const struct plugin_description *plugin = find_plugin(config, type);

    return plugin ? plugin->flags : 0;
}

static int compare_spelling(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return order ? order : (a_len > b_len) - (a_len < b_len);
}

static int compare_names(const void *a, const void *b)
{
    const struct config_name *x = a, *y = b;
    int order = compare_spelling(x->name, x->name_len, y->name, y->name_len);

    return order ? order : (x->claim > y->claim) - (x->claim < y->claim);
}

static void add_name(struct config *config, size_t *capacity, const char *name, size_t len,
                     size_t claim)
{
    if (config->name_count == *capacity) {
        *capacity = *capacity ? 2 * *capacity : 256;
        config->names = mem_realloc_array(config->names, *capacity, sizeof *config->names);
    }
    config->names[config->name_count++] = (struct config_name){name, len, claim};
}

void config_index_names(struct config *config)
{
    size_t capacity = config->name_count; /* the array's capacity is its count */

    config->name_count = 0;
    for (size_t i = 0; i < config->claim_count; i++) {
        const struct config_key *key = &config->claims[i].key;
        add_name(config, &capacity, key->name, strlen(key->name), i);
        for (const char *alias = key->aliases; alias && *alias;) {
            size_t len = strcspn(alias, "|");
            add_name(config, &capacity, alias, len, i);
            alias += len + (alias[len] == '|');
        }
    }
    qsort(config->names, config->name_count, sizeof *config->names, compare_names);
}

const struct config_name *config_find_names(const struct config *config, const char *name,
                                            size_t *ret_count)
{
    size_t name_len = strlen(name), low = 0, high = config->name_count, end;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct config_name *n = &config->names[middle];
        if (compare_spelling(n->name, n->name_len, name, name_len) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (end = low; end < config->name_count; end++)
        if (config->names[end].name_len != name_len ||
            memcmp(config->names[end].name, name, name_len) != 0)
            break;
    *ret_count = end - low;
    return config->names + low;
}

bool config_claim_covers(const struct config *config, const struct config_claim *claim,
                         size_t instance)
{
    if (claim->kind == CLAIM_GLOBAL)
        return true;
    if (instance >= config->instance_count)
        return false;
    return claim->kind == CLAIM_INSTANCE ||
           strcmp(claim->plugin->name, config->instances[instance].type) == 0;
}

bool config_claim_is_prefixed(const struct config *config, const struct config_claim *claim,
                              size_t instance)
{
    const struct config_instance *of = &config->instances[instance];
    size_t len = strlen(of->type);

    return of->prefix && claim->kind == CLAIM_PLUGIN &&
           strncmp(claim->key.name, of->type, len) == 0 && claim->key.name[len] == '_';
}

struct config_slot *config_claim_slot(const struct config_claim *claim, size_t instance)
{
    return &claim->slots[claim->kind == CLAIM_GLOBAL ? 0 : instance];
}

const struct config_claim *config_find_claim(const struct config *config, const char *name,
                                             size_t instance)
{
    size_t count;
    const struct config_name *names = config_find_names(config, name, &count);

    for (size_t i = 0; i < count; i++)
        if (config_claim_covers(config, &config->claims[names[i].claim], instance))
            return &config->claims[names[i].claim];
    return NULL;
}

static const struct config_slot *find_slot(const struct config *config, const char *key,
                                           size_t instance)
{
    const struct config_claim *claim = config_find_claim(config, key, instance);

    return claim && claim->slots ? config_claim_slot(claim, instance) : NULL;
}

const char *config_value(const struct config *config, const char *key, size_t instance)
{
    const struct config_slot *slot = find_slot(config, key, instance);

    return slot ? slot->value : NULL;
}

int64_t config_number(const struct config *config, const char *key, size_t instance)
{
    const struct config_slot *slot = find_slot(config, key, instance);

    return slot ? slot->number : 0;
}

const char *config_slot_place(const struct config_slot *slot)
{
    return slot && slot->line ? slot->line->place : "default";
}

const char *config_place(const struct config *config, const char *key, size_t instance)
{
    return config_slot_place(find_slot(config, key, instance));
}

const char *config_spelling(const struct config *config, const char *key, size_t instance)
{
    const struct config_slot *slot = find_slot(config, key, instance);

    return slot && slot->line ? slot->line->key : key;
}

bool config_is_set(const struct config *config, const char *key, size_t instance)
{
    const struct config_slot *slot = find_slot(config, key, instance);

    return slot && slot->line;
}

static bool setting_of(const struct config *config, const struct config_claim *claim,
                       size_t instance, struct config_setting *ret_setting)
{
    if (claim->kind != CLAIM_PLUGIN || !claim->slots ||
        !config_claim_covers(config, claim, instance))
        return false;
    const struct config_slot *slot = config_claim_slot(claim, instance);
    *ret_setting = (struct config_setting){claim->plugin_key, slot->value, slot->number,
                                           config_slot_place(slot)};
    return true;
}

void config_each_setting(const struct config *config, size_t instance,
                         void (*fn)(void *arg, const struct config_setting *setting), void *arg)
{
    struct config_setting setting;

    for (size_t i = 0; i < config->claim_count; i++)
        if (setting_of(config, &config->claims[i], instance, &setting))
            fn(arg, &setting);
}

bool config_role(const struct config *config, size_t instance, int role,
                 struct config_setting *ret_setting)
{
    struct config_setting setting;

    for (size_t i = 0; i < config->claim_count; i++)
        if (setting_of(config, &config->claims[i], instance, &setting) &&
            setting.key->role == role) {
            *ret_setting = setting;
            return true;
        }
    return false;
}
