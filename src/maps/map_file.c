/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the rows of a map. Errors are collected over the whole file, so that an operator can
 * mend them all at once. */
#include "maps/map_file.h"

#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/nearest.h"
#include "base/text.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILE_MAX_BYTES ((size_t)256 << 20) /* all ROAs there are take 90 MB */
#define ROW_MAX_ITEMS  4096
#define PIECE_BYTES    ((size_t)256 << 10)

/* Rows lie in pieces of memory that go all at once: a large map has a million cells. */
struct map_piece {
    struct map_piece *next;
    size_t used, size;
    max_align_t data[];
};

struct map_parser {
    struct map_file *file;
    const struct map_key *keys;
    const struct map_refusal *refusals;
    struct text *errors;
    unsigned line;
    size_t row_capacity;
    bool has_failed;
};

static const struct map_refusal flow_control[] = {
    {"label", "rows of this map are tried from first to last"},
    {"jeq", "rows of this map are tried from first to last"},
    {"return", "rows of this map are tried from first to last"},
    {"stack", "the results of rows of this map are not added up"},
    {NULL, NULL},
};

/* Zeroed. */
static void *piece_take(struct map_file *file, size_t size)
{
    struct map_piece *piece = file->pieces;

    size = (size + sizeof(void *) - 1) / sizeof(void *) * sizeof(void *);
    if (!piece || piece->size - piece->used < size) {
        size_t room = size > PIECE_BYTES ? size : PIECE_BYTES;
        piece = mem_zalloc(sizeof *piece + room);
        piece->size = room;
        piece->next = file->pieces;
        file->pieces = piece;
    }
    void *place = (char *)piece->data + piece->used;
    piece->used += size;
    return place;
}

static const char *piece_text(struct map_file *file, const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(piece_take(file, size), text, size);
}

static void error_start(struct map_parser *p)
{
    text_append_printf(p->errors, "%s:%u: ", p->file->name, p->line);
    p->has_failed = true;
}

/* ---- values ---- */

