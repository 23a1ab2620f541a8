/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads configuration files line by line; the lines' meaning is not known here. */
#include "config/config_parser.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

/* No configuration is longer: such a file is /dev/zero or a capture. */
#define FILE_MAX_BYTES   ((size_t)16 << 20)
#define INCLUDE_MAX_DEEP 16
/* A file that includes itself twice would be read 2^16 times before the depth ends it. */
#define INCLUDE_MAX_FILES 256

struct parser {
    struct config_lines *lines;
    struct text *errors;
    const char *path;
    unsigned line_number, depth;
    unsigned *file_count; /* counts over all included files; NULL: include is refused */
    bool has_failed;
};

/* A piece of the line, not terminated. */
struct span {
    const char *start, *end;
};

static int parse_file(struct config_lines *lines, const char *path, unsigned depth,
                      unsigned *file_count, const char *included_at, struct text *errors);

static struct span span_trim(struct span s)
{
    while (s.start < s.end && isspace((unsigned char)*s.start))
        s.start++;
    while (s.end > s.start && isspace((unsigned char)s.end[-1]))
        s.end--;
    return s;
}

static char *span_dup(struct span s)
{
    return mem_strndup(s.start, (size_t)(s.end - s.start));
}

static void parser_error(struct parser *p, const char *what)
{
    text_append_printf(p->errors, "%s:%u: %s\n", p->path, p->line_number, what);
    p->has_failed = true;
}

void config_lines_clear(struct config_lines *lines)
{
    for (size_t i = 0; i < lines->count; i++) {
        mem_free(lines->items[i].key);
        mem_free(lines->items[i].instance);
        mem_free(lines->items[i].value);
        mem_free(lines->items[i].place);
    }
    mem_free(lines->items);
    *lines = (struct config_lines){0};
}

