/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Observation domains: the scope of templates, options and sequence numbers (RFC 7011 section 3.1).
 * The exporter's address, the protocol version, the domain's id and the source port name a domain,
 * as several processes, or several exporters behind one address, may use the same id. What is known
 * of a port that fell silent goes to the port that followed: the exporter was started again.
 * One worker owns the table.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/shared_table.h"
#include "flow/exporter.h"
#include "nfacctd/clock_offset.h"
#include "nfacctd/flow_totals.h"
#include "nfacctd/option_store.h"
#include "nfacctd/saved_marks.h"

struct template;
struct pending_set;

/* The data of one exporter that waits for templates: its sets, in the order of their arrival. */
struct pending_share {
    struct share share;
    struct pending_set *newest, *oldest;
};

/* The state that the decoder keeps at an exporter: exporter->decoder_state. */
struct domain_source {
    uint64_t id; /* names it as a scope of options; never used again */
    struct ip_addr addr;
    struct domain *domains, *last; /* all; the one used last */
    struct domain_source *next, *previous;
    uint32_t own_port_count; /* of its domains, so many are not the first of their id */
    bool is_going;           /* domain_source_forget() is under way */
    /* Its shares of what all exporters fill. */
    struct table_share domain_share, template_share, lost_share, option_share, told_share;
    struct pending_share pending_share;
    struct flow_totals totals;
};

/* The number of ports beside the first one that are told apart if they use one domain id. The last
 * of them stands for all that come later. */
#define DOMAIN_PORTS_MAX 8
/* A port that is silent for so long is not in use any more. */
#define DOMAIN_SILENCE_NS (INT64_C(300) * 1000000000)

struct domain {
    struct shared_entry entry;
    uint64_t id; /* as source.id, from the same numbers */
    struct domain_source *source;
    struct domain *next, *previous; /* of the same source */
    uint32_t domain_id;             /* as on the wire */
    uint8_t version;
    uint16_t port;               /* the one in use */
    bool is_own_port;            /* not the first port that used the id */
    bool announces_flows;        /* a template of flows came from this port */
    int64_t created_ns, seen_ns; /* arrival of the port's first message and of the last */
    int64_t marked_ns;           /* seen_ns when it was noted to be saved */
    struct domain *shared;       /* of an own port's domain: that of the first port */
    struct domain *ports;        /* of that one: at most DOMAIN_PORTS_MAX, linked by next_port */
    struct domain *next_port;
    uint8_t port_count;
    struct sequence sequence;
    struct clock_offset clock;
    bool has_uptime;
    uint32_t uptime;              /* of the last message, in the exporter's unit */
    int64_t system_init_ms;       /* from options; 0: not said */
    struct ip_addr exporter_addr; /* from options; none: not said */
    /* The rate that all options of the exporter say, as of option_store.rate_generation; 0: to be
     * found. */
    uint64_t rates_generation;
    bool rates_are_split, has_rates;
    struct option_rates rates;
    struct template *templates;    /* of this domain, linked by next_in_domain */
    struct pending_queue *pending; /* data that waits for templates of this domain */
};

struct domain_table {
    struct shared_table table;
    uint32_t max;
    struct domain_source *sources;
    uint64_t next_id;
    uint32_t flow_totals_max;  /* of each source */
    struct saved_marks *marks; /* borrowed; NULL: nothing is saved */
    /* Called before a domain is freed: its templates and pending sets go. */
    void (*forget)(void *arg, struct domain *domain);
    /* The templates and options of `from`, which goes, are given to `to`; the same domain: it has
     * another port now. */
    void (*inherit)(void *arg, struct domain *from, struct domain *to);
    /* Called before a source is freed, when its domains have gone: nothing may be left in its
     * shares. */
    void (*forget_source)(void *arg, struct domain_source *source);
    void *arg;
};

void domain_table_init(struct domain_table *domains, uint32_t max,
                       void (*forget)(void *arg, struct domain *domain),
                       void (*inherit)(void *arg, struct domain *from, struct domain *to),
                       void (*forget_source)(void *arg, struct domain_source *source), void *arg);
void domain_table_clear(struct domain_table *domains); /* sources too */

/* Returns the exporter's state, which is made if it is new. */
struct domain_source *domain_source_get(struct domain_table *domains, struct exporter *exporter);
void domain_source_forget(struct domain_table *domains, struct exporter *exporter);
/* Returns the domain of a message that arrived at `now_ns`; it is made if it is new. At the maximum
 * another one goes, which counts as a drop at `exporter`. */
struct domain *domain_get(struct domain_table *domains, struct exporter *exporter, uint8_t version,
                          uint32_t domain_id, uint16_t port, int64_t now_ns);
/* Gives what is known of silent ports to those that followed them. */
void domain_table_settle(struct domain_table *domains, int64_t now_ns);

/* Returns whether two ports in use have the same domain id. */
bool domain_source_is_split(const struct domain_source *source, int64_t now_ns);
/* Walks the domains that have the id of `domain`: the first port's, then the others. `each` is NULL
 * to begin with; NULL comes after the last. */
struct domain *domain_next_port(const struct domain *domain, const struct domain *each);
