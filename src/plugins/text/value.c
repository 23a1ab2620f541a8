/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The text of each PA_FORMAT; the forms are those of pmacct. */
#include "plugins/text/value.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/text/value_put.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers ---- */

static uint64_t load_uint(const struct value *value, const uint8_t *field)
{
    switch (value->kind) {
    case PA_KIND_U8:
        return field[0];
    case PA_KIND_U16:
        return (uint16_t)row_number_load(field, sizeof(uint16_t));
    case PA_KIND_U32:
        return (uint32_t)row_number_load(field, sizeof(uint32_t));
    default:
        return row_number_load(field, sizeof(uint64_t));
    }
}

static char *put_string(char *out, const char *string)
{
    size_t len = strlen(string);

    memcpy(out, string, len);
    return out + len;
}

static char *put_hex_digits(char *out, uint64_t v)
{
    int shift = 60;

    while (shift > 0 && v >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *out++ = "0123456789abcdef"[v >> shift & 15];
    return out;
}

static char *put_hex(char *out, const struct value *value, const uint8_t *field)
{
    return put_hex_digits(out, load_uint(value, field));
}

/* Writes the six bits above the two of ECN (RFC 2474 section 3). */
static char *put_dscp(char *out, const struct value *value, const uint8_t *field)
{
    (void)value;
    return digits_put(out, field[0] >> 2);
}

/* ---- addresses ---- */

char *value_put_other_ip(char *out, const uint8_t *field)
{
    struct ip_addr addr;

    memcpy(&addr, field, sizeof addr);
    return out + ip_addr_format(&addr, out);
}

static char *put_ip_or_unspecified(char *out, const struct value *value, const uint8_t *field)
{
    (void)value;
    return field[16] == IP_NONE ? put_string(out, "::") : value_put_ip(out, field);
}

static char *put_mac(char *out, const struct value *value, const uint8_t *field)
{
    (void)value;
    for (int i = 0; i < 6; i++) {
        if (i > 0)
            *out++ = ':';
        *out++ = "0123456789abcdef"[field[i] >> 4];
        *out++ = "0123456789abcdef"[field[i] & 15];
    }
    return out;
}

/* ---- numbers with names ---- */

static char *put_fwd_status_text(char *out, const struct value *value, const uint8_t *field)
{
    (void)value;
    return put_string(out, forwarding_status_name(field[0]));
}

static char *put_direction(char *out, const struct value *value, const uint8_t *field)
{
    (void)value;
    *out = field[0] == 0 ? 'i' : field[0] == 1 ? 'e' : 'u'; /* IE 61, flowDirection */
    return out + 1;
}

static char *put_rd_origin(char *out, const struct value *value, const uint8_t *field)
{
    (void)value;
    return put_string(out, rd_origin_name(field[0]));
}

static char *put_named(char *out, const struct value *value, const uint8_t *field)
{
    uint64_t v = load_uint(value, field);

    if (v < value->names_count)
        return put_string(out, value->names[v]);
    return digits_put(out, v);
}

/* Writes a route distinguisher (RFC 4364 section 4.2). Type 65535 is our own: the low 4 bytes are a
 * VRF id, and no distinguisher was known. */
static char *put_rd(char *out, const struct value *value, const uint8_t *field)
{
    uint64_t rd = row_number_load(field, sizeof(uint64_t));
    unsigned type = (unsigned)(rd >> 48);
    uint8_t ip[4] = {(uint8_t)(rd >> 40), (uint8_t)(rd >> 32), (uint8_t)(rd >> 24),
                     (uint8_t)(rd >> 16)};

    (void)value;
    if (type == 0xffff) {
        out = put_string(out, "vrfid:");
        return digits_put(out, (uint32_t)rd);
    }
    out = digits_put(out, type);
    *out++ = ':';
    switch (type) {
    case 0: /* 2 bytes AS, 4 bytes number */
        out = digits_put(out, rd >> 32 & 0xffff);
        *out++ = ':';
        return digits_put(out, (uint32_t)rd);
    case 1: /* 4 bytes address, 2 bytes number */
        out = octets_put_ipv4(out, ip);
        *out++ = ':';
        return digits_put(out, rd & 0xffff);
    default: /* 4 bytes AS, 2 bytes number */
        out = digits_put(out, rd >> 16 & 0xffffffff);
        *out++ = ':';
        return digits_put(out, rd & 0xffff);
    }
}

/* ---- real numbers ---- */

double value_real(const uint8_t *field)
{
    double real;

    memcpy(&real, field, sizeof real);
    return isfinite(real) ? real : 0;
}

/* Writes a real number with six digits behind the point, as pmacct does but in JSON. */
static char *put_real(char *out, const struct value *value, const uint8_t *field)
{
    double real = value_real(field);
    int len = snprintf(out, VALUE_PLAIN_MAX, fabs(real) < 1e15 ? "%.6f" : "%.17g", real);

    (void)value;
    return out + len;
}

char *value_put_exact_real(char *out, const struct value *value, const uint8_t *field)
{
    double real = value_real(field);
    int len = 0;

    (void)value;
    for (int digits = 15; digits <= 17; digits++) { /* of a double 17 are always enough */
        len = snprintf(out, VALUE_PLAIN_MAX, "%.*g", digits, real);
        if (strtod(out, NULL) == real)
            break;
    }
    /* Without a point it would read as an integer. */
    return strpbrk(out, ".e") ? out + len : put_string(out + len, ".0");
}

/* ---- set-up ---- */

static int init_names(struct value *value, const char *names)
{
    char *part, *next;
    size_t count = 1;

    if (!names)
        return 0;
    for (const char *c = names; *c; c++)
        count += *c == '|';
    if (count > UINT8_MAX)
        return -EINVAL;
    value->names_storage = mem_strdup(names);
    value->names = mem_calloc(count, sizeof *value->names);
    for (part = value->names_storage; part; part = next) {
        next = strchr(part, '|');
        if (next)
            *next++ = 0;
        if (strlen(part) > VALUE_PLAIN_MAX)
            return -EINVAL;
        value->names[value->names_count++] = part;
    }
    return 0;
}

/* Returns VALUE_OTHER if the kind is not a number. */
static enum value_shape uint_shape(uint8_t kind)
{
    switch (kind) {
    case PA_KIND_U8:
        return VALUE_U8;
    case PA_KIND_U16:
        return VALUE_U16;
    case PA_KIND_U32:
        return VALUE_U32;
    case PA_KIND_U64:
        return VALUE_U64;
    default:
        return VALUE_OTHER;
    }
}

static void set_put(struct value *value, value_put_fn *put)
{
    value->shape = VALUE_BY_CALL;
    value->put = put;
}

/* Sets the shape of a format that stores one certain kind. -EINVAL: it is another format or
 * kind. */
static int init_plain(struct value *value, const struct value_options *options)
{
    static const struct {
        uint8_t format, kind;
        bool is_number;
        uint8_t shape;
        value_put_fn *put;
    } table[] = {
        {PA_FORMAT_IP, PA_KIND_ADDR, false, VALUE_IP, NULL},
        {PA_FORMAT_MAC, PA_KIND_MAC, false, VALUE_BY_CALL, put_mac},
        {PA_FORMAT_TIME, PA_KIND_TIME, false, VALUE_TIME, NULL},
        {PA_FORMAT_PROTO, PA_KIND_U8, false, VALUE_PROTO, NULL},
        {PA_FORMAT_TOS, PA_KIND_U8, true, VALUE_U8, NULL},
        {PA_FORMAT_RD, PA_KIND_U64, false, VALUE_BY_CALL, put_rd},
        {PA_FORMAT_RD_ORIGIN, PA_KIND_U8, false, VALUE_BY_CALL, put_rd_origin},
        {PA_FORMAT_FWD_STATUS, PA_KIND_U8, false, VALUE_U8, NULL}, /* pmacct's JSON has "64" */
        {PA_FORMAT_DIRECTION, PA_KIND_U8, false, VALUE_BY_CALL, put_direction},
        {PA_FORMAT_REAL, PA_KIND_U64, true, VALUE_BY_CALL, put_real},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].format != value->format)
            continue;
        if (table[i].kind != value->kind)
            return -EINVAL;
        value->shape = table[i].shape;
        value->put = table[i].put;
        value->is_number = table[i].is_number;
    }
    if (value->shape == VALUE_OTHER)
        return -EINVAL;
    if (value->format == PA_FORMAT_IP && options->has_unspecified_address)
        set_put(value, put_ip_or_unspecified);
    if (value->format == PA_FORMAT_PROTO && options->has_numeric_protos)
        value->shape = VALUE_U8; /* a number, but still text in JSON, as in pmacct */
    if (value->format == PA_FORMAT_TOS && options->has_dscp)
        set_put(value, put_dscp);
    if (value->format == PA_FORMAT_FWD_STATUS && options->has_fwd_status_text)
        set_put(value, put_fwd_status_text);
    return 0;
}