void config_lines_add(struct config_lines *lines, const char *key, const char *instance,
                      const char *value, const char *place)
{
    if (lines->count == lines->capacity) {
        lines->capacity = lines->capacity ? 2 * lines->capacity : 64;
        lines->items = mem_realloc_array(lines->items, lines->capacity, sizeof *lines->items);
    }
    struct config_line *line = &lines->items[lines->count++];
    line->key = mem_strdup(key);
    for (char *c = line->key; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    line->instance = instance ? mem_strdup(instance) : NULL;
    line->value = mem_strdup(value);
    line->place = mem_strdup(place);
}

/* Returns the path of `file` as the includer means it: beside the including file unless
 * absolute. */
static char *include_path(const char *includer, const char *file)
{
    const char *slash = strrchr(includer, '/');

    if (*file == '/' || !slash)
        return mem_strdup(file);
    return mem_printf("%.*s/%s", (int)(slash - includer), includer, file);
}

static void parse_include(struct parser *p, struct span value)
{
    char *file = span_dup(value);
    char *path = include_path(p->path, file);
    char *place = mem_printf("%s:%u", p->path, p->line_number);

    if (!p->file_count)
        parser_error(p, "include is not possible here");
    else if (p->depth >= INCLUDE_MAX_DEEP || ++*p->file_count > INCLUDE_MAX_FILES)
        parser_error(p, "files include each other more than 16 deep, or are more than 256; is one "
                        "including itself?");
    else if (parse_file(p->lines, path, p->depth + 1, p->file_count, place, p->errors) < 0)
        p->has_failed = true;
    mem_free(place);
    mem_free(path);
    mem_free(file);
}

/* Adds one line for each name in `names`, the text between the brackets. */
static void add_bound_lines(struct parser *p, const char *key, struct span names, const char *value,
                            const char *place)
{
    for (struct span rest = names;;) {
        const char *comma = memchr(rest.start, ',', (size_t)(rest.end - rest.start));
        struct span name = span_trim((struct span){rest.start, comma ? comma : rest.end});
        if (name.start == name.end) {
            parser_error(
                p, "an instance name is missing between the brackets; expected key[name]: value");
            return;
        }
        char *copy = span_dup(name);
        config_lines_add(p->lines, key, copy, value, place);
        mem_free(copy);
        if (!comma)
            return;
        rest.start = comma + 1;
    }
}

static void add_line(struct parser *p, struct span key, const struct span *names, struct span value)
{
    char *key_text = span_dup(key), *value_text = span_dup(value);
    char *place = mem_printf("%s:%u", p->path, p->line_number);

    if (names)
        add_bound_lines(p, key_text, *names, value_text, place);
    else
        config_lines_add(p->lines, key_text, NULL, value_text, place);
    mem_free(place);
    mem_free(value_text);
    mem_free(key_text);
}

static void parse_line(struct parser *p, struct span line)
{
    line = span_trim(line);
    if (line.start == line.end || *line.start == '!' || *line.start == '#')
        return;
    if (memchr(line.start, '\0', (size_t)(line.end - line.start))) {
        parser_error(p, "a zero byte; this is not a text file");
        return;
    }
    /* A colon between the brackets is no separator: instance names are free text. */
    const char *colon = memchr(line.start, ':', (size_t)(line.end - line.start));
    const char *open = memchr(line.start, '[', (size_t)(line.end - line.start));
    const char *close = NULL;
    if (open && (!colon || open < colon)) {
        close = memchr(open, ']', (size_t)(line.end - open));
        if (!close) {
            parser_error(p, "'[' without ']'; expected key[name]: value");
            return;
        }
        colon = memchr(close, ':', (size_t)(line.end - close));
    } else {
        open = NULL;
    }
    if (!colon) {
        parser_error(p, "no ':' after the key; expected key: value");
        return;
    }
    struct span key = span_trim((struct span){line.start, open ? open : colon});
    struct span value = span_trim((struct span){colon + 1, line.end});
    struct span names = {open ? open + 1 : NULL, close};
    if (key.start == key.end)
        parser_error(p, "no key before the ':'; expected key: value");
    else if (memchr(key.start, ']', (size_t)(key.end - key.start)))
        parser_error(p, "']' without '['; expected key[name]: value");
    else if (open && span_trim((struct span){close + 1, colon}).start !=
                         span_trim((struct span){close + 1, colon}).end)
        parser_error(p, "text between ']' and ':'; expected key[name]: value");
    else if (key.end - key.start == 7 && strncasecmp(key.start, "include", 7) == 0) {
        if (open)
            parser_error(p, "include belongs to no instance; expected include: file");
        else
            parse_include(p, value);
    } else {
        add_line(p, key, open ? &names : NULL, value);
    }
}

static int parse_buffer(struct parser *p, const char *data, size_t len)
{
    const char *pos = data, *end = data + len;

    if (len >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
        pos += 3; /* a byte order mark, as some editors leave it */
    while (pos < end) {
        const char *newline = memchr(pos, '\n', (size_t)(end - pos));
        p->line_number++;
        parse_line(p, (struct span){pos, newline ? newline : end});
        if (!newline)
            break;
        pos = newline + 1;
    }
    return p->has_failed ? -EINVAL : 0;
}

static int parse_file(struct config_lines *lines, const char *path, unsigned depth,
                      unsigned *file_count, const char *included_at, struct text *errors)
{
    struct text content = {0};
    int err = file_read(path, FILE_MAX_BYTES, &content);

    if (err < 0) {
        if (included_at)
            text_append_printf(errors, "%s: cannot read included file %s: %s\n", included_at, path,
                               strerror(-err));
        else
            text_append_printf(errors, "%s: cannot read it: %s\n", path, strerror(-err));
    } else {
        struct parser p = {.lines = lines, .errors = errors, .path = path, .depth = depth};
        p.file_count = file_count;
        err = parse_buffer(&p, content.data, content.len);
    }
    text_clear(&content);
    return err;
}

int config_parse_file(struct config_lines *lines, const char *path, struct text *errors)
{
    unsigned file_count = 1;

    return parse_file(lines, path, 0, &file_count, NULL, errors);
}

int config_parse_text(struct config_lines *lines, const char *path, const char *data, size_t len,
                      struct text *errors)
{
    struct parser p = {.lines = lines, .errors = errors, .path = path};

    return parse_buffer(&p, data, len);
}
