/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The settings of the sFlow decoder: struct decoder_settings.own. */
#include <stdbool.h>
#include <stdint.h>

/* Maxima are per worker. At a maximum the least recently used goes, which is counted. */
struct sfacctd_settings {
    uint32_t agents_max;          /* sub-agents over all exporters */
    uint32_t sources_max;         /* data sources over all exporters */
    bool ignore_exporter_address; /* the exporter is who sent the datagram, not the agent in it */
    bool use_ip_next_hop;         /* an IPv4 router record may tell the BGP next hop */
    bool skip_sequence_check;     /* sfacctd_disable_checks */
    bool account_discards;        /* notifications of discarded packets are flows too */
    const char *counter_file;     /* where counter samples are written; NULL: nowhere */
};

#define SFACCTD_SETTINGS_DEFAULT                                                                   \
    {                                                                                              \
        .agents_max = 16384, .sources_max = 262144,                                                \
    }
