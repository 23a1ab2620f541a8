/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * BGP messages (RFC 4271 section 4): framing out of a byte stream, and the fixed parts of each
 * type. Errors come as the NOTIFICATION that the RFCs want for them.
 */
#include "base/reader.h"
#include "base/writer.h"
#include "bgp/capability.h"
#include <stddef.h>
#include <stdint.h>

enum message_type {
    MESSAGE_OPEN = 1,
    MESSAGE_UPDATE = 2,
    MESSAGE_NOTIFICATION = 3,
    MESSAGE_KEEPALIVE = 4,
    MESSAGE_ROUTE_REFRESH = 5,
};
#define MESSAGE_HEADER_LEN       19
#define MESSAGE_LEN_MAX          4096
#define MESSAGE_EXTENDED_LEN_MAX 65535 /* RFC 8654; never OPEN and KEEPALIVE */
#define AS_TRANS                 23456 /* RFC 6793 */

/* Error codes of NOTIFICATIONs and the subcodes that we use (IANA: BGP Error Codes). */
enum {
    ERROR_HEADER = 1,
    ERROR_OPEN = 2,
    ERROR_UPDATE = 3,
    ERROR_HOLD_TIMER = 4,
    ERROR_STATE_MACHINE = 5,
    ERROR_CEASE = 6,
    ERROR_ROUTE_REFRESH = 7,
};
enum { HEADER_NOT_SYNCHRONIZED = 1, HEADER_BAD_LENGTH = 2, HEADER_BAD_TYPE = 3 };
enum {
    OPEN_UNSPECIFIC = 0,
    OPEN_BAD_VERSION = 1,
    OPEN_BAD_PEER_AS = 2,
    OPEN_BAD_IDENTIFIER = 3,
    OPEN_BAD_PARAMETER = 4,
    OPEN_BAD_HOLD_TIME = 6,
};
enum {
    UPDATE_MALFORMED_ATTRIBUTES = 1,
    UPDATE_UNKNOWN_WELL_KNOWN = 2,
    UPDATE_OPTIONAL_ATTRIBUTE = 9,
    UPDATE_BAD_NETWORK = 10,
};
enum {
    STATE_UNEXPECTED_IN_OPEN_SENT = 1,
    STATE_UNEXPECTED_IN_OPEN_CONFIRM = 2,
    STATE_UNEXPECTED_IN_ESTABLISHED = 3
};     /* RFC 6608 */
enum { /* RFC 4486 */
       CEASE_MAX_PREFIXES = 1,
       CEASE_SHUTDOWN = 2,
       CEASE_DECONFIGURED = 3,
       CEASE_REJECTED = 5,
       CEASE_COLLISION = 7,
       CEASE_OUT_OF_RESOURCES = 8,
       CEASE_HARD_RESET = 9, /* RFC 8538 */
};
enum { ROUTE_REFRESH_BAD_LENGTH = 1 }; /* RFC 7313 section 5 */

/* An error that we tell a peer, or that it told us. */
#define NOTIFICATION_DATA_MAX 256 /* a length and 255 bytes of text (RFC 9003) */
struct notification {
    uint8_t code, subcode;
    uint16_t data_len;
    uint8_t data[NOTIFICATION_DATA_MAX];
};
struct notification notification_make(uint8_t code, uint8_t subcode);
/* Writes such as "open message error: bad peer AS", with the shutdown communication (RFC 9003)
 * made safe to print: control characters (C0, DEL, C1) and bytes that are no UTF-8 become '?'. */
#define NOTIFICATION_TEXT_LEN 320
void notification_format(const struct notification *n, char out[NOTIFICATION_TEXT_LEN]);
/* Whether who says this ends the session on purpose: administrative shutdown, de-configured, hard reset
 * (RFC 4486, RFC 8538). */
bool notification_is_final(const struct notification *n);
/* Makes a Cease for an administrative shutdown; the text is cut to 255 bytes of UTF-8. */
struct notification notification_shutdown(const char *text);

struct message {
    uint8_t type;       /* enum message_type */
    size_t len;         /* with the header */
    struct reader body; /* borrows the stream's bytes */
};
/* Finds the message that `data` begins with; `len_max` is what was agreed on. -EAGAIN: not all
 * of it is there yet; -EBADMSG: send *ret_error. */
int message_frame(const uint8_t *data, size_t len, size_t len_max, struct message *ret_message,
                  struct notification *ret_error);

struct open_message {
    uint32_t as; /* the four-octet one if there is one */
    uint16_t hold_time_s;
    uint32_t router_id; /* host order */
    struct capabilities capabilities;
};
/* -EBADMSG: send *ret_error. Who we are and whom we want is not checked here. */
int message_parse_open(struct reader body, struct open_message *ret_open,
                       struct notification *ret_error);
/* Reads an OPEN that others exchanged: whether its values are good was theirs to judge. */
int message_read_open(struct reader body, struct open_message *ret_open,
                      struct notification *ret_error);
void message_write_open(struct writer *w, const struct open_message *open);

/* The three parts of an UPDATE, unread. -EBADMSG: send *ret_error. */
struct update_parts {
    struct reader withdrawn, attributes, announced;
};
int message_parse_update(struct reader body, struct update_parts *ret_parts,
                         struct notification *ret_error);

/* Never fails: what is not there is zero. */
struct notification message_parse_notification(struct reader body);
void message_write_notification(struct writer *w, const struct notification *n);
void message_write_keepalive(struct writer *w);

/* `family` is an enum address_family, or -1: not one of ours. Subtypes: RFC 7313. -EBADMSG: send
 * *ret_error. */
enum { REFRESH_REQUEST = 0, REFRESH_BEGIN = 1, REFRESH_END = 2 };
int message_parse_route_refresh(struct reader body, int *ret_family, uint8_t *ret_subtype,
                                struct notification *ret_error);
