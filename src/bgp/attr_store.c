/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two tables of the same kind: sets by the bytes they were received in, texts by their characters.
 * Both are open addressing with linear probing over (hash, item).
 */
#include "bgp/attr_store.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/metric.h"
#include "base/text.h"
#include "bgp/as_path.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What both tables hold begins with this. */
struct table_item {
    uint64_t hash;
    uint32_t len; /* of the bytes that it is found by */
};
struct table_slot {
    uint64_t hash;
    struct table_item *item; /* NULL: empty */
};
struct table {
    struct table_slot *slots;
    size_t slot_count, item_count; /* slot_count is a power of two */
    const uint8_t *(*bytes)(const struct table_item *item);
};

struct attr_text {
    struct table_item item;
    uint32_t ref_count;
    uint64_t handle;
    char data[];
};

enum { TEXT_AS_PATH, TEXT_STANDARD, TEXT_EXTENDED, TEXT_LARGE, TEXT_COUNT };

/* A path_attrs with what the store needs to find and free it. */
struct attr_set {
    struct table_item item;
    struct path_attrs attrs;
    struct attr_store *store;
    struct attr_text *texts[TEXT_COUNT]; /* NULL: empty */
    uint8_t key[];
};

struct attr_store {
    const struct attr_text_settings *settings;
    struct rcu_queue *retired;
    uint64_t seed, last_set_handle, last_text_handle;
    struct table sets, texts;
    struct counter set_count, text_count, bytes; /* for statistics, from any thread */
    /* Scratch, kept from one set to the next. */
    struct text key, agreement, text;
    struct as_path as_path, as4_path, merged_path;
};

static const uint8_t *set_bytes(const struct table_item *item)
{
    return ((const struct attr_set *)item)->key;
}

static const uint8_t *text_bytes(const struct table_item *item)
{
    return (const uint8_t *)((const struct attr_text *)item)->data;
}

static void table_init(struct table *table, const uint8_t *(*bytes)(const struct table_item *item))
{
    table->slot_count = 1024;
    table->item_count = 0;
    table->slots = mem_calloc(table->slot_count, sizeof table->slots[0]);
    table->bytes = bytes;
}

static struct table_item *table_find(const struct table *table, uint64_t hash, const void *bytes,
                                     size_t len)
{
    size_t mask = table->slot_count - 1;

    for (size_t i = hash & mask; table->slots[i].item; i = (i + 1) & mask) {
        const struct table_slot *slot = &table->slots[i];
        if (slot->hash == hash && slot->item->len == len &&
            memcmp(table->bytes(slot->item), bytes, len) == 0)
            return slot->item;
    }
    return NULL;
}

static void table_place(struct table *table, struct table_item *item)
{
    size_t mask = table->slot_count - 1;
    size_t i = item->hash & mask;

    while (table->slots[i].item)
        i = (i + 1) & mask;
    table->slots[i] = (struct table_slot){item->hash, item};
}

static void table_add(struct table *table, struct table_item *item)
{
    if (++table->item_count > table->slot_count / 2) {
        struct table_slot *old = table->slots;
        size_t old_count = table->slot_count;
        table->slot_count *= 2;
        table->slots = mem_calloc(table->slot_count, sizeof table->slots[0]);
        for (size_t i = 0; i < old_count; i++) {
            if (old[i].item)
                table_place(table, old[i].item);
        }
        mem_free(old);
    }
    table_place(table, item);
}

/* Closes the gap, so that no tombstones gather. */
static void table_remove(struct table *table, const struct table_item *item)
{
    size_t mask = table->slot_count - 1;
    size_t gap = item->hash & mask;

    while (table->slots[gap].item != item)
        gap = (gap + 1) & mask;
    for (size_t i = (gap + 1) & mask; table->slots[i].item; i = (i + 1) & mask) {
        size_t home = table->slots[i].hash & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            table->slots[gap] = table->slots[i];
            gap = i;
        }
    }
    table->slots[gap].item = NULL;
    table->item_count--;
}

static void bytes_change(struct attr_store *store, int64_t change)
{
    counter_add(&store->bytes, (uint64_t)change);
}

static struct attr_text *text_intern(struct attr_store *store, const char *data, size_t len)
{
    if (len == 0)
        return NULL;
    uint64_t hash = hash_bytes(data, len, store->seed);
    struct attr_text *text = (struct attr_text *)table_find(&store->texts, hash, data, len);
    if (text) {
        text->ref_count++;
        return text;
    }
    text = mem_alloc(sizeof *text + len + 1);
    text->item = (struct table_item){hash, (uint32_t)len};
    text->ref_count = 1;
    text->handle = ++store->last_text_handle;
    memcpy(text->data, data, len);
    text->data[len] = '\0';
    table_add(&store->texts, &text->item);
    counter_add(&store->text_count, 1);
    bytes_change(store, (int64_t)(sizeof *text + len + 1));
    return text;
}

