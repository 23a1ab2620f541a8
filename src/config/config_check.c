/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checks every line against every table. Unknown, refused, misplaced and badly valued lines are
 * reported, all at once; the others decide, in the order of the lines, what is in force.
 */
#include "base/memory.h"
#include "base/named_file.h"
#include "base/nearest.h"
#include "base/text.h"
#include "config/config_private.h"
#include "config/config_value.h"
#include "config/twin_keys.h"
#include "config/unsupported.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

struct config_check {
    struct config *config;
    struct text *errors, *warnings;
    struct text ignored; /* places of keys that tune pmacct's internals, for a single notice */
    struct text foreign; /* places of keys of what is not here, for another */
    struct text twins;   /* places of keys that count as another plugin's, for a third */
    bool has_failed;
    bool has_line_problem; /* that strict_config: false would pass over */
    bool lacks_plugin; /* `plugins` names a type that is not there, so its keys are not to blame */
};

/* Appends the beginning of a problem's text: "file:12: key[name]: ". */
static void problem_start(struct text *text, const struct config_line *line)
{
    text_append_printf(text, "%s: %s", line->place, line->key);
    if (line->instance)
        text_append_printf(text, "[%s]", line->instance);
    text_append_string(text, ": ");
}

/*
 * Begins a problem that makes the line worthless: an error, or with strict_config: false a warning,
 * and the line is left out. The caller goes on writing to the result and ends the line with
 * problem_end().
 */
static struct text *line_problem(struct config_check *c, const struct config_line *line)
{
    struct text *text = c->config->is_strict ? c->errors : c->warnings;

    c->has_failed = c->has_failed || c->config->is_strict;
    c->has_line_problem = true;
    problem_start(text, line);
    return text;
}

static void problem_end(struct config_check *c, struct text *text)
{
    text_append_string(text, c->config->is_strict ? "\n" : "; the line is left out\n");
}

/* ---- lines that no table claims ---- */

/* Suggests keys that are ours: another refused key would help nobody. */
static void report_unknown(struct config_check *c, const struct config_line *line)
{
    struct nearest nearest = nearest_start(line->key);
    struct text *text = line_problem(c, line);

    for (size_t i = 0; i < c->config->claim_count; i++)
        nearest_try(&nearest, c->config->claims[i].key.name);
    text_append_string(text, "unknown key");
    if (nearest.name)
        text_append_printf(text, "; did you mean %s?", nearest.name);
    problem_end(c, text);
}

static void note_line(struct text *list, const struct config_line *line)
{
    text_append_printf(list, "%s%s (%s)", list->len ? ", " : "", line->key, line->place);
}

/* Says whether `plugins` names a plugin of this type. */
static bool has_instance_of(const struct config *config, const char *type)
{
    for (size_t i = 0; i < config->instance_count; i++)
        if (strcmp(config->instances[i].type, type) == 0)
            return true;
    return false;
}

/* Returns 1 or 0 for a word that means true or false, else -1. */
static int truth_of(const char *value)
{
    static const struct config_key key = {.type = KEY_BOOL};
    struct text expected = {0};
    int64_t number;
    int err = config_value_parse(&key, value, false, &expected, &number);

    text_clear(&expected);
    return err < 0 ? -1 : number != 0;
}

/* Says whether the last line of a key, or its default, switches something on. */
static bool is_switched_on(const struct config *config, const char *key)
{
    const struct config_claim *claim = config_find_claim(config, key, CONFIG_GLOBAL);
    const char *value = claim ? claim->key.default_value : NULL;

    for (size_t i = 0; i < config->lines.count; i++)
        if (strcmp(config->lines.items[i].key, key) == 0)
            value = config->lines.items[i].value;
    return value && truth_of(value) == 1;
}

static bool apply_as_twin(struct config_check *c, const struct config_line *line);

/* Finds a key that only a plugin which is not installed could know. */
static bool find_absent_plugin(const struct config_check *c, const char *key,
                               struct unsupported_key *ret)
{
    return unsupported_find_plugin_of(key, ret) && !config_has_plugin(c->config, ret->name);
}

/* Says whether a line is bound to an instance whose plugin is not there, which was said already. */
static bool is_of_absent_plugin(const struct config *config, const struct config_line *line)
{
    for (size_t i = 0; line->instance && i < config->instance_count; i++)
        if (strcmp(config->instances[i].name, line->instance) == 0)
            return !config_has_plugin(config, config->instances[i].type);
    return false;
}

