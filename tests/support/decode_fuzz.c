/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The body of the fuzz targets for NetFlow and IPFIX. It checks what holds for any input: texts of
 * flows can be read until the batch is handed on, datagrams add up, what was learnt can be saved
 * and loaded again, and the templates for another collector are all that there is in their message. */
#include "support/decode_fuzz.h"

#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/reader.h"
#include "base/writer.h"
#include "support/rig_pool.h"

static bool owns_all(const struct ip_addr *exporter, void *arg)
{
    (void)exporter;
    (void)arg;
    return true;
}

/* Reads the texts of all flows as a worker does, so that AddressSanitizer finds one that dangles. */
static uint64_t read_texts(struct decode_rig *rig)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < rig->batch.count; i++) {
        const struct flow *f = decode_rig_flow(rig, i);
        const struct flow_bytes *texts[] = {
            &f->mpls_labels,    &f->srv6_segments, &f->vrf_name,
            &f->in_vrf_name,    &f->out_vrf_name,  &f->in_iface_name,
            &f->out_iface_name, &f->class_name,    &f->label};
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
            for (uint32_t b = 0; b < texts[k]->len; b++)
                sum += texts[k]->data[b];
        }
    }
    return sum;
}

static void fuzz_full(struct flow_batch *batch)
{
    static volatile uint64_t sink;

    sink = read_texts(batch->owner);
    (void)sink;
    batch->count = 0;
}

/* Each datagram that was read must have been decoded or refused, whatever it holds. */
static void check_ledger(struct decode_rig *rig)
{
    const struct exporter_counters *c = &decode_rig_exporter(rig)->counters;
    uint64_t refused = 0;

    for (int i = 0; i < DROP_REASON_COUNT; i++) {
        if (drop_reasons[i].level == DROP_LEVEL_DATAGRAM)
            refused += counter_get(&c->drops[i]);
    }
    if (counter_get(&c->datagrams_read) != counter_get(&c->datagrams_decoded) + refused)
        abort();
}

/* A decoder that starts from nothing takes what this one has learnt, and saves the same kind. */
static void reload(struct decode_rig *rig)
{
    static struct decode_rig other;
    json_t *saved = decode_rig_save(rig);

    if (!other.decoder) {
        decode_rig_init(&other);
        decode_rig_start(&other, 4);
    }
    nfacctd_decoder.load(other.decoder, saved, owns_all, NULL);
    json_decref(decode_rig_save(&other));
    json_decref(saved);
    decode_rig_reset(&other);
}

static bool is_strict(size_t choice)
{
    return choice % 16 == 5;
}

/* Limits are low, so that inputs reach them. */
static void start(struct decode_rig *rig, size_t choice)
{
    static const struct custom_field custom[] = {
        {0, 47, 4, sizeof(struct flow) / 8 * 8 + 8, false, false},
        {0, 236, 0, sizeof(struct flow) / 8 * 8 + 16, false, false},
        {0, 1, 8, sizeof(struct flow) / 8 * 8 + 40, true, true},
    };

    decode_rig_init(rig);
    rig->exporters_max = 1;
    rig->settings.custom_fields = custom;
    rig->settings.custom_field_count = sizeof custom / sizeof custom[0];
    rig->own.templates_max = 6;
    rig->own.domains_max = 3;
    rig->own.options_max = 8;
    rig->own.template_fields_max = 64;
    rig->own.template_lifetime_s = 100;
    rig->own.pending_sets_size = 2048;
    rig->own.refuse_bad_sets = is_strict(choice);
    rig->own.use_ip_next_hop = choice & 1;
    rig->own.account_options = choice & 2;
    rig->own.next_hop_policy = choice & 2 ? NEXT_HOP_BY_TEMPLATE : NEXT_HOP_BY_VALUE;
    decode_rig_start(rig, 5);
    rig->batch.full = fuzz_full;
}

/* Returns a rig with these settings that knows nothing of the inputs before. */
static struct decode_rig *fresh_rig(size_t choice)
{
    struct decode_rig *rig = rig_pool_fresh(is_strict(choice) ? 4 : choice & 3, start, choice);

    if (decode_rig_save_count(rig) > 0)
        abort();
    return rig;
}

/* A message of templates that is reduced to its templates once more stays as it is. */
static void check_templates(const uint8_t *data, size_t len)
{
    const struct datagram datagram = {.data = data, .len = (uint32_t)len};
    uint8_t *out = mem_alloc(len + 1), *again = mem_alloc(len + 1);
    size_t offset = 0, out_len;

    while ((out_len = nfacctd_decoder.next_templates(&datagram, &offset, out)) > 0) {
        const struct datagram reduced = {.data = out, .len = (uint32_t)out_len};
        size_t from = 0;
        if (offset > len || out_len > len ||
            nfacctd_decoder.next_templates(&reduced, &from, again) != out_len ||
            memcmp(out, again, out_len) != 0)
            abort();
    }
    mem_free(again);
    mem_free(out);
}

/* Decodes the next datagram of the input in an allocation of its own, cut to its length so that
 * AddressSanitizer sees its end. */
static void decode_next(struct decode_rig *rig, uint16_t version, size_t choice, struct reader *r)
{
    size_t len = reader_u16(r);

    if (len > reader_left(r))
        len = reader_left(r);
    uint8_t *datagram = mem_alloc(len ? len : 1);
    memcpy(datagram, reader_bytes(r, len), len);
    if (len >= 2)
        wire_put_u16(datagram, version);
    /* IPFIX states its length, which mutations would rarely get right. */
    if (version == 10 && len >= 4 && choice & 4)
        wire_put_u16(datagram + 2, (uint16_t)len);
    rig->source_port = (uint16_t)(1000 + (len & 3));
    rig->now_ns += (int64_t)len * NS_PER_S;
    check_templates(datagram, len);
    if (choice % 8 == 3 && len % 3 == 0) /* some come from another collector */
        decode_rig_learn(rig, datagram, len);
    else
        decode_rig_bytes(rig, datagram, len);
    mem_free(datagram);
    read_texts(rig);
    if (len % 5 == 0)
        nfacctd_decoder.tick(rig->decoder, rig->now_ns);
}

void decode_fuzz(uint16_t version, const uint8_t *data, size_t size)
{
    struct reader r = reader_make(data, size);
    struct decode_rig *rig = fresh_rig(size);

    for (int i = 0; reader_left(&r) > 2; i++) {
        decode_next(rig, version, size, &r);
        if (i == 1 && size % 64 == 16) /* all plans are compiled again, which takes long */
            nfacctd_decoder.set_needs(rig->decoder, &rig->settings.needs);
    }
    check_ledger(rig);
    if (size % 64 == 8) /* a reload takes longer than all the rest */
        reload(rig);
}