int value_init(struct value *value, const struct pa_column *column,
               const struct value_options *options, struct value_time *time)
{
    *value = (struct value){.offset = column->offset,
                            .width = column->width,
                            .kind = column->kind,
                            .format = column->format,
                            .time = time};
    switch (column->format) {
    case PA_FORMAT_TEXT:
        return column->kind == PA_KIND_BYTES || column->kind == PA_KIND_FIXED ? 0 : -EINVAL;
    case PA_FORMAT_UINT:
    case PA_FORMAT_TCP_FLAGS:
        value->shape = uint_shape(column->kind);
        value->is_number = column->format == PA_FORMAT_UINT || !options->has_tcp_flags_text;
        return value->shape != VALUE_OTHER ? 0 : -EINVAL;
    case PA_FORMAT_HEX:
        set_put(value, put_hex);
        return uint_shape(column->kind) != VALUE_OTHER ? 0 : -EINVAL;
    case PA_FORMAT_PATH_MATCH:
        set_put(value, put_named);
        return uint_shape(column->kind) != VALUE_OTHER ? init_names(value, column->value_names)
                                                       : -EINVAL;
    case PA_FORMAT_LABEL:
    case PA_FORMAT_CLASS:
    case PA_FORMAT_COMMUNITIES:
    case PA_FORMAT_AS_PATH:
    case PA_FORMAT_LABEL_STACK:
    case PA_FORMAT_IPV6_LIST:
    case PA_FORMAT_MEMBERS:
        return column->kind == PA_KIND_BYTES ? 0 : -EINVAL;
    case PA_FORMAT_CUSTOM_UINT:
    case PA_FORMAT_CUSTOM_HEX:
    case PA_FORMAT_CUSTOM_IP:
    case PA_FORMAT_CUSTOM_MAC:
    case PA_FORMAT_CUSTOM_TEXT:
    case PA_FORMAT_CUSTOM_RAW:
        return column->kind == PA_KIND_BYTES || column->kind == PA_KIND_FIXED ? 0 : -EINVAL;
    default:
        return init_plain(value, options);
    }
}

