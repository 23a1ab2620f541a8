/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Builds NetFlow v9 and IPFIX messages, byte by byte in the order of the calls, and feeds them to a
 * decode_rig. */
#include "nfacctd/element.h"
#include "support/decode_rig.h"

struct export_message {
    uint8_t bytes[4096];
    size_t len;
    size_t set; /* where the open set starts; 0: none */
    uint8_t version;
};

/* Begins a message that is exported at 1700000000. Only v9 has `uptime_ms`. */
void export_start(struct export_message *m, uint8_t version, uint32_t sequence, uint32_t domain,
                  uint32_t uptime_ms);
void export_template(struct export_message *m, uint16_t id, const struct template_field *fields,
                     size_t field_count);
void export_options_template(struct export_message *m, uint16_t id, size_t scope_count,
                             const struct template_field *fields, size_t field_count);
/* Opens a data set; calls that append values follow, then the next set or the end. */
void export_data(struct export_message *m, uint16_t template_id);
void export_uint(struct export_message *m, uint64_t value, size_t len);
void export_bytes(struct export_message *m, const void *data, size_t len);
/* Appends a text behind a byte with its length, the short form of RFC 7011 section 7. */
void export_text(struct export_message *m, const char *text);
/* Closes the message and decodes it; returns the number of flows in the batch then. */
uint32_t export_feed(struct export_message *m, struct decode_rig *rig);
