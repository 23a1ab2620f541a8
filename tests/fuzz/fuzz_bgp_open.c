/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: a byte stream as a BGP session sees it. Messages are framed, and OPENs, NOTIFICATIONs
 * and ROUTE-REFRESHes among them parsed. An OPEN that was read is written and must read back the
 * same. */
#include "bgp/message.h"
#include "support/check.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void open_round_trip(struct reader body)
{
    struct notification error;
    struct open_message open, again;
    uint8_t buffer[MESSAGE_LEN_MAX];
    struct writer w = writer_make(buffer, sizeof buffer);
    struct message message;

    if (message_parse_open(body, &open, &error) < 0)
        return;
    message_write_open(&w, &open);
    CHECK(!w.failed);
    CHECK(message_frame(buffer, writer_len(&w), MESSAGE_LEN_MAX, &message, &error) == 0);
    CHECK(message_parse_open(message.body, &again, &error) == 0);
    CHECK(again.as == open.as && again.router_id == open.router_id);
    CHECK(again.capabilities.families == open.capabilities.families);
    CHECK(again.capabilities.add_path_send == open.capabilities.add_path_send);
    CHECK(again.capabilities.extended_next_hop == open.capabilities.extended_next_hop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct message message;
    struct notification error;
    char text[NOTIFICATION_TEXT_LEN];
    int family;
    uint8_t subtype;

    while (size > 0 && message_frame(data, size, MESSAGE_EXTENDED_LEN_MAX, &message, &error) == 0) {
        if (message.type == MESSAGE_OPEN)
            open_round_trip(message.body);
        if (message.type == MESSAGE_ROUTE_REFRESH)
            message_parse_route_refresh(message.body, &family, &subtype, &error);
        if (message.type == MESSAGE_NOTIFICATION) {
            struct notification n = message_parse_notification(message.body);
            notification_format(&n, text);
            CHECK(strlen(text) < sizeof text);
        }
        data += message.len;
        size -= message.len;
    }
    return 0;
}
