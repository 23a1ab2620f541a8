/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where lists of paths stand: one under a prefix, or an index of several peers' lists; which prefixes
 * share one; and the tables that the prefixes are in.
 */
#include "bgp/rib_list.h"
#include "base/memory.h"
#include <assert.h>

struct list_ref rib_list_ref(struct rib *rib, struct rib_table *table, enum rib_family family,
                             struct prefix_key key, unsigned len, uint32_t peer)
{
    struct list_ref ref = {.table = table, .family = family, .key = key, .len = len, .peer = peer};

    ref.prefix_place = prefix_tree_find(&table->trees[family], key, len);
    if (!ref.prefix_place)
        return ref;
    struct path_list *list = block_at(rib->pool, place_get(ref.prefix_place));
    if (list->kind != BLOCK_INDEX) {
        if (list->peer == peer)
            ref.place = ref.prefix_place;
        return ref;
    }
    ref.index = (struct peer_index *)(void *)list;
    const struct peer_place *found = index_find(ref.index, peer);
    if (found)
        ref.place = &ref.index->places[found - ref.index->places].list;
    return ref;
}

const struct path_list *rib_list_at(const struct rib *rib, const struct list_ref *ref)
{
    return ref->place ? list_at(rib, place_get(ref->place)) : NULL;
}

static struct peer_index *index_new(struct rib *rib, unsigned count, uint32_t *ret_handle)
{
    *ret_handle =
        block_alloc(rib->pool, sizeof(struct peer_index) + count * sizeof(struct peer_place));
    struct peer_index *index = block_at(rib->pool, *ret_handle);
    index->kind = BLOCK_INDEX;
    index->count = count & 0x3fff;
    index->unused = 0;
    return index;
}

static void peer_place_set(struct peer_place *place, uint32_t peer, uint32_t list)
{
    place->peer = peer;
    atomic_store_explicit(&place->list, list, memory_order_relaxed); /* not published yet */
}

/* Gives a second or further peer a place. */
static void index_add(struct rib *rib, struct list_ref *ref, uint32_t list_handle)
{
    uint32_t old_handle = place_get(ref->prefix_place);
    struct peer_place single;
    const struct peer_place *old = ref->index ? ref->index->places : &single;
    unsigned old_count = ref->index ? ref->index->count : 1;
    uint32_t handle;

    if (!ref->index)
        peer_place_set(&single, list_at(rib, old_handle)->peer, old_handle);
    struct peer_index *index = index_new(rib, old_count + 1, &handle);
    unsigned at = 0;
    for (; at < old_count && old[at].peer < ref->peer; at++)
        peer_place_set(&index->places[at], old[at].peer, place_get(&old[at].list));
    peer_place_set(&index->places[at], ref->peer, list_handle);
    for (; at < old_count; at++)
        peer_place_set(&index->places[at + 1], old[at].peer, place_get(&old[at].list));
    rcu_publish(ref->prefix_place, handle);
    if (ref->index)
        block_retire(rib->pool, old_handle);
}

/* Takes a peer's place away; where one other is left, its list stands alone again. */
static void index_remove(struct rib *rib, struct list_ref *ref)
{
    uint32_t old_handle = place_get(ref->prefix_place);
    uint32_t handle = 0;
    struct peer_index *index =
        ref->index->count > 2 ? index_new(rib, ref->index->count - 1u, &handle) : NULL;

    for (unsigned i = 0, at = 0; i < ref->index->count; i++) {
        const struct peer_place *old = &ref->index->places[i];
        if (old->peer == ref->peer)
            continue;
        if (index)
            peer_place_set(&index->places[at++], old->peer, place_get(&old->list));
        else
            handle = place_get(&old->list);
    }
    rcu_publish(ref->prefix_place, handle);
    block_retire(rib->pool, old_handle);
}

struct rib_table *rib_table_new(struct rib *rib, enum rib_safi safi, uint64_t rd)
{
    uint32_t handle = block_alloc(rib->pool, sizeof(struct rib_table));
    struct rib_table *table = block_at(rib->pool, handle);
    uint32_t id = rib->free_table;

    *table = (struct rib_table){.rd = rd, .safi = (uint8_t)safi, .handle = handle};
    for (int family = 0; family < RIB_FAMILY_COUNT; family++)
        prefix_tree_init(&table->trees[family], rib->pool);
    while (id < rib->table_count && rib->tables[id] != 0)
        id++;
    if (id == rib->table_count) {
        rib->table_count = id + id / 2 + 16;
        rib->tables = mem_realloc_array(rib->tables, rib->table_count, sizeof *rib->tables);
        memset(rib->tables + id, 0, (rib->table_count - id) * sizeof *rib->tables);
    }
    table->id = id;
    rib->free_table = id + 1;
    rib->tables[id] = handle;
    if (safi == RIB_VPN)
        prefix_tree_insert(&rib->rds, (struct prefix_key){rd, 0}, 64, handle);
    return table;
}

struct rib_table *rib_table_find(struct rib *rib, enum rib_safi safi, uint64_t rd)
{
    if (safi != RIB_VPN)
        return safi == RIB_UNICAST ? rib->unicast : rib->labelled;
    _Atomic uint32_t *place = prefix_tree_find(&rib->rds, (struct prefix_key){rd, 0}, 64);
    return place ? block_at(rib->pool, place_get(place)) : NULL;
}

