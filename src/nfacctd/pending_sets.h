/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Data sets that came before their template: kept up to a number of bytes, which the exporters of a
 * worker share; of who has to give something up the oldest go first. Every set that goes without having been decoded is counted
 * at its exporter.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/keyed_table.h"
#include "base/shared_table.h"
#include "flow/exporter.h"
#include "nfacctd/domain.h"
#include "nfacctd/told_templates.h"

/* The part of the message header that the set's records need. */
struct pending_header {
    int64_t export_ns, arrival_ns;
    uint32_t uptime, sequence;
};

struct pending_set {
    struct pending_set *next_of_key;   /* came later for the same template */
    struct pending_set *newer, *older; /* of all */
    struct pending_set *newer_of_share, *older_of_share;
    struct pending_queue *queue;
    struct ip_addr exporter;
    struct pending_header header;
    size_t len;
    uint8_t data[];
};

struct pending_sets {
    struct keyed_table queues; /* by domain and template id */
    struct pending_set *newest, *oldest;
    struct shares shares; /* of bytes */
    uint64_t max_bytes;
    struct exporter_table *exporters;
    struct told_templates *told;
};

/* Borrows `exporters` and `told`. */
void pending_sets_init(struct pending_sets *pending, uint64_t max_bytes,
                       struct exporter_table *exporters, struct told_templates *told);
void pending_sets_clear(struct pending_sets *pending);

/* Copies the set. A set that does not fit counts as pending_full, and so does an older one that
 * goes to make room. `is_lost`: the template was here, and is no more. */
void pending_sets_add(struct pending_sets *pending, struct exporter *exporter,
                      struct domain *domain, uint16_t template_id, bool is_lost,
                      const struct pending_header *header, const uint8_t *data, size_t len);
/* Returns the sets of that template, oldest first, linked by next_of_key, or NULL. The caller frees
 * each with mem_free(). */
struct pending_set *pending_sets_take(struct pending_sets *pending, struct domain *domain,
                                      uint16_t template_id);
/* Says of each template that data has waited for so long, once for each exporter and template. */
enum { PENDING_TELL_S = 10 };
void pending_sets_tell(struct pending_sets *pending, int64_t now_ns);
/* Drops all that arrived before that instant, as no_template or template_gone. */
void pending_sets_expire(struct pending_sets *pending, int64_t before_ns);
/* Drops all of the domain, for that reason (no_template: or template_gone). */
void pending_sets_forget(struct pending_sets *pending, struct domain *domain,
                         enum drop_reason reason);
