/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Takes values apart into the items of arrays and maps, as pmacct's *_encode_as_* do. See
 * value_items.h. */
#include "plugins/text/value_items.h"
#include "base/row_number.h"
#include "base/text.h"
#include "plugins/text/value_names.h"
#include <stdio.h>
#include <string.h>

enum value_list value_list_of(uint8_t format, const struct value_options *options)
{
    bool is_array = false;

    switch (format) {
    case PA_FORMAT_TCP_FLAGS:
        is_array = options->has_tcp_flags_array;
        break;
    case PA_FORMAT_LABEL_STACK:
        is_array = options->has_label_stack_array;
        break;
    case PA_FORMAT_AS_PATH:
        is_array = options->has_as_path_array;
        break;
    case PA_FORMAT_COMMUNITIES:
        is_array = options->has_communities_array;
        break;
    case PA_FORMAT_IPV6_LIST: /* always an array in pmacct */
        is_array = true;
        break;
    case PA_FORMAT_LABEL:
        return options->has_label_map ? VALUE_IS_MAP : VALUE_IS_TEXT;
    default:
        break;
    }
    return is_array ? VALUE_IS_ARRAY : VALUE_IS_TEXT;
}

/* Returns the low byte of a number in the host's order, whatever its width. */
static uint8_t load_flags(const struct value *value, const uint8_t *row)
{
    const uint8_t *field = row + value->offset;

    switch (value->kind) {
    case PA_KIND_U8:
        return field[0];
    case PA_KIND_U16:
        return (uint8_t)row_number_load(field, sizeof(uint16_t));
    case PA_KIND_U32:
        return (uint8_t)row_number_load(field, sizeof(uint32_t));
    default:
        return (uint8_t)row_number_load(field, sizeof(uint64_t));
    }
}

void value_items_begin(struct value_items *items, const struct value *value,
                       const struct pa_batch *batch, const uint8_t *row, struct text *scratch)
{
    *items = (struct value_items){.value = value};
    if (value->format == PA_FORMAT_TCP_FLAGS)
        items->flags = load_flags(value, row);
    else if (value->format == PA_FORMAT_LABEL_STACK)
        items->rest = value_bytes(value, batch, row);
    else
        items->rest = value_text(value, batch, row, scratch);
}

/* Takes the part before the next `separator` off `rest`, with the separator, and returns it. */
static struct pa_bytes next_part(struct pa_bytes *rest, char separator)
{
    const uint8_t *stop = memchr(rest->data, separator, rest->len);
    struct pa_bytes part = {rest->data, stop ? (uint32_t)(stop - rest->data) : rest->len};
    uint32_t taken = part.len + (stop != NULL);

    *rest = (struct pa_bytes){rest->data + taken, rest->len - taken};
    return part;
}

static bool next_flag(struct value_items *items, struct pa_bytes *ret_text)
{
    while (items->index < TCP_FLAG_NAMES_COUNT) {
        const char *name = tcp_flag_names[items->index];
        if (items->flags & 0x20 >> items->index++) {
            *ret_text = (struct pa_bytes){(const uint8_t *)name, (uint32_t)strlen(name)};
            return true;
        }
    }
    return false;
}

/* Gives "0-l0", "1-l1": each label with its place in the stack before it. */
static bool next_label(struct value_items *items, struct pa_bytes *ret_text)
{
    int len;

    if (items->rest.len < sizeof(uint32_t))
        return false;
    len = snprintf(items->text, sizeof items->text, "%u-%u", items->index++,
                   (uint32_t)row_number_load(items->rest.data, sizeof(uint32_t)));
    items->rest.data += sizeof(uint32_t);
    items->rest.len -= sizeof(uint32_t);
    *ret_text = (struct pa_bytes){(const uint8_t *)items->text, (uint32_t)len};
    return true;
}

bool value_items_next(struct value_items *items, struct pa_bytes *ret_name,
                      struct pa_bytes *ret_text)
{
    switch (items->value->format) {
    case PA_FORMAT_TCP_FLAGS:
        return next_flag(items, ret_text);
    case PA_FORMAT_LABEL_STACK:
        return next_label(items, ret_text);
    default:
        break;
    }
    if (items->rest.len == 0)
        return false;
    if (items->value->format == PA_FORMAT_LABEL) {
        *ret_text = next_part(&items->rest, ',');
        *ret_name = next_part(ret_text, '%');
    } else {
        *ret_text = next_part(&items->rest, '_');
    }
    return true;
}
