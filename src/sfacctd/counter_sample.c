/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Makes JSON lines and event records of counter samples (sFlow version 5; RFC 3176): one for each
 * record, with the fields that its row of structures.def names. A record shorter than its row gives
 * the fields that it has, as specifications grew at the end.
 */
#include "sfacctd/counter_events.h"
#include "sfacctd/counter_log.h"
#include "sfacctd/sflow_decoder.h"

#include "base/clock.h"
#include "base/text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

struct counter_record {
    uint32_t format; /* enterprise << 12 | format */
    const char *name, *fields;
};

static const struct counter_record records[] = {
#define COUNTER_RECORD(enterprise, format, name, fields)                                           \
    {(uint32_t)(enterprise) << 12 | (format), #name, fields},
#define COUNTER_SKIPPED(enterprise, format, name, why)                                             \
    {(uint32_t)(enterprise) << 12 | (format), #name, NULL},
#include "sfacctd/structures.def"
};

static const struct counter_record *record_find(uint32_t format)
{
    for (size_t i = 0; i < sizeof records / sizeof records[0]; i++)
        if (records[i].format == format)
            return &records[i];
    return NULL;
}

/* ---- one field after the other ---- */

static void put_float(struct text *out, uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    if (isfinite(value))
        text_append_printf(out, "%.6g", (double)value);
    else
        text_append_string(out, "null");
}

static void put_hex(struct text *out, const uint8_t *data, size_t len, const char *separator)
{
    text_append_char(out, '"');
    for (size_t i = 0; i < len; i++)
        text_append_printf(out, "%s%02x", i > 0 ? separator : "", data[i]);
    text_append_char(out, '"');
}

static void put_value(struct text *out, char type, struct reader *r)
{
    const uint8_t *bytes;
    uint32_t value;

    switch (type) {
    case 'u':
        text_append_uint(out, reader_u32(r));
        break;
    case 'U':
        text_append_uint(out, reader_u64(r));
        break;
    case 'i':
        text_append_int(out, (int32_t)reader_u32(r));
        break;
    case 'f':
        put_float(out, reader_u32(r));
        break;
    case 'p': /* hundredths of a percent; -1: unknown */
        value = reader_u32(r);
        if (value == UINT32_MAX)
            text_append_string(out, "null");
        else
            text_append_printf(out, "%u.%02u", value / 100, value % 100);
        break;
    case 's':
        value = reader_u32(r);
        bytes = reader_bytes(r, value);
        sflow_skip_padding(r, value);
        text_append_json_string(out, (const char *)bytes, bytes ? value : 0);
        break;
    case 'm': /* six bytes of address, two of padding */
        bytes = reader_bytes(r, 8);
        put_hex(out, bytes, bytes ? 6 : 0, ":");
        break;
    case 'x':
        bytes = reader_bytes(r, 16);
        put_hex(out, bytes, bytes ? 16 : 0, "");
        break;
    default:
        break;
    }
}

/*
 * Appends the field's name, which stands after its type and ends at a blank. Returns what follows.
 */
static const char *put_name(struct text *out, const char *fields, bool is_first)
{
    size_t len = strcspn(fields, " ");

    text_append_string(out, is_first ? "\"" : ", \"");
    text_append(out, fields, len);
    text_append_string(out, "\": ");
    return fields + len + strspn(fields + len, " ");
}

/* Returns what follows the bracket that closes the array whose fields begin here. */
static const char *skip_array(const char *fields)
{
    for (int depth = 1; depth > 0; fields++)
        depth += *fields == '[' ? 1 : *fields == ']' ? -1 : 0;
    return fields + strspn(fields, " ");
}

static bool is_done(const char *fields)
{
    return *fields == '\0' || *fields == ']';
}

/*
 * Appends fields until the row or the record ends. A field that is cut off takes the line back to
 * before it, and the reader has failed. NOLINT: the recursion is as deep as structures.def, not as
 * the record.
 */
/* NOLINTNEXTLINE(misc-no-recursion) */
static void put_fields(struct text *out, const char *fields, bool is_first, struct reader *r)
{
    while (!is_done(fields) && reader_left(r) > 0) {
        size_t before = out->len;
        char type = *fields;
        fields = put_name(out, fields + (type == '[' ? 1 : 2), is_first);
        if (type == '[') {
            uint32_t count = reader_u32(r);
            text_append_char(out, '[');
            for (uint32_t i = 0; i < count && reader_left(r) > 0 && !r->failed; i++) {
                bool is_scalar = *fields == 'm';
                text_append_string(out, i > 0 ? ", " : "");
                if (is_scalar) {
                    put_value(out, *fields, r);
                } else {
                    text_append_char(out, '{');
                    put_fields(out, fields, true, r);
                    text_append_char(out, '}');
                }
            }
            text_append_char(out, ']');
            fields = skip_array(fields);
        } else {
            put_value(out, type, r);
        }
        if (r->failed) {
            out->len = before;
            return;
        }
        is_first = false;
    }
}

/* ---- a record, a sample ---- */

/* Returns pmacct's name for the record: pmacct drops "counters", and calls those of interfaces
 * generic. */
static const char *type_name(const char *name)
{
    return strcmp(name, "if_counters") == 0 ? "generic" : name;
}

static size_t type_len(const char *name)
{
    static const char suffix[] = "_counters";
    size_t len = strlen(type_name(name)), suffix_len = strlen(suffix);

    return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0 ? len - suffix_len
                                                                            : len;
}

static void put_line(struct sflow_message *msg, const struct counter_source *source,
                     const struct counter_record *record, uint64_t sequence)
{
    struct counter_log *log = msg->decoder->counter_log;
    const struct text *fields = &msg->decoder->counter_fields;
    struct text *out = counter_log_begin(log, &msg->agent_addr);
    int64_t now_ns = msg->datagram->received_ns;
    char agent[IP_TEXT_LEN];

    ip_addr_format(&msg->agent_addr, agent);
    text_append_printf(out, "{\"seq\": %llu, \"timestamp\": \"", (unsigned long long)sequence);
    counter_log_put_time(log, out, now_ns);
    text_append_printf(out,
                       "\", \"peer_ip_src\": \"%s\", \"event_type\": \"log\", \"source_id_class\": "
                       "%u, \"source_id_index\": %u, \"sub_agent_id\": %u, \"sflow_seq\": %u, "
                       "\"sflow_cnt_seq\": %u, \"sf_cnt_type\": \"sflow_cnt_%.*s\"",
                       agent, source->source_class, source->source_index, msg->sub_agent,
                       msg->sequence, source->sequence, (int)type_len(record->name),
                       type_name(record->name));
    text_append_string(out, fields->len > 0 ? ", " : "");
    text_append(out, fields->data, fields->len);
    text_append_string(out, "}\n");
    counter_log_end(log, msg->exporter);
}

static void put_event(struct sflow_message *msg, const struct counter_source *source,
                      const struct counter_record *record, uint64_t sequence)
{
    struct flow_batch *batch = msg->decoder->batch;
    const struct text *fields = &msg->decoder->counter_fields;
    int64_t now_ns = msg->datagram->received_ns;
    char type[64];
    int type_size = snprintf(type, sizeof type, "sflow_cnt_%.*s", (int)type_len(record->name),
                             type_name(record->name));
    struct event event;

    event_begin(&event, COUNTER_EVENT_KIND_RECORD);
    event_set_number(&event, COUNTER_EVENT_SEQ, sequence);
    event_set_number(&event, COUNTER_EVENT_TIMESTAMP, (uint64_t)now_ns);
    event_set_addr(&event, COUNTER_EVENT_AGENT, &msg->agent_addr);
    event_set_number(&event, COUNTER_EVENT_EVENT_TYPE, 0);
    event_set_number(&event, COUNTER_EVENT_SOURCE_CLASS, source->source_class);
    event_set_number(&event, COUNTER_EVENT_SOURCE_INDEX, source->source_index);
    event_set_number(&event, COUNTER_EVENT_SUB_AGENT, msg->sub_agent);
    event_set_number(&event, COUNTER_EVENT_DATAGRAM_SEQ, msg->sequence);
    event_set_number(&event, COUNTER_EVENT_SAMPLE_SEQ, source->sequence);
    event_set_bytes(&event, COUNTER_EVENT_TYPE, type, (size_t)type_size);
    event_set_bytes(&event, COUNTER_EVENT_FIELDS, fields->data, fields->len);
    batch->put_event(batch, &event, now_ns);
}

static void put_record_fields(struct text *out, const char *fields, struct reader *r)
{
    bool has_last = *fields == 'l' && reader_left(r) > 0;
    const char *name = fields + 2;
    uint32_t last = has_last ? reader_u32(r) : 0;

    text_reset(out);
    put_fields(out, has_last ? name + strcspn(name, " ") + 1 : fields, true, r);
    if (has_last && (!r->failed || out->len > 0)) {
        put_name(out, name, out->len == 0);
        text_append_uint(out, last);
    }
}

static void put_record(struct sflow_message *msg, const struct counter_source *source,
                       const struct counter_record *record, struct reader *r)
{
    struct sflow_decoder *decoder = msg->decoder;
    uint64_t sequence = decoder->counter_sequence++;

    put_record_fields(&decoder->counter_fields, record->fields, r);
    if (decoder->counter_log)
        put_line(msg, source, record, sequence);
    if (decoder->batch->put_event)
        put_event(msg, source, record, sequence);
}

static void decode_record(struct sflow_message *msg, const struct counter_source *source,
                          uint32_t format, struct reader *r)
{
    const struct counter_record *record = record_find(format);
    struct exporter *exporter = msg->exporter;

    if (!record) {
        counter_add(&exporter->counters.unknown_records, 1);
        return;
    }
    if (!record->fields || (!msg->decoder->counter_log && !msg->decoder->batch->put_event)) {
        counter_add(&exporter->counters.skipped_records, 1);
        return;
    }
    put_record(msg, source, record, r);
    if (r->failed)
        exporter_drop(exporter, DROP_bad_flow_record, "counters: enterprise %u format %u",
                      format >> 12, format & 0xfff);
}

void counter_sample_decode(struct sflow_message *msg, const struct counter_source *source,
                           uint32_t count, struct reader *r)
{
    counter_add(&msg->exporter->counters.counter_samples, 1);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t format = reader_u32(r);
        uint32_t len = reader_u32(r);
        struct reader record = reader_part(r, len);
        if (r->failed) {
            exporter_drop(msg->exporter, DROP_bad_sample,
                          "counters %u of %u: %u bytes, beyond the sample's end", i + 1, count,
                          len);
            return;
        }
        sflow_skip_padding(r, len);
        decode_record(msg, source, format, &record);
    }
}

/* RFC 3176's counters_version names the layout: interface counters, and those of a medium after
 * them. */
bool counter_sample_decode_v4(struct sflow_message *msg, const struct counter_source *source,
                              uint32_t layout, struct reader *r)
{
    enum { GENERIC_LEN = 88 };
    static const struct {
        uint8_t format, len;
    } media[] = {[1] = {0, 0},  [2] = {2, 52}, [3] = {3, 72}, [4] = {0, 0},
                 [5] = {4, 80}, [6] = {0, 0},  [7] = {5, 28}};
    bool has_generic = layout != 7;

    if (layout < 1 || layout >= sizeof media / sizeof media[0])
        return false;
    counter_add(&msg->exporter->counters.counter_samples, 1);
    struct reader generic = reader_part(r, has_generic ? GENERIC_LEN : 0);
    struct reader medium = reader_part(r, media[layout].len);
    if (r->failed)
        return false;
    if (has_generic)
        decode_record(msg, source, 1, &generic);
    if (media[layout].format != 0)
        decode_record(msg, source, media[layout].format, &medium);
    return true;
}
