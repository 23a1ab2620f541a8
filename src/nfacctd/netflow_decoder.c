/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Implements struct decoder_ops for NetFlow and IPFIX: tells versions apart, lets old state expire,
 * makes and frees the parts. */
#include "nfacctd/netflow_decoder.h"
#include "nfacctd/describe.h"
#include "nfacctd/header.h"
#include "nfacctd/split.h"
#include "nfacctd/template_messages.h"

#include "base/clock.h"
#include "base/memory.h"

#define ARENA_LEN       (256u << 10)
#define EXPIRE_EVERY_NS (10 * NS_PER_S)

static void publish_generation(struct netflow_decoder *decoder)
{
    atomic_store_explicit(&decoder->save_generation,
                          decoder->templates.generation + decoder->options.generation,
                          memory_order_relaxed);
}

static void domain_forgotten(void *arg, struct domain *domain)
{
    struct netflow_decoder *decoder = arg;

    decoder->options.rate_generation++; /* the exporter's options are fewer */
    template_store_forget(&decoder->templates, domain);
    pending_sets_forget(&decoder->pending, domain, DROP_no_template);
    option_store_forget(&decoder->options, domain->id);
}

static void source_forgotten(void *arg, struct domain_source *source)
{
    struct netflow_decoder *decoder = arg;

    lost_templates_forget(&decoder->templates.lost, source);
    told_templates_forget(&decoder->told, source);
    shared_table_empty(&decoder->options.table, &source->option_share);
}

static void domain_inherited(void *arg, struct domain *from, struct domain *to)
{
    struct netflow_decoder *decoder = arg;

    template_store_inherit(&decoder->templates, from, to);
    option_store_inherit(&decoder->options, from->id, to->id);
}

/* A decoder that takes datagrams apart keeps no data that waits, and makes no rows of options. */
static void use_to_split(struct netflow_decoder *decoder, const struct nfacctd_settings *own)
{
    decoder->own = *own;
    decoder->own.pending_sets_size = 0;
    decoder->own.skip_sequence_check = true;
    decoder->own.account_options = false;
    decoder->settings = &decoder->own;
}

static void *decoder_new(const struct decoder_settings *settings, struct exporter_table *exporters,
                         struct flow_batch *batch)
{
    struct netflow_decoder *decoder = mem_zalloc(sizeof *decoder);
    const struct nfacctd_settings *own = decoder->settings = settings->own;

    if (settings->only_splits) {
        use_to_split(decoder, own);
        own = decoder->settings;
    }
    decoder->has_arrival_bins = settings->has_arrival_bins;
    decoder->has_whole_seconds = settings->has_whole_seconds;
    decoder->exporters = exporters;
    decoder->batch = batch;
    decoder->plan_settings = (struct plan_settings){
        .needs = settings->needs,
        .custom_fields = settings->custom_fields,
        .custom_field_count = settings->custom_field_count,
        .tunnel_view = settings->tunnel_view,
        .own = own,
    };
    decoder->arena.data = mem_alloc(ARENA_LEN);
    decoder->arena.size = ARENA_LEN;
    domain_table_init(&decoder->domains, own->domains_max, domain_forgotten, domain_inherited,
                      source_forgotten, decoder);
    decoder->domains.flow_totals_max = own->flow_totals_max;
    template_store_init(&decoder->templates, own->templates_max, &decoder->plan_settings);
    option_store_init(&decoder->options, own->options_max, batch);
    saved_marks_init(&decoder->marks);
    decoder->domains.marks = decoder->templates.marks = decoder->options.marks = &decoder->marks;
    told_templates_init(&decoder->told);
    pending_sets_init(&decoder->pending, own->pending_sets_size, exporters, &decoder->told);
    decoder->fields = mem_calloc(own->template_fields_max + 1u, sizeof *decoder->fields);
    decoder->values = mem_calloc(own->template_fields_max + 1u, sizeof *decoder->values);
    decoder->value_lens = mem_calloc(own->template_fields_max + 1u, sizeof *decoder->value_lens);
    decoder->v5_plan = netflow5_plan(&decoder->plan_settings);
    return decoder;
}

