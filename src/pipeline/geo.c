/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two caches, of which a new entry takes the old one's place: hosts, and places of the database. */
#include "pipeline/geo.h"
#include "base/memory.h"
#include "maps/geoip.h"
#include "maps/maps.h"
#include <stdalign.h>
#include <string.h>

/* 4 MB and less than one. A host that is there costs some 10 ns, or a line of memory; one that is not
 * costs a microsecond in the tree. */
enum { HOST_BITS = 16, PLACE_BITS = 14 };

/* All zero is an empty entry: generations of maps begin with 1. */
struct host_entry {
    alignas(CACHE_LINE) uint64_t generation; /* of the maps */
    struct ip_addr addr;
    struct geoip_place place;
};
_Static_assert(sizeof(struct host_entry) == CACHE_LINE, "a host is one cache line");

struct place_entry {
    uint64_t generation;
    uint32_t offset;
    struct geoip_place place;
};

struct geo {
    struct geo_settings settings;
    struct host_entry *hosts;
    struct place_entry *places;
};

struct geo_settings geo_settings_make(struct flow_needs *needs)
{
    struct geo_settings settings = {
        .source = flow_needs_has(needs, FLOW_src_country) ||
                  flow_needs_has(needs, FLOW_src_postal) ||
                  flow_needs_has(needs, FLOW_src_latitude),
        .destination = flow_needs_has(needs, FLOW_dst_country) ||
                       flow_needs_has(needs, FLOW_dst_postal) ||
                       flow_needs_has(needs, FLOW_dst_latitude),
    };

    if (settings.source)
        flow_needs_add(needs, FLOW_src_addr);
    if (settings.destination)
        flow_needs_add(needs, FLOW_dst_addr);
    return settings;
}

struct geo *geo_new(struct geo_settings settings)
{
    struct geo *geo;

    if (!settings.source && !settings.destination)
        return NULL;
    geo = mem_zalloc(sizeof *geo);
    geo->settings = settings;
    geo->hosts = mem_aligned_zalloc(CACHE_LINE, sizeof *geo->hosts << HOST_BITS);
    geo->places = mem_calloc((size_t)1 << PLACE_BITS, sizeof *geo->places);
    return geo;
}

void geo_free(struct geo *geo)
{
    if (!geo)
        return;
    mem_free(geo->hosts);
    mem_free(geo->places);
    mem_free(geo);
}

/* Mixes so that hosts of one network, and networks with equal hosts, lie apart. */
static uint32_t slot_of(uint64_t high, uint64_t low, unsigned bits)
{
    uint64_t mixed = (high ^ low * UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);

    return (uint32_t)(mixed >> (64 - bits));
}

static struct host_entry *host_slot(const struct geo *geo, const struct ip_addr *addr)
{
    uint64_t words[2];

    memcpy(words, addr->bytes, sizeof words);
    return &geo->hosts[slot_of(words[0], words[1], HOST_BITS)];
}

static void find_place(struct geo *geo, const struct maps *maps, const struct ip_addr *addr,
                       struct geoip_place *ret_place)
{
    uint32_t offset;

    *ret_place = (struct geoip_place){0};
    if (!maps->geoip || !geoip_find(maps->geoip, addr, &offset))
        return;
    struct place_entry *entry = &geo->places[slot_of(0, offset, PLACE_BITS)];
    if (entry->generation != maps->generation || entry->offset != offset) {
        geoip_place_at(maps->geoip, offset, &entry->place);
        entry->generation = maps->generation;
        entry->offset = offset;
    }
    *ret_place = entry->place;
}

static const struct geoip_place *place_of(struct geo *geo, const struct maps *maps,
                                          const struct ip_addr *addr)
{
    struct host_entry *entry = host_slot(geo, addr);

    if (entry->generation != maps->generation || !ip_addr_equal(&entry->addr, addr)) {
        find_place(geo, maps, addr, &entry->place);
        entry->generation = maps->generation;
        entry->addr = *addr;
    }
    return &entry->place;
}

void geo_batch(struct geo *geo, const struct maps *maps, struct flow_batch *batch)
{
    THREAD_ASSERT(worker_thread);
    if (!maps)
        return;
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct flow *flow = flow_batch_at(batch, i);
        if (geo->settings.source)
            __builtin_prefetch(host_slot(geo, &flow->src_addr));
        if (geo->settings.destination)
            __builtin_prefetch(host_slot(geo, &flow->dst_addr));
    }
    for (uint32_t i = 0; i < batch->count; i++) {
        struct flow *flow = flow_batch_at(batch, i);
        if (geo->settings.source) {
            const struct geoip_place *place = place_of(geo, maps, &flow->src_addr);
            flow->src_country = place->country;
            flow->src_postal = place->postal;
            flow->src_latitude = place->latitude;
            flow->src_longitude = place->longitude;
        }
        if (geo->settings.destination) {
            const struct geoip_place *place = place_of(geo, maps, &flow->dst_addr);
            flow->dst_country = place->country;
            flow->dst_postal = place->postal;
            flow->dst_latitude = place->latitude;
            flow->dst_longitude = place->longitude;
        }
    }
}
