/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The decoder rig of decode_rig.h: it plays the worker, and fills the batch with a pattern that shows
 * which members of a flow a decoder did not set. */
#include "support/decode_rig.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/memory.h"
#include "base/text.h"
#include "base/thread.h"

#define RIG_NOW_NS  INT64_C(1700000000000000000)
#define RIG_OLD_NS  INT64_C(4000000000000000000) /* exports have 32 bits of seconds */
#define RIG_STEP_NS INT64_C(1000000000000)

uint8_t *hex_bytes(const char *hex, size_t *ret_len)
{
    uint8_t *bytes = mem_alloc(strlen(hex) / 2 + 1);
    size_t digits = 0;

    for (const char *p = hex; *p; p++) {
        if (*p == '#') {
            while (p[1] && p[1] != '\n')
                p++;
        } else if (isxdigit((unsigned char)*p)) {
            const char digit[2] = {*p, 0};
            uint8_t value = (uint8_t)strtoul(digit, NULL, 16);
            bytes[digits / 2] =
                digits % 2 ? (uint8_t)(bytes[digits / 2] | value) : (uint8_t)(value << 4);
            digits++;
        } else if (!isspace((unsigned char)*p)) {
            abort(); /* a test with a typing error */
        }
    }
    if (digits % 2)
        abort();
    *ret_len = digits / 2;
    return mem_realloc(bytes, *ret_len ? *ret_len : 1);
}

static void rig_full(struct flow_batch *batch)
{
    struct decode_rig *rig = batch->owner;

    for (uint32_t i = 0; i < batch->count; i++)
        rig->full_bytes += flow_batch_at(batch, i)->bytes;
    rig->full_count += batch->count;
    batch->count = 0;
}

static void rig_evict(void *arg, struct exporter *exporter)
{
    struct decode_rig *rig = arg;

    rig->ops->forget(rig->decoder, exporter);
}

void decode_rig_init(struct decode_rig *rig)
{
    static const uint8_t source[4] = {192, 0, 2, 1};
    static const struct nfacctd_settings own = NFACCTD_SETTINGS_DEFAULT;

    *rig = (struct decode_rig){.ops = &nfacctd_decoder,
                               .own = own,
                               .now_ns = RIG_NOW_NS,
                               .source_port = 2055,
                               .exporters_max = 16};
    rig->source = ip_addr_v4(source);
    for (int m = 0; m < FLOW_MEMBER_COUNT; m++)
        flow_needs_add(&rig->settings.needs, m);
}

void decode_rig_init_sflow(struct decode_rig *rig)
{
    static const struct sfacctd_settings own = SFACCTD_SETTINGS_DEFAULT;

    decode_rig_init(rig);
    rig->ops = &sfacctd_decoder;
    rig->sflow = own;
}

void decode_rig_start(struct decode_rig *rig, uint32_t batch_capacity)
{
    uint32_t stride = (uint32_t)sizeof(struct flow);

    thread_enter_role(&worker_thread); /* for good, as rigs may be nested */
    for (uint32_t i = 0; i < rig->settings.custom_field_count; i++) {
        const struct custom_field *custom = &rig->settings.custom_fields[i];
        uint32_t end =
            custom->flow_offset + (custom->len ? custom->len : (uint32_t)sizeof(struct flow_bytes));
        if (end > stride)
            stride = end;
    }
    stride = (stride + 7) / 8 * 8;
    rig->settings.own =
        rig->ops == &sfacctd_decoder ? (const void *)&rig->sflow : (const void *)&rig->own;
    rig->batch = (struct flow_batch){
        .flows = mem_zalloc((size_t)batch_capacity * stride),
        .stride = stride,
        .capacity = batch_capacity,
        .full = rig_full,
        .owner = rig,
    };
    /* The pattern shows which members a decoder did not set. */
    memset(rig->batch.flows, 0xa5, (size_t)batch_capacity * stride);
    rig->exporters = exporter_table_new(rig->exporters_max, rig_evict, rig);
    rig->decoder = rig->ops->new (&rig->settings, rig->exporters, &rig->batch);
}

