/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: sFlow datagrams, each after its length in two bytes; the first byte chooses settings.
 * Datagrams must add up, and texts of flows must be readable until the batch is handed on. */
#include "base/memory.h"
#include "base/reader.h"
#include "support/check.h"
#include "support/rig_pool.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t read_texts(const struct flow_batch *batch)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < batch->count; i++) {
        const struct flow *f = flow_batch_at(batch, i);
        const struct flow_bytes *texts[] = {&f->as_path,  &f->std_comms,      &f->mpls_labels,
                                            &f->src_user, &f->dst_user,       &f->url,
                                            &f->url_host, &f->discard_reason, &f->acl_name};
        for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++)
            for (uint32_t b = 0; b < texts[k]->len; b++)
                sum += texts[k]->data[b];
    }
    return sum;
}

static void full(struct flow_batch *batch)
{
    static volatile uint64_t sink;

    sink = read_texts(batch);
    (void)sink;
    batch->count = 0;
}

static void add(void *arg, struct exporter *exporter)
{
    exporter_counters_fold(arg, &exporter->counters);
}

static void check_ledger(const struct decode_rig *rig)
{
    struct exporter_counters sum = {0};
    uint64_t refused = 0;

    exporter_table_each(rig->exporters, add, &sum);
    exporter_counters_fold(&sum, exporter_table_evicted(rig->exporters));
    for (int i = 0; i < DROP_REASON_COUNT; i++)
        if (drop_reasons[i].level == DROP_LEVEL_DATAGRAM)
            refused += counter_get(&sum.drops[i]);
    CHECK(counter_get(&sum.datagrams_read) == rig->datagram_number);
    CHECK(counter_get(&sum.datagrams_read) == counter_get(&sum.datagrams_decoded) + refused);
}

static void start(struct decode_rig *rig, size_t choice)
{
    decode_rig_init_sflow(rig);
    rig->exporters_max = 4;
    rig->sflow = (struct sfacctd_settings){.agents_max = 3,
                                           .sources_max = 3,
                                           .ignore_exporter_address = choice & 1,
                                           .use_ip_next_hop = choice & 2,
                                           .account_discards = choice & 4,
                                           .counter_file = choice & 8 ? "/dev/null" : NULL};
    rig->settings.tunnel_view = choice & 16 ? TUNNEL_VIEW_INNER : TUNNEL_VIEW_OUTER;
    decode_rig_start(rig, 5);
    rig->batch.full = full;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_make(data, size);
    uint8_t choice = reader_u8(&r) & 31;
    struct decode_rig *rig = rig_pool_fresh(choice, start, choice);

    while (reader_left(&r) > 2) {
        size_t len = reader_u16(&r);
        if (len > reader_left(&r))
            len = reader_left(&r);
        uint8_t *datagram = mem_alloc(len ? len : 1); /* AddressSanitizer sees its end */
        memcpy(datagram, reader_bytes(&r, len), len);
        if (len >= 4 && datagram[3] % 4 != 2) /* most get a version that is decoded */
            datagram[0] = datagram[1] = datagram[2] = 0;
        decode_rig_bytes(rig, datagram, len);
        mem_free(datagram);
        read_texts(&rig->batch);
        if (len % 5 == 0)
            rig->ops->tick(rig->decoder, rig->now_ns);
    }
    check_ledger(rig);
    return 0;
}
