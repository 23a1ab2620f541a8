/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The values of keys: text of a file into a number of its type. No state; any thread. */
#include "config/config_key.h"
#include <stdbool.h>
#include <stdint.h>

struct text;

/*
 * true/false, yes/no, on/off, 1/0 as 1/0; whole numbers; bytes with k, M or G (powers of 1024);
 * seconds with s, m, h, d or w; the enumerator of a choice; 0 for strings. With `allow_months` a
 * duration may be so many M, calendar months: the result is below 0. -EINVAL or -ERANGE: what would
 * be right is appended to `expected`.
 */
int config_value_parse(const struct config_key *key, const char *value, bool allow_months,
                       struct text *expected, int64_t *ret_number);

/* The choice of that word, in any case; NULL: there is none. */
const struct config_choice *config_choice_find(const struct config_choice *choices,
                                               const char *value);
/* All words with `separator` between them. */
void config_choices_append(const struct config_choice *choices, const char *separator,
                           struct text *out);

/* Writes it where the key's settings want it. `value` NULL: unset. It stays borrowed if it is a
 * string. */
void config_value_store(const struct config_key *key, const char *value, int64_t number,
                        void *settings);

/* "bool", "duration"...: as in the list of keys. */
const char *config_type_name(enum config_key_type type);
