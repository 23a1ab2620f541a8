/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The attribute store is two tables of the same kind: it finds sets by the bytes in which they were
 * received, and texts by their characters. Both use open addressing with linear probing. Sets are
 * blocks of a pool, so that paths can name them by half a pointer and each begins a cache line; the
 * pool's huge pages spare TLB misses. Texts, and the bytes that sets are found by, may be larger
 * than a block (RFC 8654) and come from the heap.
 */
#include "bgp/attr_store.h"
#include "base/block_pool.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/metric.h"
#include "base/text.h"
#include "bgp/as_path.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A hash table. A place in it takes 12 bytes in two arrays, so that most probes end without a
 * look at the item. */
struct table {
    uint32_t *hashes;
    void **items;                  /* NULL: empty */
    size_t slot_count, item_count; /* slot_count is a power of two */
};

/* The first byte of a key. */
enum { KEY_FOUR_OCTET_AS = 1, KEY_RECEIVED = 2 };

/* A set, with what the store needs to find it. The key is a byte of bits, and then the values that
 * somebody reads or, where the store keeps them, the attributes as they were received. */
struct attr_set {
    struct path_attrs attrs;
    uint32_t hash, key_len;
    uint8_t *key; /* without the next hop, which is compared by itself */
};
static_assert(offsetof(struct path_attrs, as_path) == CACHE_LINE, "what is read often is one line");
static_assert(sizeof(struct attr_set) % CACHE_LINE == 0, "and blocks of this size begin one");

struct attr_store {
    const struct attr_text_settings *settings;
    struct block_pool *pool;
    struct rcu_queue *retired; /* texts */
    uint64_t seed, last_set_handle, last_text_handle;
    struct table sets, texts;
    struct counter set_count, text_count, bytes; /* for statistics, from any thread */
    /* Scratch, kept from one set to the next. */
    struct text key, agreement, text;
    struct as_path as_path, as4_path, merged_path;
};

static void table_init(struct table *table, size_t slot_count)
{
    table->slot_count = slot_count;
    table->item_count = 0;
    table->hashes = mem_calloc(slot_count, sizeof table->hashes[0]);
    table->items = mem_calloc(slot_count, sizeof table->items[0]);
}

static void table_clear(struct table *table)
{
    mem_free(table->hashes);
    mem_free(table->items);
}

/* Finds the next item of that hash. The search goes on from *at, which is `hash` at first. NULL:
 * there is none. */
static void *table_next(const struct table *table, uint32_t hash, size_t *at)
{
    size_t mask = table->slot_count - 1;

    for (size_t i = *at & mask; table->items[i]; i = (i + 1) & mask) {
        if (table->hashes[i] == hash) {
            *at = i + 1;
            return table->items[i];
        }
    }
    return NULL;
}

static void table_place(struct table *table, uint32_t hash, void *item)
{
    size_t mask = table->slot_count - 1;
    size_t i = hash & mask;

    while (table->items[i])
        i = (i + 1) & mask;
    table->hashes[i] = hash;
    table->items[i] = item;
}

static void table_add(struct table *table, uint32_t hash, void *item)
{
    if (++table->item_count > table->slot_count / 4 * 3) {
        struct table old = *table;
        size_t count = table->item_count;
        table_init(table, old.slot_count * 2);
        table->item_count = count;
        for (size_t i = 0; i < old.slot_count; i++) {
            if (old.items[i])
                table_place(table, old.hashes[i], old.items[i]);
        }
        table_clear(&old);
    }
    table_place(table, hash, item);
}

/* Removes an item and closes the gap, so that no tombstones gather. */
static void table_remove(struct table *table, uint32_t hash, const void *item)
{
    size_t mask = table->slot_count - 1;
    size_t gap = hash & mask;

    while (table->items[gap] != item)
        gap = (gap + 1) & mask;
    for (size_t i = (gap + 1) & mask; table->items[i]; i = (i + 1) & mask) {
        size_t home = table->hashes[i] & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            table->hashes[gap] = table->hashes[i];
            table->items[gap] = table->items[i];
            gap = i;
        }
    }
    table->items[gap] = NULL;
    table->item_count--;
}

static void bytes_change(struct attr_store *store, int64_t change)
{
    counter_add(&store->bytes, (uint64_t)change);
}

static struct rib_text *text_find(const struct attr_store *store, uint32_t hash, const char *data,
                                  size_t len)
{
    size_t at = hash;
    struct rib_text *text;

    while ((text = table_next(&store->texts, hash, &at))) {
        if (text->len == len && memcmp(text->data, data, len) == 0)
            return text;
    }
    return NULL;
}

