/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The settings of the NetFlow and IPFIX decoder: struct decoder_settings.own. */
#include <stdbool.h>
#include <stdint.h>

/* The rule by which one of several exported next hops counts. */
enum next_hop_policy {
    NEXT_HOP_BY_VALUE,    /* the first that is not zero, those of the flow's address family first */
    NEXT_HOP_BY_TEMPLATE, /* the first element in the template, whatever its value, as pmacct
                             does */
};

/* Maxima are per worker. At a maximum the least recently used goes, which is counted. */
struct nfacctd_settings {
    uint32_t templates_max;
    uint32_t template_fields_max; /* a template with more is refused */
    uint32_t template_lifetime_s; /* forgotten when not refreshed for so long; 0: never */
    uint32_t domains_max;         /* observation domains over all exporters */
    uint32_t options_max;         /* samplers, interface names and the like over all exporters */
    uint64_t pending_sets_size;   /* bytes of data kept until its template comes; 0: none */
    uint32_t pending_sets_age_s;  /* and for how long */
    uint32_t flow_totals_max;     /* flows of an exporter whose last total counters are kept */
    bool uptime_in_seconds;       /* nfacctd_time_secs: elements 21 and 22 and v5 count seconds */
    bool ignore_exporter_address; /* elements 130 and 131 do not name the exporter */
    bool use_ip_next_hop;         /* elements 15 and 62 and v5's may stand for the BGP next hop */
    bool skip_sequence_check;     /* nfacctd_disable_checks */
    bool account_options;         /* options data become rows, too */
    bool refuse_bad_sets; /* nfacctd_pre_processing_checks: one impossible set length refuses all */
    enum next_hop_policy next_hop_policy;
};

#define NFACCTD_SETTINGS_DEFAULT                                                                   \
    {                                                                                              \
        .templates_max = 65536, .template_fields_max = 1024, .domains_max = 16384,                 \
        .options_max = 524288, .pending_sets_size = 4 << 20, .pending_sets_age_s = 300,            \
        .flow_totals_max = 65536,                                                                  \
    }
