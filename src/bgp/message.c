/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads and writes BGP messages: RFC 4271 sections 4 and 6.1 to 6.3, extended optional parameters
 * (RFC 9072), extended messages (RFC 8654), shutdown communication (RFC 9003).
 */
#include "bgp/message.h"
#include "base/text.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OPEN_FIXED_LEN       10
#define PARAMETER_CAPABILITY 2
#define PARAMETER_EXTENDED   255 /* as length and as first type: RFC 9072 section 2 */

struct message_rule {
    const char *name;
    uint16_t len_min, len_max; /* with the header; len_max 0: what the session agreed on */
};

/* RFC 4271 section 6.1, RFC 2918, RFC 8654 section 4 (OPEN and KEEPALIVE stay short). */
static const struct message_rule message_rules[] = {
    [MESSAGE_OPEN] = {"OPEN", 29, MESSAGE_LEN_MAX},     [MESSAGE_UPDATE] = {"UPDATE", 23, 0},
    [MESSAGE_NOTIFICATION] = {"NOTIFICATION", 21, 0},   [MESSAGE_KEEPALIVE] = {"KEEPALIVE", 19, 19},
    [MESSAGE_ROUTE_REFRESH] = {"ROUTE-REFRESH", 19, 0}, /* its own error: RFC 7313 section 5 */
};
#define MESSAGE_TYPE_COUNT (sizeof message_rules / sizeof message_rules[0])

struct error_name {
    uint8_t code, subcode; /* subcode 0: the code itself */
    const char *text;
};
static const struct error_name error_names[] = {
    {ERROR_HEADER, 0, "message header error"},
    {ERROR_HEADER, HEADER_NOT_SYNCHRONIZED, "connection not synchronized"},
    {ERROR_HEADER, HEADER_BAD_LENGTH, "bad message length"},
    {ERROR_HEADER, HEADER_BAD_TYPE, "bad message type"},
    {ERROR_OPEN, 0, "open message error"},
    {ERROR_OPEN, OPEN_BAD_VERSION, "unsupported version number"},
    {ERROR_OPEN, OPEN_BAD_PEER_AS, "bad peer AS"},
    {ERROR_OPEN, OPEN_BAD_IDENTIFIER, "bad BGP identifier"},
    {ERROR_OPEN, OPEN_BAD_PARAMETER, "unsupported optional parameter"},
    {ERROR_OPEN, OPEN_BAD_HOLD_TIME, "unacceptable hold time"},
    {ERROR_OPEN, 7, "unsupported capability"},
    {ERROR_UPDATE, 0, "update message error"},
    {ERROR_UPDATE, UPDATE_MALFORMED_ATTRIBUTES, "malformed attribute list"},
    {ERROR_UPDATE, UPDATE_UNKNOWN_WELL_KNOWN, "unrecognized well-known attribute"},
    {ERROR_UPDATE, 3, "missing well-known attribute"},
    {ERROR_UPDATE, 4, "attribute flags error"},
    {ERROR_UPDATE, 5, "attribute length error"},
    {ERROR_UPDATE, 6, "invalid origin attribute"},
    {ERROR_UPDATE, 8, "invalid next hop attribute"},
    {ERROR_UPDATE, UPDATE_OPTIONAL_ATTRIBUTE, "optional attribute error"},
    {ERROR_UPDATE, UPDATE_BAD_NETWORK, "invalid network field"},
    {ERROR_UPDATE, 11, "malformed AS path"},
    {ERROR_HOLD_TIMER, 0, "hold timer expired"},
    {ERROR_STATE_MACHINE, 0, "finite state machine error"},
    {ERROR_STATE_MACHINE, 1, "unexpected message in OpenSent"},
    {ERROR_STATE_MACHINE, 2, "unexpected message in OpenConfirm"},
    {ERROR_STATE_MACHINE, 3, "unexpected message in Established"},
    {ERROR_CEASE, 0, "cease"},
    {ERROR_CEASE, CEASE_MAX_PREFIXES, "maximum number of prefixes reached"},
    {ERROR_CEASE, CEASE_SHUTDOWN, "administrative shutdown"},
    {ERROR_CEASE, 3, "peer de-configured"},
    {ERROR_CEASE, 4, "administrative reset"},
    {ERROR_CEASE, CEASE_REJECTED, "connection rejected"},
    {ERROR_CEASE, 6, "other configuration change"},
    {ERROR_CEASE, CEASE_COLLISION, "connection collision resolution"},
    {ERROR_CEASE, CEASE_OUT_OF_RESOURCES, "out of resources"},
    {ERROR_CEASE, 9, "hard reset"},
    {ERROR_ROUTE_REFRESH, 0, "route refresh message error"},
    {ERROR_ROUTE_REFRESH, ROUTE_REFRESH_BAD_LENGTH, "invalid message length"},
};