static const struct rib_text *text_intern(struct attr_store *store, const char *data, size_t len)
{
    if (len == 0)
        return NULL;
    uint32_t hash = (uint32_t)hash_bytes(data, len, store->seed);
    struct rib_text *text = text_find(store, hash, data, len);
    if (text) {
        text->ref_count++;
        return text;
    }
    text = mem_alloc(sizeof *text + len + 1);
    text->handle = ++store->last_text_handle;
    text->ref_count = 1;
    text->hash = hash;
    text->len = (uint32_t)len;
    memcpy(text->data, data, len);
    text->data[len] = '\0';
    table_add(&store->texts, hash, text);
    counter_add(&store->text_count, 1);
    bytes_change(store, (int64_t)(sizeof *text + len + 1));
    return text;
}

static void text_unref(struct attr_store *store, const struct rib_text *text)
{
    struct rib_text *own = (struct rib_text *)(uintptr_t)text; /* sets show it as const */

    if (!text || --own->ref_count > 0)
        return;
    table_remove(&store->texts, own->hash, own);
    counter_add(&store->text_count, (uint64_t)-1);
    bytes_change(store, -(int64_t)(sizeof *own + own->len + 1));
    rcu_retire(store->retired, mem_free, own);
}

static void set_texts_unref(struct attr_store *store, const struct path_attrs *attrs)
{
    text_unref(store, attrs->as_path);
    text_unref(store, attrs->std_comms);
    text_unref(store, attrs->ext_comms);
    text_unref(store, attrs->lrg_comms);
}

static void key_append(struct text *key, const void *data, size_t len)
{
    memcpy(key->data + key->len, data, len);
    key->len += len;
}

/* Appends the attributes that stand, whole. */
static void key_append_received(struct text *key, const struct attr_list *list)
{
    struct reader r = reader_make(list->received.data, list->received.len);
    struct attr_value value, whole;
    uint8_t type, seen[256 / 8] = {0};

    while (reader_left(&r) > 0 && attr_next(&r, &type, &value, &whole)) {
        int attr = attr_find(type);
        bool is_first = !(seen[type / 8] & 1u << type % 8);
        seen[type / 8] |= (uint8_t)(1u << type % 8);
        if (attr == ATTR_NEXT_HOP || attr == ATTR_MP_REACH || attr == ATTR_MP_UNREACH)
            continue;
        if (attr >= 0 ? list->values[attr].data == value.data : is_first)
            key_append(key, whole.data, whole.len);
    }
}

/* Builds the key by which a set is found: the next hop, whether AS numbers have four octets, and
 * the values that somebody reads. */
static void key_build_read(struct text *key, const struct attr_list *list,
                           const struct attr_context *context, const struct ip_addr *next_hop)
{
    static const uint8_t attrs_read[] = {
        ATTR_ORIGIN, ATTR_AS_PATH, ATTR_MED, ATTR_LOCAL_PREF, ATTR_COMMUNITIES, ATTR_ORIGINATOR_ID,
        ATTR_CLUSTER_LIST, ATTR_EXT_COMMUNITIES, ATTR_LARGE_COMMUNITIES,
        /* These matter only to the merge (RFC 6793 section 4.2.3). */
        ATTR_AS4_PATH, ATTR_AGGREGATOR};
    bool has_as4_path = list->values[ATTR_AS4_PATH].data != NULL;
    size_t size = sizeof *next_hop + 1;

    for (size_t i = 0; i < sizeof attrs_read; i++)
        size += 3 + list->values[attrs_read[i]].len;
    text_reset(key);
    text_reserve(key, size);
    key_append(key, next_hop, sizeof *next_hop);
    key->data[key->len++] = (char)(context->features.has_four_octet_as ? KEY_FOUR_OCTET_AS : 0);
    for (size_t i = 0; i < sizeof attrs_read; i++) {
        unsigned attr = attrs_read[i];
        const struct attr_value *value = &list->values[attr];
        if (!value->data || (attr == ATTR_AGGREGATOR && !has_as4_path))
            continue;
        const uint8_t head[3] = {(uint8_t)attr, (uint8_t)(value->len >> 8), (uint8_t)value->len};
        key_append(key, head, sizeof head);
        key_append(key, value->data, value->len);
    }
}

/* The same, with all that was received in place of the values. */
static void key_build_received(struct text *key, const struct attr_list *list,
                               const struct attr_context *context, const struct ip_addr *next_hop)
{
    text_reset(key);
    text_reserve(key, sizeof *next_hop + 1 + list->received.len);
    key_append(key, next_hop, sizeof *next_hop);
    key->data[key->len++] =
        (char)(KEY_RECEIVED | (context->features.has_four_octet_as ? KEY_FOUR_OCTET_AS : 0));
    key_append_received(key, list);
}

