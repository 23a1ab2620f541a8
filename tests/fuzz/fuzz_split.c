/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: datagrams, each after its length in two bytes, are taken apart, and their parts put
 * together again as two receivers would get them; the first byte chooses the protocol. A collector that
 * gets the datagrams which were made decodes as many flows as one that gets the datagram itself, and refuses
 * none of what was made.
 */
#include "base/memory.h"
#include "base/reader.h"
#include "flow/datagram_parts.h"
#include "support/check.h"
#include "support/rig_pool.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SPLITTER, BEHIND, BESIDE, ROLES };
enum { PADDING_TAKEN = 8 }; /* bytes, and more (nfacctd/netflow_decoder.h) */

static struct datagram_parts parts;
static uint32_t *indices;

static void take_away(struct flow_batch *batch)
{
    parts.given_flows += batch->count;
    batch->count = 0;
}

static void start(struct decode_rig *rig, size_t choice)
{
    if (choice / ROLES)
        decode_rig_init_sflow(rig);
    else
        decode_rig_init(rig);
    rig->exporters_max = 1;
    rig->own.templates_max = 8;
    rig->own.template_fields_max = 64;
    rig->own.pending_sets_size = 0;
    rig->sflow.account_discards = true;
    rig->sflow.ignore_exporter_address = true;
    rig->settings.only_splits = choice % ROLES == SPLITTER;
    decode_rig_start(rig, choice % ROLES == SPLITTER ? 3 : 64);
    if (choice % ROLES == SPLITTER)
        rig->batch.full = take_away;
}

static uint64_t flows_of(struct decode_rig *rig)
{
    return counter_get(&decode_rig_exporter(rig)->counters.flows);
}

static uint64_t refused_by(struct decode_rig *rig)
{
    const struct exporter_counters *c = &decode_rig_exporter(rig)->counters;

    return counter_get(&c->datagrams_read) - counter_get(&c->datagrams_decoded) +
           counter_get(&c->drops[DROP_bad_set_length]) +
           counter_get(&c->drops[DROP_bad_sample_length]) +
           counter_get(&c->drops[DROP_bad_sample_count]);
}

/* Says that some records are no longer than what is taken for padding where it is zeros: at the end of a set
 * such records are not told from it, and after the split others stand there. */
static bool has_tiny_records(void)
{
    for (size_t i = 0; i < parts.count; i++)
        if (parts.parts[i].kind == PART_RECORD && parts.parts[i].set_at != PART_NO_SET &&
            parts.parts[i].len <= PADDING_TAKEN)
            return true;
    return false;
}

/* Says which of two receivers a part goes to; 2: both. */
static unsigned receiver_of(const uint8_t *datagram, const struct datagram_part *part)
{
    return part->kind == PART_FOR_ALL ? 2 : datagram[part->at + part->len - 1] & 1U;
}

/* Gives the collector behind the parts from `from` to `to`, which all are for all or none is. */
static void pass_run(struct decode_rig *behind, const uint8_t *datagram, size_t len, size_t from,
                     size_t to)
{
    for (unsigned receiver = 0; receiver < 3; receiver++) {
        size_t count = 0;
        for (size_t i = from; i < to; i++)
            if (receiver_of(datagram, &parts.parts[i]) == receiver)
                indices[count++] = (uint32_t)i;
        if (count == 0)
            continue;
        uint8_t *out = mem_alloc(datagram_parts_room(len));
        size_t out_len = datagram_parts_join(&parts, datagram, indices, count, out);
        CHECK(out_len <= datagram_parts_room(len));
        out = mem_realloc(out, out_len); /* AddressSanitizer sees its end */
        decode_rig_empty(behind);
        decode_rig_bytes(behind, out, out_len);
        mem_free(out);
    }
}

static bool is_same_run(const struct datagram_part *a, const struct datagram_part *b)
{
    return a->message == b->message && (a->kind == PART_FOR_ALL) == (b->kind == PART_FOR_ALL);
}

/* Takes a datagram apart. False: it cannot be. */
static bool split(struct decode_rig *rig, const uint8_t *data, size_t len)
{
    struct datagram d = {.data = data,
                         .len = (uint32_t)len,
                         .source = rig->source,
                         .source_port = rig->source_port,
                         .received_ns = rig->now_ns};

    decode_rig_empty(rig);
    datagram_parts_begin(&parts);
    return rig->ops->split(rig->decoder, decode_rig_exporter(rig), &d, &parts);
}

static void check_datagram(struct decode_rig *const *rigs, const uint8_t *data, size_t len)
{
    uint64_t before = flows_of(rigs[BEHIND]), before_beside = flows_of(rigs[BESIDE]);
    uint64_t refused = refused_by(rigs[BEHIND]);

    bool is_split = split(rigs[SPLITTER], data, len) && parts.count > 0;
    decode_rig_empty(rigs[BESIDE]);
    decode_rig_bytes(rigs[BESIDE], data, len);
    if (!is_split) {
        decode_rig_empty(rigs[BEHIND]);
        decode_rig_bytes(rigs[BEHIND], data, len);
        CHECK(flows_of(rigs[BEHIND]) - before == flows_of(rigs[BESIDE]) - before_beside);
        return;
    }
    indices = mem_realloc_array(indices, parts.count, sizeof *indices);
    for (size_t from = 0, i = 1; i <= parts.count; i++)
        if (i == parts.count || !is_same_run(&parts.parts[i], &parts.parts[from])) {
            pass_run(rigs[BEHIND], data, len, from, i);
            from = i;
        }
    CHECK(refused_by(rigs[BEHIND]) == refused);
    if (!has_tiny_records())
        CHECK(flows_of(rigs[BEHIND]) - before == flows_of(rigs[BESIDE]) - before_beside);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_make(data, size);
    size_t is_sflow = reader_u8(&r) & 1;
    struct decode_rig *rigs[ROLES];

    for (size_t i = 0; i < ROLES; i++) {
        size_t choice = is_sflow * ROLES + i;
        rigs[i] = rig_pool_fresh(choice, start, choice);
    }
    while (reader_left(&r) > 2) {
        size_t len = reader_u16(&r);
        if (len > reader_left(&r))
            len = reader_left(&r);
        uint8_t *datagram = mem_alloc(len ? len : 1);
        memcpy(datagram, reader_bytes(&r, len), len);
        check_datagram(rigs, datagram, len);
        mem_free(datagram);
    }
    mem_free(indices);
    indices = NULL;
    datagram_parts_clear(&parts);
    return 0;
}