static bool parse_number(const char *text, uint64_t *ret_number)
{
    char *end;

    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    *ret_number = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

/* Parses "7" or "7-9"; both have to be within the key's bounds. */
static bool parse_number_item(const struct map_key *key, char *text, struct map_item *item)
{
    char *dash = key->is_match ? strchr(text, '-') : NULL;

    if (dash)
        *dash = '\0';
    bool is_good = parse_number(text, &item->low) &&
                   parse_number(dash ? dash + 1 : text, &item->high) && item->low <= item->high &&
                   item->low >= key->min && item->high <= key->max;
    if (dash)
        *dash = '-';
    return is_good;
}

static bool parse_item(const struct map_key *key, char *text, struct map_item *item)
{
    switch (key->type) {
    case MAP_NUMBER:
        return parse_number_item(key, text, item);
    case MAP_ADDRESS:
        item->prefix.len = 0;
        return ip_addr_parse(text, &item->prefix.addr) == 0;
    case MAP_PREFIX:
        return ip_network_parse(text, &item->prefix) == 0;
    case MAP_TEXT:
        return *text != '\0';
    }
    return false;
}

static void report_value(struct map_parser *p, const struct map_key *key, const char *text)
{
    error_start(p);
    text_append_printf(p->errors, "%s=%s: ", key->name, text);
    switch (key->type) {
    case MAP_NUMBER:
        text_append_printf(p->errors, "expected a number from %" PRIu64 " to %" PRIu64 "%s\n",
                           key->min, key->max,
                           key->is_match ? ", a range such as 10-20, or a list" : "");
        break;
    case MAP_ADDRESS:
        text_append_string(p->errors, "expected an IPv4 or IPv6 address\n");
        break;
    case MAP_PREFIX:
        text_append_string(p->errors,
                           "expected an address or prefix such as 192.0.2.0/24, or a list\n");
        break;
    case MAP_TEXT:
        text_append_string(p->errors, "expected a value\n");
        break;
    }
}

static void add_item(struct map_cell *cell, const struct map_item *item)
{
    cell->items[cell->item_count++] = *item;
    cell->has_plain = cell->has_plain || !item->is_negated;
}

static void parse_list(struct map_parser *p, const struct map_key *key, struct map_cell *cell,
                       char *text)
{
    for (char *one; (one = strsep(&text, ",")) != NULL;) {
        struct map_item item = {.is_negated = *one == '-'};
        if (!parse_item(key, one + item.is_negated, &item)) {
            report_value(p, key, one);
        } else if (cell->item_count == ROW_MAX_ITEMS) {
            error_start(p);
            text_append_printf(p->errors, "%s: more than %d values in one row\n", key->name,
                               ROW_MAX_ITEMS);
            return;
        } else {
            add_item(cell, &item);
        }
    }
}

static size_t count_items(const char *value)
{
    size_t count = 1;

    for (; *value; value++)
        count += *value == ',';
    return count < ROW_MAX_ITEMS ? count : ROW_MAX_ITEMS;
}

/* The value is taken to pieces. */
static struct map_cell *cell_new(struct map_parser *p, const struct map_key *key, char *value)
{
    struct map_cell *cell = piece_take(p->file, sizeof *cell);
    bool is_list = key->is_match && key->type != MAP_TEXT;
    struct map_item item = {0};

    cell->text = piece_text(p->file, value);
    cell->items = piece_take(p->file, (is_list ? count_items(value) : 1) * sizeof *cell->items);
    if (is_list)
        parse_list(p, key, cell, value);
    else if (parse_item(key, value, &item))
        add_item(cell, &item);
    else
        report_value(p, key, value);
    return cell;
}

/* ---- rows ---- */

static const struct map_refusal *find_refusal(const struct map_refusal *refusals, const char *name)
{
    for (; refusals && refusals->name; refusals++)
        if (strcmp(refusals->name, name) == 0)
            return refusals;
    return NULL;
}

static void report_key(struct map_parser *p, const char *name)
{
    const struct map_refusal *refusal = find_refusal(p->refusals, name);
    struct nearest nearest = nearest_start(name);

    if (!refusal)
        refusal = find_refusal(flow_control, name);
    error_start(p);
    if (refusal) {
        text_append_printf(p->errors, "%s: not supported here: %s\n", name, refusal->reason);
        return;
    }
    text_append_printf(p->errors, "unknown key '%s'; ", name);
    for (const struct map_key *key = p->keys; key->name; key++)
        nearest_try(&nearest, key->name);
    if (nearest.name) {
        text_append_printf(p->errors, "did you mean %s?\n", nearest.name);
        return;
    }
    text_append_string(p->errors, "this map has");
    for (const struct map_key *key = p->keys; key->name; key++)
        text_append_printf(p->errors, " %s", key->name);
    text_append_char(p->errors, '\n');
}

/* `aliases` may be NULL. */
static bool is_alias(const char *aliases, const char *name)
{
    size_t len = strlen(name);

    for (const char *at = aliases; at && *at;
         at += at[strcspn(at, "|")] ? strcspn(at, "|") + 1 : strlen(at)) {
        if (strncmp(at, name, len) == 0 && (at[len] == '|' || at[len] == '\0'))
            return true;
    }
    return false;
}

static void add_cell(struct map_parser *p, struct map_row *row, const char *name, char *value)
{
    size_t index = 0;

    while (p->keys[index].name && strcmp(p->keys[index].name, name) != 0 &&
           !is_alias(p->keys[index].alias, name))
        index++;
    if (!p->keys[index].name) {
        report_key(p, name);
    } else if (row->cells[index]) {
        error_start(p);
        text_append_printf(p->errors, "%s stands twice in this row; write a list such as %s=a,b\n",
                           name, name);
    } else {
        row->cells[index] = cell_new(p, &p->keys[index], value);
    }
}

static void report_syntax(struct map_parser *p, const char *start)
{
    error_start(p);
    text_append_printf(p->errors, "expected key=value at '%.40s'\n", start);
}

/* Parses one key=value at `pos`, which is terminated in place. Returns what follows it, NULL
 * after an error or at the end. */
static char *parse_pair(struct map_parser *p, struct map_row *row, char *pos)
{
    char *name = pos + strspn(pos, " \t\r\f\v"), *end;

    if (*name == '\0')
        return NULL;
    char *equals = name + strcspn(name, "= \t");
    if (*equals != '=' || equals == name) {
        report_syntax(p, name);
        return NULL;
    }
    char *value = equals + 1;
    if (*value == '\'' || *value == '"') {
        end = strchr(value + 1, *value);
        if (!end || (end[1] && !isspace((unsigned char)end[1]))) {
            error_start(p);
            text_append_printf(p->errors, "no closing quote, or no blank after it, at '%.40s'\n",
                               value);
            return NULL;
        }
        value++;
    } else {
        end = value + strcspn(value, " \t\r\f\v");
    }
    char *next = *end ? end + 1 : end;
    *equals = '\0';
    *end = '\0';
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    add_cell(p, row, name, value);
    return next;
}

static void check_required(struct map_parser *p, const struct map_row *row)
{
    for (size_t i = 0; i < p->file->key_count; i++)
        if (p->keys[i].is_required && !row->cells[i]) {
            error_start(p);
            text_append_printf(p->errors, "the row does not say %s=\n", p->keys[i].name);
        }
}

static void parse_row(struct map_parser *p, char *line)
{
    struct map_file *file = p->file;
    char *start = line + strspn(line, " \t\r\f\v");

    if (*start == '\0' || *start == '!' || *start == '#')
        return;
    if (file->row_count == p->row_capacity) {
        p->row_capacity = p->row_capacity ? 2 * p->row_capacity : 64;
        file->rows = mem_realloc_array(file->rows, p->row_capacity, sizeof *file->rows);
    }
    struct map_row *row = &file->rows[file->row_count++];
    row->line = p->line;
    row->cells = piece_take(file, file->key_count * sizeof *row->cells);
    bool had_failed = p->has_failed;
    p->has_failed = false;
    while (start)
        start = parse_pair(p, row, start);
    if (!p->has_failed) /* what is missing may be what was wrong */
        check_required(p, row);
    p->has_failed = p->has_failed || had_failed;
}

int map_file_parse(const char *name, const char *data, size_t len, const struct map_key *keys,
                   const struct map_refusal *refusals, struct text *errors,
                   struct map_file **ret_file)
{
    struct map_file *file = mem_zalloc(sizeof *file);
    struct map_parser p = {.file = file, .keys = keys, .refusals = refusals, .errors = errors};
    char *copy = mem_strndup(data, len), *rest = copy;

    file->name = mem_strdup(name);
    while (keys[file->key_count].name)
        file->key_count++;
    if (memchr(data, '\0', len)) {
        text_append_printf(errors, "%s: a zero byte; this is not a text file\n", name);
        p.has_failed = true;
    } else {
        for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
            p.line++;
            parse_row(&p, line);
        }
    }
    mem_free(copy);
    if (p.has_failed) {
        map_file_free(file);
        return -EINVAL;
    }
    *ret_file = file;
    return 0;
}

