/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program nfacctd: names the decoder of NetFlow v5, v9 and IPFIX and the configuration keys
 * that only this decoder has. daemon/ does the rest. */
#include "config/config_key.h"
#include "daemon/daemon.h"
#include "daemon/options.h"
#include "nfacctd/decoder.h"

static const struct config_key keys[] = {
    {"use_ip_next_hop", KEY_BOOL_AT(struct nfacctd_settings, use_ip_next_hop), "false",
     .help = "an exported IP next hop stands for the BGP next hop if there is none"},
    {"nexthop_policy", KEY_CHOICE_AT(struct nfacctd_settings, next_hop_policy), "value",
     .choices = KEY_CHOICES({"value", NEXT_HOP_BY_VALUE}, {"pmacct", NEXT_HOP_BY_TEMPLATE}),
     .help = "which of several exported next hops counts: the first that is not zero, or the first "
             "in the template"},
    {"nfacctd_time_secs", KEY_BOOL_AT(struct nfacctd_settings, uptime_in_seconds), "false",
     .help = "system uptimes are in seconds"},
    {"nfacctd_disable_checks", KEY_BOOL_AT(struct nfacctd_settings, skip_sequence_check), "false",
     .aliases =
         "nfacctd_disable_sanity_checks|sfacctd_disable_checks|sfacctd_disable_sanity_checks",
     .help = "sequence numbers are not checked"},
    {"nfacctd_pre_processing_checks", KEY_BOOL_AT(struct nfacctd_settings, refuse_bad_sets),
     "false", .help = "a datagram with one impossible set length is refused as a whole"},
    {"nfacctd_ignore_exporter_address",
     KEY_BOOL_AT(struct nfacctd_settings, ignore_exporter_address), "false",
     .aliases = "sfacctd_ignore_exporter_address",
     .help = "peer_src_ip is who sent the datagram, whatever elements 130 and 131 say"},
    {"nfacctd_account_options", KEY_BOOL_AT(struct nfacctd_settings, account_options), "false",
     .help = "records of options data become rows without counters"},
    {"templates_max", KEY_INT_AT(struct nfacctd_settings, templates_max, 1, 1 << 24), "65536",
     .help = "templates that a worker keeps, and 32 times as many fields of them"},
    {"template_fields_max", KEY_INT_AT(struct nfacctd_settings, template_fields_max, 1, 16384),
     "1024", .help = "fields that a template may have"},
    {"template_lifetime", KEY_DURATION_AT(struct nfacctd_settings, template_lifetime_s, 0, 1 << 30),
     "0", .help = "forget templates that are not refreshed for so long; 0: never"},
    {"domains_max", KEY_INT_AT(struct nfacctd_settings, domains_max, 1, 1 << 24), "16384",
     .help = "observation domains that a worker keeps"},
    {"options_max", KEY_INT_AT(struct nfacctd_settings, options_max, 1, 1 << 28), "524288",
     .help = "samplers, interface and VRF names that a worker keeps"},
    {"pending_sets_size",
     KEY_SIZE_AT(struct nfacctd_settings, pending_sets_size, 0, INT64_C(1) << 36), "4M",
     .help = "memory in which a worker keeps data until its template comes, bytes"},
    {"pending_sets_age", KEY_DURATION_AT(struct nfacctd_settings, pending_sets_age_s, 1, 1 << 30),
     "300", .help = "how long a worker keeps data whose template has not come"},
    {"flow_totals_max", KEY_INT_AT(struct nfacctd_settings, flow_totals_max, 1, 1 << 24), "65536",
     .help = "flows of each exporter whose last total counters (elements 85, 86) are kept"},
    {0},
};

int main(int argc, char **argv)
{
    struct nfacctd_settings settings = {0};
    const struct daemon_description description = {
        .name = "nfacctd",
        .data_name = "NetFlow/IPFIX",
        .export_word = "netflow",
        .has_netflow_keys = true,
        .port = 2100,
        .decoder = &nfacctd_decoder,
        .options = flow_options,
        .keys = keys,
        .decoder_settings = &settings,
    };

    return daemon_main(argc, argv, &description);
}