static void text_unref(struct attr_store *store, struct attr_text *text)
{
    if (!text || --text->ref_count > 0)
        return;
    table_remove(&store->texts, &text->item);
    counter_add(&store->text_count, (uint64_t)-1);
    bytes_change(store, -(int64_t)(sizeof *text + text->item.len + 1));
    mem_free(text);
}

static struct rib_text text_view(const struct attr_text *text)
{
    if (!text)
        return (struct rib_text){"", 0, 0};
    return (struct rib_text){text->data, text->item.len, text->handle};
}

/* After the grace period: no reader can hold the set or its texts. */
static void set_free(void *object)
{
    struct attr_set *set = object;

    for (int i = 0; i < TEXT_COUNT; i++)
        text_unref(set->store, set->texts[i]);
    bytes_change(set->store, -(int64_t)(sizeof *set + set->item.len));
    mem_free(set);
}

/* What a set is found by: how numbers were written, the next hop, and the values that somebody
 * reads. */
static void key_build(struct text *key, const struct attr_list *list,
                      const struct attr_context *context, const struct ip_addr *next_hop)
{
    static const uint8_t attrs_read[] = {
        ATTR_ORIGIN,       ATTR_AS_PATH,         ATTR_MED,
        ATTR_LOCAL_PREF,   ATTR_COMMUNITIES,     ATTR_ORIGINATOR_ID,
        ATTR_CLUSTER_LIST, ATTR_EXT_COMMUNITIES, ATTR_LARGE_COMMUNITIES};
    bool has_as4_path = list->values[ATTR_AS4_PATH].data != NULL;

    text_reset(key);
    text_append_char(key, (char)context->features.has_four_octet_as);
    text_append(key, next_hop, sizeof *next_hop);
    for (size_t i = 0; i < sizeof attrs_read + 2; i++) {
        /* The last two matter only to the merge (RFC 6793 section 4.2.3). */
        unsigned attr = i < sizeof attrs_read    ? attrs_read[i]
                        : i == sizeof attrs_read ? (unsigned)ATTR_AS4_PATH
                                                 : (unsigned)ATTR_AGGREGATOR;
        const struct attr_value *value = &list->values[attr];
        if (!value->data || (attr == ATTR_AGGREGATOR && !has_as4_path))
            continue;
        const uint8_t head[3] = {(uint8_t)attr, (uint8_t)(value->len >> 8), (uint8_t)value->len};
        text_append(key, head, sizeof head);
        text_append(key, value->data, value->len);
    }
}