static const char *error_name_find(uint8_t code, uint8_t subcode)
{
    for (size_t i = 0; i < sizeof error_names / sizeof error_names[0]; i++) {
        if (error_names[i].code == code && error_names[i].subcode == subcode)
            return error_names[i].text;
    }
    return NULL;
}

struct notification notification_make(uint8_t code, uint8_t subcode)
{
    return (struct notification){.code = code, .subcode = subcode};
}

static struct notification notification_with(uint8_t code, uint8_t subcode, const void *data,
                                             size_t len)
{
    struct notification n = {.code = code, .subcode = subcode};

    n.data_len = (uint16_t)(len < NOTIFICATION_DATA_MAX ? len : NOTIFICATION_DATA_MAX);
    memcpy(n.data, data, n.data_len);
    return n;
}

struct notification notification_shutdown(const char *text)
{
    struct notification n = notification_make(ERROR_CEASE, CEASE_SHUTDOWN);
    size_t len = strlen(text);

    if (len > NOTIFICATION_DATA_MAX - 1)
        len = NOTIFICATION_DATA_MAX - 1;
    n.data[0] = (uint8_t)len;
    memcpy(n.data + 1, text, len);
    n.data_len = (uint16_t)(len + 1);
    return n;
}

/* Appends an operator's words, which others wrote: nothing in them may move a terminal's cursor or
 * begin a line of a log. Returns the end. */
static size_t words_append(const uint8_t *words, size_t len, char *out, size_t pos, size_t end)
{
    for (size_t i = 0; i < len;) {
        size_t bytes = words[i] < 0x80 ? 1 : text_utf8_len(words + i, len - i);
        bool is_c1 = bytes == 2 && words[i] == 0xc2 && words[i + 1] < 0xa0;
        bool is_shown = bytes > 0 && words[i] >= 0x20 && words[i] != 0x7f && !is_c1;
        size_t shown = is_shown ? bytes : 1;
        if (pos + shown > end)
            break;
        memcpy(out + pos, is_shown ? (const char *)words + i : "?", shown);
        pos += shown;
        i += bytes > 0 ? bytes : 1;
    }
    return pos;
}

void notification_format(const struct notification *n, char out[NOTIFICATION_TEXT_LEN])
{
    const char *code = error_name_find(n->code, 0);
    const char *subcode = n->subcode ? error_name_find(n->code, n->subcode) : NULL;
    int len;

    if (!code)
        len = snprintf(out, NOTIFICATION_TEXT_LEN, "error %u/%u", n->code, n->subcode);
    else if (subcode)
        len = snprintf(out, NOTIFICATION_TEXT_LEN, "%s: %s", code, subcode);
    else if (n->subcode)
        len = snprintf(out, NOTIFICATION_TEXT_LEN, "%s: subcode %u", code, n->subcode);
    else
        len = snprintf(out, NOTIFICATION_TEXT_LEN, "%s", code);

    bool has_text = n->code == ERROR_CEASE && (n->subcode == CEASE_SHUTDOWN || n->subcode == 4);
    if (!has_text || n->data_len < 2 || n->data[0] == 0 || n->data[0] > n->data_len - 1)
        return;
    size_t pos = (size_t)len;
    pos += (size_t)snprintf(out + pos, NOTIFICATION_TEXT_LEN - pos, " (");
    pos = words_append(n->data + 1, n->data[0], out, pos, NOTIFICATION_TEXT_LEN - 2);
    out[pos++] = ')';
    out[pos] = '\0';
}

