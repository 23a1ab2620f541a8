/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Templates announced by exporters (RFC 7011 section 8, RFC 3954 section 9), each with the decode
 * plan made from it. Keyed by observation domain and template id. One worker owns the store;
 * nothing locks.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/shared_table.h"
#include "nfacctd/domain.h"
#include "nfacctd/element.h"
#include "nfacctd/lost_templates.h"
#include "nfacctd/plan.h"

struct template
{
    struct shared_entry entry;
    struct domain *domain;
    struct template *next_in_domain, *previous_in_domain;
    int64_t received_ns;
    int64_t marked_ns;        /* received_ns when it was noted to be saved */
    struct plan *plan;        /* of records that are flows; NULL: options */
    struct plan *option_plan; /* of options data that become rows; NULL: they do not */
    uint32_t min_len;         /* of a record */
    uint16_t id;
    bool is_inherited; /* another port, which is silent, announced it */
    uint16_t scope_count;
    bool is_options;
    bool has_odd_values; /* some numbers may be beyond 64 bits, or values of impossible lengths */
    bool has_odd_scopes; /* as it was announced: none, or more than there are fields */
    bool is_refused;     /* its records cannot be delimited; kept so that data for it is known */
    uint16_t field_count;
    struct template_field fields[];
};

struct template_store {
    struct shared_table table;
    struct lost_templates lost;
    uint32_t max;
    const struct plan_settings *settings; /* of plans; borrowed */
    uint64_t generation;                  /* grows when a template changes, comes or goes */
    struct saved_marks *marks;            /* borrowed; NULL: nothing is saved */
    uint64_t evicted_count;               /* that went to make room */
    uint64_t fields, fields_max;          /* of all templates together */
};

enum template_outcome { TEMPLATE_NEW, TEMPLATE_SAME, TEMPLATE_REFUSED };

/* Holds `max` templates at most, and TEMPLATE_FIELDS_MEAN times as many fields of them (but the
 * largest template that the settings allow always fits); then others go, as base/share.h says. */
#define TEMPLATE_FIELDS_MEAN 32
void template_store_init(struct template_store *store, uint32_t max,
                         const struct plan_settings *settings);
void template_store_clear(struct template_store *store);

/*
 * Takes over an announced template, which is copied and replaces one of the same id at once.
 * TEMPLATE_REFUSED: its records cannot be delimited, as they would have no bytes or is_refused was
 * set; the store keeps the one that it had, or else the fact that it came.
 */
enum template_outcome template_store_put(struct template_store *store, struct domain *domain,
                                         const struct template *announced,
                                         const struct template_field *fields);
/*
 * Borrowed until the next put, expire or forget; NULL: there is none. A port that announces no
 * templates of flows is lent those of another with the same domain id, as some exporters use one
 * port for templates and another for data; options do not count.
 */
struct template *template_store_find(struct template_store *store, const struct domain *domain,
                                     uint16_t id);
/* Removes the templates of a domain that goes. */
void template_store_forget(struct template_store *store, struct domain *domain);
/* Returns whether the template came, and went again. */
bool template_store_has_lost(const struct template_store *store, const struct domain *domain,
                             uint16_t id);
/* Gives `to` those templates of `from` whose ids it has not announced itself. They may be the same:
 * then its templates are another port's from now on. */
void template_store_inherit(struct template_store *store, struct domain *from, struct domain *to);
/* Drops the templates that were received before that instant. */
void template_store_expire(struct template_store *store, int64_t before_ns);
/* Compiles all plans again, after the settings have changed. */
void template_store_recompile(struct template_store *store);