void value_clear(struct value *value)
{
    mem_free(value->names);
    mem_free(value->names_storage);
    value->names = NULL;
    value->names_storage = NULL;
    value->names_count = 0;
}

/* ---- values that are not plain ---- */

struct pa_bytes value_bytes(const struct value *value, const struct pa_batch *batch,
                            const uint8_t *row)
{
    const uint8_t *field = row + value->offset;
    uint32_t id;

    if (value->kind == PA_KIND_FIXED)
        return (struct pa_bytes){field, value->width};
    id = (uint32_t)row_number_load(field, sizeof(uint32_t));
    if (id >= batch->dictionary_count)
        return (struct pa_bytes){(const uint8_t *)"", 0};
    return batch->dictionary[id];
}

static void append_label_stack(struct text *out, struct pa_bytes bytes)
{
    for (uint32_t at = 0; at + 4 <= bytes.len; at += 4) {
        if (at > 0)
            text_append_char(out, '_');
        text_append_uint(out, (uint32_t)row_number_load(bytes.data + at, sizeof(uint32_t)));
    }
}

static void append_ipv6_list(struct text *out, struct pa_bytes bytes)
{
    for (uint32_t at = 0; at + 16 <= bytes.len; at += 16) {
        struct ip_addr addr = {.family = IP_V6};
        char text[IP_TEXT_LEN];

        if (at > 0)
            text_append_char(out, '_');
        memcpy(addr.bytes, bytes.data + at, 16);
        text_append(out, text, ip_addr_format(&addr, text));
    }
}

