/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program pmbgpd: BGP alone. */
#include "daemon/options.h"
#include "routes/program.h"

static const struct key_option options[] = {
    {'L', "bgp_daemon_ip", NULL, "ADDRESS", "take sessions on this address"},
    {'l', "bgp_daemon_port", NULL, "PORT", "take sessions on this TCP port"},
    {'o', "bgp_daemon_msglog_file", NULL, "FILE", "log what peers say there"},
    {'O', "bgp_table_dump_file", NULL, "FILE", "dump tables there"},
    {'i', "bgp_table_dump_refresh_time", NULL, "SECONDS", "dump them that often"},
    {'g', "bgp_daemon_lg", "true", NULL, NULL},
    {'m', "bgp_daemon_xconnect_map", NULL, "FILE", NULL},
    {0},
};

const struct daemon_description program = {
    .name = "pmbgpd",
    .data_name = "BGP",
    .service = "bgp_daemon",
    .options = options,
};
