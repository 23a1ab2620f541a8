/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: any bytes as the file of each of the maps, and of BGP's lists of peers. A map that
 * loads is asked about a few exporters. */
#include "base/memory.h"
#include "base/text.h"
#include "bgp/address_list.h"
#include "bgp/neighbors_file.h"
#include "flow/exporter.h"
#include "flow/primitive.h"
#include "maps/agent_map.h"
#include "maps/allow_list.h"
#include "maps/custom_primitives.h"
#include "maps/ingress_map.h"
#include "maps/map_source.h"
#include "maps/next_hop_map.h"
#include "maps/rd_map.h"
#include "maps/sampling_map.h"
#include "maps/tag_filter.h"
#include "maps/tag_map.h"
#include "maps/value_list.h"
#include "support/check.h"
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static const struct ip_addr exporters[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}, IP_V4},
    {{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, IP_V6},
};

/* Asks all that a worker and the main thread ask of maps. */
static void ask_sampling(const struct sampling_map *map, struct flow_needs *needs)
{
    sampling_map_add_needs(map, needs);
    for (size_t i = 0; i < sizeof exporters / sizeof exporters[0]; i++) {
        sampling_map_names(map, &exporters[i]);
        struct exporter from = {.addr = exporters[i]};
        struct flow flow = {.exporter = &from, .in_iface = 1, .out_iface = UINT32_MAX};
        struct flow_batch batch = {
            .flows = (uint8_t *)&flow, .stride = sizeof flow, .count = 1, .capacity = 1};
        uint32_t rate;
        sampling_map_find(map, &batch, 0, 1, &rate);
    }
}

static void ask_agents(const struct agent_map *map, struct flow_needs *needs)
{
    agent_map_add_needs(map, needs);
    for (size_t i = 0; i < agent_map_peer_count(map); i++)
        CHECK(agent_map_peer_at(map, i));
    for (size_t i = 0; i < sizeof exporters / sizeof exporters[0]; i++) {
        const struct agent_peer *peers[AGENT_PEERS_MAX];
        struct flow flow = {.src_addr = exporters[i], .dst_addr = exporters[i], .in_iface = 1};
        agent_map_names(map, &exporters[i]);
        agent_map_uses(map, &exporters[i]);
        agent_map_find(map, &exporters[i], &flow, peers);
    }
}

static void ask_rd(const struct rd_map *map, struct flow_needs *needs)
{
    rd_map_add_needs(map, needs);
    for (size_t i = 0; i < sizeof exporters / sizeof exporters[0]; i++) {
        struct flow flow = {.bgp_next_hop = exporters[i], .in_iface = 1, .egress_vrf = 30};
        uint64_t rd = 0;
        rd_map_names(map, &exporters[i]);
        if (!rd_map_find(map, &exporters[i], &flow, &rd))
            CHECK(rd == 0);
    }
}

static void ask_next_hops(const struct next_hop_map *map)
{
    for (size_t i = 0; i < sizeof exporters / sizeof exporters[0]; i++) {
        const struct ip_addr *addr = &exporters[i];
        next_hop_map_names(map, addr);
        if (next_hop_map_is_same(map, addr, addr, addr))
            CHECK(next_hop_map_has(map, addr));
    }
}

static void ask_source(const struct ingress_map *map, struct flow_needs *needs)
{
    ingress_map_add_needs(map, needs);
    for (size_t i = 0; i < sizeof exporters / sizeof exporters[0]; i++) {
        const struct source_facts facts = {.next_hop = exporters[i], .neighbour_as = 65000};
        struct flow flow = {.src_addr = exporters[i], .dst_addr = exporters[i], .in_iface = 1};
        ingress_map_names(map, &exporters[i]);
        struct exporter exporter = {.addr = exporters[i]};
        struct flow_batch batch = {.flows = (uint8_t *)&flow, .stride = sizeof flow, .count = 1};
        struct ingress_answer answer;
        flow.exporter = &exporter;
        ingress_map_find(map, &batch, 0, 1, &facts, &answer);
    }
    ingress_map_asks_path(map);
}

static void ask_tags(const struct tag_map *map, struct flow_needs *needs)
{
    static uint8_t memory[4 * TAG_LABEL_MAX];

    tag_map_add_needs(map, needs);
    for (size_t i = 0; i < sizeof exporters / sizeof exporters[0]; i++) {
        static const uint8_t comms[] = "65000:1 65000:20";
        struct arena labels = {.data = memory, .size = sizeof memory};
        struct tag_result result;
        struct flow flow = {.exporter_addr = exporters[i],
                            .dst_addr = exporters[i],
                            .in_iface = 1,
                            .has_counters = i % 2,
                            .ip_version = 4,
                            .export_version = i % 2 ? 5 : 10,
                            .std_comms = {.data = comms, .len = sizeof comms - 1}};
        struct flow_batch batch = {.flows = (uint8_t *)&flow, .stride = sizeof flow, .count = 1};
        struct tag_returns returns = {0}, scanned_returns = {0};
        tag_map_walk(map, &batch, &labels, &result, &returns);
        struct tag_result scanned; /* tags may count up */
        tag_map_scan(map, &flow, &labels, &scanned, &scanned_returns);
        CHECK(returns.count == scanned_returns.count);
        mem_free(returns.items);
        mem_free(scanned_returns.items);
        CHECK(scanned.tag2 == result.tag2 && scanned.tos == result.tos &&
              scanned.label.len == result.label.len);
        CHECK(result.label.len <= TAG_LABEL_MAX);
        (void)tag_map_names(map, &exporters[i]);
    }
}