/* Writes each byte as two digits, joined by '-'. */
static void append_raw(struct text *out, struct pa_bytes bytes)
{
    text_reserve(out, (size_t)bytes.len * 3);
    for (uint32_t i = 0; i < bytes.len; i++) {
        if (i > 0)
            out->data[out->len++] = '-';
        out->data[out->len++] = "0123456789abcdef"[bytes.data[i] >> 4];
        out->data[out->len++] = "0123456789abcdef"[bytes.data[i] & 15];
    }
}

static void append_custom(struct text *out, uint8_t format, struct pa_bytes bytes)
{
    char plain[VALUE_PLAIN_MAX], *end = plain;
    struct ip_addr addr = {.family = IP_V6};
    uint64_t number = 0;

    for (uint32_t i = 0; i < bytes.len && i < 8; i++)
        number = number << 8 | bytes.data[i];
    if (format == PA_FORMAT_CUSTOM_UINT && bytes.len <= 8) {
        end = digits_put(plain, number);
    } else if (format == PA_FORMAT_CUSTOM_HEX && bytes.len <= 8) {
        end = put_hex_digits(plain, number);
    } else if (format == PA_FORMAT_CUSTOM_IP && bytes.len == 4) {
        end = octets_put_ipv4(plain, bytes.data);
    } else if (format == PA_FORMAT_CUSTOM_IP && bytes.len == 16) {
        memcpy(addr.bytes, bytes.data, 16);
        end += ip_addr_format(&addr, plain);
    } else if (format == PA_FORMAT_CUSTOM_MAC && bytes.len == 6) {
        end = put_mac(plain, NULL, bytes.data);
    } else {
        append_raw(out, bytes); /* the length does not fit the semantics */
        return;
    }
    text_append(out, plain, (size_t)(end - plain));
}

/* Returns a text that may be padded with zeros up to the first of them. */
static struct pa_bytes without_padding(struct pa_bytes bytes)
{
    const uint8_t *zero = bytes.len > 0 ? memchr(bytes.data, 0, bytes.len) : NULL;

    if (zero)
        bytes.len = (uint32_t)(zero - bytes.data);
    return bytes;
}

struct pa_bytes value_text(const struct value *value, const struct pa_batch *batch,
                           const uint8_t *row, struct text *scratch)
{
    struct pa_bytes bytes = value_bytes(value, batch, row);

    text_reset(scratch);
    switch (value->format) {
    case PA_FORMAT_CLASS:
        return bytes.len > 0 ? bytes : (struct pa_bytes){(const uint8_t *)"unknown", 7};
    case PA_FORMAT_LABEL:
    case PA_FORMAT_COMMUNITIES:
    case PA_FORMAT_AS_PATH:
    case PA_FORMAT_MEMBERS:
        return bytes;
    case PA_FORMAT_TEXT:
        return value->kind == PA_KIND_FIXED ? without_padding(bytes) : bytes;
    case PA_FORMAT_CUSTOM_TEXT:
        return without_padding(bytes);
    case PA_FORMAT_LABEL_STACK:
        append_label_stack(scratch, bytes);
        break;
    case PA_FORMAT_IPV6_LIST:
        append_ipv6_list(scratch, bytes);
        break;
    default:
        append_custom(scratch, value->format, bytes);
    }
    /* The data is never NULL, even if empty: callers step through it. */
    return (struct pa_bytes){(const uint8_t *)text_cstr(scratch), (uint32_t)scratch->len};
}

void value_append(const struct value *value, const struct pa_batch *batch, const uint8_t *row,
                  struct text *scratch, struct text *out)
{
    struct pa_bytes bytes;

    if (value->shape != VALUE_OTHER) {
        text_reserve(out, VALUE_PLAIN_MAX);
        out->len = (size_t)(value_put(value, out->data + out->len, row) - out->data);
        return;
    }
    bytes = value_text(value, batch, row, scratch);
    text_append(out, bytes.data, bytes.len);
}

void value_append_shown(const struct value *value, const struct pa_batch *batch, const uint8_t *row,
                        struct text *scratch, struct text *out)
{
    struct pa_bytes bytes;

    if (value->shape != VALUE_OTHER) {
        value_append(value, batch, row, scratch, out);
        return;
    }
    bytes = value_text(value, batch, row, scratch);
    text_append_shown(out, (const char *)bytes.data, bytes.len);
}
