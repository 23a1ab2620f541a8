/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes NetFlow v9 (RFC 3954) and IPFIX (RFC 7011) messages from the layouts in those documents; no
 * code of the decoder takes part. */
#include "support/export_message.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

void export_bytes(struct export_message *m, const void *data, size_t len)
{
    if (m->len + len > sizeof m->bytes)
        abort();
    memcpy(m->bytes + m->len, data, len);
    m->len += len;
}

void export_uint(struct export_message *m, uint64_t value, size_t len)
{
    for (size_t i = len; i-- > 0;) {
        uint8_t byte = (uint8_t)(value >> (8 * i));
        export_bytes(m, &byte, 1);
    }
}

void export_text(struct export_message *m, const char *text)
{
    export_uint(m, strlen(text), 1);
    export_bytes(m, text, strlen(text));
}

static void put_len(struct export_message *m, size_t at, size_t len)
{
    m->bytes[at] = (uint8_t)(len >> 8);
    m->bytes[at + 1] = (uint8_t)len;
}

static void close_set(struct export_message *m)
{
    if (m->set > 0)
        put_len(m, m->set + 2, m->len - m->set);
    m->set = 0;
}

static void open_set(struct export_message *m, uint16_t id)
{
    close_set(m);
    m->set = m->len;
    export_uint(m, id, 2);
    export_uint(m, 0, 2);
}

void export_start(struct export_message *m, uint8_t version, uint32_t sequence, uint32_t domain,
                  uint32_t uptime_ms)
{
    *m = (struct export_message){.version = version};
    export_uint(m, version, 2);
    export_uint(m, 0, 2);
    if (version == 9)
        export_uint(m, uptime_ms, 4);
    export_uint(m, 1700000000, 4);
    export_uint(m, sequence, 4);
    export_uint(m, domain, 4);
}

static void put_fields(struct export_message *m, const struct template_field *fields,
                       size_t field_count)
{
    for (size_t i = 0; i < field_count; i++) {
        bool has_enterprise = m->version == 10 && fields[i].enterprise != 0;
        export_uint(m, fields[i].id | (has_enterprise ? 0x8000u : 0), 2);
        export_uint(m, fields[i].len, 2);
        if (has_enterprise)
            export_uint(m, fields[i].enterprise, 4);
    }
}

void export_template(struct export_message *m, uint16_t id, const struct template_field *fields,
                     size_t field_count)
{
    open_set(m, m->version == 10 ? 2 : 0);
    export_uint(m, id, 2);
    export_uint(m, field_count, 2);
    put_fields(m, fields, field_count);
}

void export_options_template(struct export_message *m, uint16_t id, size_t scope_count,
                             const struct template_field *fields, size_t field_count)
{
    open_set(m, m->version == 10 ? 3 : 1);
    export_uint(m, id, 2);
    if (m->version == 10) {
        export_uint(m, field_count, 2);
        export_uint(m, scope_count, 2);
    } else {
        export_uint(m, scope_count * 4, 2);
        export_uint(m, (field_count - scope_count) * 4, 2);
    }
    put_fields(m, fields, field_count);
}

void export_data(struct export_message *m, uint16_t template_id)
{
    open_set(m, template_id);
}

uint32_t export_feed(struct export_message *m, struct decode_rig *rig)
{
    close_set(m);
    if (m->version == 10)
        put_len(m, 2, m->len);
    uint8_t *exact = mem_dup(m->bytes, m->len);
    uint32_t count = decode_rig_bytes(rig, exact, m->len);
    mem_free(exact);
    return count;
}