bool notification_is_final(const struct notification *n)
{
    return n->code == ERROR_CEASE &&
           (n->subcode == CEASE_SHUTDOWN || n->subcode == CEASE_DECONFIGURED ||
            n->subcode == CEASE_HARD_RESET);
}

int message_frame(const uint8_t *data, size_t len, size_t len_max, struct message *ret_message,
                  struct notification *ret_error)
{
    static const uint8_t marker[16] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
                                       0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    /* A stranger that speaks another protocol is told so at its first bytes, not when 19 are
     * there. */
    if (memcmp(data, marker, len < sizeof marker ? len : sizeof marker) != 0) {
        *ret_error = notification_make(ERROR_HEADER, HEADER_NOT_SYNCHRONIZED);
        return -EBADMSG;
    }
    if (len < MESSAGE_HEADER_LEN)
        return -EAGAIN;

    size_t message_len = wire_u16(data + 16);
    uint8_t type = data[18];
    if (type < MESSAGE_OPEN || type >= MESSAGE_TYPE_COUNT) {
        *ret_error = notification_with(ERROR_HEADER, HEADER_BAD_TYPE, &type, 1);
        return -EBADMSG;
    }
    const struct message_rule *rule = &message_rules[type];
    size_t max = rule->len_max ? rule->len_max : len_max;
    if (message_len < rule->len_min || message_len > max) {
        *ret_error = notification_with(ERROR_HEADER, HEADER_BAD_LENGTH, data + 16, 2);
        return -EBADMSG;
    }
    if (len < message_len)
        return -EAGAIN;
    ret_message->type = type;
    ret_message->len = message_len;
    ret_message->body = reader_make(data + MESSAGE_HEADER_LEN, message_len - MESSAGE_HEADER_LEN);
    return 0;
}

/* Reads one optional parameter after the other; `len_size` is 1, or 2 in the extended form. */
static int parameters_parse(struct reader parameters, size_t len_size, struct capabilities *caps,
                            struct notification *ret_error)
{
    while (reader_left(&parameters) > 0) {
        uint8_t type = reader_u8(&parameters);
        size_t len = (size_t)reader_uint(&parameters, len_size);
        struct reader value = reader_part(&parameters, len);
        if (parameters.failed) {
            *ret_error = notification_make(ERROR_OPEN, OPEN_UNSPECIFIC);
            return -EBADMSG;
        }
        if (type != PARAMETER_CAPABILITY) {
            *ret_error = notification_make(ERROR_OPEN, OPEN_BAD_PARAMETER);
            return -EBADMSG;
        }
        if (capabilities_parse(value, caps) < 0) {
            *ret_error = notification_make(ERROR_OPEN, OPEN_UNSPECIFIC);
            return -EBADMSG;
        }
    }
    return 0;
}

int message_read_open(struct reader body, struct open_message *ret_open,
                      struct notification *ret_error)
{
    struct open_message open = {0};

    uint8_t version = reader_u8(&body);
    uint16_t as = reader_u16(&body);
    open.hold_time_s = reader_u16(&body);
    open.router_id = reader_u32(&body);
    size_t parameters_len = reader_u8(&body);
    size_t len_size = 1;
    if (version != 4) {
        static const uint8_t ours[2] = {0, 4};
        *ret_error = notification_with(ERROR_OPEN, OPEN_BAD_VERSION, ours, sizeof ours);
        return -EBADMSG;
    }
    if (parameters_len != 0 && reader_left(&body) > 0 && body.pos[0] == PARAMETER_EXTENDED) {
        reader_u8(&body);
        parameters_len = reader_u16(&body);
        len_size = 2;
    }
    if (body.failed || reader_left(&body) != parameters_len) {
        *ret_error = notification_make(ERROR_OPEN, OPEN_UNSPECIFIC);
        return -EBADMSG;
    }
    int err = parameters_parse(body, len_size, &open.capabilities, ret_error);
    if (err < 0)
        return err;

    open.as = open.capabilities.has_four_octet_as ? open.capabilities.as : as;
    *ret_open = open;
    return 0;
}

int message_parse_open(struct reader body, struct open_message *ret_open,
                       struct notification *ret_error)
{
    struct open_message open;
    int err = message_read_open(body, &open, ret_error);

