/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The configuration: lines of files and options of the command line, checked against the key tables
 * of all modules and plugins, then written into the modules' settings.
 *
 *     config_new
 *     config_read_file, config_set...      whatever is said, in order of precedence: later lines
 * win config_find_instances                what `plugins` asks for config_add_table,
 * config_add_instance_table, config_add_plugin... config_check                         all errors
 * at once; fills the settings
 *
 * Text appended to `errors` and `warnings` is lines, each "place: what is wrong; what would be
 * right" with a newline, where place is "file:line", "-l" or "default". Values and strings in
 * settings are borrowed until config_free. Main thread only.
 *
 * Order, as in pmacct: the last line that applies to an instance wins, so an unbound line after a
 * bound one takes its place for all instances. Keys, choices and booleans are read in any case.
 */
#include "config/config_key.h"
#include "config/plugin_description.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct text;
struct config;

struct config *config_new(void);
void config_free(struct config *config); /* NULL is fine */

/* Reads the file and those it includes. -EINVAL: errors of syntax were appended; other negative
 * errnos: the file cannot be read (appended too). */
int config_read_file(struct config *config, const char *path, struct text *errors);
/* Reads text in memory, which errors call `name`; `include` is refused. */
int config_read_text(struct config *config, const char *name, const char *data, size_t len,
                     struct text *errors);
/* Adds a line that stands in no file: errors call its place `origin` ("-l"). `instance` may be
 * NULL. */
void config_set(struct config *config, const char *key, const char *instance, const char *value,
                const char *origin);

/* An instance: one configured use of a plugin. */
struct config_instance {
    const char *type, *name; /* "print", "matrix"; "default_print" without a name */
    const char *place;       /* of the line that names it */
    /* Not NULL: it is none of `plugins` but was added. Its plugin's own keys stand behind this prefix
     * (sfacctd_counter_kafka_topic), and lines without it are not for this instance, unless bound. */
    const char *prefix;
};
/* Reads `plugins`, which is a key from then on; after that instances have their final indices. A program
 * without plugins of its own does not call it: what is bound to instances means nothing to it.
 * -EINVAL: errors were appended. */
int config_find_instances(struct config *config, struct text *errors);
/* Gives the last line that sets a key, before config_check(); false: none does. Borrowed. */
struct config_found_line {
    const char *key, *place, *value;
};
bool config_find_line(const struct config *config, const char *key,
                      struct config_found_line *ret_line);
/* Adds an instance behind those of `plugins`, after config_find_instances(). `prefix` is borrowed; keys
 * with it are of a table of global keys. -EINVAL: appended to `errors`. */
int config_add_implicit(struct config *config, const char *type, const char *name,
                        const char *prefix, const char *place, struct text *errors);
/* Returns what of a plugin's key stands behind the prefix: all of it, but for print_output_file and its like, which
 * are `file`. */
const char *config_prefixed_name(const char *key);
size_t config_instance_count(const struct config *config);
const struct config_instance *config_instance_at(const struct config *config, size_t index);

/* Adds SCOPE_GLOBAL keys of a module; `keys` is borrowed for the configuration's life. `settings`
 * NULL: the keys are only listed. */
void config_add_table(struct config *config, const struct config_key *keys, void *settings);
/* Adds keys that belong to other programs: lines with them are accepted, and a notice tells that they
 * have no effect. Borrowed. */
void config_add_foreign_table(struct config *config, const struct config_key *keys);
/* The key `plugins`, for a program to which it is foreign. */
extern const struct config_key config_plugins_keys[];
/* Adds SCOPE_INSTANCE and SCOPE_BOUND keys: `settings` is an array with an element of `size` bytes
 * per instance. */
void config_add_instance_table(struct config *config, const struct config_key *keys, void *settings,
                               size_t size);
/* Adds the keys that instances of this plugin have. Plugins that no instance uses are added too, so
 * that their keys are known. Borrowed. */
void config_add_plugin(struct config *config, const struct plugin_description *plugin);
bool config_has_plugin(const struct config *config, const char *type);
/* Returns the flags of that plugin (enum PA_PLUGIN_...); 0 if there is no such plugin. */
uint32_t config_plugin_flags(const struct config *config, const char *type);

/*
 * Checks every line against all tables and fills all settings. -EINVAL: errors were appended. With
 * `strict_config: false` unknown and refused keys and bad values are warnings instead, and their
 * lines are left out.
 */
int config_check(struct config *config, struct text *errors, struct text *warnings);
/* True unless strict_config is false. */
bool config_is_strict(const struct config *config);
/* Afterwards: true if some error is one that strict_config: false would make a warning. */
bool config_is_too_strict(const struct config *config);

/* The following tell what is in force after config_check. `instance` is an index, or
 * CONFIG_GLOBAL. */
#define CONFIG_GLOBAL ((size_t)-1)
/* Returns the value as it stood in the file, or the default; NULL: unset. */
const char *config_value(const struct config *config, const char *key, size_t instance);
/* Returns the value as a number: 0/1, number, bytes, seconds (below 0: calendar months) or
 * enumerator of the choice, for a plugin's choice the index (-1: unset); 0 if there is no such
 * key. */
int64_t config_number(const struct config *config, const char *key, size_t instance);
/* Returns "file:line", "-l", or "default", for errors of modules that check further. */
const char *config_place(const struct config *config, const char *key, size_t instance);
/* Returns the key as the line that sets it spells it, which may be an alias, for the same errors; `key` if
 * none does. */
const char *config_spelling(const struct config *config, const char *key, size_t instance);
/* True if a line sets the key, not only its default. */
bool config_is_set(const struct config *config, const char *key, size_t instance);

/* A setting of a plugin instance. */
struct config_setting {
    const struct pa_key *key; /* the plugin asks for its canonical name */
    const char *value;        /* NULL: unset and without default */
    int64_t number; /* 0/1, number, bytes, seconds (below 0: so many calendar months) or index of
                       the choice */
    const char *place;
};
/* Calls `fn` for all keys of the instance's plugin, set or not, in the order of its table. */
void config_each_setting(const struct config *config, size_t instance,
                         void (*fn)(void *arg, const struct config_setting *setting), void *arg);
/* Gives the setting with that role (enum pa_key_role) in the instance's plugin; false if the plugin
 * has none. */
bool config_role(const struct config *config, size_t instance, int role,
                 struct config_setting *ret_setting);

/*
 * Reads the file of today, and appends the keys whose values differ from those that this configuration was
 * read with, as "nfacctd_port, aggregate[matrix]"; options of the command line do not count. Negative
 * errno: the file is wrong, as appended to `errors`. Any one thread, as nothing is changed.
 */
int config_compare_file(const struct config *config, const char *path, struct text *changed,
                        struct text *errors);

/* A value in force, as people may see it. */
struct config_shown {
    const char *key;
    size_t instance;   /* or CONFIG_GLOBAL */
    const char *value; /* NULL: unset; what is secret in it is *** */
    const char *place; /* "file:line", "-l" or "default" */
};
/* Calls `fn` for all keys that are in force after config_check, sorted by name; those without effect
 * are left out. What it gets is borrowed for the call. */
void config_show(const struct config *config,
                 void (*fn)(void *arg, const struct config_shown *shown), void *arg);

enum config_list_format { CONFIG_LIST_TEXT, CONFIG_LIST_JSON };
/* Writes all keys of all tables, for --keys and the manual, sorted by name; JSON also holds refused
 * keys. */
void config_list(const struct config *config, FILE *file, enum config_list_format format);