static void check_unclaimed(struct config_check *c, const struct config_line *line)
{
    struct unsupported_key row, plugin;

    if (config_is_foreign(c->config, line->key)) {
        note_line(&c->foreign, line);
        return;
    }
    if (find_absent_plugin(c, line->key, &plugin)) {
        if (!has_instance_of(c->config, plugin.name) && /* else it is part of that plugin's error */
            !apply_as_twin(c, line))
            note_line(&c->foreign, line);
        return;
    }
    if (!unsupported_find(line->key, &row)) {
        report_unknown(c, line);
        return;
    }
    if (row.effect == UNSUPPORTED_IGNORED) {
        note_line(&c->ignored, line);
        return;
    }
    if (row.effect == UNSUPPORTED_FOREIGN || truth_of(line->value) == 0 ||
        (row.part_of && !is_switched_on(c->config, row.part_of))) {
        note_line(&c->foreign, line);
        return;
    }
    struct text *text = line_problem(c, line);
    text_append_printf(text, "not supported: %s; %s", row.reason, row.remedy);
    problem_end(c, text);
}

/* ---- lines that take effect ---- */

/* Warns if a line undoes another in a way that its writer may not have meant. */
static void warn_of_override(struct config_check *c, const struct config_line *now,
                             const struct config_line *before, size_t instance)
{
    bool was_bound = before->instance, is_bound = now->instance;

    if (before == now || strcmp(before->value, now->value) == 0 || now->place[0] == '-')
        return; /* the command line may override */
    if (was_bound && !is_bound) {
        problem_start(c->warnings, now);
        text_append_printf(
            c->warnings,
            "this unbound line takes the place of the one for '%s' at %s; put it above that one\n",
            c->config->instances[instance].name, before->place);
    } else if (was_bound == is_bound) {
        problem_start(c->warnings, now);
        text_append_printf(c->warnings, "takes the place of %s\n", before->place);
    }
}

static int parse_value(const struct config_claim *claim, const char *value, struct text *expected,
                       int64_t *ret_number)
{
    bool allow_months = claim->plugin_key && claim->plugin_key->role == PA_ROLE_HISTORY;
    int err;

    err = config_value_parse(&claim->key, value, allow_months, expected, ret_number);
    if (err == 0 && claim->key.check)
        err = claim->key.check(value, expected);
    return err;
}

static void take_into_slot(struct config_check *c, const struct config_line *line,
                           const struct config_claim *claim, size_t instance, int64_t number,
                           bool *has_warned)
{
    struct config_slot *slot = config_claim_slot(claim, instance);

    if (slot->line && !*has_warned) {
        size_t before = c->warnings->len;
        warn_of_override(c, line, slot->line, instance);
        *has_warned = c->warnings->len > before;
    }
    slot->line = line;
    slot->value = line->value;
    slot->number = number;
}

/* Writes a choice as its list has it: choices are read in any case, but backends get the text. */
static void spell_choice(const struct config_key *key, char *value)
{
    /* The two words differ in case alone. */
    memcpy(value, config_choice_find(key->choices, value)->word, strlen(value));
}

/* Parses the value as this claim reads it. A problem is reported once per line. */
static void apply_line(struct config_check *c, const struct config_line *line,
                       const struct config_claim *claim, size_t first, size_t last,
                       bool *has_reported)
{
    struct text expected = {0};
    int64_t number;
    bool has_warned = false;
    int err = parse_value(claim, line->value, &expected, &number);

    if (err == 0 && claim->key.type == KEY_CHOICE)
        spell_choice(&claim->key, line->value);
    if (err < 0) {
        if (!*has_reported) {
            struct text *text = line_problem(c, line);
            struct unsupported_key row;
            if (unsupported_find_value(claim->key.name, line->value, &row))
                text_append_printf(text, "%s is not supported: %s; %s", row.name, row.reason,
                                   row.remedy);
            else
                text_append_printf(text, "bad value '%s'; expected %s", line->value,
                                   text_cstr(&expected));
            problem_end(c, text);
            *has_reported = true;
        }
    } else if (claim->kind == CLAIM_GLOBAL) {
        take_into_slot(c, line, claim, 0, number, &has_warned);
    } else {
        for (size_t i = first; i < last; i++)
            if (config_claim_covers(c->config, claim, i) &&
                (line->instance || !config_claim_is_prefixed(c->config, claim, i)))
                take_into_slot(c, line, claim, i, number, &has_warned);
    }
    text_clear(&expected);
}