    if (err < 0)
        return err;
    /* AS 0: RFC 7607. AS_TRANS is nobody's own number. */
    if (open.as == 0 || (open.as == AS_TRANS && open.capabilities.has_four_octet_as)) {
        *ret_error = notification_make(ERROR_OPEN, OPEN_BAD_PEER_AS);
        return -EBADMSG;
    }
    if (open.router_id == 0) { /* RFC 6286 section 2.2 */
        *ret_error = notification_make(ERROR_OPEN, OPEN_BAD_IDENTIFIER);
        return -EBADMSG;
    }
    if (open.hold_time_s == 1 || open.hold_time_s == 2) {
        *ret_error = notification_make(ERROR_OPEN, OPEN_BAD_HOLD_TIME);
        return -EBADMSG;
    }
    *ret_open = open;
    return 0;
}

/* Returns where the length goes. */
static uint8_t *header_write(struct writer *w, enum message_type type)
{
    uint8_t *marker = writer_skip(w, 16);
    if (marker)
        memset(marker, 0xff, 16);
    uint8_t *len = writer_skip(w, 2);
    writer_u8(w, (uint8_t)type);
    return len;
}

static void header_finish(struct writer *w, const uint8_t *start, uint8_t *len)
{
    if (!w->failed)
        wire_put_u16(len, (uint16_t)(w->pos - start));
}

void message_write_open(struct writer *w, const struct open_message *open)
{
    uint8_t capabilities[255];
    struct writer caps = writer_make(capabilities, sizeof capabilities);
    capabilities_write(&caps, &open->capabilities);
    size_t caps_len = writer_len(&caps);

    const uint8_t *start = w->pos;
    uint8_t *len = header_write(w, MESSAGE_OPEN);
    writer_u8(w, 4);
    writer_u16(w, open->as > UINT16_MAX ? AS_TRANS : (uint16_t)open->as);
    writer_u16(w, open->hold_time_s);
    writer_u32(w, open->router_id);
    writer_u8(w, (uint8_t)(caps_len > 0 ? caps_len + 2 : 0));
    if (caps_len > 0) {
        writer_u8(w, PARAMETER_CAPABILITY);
        writer_u8(w, (uint8_t)caps_len);
        writer_bytes(w, capabilities, caps_len);
    }
    header_finish(w, start, len);
}

int message_parse_update(struct reader body, struct update_parts *ret_parts,
                         struct notification *ret_error)
{
    struct update_parts parts;

    parts.withdrawn = reader_part(&body, reader_u16(&body));
    parts.attributes = reader_part(&body, reader_u16(&body));
    if (body.failed) {
        *ret_error = notification_make(ERROR_UPDATE, UPDATE_MALFORMED_ATTRIBUTES);
        return -EBADMSG;
    }
    parts.announced = body;
    *ret_parts = parts;
    return 0;
}

struct notification message_parse_notification(struct reader body)
{
    uint8_t code = reader_u8(&body);
    uint8_t subcode = reader_u8(&body);
    return notification_with(code, subcode, body.pos, reader_left(&body));
}

void message_write_notification(struct writer *w, const struct notification *n)
{
    const uint8_t *start = w->pos;
    uint8_t *len = header_write(w, MESSAGE_NOTIFICATION);
    writer_u8(w, n->code);
    writer_u8(w, n->subcode);
    writer_bytes(w, n->data, n->data_len);
    header_finish(w, start, len);
}

void message_write_keepalive(struct writer *w)
{
    const uint8_t *start = w->pos;
    uint8_t *len = header_write(w, MESSAGE_KEEPALIVE);
    header_finish(w, start, len);
}

int message_parse_route_refresh(struct reader body, int *ret_family, uint8_t *ret_subtype,
                                struct notification *ret_error)
{
    size_t len = reader_left(&body);
    uint16_t afi = reader_u16(&body);
    uint8_t subtype = reader_u8(&body);
    uint8_t safi = reader_u8(&body);

    /* Longer ones carry outbound route filters (RFC 5291), which we never agree on. */
    if (len != 4) {
        *ret_error = notification_make(ERROR_ROUTE_REFRESH, ROUTE_REFRESH_BAD_LENGTH);
        return -EBADMSG;
    }
    *ret_family = address_family_find(afi, safi);
    *ret_subtype = subtype;
    return 0;
}
