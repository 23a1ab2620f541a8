/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tables of the BGP thread's configuration keys, and the checks of their values. */
#include "base/address.h"
#include "bgp/bgp.h"
#include "bgp/community.h"
#include <errno.h>
#include <stddef.h>

static int check_router_id(const char *value, struct text *error)
{
    struct ip_addr address;

    if (ip_addr_parse(value, &address) == 0 && address.family == IP_V4 &&
        !ip_addr_is_zero(&address))
        return 0;
    text_append_string(error, "a BGP identifier: written as an IPv4 address, and not 0.0.0.0");
    return -EINVAL;
}

static int check_patterns(const char *value, struct text *error)
{
    struct community_patterns patterns;

    if (community_patterns_parse(value, &patterns) == 0) {
        community_patterns_clear(&patterns);
        return 0;
    }
    text_append_printf(error, "at most %d patterns", COMMUNITY_PATTERNS_MAX);
    return -EINVAL;
}

const struct config_key bgp_keys[] = {
    {"bgp_daemon", KEY_BOOL_AT(struct bgp_settings, enabled), "false",
     .help = "run the BGP thread, to which routers send their tables"},
    {"bgp_daemon_ip", KEY_STRING_AT(struct bgp_settings, listen_ip), .check = config_check_address,
     .help = "address to listen on; all of them when not set"},
    {"bgp_daemon_port", KEY_INT_AT(struct bgp_settings, port, 1, 65535), "179",
     .help = "TCP port to listen on"},
    {"bgp_daemon_interface", KEY_STRING_AT(struct bgp_settings, interface),
     .help = "listen on this interface (or VRF) alone"},
    {"bgp_daemon_ipv6_only", KEY_BOOL_AT(struct bgp_settings, ipv6_only), "false",
     .help = "listen on IPv6 alone"},
    {"bgp_daemon_id", KEY_STRING_AT(struct bgp_settings, router_id), .check = check_router_id,
     .help = "our BGP identifier; when not set the IPv4 address we listen on, else 1.2.3.4"},
    {"bgp_daemon_as", KEY_INT_AT(struct bgp_settings, local_as, 0, UINT32_MAX), "0",
     .help = "our AS number; 0: each peer's own, so that all sessions are internal"},
    {"bgp_daemon_max_peers", KEY_INT_AT(struct bgp_settings, max_peers, 1, RIB_SLOTS_MAX / 2), "10",
     .help = "how many peers may have a session at the same time"},
    {"bgp_daemon_max_sessions_per_address",
     KEY_INT_AT(struct bgp_settings, max_sessions_per_address, 1, RIB_SLOTS_MAX / 2), "2",
     .help = "how many different router ids may have a session from one address"},
    {"bgp_daemon_allow_file", KEY_STRING_AT(struct bgp_settings, allow_file),
     .help =
         "file of addresses and prefixes, one per line, that may connect; all may when not set"},
    {"bgp_daemon_md5_file", KEY_STRING_AT(struct bgp_settings, md5_file),
     .help = "file of `address, password` lines: TCP-MD5 (RFC 2385) for these peers"},
    {"bgp_daemon_ttl_security", KEY_INT_AT(struct bgp_settings, ttl_security, 0, 254), "0",
     .help =
         "take packets only from peers at most so many hops away, 1 for direct neighbours, which "
         "send with a TTL of 255 too (RFC 5082); 0: from any"},
    {"bgp_neighbors_file", KEY_STRING_AT(struct bgp_settings, neighbors_file),
     .help = "file that the addresses of established peers are written to, one per line, below a "
             "comment "
             "with the version; at the next start these are known addresses"},
    {"bgp_daemon_pipe_size", KEY_SIZE_AT(struct bgp_settings, pipe_size, 0, INT32_MAX), "0",
     .help = "receive buffer of each session; 0: the system's default"},
    {"bgp_daemon_ipprec", KEY_INT_AT(struct bgp_settings, ip_precedence, 0, 7), "0",
     .help = "IP precedence of what we send"},
    {"bgp_daemon_batch", KEY_INT_AT(struct bgp_settings, batch, 0, 65535), "0",
     .help = "connections to accept per bgp_daemon_batch_interval; 0: no limit"},
    {"bgp_daemon_batch_interval", KEY_DURATION_AT(struct bgp_settings, batch_interval_s, 0, 86400),
     "0", .help = "seconds between batches of accepted connections; 0: no limit"},
    {"bgp_daemon_add_path_ignore", KEY_BOOL_AT(struct bgp_settings, add_path_ignore), "false",
     .help = "do not offer to receive ADD-PATH"},
    {"bgp_daemon_hold_time", KEY_INT_AT(struct bgp_settings, hold_time_s, 0, 65535), "90",
     .help = "hold time to offer, in seconds, at least 3; 0: none"},
    {"bgp_daemon_connect", KEY_STRING_AT(struct bgp_settings, connect_to),
     .help = "connect to these peers too: `address` or `address@port`, comma-separated"},
    {"bgp_table_load", KEY_STRING_AT(struct bgp_settings, table_load),
     .help = "MRT files (TABLE_DUMP_V2, also of gzip or zstd), comma-separated, whose tables are "
             "loaded at "
             "the start, as stale ones of the peers that they name"},
    {"bgp_table_load_keep", KEY_DURATION_AT(struct bgp_settings, table_load_keep_s, 0, 604800),
     "600",
     .help = "how long paths from files stay for their peer's session to come; in replay for ever"},
    {"bgp_table_save", KEY_STRING_AT(struct bgp_settings, table_save),
     .help = "MRT file that all paths are saved to at the end, and loaded from at the next start, "
             "if it comes "
             "within bgp_table_load_keep"},
    {0},
};

