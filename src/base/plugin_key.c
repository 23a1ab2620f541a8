/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Words are found by a search through the rows, which are few. The compiler warns when an
 * enumerator of the public header has no row. */
#include "base/plugin_key.h"

#include <errno.h>
#include <string.h>

const char *plugin_key_type_word(enum pa_key_type type)
{
    switch (type) {
#define PLUGIN_KEY_TYPE(name, word)                                                                \
    case PA_KEY_##name:                                                                            \
        return word;
#include "base/plugin_key.def"
    }
    return NULL;
}

const char *plugin_key_role_word(enum pa_key_role role)
{
    switch (role) {
#define PLUGIN_KEY_ROLE(name, word)                                                                \
    case PA_ROLE_##name:                                                                           \
        return word;
#include "base/plugin_key.def"
    }
    return NULL;
}

struct row {
    int value;
    const char *word;
};

static int row_find(const struct row *rows, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(rows[i].word, word) == 0)
            return rows[i].value;
    return -ENOENT;
}

int plugin_key_type_find(const char *word)
{
    static const struct row rows[] = {
#define PLUGIN_KEY_TYPE(name, word) {PA_KEY_##name, word},
#include "base/plugin_key.def"
    };
    return row_find(rows, sizeof rows / sizeof rows[0], word);
}

int plugin_key_role_find(const char *word)
{
    static const struct row rows[] = {
#define PLUGIN_KEY_ROLE(name, word) {PA_ROLE_##name, word},
#include "base/plugin_key.def"
    };
    return row_find(rows, sizeof rows / sizeof rows[0], word);
}
