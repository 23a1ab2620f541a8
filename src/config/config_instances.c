/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the value of `plugins`: "print[matrix], kafka[raw], print". */
#include "base/memory.h"
#include "base/text.h"
#include "config/config_private.h"
#include <ctype.h>
#include <errno.h>
#include <string.h>

#define PLUGINS_EXPECTED "expected plugins: type[name], type[name]..."

struct scan {
    struct config *config;
    struct text *errors;
    const char *place;
    bool has_failed;
};

static void scan_error(struct scan *s, const char *what, const char *item, size_t len)
{
    text_append_printf(s->errors, "%s: plugins: %s '%.*s'; " PLUGINS_EXPECTED "\n", s->place, what,
                       (int)len, item);
    s->has_failed = true;
}

static const char *skip_space(const char *c, const char *end)
{
    while (c < end && isspace((unsigned char)*c))
        c++;
    return c;
}

static const char *trim_end(const char *start, const char *end)
{
    while (end > start && isspace((unsigned char)end[-1]))
        end--;
    return end;
}

/* Takes `type` and `name`. Names bind keys, so they are unique over all plugins. */
static void add_instance(struct scan *s, char *type, char *name)
{
    struct config *config = s->config;

    for (char *c = type; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    if (!name)
        name = mem_printf("default_%s", type);
    for (size_t i = 0; i < config->instance_count; i++)
        if (strcmp(config->instances[i].name, name) == 0) {
            text_append_printf(
                s->errors,
                "%s: plugins: two instances are named '%s'; give each a name of its own\n",
                s->place, name);
            s->has_failed = true;
        }
    config->instances =
        mem_realloc_array(config->instances, config->instance_count + 1, sizeof *config->instances);
    config->instances[config->instance_count++] =
        (struct config_instance){.type = type, .name = name, .place = mem_strdup(s->place)};
}

static void parse_item(struct scan *s, const char *start, const char *end)
{
    start = skip_space(start, end);
    end = trim_end(start, end);
    const char *open = memchr(start, '[', (size_t)(end - start));
    const char *type_end = trim_end(start, open ? open : end);

    if (type_end == start) {
        scan_error(s, "no plugin type in", start, (size_t)(end - start));
        return;
    }
    for (const char *c = start; c < type_end; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-') {
            scan_error(s, "no plugin type can be", start, (size_t)(type_end - start));
            return;
        }
    if (!open) {
        add_instance(s, mem_strndup(start, (size_t)(type_end - start)), NULL);
        return;
    }
    const char *name = skip_space(open + 1, end);
    const char *close = memchr(open, ']', (size_t)(end - open));
    if (!close || close + 1 != end || trim_end(name, close) <= name) {
        scan_error(s, "no instance name in", start, (size_t)(end - start));
        return;
    }
    /* Names of instances stand in paths of pid, lock and spool files. */
    for (const char *c = name; c < close; c++)
        if (*c == '/' || iscntrl((unsigned char)*c)) {
            scan_error(s, "no '/' or control character may stand in a name:", start,
                       (size_t)(end - start));
            return;
        }
    add_instance(s, mem_strndup(start, (size_t)(type_end - start)),
                 mem_strndup(name, (size_t)(trim_end(name, close) - name)));
}

bool config_find_line(const struct config *config, const char *key,
                      struct config_found_line *ret_line)
{
    const struct config_line *found = NULL;

    for (size_t i = 0; i < config->lines.count; i++) {
        const struct config_line *line = &config->lines.items[i];
        if (strcmp(line->key, key) == 0 && !line->instance)
            found = line->value[0] ? line : NULL; /* an empty value unsets it */
    }
    if (found)
        *ret_line = (struct config_found_line){found->key, found->place, found->value};
    return found;
}

int config_add_implicit(struct config *config, const char *type, const char *name,
                        const char *prefix, const char *place, struct text *errors)
{
    struct scan s = {.config = config, .errors = errors, .place = place};

    add_instance(&s, mem_strdup(type), mem_strdup(name));
    config->instances[config->instance_count - 1].prefix = prefix;
    return s.has_failed ? -EINVAL : 0;
}

const char *config_prefixed_name(const char *key)
{
    static const char of_files[] = "print_output_";

    return strncmp(key, of_files, strlen(of_files)) == 0 ? key + strlen(of_files) : key;
}

int config_find_instances(struct config *config, struct text *errors)
{
    struct scan s = {.config = config, .errors = errors, .place = "default"};
    const char *value = "memory"; /* the default in pmacct */

    config->has_plugins = true;
    config_add_table(config, config_plugins_keys, NULL);
    for (size_t i = 0; i < config->lines.count; i++)
        if (strcmp(config->lines.items[i].key, "plugins") == 0 &&
            !config->lines.items[i].instance) {
            value = config->lines.items[i].value;
            s.place = config->lines.items[i].place;
        }
    for (const char *item = value;;) {
        size_t len = strcspn(item, ",");
        parse_item(&s, item, item + len);
        if (item[len] == '\0')
            break;
        item += len + 1;
    }
    return s.has_failed ? -EINVAL : 0;
}

size_t config_instance_count(const struct config *config)
{
    return config->instance_count;
}

const struct config_instance *config_instance_at(const struct config *config, size_t index)
{
    return &config->instances[index];
}
