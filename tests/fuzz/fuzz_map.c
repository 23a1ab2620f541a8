/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: any bytes as each of the maps. A map that loads is asked about a few exporters. */
#include "base/text.h"
#include "flow/primitive.h"
#include "maps/agent_map.h"
#include "maps/allow_list.h"
#include "maps/custom_primitives.h"
#include "maps/sampling_map.h"

static const struct ip_addr exporters[] = {
    {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1}, IP_V4},
    {{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, IP_V6},
};

static void ask(const struct sampling_map *sampling, const struct agent_map *agents,
                const struct allow_list *allow)
{
    for (size_t i = 0; i < sizeof exporters / sizeof exporters[0]; i++) {
        const struct agent_peer *peers[AGENT_PEERS_MAX];
        struct flow flow = {.src_addr = exporters[i], .dst_addr = exporters[i], .in_iface = 1};
        if (sampling)
            sampling_map_rate(sampling, sampling_map_exporter(sampling, &exporters[i]), 1,
                              UINT32_MAX);
        if (agents)
            agent_map_find(agents, agent_map_exporter(agents, &exporters[i]), &flow, peers);
        if (allow)
            allow_list_contains(allow, &exporters[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct text errors = {0};
    struct sampling_map *sampling = NULL;
    struct agent_map *agents = NULL;
    struct allow_list *allow = NULL;
    struct primitive_table *table;

    if (size > 2048) /* long maps only cost time */
        return 0;
    sampling_map_parse("fuzz", text, size, &errors, &sampling);
    agent_map_parse("fuzz", text, size, &errors, &agents);
    allow_list_parse("fuzz", text, size, &errors, &allow);
    ask(sampling, agents, allow);
    table = primitive_table_new();
    custom_primitives_parse(table, "fuzz", text, size, &errors);
    primitive_table_free(table);
    sampling_map_free(sampling);
    agent_map_free(agents);
    allow_list_free(allow);
    text_clear(&errors);
    return 0;
}
