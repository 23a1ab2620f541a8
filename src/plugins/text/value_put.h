/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Plain values on their way from a row to the text. All of it is in line, so that writing a row is
 * one loop without calls. */
#include "base/address.h"
#include "base/digits.h"
#include "base/octets.h"
#include "base/row_number.h"
#include "plugins/text/value.h"
#include "plugins/text/value_names.h"
#include "plugins/text/value_time.h"
#include <string.h>

/* Writes an address that is not IPv4, or none. */
char *value_put_other_ip(char *out, const uint8_t *field);

static inline char *value_put_ip(char *out, const uint8_t *field)
{
    return field[16] == IP_V4 ? octets_put_ipv4(out, field + 12) : value_put_other_ip(out, field);
}

static inline char *value_put_proto(char *out, uint8_t number)
{
    const struct protocol_name *name = &protocol_names[number];

    if (name->len == 0)
        return octet_put(out, number);
    memcpy(out, name->text, sizeof name->text);
    return out + name->len;
}

/* Writes a plain value at `out` (VALUE_PLAIN_MAX bytes of room) and returns the end. */
__attribute__((always_inline)) static inline char *value_put(const struct value *value, char *out,
                                                             const uint8_t *row)
{
    const uint8_t *field = row + value->offset;

    switch (value->shape) {
    case VALUE_U8:
        return octet_put(out, field[0]);
    case VALUE_U16:
        return digits_put_small(out, (uint16_t)row_number_load(field, sizeof(uint16_t)));
    case VALUE_U32:
        return digits_put(out, (uint32_t)row_number_load(field, sizeof(uint32_t)));
    case VALUE_U64:
        return digits_put(out, row_number_load(field, sizeof(uint64_t)));
    case VALUE_IP:
        return value_put_ip(out, field);
    case VALUE_TIME:
        return value_time_put(value->time, out, (int64_t)row_number_load(field, sizeof(uint64_t)),
                              true);
    case VALUE_PROTO:
        return value_put_proto(out, field[0]);
    default:
        return value->put(out, value, field);
    }
}