static void as_path_load(struct attr_store *store, const struct attr_list *list,
                         const struct attr_context *context)
{
    const struct attr_value *as_path = &list->values[ATTR_AS_PATH];
    const struct attr_value *as4_path = &list->values[ATTR_AS4_PATH];
    const struct attr_value *aggregator = &list->values[ATTR_AGGREGATOR];

    as_path_decode(&store->as_path, as_path->data, as_path->len,
                   context->features.has_four_octet_as ? 4 : 2);
    if (context->features.has_four_octet_as || !as4_path->data)
        return;
    /* Somebody who knows no four-octet numbers has aggregated: AS4_PATH is out of date. */
    if (aggregator->data && wire_u16(aggregator->data) != AS_TRANS)
        return;
    as_path_decode(&store->as4_path, as4_path->data, as4_path->len, 4);
    as_path_merge(&store->as_path, &store->as4_path, &store->merged_path);
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

/* Sorts the communities, renders them, and adds them to what the agreement is made of. */
static struct attr_text *communities_render(struct attr_store *store, enum community_kind kind,
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

static void as_path_render(struct attr_store *store, struct attr_set *set)
{
    const struct as_path *path = &store->as_path;
    struct path_attrs *attrs = &set->attrs;

    attrs->first_as = as_path_first(path, false);
    attrs->first_as_no_confed = as_path_first(path, true);
    attrs->origin_as = as_path_origin(path);
    attrs->as_path_len = clamp_u16(as_path_len(path));
    text_reset(&store->text);
    as_path_format(path, store->settings->as_path_radius, &store->text);
    set->texts[TEXT_AS_PATH] = text_intern(store, store->text.data, store->text.len);
    attrs->as_path = text_view(set->texts[TEXT_AS_PATH]);

    agreement_add_u32(&store->agreement, path->segment_count);
    for (uint32_t s = 0; s < path->segment_count; s++) {
        agreement_add_u32(&store->agreement, path->segments[s].type);
        agreement_add_u32(&store->agreement, path->segments[s].count);
    }
    if (path->number_count > 0)
        text_append(&store->agreement, path->numbers, path->number_count * sizeof path->numbers[0]);
}

static struct attr_set *set_new(struct attr_store *store, const struct attr_list *list,
                                const struct attr_context *context, const struct ip_addr *next_hop)
{
    struct attr_set *set = mem_zalloc(sizeof *set + store->key.len);
    struct path_attrs *attrs = &set->attrs;
    const struct attr_value *values = list->values;

    set->store = store;
    memcpy(set->key, store->key.data, store->key.len);
    attrs->handle = ++store->last_set_handle;
    attrs->next_hop = *next_hop;
    attrs->origin = values[ATTR_ORIGIN].data[0];
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
    as_path_load(store, list, context);
    as_path_render(store, set);
    set->texts[TEXT_STANDARD] =
        communities_render(store, COMMUNITY_STANDARD, &values[ATTR_COMMUNITIES]);
    set->texts[TEXT_EXTENDED] =
        communities_render(store, COMMUNITY_EXTENDED, &values[ATTR_EXT_COMMUNITIES]);
    set->texts[TEXT_LARGE] =
        communities_render(store, COMMUNITY_LARGE, &values[ATTR_LARGE_COMMUNITIES]);
    attrs->std_comms = text_view(set->texts[TEXT_STANDARD]);
    attrs->ext_comms = text_view(set->texts[TEXT_EXTENDED]);
    attrs->lrg_comms = text_view(set->texts[TEXT_LARGE]);
    attrs->agreement = hash_bytes(store->agreement.data, store->agreement.len, store->seed);
    return set;
}

struct attr_store *attr_store_new(struct rcu *rcu, const struct attr_text_settings *settings)
{
    struct attr_store *store = mem_zalloc(sizeof *store);

    store->settings = settings;
    store->retired = rcu_queue_new(rcu);
    store->seed = hash_seed();
    table_init(&store->sets, set_bytes);
    table_init(&store->texts, text_bytes);
    return store;
}

void attr_store_free(struct attr_store *store)
{
    if (!store)
        return;
    rcu_queue_free(store->retired);
    for (size_t i = 0; i < store->sets.slot_count; i++) {
        if (store->sets.slots[i].item)
            set_free(store->sets.slots[i].item);
    }
    mem_free(store->sets.slots);
    mem_free(store->texts.slots);
    text_clear(&store->key);
    text_clear(&store->agreement);
    text_clear(&store->text);
    as_path_clear(&store->as_path);
    as_path_clear(&store->as4_path);
    as_path_clear(&store->merged_path);
    mem_free(store);
}

struct path_attrs *attr_store_intern(struct attr_store *store, const struct attr_list *list,
                                     const struct attr_context *context,
                                     const struct ip_addr *next_hop)
{
    assert(list->values[ATTR_ORIGIN].data && list->values[ATTR_AS_PATH].data);
    key_build(&store->key, list, context, next_hop);
    uint64_t hash = hash_bytes(store->key.data, store->key.len, store->seed);
    struct attr_set *set =
        (struct attr_set *)table_find(&store->sets, hash, store->key.data, store->key.len);
    if (!set) {
        set = set_new(store, list, context, next_hop);
        set->item = (struct table_item){hash, (uint32_t)store->key.len};
        table_add(&store->sets, &set->item);
        counter_add(&store->set_count, 1);
        bytes_change(store, (int64_t)(sizeof *set + store->key.len));
    }
    set->attrs.ref_count++;
    return &set->attrs;
}

void attr_store_unref(void *store_arg, struct path_attrs *attrs)
{
    struct attr_store *store = store_arg;

    if (--attrs->ref_count > 0)
        return;
    struct attr_set *set = (struct attr_set *)((char *)attrs - offsetof(struct attr_set, attrs));
    table_remove(&store->sets, &set->item);
    counter_add(&store->set_count, (uint64_t)-1);
    rcu_retire(store->retired, set_free, set);
}

void attr_store_poll(struct attr_store *store)
{
    rcu_queue_poll(store->retired);
}

struct attr_store_statistics attr_store_statistics(const struct attr_store *store)
{
    return (struct attr_store_statistics){counter_get(&store->set_count),
                                          counter_get(&store->text_count),
                                          counter_get(&store->bytes)};
}
