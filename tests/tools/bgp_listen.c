/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The BGP thread without the rest of a daemon, for tests with real peers: bgp_listen "key: value"...
 * runs it and answers each line of standard input with one line of JSON:
 *
 *     peers                              the peer snapshot
 *     lookup PEER RD ADDRESS [NEXT_HOP]  the path that a flow to ADDRESS finds with that peer; RD is
 *                                        a route distinguisher in hex, 0 without one
 *     stats                              all counters
 *     reload                             reads the allow and md5 files again
 *     quit                               ends the program, as any other line does
 */
#include "base/log.h"
#include "base/memory.h"
#include "bgp/bgp.h"
#include "config/config.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Reads settings from the arguments, each `key: value`. They borrow from the configuration that is
 * returned. */
static struct config *settings_read(struct bgp_settings *settings, int argc, char **argv)
{
    struct config *config = config_new();
    struct text errors = {0}, warnings = {0};

    config_add_table(config, bgp_keys, settings);
    config_add_table(config, rib_keys, settings);
    config_add_table(config, bgp_flow_keys, settings);
    for (int i = 1; i < argc; i++) {
        char *colon = strstr(argv[i], ": ");
        if (!colon) {
            fprintf(stderr, "%s: not of the form `key: value`\n", argv[i]);
            exit(2);
        }
        *colon = '\0';
        config_set(config, argv[i], NULL, colon + 2, "argument");
    }
    if (config_check(config, &errors, &warnings) < 0) {
        fputs(text_cstr(&errors), stderr);
        exit(2);
    }
    text_clear(&errors);
    text_clear(&warnings);
    return config;
}

static void peer_append(struct text *out, const struct bgp_peer_info *peer)
{
    char address[IP_TEXT_LEN];

    ip_addr_format(&peer->address, address);
    text_append_printf(out,
                       "{\"index\": %u, \"address\": \"%s\", \"port\": %u, \"router_id\": %u, "
                       "\"as\": %u, \"established\": %s, \"updates\": %" PRIu64
                       ", \"paths\": %" PRIu64 ", \"history_paths\": %" PRIu64 ", \"families\": [",
                       peer->index, address, peer->port, peer->router_id, peer->as,
                       peer->state == BGP_PEER_ESTABLISHED ? "true" : "false", peer->updates,
                       peer->paths, peer->history_paths);
    for (int f = 0; f < RIB_FAMILY_COUNT; f++) {
        const struct bgp_peer_family *family = &peer->families[f];
        text_append_printf(out,
                           "%s{\"negotiated\": %s, \"add_path\": %s, \"loaded\": %s, "
                           "\"stale\": %s}",
                           f ? ", " : "", family->is_negotiated ? "true" : "false",
                           family->has_add_path ? "true" : "false",
                           family->is_loaded ? "true" : "false",
                           family->is_stale ? "true" : "false");
    }
    text_append_string(out, "]}");
}

static void peers_answer(const struct bgp *bgp, struct text *out)
{
    const struct bgp_peers *peers = bgp_peers(bgp);

    text_append_printf(out, "{\"generation\": %" PRIu64 ", \"peers\": [", peers->generation);
    for (uint32_t i = 0; i < peers->count; i++) {
        text_append_string(out, i ? ", " : "");
        peer_append(out, &peers->peers[i]);
    }
    text_append_string(out, "]}");
}

static void path_append(struct text *out, const struct rib_query *query)
{
    const struct path_attrs *attrs = query->path.attrs;
    const struct ip_prefix network = rib_query_prefix(query);
    char next_hop[IP_TEXT_LEN], prefix[IP_PREFIX_TEXT_LEN];

    ip_addr_format(&attrs->next_hop, next_hop);
    ip_prefix_format(&network, prefix);
    text_append_printf(
        out,
        ", \"prefix\": \"%s\", \"path_id\": %u, \"next_hop\": \"%s\", \"origin\": %u, "
        "\"local_pref\": %u, \"med\": %u, \"first_as\": %u, \"origin_as\": %u, "
        "\"as_path\": \"%s\", \"comms\": \"%s\", \"ecomms\": \"%s\", "
        "\"lcomms\": \"%s\"",
        prefix, query->path.path_id, next_hop, attrs->origin, attrs->local_pref, attrs->med,
        attrs->first_as, attrs->origin_as, rib_text_data(attrs->as_path),
        rib_text_data(attrs->std_comms), rib_text_data(attrs->ext_comms),
        rib_text_data(attrs->lrg_comms));
}

