/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The decoder that a worker sees: which version a datagram is, expiry, and the parts' lives. */
#include "nfacctd/collector.h"

#include "base/clock.h"
#include "base/memory.h"

#define ARENA_LEN       (256 * 1024)
#define EXPIRE_EVERY_NS (10 * NS_PER_S)

static void publish_generation(struct collector *collector)
{
    atomic_store_explicit(&collector->save_generation,
                          collector->templates.generation + collector->options.generation,
                          memory_order_relaxed);
}

static void domain_forgotten(void *arg, struct domain *domain)
{
    struct collector *collector = arg;

    template_store_forget(&collector->templates, domain);
    pending_sets_forget(&collector->pending, domain, DROP_no_template);
}

static void domain_was_split(void *arg, struct domain *from, struct domain *to, uint16_t port)
{
    struct collector *collector = arg;

    template_store_split(&collector->templates, from, to, port);
}

static void *collector_new(const struct decoder_settings *settings,
                           struct exporter_table *exporters, struct flow_batch *batch)
{
    const struct nfacctd_settings *own = settings->own;
    struct collector *collector = mem_zalloc(sizeof *collector);

    collector->settings = own;
    collector->has_whole_seconds = settings->has_whole_seconds;
    collector->exporters = exporters;
    collector->batch = batch;
    collector->plan_settings = (struct plan_settings){
        .needs = settings->needs,
        .custom_fields = settings->custom_fields,
        .custom_field_count = settings->custom_field_count,
        .tunnel_view = settings->tunnel_view,
        .own = own,
    };
    collector->arena.data = mem_alloc(ARENA_LEN);
    collector->arena.size = ARENA_LEN;
    domain_table_init(&collector->domains, own->domains_max, domain_forgotten, domain_was_split,
                      collector);
    template_store_init(&collector->templates, own->templates_max, &collector->plan_settings);
    options_init(&collector->options, own->options_max, batch);
    pending_sets_init(&collector->pending, own->pending_sets_size, exporters);
    collector->fields = mem_calloc(own->template_fields_max + 1u, sizeof *collector->fields);
    collector->values = mem_calloc(own->template_fields_max + 1u, sizeof *collector->values);
    collector->value_lens =
        mem_calloc(own->template_fields_max + 1u, sizeof *collector->value_lens);
    collector->v5_plan = netflow5_plan(&collector->plan_settings);
    return collector;
}

static void collector_free(void *decoder)
{
    struct collector *collector = decoder;

    if (!collector)
        return;
    pending_sets_clear(&collector->pending);
    domain_table_clear(&collector->domains);
    template_store_clear(&collector->templates);
    options_clear(&collector->options);
    plan_free(collector->v5_plan);
    mem_free(collector->refs);
    mem_free(collector->value_lens);
    mem_free(collector->values);
    mem_free(collector->fields);
    mem_free(collector->arena.data);
    mem_free(collector);
}

static void collector_decode(void *decoder, struct exporter *exporter,
                             const struct datagram *datagram) ON_THREAD(worker_thread)
{
    struct collector *collector = decoder;
    struct reader r = reader_make(datagram->data, datagram->len);
    uint16_t version = reader_u16(&r);

    THREAD_ASSERT(worker_thread);
    counter_add(&exporter->counters.datagrams_read, 1);
    counter_add(&exporter->counters.bytes_read, datagram->len);
    counter_set(&exporter->counters.last_datagram_ns, (uint64_t)datagram->received_ns);
    if (r.failed)
        exporter_drop(exporter, DROP_truncated_header, "%u bytes", datagram->len);
    else if (version == 5)
        netflow5_decode(collector, exporter, datagram);
    else if (version == 9)
        netflow9_decode(collector, exporter, datagram);
    else if (version == 10)
        ipfix_decode(collector, exporter, datagram);
    else
        exporter_drop(exporter, DROP_bad_version, "version %u", version);
    publish_generation(collector);
}

static void collector_tick(void *decoder, int64_t now_ns) ON_THREAD(worker_thread)
{
    struct collector *collector = decoder;
    const struct nfacctd_settings *own = collector->settings;

    THREAD_ASSERT(worker_thread);
    pending_sets_expire(&collector->pending, now_ns - own->pending_sets_age_s * NS_PER_S);
    if (own->template_lifetime_s == 0 || now_ns - collector->expired_ns < EXPIRE_EVERY_NS)
        return;
    collector->expired_ns = now_ns;
    template_store_expire(&collector->templates, now_ns - own->template_lifetime_s * NS_PER_S);
    publish_generation(collector);
}

static void collector_forget(void *decoder, struct exporter *exporter) ON_THREAD(worker_thread)
{
    struct collector *collector = decoder;

    THREAD_ASSERT(worker_thread);
    if (collector)
        domain_source_forget(&collector->domains, exporter);
    else
        exporter->decoder_state = NULL;
}

static void collector_set_needs(void *decoder, const struct flow_needs *needs)
    ON_THREAD(worker_thread)
{
    struct collector *collector = decoder;

    THREAD_ASSERT(worker_thread);
    collector->plan_settings.needs = *needs;
    plan_free(collector->v5_plan);
    collector->v5_plan = netflow5_plan(&collector->plan_settings);
    template_store_recompile(&collector->templates);
}

static struct json_t *save(void *decoder) ON_THREAD(worker_thread)
{
    THREAD_ASSERT(worker_thread);
    return collector_save(decoder);
}

static size_t load(void *decoder, const struct json_t *saved,
                   bool (*owns)(const struct ip_addr *exporter, void *arg), void *arg)
    ON_THREAD(worker_thread)
{
    struct collector *collector = decoder;
    size_t count = collector_load(collector, saved, owns, arg);

    THREAD_ASSERT(worker_thread);
    publish_generation(collector);
    return count;
}

static uint64_t collector_save_generation(const void *decoder)
{
    const struct collector *collector = decoder;

    return atomic_load_explicit(&collector->save_generation, memory_order_relaxed);
}

const struct decoder_ops nfacctd_decoder = {
    .name = "nfacctd",
    .new = collector_new,
    .free = collector_free,
    .decode = collector_decode,
    .tick = collector_tick,
    .forget = collector_forget,
    .set_needs = collector_set_needs,
    .save = save,
    .load = load,
    .save_generation = collector_save_generation,
};