int map_file_content(const char *path, struct text *content, struct text *errors)
{
    int err;

    log_info("[%s] (re)loading map.", path);
    err = file_read(path, FILE_MAX_BYTES, content);
    if (err < 0)
        text_append_printf(errors, "%s: cannot read it: %s\n", path, strerror(-err));
    return err;
}

void map_file_loaded(const char *path, size_t entry_count)
{
    log_info("[%s] map successfully (re)loaded with %zu entries.", path, entry_count);
}

void map_file_free(struct map_file *file)
{
    if (!file)
        return;
    while (file->pieces) {
        struct map_piece *piece = file->pieces;
        file->pieces = piece->next;
        mem_free(piece);
    }
    mem_free(file->rows);
    mem_free(file->name);
    mem_free(file);
}

/* ---- matching ---- */

static bool item_has_number(const struct map_item *item, uint64_t number)
{
    return number >= item->low && number <= item->high;
}

bool map_cell_has_number(const struct map_cell *cell, uint64_t number)
{
    bool holds = !cell || !cell->has_plain;

    for (size_t i = 0; cell && i < cell->item_count; i++)
        if (item_has_number(&cell->items[i], number)) {
            if (cell->items[i].is_negated)
                return false;
            holds = true;
        }
    return holds;
}

bool map_cell_has_address(const struct map_cell *cell, const struct ip_addr *addr)
{
    bool holds = !cell || !cell->has_plain;

    for (size_t i = 0; cell && i < cell->item_count; i++)
        if (ip_prefix_contains(&cell->items[i].prefix, addr)) {
            if (cell->items[i].is_negated)
                return false;
            holds = true;
        }
    return holds;
}