/*
 * Applies a line whose own plugin has no instance as a key of the plugins that have: of the one instance
 * that it names, else of all. Returns false if none of them has such a key.
 */
static bool apply_as_twin(struct config_check *c, const struct config_line *line)
{
    const struct config *config = c->config;
    bool has_reported = false, has_effect = false;

    for (size_t i = 0; i < config->instance_count; i++) {
        if (line->instance && strcmp(config->instances[i].name, line->instance) != 0)
            continue;
        const struct config_claim *claim = twin_key_claim(config, line->key, i);
        if (!claim || claim->key.type == KEY_IGNORED ||
            (!line->instance && config_claim_is_prefixed(config, claim, i)))
            continue;
        apply_line(c, line, claim, i, i + 1, &has_reported);
        has_effect = true;
    }
    if (has_effect)
        note_line(&c->twins, line);
    return has_effect;
}

static void append_instance_names(const struct config *config, struct text *text)
{
    for (size_t i = 0; i < config->instance_count; i++)
        text_append_printf(text, "%s%s", i ? ", " : "", config->instances[i].name);
    if (config->instance_count == 0)
        text_append_string(text, "none");
}

/* Checks a line `key[name]` against the claim that is this instance's. */
static void check_bound(struct config_check *c, const struct config_line *line,
                        const struct config_name *names)
{
    const struct config *config = c->config;
    bool has_reported = false;
    size_t instance = 0;

    while (instance < config->instance_count &&
           strcmp(config->instances[instance].name, line->instance) != 0)
        instance++;
    if (instance == config->instance_count && !config->has_plugins) {
        note_line(&c->foreign, line);
        return;
    }
    if (instance == config->instance_count) {
        struct text *text = line_problem(c, line);
        text_append_string(text, "no instance has that name; `plugins` names ");
        append_instance_names(config, text);
        problem_end(c, text);
        return;
    }
    const struct config_claim *claim = config_find_claim(config, line->key, instance);
    if (!claim && apply_as_twin(c, line))
        return;
    if (!claim) {
        struct text *text = line_problem(c, line);
        text_append_printf(text, "a key of plugin %s, but '%s' is an instance of %s",
                           config->claims[names[0].claim].plugin->name, line->instance,
                           config->instances[instance].type);
        problem_end(c, text);
        return;
    }
    if (claim->key.scope != SCOPE_GLOBAL) {
        apply_line(c, line, claim, instance, instance + 1, &has_reported);
        return;
    }
    struct text *text = config->is_strict ? c->errors : c->warnings;
    c->has_failed = c->has_failed || config->is_strict;
    c->has_line_problem = true;
    problem_start(text, line);
    text_append_printf(text, "has one value for all instances; write %s: %s\n", line->key,
                       line->value);
    if (!config->is_strict) /* as in pmacct, the value counts for all instances */
        apply_line(c, line, claim, 0, config->instance_count, &has_reported);
}

static bool is_used(const struct config *config, const struct config_claim *claim)
{
    for (size_t i = 0; i < config->instance_count; i++)
        if (config_claim_covers(config, claim, i) && !config_claim_is_prefixed(config, claim, i))
            return true;
    return claim->kind == CLAIM_GLOBAL;
}

/* Checks a line `key` against all claims, each with its instances. */
static void check_unbound(struct config_check *c, const struct config_line *line,
                          const struct config_name *names, size_t count)
{
    const struct config *config = c->config;
    bool has_reported = false, has_effect = false;

    for (size_t i = 0; i < count; i++) {
        const struct config_claim *claim = &config->claims[names[i].claim];
        if (claim->key.scope == SCOPE_BOUND) {
            struct text *text = line_problem(c, line);
            text_append_printf(
                text,
                "must say for which instance; write %s[name]: %s, with a name from `plugins`: ",
                line->key, line->value);
            append_instance_names(config, text);
            problem_end(c, text);
            return;
        }
        apply_line(c, line, claim, 0, config->instance_count, &has_reported);
        has_effect = has_effect || is_used(config, claim);
    }
    /* If `plugins` itself is wrong, or names plugins that are not there, that was said already. */
    if (!has_effect && !c->lacks_plugin && (config->instance_count > 0 || !config->has_plugins) &&
        !apply_as_twin(c, line))
        note_line(&c->foreign, line);
}

