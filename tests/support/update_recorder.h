/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Applies UPDATEs that are written as hex, and keeps a text of what came out of them, item after
 * item. */
#include "base/text.h"
#include "bgp/update.h"
#include "support/hex.h"
#include <inttypes.h>

struct update_recorder {
    struct rcu *rcu;
    struct attr_text_settings text_settings;
    struct attr_store *store;
    struct attr_context context;
    struct update_result result;
    struct text log; /* "+192.168.1.0/24#1 via 10.0.0.1 [1_2]; " "-..." "end ipv4-unicast; " */
};

static inline void recorder_nlri(struct text *log, char sign, const struct rib_nlri *nlri)
{
    char prefix[IP_PREFIX_TEXT_LEN];

    ip_prefix_format(&nlri->prefix, prefix);
    text_append_printf(log, "%c%s#%u", sign, prefix, nlri->path_id);
    if (nlri->rd)
        text_append_printf(log, "@%" PRIx64, nlri->rd);
}

static inline void recorder_announce(void *arg, enum address_family family,
                                     const struct rib_nlri *nlri, size_t count,
                                     struct path_attrs *attrs)
{
    struct update_recorder *recorder = arg;
    char next_hop[IP_TEXT_LEN];

    (void)family;
    ip_addr_format(&attrs->next_hop, next_hop);
    for (size_t i = 0; i < count; i++) {
        recorder_nlri(&recorder->log, '+', &nlri[i]);
        text_append_printf(&recorder->log, " via %s [%s]; ", next_hop,
                           rib_text_data(attrs->as_path));
    }
}

static inline void recorder_withdraw(void *arg, enum address_family family,
                                     const struct rib_nlri *nlri, size_t count)
{
    struct update_recorder *recorder = arg;

    (void)family;
    for (size_t i = 0; i < count; i++) {
        recorder_nlri(&recorder->log, '-', &nlri[i]);
        text_append_string(&recorder->log, "; ");
    }
}

static inline void recorder_end_of_rib(void *arg, enum address_family family)
{
    struct update_recorder *recorder = arg;
    text_append_printf(&recorder->log, "end %s; ", address_families[family].name);
}

static inline void recorder_init(struct update_recorder *recorder)
{
    *recorder = (struct update_recorder){.rcu = rcu_new(1)};
    recorder->store = attr_store_new(recorder->rcu, &recorder->text_settings);
    recorder->context.is_internal = true;
    recorder->context.features.has_four_octet_as = true;
    recorder->context.features.families = (1u << FAMILY_COUNT) - 1;
}

static inline void recorder_clear(struct update_recorder *recorder)
{
    attr_store_free(recorder->store);
    rcu_free(recorder->rcu);
    text_clear(&recorder->log);
}

static inline const char *recorder_apply(struct update_recorder *recorder, struct reader body)
{
    const struct update_sink sink = {recorder_announce, recorder_withdraw, recorder_end_of_rib,
                                     recorder};

    text_reset(&recorder->log);
    update_apply(body, &recorder->context, recorder->store, &sink, &recorder->result);
    return text_cstr(&recorder->log);
}

/* Applies an UPDATE of these three parts, whose lengths are added here; returns the text. */
static inline const char *recorder_update(struct update_recorder *recorder, const char *withdrawn,
                                          const char *attributes, const char *announced)
{
    struct hex w = hex_make(withdrawn), a = hex_make(attributes), n = hex_make(announced);
    size_t len = 4 + w.len + a.len + n.len;
    uint8_t *body = malloc(len), *p = body;

    CHECK(body);
    *p++ = (uint8_t)(w.len >> 8), *p++ = (uint8_t)w.len;
    for (size_t i = 0; i < w.len; i++)
        *p++ = w.data[i];
    *p++ = (uint8_t)(a.len >> 8), *p++ = (uint8_t)a.len;
    for (size_t i = 0; i < a.len; i++)
        *p++ = a.data[i];
    for (size_t i = 0; i < n.len; i++)
        *p++ = n.data[i];
    const char *log = recorder_apply(recorder, reader_make(body, len));
    free(body);
    hex_clear(&w);
    hex_clear(&a);
    hex_clear(&n);
    return log;
}
