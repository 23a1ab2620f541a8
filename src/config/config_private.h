/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Claims and slots, which the files of this folder share; nobody else includes it. */
#include "config/config.h"
#include "config/config_parser.h"

/* The value in force for one instance of a key (or for the process), and where it comes from. */
struct config_slot {
    const struct config_line *line; /* NULL: the default */
    const char *value;              /* NULL: unset */
    int64_t number;
};

enum claim_kind { CLAIM_GLOBAL, CLAIM_INSTANCE, CLAIM_PLUGIN };

/* A key as one table or plugin claims it. */
struct config_claim {
    /* For a plugin's key a translation into our words; its `place` means nothing. */
    struct config_key key;
    enum claim_kind kind;
    const struct plugin_description *plugin; /* CLAIM_PLUGIN */
    const struct pa_key *plugin_key;         /* CLAIM_PLUGIN */
    struct config_choice *plugin_choices;    /* CLAIM_PLUGIN: key.choices, which it owns */
    void *settings;                          /* may be NULL */
    size_t settings_size;                    /* CLAIM_INSTANCE: of an element */
    struct config_slot *slots; /* after config_check: one (CLAIM_GLOBAL) or one per instance */
};

/* A name or an alias. The array is sorted by name, so equal names are a run, one for each claim. */
struct config_name {
    const char *name;
    size_t name_len;
    size_t claim; /* an index: the array of claims may move */
};

struct config {
    struct config_lines lines;
    struct config_instance *instances;
    size_t instance_count;
    struct config_claim *claims;
    size_t claim_count, claim_capacity;
    const struct config_key **foreign; /* tables */
    size_t foreign_count;
    struct config_name *names;
    size_t name_count;
    const struct plugin_description **plugins;
    size_t plugin_count;
    bool has_plugins; /* `plugins` is a key: config_find_instances() was called */
    bool is_strict;
    bool has_line_problem; /* that strict_config: false would pass over */
};

/* Says whether this is the key's name or an alias of it. */
bool config_key_is_named(const struct config_key *key, const char *name);
/* Says whether a key is in a table of foreign ones, by its name or an alias. */
bool config_is_foreign(const struct config *config, const char *name);
/* Sorts the names of all claims. Called again after tables were added. */
void config_index_names(struct config *config);
/* Returns the run of names equal to `name`; *ret_count 0: there are none. */
const struct config_name *config_find_names(const struct config *config, const char *name,
                                            size_t *ret_count);
/* Returns the claim that holds for this instance; NULL: none does. */
const struct config_claim *config_find_claim(const struct config *config, const char *name,
                                             size_t instance);
/* Returns a slot of a claim; `instance` only matters if the claim has a slot per instance. */
struct config_slot *config_claim_slot(const struct config_claim *claim, size_t instance);
/* Returns the place of the line that decided, or "default". */
const char *config_slot_place(const struct config_slot *slot);
/* True if lines set this claim's key for the instance by its prefix. */
bool config_claim_is_prefixed(const struct config *config, const struct config_claim *claim,
                              size_t instance);
bool config_claim_covers(const struct config *config, const struct config_claim *claim,
                         size_t instance);
