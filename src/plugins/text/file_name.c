/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes names of files, tables and topics out of patterns. */
#include "plugins/text/file_name.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/text/value.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

enum part_kind { PART_LITERAL, PART_TIME, PART_ZONE, PART_COLUMN };

struct part {
    enum part_kind kind;
    char *text;         /* PART_LITERAL; PART_TIME: the conversion, "%Y" */
    struct value value; /* PART_COLUMN */
    bool is_text;       /* it may hold any bytes, and names must tell all texts apart */
};

struct file_name {
    bool is_utc, has_time, has_columns;
    bool keeps_dots; /* in texts */
    enum file_name_purpose purpose;
    struct part *parts;
    uint32_t part_count, capacity;
    struct text *scratch, *value_text; /* buffers that are reused from row to row */
};

static struct part *add_part(struct file_name *name, enum part_kind kind, const char *text,
                             size_t len)
{
    struct part *part;

    if (name->part_count == name->capacity) {
        name->capacity = name->capacity ? name->capacity * 2 : 8;
        name->parts = mem_realloc_array(name->parts, name->capacity, sizeof *name->parts);
    }
    part = &name->parts[name->part_count++];
    memset(part, 0, sizeof *part);
    part->kind = kind;
    part->text = mem_strndup(text, len);
    return part;
}

/* ---- parse ---- */

/* Reads a conversion. %D and %x would bring slashes into the name, %c and %n blanks: they are
 * refused. */
static int parse_time(struct file_name *name, const char **at, char *error, size_t error_size)
{
    char c = (*at)[1];

    if (c == '%') {
        add_part(name, PART_LITERAL, "%", 1);
    } else if (c && strchr("aAbBCdeFgGhHIjklmMpPsSTuUVwWXyYzZ", c)) {
        add_part(name, PART_TIME, *at, 2);
        name->has_time = true;
    } else {
        snprintf(error, error_size,
                 "'%%%.1s' is not a conversion for file names; use those of strftime(3) without "
                 "'/', such as %%Y-%%m-%%d",
                 *at + 1);
        return -EINVAL;
    }
    *at += 2;
    return 0;
}

/* Finds a primitive by its name, or by the older names that pmacct has for it in file names. */
static const struct pa_column *find_column(const struct pa_schema *schema, const char *text,
                                           size_t len)
{
    static const struct {
        const char *alias, *name;
    } aliases[] = {{"post_tag", "tag"}, {"post_tag2", "tag2"}};

    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++) {
        if (strlen(aliases[i].alias) != len || memcmp(aliases[i].alias, text, len) != 0)
            continue;
        text = aliases[i].name;
        len = strlen(text);
    }
    for (uint32_t i = 0; i < schema->column_count; i++) {
        const struct pa_column *column = &schema->columns[i];
        if (strlen(column->name) == len && !memcmp(column->name, text, len))
            return column;
    }
    return NULL;
}

static bool is_text_format(uint8_t format)
{
    return format == PA_FORMAT_TEXT || format == PA_FORMAT_LABEL || format == PA_FORMAT_CLASS ||
           format == PA_FORMAT_CUSTOM_TEXT;
}

static int parse_variable(struct file_name *name, const struct file_name_context *context,
                          const char **at, char *error, size_t error_size)
{
    static const struct value_options options = {0};
    const char *word = *at + 1;
    const struct pa_column *column;
    size_t len = 0;

    while (isalnum((unsigned char)word[len]) || word[len] == '_')
        len++;
    for (size_t n = len; n > 0; n--) { /* the longest name wins: $tag_%Y is $tag, then _ */
        *at = word + n;
        if ((column = find_column(context->schema, word, n))) {
            struct part *part = add_part(name, PART_COLUMN, "", 0);
            if (column->kind == PA_KIND_TIME || column->combine != PA_COMBINE_KEY ||
                value_init(&part->value, column, &options, NULL) < 0) {
                snprintf(error, error_size,
                         "$%s is not the same for all flows of a row and "
                         "cannot be part of a file's name",
                         column->name);
                return -EINVAL;
            }
            part->is_text = is_text_format(column->format) && name->purpose != FILE_NAME_TOPIC;
            name->has_columns = true;
            return 0;
        }
        if ((n == 3 && !strncmp(word, "ref", 3)) || (n == 3 && !strncmp(word, "hst", 3))) {
            const char *text = *word == 'r' ? context->refresh : context->history;
            add_part(name, PART_LITERAL, text ? text : "0", text ? strlen(text) : 1);
            return 0;
        }
        if (n == 5 && !strncmp(word, "tzone", 5)) {
            add_part(name, PART_ZONE, "", 0);
            return 0;
        }
    }
    snprintf(error, error_size,
             "$%.*s is neither a primitive of this instance's `aggregate` nor $ref, $hst or $tzone",
             (int)(len > 40 ? 40 : len), word);
    return -EINVAL;
}

