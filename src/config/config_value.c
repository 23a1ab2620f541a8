/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads and writes the types of configuration values. See config_value.h. */
#include "config/config_value.h"

#include "base/address.h"
#include "base/plugin_key.h"
#include "base/text.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *word;
    bool value;
} bool_words[] = {
    {"true", true}, {"false", false}, {"yes", true}, {"no", false},
    {"on", true},   {"off", false},   {"1", true},   {"0", false},
};

struct unit {
    char letter;
    int64_t factor;
};
static const struct unit size_units[] = {
    {'k', 1024},    {'K', 1024},    {'M', 1 << 20}, {'m', 1 << 20},
    {'G', 1 << 30}, {'g', 1 << 30}, {0, 0},
};
static const struct unit duration_units[] = {
    {'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 604800}, {0, 0},
};
static const struct unit no_units[] = {{0, 0}};

static int parse_bool(const char *value, struct text *expected, int64_t *ret_number)
{
    for (size_t i = 0; i < sizeof bool_words / sizeof bool_words[0]; i++)
        if (strcasecmp(value, bool_words[i].word) == 0) {
            *ret_number = bool_words[i].value;
            return 0;
        }
    text_append_string(expected, "true or false");
    return -EINVAL;
}

const struct config_choice *config_choice_find(const struct config_choice *choices,
                                               const char *value)
{
    while (choices->word && strcasecmp(choices->word, value) != 0)
        choices++;
    return choices->word ? choices : NULL;
}

void config_choices_append(const struct config_choice *choices, const char *separator,
                           struct text *out)
{
    for (const struct config_choice *c = choices; c->word; c++) {
        text_append_string(out, c == choices ? "" : separator);
        text_append_string(out, c->word);
    }
}

static int parse_choice(const struct config_choice *choices, const char *value,
                        struct text *expected, int64_t *ret_number)
{
    const struct config_choice *choice = config_choice_find(choices, value);

    if (choice) {
        *ret_number = choice->value;
        return 0;
    }
    text_append_string(expected, choices[1].word ? "one of " : "");
    config_choices_append(choices, ", ", expected);
    return -EINVAL;
}

/* Reads digits, with or without one unit's letter after them. */
static int parse_number(const char *value, const struct unit *units, int64_t *ret_number)
{
    char *end;
    int64_t number;

    if (isspace((unsigned char)*value))
        return -EINVAL;
    errno = 0;
    number = strtoll(value, &end, 10);
    if (end == value)
        return -EINVAL;
    if (errno == ERANGE)
        return -ERANGE;
    if (*end) {
        const struct unit *unit = units;
        while (unit->letter && unit->letter != *end)
            unit++;
        if (!unit->letter || end[1])
            return -EINVAL;
        if (__builtin_mul_overflow(number, unit->factor, &number))
            return -ERANGE;
    }
    *ret_number = number;
    return 0;
}

static void append_range(const struct config_key *key, struct text *expected)
{
    if (!key->min && !key->max)
        return;
    if (key->max && key->max != INT64_MAX)
        text_append_printf(expected, " from %" PRId64 " to %" PRId64, key->min, key->max);
    else
        text_append_printf(expected, " of at least %" PRId64, key->min);
}

static int64_t upper_bound(const struct config_key *key)
{
    /* A row with only a `min` has no upper bound. */
    return key->max || key->min < 0 ? key->max : INT64_MAX;
}

static int parse_ranged(const struct config_key *key, const char *value, const struct unit *units,
                        const char *what, struct text *expected, int64_t *ret_number)
{
    int64_t number;
    int err = parse_number(value, units, &number);

    if (err == 0 && (key->min || key->max ? number < key->min || number > upper_bound(key)
                                          : number < 0 && key->type != KEY_INT))
        err = -ERANGE;
    if (err == 0) {
        *ret_number = number;
        return 0;
    }
    text_append_string(expected, what);
    append_range(key, expected);
    return err;
}

/* Reads "2M". Calendar months have no fixed length, so they are told apart by their sign. */
static bool parse_months(const char *value, int64_t *ret_number)
{
    static const struct unit month[] = {{'M', 1}, {0, 0}};
    size_t len = strlen(value);
    int64_t number;

    if (len < 2 || value[len - 1] != 'M' || parse_number(value, month, &number) < 0 || number < 1 ||
        number > 1200)
        return false;
    *ret_number = -number;
    return true;
}

int config_value_parse(const struct config_key *key, const char *value, bool allow_months,
                       struct text *expected, int64_t *ret_number)
{
    switch (key->type) {
    case KEY_BOOL:
        return parse_bool(value, expected, ret_number);
    case KEY_CHOICE:
        return parse_choice(key->choices, value, expected, ret_number);
    case KEY_INT:
        return parse_ranged(key, value, no_units, "a whole number", expected, ret_number);
    case KEY_SIZE:
        return parse_ranged(key, value, size_units, "a number of bytes such as 4096, 64k, 4M or 1G",
                            expected, ret_number);
    case KEY_DURATION:
        if (allow_months && parse_months(value, ret_number))
            return 0;
        return parse_ranged(
            key, value, duration_units,
            allow_months ? "a time such as 60, 5m, 1h, 1d, 1w or 1M (seconds, minutes ... months)"
                         : "a time such as 60, 90s, 5m, 1h or 1d",
            expected, ret_number);
    case KEY_STRING:
    case KEY_IGNORED:
        *ret_number = 0;
        return 0;
    }
    return -EINVAL;
}

int config_check_address(const char *value, struct text *error)
{
    struct ip_addr address;

    if (ip_addr_parse(value, &address) == 0)
        return 0;
    text_append_string(error, "an IP address");
    return -EINVAL;
}

void config_value_store(const struct config_key *key, const char *value, int64_t number,
                        void *settings)
{
    void *place = (char *)settings + key->place.offset;

    if (!value)
        number = 0;
    switch (key->place.type) {
    case PLACE_NONE:
        break;
    case PLACE_BOOL:
        *(bool *)place = number != 0;
        break;
    case PLACE_I16:
        *(int16_t *)place = (int16_t)number;
        break;
    case PLACE_U16:
        *(uint16_t *)place = (uint16_t)number;
        break;
    case PLACE_I32:
        *(int32_t *)place = (int32_t)number;
        break;
    case PLACE_U32:
        *(uint32_t *)place = (uint32_t)number;
        break;
    case PLACE_I64:
        *(int64_t *)place = number;
        break;
    case PLACE_U64:
        *(uint64_t *)place = (uint64_t)number;
        break;
    case PLACE_STRING:
        *(const char **)place = value;
        break;
    }
}

const char *config_type_name(enum config_key_type type)
{
    return plugin_key_type_word((enum pa_key_type)type);
}
