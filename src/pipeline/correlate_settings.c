/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The settings of correlation: its table of keys, and the parsing of values that are lists. */
#include "base/memory.h"
#include "base/text.h"
#include "pipeline/correlate.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int accept_word(const char *word, struct correlate_settings *c)
{
    if (strcmp(word, "pmacct") == 0) {
        c->policy = RIB_POLICY_PMACCT;
        c->accepted = UINT32_MAX;
        return 0;
    }
    if (strcmp(word, "all") == 0) {
        c->accepted = UINT32_MAX;
        return 0;
    }
    for (int i = 1; i < PATH_MATCH_COUNT; i++)
        if (strcmp(word, path_matches[i].text) == 0) {
            c->accepted |= UINT32_C(1) << i;
            return 0;
        }
    return -EINVAL;
}

static int parse_path_accept(const char *value, void *settings, struct text *errors)
{
    struct correlate_settings *c = settings;
    char *list, *rest;
    int err = 0;

    if (!value) {
        for (int i = 0; i < PATH_MATCH_COUNT; i++)
            c->accepted |= (uint32_t)path_matches[i].is_accepted_by_default << i;
        return 0;
    }
    rest = list = mem_strdup(value);
    for (char *word; (word = strtok_r(rest, ", \t", &rest)) != NULL;) {
        if (accept_word(word, c) == 0)
            continue;
        text_append_printf(errors, "no verdict '%s'; there are", word);
        for (int i = 1; i < PATH_MATCH_COUNT; i++)
            text_append_printf(errors, " %s,", path_matches[i].text);
        text_append_string(errors, " all, pmacct\n");
        err = -EINVAL;
    }
    mem_free(list);
    if ((c->accepted >> PATH_MATCH_SINGLE & 1) && !(c->accepted >> PATH_MATCH_DIFFERS & 1)) {
        c->accepted |= UINT32_C(1) << PATH_MATCH_DIFFERS;
        c->adds_differs = true;
    }
    return err;
}

static int parse_follow_nexthop(const char *value, void *settings, struct text *errors)
{
    struct correlate_settings *c = settings;
    char *list, *rest;
    int err = 0;

    if (!value)
        return 0;
    rest = list = mem_strdup(value);
    for (char *word; (word = strtok_r(rest, ", \t", &rest)) != NULL;) {
        if (c->follow_count == FOLLOW_PREFIXES_MAX) {
            text_append_printf(errors, "more than %d prefixes; join some\n", FOLLOW_PREFIXES_MAX);
            err = -EINVAL;
            break;
        }
        if (ip_network_parse(word, &c->follow[c->follow_count]) == 0) {
            c->follow_count++;
            continue;
        }
        text_append_printf(errors, "'%s' is not a prefix; write address/length\n", word);
        err = -EINVAL;
    }
    mem_free(list);
    return err;
}

/* The choices of methods. The exporter's own word is `netflow` or `sflow`: pmacct takes either
 * in both daemons. The last ones are its older names. */
static const struct config_choice as_methods[] = {
    {"netflow", ROUTE_NETFLOW},  {"file", ROUTE_FILE},
    {"bgp", ROUTE_BGP},          {"bmp", ROUTE_BGP},
    {"longest", ROUTE_LONGEST},  {"sflow", ROUTE_NETFLOW},
    {"fallback", ROUTE_LONGEST}, {"true", ROUTE_FILE},
    {"false", ROUTE_NETFLOW},    {0},
};
static const struct config_choice net_methods[] = {
    {"netflow", ROUTE_NETFLOW}, {"file", ROUTE_FILE},        {"mask", ROUTE_MASK},
    {"bgp", ROUTE_BGP},         {"bmp", ROUTE_BGP},          {"longest", ROUTE_LONGEST},
    {"sflow", ROUTE_NETFLOW},   {"fallback", ROUTE_LONGEST}, {0},
};
static const struct config_choice source_methods[] = {
    {"netflow", SOURCE_EXPORT}, {"sflow", SOURCE_EXPORT}, {"bgp", SOURCE_BGP},
    {"bmp", SOURCE_BGP},        {"map", SOURCE_BY_MAP},   {0}};
