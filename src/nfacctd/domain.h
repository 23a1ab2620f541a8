/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Observation domains: the scope of templates, options and sequence numbers (RFC 7011 section 3.1).
 * The exporter's address, the protocol version and the domain's id name a domain; the source port
 * does too once two ports are seen at once, as when two processes send from one host. One worker
 * owns the table.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/keyed_table.h"
#include "flow/exporter.h"
#include "nfacctd/clock_offset.h"
#include "nfacctd/flow_totals.h"

struct template;

/* The state that the decoder keeps at an exporter: exporter->decoder_state. */
struct domain_source {
    uint64_t id; /* names it as a scope of options; never used again */
    struct ip_addr addr;
    struct domain *domains, *last; /* all; the one used last */
    struct domain_source *next, *previous;
    bool tells_rate; /* some options template has its sampling rates */
    struct flow_totals totals;
};

/*
 * So many senders that use one domain id at once are told apart; any beyond them are taken as one.
 */
#define DOMAIN_PORTS_MAX 8

struct domain {
    struct keyed_entry entry;
    uint64_t id; /* as source.id, from the same numbers */
    struct domain_source *source;
    struct domain *next, *previous; /* of the same source */
    uint32_t domain_id;             /* as on the wire */
    uint8_t version;
    bool is_own_port;      /* one of several senders that use the id at once */
    struct domain *shared; /* of an own port's domain: the one without port; NULL: it went */
    struct domain *ports;  /* of that one: at most DOMAIN_PORTS_MAX, linked by next_port */
    struct domain *next_port;
    uint8_t port_count;
    uint16_t port, former_port; /* the one in use; before that another, 0: none */
    struct sequence sequence;
    struct clock_offset clock;
    bool has_uptime;
    uint32_t uptime;               /* of the last message, in the exporter's unit */
    int64_t system_init_ms;        /* from options; 0: not said */
    struct ip_addr exporter_addr;  /* from options; none: not said */
    struct template *templates;    /* of this domain, linked by next_in_domain */
    struct pending_queue *pending; /* data that waits for templates of this domain */
};

struct domain_table {
    struct keyed_table table;
    struct domain_source *sources;
    uint64_t next_id;
    /* Called before a domain is freed: its templates and pending sets go. */
    void (*forget)(void *arg, struct domain *domain);
    /* `from` turned out to be two: what came from `port` moves to `to`. */
    void (*split)(void *arg, struct domain *from, struct domain *to, uint16_t port);
    void *arg;
};

void domain_table_init(
    struct domain_table *domains, uint32_t max, void (*forget)(void *arg, struct domain *domain),
    void (*split)(void *arg, struct domain *from, struct domain *to, uint16_t port), void *arg);
void domain_table_clear(struct domain_table *domains); /* sources too */

/* Returns the exporter's state, which is made if it is new. */
struct domain_source *domain_source_get(struct domain_table *domains, struct exporter *exporter);
void domain_source_forget(struct domain_table *domains, struct exporter *exporter);
/* Returns the domain, which is made if it is new. At the maximum another one goes, which counts as
 * a drop at `exporter`. */
struct domain *domain_get(struct domain_table *domains, struct exporter *exporter, uint8_t version,
                          uint32_t domain_id, uint16_t port);
