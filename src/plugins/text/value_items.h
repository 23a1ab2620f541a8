/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Values that JSON and Avro show as an array or a map of strings, item by item. */
#include "plugins/text/value.h"

enum value_list { VALUE_IS_TEXT, VALUE_IS_ARRAY, VALUE_IS_MAP };

/* Tells which values have items; the others are one text or number. */
enum value_list value_list_of(uint8_t format, const struct value_options *options);

/* A place among the items of a value. */
struct value_items {
    const struct value *value;
    struct pa_bytes rest; /* what is left of the text or of the labels */
    uint32_t index;
    uint8_t flags;
    char text[24]; /* of the item, if it is not a part of another text */
};

/* `scratch` and the batch's dictionary are borrowed as long as items are asked for. */
void value_items_begin(struct value_items *items, const struct value *value,
                       const struct pa_batch *batch, const uint8_t *row, struct text *scratch);
/* Gives the next item, borrowed until the one after it; only those of a map have a name. False:
 * there are no more. A part of a label without '%' is a name without a text. */
bool value_items_next(struct value_items *items, struct pa_bytes *ret_name,
                      struct pa_bytes *ret_text);
