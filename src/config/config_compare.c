/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compares the file of today with the lines that the daemon was started with. Values are not shown, as
 * some are secret. */
#include "base/memory.h"
#include "base/text.h"
#include "config/config_private.h"
#include <string.h>

/* Options of the command line stand in no file. */
static bool is_of_file(const struct config_line *line)
{
    return line->place[0] != '-';
}

static bool is_same_key(const struct config_line *a, const struct config_line *b)
{
    return strcmp(a->key, b->key) == 0 && !a->instance == !b->instance &&
           (!a->instance || strcmp(a->instance, b->instance) == 0);
}

/* Returns the line that holds for a key: the last one; NULL: there is none. */
static const struct config_line *find_last(const struct config_lines *lines,
                                           const struct config_line *key)
{
    for (size_t i = lines->count; i-- > 0;)
        if (is_of_file(&lines->items[i]) && is_same_key(&lines->items[i], key))
            return &lines->items[i];
    return NULL;
}

/* Appends the keys of `lines` whose value in `others` is another one, or none. With `only_missing` those that
 * have a value there are passed over, as the other direction tells them. */
static size_t append_differing(const struct config_lines *lines, const struct config_lines *others,
                               bool only_missing, size_t count, struct text *out)
{
    for (size_t i = 0; i < lines->count; i++) {
        const struct config_line *line = &lines->items[i], *other = find_last(others, line);
        if (!is_of_file(line) || find_last(lines, line) != line ||
            (other && (only_missing || strcmp(other->value, line->value) == 0)))
            continue;
        text_append_printf(out, "%s%s", count++ > 0 ? ", " : "", line->key);
        if (line->instance)
            text_append_printf(out, "[%s]", line->instance);
    }
    return count;
}

int config_compare_file(const struct config *config, const char *path, struct text *changed,
                        struct text *errors)
{
    struct config_lines lines = {0};
    int err = config_parse_file(&lines, path, errors);

    if (err == 0) {
        size_t count = append_differing(&lines, &config->lines, false, 0, changed);
        append_differing(&config->lines, &lines, true, count, changed);
    }
    config_lines_clear(&lines);
    return err;
}
