/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program sfacctd: names the decoder of sFlow versions 2, 4 and 5 and the configuration keys
 * that only this decoder has. daemon/ does the rest. */
#include "config/config_key.h"
#include "daemon/daemon.h"
#include "daemon/event_output.h"
#include "daemon/options.h"
#include "sfacctd/counter_events.h"
#include "sfacctd/decoder.h"

static const struct config_key keys[] = {
    {"use_ip_next_hop", KEY_BOOL_AT(struct sfacctd_settings, use_ip_next_hop), "false",
     .help = "an IPv4 next hop of a router record stands for the BGP next hop if there is none"},
    {"sfacctd_disable_checks", KEY_BOOL_AT(struct sfacctd_settings, skip_sequence_check), "false",
     .aliases =
         "sfacctd_disable_sanity_checks|nfacctd_disable_checks|nfacctd_disable_sanity_checks",
     .help = "sequence numbers of datagrams and samples are not checked"},
    {"sfacctd_ignore_exporter_address",
     KEY_BOOL_AT(struct sfacctd_settings, ignore_exporter_address), "false",
     .aliases = "nfacctd_ignore_exporter_address",
     .help = "the exporter is who sent the datagram, whatever agent address it names"},
    {"sfacctd_discards", KEY_BOOL_AT(struct sfacctd_settings, account_discards), "false",
     .help = "each notification of a discarded packet is a flow of one packet too; see "
             "discard_reason"},
    {"sfacctd_counter_file", KEY_STRING_AT(struct sfacctd_settings, counter_file),
     .help = "file or named pipe that counter samples are appended to as JSON lines; "
             "$peer_src_ip stands for the agent"},
    {"sfacctd_counter_output", KEY_CHOICE, .default_value = "json",
     .choices = KEY_CHOICES({"json", 0}), .help = "form of counter samples, wherever they go"},
    KEY_ROWS_EVENT_OUTPUT("sfacctd_counter", "counter samples, as JSON,",
                          "$peer_src_ip in it stands for the agent"),
    {"sfacctd_counter_max_nodes", KEY_IGNORED, .help = "there is no limit but exporters_max"},
    {"agents_max", KEY_INT_AT(struct sfacctd_settings, agents_max, 1, 1 << 24), "16384",
     .help = "sub-agents whose sequence numbers a worker keeps"},
    {"sources_max", KEY_INT_AT(struct sfacctd_settings, sources_max, 1, 1 << 24), "262144",
     .help = "data sources whose sample counts a worker keeps"},
    {"nfacctd_time_secs", KEY_IGNORED, .help = "belongs to NetFlow"},
    {"nfacctd_pre_processing_checks", KEY_IGNORED, .help = "belongs to NetFlow and IPFIX"},
    {0},
};

/* pmacct's counters do not end with writer_id, unlike all else that it sends to brokers. */
static const struct event_output counters = {
    .name = "sflow_counters",
    .prefix = "sfacctd_counter",
    .events = &counter_events,
};

int main(int argc, char **argv)
{
    struct sfacctd_settings settings = {0};
    const struct daemon_description description = {
        .name = "sfacctd",
        .data_name = "sFlow",
        .export_word = "sflow",
        .port = 6343,
        .decoder = &sfacctd_decoder,
        .options = flow_options,
        .keys = keys,
        .decoder_settings = &settings,
        .event_output = &counters,
    };

    return daemon_main(argc, argv, &description);
}