static void prefix_remove(struct rib *rib, struct list_ref *ref)
{
    struct rib_table *table = ref->table;

    prefix_tree_remove(&table->trees[ref->family], ref->key, ref->len);
    counter_add(&rib->prefixes, UINT64_MAX); /* one less */
    if (--table->prefix_count == 0 && table->safi == RIB_VPN) {
        rib->tables[table->id] = 0;
        if (table->id < rib->free_table)
            rib->free_table = table->id;
        prefix_tree_remove(&rib->rds, (struct prefix_key){table->rd, 0}, 64);
        block_retire(rib->pool, table->handle);
    }
}

void rib_list_release(struct rib *rib, uint32_t handle)
{
    struct path_list *list = block_at(rib->pool, handle);

    if (list->kind == BLOCK_SHARED_LIST && share_count(list) > 1) {
        share_count_set(list, share_count(list) - 1);
        return;
    }
    if (handle == rib->shared.before || handle == rib->shared.after)
        rib->shared.is_valid = false; /* the handle will soon name something else */
    block_retire(rib->pool, handle);
}

void rib_list_publish(struct rib *rib, struct list_ref *ref, uint32_t handle)
{
    uint32_t old = ref->place ? place_get(ref->place) : 0;

    if (handle && ref->place) {
        rcu_publish(ref->place, handle);
    } else if (handle && ref->prefix_place) {
        index_add(rib, ref, handle);
    } else if (handle) {
        prefix_tree_insert(&ref->table->trees[ref->family], ref->key, ref->len, handle);
        ref->table->prefix_count++;
        counter_add(&rib->prefixes, 1);
    } else if (old && ref->index) {
        index_remove(rib, ref);
    } else if (old) {
        prefix_remove(rib, ref);
    }
    if (old)
        rib_list_release(rib, old);
}

void rib_attrs_hold(struct rib *rib, struct path_attrs *attrs)
{
    assert(attrs->block % (1u << ATTRS_BLOCK_SHIFT) == 0);
    if (attrs->rib_path_count++ == 0) {
        attrs->ref_count++;
        counter_add(&rib->attribute_sets, 1);
    }
}

void rib_attrs_drop(struct rib *rib, const struct stored_path *path)
{
    struct path_attrs *attrs = block_at(rib->attrs_pool, stored_attrs_block(path));

    if (--attrs->rib_path_count == 0) {
        counter_add(&rib->attribute_sets, UINT64_MAX);
        rib->settings.attrs_unref(rib->settings.attrs_arg, attrs);
    }
}

void rib_count_paths(struct rib *rib, const struct list_ref *ref, int live, int gone)
{
    struct rib_peer *peer = &rib->peers[ref->peer];

    counter_add(&rib->paths, (uint64_t)(int64_t)live);
    counter_add(&peer->paths, (uint64_t)(int64_t)live);
    counter_add(&peer->family_paths[ref->table->safi][ref->family], (uint64_t)(int64_t)live);
    counter_add(&rib->history_paths, (uint64_t)(int64_t)gone);
    counter_add(&peer->history_paths, (uint64_t)(int64_t)gone);
}

uint32_t rib_list_new(struct rib *rib, const struct list_edit *edit, uint32_t peer, bool is_shared)
{
    const struct path_list head = {.kind = is_shared ? BLOCK_SHARED_LIST : BLOCK_LIST,
                                   .peer = peer & 0x3fff,
                                   .live_count = edit->live_count & 0xff,
                                   .gone_count = edit->gone_count & 0xff};
    size_t size = list_size(&head);

    if (edit->live_count + edit->gone_count == 0)
        return 0;
    if (is_shared) {
        /* The list of four paths stays one cache line. */
        size_t align = size == CACHE_LINE ? CACHE_LINE : 1;
        size = (size + sizeof(uint32_t) + align - 1) / align * align;
    }
    if (edit->is_view)
        size += (edit->live_count + edit->gone_count) * sizeof(uint16_t);
    uint32_t handle = block_alloc(rib->pool, size);
    struct path_list *list = block_at(rib->pool, handle);
    *list = head;
    memcpy(list->live, edit->live, edit->live_count * sizeof edit->live[0]);
    memcpy(list->live + edit->live_count, edit->gone, edit->gone_count * sizeof edit->gone[0]);
    if (is_shared)
        share_count_set(list, 1);
    if (edit->is_view) {
        char *who = (char *)list + list_size(list);
        size_t live_bytes = edit->live_count * sizeof edit->live_who[0];
        memcpy(who, edit->live_who, live_bytes);
        memcpy(who + live_bytes, edit->gone_who, edit->gone_count * sizeof edit->gone_who[0]);
    }
    return handle;
}

const struct stored_path *rib_list_find(const struct path_list *list, uint32_t path_id)
{
    for (unsigned i = 0; list && i < list->live_count; i++) {
        if (list->live[i].path_id == path_id)
            return &list->live[i];
    }
    return NULL;
}