static int pattern_parse(struct file_name *name, const char *pattern,
                         const struct file_name_context *context, char *error, size_t error_size)
{
    int err = 0;

    if (!*pattern || (strlen(pattern) > PATH_MAX / 2 && !context->is_text)) {
        snprintf(error, error_size, "a file name has 1 to %d characters", PATH_MAX / 2);
        return -EINVAL;
    }
    while (*pattern && err == 0) {
        size_t len = strcspn(pattern, "%$");
        if (len > 0)
            add_part(name, PART_LITERAL, pattern, len);
        pattern += len;
        const char *special = pattern;
        if (*pattern == '%')
            err = parse_time(name, &pattern, error, error_size);
        else if (*pattern == '$')
            err = parse_variable(name, context, &pattern, error, error_size);
        if (err < 0 && context->is_text) {
            add_part(name, PART_LITERAL, special, 1);
            pattern = special + 1;
            err = 0;
        }
    }
    return err;
}

int file_name_new(const char *pattern, const struct file_name_context *context, char *error,
                  size_t error_size, struct file_name **ret_name)
{
    struct file_name *name = mem_zalloc(sizeof *name);
    int err;

    name->is_utc = context->is_utc;
    name->purpose = context->purpose;
    name->scratch = mem_zalloc(sizeof *name->scratch);
    name->value_text = mem_zalloc(sizeof *name->value_text);
    err = pattern_parse(name, pattern, context, error, error_size);
    if (err < 0) {
        file_name_free(name);
        return err;
    }
    name->keeps_dots = name->purpose == FILE_NAME_FILE && name->part_count > 0 &&
                       name->parts[name->part_count - 1].kind == PART_LITERAL;
    *ret_name = name;
    return 0;
}

void file_name_free(struct file_name *name)
{
    if (!name)
        return;
    for (uint32_t i = 0; i < name->part_count; i++) {
        mem_free(name->parts[i].text);
        value_clear(&name->parts[i].value);
    }
    mem_free(name->parts);
    text_clear(name->scratch);
    text_clear(name->value_text);
    mem_free(name->scratch);
    mem_free(name->value_text);
    mem_free(name);
}

bool file_name_has_time(const struct file_name *name)
{
    return name->has_time;
}

bool file_name_has_columns(const struct file_name *name)
{
    return name->has_columns;
}

/* ---- render ---- */

/* The pattern is no literal, but the parser let only conversions through that it knows. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
static size_t render_time(char *out, size_t size, const char *conversion, const struct tm *tm)
{
    return strftime(out, size, conversion, tm);
}
#pragma GCC diagnostic pop

static void append_time(const struct part *part, const struct tm *tm, struct text *out)
{
    char text[64];
    size_t len = render_time(text, sizeof text, part->text, tm);

    for (size_t i = 0; i < len; i++) /* %a and others come from the locale */
        text_append_char(out, text[i] == '/' ? '_' : text[i]);
}

/* Appends the offset as "+01:00". */
static void append_zone(const struct tm *tm, struct text *out)
{
    char text[16];
    size_t len = strftime(text, sizeof text, "%z", tm);

    if (len < 5)
        return;
    text_append(out, text, 3);
    text_append_char(out, ':');
    text_append(out, text + 3, len - 3);
}

static bool is_plain(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("-+,@", c));
}

/* Appends a value whose form keeps different ones apart, whatever stands for its separators. */
static void append_formed(const char *data, size_t len, struct text *out)
{
    for (size_t i = 0; i < len; i++)
        text_append_char(out, is_plain(data[i]) || data[i] == '=' ? data[i] : '_');
}

static void append_text(const char *data, size_t len, bool keeps_dots, struct text *out)
{
    bool is_slash = len == 1 && *data == '/'; /* no text at all is '_' */

    for (size_t i = 0; i < len; i++) {
        char c = data[i];
        if (is_plain(c) || (c == '.' && i > 0 && keeps_dots))
            text_append_char(out, c);
        else if (c == '/' && !is_slash)
            text_append_char(out, '_');
        else
            text_append_printf(out, "=%02X", (unsigned char)c);
    }
}

