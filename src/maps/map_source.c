/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blanks the rows that errors name. A parser knows nothing of it, so all of them are alike. */
#include "maps/map_source.h"

#include "base/hash.h"
#include "base/memory.h"
#include "maps/map_file.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int map_source_open(struct map_source *s, const char *path, struct map_report *report)
{
    *s = (struct map_source){.path = path, .report = report};
    int err = map_file_content(path, &s->content, &s->errors);

    if (err == 0)
        s->digest = hash_bytes(s->content.data, s->content.len, 0) | 1;
    text_cstr(&s->content);
    return err;
}

/* Reads the line's number of "path:NUMBER: ..."; 0: there is none. */
static size_t error_line(const struct map_source *s, const char *error)
{
    size_t path_len = strlen(s->path);
    char *end;

    if (strncmp(error, s->path, path_len) != 0 || error[path_len] != ':')
        return 0;
    error += path_len + 1;
    if (*error < '0' || *error > '9')
        return 0;
    size_t number = strtoul(error, &end, 10);
    return strncmp(end, ": ", 2) == 0 ? number : 0;
}

/* Returns where each line begins, and the end. */
static size_t *find_lines(const struct text *content, size_t *ret_count)
{
    size_t count = 1, *starts;

    for (size_t i = 0; i < content->len; i++)
        count += content->data[i] == '\n';
    starts = mem_calloc(count + 1, sizeof *starts);
    count = 1;
    for (size_t i = 0; i < content->len; i++)
        if (content->data[i] == '\n')
            starts[count++] = i + 1;
    starts[count] = content->len + 1;
    *ret_count = count;
    return starts;
}

/* Says whether every error is one of a row. */
static bool all_are_of_rows(struct map_source *s)
{
    for (const char *error = text_cstr(&s->errors); *error;) {
        const char *end = strchr(error, '\n');
        if (!end || error_line(s, error) == 0)
            return false;
        error = end + 1;
    }
    return s->errors.len > 0;
}

bool map_source_forgives(struct map_source *s)
{
    size_t line_count, *starts;
    bool has_blanked = false;

    if (!all_are_of_rows(s))
        return false;
    if (!s->report->is_tolerant) {
        s->report->has_row_error = true;
        return false;
    }
    starts = find_lines(&s->content, &line_count);
    for (const char *error = text_cstr(&s->errors); *error;) {
        size_t number = error_line(s, error), len = strcspn(error, "\n");
        if (number <= line_count) {
            char *row = s->content.data + starts[number - 1];
            size_t row_len = starts[number] - 1 - starts[number - 1];
            has_blanked = has_blanked || strspn(row, " ") < row_len;
            memset(row, ' ', row_len);
        }
        text_append_printf(s->report->warnings, "%.*s; the row is left out\n", (int)len, error);
        error += len + 1;
    }
    mem_free(starts);
    text_reset(&s->errors);
    return has_blanked;
}

void map_source_close(struct map_source *s, int err, size_t entry_count)
{
    text_append(s->report->errors, s->errors.data, s->errors.len);
    text_clear(&s->content);
    text_clear(&s->errors);
    map_census_add(s->report->census, s->path, s->digest, entry_count, err < 0);
    if (err == 0)
        map_file_loaded(s->path, entry_count);
}
