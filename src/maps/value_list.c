/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads lists of values, a line each. */
#include "maps/value_list.h"
#include "base/memory.h"
#include "base/protocol_name.h"
#include "base/text.h"
#include "maps/map_source.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct config_key value_list_keys[VALUE_LIST_COUNT + 1] = {
    [VALUE_LIST_PORTS] = {"ports_file",
                          KEY_STRING_AT(struct value_list_settings, paths[VALUE_LIST_PORTS]),
                          .scope = SCOPE_INSTANCE,
                          .help = "list of the ports that rows keep; all others become 0"},
    [VALUE_LIST_PROTOS] =
        {"protos_file", KEY_STRING_AT(struct value_list_settings, paths[VALUE_LIST_PROTOS]),
         .scope = SCOPE_INSTANCE,
         .help = "list of the protocols that rows keep, by name or number; all others become 255"},
    [VALUE_LIST_TOS] =
        {"tos_file", KEY_STRING_AT(struct value_list_settings, paths[VALUE_LIST_TOS]),
         .scope = SCOPE_INSTANCE,
         .help =
             "list of the TOS values that rows keep, of DSCPs with tos_encode_as_dscp; all others "
             "become 255"},
};

static const struct {
    unsigned min, max;
    const char *expected;
} kinds[VALUE_LIST_COUNT] = {
    [VALUE_LIST_PORTS] = {1, UINT16_MAX, "a port from 1 to 65535; all others become 0"},
    [VALUE_LIST_PROTOS] = {0, 254, "a protocol such as tcp, or its number up to 254"},
    [VALUE_LIST_TOS] = {0, 254, "a number from 0 to 254; all others become 255"},
};

/* Returns the value of a line; -1: it has none of this kind. */
static int value_of(enum value_list_kind kind, const char *text)
{
    char *end;
    unsigned long value;

    if (!isdigit((unsigned char)*text))
        return kind == VALUE_LIST_PROTOS ? protocol_number(text) : -1;
    errno = 0;
    value = strtoul(text, &end, 10);
    return errno || *end || value < kinds[kind].min || value > kinds[kind].max ? -1 : (int)value;
}

static bool take_line(struct value_list *list, enum value_list_kind kind, char *line,
                      const char *name, unsigned number, struct text *errors)
{
    line += strspn(line, " \t\r");
    for (char *end = line + strlen(line); end > line && isspace((unsigned char)end[-1]);)
        *--end = '\0';
    if (*line == '\0' || *line == '!' || *line == '#')
        return true;
    int value = value_of(kind, line);
    if (value < 0) {
        text_append_printf(errors, "%s:%u: %.60s: expected %s\n", name, number, line,
                           kinds[kind].expected);
        return false;
    }
    list->count += !value_list_has(list, (uint16_t)value);
    list->bits[value / 64] |= UINT64_C(1) << (value % 64);
    return true;
}

int value_list_parse(enum value_list_kind kind, const char *name, const char *data, size_t len,
                     struct text *errors, struct value_list **ret_list)
{
    struct value_list *list = mem_zalloc(sizeof *list);
    char *copy = mem_strndup(data, len), *rest = copy;
    unsigned number = 0;
    bool is_good = true;

    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        is_good &= take_line(list, kind, line, name, ++number, errors);
    if (memchr(data, '\0', len)) { /* the copy ends there */
        text_append_printf(errors, "%s: a zero byte; this is not a text file\n", name);
        is_good = false;
    }
    mem_free(copy);
    if (!is_good) {
        value_list_free(list);
        return -EINVAL;
    }
    *ret_list = list;
    return 0;
}

int value_list_read(enum value_list_kind kind, const char *path, struct map_report *report,
                    struct value_list **ret_list)
{
    struct map_source source;
    int err = map_source_open(&source, path, report);

    if (err == 0)
        do
            err = value_list_parse(kind, path, source.content.data, source.content.len,
                                   &source.errors, ret_list);
        while (err < 0 && map_source_forgives(&source));
    map_source_close(&source, err, err < 0 ? 0 : (*ret_list)->count);
    return err;
}

void value_list_free(struct value_list *list)
{
    mem_free(list);
}