/* Cuts a value that begins at `start`, so that values of one beginning stay different. */
static void cut_value(const struct text *value, size_t start, struct text *out)
{
    char end[20];
    int len = snprintf(end, sizeof end, "==%016" PRIx64, XXH3_64bits(value->data, value->len));

    out->len = start + FILE_NAME_VALUE_MAX - (size_t)len;
    text_append(out, end, (size_t)len);
}

static void append_value(const struct file_name *name, const struct part *part,
                         const struct pa_batch *batch, const uint8_t *row, struct text *out)
{
    struct text *value = name->value_text;
    size_t start = out->len;

    text_reset(value);
    value_append(&part->value, batch, row, name->scratch, value);
    if (value->len == 0)
        text_append_char(out, '_');
    else if (part->is_text)
        append_text(value->data, value->len, name->keeps_dots, out);
    else
        append_formed(value->data, value->len, out);
    if (out->len - start <= FILE_NAME_VALUE_MAX)
        return;
    if (name->purpose == FILE_NAME_TOPIC)
        out->len = start + FILE_NAME_VALUE_MAX;
    else
        cut_value(value, start, out);
}

static void split_time(const struct file_name *name, int64_t time_s, struct tm *ret_tm)
{
    time_t t = (time_t)time_s;

    if (name->is_utc)
        gmtime_r(&t, ret_tm);
    else
        localtime_r(&t, ret_tm);
}

/* `row` NULL: FILE_NAME_OTHER stands in place of its values. */
static void append_name(const struct file_name *name, const struct pa_batch *batch,
                        const uint8_t *row, int64_t time_s, struct text *out)
{
    struct tm tm;

    split_time(name, time_s, &tm);
    for (uint32_t i = 0; i < name->part_count; i++) {
        const struct part *part = &name->parts[i];
        switch (part->kind) {
        case PART_LITERAL:
            text_append_string(out, part->text);
            break;
        case PART_TIME:
            append_time(part, &tm, out);
            break;
        case PART_ZONE:
            append_zone(&tm, out);
            break;
        case PART_COLUMN:
            if (row)
                append_value(name, part, batch, row, out);
            else
                text_append_string(out, FILE_NAME_OTHER);
        }
    }
}

void file_name_append(const struct file_name *name, const struct pa_batch *batch,
                      const uint8_t *row, int64_t time_s, struct text *out)
{
    append_name(name, batch, row, time_s, out);
}

void file_name_append_other(const struct file_name *name, int64_t time_s, struct text *out)
{
    append_name(name, NULL, NULL, time_s, out);
}

void file_name_append_key(const struct file_name *name, const struct pa_batch *batch,
                          const uint8_t *row, struct text *out)
{
    for (uint32_t i = 0; i < name->part_count; i++) {
        const struct value *value = &name->parts[i].value;
        if (name->parts[i].kind != PART_COLUMN)
            continue;
        if (value->kind == PA_KIND_BYTES) {
            struct pa_bytes bytes = value_bytes(value, batch, row);
            text_append(out, &bytes.len, sizeof bytes.len);
            text_append(out, bytes.data, bytes.len);
        } else {
            text_append(out, row + value->offset, value->width);
        }
    }
}

bool file_name_is_same(const struct file_name *name, int64_t a_s, int64_t b_s)
{
    struct tm a, b;

    split_time(name, a_s, &a);
    split_time(name, b_s, &b);
    for (uint32_t i = 0; i < name->part_count; i++) {
        char a_text[64], b_text[64];
        if (name->parts[i].kind != PART_TIME)
            continue;
        a_text[render_time(a_text, sizeof a_text - 1, name->parts[i].text, &a)] = 0;
        b_text[render_time(b_text, sizeof b_text - 1, name->parts[i].text, &b)] = 0;
        if (strcmp(a_text, b_text) != 0)
            return false;
    }
    return true;
}

void file_name_append_glob(const struct file_name *name, struct text *out)
{
    for (uint32_t i = 0; i < name->part_count; i++) {
        const struct part *part = &name->parts[i];
        if (part->kind != PART_LITERAL) {
            text_append_char(out, '*');
            continue;
        }
        for (const char *c = part->text; *c; c++) {
            if (strchr("*?[]\\", *c))
                text_append_char(out, '\\');
            text_append_char(out, *c);
        }
    }
}