static void decoder_free(void *self)
{
    struct netflow_decoder *decoder = self;

    if (!decoder)
        return;
    domain_table_clear(&decoder->domains); /* first, as it empties its shares of the others */
    pending_sets_clear(&decoder->pending);
    told_templates_clear(&decoder->told);
    template_store_clear(&decoder->templates);
    option_store_clear(&decoder->options);
    saved_marks_clear(&decoder->marks);
    plan_free(decoder->v5_plan);
    mem_free(decoder->refs);
    mem_free(decoder->value_lens);
    mem_free(decoder->values);
    mem_free(decoder->fields);
    mem_free(decoder->arena.data);
    mem_free(decoder);
}

/* Refuses what is neither NetFlow nor IPFIX. The two upper bytes of an sFlow version are 0, and after
 * it comes the type of the agent's address: 1 or 2. */
static void refuse_version(struct exporter *exporter, const struct datagram *datagram)
{
    struct reader r = reader_make(datagram->data, datagram->len);
    uint32_t sflow_version = reader_u32(&r);
    uint32_t address_type = reader_u32(&r);

    if ((sflow_version == 2 || sflow_version == 4 || sflow_version == 5) &&
        (address_type == 1 || address_type == 2)) {
        exporter_count_drop(exporter, DROP_bad_version);
        exporter_say_once(exporter, NOTE_sends_sflow, "it sends sFlow (version %u)", sflow_version);
        return;
    }
    exporter_drop(exporter, DROP_bad_version, "version %u", wire_u16(datagram->data));
}

/* Counts a datagram. Returns its version; -1: it is too short to have one, and was dropped. */
static int take_datagram(struct exporter *exporter, const struct datagram *datagram)
{
    struct reader r = reader_make(datagram->data, datagram->len);
    uint16_t version = reader_u16(&r);

    counter_add(&exporter->counters.datagrams_read, 1);
    counter_add(&exporter->counters.bytes_read, datagram->len);
    counter_set(&exporter->counters.last_datagram_ns, (uint64_t)datagram->received_ns);
    if (!r.failed)
        return version;
    exporter_drop(exporter, DROP_truncated_header, "%u bytes", datagram->len);
    return -1;
}

static void decoder_decode(void *self, struct exporter *exporter, const struct datagram *datagram)
    ON_THREAD(worker_thread)
{
    struct netflow_decoder *decoder = self;

    THREAD_ASSERT(worker_thread);
    int version = take_datagram(exporter, datagram);
    if (version == 5)
        netflow5_decode(decoder, exporter, datagram);
    else if (version == 9)
        netflow9_decode(decoder, exporter, datagram);
    else if (version == 10)
        ipfix_decode(decoder, exporter, datagram);
    else if (version >= 0)
        refuse_version(exporter, datagram);
    publish_generation(decoder);
}

static void decoder_learn(void *self, struct exporter *exporter, const struct datagram *datagram)
    ON_THREAD(worker_thread)
{
    struct netflow_decoder *decoder = self;

    THREAD_ASSERT(worker_thread);
    int version = take_datagram(exporter, datagram);
    if (version == 9 || version == 10)
        template_messages_learn(decoder, exporter, datagram);
    else if (version >= 0)
        refuse_version(exporter, datagram);
    publish_generation(decoder);
}

static bool decoder_split(void *self, struct exporter *exporter, const struct datagram *datagram,
                          struct datagram_parts *parts) ON_THREAD(worker_thread)
{
    uint16_t version = datagram->len >= 2 ? wire_u16(datagram->data) : 0;

    THREAD_ASSERT(worker_thread);
    if (version == 5)
        return netflow5_split(self, exporter, datagram, parts);
    if (version == 9)
        return netflow9_split(self, exporter, datagram, parts);
    return version == 10 && ipfix_split(self, exporter, datagram, parts);
}

static void decoder_tick(void *self, int64_t now_ns) ON_THREAD(worker_thread)
{
    struct netflow_decoder *decoder = self;
    const struct nfacctd_settings *own = decoder->settings;

    THREAD_ASSERT(worker_thread);
    pending_sets_tell(&decoder->pending, now_ns);
    pending_sets_expire(&decoder->pending, now_ns - own->pending_sets_age_s * NS_PER_S);
    if (now_ns - decoder->expired_ns < EXPIRE_EVERY_NS)
        return;
    decoder->expired_ns = now_ns;
    domain_table_settle(&decoder->domains, now_ns);
    if (own->template_lifetime_s > 0)
        template_store_expire(&decoder->templates, now_ns - own->template_lifetime_s * NS_PER_S);
    publish_generation(decoder);
}

