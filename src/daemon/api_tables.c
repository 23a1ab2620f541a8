/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pages about what exporters have told the decoders: templates and options. */
#include "base/clock.h"
#include "daemon/api_private.h"
#include "flow/description.h"
#include "pipeline/worker.h"

enum { ITEMS_DEFAULT = 1000, ITEMS_MAX = 10000 };

/* Puts times in place of nanoseconds, as workers write those faster. */
static void put_times(json_t *item, int64_t now_ns)
{
    int64_t received_ns = json_integer_value(json_object_get(item, "received_ns"));

    json_object_del(item, "received_ns");
    json_object_set_new(item, "received", api_time(received_ns));
    json_object_set_new(item, "age_s",
                        received_ns > 0 && now_ns >= received_ns
                            ? api_uint((uint64_t)(now_ns - received_ns) / NS_PER_S)
                            : json_null());
}

static json_t *tables(struct api_call *call, enum description_kind kind, const char *name)
{
    const struct crew *crew = call->api->sources->crew;
    const char *only = control_parameter(call->request, "exporter");
    struct ip_addr exporter;
    uint64_t left = ITEMS_DEFAULT, count = 0;
    int64_t taken_ns = 0, now_ns = clock_wall().ns;
    json_t *list;

    if (!crew->decoder)
        return api_fail(call, 409,
                        "this daemon takes no flows: there are no templates and no options");
    if (!crew->decoder->describe)
        return api_fail(call, 409, "sFlow has no templates and no options");
    if (only && ip_addr_parse(only, &exporter) < 0)
        return api_fail(call, 400, "exporter: an address, as 192.0.2.1 or 2001:db8::1");
    if (!api_number(call, "limit", ITEMS_MAX, &left))
        return NULL;
    list = json_array();
    for (uint32_t i = 0; i < crew->worker_count; i++) {
        const struct description *d = rcu_read(&call->api->descriptions[i]);
        if (!d) {
            json_decref(list);
            return api_fail(call, 503, "worker %u has not said yet what it knows; ask again", i);
        }
        count += d->counts[kind];
        taken_ns = taken_ns == 0 || d->taken_ns < taken_ns ? d->taken_ns : taken_ns;
        for (size_t n = 0; n < d->item_count && left > 0; n++) {
            const struct description_item *item = &d->items[n];
            if (item->kind != kind || (only && !ip_addr_equal(&exporter, &item->exporter)))
                continue;
            json_t *object = json_loadb(d->json.data + item->offset, item->len, 0, NULL);
            if (kind == DESCRIPTION_TEMPLATE)
                put_times(object, now_ns);
            json_array_append_new(list, object);
            left--;
        }
    }
    return json_pack("{s:I,s:o,s:o}", "count", (json_int_t)count, "taken", api_time(taken_ns), name,
                     list);
}

json_t *api_page_templates(struct api_call *call)
{
    return tables(call, DESCRIPTION_TEMPLATE, "templates");
}

json_t *api_page_options(struct api_call *call)
{
    return tables(call, DESCRIPTION_OPTION, "options");
}