static void check_line(struct config_check *c, const struct config_line *line)
{
    struct unsupported_key row;
    size_t count;
    const struct config_name *names = config_find_names(c->config, line->key, &count);

    if (line->value[0] == '\0' && (count > 0 || unsupported_find(line->key, &row)))
        return; /* not set */
    if (is_of_absent_plugin(c->config, line))
        return;
    if (count == 0)
        check_unclaimed(c, line);
    else if (c->config->claims[names[0].claim].key.type == KEY_IGNORED)
        note_line(&c->ignored, line);
    else if (line->instance)
        check_bound(c, line, names);
    else
        check_unbound(c, line, names, count);
}

/* ---- before and after the lines ---- */

static void find_strictness(struct config_check *c)
{
    const struct config_lines *lines = &c->config->lines;

    c->config->is_strict = true;
    for (size_t i = 0; i < lines->count; i++)
        if (strcmp(lines->items[i].key, "strict_config") == 0 &&
            truth_of(lines->items[i].value) >= 0)
            c->config->is_strict = truth_of(lines->items[i].value) == 1;
}

static void set_defaults(struct config *config)
{
    struct text expected = {0};

    for (size_t i = 0; i < config->claim_count; i++) {
        struct config_claim *claim = &config->claims[i];
        size_t slot_count = claim->kind == CLAIM_GLOBAL ? 1 : config->instance_count;
        struct config_slot slot = {.value = claim->key.default_value};
        if (!slot.value && claim->key.type == KEY_CHOICE)
            slot.number = -1; /* no choice was made */
        if (slot.value && *slot.value)
            parse_value(claim, slot.value, &expected, &slot.number);
        mem_free(claim->slots);
        claim->slots = mem_calloc(slot_count ? slot_count : 1, sizeof *claim->slots);
        for (size_t k = 0; k < slot_count; k++)
            claim->slots[k] = slot;
    }
    text_clear(&expected);
}

/* Gives an instance that was added what keys with its prefix say. */
static void take_prefixed(struct config *config, size_t instance)
{
    for (size_t i = 0; i < config->claim_count; i++) {
        const struct config_claim *claim = &config->claims[i];
        if (!config_claim_covers(config, claim, instance) ||
            !config_claim_is_prefixed(config, claim, instance))
            continue;
        char *key = mem_printf("%s_%s", config->instances[instance].prefix,
                               config_prefixed_name(claim->key.name));
        const struct config_claim *prefixed = config_find_claim(config, key, CONFIG_GLOBAL);
        if (prefixed && (prefixed->slots[0].line || prefixed->slots[0].value) &&
            (prefixed->slots[0].line || !claim->slots[instance].line))
            claim->slots[instance] = prefixed->slots[0];
        mem_free(key);
    }
}

/* Reports instances whose plugin is not there, whatever strict_config says. */
static void check_plugins(struct config_check *c)
{
    for (size_t i = 0; i < c->config->instance_count; i++) {
        const struct config_instance *instance = &c->config->instances[i];
        struct unsupported_key row;
        bool is_default = strcmp(instance->place, "default") == 0;
        if (is_default && c->config->lines.count == 0) {
            c->has_failed = c->lacks_plugin = true;
            text_append_string(c->errors,
                               "nothing is configured: -f names a file, -P plugins; see --help\n");
            continue;
        }
        if (config_has_plugin(c->config, instance->type))
            continue;
        c->has_failed = c->lacks_plugin = true;
        if (is_default) {
            text_append_string(
                c->errors, "plugins: without this key a memory table is kept, for which the memory "
                           "plugin is missing; add a line such as plugins: print[matrix]\n");
            continue;
        }
        text_append_printf(c->errors, "%s: plugins: no plugin '%s': ", instance->place,
                           instance->type);
        if (unsupported_find_plugin(instance->type, &row)) {
            text_append_printf(c->errors, "%s; %s\n", row.reason, row.remedy);
            continue;
        }
        text_append_string(c->errors, "installed:");
        for (size_t k = 0; k < c->config->plugin_count; k++)
            text_append_printf(c->errors, "%s %s", k ? "," : "", c->config->plugins[k]->name);
        text_append_string(
            c->errors, c->config->plugin_count ? "\n" : " none; is the installation complete?\n");
    }
}

/* Tells whether two names are of one place, for a file also by different links. Streams are nobody's
 * own: several may write to one. */
static bool is_same_place(enum pa_key_role role, const char *a, const char *b)
{
    struct named_file x, y;
    bool is_same = strcmp(a, b) == 0;

    if (role != PA_ROLE_OWN_OUTPUT || named_file_resolve(a, &x) < 0)
        return is_same;
    if (named_file_resolve(b, &y) == 0) {
        is_same = strcmp(x.path, y.path) == 0 && !x.is_stream;
        named_file_clear(&y);
    }
    named_file_clear(&x);
    return is_same;
}