static const struct config_choice path_or_map[] = {
    {"bgp", SOURCE_BGP}, {"map", SOURCE_BY_MAP}, {0}};
static const struct config_choice bgp_alone[] = {{"bgp", true}, {0}};

const struct config_key correlate_keys[] = {
    {"NAME_as", KEY_CHOICE_AT(struct correlate_settings, as_method), KEY_OWN_EXPORT,
     .choices = as_methods, .aliases = "NAME_as_new|pmacctd_as|uacctd_as",
     .help = "where AS numbers come from: the exporter, networks_file, BGP; longest: whoever has "
             "the longest prefix"},
    {"NAME_net", KEY_CHOICE_AT(struct correlate_settings, net_method), KEY_OWN_EXPORT,
     .choices = net_methods, .aliases = "pmacctd_net|uacctd_net",
     .help = "where networks and masks come from: the exporter, networks_file, networks_mask, BGP; "
             "longest: whoever has the longest prefix"},
    {"bgp_path_accept", KEY_STRING, .parse = parse_path_accept,
     .help = "verdicts (path_match) whose path is filled in, comma-separated; all; or pmacct: "
             "choose as pmacct does"},
    {"bgp_path_lag", KEY_DURATION_AT(struct correlate_settings, path_lag_s, 0, 3600), "60",
     .help = "where no path answers, one that was announced so long after the flow's end does; "
             "0: none"},
    {"bgp_follow_default", KEY_INT_AT(struct correlate_settings, follow_default, 0, 20), "0",
     .help = "how many times to follow a default route to the peer behind its next hop"},
    {"bgp_follow_nexthop", KEY_STRING, .parse = parse_follow_nexthop,
     .help = "prefixes, comma-separated: follow next hops inside them from peer to peer"},
    {"bgp_follow_nexthop_external", KEY_BOOL_AT(struct correlate_settings, follow_external),
     "false", .help = "the result is the next hop that the last peer inside the prefixes uses"},
    {"bgp_peer_as_skip_subas", KEY_BOOL_AT(struct correlate_settings, skip_confederation), "false",
     .help = "leave confederation segments out when looking for the neighbour AS"},
    {"bgp_peer_src_as_type", KEY_CHOICE_AT(struct correlate_settings, peer_src_as), KEY_OWN_EXPORT,
     .choices = source_methods, .help = "where peer_src_as comes from"},
    {"bgp_src_as_path_type", KEY_CHOICE_AT(struct correlate_settings, src_as_path),
     .choices = bgp_alone, .help = "where src_as_path comes from"},
    {"bgp_src_std_comm_type", KEY_CHOICE_AT(struct correlate_settings, src_std_comms),
     .choices = bgp_alone, .help = "where src_std_comm comes from"},
    {"bgp_src_ext_comm_type", KEY_CHOICE_AT(struct correlate_settings, src_ext_comms),
     .choices = bgp_alone, .help = "where src_ext_comm comes from"},
    {"bgp_src_lrg_comm_type", KEY_CHOICE_AT(struct correlate_settings, src_lrg_comms),
     .choices = bgp_alone, .help = "where src_lrg_comm comes from"},
    {"bgp_src_roa_type", KEY_CHOICE_AT(struct correlate_settings, src_roa), .choices = bgp_alone,
     .help = "where src_roa comes from"},
    {"bgp_src_local_pref_type", KEY_CHOICE_AT(struct correlate_settings, src_local_pref),
     .choices = path_or_map, .help = "where src_local_pref comes from"},
    {"bgp_src_med_type", KEY_CHOICE_AT(struct correlate_settings, src_med), .choices = path_or_map,
     .help = "where src_med comes from"},
    {"bgp_stdcomm_pattern_to_asn", KEY_STRING_AT(struct correlate_settings, std_comm_to_asn),
     .help = "of a path without AS path, the first community PEER:ORIGIN that matches gives both "
             "AS numbers"},
    {"bgp_lrgcomm_pattern_to_asn", KEY_STRING_AT(struct correlate_settings, lrg_comm_to_asn),
     .help = "the same as bgp_stdcomm_pattern_to_asn with large communities"},
    {0},
};
