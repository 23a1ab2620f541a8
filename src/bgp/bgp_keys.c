/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration keys of the BGP thread. */
#include "base/address.h"
#include "bgp/bgp.h"
#include "bgp/community.h"
#include <errno.h>
#include <stddef.h>

#define AT(member) offsetof(struct bgp_settings, member)

static int check_address(const char *value, struct text *error)
{
    struct ip_addr address;

    if (ip_addr_parse(value, &address) == 0)
        return 0;
    text_append_string(error, "an IP address");
    return -EINVAL;
}

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
    {"bgp_daemon", KEY_BOOL, SCOPE_GLOBAL, AT(enabled), "false",
     .help = "run the BGP thread, to which routers send their tables"},
    {"bgp_daemon_ip", KEY_STRING, SCOPE_GLOBAL, AT(listen_ip), .check = check_address,
     .help = "address to listen on; all of them when not set"},
    {"bgp_daemon_port", KEY_INT, SCOPE_GLOBAL, AT(port), "179", 1, 65535,
     .help = "TCP port to listen on"},
    {"bgp_daemon_interface", KEY_STRING, SCOPE_GLOBAL, AT(interface),
     .help = "listen on this interface (or VRF) alone"},
    {"bgp_daemon_ipv6_only", KEY_BOOL, SCOPE_GLOBAL, AT(ipv6_only), "false",
     .help = "listen on IPv6 alone"},
    {"bgp_daemon_id", KEY_STRING, SCOPE_GLOBAL, AT(router_id), .check = check_router_id,
     .help = "our BGP identifier; when not set the IPv4 address we listen on, else 1.2.3.4"},
    {"bgp_daemon_as", KEY_INT, SCOPE_GLOBAL, AT(local_as), "0", 0, UINT32_MAX,
     .help = "our AS number; 0: each peer's own, so that all sessions are internal"},
    {"bgp_daemon_max_peers", KEY_INT, SCOPE_GLOBAL, AT(max_peers), "10", 1, RIB_SLOTS_MAX / 2,
     .help = "how many peers may have a session at the same time"},
    {"bgp_daemon_allow_file", KEY_STRING, SCOPE_GLOBAL, AT(allow_file),
     .help =
         "file of addresses and prefixes, one per line, that may connect; all may when not set"},
    {"bgp_daemon_md5_file", KEY_STRING, SCOPE_GLOBAL, AT(md5_file),
     .help = "file of `address, password` lines: TCP-MD5 (RFC 2385) for these peers"},
    {"bgp_neighbors_file", KEY_STRING, SCOPE_GLOBAL, AT(neighbors_file),
     .help = "file that the addresses of established peers are written to, one per line"},
    {"bgp_daemon_pipe_size", KEY_SIZE, SCOPE_GLOBAL, AT(pipe_size), "0", 0, INT32_MAX,
     .help = "receive buffer of each session; 0: the system's default"},
    {"bgp_daemon_ipprec", KEY_INT, SCOPE_GLOBAL, AT(ip_precedence), "0", 0, 7,
     .help = "IP precedence of what we send"},
    {"bgp_daemon_batch", KEY_INT, SCOPE_GLOBAL, AT(batch), "0", 0, 65535,
     .help = "connections to accept per bgp_daemon_batch_interval; 0: no limit"},
    {"bgp_daemon_batch_interval", KEY_DURATION, SCOPE_GLOBAL, AT(batch_interval_s), "0", 0, 86400,
     .help = "seconds between batches of accepted connections; 0: no limit"},
    {"bgp_daemon_add_path_ignore", KEY_BOOL, SCOPE_GLOBAL, AT(add_path_ignore), "false",
     .help = "do not offer to receive ADD-PATH"},
    {"bgp_daemon_hold_time", KEY_INT, SCOPE_GLOBAL, AT(hold_time_s), "90", 0, 65535,
     .help = "hold time to offer, in seconds, at least 3; 0: none"},
    {"bgp_daemon_connect", KEY_STRING, SCOPE_GLOBAL, AT(connect_to),
     .help = "connect to these peers too: `address` or `address@port`, comma-separated"},
    {"bgp_path_history", KEY_DURATION, SCOPE_GLOBAL, AT(path_history_s), "300", 0, 86400,
     .help = "how long a withdrawn or replaced path stays for flows that used it"},
    {"bgp_path_history_max", KEY_INT, SCOPE_GLOBAL, AT(path_history_max), "1000000", 0, UINT32_MAX,
     .help = "withdrawn or replaced paths to keep at most; beyond, the oldest go first"},
    {"bgp_peer_paths_max", KEY_INT, SCOPE_GLOBAL, AT(peer_paths_max), "20000000", 1, UINT32_MAX,
     .help = "how many paths of one peer are kept; what it announces beyond them is refused"},
    {"bgp_peer_down_keep", KEY_DURATION, SCOPE_GLOBAL, AT(peer_down_keep_s), "0", 0, 86400 * 7,
     .help = "how long the paths of a lost session stay, stale, for it to come back"},
    {"bgp_disable_router_id_check", KEY_BOOL, SCOPE_GLOBAL, AT(disable_router_id_check), "false",
     .help = "find an exporter's peer by session address alone, not by router id"},
    {"bgp_comms_num", KEY_BOOL, SCOPE_GLOBAL, AT(communities_numeric), "false",
     .help = "print well-known communities as numbers, extended ones without their type"},
    {"bgp_aspath_radius", KEY_INT, SCOPE_GLOBAL, AT(aspath_radius), "0", 0, UINT32_MAX,
     .help = "keep so many hops of AS paths; 0: all"},
    {"bgp_stdcomm_pattern", KEY_STRING, SCOPE_GLOBAL, AT(stdcomm_pattern), .check = check_patterns,
     .help = "keep standard communities that contain one of these; a dot is any character"},
    {"bgp_extcomm_pattern", KEY_STRING, SCOPE_GLOBAL, AT(extcomm_pattern), .check = check_patterns,
     .help = "keep extended communities that contain one of these; a dot is any character"},
    {"bgp_lrgcomm_pattern", KEY_STRING, SCOPE_GLOBAL, AT(lrgcomm_pattern), .check = check_patterns,
     .help = "keep large communities that contain one of these; a dot is any character"},
    {0},
};
