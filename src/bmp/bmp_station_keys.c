/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of the station's configuration keys. */
#include "bmp/bmp_station.h"
#include <stddef.h>

const struct config_key bmp_keys[] = {
    {"bmp_daemon", KEY_BOOL_AT(struct bmp_station_settings, enabled), "false",
     .help = "run the BMP station, beside BGP or without it, to which routers tell of their peers "
             "and routes (RFC 7854)"},
    {"bmp_daemon_ip", KEY_STRING_AT(struct bmp_station_settings, listen_ip),
     .check = config_check_address, .help = "address to listen on; all of them when not set"},
    {"bmp_daemon_port", KEY_INT_AT(struct bmp_station_settings, port, 1, 65535), "1790",
     .help = "TCP port to listen on"},
    {"bmp_daemon_interface", KEY_STRING_AT(struct bmp_station_settings, interface),
     .help = "listen on this interface (or VRF) alone"},
    {"bmp_daemon_ipv6_only", KEY_BOOL_AT(struct bmp_station_settings, ipv6_only), "false",
     .help = "listen on IPv6 alone"},
    {"bmp_daemon_allow_file", KEY_STRING_AT(struct bmp_station_settings, allow_file),
     .help =
         "file of addresses and prefixes, one per line, that may connect; all may when not set"},
    {"bmp_daemon_max_peers",
     KEY_INT_AT(struct bmp_station_settings, routers_max, 1, BMP_ROUTERS_MAX), "10",
     .help = "how many routers may be connected at the same time, or have paths that are kept"},
    {"bmp_router_peers_max", KEY_INT_AT(struct bmp_station_settings, peers_max, 1, BMP_PEERS_MAX),
     "1000", .help = "how many monitored peers one router may have; those beyond are left out"},
    {"bmp_router_paths_max", KEY_INT_AT(struct bmp_station_settings, paths_max, 1, UINT32_MAX),
     "100000000",
     .help = "how many paths one router may have, of all its peers; those beyond are left out"},
    {"bmp_daemon_batch", KEY_INT_AT(struct bmp_station_settings, batch, 0, 65535), "0",
     .help = "connections to accept per bmp_daemon_batch_interval; 0: no limit"},
    {"bmp_daemon_batch_interval",
     KEY_DURATION_AT(struct bmp_station_settings, batch_interval_s, 0, 86400), "0",
     .help = "seconds between batches of accepted connections; 0: no limit"},
    {"bmp_daemon_ipprec", KEY_INT_AT(struct bmp_station_settings, ip_precedence, 0, 7), "0",
     .help = "IP precedence of what we send, which is acknowledgements alone"},
    {"bmp_daemon_pipe_size", KEY_SIZE_AT(struct bmp_station_settings, pipe_size, 0, INT32_MAX), "0",
     .help = "receive buffer of each connection; 0: the system's default"},
    {0},
};