static uint32_t value_u32(const struct attr_value *value)
{
    return value->data ? wire_u32(value->data) : 0;
}

static uint16_t clamp_u16(size_t value)
{
    return value < UINT16_MAX ? (uint16_t)value : UINT16_MAX;
}

static void agreement_add_u32(struct text *agreement, uint32_t value)
{
    text_append(agreement, &value, sizeof value);
}

/* Sorts and renders the communities, and appends them to the bytes whose hash is the agreement. */
static const struct rib_text *communities_render(struct attr_store *store, enum community_kind kind,
                                                 const struct attr_value *value)
{
    struct text *agreement = &store->agreement;

    if (!value->data) {
        agreement_add_u32(agreement, 0);
        return NULL;
    }
    size_t size = community_sizes[kind];
    size_t count = value->len / size;
    uint32_t count_at = (uint32_t)agreement->len;
    agreement_add_u32(agreement, 0);
    size_t start = agreement->len;
    text_append(agreement, value->data, value->len);
    count = community_sort(kind, (uint8_t *)agreement->data + start, count);
    agreement->len = start + count * size;
    uint32_t count32 = (uint32_t)count;
    memcpy(agreement->data + count_at, &count32, sizeof count32);

    text_reset(&store->text);
    community_format(kind, (const uint8_t *)agreement->data + start, count,
                     &store->settings->patterns[kind], store->settings->communities_numeric,
                     &store->text);
    return text_intern(store, store->text.data, store->text.len);
}

static void as_path_render(struct attr_store *store, struct path_attrs *attrs)
{
    const struct as_path *path = &store->as_path;

    attrs->first_as = as_path_first(path, false);
    attrs->first_as_no_confed = as_path_first(path, true);
    attrs->origin_as = as_path_origin(path);
    attrs->as_path_len = clamp_u16(as_path_len(path));
    text_reset(&store->text);
    as_path_format(path, store->settings->as_path_radius, &store->text);
    attrs->as_path = text_intern(store, store->text.data, store->text.len);

    agreement_add_u32(&store->agreement, path->segment_count);
    for (uint32_t s = 0; s < path->segment_count; s++) {
        agreement_add_u32(&store->agreement, path->segments[s].type);
        agreement_add_u32(&store->agreement, path->segments[s].count);
    }
    if (path->number_count > 0)
        text_append(&store->agreement, path->numbers, path->number_count * sizeof path->numbers[0]);
}

/* Makes the set whose key was built in the store's scratch text. */
static struct attr_set *set_new(struct attr_store *store, const struct attr_list *list,
                                const struct attr_context *context, const struct ip_addr *next_hop)
{
    uint32_t block = block_alloc(store->pool, sizeof(struct attr_set));
    struct attr_set *set = block_at(store->pool, block);
    struct path_attrs *attrs = &set->attrs;
    const struct attr_value *values = list->values;

    memset(set, 0, sizeof *set);
    set->key_len = (uint32_t)(store->key.len - sizeof *next_hop);
    set->key = mem_dup(store->key.data + sizeof *next_hop, set->key_len);
    attrs->block = block;
    attrs->handle = ++store->last_set_handle;
    attrs->next_hop = *next_hop;
    attrs->origin = values[ATTR_ORIGIN].data[0] & 3; /* 0 to 2: it was checked */
    attrs->has_med = values[ATTR_MED].data != NULL;
    attrs->med = value_u32(&values[ATTR_MED]);
    attrs->has_local_pref = values[ATTR_LOCAL_PREF].data != NULL;
    attrs->local_pref = value_u32(&values[ATTR_LOCAL_PREF]);
    attrs->has_originator_id = values[ATTR_ORIGINATOR_ID].data != NULL;
    attrs->originator_id = value_u32(&values[ATTR_ORIGINATOR_ID]);
    attrs->cluster_list_len = clamp_u16(values[ATTR_CLUSTER_LIST].len / 4);

    text_reset(&store->agreement);
    agreement_add_u32(&store->agreement, attrs->origin | (uint32_t)attrs->has_med << 8 |
                                             (uint32_t)attrs->has_local_pref << 9);
    agreement_add_u32(&store->agreement, attrs->med);
    agreement_add_u32(&store->agreement, attrs->local_pref);
    attr_list_as_path(list, context->features.has_four_octet_as, &store->as_path, &store->as4_path,
                      &store->merged_path);
    as_path_render(store, attrs);
    attrs->std_comms = communities_render(store, COMMUNITY_STANDARD, &values[ATTR_COMMUNITIES]);
    attrs->ext_comms = communities_render(store, COMMUNITY_EXTENDED, &values[ATTR_EXT_COMMUNITIES]);
    attrs->lrg_comms = communities_render(store, COMMUNITY_LARGE, &values[ATTR_LARGE_COMMUNITIES]);
    attrs->agreement = hash_bytes(store->agreement.data, store->agreement.len, store->seed);
    return set;
}