void decode_rig_clear(struct decode_rig *rig)
{
    exporter_table_free(rig->exporters);
    rig->ops->free(rig->decoder);
    mem_free(rig->batch.flows);
    saved_store_free(rig->saved);
    rig->saved = NULL;
}

static size_t save(struct decode_rig *rig, struct text *out)
{
    struct saved_pieces *pieces = rig->ops->save(rig->decoder);

    if (!rig->saved)
        rig->saved = saved_store_new();
    rig->saved_count = pieces->count;
    saved_store_take(rig->saved, pieces);
    return saved_store_write(rig->saved, false, out);
}

size_t decode_rig_save_count(struct decode_rig *rig)
{
    struct text text = {0};
    size_t count = save(rig, &text);

    text_clear(&text);
    return count;
}

json_t *decode_rig_save(struct decode_rig *rig)
{
    struct text text = {0};

    text_append_char(&text, '[');
    save(rig, &text);
    text_append_char(&text, ']');
    json_t *saved = json_loads(text_cstr(&text), 0, NULL);
    text_clear(&text);
    return saved;
}

void decode_rig_reset(struct decode_rig *rig)
{
    rig->batch.count = 0;
    /* Texts of flows are free to go from the first tick with an empty batch. */
    rig->now_ns += RIG_STEP_NS;
    rig->ops->tick(rig->decoder, rig->now_ns);
    /* The places of all that are there are taken by others, of which nothing is known. The first of
     * them sends from now on: where there is but one place, it is taken once. */
    rig->reset_count++;
    rig->source.bytes[15] = (uint8_t)(1 + rig->reset_count % 2);
    for (uint32_t i = rig->exporters_max; i-- > 0;) {
        const uint8_t bytes[4] = {198, 51, (uint8_t)(100 + rig->reset_count % 2), (uint8_t)i};
        struct ip_addr other = i > 0 ? ip_addr_v4(bytes) : rig->source;
        exporter_table_get(rig->exporters, &other, rig->now_ns);
    }
    rig->ops->tick(rig->decoder, rig->now_ns);
}

bool decode_rig_is_old(const struct decode_rig *rig)
{
    return rig->now_ns > RIG_OLD_NS;
}

static struct datagram datagram_of(struct decode_rig *rig, const uint8_t *data, size_t len)
{
    return (struct datagram){
        .data = data,
        .len = (uint32_t)len,
        .source_port = rig->source_port,
        .source = rig->source,
        .received_ns = rig->now_ns,
        .number = ++rig->datagram_number,
    };
}

void decode_rig_learn(struct decode_rig *rig, const uint8_t *data, size_t len)
{
    struct datagram datagram = datagram_of(rig, data, len);

    rig->ops->learn(rig->decoder, decode_rig_exporter(rig), &datagram);
}

uint32_t decode_rig_bytes(struct decode_rig *rig, const uint8_t *data, size_t len)
{
    struct datagram datagram = datagram_of(rig, data, len);

    rig->ops->decode(rig->decoder, decode_rig_exporter(rig), &datagram);
    return rig->batch.count;
}

uint32_t decode_rig_hex(struct decode_rig *rig, const char *hex)
{
    size_t len;
    uint8_t *bytes = hex_bytes(hex, &len);
    uint32_t count = decode_rig_bytes(rig, bytes, len);

    mem_free(bytes); /* flows do not point into it: AddressSanitizer would tell */
    return count;
}

void decode_rig_empty(struct decode_rig *rig)
{
    rig->batch.count = 0;
}

struct flow *decode_rig_flow(struct decode_rig *rig, uint32_t index)
{
    return index < rig->batch.count ? flow_batch_at(&rig->batch, index) : NULL;
}

struct exporter *decode_rig_exporter(struct decode_rig *rig)
{
    return exporter_table_get(rig->exporters, &rig->source, rig->now_ns);
}

uint64_t decode_rig_drops(struct decode_rig *rig, enum drop_reason reason)
{
    return counter_get(&decode_rig_exporter(rig)->counters.drops[reason]);
}

uint64_t decode_rig_all_drops(struct decode_rig *rig)
{
    uint64_t sum = 0;

    for (int i = 0; i < DROP_REASON_COUNT; i++)
        sum += decode_rig_drops(rig, i);
    return sum;
}
