/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The peers of a router, found by their key. See bmp_peer_table.h. */
#include "bmp/bmp_peer_table.h"
#include "base/memory.h"

#define KEY_LEN (sizeof(uint64_t) + 1 + sizeof(struct ip_addr))

static void peer_discard(void *arg, struct keyed_entry *entry)
{
    (void)arg;
    mem_free(entry);
}

void bmp_peer_table_init(struct bmp_peer_table *table, size_t max)
{
    keyed_table_init(&table->table, max, peer_discard, NULL);
}

void bmp_peer_table_clear(struct bmp_peer_table *table)
{
    keyed_table_clear(&table->table);
}

static struct bmp_peer_key key_of(const struct bmp_peer_header *header)
{
    return (struct bmp_peer_key){header->distinguisher, (uint8_t)header->type, header->address};
}

static uint64_t key_hash(const struct bmp_peer_table *table, const struct bmp_peer_key *key)
{
    uint8_t bytes[KEY_LEN];

    memcpy(bytes, &key->distinguisher, sizeof key->distinguisher);
    bytes[sizeof key->distinguisher] = key->type;
    memcpy(bytes + sizeof key->distinguisher + 1, &key->address, sizeof key->address);
    return keyed_table_hash(&table->table, bytes, sizeof bytes);
}

static bool key_is_same(const struct bmp_peer_key *a, const struct bmp_peer_key *b)
{
    return a->distinguisher == b->distinguisher && a->type == b->type &&
           a->address.family == b->address.family && ip_addr_equal(&a->address, &b->address);
}

struct bmp_peer *bmp_peer_table_find(const struct bmp_peer_table *table,
                                     const struct bmp_peer_header *header)
{
    struct bmp_peer_key key = key_of(header);
    struct keyed_entry *entry = keyed_table_find(&table->table, key_hash(table, &key), 0);

    while (entry && !key_is_same(&((struct bmp_peer *)entry)->key, &key))
        entry = keyed_table_next(entry);
    return (struct bmp_peer *)entry;
}

/* The UPDATEs of a Loc-RIB are the router's own; both OPENs are made up to say how they are written
 * (RFC 9069 section 5.2), and which direction ADD-PATH has there differs by router. */
static struct session_features loc_rib_features(const struct capabilities *sent,
                                                const struct capabilities *received)
{
    struct capabilities writer = *sent, reader = *received;

    writer.add_path_send |= sent->add_path_receive;
    reader.add_path_receive |= received->add_path_send;
    return capabilities_negotiate(&reader, &writer);
}

static void features_set(struct bmp_peer *peer)
{
    const struct capabilities *sent = &peer->up.sent.capabilities;
    const struct capabilities *received = &peer->up.received.capabilities;

    peer->features_in = peer->key.type == BMP_PEER_LOC_RIB ? loc_rib_features(sent, received)
                                                           : capabilities_negotiate(sent, received);
    peer->features_out = capabilities_negotiate(received, sent);
    peer->is_internal = peer->up.sent.as == peer->up.received.as;
}

struct bmp_peer *bmp_peer_table_add(struct bmp_peer_table *table,
                                    const struct bmp_peer_header *header,
                                    const struct bmp_peer_up *up)
{
    if (table->table.count >= table->table.max)
        return NULL;
    struct bmp_peer *peer = mem_zalloc(sizeof *peer);
    peer->key = key_of(header);
    peer->header = *header;
    peer->up = *up;
    features_set(peer);
    keyed_table_add(&table->table, &peer->entry, key_hash(table, &peer->key), 0);
    return peer;
}

void bmp_peer_table_remove(struct bmp_peer_table *table, struct bmp_peer *peer)
{
    keyed_table_remove(&table->table, &peer->entry);
    mem_free(peer);
}

size_t bmp_peer_table_count(const struct bmp_peer_table *table)
{
    return table->table.count;
}

struct bmp_peer *bmp_peer_table_walk(const struct bmp_peer_table *table, struct bmp_peer *peer)
{
    return (struct bmp_peer *)keyed_table_walk(&table->table, peer ? &peer->entry : NULL);
}

static bool capabilities_are_same(const struct capabilities *a, const struct capabilities *b)
{
    return a->families == b->families && a->add_path_receive == b->add_path_receive &&
           a->add_path_send == b->add_path_send && a->has_multiprotocol == b->has_multiprotocol &&
           a->has_four_octet_as == b->has_four_octet_as;
}

static bool open_is_same(const struct open_message *a, const struct open_message *b)
{
    return a->as == b->as && a->router_id == b->router_id &&
           capabilities_are_same(&a->capabilities, &b->capabilities);
}

static bool is_of_same_router(const struct bmp_peer *peer, const struct bmp_peer_header *header,
                              const struct bmp_peer_up *up)
{
    return peer->header.as == header->as && peer->header.router_id == header->router_id &&
           peer->up.local_port == up->local_port && peer->up.remote_port == up->remote_port &&
           ip_addr_equal(&peer->up.local_address, &up->local_address);
}

enum bmp_news bmp_peer_news(const struct bmp_peer *peer, const struct bmp_peer_header *header,
                            const struct bmp_peer_up *up)
{
    const struct session_features *known = &peer->features_in;

    if (!is_of_same_router(peer, header, up))
        return BMP_NEWS_SESSION;
    if (open_is_same(&peer->up.sent, &up->sent) && open_is_same(&peer->up.received, &up->received))
        return BMP_NEWS_NONE;
    if (peer->key.type != BMP_PEER_LOC_RIB)
        return BMP_NEWS_SESSION;
    struct session_features told =
        loc_rib_features(&up->sent.capabilities, &up->received.capabilities);
    if (told.families != 0 && (told.families & known->families) == 0)
        return BMP_NEWS_FAMILIES;
    if ((told.families & ~known->families) == 0 &&
        told.add_path == (known->add_path & told.families))
        return BMP_NEWS_NONE;
    return BMP_NEWS_SESSION;
}

void bmp_peer_add_families(struct bmp_peer *peer, const struct bmp_peer_up *up)
{
    struct session_features told =
        loc_rib_features(&up->sent.capabilities, &up->received.capabilities);

    peer->features_in.families |= told.families;
    peer->features_in.add_path |= told.add_path;
}

/* A Loc-RIB has no other side that a family had to be agreed on with, and some have routes of families
 * that their OPENs do not name. What the router made of routes has its own local preference, whoever sent them; what came of another
 * AS has none that counts (RFC 7606 section 7.5). IPv6 next hops of IPv4 routes are told by their
 * length, and routers write them without a word in the OPENs. */
struct attr_context bmp_peer_context(const struct bmp_peer *peer,
                                     const struct bmp_peer_header *header)
{
    bool is_out = header->rib == BMP_RIB_OUT_PRE || header->rib == BMP_RIB_OUT_POST;
    struct attr_context context = {
        .is_internal = peer->is_internal || header->rib != BMP_RIB_IN_PRE,
        .features = is_out ? peer->features_out : peer->features_in,
    };

    if (header->rib == BMP_RIB_LOC)
        context.features.families = (1u << FAMILY_COUNT) - 1;
    context.features.has_four_octet_as = !header->has_two_octet_as;
    context.features.extended_next_hop =
        1u << FAMILY_IPV4_UNICAST | 1u << FAMILY_IPV4_LABELLED | 1u << FAMILY_IPV4_VPN;
    return context;
}