static struct attr_set *set_find(const struct attr_store *store, uint32_t hash,
                                 const struct ip_addr *next_hop)
{
    const char *key = store->key.data + sizeof *next_hop;
    size_t key_len = store->key.len - sizeof *next_hop;
    size_t at = hash;
    struct attr_set *set;

    while ((set = table_next(&store->sets, hash, &at))) {
        if (set->key_len == key_len && memcmp(set->key, key, key_len) == 0 &&
            memcmp(&set->attrs.next_hop, next_hop, sizeof *next_hop) == 0)
            return set;
    }
    return NULL;
}

struct attr_store *attr_store_new(struct rcu *rcu, const struct attr_text_settings *settings)
{
    struct attr_store *store = mem_zalloc(sizeof *store);

    store->settings = settings;
    store->pool = block_pool_new(rcu);
    store->retired = rcu_queue_new(rcu);
    store->seed = hash_seed();
    table_init(&store->sets, 1024);
    table_init(&store->texts, 1024);
    return store;
}

void attr_store_free(struct attr_store *store)
{
    if (!store)
        return;
    for (size_t i = 0; i < store->sets.slot_count; i++) {
        struct attr_set *set = store->sets.items[i];
        if (set)
            mem_free(set->key);
    }
    for (size_t i = 0; i < store->texts.slot_count; i++)
        mem_free(store->texts.items[i]);
    rcu_queue_free(store->retired);
    block_pool_free(store->pool);
    table_clear(&store->sets);
    table_clear(&store->texts);
    text_clear(&store->key);
    text_clear(&store->agreement);
    text_clear(&store->text);
    as_path_clear(&store->as_path);
    as_path_clear(&store->as4_path);
    as_path_clear(&store->merged_path);
    mem_free(store);
}

const struct block_pool *attr_store_pool(const struct attr_store *store)
{
    return store->pool;
}

struct path_attrs *attr_store_intern(struct attr_store *store, const struct attr_list *list,
                                     const struct attr_context *context,
                                     const struct ip_addr *next_hop)
{
    assert(list->values[ATTR_ORIGIN].data && list->values[ATTR_AS_PATH].data);
    if (store->settings->keeps_received)
        key_build_received(&store->key, list, context, next_hop);
    else
        key_build_read(&store->key, list, context, next_hop);
    uint32_t hash = (uint32_t)hash_bytes(store->key.data, store->key.len, store->seed);
    struct attr_set *set = set_find(store, hash, next_hop);
    if (!set) {
        set = set_new(store, list, context, next_hop);
        set->hash = hash;
        table_add(&store->sets, hash, set);
        counter_add(&store->set_count, 1);
        bytes_change(store, (int64_t)(sizeof *set + set->key_len));
    }
    set->attrs.ref_count++;
    return &set->attrs;
}

void attr_store_unref(void *store_arg, struct path_attrs *attrs)
{
    struct attr_store *store = store_arg;

    if (--attrs->ref_count > 0)
        return;
    struct attr_set *set = (struct attr_set *)(void *)attrs; /* its first member */
    table_remove(&store->sets, set->hash, set);
    counter_add(&store->set_count, (uint64_t)-1);
    bytes_change(store, -(int64_t)(sizeof *set + set->key_len));
    if (store->settings->keeps_received)
        rcu_retire(store->retired, mem_free, set->key); /* readers see it */
    else
        mem_free(set->key);
    set_texts_unref(store, attrs);
    block_retire(store->pool, attrs->block);
}

struct attr_received attr_store_received(const struct path_attrs *attrs)
{
    const struct attr_set *set = (const struct attr_set *)(const void *)attrs;

    if (!(set->key[0] & KEY_RECEIVED))
        return (struct attr_received){0};
    return (struct attr_received){set->key + 1, set->key_len - 1, set->key[0] & KEY_FOUR_OCTET_AS};
}

void attr_store_poll(struct attr_store *store)
{
    block_pool_poll(store->pool);
    rcu_queue_poll(store->retired);
}

struct attr_store_statistics attr_store_statistics(const struct attr_store *store)
{
    return (struct attr_store_statistics){counter_get(&store->set_count),
                                          counter_get(&store->text_count),
                                          counter_get(&store->bytes)};
}