static void lookup_answer(const struct bgp *bgp, char *arguments, struct text *out)
{
    char address[64] = "", next_hop[64] = "";
    struct rib_query query = {0};

    sscanf(arguments, "%u %" SCNx64 " %63s %63s", &query.peer, &query.rd, address, next_hop);
    if (ip_addr_parse(address, &query.address) < 0 ||
        (next_hop[0] && ip_addr_parse(next_hop, &query.next_hop) < 0)) {
        text_append_string(out, "{\"error\": \"lookup PEER RD ADDRESS [NEXT_HOP]\"}");
        return;
    }
    query.from_ns = query.to_ns = clock_wall().ns;
    rib_lookup_batch(bgp_rib(bgp), RIB_POLICY_NORMAL, &query, 1);
    text_append_printf(out,
                       "{\"match\": \"%s\", \"candidates\": %u, \"stale\": %s, \"loading\": %s",
                       path_matches[query.match].text, query.candidate_paths,
                       query.is_stale ? "true" : "false", query.is_loading ? "true" : "false");
    if (query.path.attrs)
        path_append(out, &query);
    text_append_string(out, "}");
}

static void counter_append(void *arg, const struct bgp_statistic *statistic, uint64_t value)
{
    struct text *out = arg;
    text_append_printf(out, "%s\"%s\": %" PRIu64, out->len > 1 ? ", " : "", statistic->name, value);
}

static bool line_answer(struct bgp *bgp, char *line, struct text *out)
{
    line[strcspn(line, "\n")] = '\0';
    if (strcmp(line, "peers") == 0) {
        peers_answer(bgp, out);
    } else if (strncmp(line, "lookup ", 7) == 0) {
        lookup_answer(bgp, line + 7, out);
    } else if (strcmp(line, "stats") == 0) {
        text_append_char(out, '{');
        bgp_statistics_each(bgp, counter_append, out);
        text_append_char(out, '}');
    } else if (strcmp(line, "reload") == 0) {
        bgp_reload(bgp);
        text_append_string(out, "{}");
    } else {
        return false;
    }
    return true;
}

static void lines_answer(struct bgp *bgp, struct rcu_reader *reader)
{
    char line[256];
    struct text out = {0};
    bool is_on = true;

    while (is_on && fgets(line, sizeof line, stdin)) {
        rcu_online(reader);
        text_reset(&out);
        is_on = line_answer(bgp, line, &out);
        if (is_on) {
            printf("%s\n", text_cstr(&out));
            fflush(stdout);
        }
        rcu_offline(reader);
    }
    text_clear(&out);
}

static void bgp_serve(struct bgp *bgp, struct rcu *rcu)
{
    struct rcu_reader *reader;

    rcu_reader_register(rcu, &reader);
    bgp_start(bgp);
    lines_answer(bgp, reader);
    bgp_stop(bgp);
    rcu_reader_unregister(reader);
    bgp_free(bgp);
}

int main(int argc, char **argv)
{
    struct bgp_settings settings = {0};
    struct config *config = settings_read(&settings, argc, argv);
    struct rcu *rcu = rcu_new(2);
    struct text error = {0};
    struct bgp *bgp;

    settings.enabled = true;
    int err = bgp_new(&settings, rcu, &error, &bgp);
    if (err < 0)
        fprintf(stderr, "%s\n", text_cstr(&error));
    else
        bgp_serve(bgp, rcu);
    text_clear(&error);
    rcu_free(rcu);
    config_free(config);
    return err < 0;
}
