/* SPDX-License-Identifier: GPL-2.0-or-later */
/* aggregate_primitives: makes a custom primitive of each row of the file. */
#include "maps/custom_primitives.h"

#include "base/text.h"
#include "flow/primitive.h"
#include "maps/map_file.h"
#include "maps/map_source.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define REVERSE_ENTERPRISE 29305 /* RFC 5103 section 6.1: the reverse of IANA's elements */

enum { KEY_NAME, KEY_FIELD_TYPE, KEY_LEN, KEY_SEMANTICS, KEY_PACKET_PTR };
static const struct map_key keys[] = {
    [KEY_NAME] = {.name = "name", .type = MAP_TEXT, .is_required = true},
    [KEY_FIELD_TYPE] = {.name = "field_type", .type = MAP_TEXT},
    [KEY_LEN] = {.name = "len", .type = MAP_TEXT, .is_required = true},
    [KEY_SEMANTICS] = {.name = "semantics", .type = MAP_TEXT, .is_required = true},
    /* of packets, which pmacct's other daemons see; a row may have both */
    [KEY_PACKET_PTR] = {.name = "packet_ptr", .type = MAP_TEXT},
    {.name = NULL},
};
static const char *const semantics_names[] = {
    [CUSTOM_UINT] = "u_int", [CUSTOM_HEX] = "hex",  [CUSTOM_IP] = "ip",
    [CUSTOM_MAC] = "mac",    [CUSTOM_TEXT] = "str", [CUSTOM_RAW] = "raw",
};

static bool parse_number_until(const char *text, unsigned long max, char end_char,
                               const char **ret_end, unsigned long *ret_number)
{
    char *end;

    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    *ret_number = strtoul(text, &end, 10);
    *ret_end = end + 1;
    return errno == 0 && *ret_number <= max && *end == end_char;
}

/* Parses [PEN:]ID. Without an enterprise the number may have 16 bits: NetFlow v9 has no
 * enterprise bit (RFC 3954). */
static bool parse_field_type(const char *text, struct custom_primitive *custom)
{
    unsigned long enterprise = 0, element;
    bool has_enterprise = strchr(text, ':');

    if (has_enterprise && !parse_number_until(text, UINT32_MAX, ':', &text, &enterprise))
        return false;
    if (!parse_number_until(text, has_enterprise ? INT16_MAX : UINT16_MAX, '\0', &text, &element) ||
        element == 0)
        return false;
    custom->is_reverse = enterprise == REVERSE_ENTERPRISE;
    custom->enterprise = custom->is_reverse ? 0 : (uint32_t)enterprise;
    custom->element = (uint16_t)element;
    return true;
}

static bool parse_len(const char *text, struct custom_primitive *custom)
{
    unsigned long len;

    if (strcasecmp(text, "vlen") == 0) {
        custom->len = 0;
        return true;
    }
    if (!parse_number_until(text, UINT16_MAX, '\0', &text, &len) || len == 0)
        return false;
    custom->len = (uint16_t)len;
    return true;
}

static bool parse_semantics(const char *text, struct custom_primitive *custom)
{
    for (size_t i = 0; i < sizeof semantics_names / sizeof semantics_names[0]; i++)
        if (strcasecmp(text, semantics_names[i]) == 0) {
            custom->semantics = (enum custom_semantics)i;
            return true;
        }
    return false;
}

static int take_row(struct primitive_table *table, const struct map_file *file,
                    const struct map_row *row, struct text *errors, struct text *warnings)
{
    struct custom_primitive custom = {.name = row->cells[KEY_NAME]->text};
    struct text error = {0};
    int err = -EINVAL;

    if (!row->cells[KEY_FIELD_TYPE])
        text_append_string(&error,
                           row->cells[KEY_PACKET_PTR]
                               ? "packet_ptr: bytes of sampled packets are not read by position; "
                                 "name an information element by field_type"
                               : "the row does not say field_type=");
    else if (!parse_field_type(row->cells[KEY_FIELD_TYPE]->text, &custom))
        text_append_printf(&error, "field_type=%s: expected [PEN:]ID, such as 47 or 637:91",
                           row->cells[KEY_FIELD_TYPE]->text);
    else if (!parse_len(row->cells[KEY_LEN]->text, &custom))
        text_append_printf(&error, "len=%s: expected a number of bytes, or vlen",
                           row->cells[KEY_LEN]->text);
    else if (!parse_semantics(row->cells[KEY_SEMANTICS]->text, &custom))
        text_append_printf(&error, "semantics=%s: expected u_int, hex, ip, mac, str or raw",
                           row->cells[KEY_SEMANTICS]->text);
    else
        err = primitive_table_add(table, &custom, &error);
    if (err != 0)
        text_append_printf(err < 0 ? errors : warnings, "%s:%u: %s\n", file->name, row->line,
                           text_cstr(&error));
    text_clear(&error);
    return err;
}

static int parse_definitions(struct primitive_table *table, const char *name, const char *data,
                             size_t len, struct text *errors, struct text *warnings,
                             size_t *ret_count)
{
    struct map_file *file;
    int err = map_file_parse(name, data, len, keys, NULL, errors, &file);

    if (err < 0)
        return err;
    for (size_t i = 0; i < file->row_count; i++)
        if (take_row(table, file, &file->rows[i], errors, warnings) < 0)
            err = -EINVAL;
    *ret_count = file->row_count;
    map_file_free(file);
    return err;
}

int custom_primitives_parse(struct primitive_table *table, const char *name, const char *data,
                            size_t len, struct text *errors)
{
    struct text warnings = {0};
    size_t count;
    int err = parse_definitions(table, name, data, len, errors, &warnings, &count);

    text_clear(&warnings);
    return err;
}

int custom_primitives_read(const char *path, struct map_report *report,
                           struct primitive_table **table)
{
    struct map_source source;
    struct text warnings = {0};
    size_t count = 0;
    int err = map_source_open(&source, path, report);

    if (err == 0)
        do {
            primitive_table_free(*table); /* of a try that failed */
            *table = primitive_table_new();
            text_reset(&warnings);
            err = parse_definitions(*table, path, source.content.data, source.content.len,
                                    &source.errors, &warnings, &count);
        } while (err < 0 && map_source_forgives(&source));
    text_append(report->warnings, warnings.data, warnings.len);
    text_clear(&warnings);
    map_source_close(&source, err, count);
    return err;
}