/* Reports instances of one plugin that would serve at one place, or write one file: the second could
 * not, or would take it from the first. */
static void check_places(struct config_check *c, enum pa_key_role role)
{
    const struct config *config = c->config;

    for (size_t i = 1; i < config->instance_count; i++) {
        struct config_setting own, other;
        if (!config_role(config, i, role, &own) || !own.value)
            continue;
        for (size_t k = 0; k < i; k++) {
            if (!config_role(config, k, role, &other) || other.key != own.key || !other.value ||
                !is_same_place(role, own.value, other.value))
                continue;
            const char *name = config->instances[i].name;
            bool is_default = strcmp(own.place, "default") == 0;
            c->has_failed = true;
            text_append_printf(
                c->errors,
                "%s: %s: '%s' and '%s' would both have '%s'; give each its own: %s[%s]: ...\n",
                is_default ? config->instances[i].place : own.place, own.key->name,
                config->instances[k].name, name, own.value, own.key->name, name);
            break;
        }
    }
}

/* Calls a key's `parse`. Each line that it finds wrong gets the place and the key. */
static void parse_whole(struct config_check *c, const struct config_key *key,
                        const struct config_slot *slot, void *settings)
{
    struct text lines = {0};

    if (key->parse(slot->value, settings, &lines) < 0)
        c->has_failed = true;
    for (const char *line = text_cstr(&lines); *line;) {
        size_t len = strcspn(line, "\n");
        text_append_printf(c->errors, "%s: %s: %.*s\n", config_slot_place(slot), key->name,
                           (int)len, line);
        line += len + (line[len] == '\n');
    }
    text_clear(&lines);
}

static void fill_key(struct config_check *c, const struct config_claim *claim, size_t index,
                     bool is_whole)
{
    const struct config_slot *slot = &claim->slots[index];
    void *settings = (char *)claim->settings + index * claim->settings_size;

    if (!is_whole)
        config_value_store(&claim->key, slot->value, slot->number, settings);
    else if (claim->key.parse)
        parse_whole(c, &claim->key, slot, settings);
}

/* Fills single values first: a key's `parse` may depend on them. */
static void fill_settings(struct config_check *c)
{
    const struct config *config = c->config;

    for (int is_whole = 0; is_whole <= 1; is_whole++)
        for (size_t i = 0; i < config->claim_count; i++) {
            const struct config_claim *claim = &config->claims[i];
            size_t count = claim->kind == CLAIM_GLOBAL ? 1 : config->instance_count;
            for (size_t k = 0; claim->settings && k < count; k++)
                fill_key(c, claim, k, is_whole);
        }
}

int config_check(struct config *config, struct text *errors, struct text *warnings)
{
    struct config_check c = {.config = config, .errors = errors, .warnings = warnings};

    find_strictness(&c);
    config_index_names(config);
    set_defaults(config);
    check_plugins(&c);
    for (size_t i = 0; i < config->lines.count; i++)
        check_line(&c, &config->lines.items[i]);
    for (size_t i = 0; i < config->instance_count; i++)
        if (config->instances[i].prefix)
            take_prefixed(config, i);
    if (c.ignored.len)
        text_append_printf(warnings,
                           "these keys tune pmacct's internals and have no effect here: %s\n",
                           text_cstr(&c.ignored));
    if (c.foreign.len)
        text_append_printf(
            warnings,
            "these keys belong to other daemons, or to plugins and services that are not "
            "configured, and have no effect here: %s\n",
            text_cstr(&c.foreign));
    if (c.twins.len)
        text_append_printf(warnings,
                           "these keys begin with the name of a plugin that is not configured, and "
                           "count for those that are, as in pmacct: %s\n",
                           text_cstr(&c.twins));
    text_clear(&c.ignored);
    text_clear(&c.foreign);
    text_clear(&c.twins);
    check_places(&c, PA_ROLE_OWN_PLACE);
    check_places(&c, PA_ROLE_OWN_OUTPUT);
    fill_settings(&c);
    config->has_line_problem = c.has_line_problem;
    return c.has_failed ? -EINVAL : 0;
}

bool config_is_strict(const struct config *config)
{
    return config->is_strict;
}

bool config_is_too_strict(const struct config *config)
{
    return config->is_strict && config->has_line_problem;
}
