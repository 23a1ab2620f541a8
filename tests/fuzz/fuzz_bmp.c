/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: the stream of a router that speaks BMP, in pieces whose size the first byte says. Every
 * peer that came up goes down, and all references to attribute sets come back. */
#include "base/memory.h"
#include "bmp/bmp_router.h"
#include "support/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PEERS_MAX 4

struct world {
    struct bmp_marks marks;
    struct bmp_counts totals;
    unsigned peers;
};

static void take_initiation(void *arg, const struct bmp_initiation *initiation)
{
    (void)arg;
    CHECK(strlen(initiation->sys_name) < BMP_NAME_LEN);
}

static void take_up(void *arg, struct bmp_peer *peer)
{
    struct world *world = arg;

    CHECK(++world->peers <= PEERS_MAX && peer->key.type <= BMP_PEER_LOC_RIB);
}

static void take_families(void *arg, struct bmp_peer *peer)
{
    (void)arg;
    CHECK(peer->key.type == BMP_PEER_LOC_RIB && peer->features_in.families != 0);
}

static void take_down(void *arg, struct bmp_peer *peer, const struct bmp_peer_down *down)
{
    struct world *world = arg;
    char text[NOTIFICATION_TEXT_LEN];

    (void)peer;
    CHECK(world->peers-- > 0);
    if (down->has_notification)
        notification_format(&down->notification, text);
}

static void nlri_check(const struct bmp_source *source, enum address_family family,
                       const struct rib_nlri *nlri, size_t count)
{
    CHECK(count > 0 && source->rib < BMP_RIB_COUNT && source->time_ns >= 0);
    for (size_t i = 0; i < count; i++)
        CHECK(nlri[i].prefix.len <= address_families[family].max_bits);
    if (source->marks)
        CHECK(source->marks->each_count <= BMP_MARKED_MAX);
}

static void take_announce(void *arg, const struct bmp_source *source, enum address_family family,
                          const struct rib_nlri *nlri, size_t count, struct path_attrs *attrs)
{
    (void)arg;
    CHECK(attrs->handle != 0);
    nlri_check(source, family, nlri, count);
}

static void take_withdraw(void *arg, const struct bmp_source *source, enum address_family family,
                          const struct rib_nlri *nlri, size_t count)
{
    (void)arg;
    nlri_check(source, family, nlri, count);
}

static void take_end(void *arg, const struct bmp_source *source, enum address_family family)
{
    (void)arg, (void)source;
    CHECK(family < FAMILY_COUNT);
}

static void take_statistics(void *arg, struct bmp_peer *peer, const struct bmp_peer_header *header,
                            struct reader counters)
{
    struct bmp_statistic statistic;
    int got;

    (void)arg, (void)peer, (void)header;
    while ((got = bmp_statistic_next(&counters, &statistic)) > 0)
        CHECK(statistic.raw.pos <= statistic.raw.end);
    CHECK(got == 0);
}

static void take_termination(void *arg, uint16_t reason)
{
    (void)arg, (void)reason;
}

static void take_reject(void *arg, enum bmp_reject reject)
{
    (void)arg;
    CHECK(reject < BMP_REJECT_COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    const struct attr_text_settings text_settings = {.as_path_radius = 0};

    if (size < 1)
        return 0;
    struct rcu *rcu = rcu_new(1);
    struct attr_store *store = attr_store_new(rcu, &text_settings);
    const struct bmp_router_settings settings = {PEERS_MAX, store, &world.marks, &world.totals};
    const struct bmp_router_owner owner = {take_initiation, take_up,         take_families,
                                           take_down,       take_announce,   take_withdraw,
                                           take_end,        take_statistics, take_termination,
                                           take_reject,     &world};
    size_t piece = data[0] + 1u;
    struct bmp_router *router = bmp_router_new(&settings, &owner);
    for (size_t pos = 1; pos < size; pos += piece) {
        size_t len = size - pos < piece ? size - pos : piece;
        if (!bmp_router_feed(router, data + pos, len))
            break;
    }
    bmp_router_free(router);
    CHECK(world.peers == 0);
    CHECK(attr_store_statistics(store).sets == 0);
    attr_store_free(store);
    rcu_free(rcu);
    return 0;
}
