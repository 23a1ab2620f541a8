/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The values of keys: makes a number of a file's text, and puts it where the settings want it. No
 * state; any thread. */
#include "config/config_key.h"
#include <stdbool.h>
#include <stdint.h>

struct text;

/*
 * Reads true/false, yes/no, on/off, 1/0 as 1/0; whole numbers; bytes with k, M or G (powers of
 * 1024); seconds with s, m, h, d or w; a choice as its enumerator; strings as 0. With
 * `allow_months` a duration may be so many M, calendar months: the result is below 0. -EINVAL or
 * -ERANGE: what would be right is appended to `expected`.
 */
int config_value_parse(const struct config_key *key, const char *value, bool allow_months,
                       struct text *expected, int64_t *ret_number);

/* Returns the choice of that word, in any case; NULL: there is none. */
const struct config_choice *config_choice_find(const struct config_choice *choices,
                                               const char *value);
/* Appends all words with `separator` between them. */
void config_choices_append(const struct config_choice *choices, const char *separator,
                           struct text *out);

/* Writes a value where the key's settings want it. `value` NULL: unset. A string stays borrowed. */
void config_value_store(const struct config_key *key, const char *value, int64_t number,
                        void *settings);

/* Returns "bool", "duration"...: the words of the list of keys. */
const char *config_type_name(enum config_key_type type);