static void decoder_end(void *self) ON_THREAD(worker_thread)
{
    struct netflow_decoder *decoder = self;

    THREAD_ASSERT(worker_thread);
    pending_sets_expire(&decoder->pending, INT64_MAX);
}

static void decoder_begin_reading(void *self) ON_THREAD(worker_thread)
{
    struct netflow_decoder *decoder = self;

    THREAD_ASSERT(worker_thread);
    for (struct domain_source *s = decoder->domains.sources; s; s = s->next)
        flow_totals_clear(&s->totals);
}

static void decoder_forget(void *self, struct exporter *exporter) ON_THREAD(worker_thread)
{
    struct netflow_decoder *decoder = self;

    THREAD_ASSERT(worker_thread);
    if (decoder)
        domain_source_forget(&decoder->domains, exporter);
    else
        exporter->decoder_state = NULL;
}

static void decoder_know(void *self, struct exporter *exporter) ON_THREAD(worker_thread)
{
    struct netflow_decoder *decoder = self;
    struct domain_source *source = exporter->decoder_state;
    bool is_known = exporter->is_known;

    THREAD_ASSERT(worker_thread);
    if (!source)
        return;
    share_set_known(&decoder->domains.table.shares, &source->domain_share.share, is_known);
    share_set_known(&decoder->templates.table.shares, &source->template_share.share, is_known);
    share_set_known(&decoder->templates.lost.table.shares, &source->lost_share.share, is_known);
    share_set_known(&decoder->options.table.shares, &source->option_share.share, is_known);
    share_set_known(&decoder->told.table.shares, &source->told_share.share, is_known);
    share_set_known(&decoder->pending.shares, &source->pending_share.share, is_known);
}

static void decoder_set_needs(void *self, const struct flow_needs *needs) ON_THREAD(worker_thread)
{
    struct netflow_decoder *decoder = self;

    THREAD_ASSERT(worker_thread);
    decoder->plan_settings.needs = *needs;
    plan_free(decoder->v5_plan);
    decoder->v5_plan = netflow5_plan(&decoder->plan_settings);
    template_store_recompile(&decoder->templates);
}

static struct saved_pieces *decoder_save(void *self) ON_THREAD(worker_thread)
{
    THREAD_ASSERT(worker_thread);
    return saved_state_make(self);
}

static size_t decoder_load(void *self, const struct json_t *saved,
                           bool (*owns)(const struct ip_addr *exporter, void *arg), void *arg)
    ON_THREAD(worker_thread)
{
    struct netflow_decoder *decoder = self;
    size_t count = saved_state_load(decoder, saved, owns, arg);

    THREAD_ASSERT(worker_thread);
    publish_generation(decoder);
    return count;
}

static bool decoder_describe(void *self, struct description *description, int64_t until_ns)
    ON_THREAD(worker_thread)
{
    THREAD_ASSERT(worker_thread);
    return netflow_describe(self, description, until_ns);
}

static uint64_t decoder_save_generation(const void *self)
{
    const struct netflow_decoder *decoder = self;

    return atomic_load_explicit(&decoder->save_generation, memory_order_relaxed);
}

static void decoder_read_header(const void *self, const struct datagram *datagram,
                                struct flow *flow)
{
    (void)self;
    netflow_read_header(datagram, flow);
}

const struct decoder_ops nfacctd_decoder = {
    .name = "nfacctd",
    .new = decoder_new,
    .free = decoder_free,
    .decode = decoder_decode,
    .read_header = decoder_read_header,
    .next_templates = template_messages_next,
    .learn = decoder_learn,
    .split = decoder_split,
    .tick = decoder_tick,
    .forget = decoder_forget,
    .know = decoder_know,
    .begin_reading = decoder_begin_reading,
    .end = decoder_end,
    .set_needs = decoder_set_needs,
    .save = decoder_save,
    .load = decoder_load,
    .save_generation = decoder_save_generation,
    .describe = decoder_describe,
};
