/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads ROAs out of JSON one by one, as the tree of a whole file would take many times its size. */
#include "maps/roa_file.h"

#include "base/memory.h"
#include "base/text.h"
#include "maps/map_source.h"
#include "rpki/roa_table.h"
#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { TOLD_MAX = 5 }; /* elements that are told of one by one */

struct roa_parser {
    const char *name, *data;
    size_t len, at;
    struct text *errors, *warnings;
    struct roa *roas;
    size_t count, capacity, wrong_count;
    bool has_array;
};

static unsigned line_of(const struct roa_parser *p, size_t at)
{
    unsigned line = 1;

    for (size_t i = 0; i < at && i < p->len; i++)
        line += p->data[i] == '\n';
    return line;
}

static int syntax_error(const struct roa_parser *p, const char *what)
{
    text_append_printf(p->errors,
                       "%s:%u: %s; expected JSON with a member \"roas\", as rpki-client and "
                       "routinator write it\n",
                       p->name, line_of(p, p->at), what);
    return -EINVAL;
}

static void skip_space(struct roa_parser *p)
{
    while (p->at < p->len && p->data[p->at] != '\0' && strchr(" \t\r\n", p->data[p->at]))
        p->at++;
}

/* Takes a character that stands next, after spaces. */
static bool take_char(struct roa_parser *p, char c)
{
    skip_space(p);
    if (p->at == p->len || p->data[p->at] != c)
        return false;
    p->at++;
    return true;
}

/* Takes the value that stands next; the caller gives it back. NULL: it is none, which was told. */
static json_t *take_value(struct roa_parser *p)
{
    json_error_t error;
    json_t *value;

    skip_space(p);
    value = json_loadb(p->data + p->at, p->len - p->at, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK,
                       &error);
    if (value)
        p->at += (size_t)error.position;
    else
        syntax_error(p, error.text);
    return value;
}

/* Reads 1, "1" or "AS1". */
static bool take_asn(const json_t *value, uint32_t *ret_asn)
{
    const char *text = json_string_value(value);
    json_int_t number = json_integer_value(value);
    char *end;

    if (text) {
        text += strncasecmp(text, "AS", 2) == 0 ? 2 : 0;
        errno = 0;
        number = *text >= '0' && *text <= '9' ? strtoll(text, &end, 10) : -1;
        if (number >= 0 && (*end != '\0' || errno != 0))
            return false;
    } else if (!json_is_integer(value)) {
        return false;
    }
    *ret_asn = (uint32_t)number;
    return number >= 0 && number <= UINT32_MAX;
}

/* Reads an element; returns what is wrong with it, or NULL. */
static const char *take_roa(const json_t *element, struct roa *ret_roa)
{
    const char *prefix = json_string_value(json_object_get(element, "prefix"));
    const json_t *max_len = json_object_get(element, "maxLength");
    json_int_t len = json_integer_value(max_len);

    if (!prefix || ip_network_parse(prefix, &ret_roa->prefix) < 0)
        return "its prefix is none";
    if (!take_asn(json_object_get(element, "asn"), &ret_roa->asn))
        return "its asn is none";
    if (!max_len)
        len = ret_roa->prefix.len;
    else if (!json_is_integer(max_len))
        return "its maxLength is no number";
    if (len < ret_roa->prefix.len || len > (ret_roa->prefix.addr.family == IP_V4 ? 32 : 128))
        return "its maxLength does not suit the prefix";
    ret_roa->max_len = (uint8_t)len;
    return NULL;
}

static void add_element(struct roa_parser *p, const json_t *element, size_t at)
{
    struct roa roa;
    const char *wrong = take_roa(element, &roa);

    if (wrong) {
        if (p->wrong_count++ < TOLD_MAX)
            text_append_printf(p->warnings, "%s:%u: a ROA is left out: %s\n", p->name,
                               line_of(p, at), wrong);
        return;
    }
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? 2 * p->capacity : 1024;
        p->roas = mem_realloc_array(p->roas, p->capacity, sizeof *p->roas);
    }
    p->roas[p->count++] = roa;
}

static int take_array(struct roa_parser *p)
{
    p->has_array = true;
    if (!take_char(p, '['))
        return syntax_error(p, "\"roas\" is no array");
    if (take_char(p, ']'))
        return 0;
    do {
        skip_space(p);
        size_t start = p->at;
        json_t *element = take_value(p);
        if (!element)
            return -EINVAL;
        add_element(p, element, start);
        json_decref(element);
    } while (take_char(p, ','));
    return take_char(p, ']') ? 0 : syntax_error(p, "the array does not end");
}

/* Reads a member of the file's object. */
static int take_member(struct roa_parser *p)
{
    json_t *name = take_value(p), *value;
    bool is_array;

    if (!name)
        return -EINVAL;
    is_array = json_is_string(name) && strcmp(json_string_value(name), "roas") == 0;
    json_decref(name);
    if (!take_char(p, ':'))
        return syntax_error(p, "expected a colon");
    if (is_array)
        return take_array(p);
    value = take_value(p);
    if (!value)
        return -EINVAL;
    json_decref(value);
    return 0;
}

static int take_file(struct roa_parser *p)
{
    if (!take_char(p, '{'))
        return syntax_error(p, "it does not begin with an object");
    do {
        if (take_member(p) < 0)
            return -EINVAL;
    } while (take_char(p, ','));
    if (!take_char(p, '}'))
        return syntax_error(p, "the object does not end");
    skip_space(p);
    if (p->at < p->len)
        return syntax_error(p, "something stands behind the object");
    return p->has_array ? 0 : syntax_error(p, "there is no member \"roas\"");
}

int roa_file_parse(const char *name, const char *data, size_t len, struct text *errors,
                   struct text *warnings, struct roa_table **ret_table)
{
    struct roa_parser p = {
        .name = name, .data = data, .len = len, .errors = errors, .warnings = warnings};
    int err = take_file(&p);

    if (err == 0 && p.wrong_count > TOLD_MAX)
        text_append_printf(warnings, "%s: %zu more ROAs are left out\n", name,
                           p.wrong_count - TOLD_MAX);
    if (err == 0)
        *ret_table = roa_table_new(p.roas, p.count);
    mem_free(p.roas);
    return err;
}

int roa_file_read(const char *path, struct map_report *report, struct roa_table **ret_table)
{
    struct map_source source;
    int err = map_source_open(&source, path, report);

    if (err == 0)
        err = roa_file_parse(path, source.content.data, source.content.len, &source.errors,
                             report->warnings, ret_table);
    map_source_close(&source, err, err < 0 ? 0 : roa_table_count(*ret_table));
    return err;
}