/* The first line of a file may as well be the value of a key. */
static void ask_filter(const char *path)
{
    char value[256] = "";
    FILE *file = fopen(path, "r");
    struct text error = {0};
    struct tag_filter *filter = NULL;

    if (file && fgets(value, sizeof value, file)) {
        const struct tag_filter_settings settings[] = {{.tag = value, .label = value},
                                                       {.label = value}};
        struct flow flow = {.tag = 5, .label = {.data = (const uint8_t *)"a,b", .len = 3}};
        struct flow_needs needs = {0};
        value[strcspn(value, "\n")] = '\0';
        tag_filter_add_needs(&needs);
        for (int i = 0; i < 2; i++) {
            if (tag_filter_new(&settings[i], &error, &filter) == 0)
                tag_filter_accepts(filter, &flow);
            else
                CHECK(i == 0 && error.len > 0);
            tag_filter_free(filter);
            filter = NULL;
        }
    }
    if (file)
        fclose(file);
    text_clear(&error);
}

static void ask_lists(const char *path, struct map_report *report)
{
    for (int kind = 0; kind < VALUE_LIST_COUNT; kind++) {
        struct value_list *list = NULL;
        size_t count = 0;
        if (value_list_read((enum value_list_kind)kind, path, report, &list) == 0) {
            for (size_t word = 0; word < sizeof list->bits / sizeof list->bits[0]; word++)
                count += (size_t)__builtin_popcountll(list->bits[word]);
            CHECK(count == list->count);
            CHECK(kind == VALUE_LIST_PORTS || !value_list_has(list, UINT8_MAX));
        } else {
            CHECK(report->errors->len > 0);
        }
        text_reset(report->errors);
        value_list_free(list);
    }
}

/* bgp_daemon_allow_file, bgp_daemon_md5_file and bgp_neighbors_file. */
static void ask_peers(const char *path, struct text *errors)
{
    struct standing_table standing = {0};

    for (int has_passwords = 0; has_passwords < 2; has_passwords++) {
        struct address_list list = {0};
        if (address_list_load(path, has_passwords, errors, &list) == 0) {
            for (size_t i = 0; i < list.count; i++) {
                const struct address_entry *entry = &list.entries[i];
                CHECK(address_list_contains(&list, &entry->prefix.addr));
                address_list_contains(&list, &exporters[i % 2]);
                CHECK((entry->password[0] != '\0') == (has_passwords == 1));
            }
        } else {
            CHECK(errors->len > 0);
        }
        text_reset(errors);
        address_list_clear(&list);
    }
    neighbors_file_load(path, &standing, (struct mono_time){1});
    for (size_t i = 0; i < standing.count; i++)
        CHECK(standing_since(&standing, &standing.entries[i].address) != STANDING_NEVER);
    standing_clear(&standing);
}

/* A map that is refused says why. */
static void check_error(int err, struct text *errors)
{
    CHECK(err == 0 || errors->len > 0);
    text_reset(errors);
}

static void read_all(const char *path, bool is_tolerant)
{
    struct text errors = {0}, warnings = {0};
    struct map_report report = {
        .is_tolerant = is_tolerant, .errors = &errors, .warnings = &warnings};
    struct flow_needs needs = {0};
    struct sampling_map *sampling = NULL;
    struct rd_map *rd = NULL;
    struct ingress_map *source = NULL;
    struct next_hop_map *next_hops = NULL;
    struct agent_map *agents = NULL;
    struct allow_list *allow = NULL;
    struct tag_map *tags = NULL;
    struct primitive_table *table = primitive_table_new();

    check_error(sampling_map_read(path, &report, &sampling), &errors);
    if (sampling)
        ask_sampling(sampling, &needs);
    sampling_map_free(sampling);
    check_error(rd_map_read(path, &report, &rd), &errors);
    if (rd)
        ask_rd(rd, &needs);
    rd_map_free(rd);
    check_error(ingress_map_read(path, &report, &source), &errors);
    if (source)
        ask_source(source, &needs);
    ingress_map_free(source);
    check_error(next_hop_map_read(path, &report, &next_hops), &errors);
    if (next_hops)
        ask_next_hops(next_hops);
    next_hop_map_free(next_hops);
    check_error(agent_map_read(path, &report, &agents), &errors);
    if (agents)
        ask_agents(agents, &needs);
    agent_map_free(agents);
    check_error(
        tag_map_read(path, &(struct tag_map_reading){.has_agents = is_tolerant}, &report, &tags),
        &errors);
    if (tags)
        ask_tags(tags, &needs);
    tag_map_free(tags);
    ask_filter(path);
    ask_lists(path, &report);
    check_error(allow_list_read(path, &report, &allow), &errors);
    for (size_t i = 0; allow && i < sizeof exporters / sizeof exporters[0]; i++)
        CHECK(allow_list_contains(allow, &exporters[i]) || !allow_list_names(allow, &exporters[i]));
    allow_list_free(allow);
    check_error(custom_primitives_read(path, &report, &table), &errors);
    primitive_table_free(table);
    if (!is_tolerant)
        ask_peers(path, &errors);
    text_clear(&errors);
    text_clear(&warnings);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char path[64];

    if (size > 2048) /* long maps only cost time */
        return 0;
    if (fd < 0)
        fd = memfd_create("map", MFD_CLOEXEC);
    CHECK(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_all(path, false);
    read_all(path, true);
    return 0;
}