const struct config_key rib_keys[] = {
    {"bgp_peer_paths_max", KEY_INT_AT(struct bgp_settings, peer_paths_max, 1, UINT32_MAX),
     "20000000",
     .help =
         "how many paths one peer may have; beyond them its session ends, and it is refused for a "
         "minute, twice as long each time up to an hour"},
    {"bgp_daemon_max_prefixes", KEY_INT_AT(struct bgp_settings, max_prefixes, 1, UINT32_MAX),
     "4000000",
     .help = "how many prefixes one peer may have; beyond them as with bgp_peer_paths_max"},
    {"bgp_daemon_max_memory", KEY_SIZE_AT(struct bgp_settings, max_memory, 0, INT64_MAX), "0",
     .help = "memory of all tables; beyond it stale paths go, then the session of an unknown peer "
             "that holds most, then new paths are refused; 0: three quarters of the machine's, or "
             "of its control group's limit"},
    {"bgp_peer_down_keep", KEY_DURATION_AT(struct bgp_settings, peer_down_keep_s, 0, 604800), "120",
     .help = "how long the paths of a lost session stay, stale, for it to come back"},
    {"bgp_comms_num", KEY_BOOL_AT(struct bgp_settings, communities_numeric), "false",
     .help = "print well-known communities as numbers, extended ones without their type"},
    {"bgp_aspath_radius", KEY_INT_AT(struct bgp_settings, aspath_radius, 0, UINT32_MAX), "0",
     .help = "keep so many hops of AS paths; 0: all"},
    {"bgp_stdcomm_pattern", KEY_STRING_AT(struct bgp_settings, stdcomm_pattern),
     .check = check_patterns,
     .help = "keep standard communities that contain one of these; a dot is any character"},
    {"bgp_extcomm_pattern", KEY_STRING_AT(struct bgp_settings, extcomm_pattern),
     .check = check_patterns,
     .help = "keep extended communities that contain one of these; a dot is any character"},
    {"bgp_lrgcomm_pattern", KEY_STRING_AT(struct bgp_settings, lrgcomm_pattern),
     .check = check_patterns,
     .help = "keep large communities that contain one of these; a dot is any character"},
    {0},
};

const struct config_key bgp_flow_keys[] = {
    {"bgp_path_history", KEY_DURATION_AT(struct bgp_settings, path_history_s, 0, 86400), "300",
     .help = "how long a withdrawn or replaced path stays for flows that used it"},
    {"bgp_path_history_max", KEY_INT_AT(struct bgp_settings, path_history_max, 0, UINT32_MAX),
     "1000000", .help = "withdrawn or replaced paths to keep at most; beyond, the oldest go first"},
    {"bgp_disable_router_id_check", KEY_BOOL_AT(struct bgp_settings, disable_router_id_check),
     "false", .help = "find an exporter's peer by session address alone, not by router id"},
    {0},
};
