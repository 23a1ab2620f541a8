/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The writer's side of the RIB: a change takes a list of paths apart, edits it, and publishes a
 * new one in its place. */
#include "base/memory.h"
#include "bgp/decision.h"
#include "bgp/rib_private.h"
#include <assert.h>
#include <stdlib.h>

#define NLRI_TOGETHER 16u /* prefetched for each other */

/* A change: whose paths, and when. */
struct change {
    struct rib *rib;
    uint32_t peer;
    enum rib_safi safi;
    uint64_t now_ms;
};

/* The place where a list stands, or would stand. */
struct list_ref {
    struct rib_table *table;
    enum rib_family family;
    struct prefix_key key;
    unsigned len;
    uint32_t peer;
    _Atomic uint32_t *prefix_place; /* in the tree; NULL: the prefix is not there */
    struct peer_index *index;       /* NULL: one peer at most */
    _Atomic uint32_t *place;        /* of the handle of this peer's list; NULL: it has none */
};

static uint32_t place_get(const _Atomic uint32_t *place)
{
    return atomic_load_explicit(place, memory_order_relaxed);
}

static struct list_ref list_ref_make(struct rib *rib, struct rib_table *table,
                                     enum rib_family family, struct prefix_key key, unsigned len,
                                     uint32_t peer)
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

static const struct path_list *list_ref_get(const struct rib *rib, const struct list_ref *ref)
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

static struct rib_table *table_find(struct rib *rib, enum rib_safi safi, uint64_t rd)
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

/* Returns how many prefixes share the list. */
static uint32_t share_count(const struct path_list *list)
{
    uint32_t count;

    memcpy(&count, (const char *)list + list_size(list), sizeof count);
    return count;
}

static void share_count_set(struct path_list *list, uint32_t count)
{
    memcpy((char *)list + list_size(list), &count, sizeof count);
}

/* Takes note that one prefix has the list no more; the last one retires it. */
static void list_release(struct rib *rib, uint32_t handle)
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

/* Puts a list (0: nothing) where the reference points. */
static void list_publish(struct rib *rib, struct list_ref *ref, uint32_t handle)
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
        list_release(rib, old);
}

/* Takes note that one more path names the set. */
static void attrs_hold(struct rib *rib, struct path_attrs *attrs)
{
    assert(attrs->block % (1u << ATTRS_BLOCK_SHIFT) == 0);
    if (attrs->rib_path_count++ == 0) {
        attrs->ref_count++;
        counter_add(&rib->attribute_sets, 1);
    }
}

static void attrs_drop(struct rib *rib, const struct stored_path *path)
{
    struct path_attrs *attrs = block_at(rib->attrs_pool, stored_attrs_block(path));

    if (--attrs->rib_path_count == 0) {
        counter_add(&rib->attribute_sets, UINT64_MAX);
        rib->settings.attrs_unref(rib->settings.attrs_arg, attrs);
    }
}

static void count_paths(struct rib *rib, const struct list_ref *ref, int live, int gone)
{
    struct rib_peer *peer = &rib->peers[ref->peer];

    counter_add(&rib->paths, (uint64_t)(int64_t)live);
    counter_add(&peer->paths, (uint64_t)(int64_t)live);
    counter_add(&peer->family_paths[ref->table->safi][ref->family], (uint64_t)(int64_t)live);
    counter_add(&rib->history_paths, (uint64_t)(int64_t)gone);
    counter_add(&peer->history_paths, (uint64_t)(int64_t)gone);
}

static bool history_is_kept(const struct rib *rib)
{
    return rib->settings.history_s > 0 && rib->settings.history_max > 0;
}

/* Moves a path that was valid until `withdrawn_ms` into the history, if there is one and the
 * path lived at all. */
static void edit_keep_gone(struct rib *rib, struct list_edit *edit, const struct stored_path *path,
                           const struct list_ref *ref, uint64_t withdrawn_ms)
{
    const struct rib_peer_family *family =
        &rib->peers[ref->peer].families[ref->table->safi][ref->family];
    unsigned at;

    if (!history_is_kept(rib) || path_announced_ms(path) >= (int64_t)withdrawn_ms) {
        edit->dropped[edit->dropped_count++] = *path;
        return;
    }
    if (edit->gone_count == GONE_MAX) {
        edit->dropped[edit->dropped_count++] = edit->gone[0].path;
        memmove(edit->gone, edit->gone + 1, --edit->gone_count * sizeof edit->gone[0]);
        counter_add(&rib->history_evicted, 1);
    }
    at = edit->gone_count;
    while (at > 0 && gone_withdrawn_ms(&edit->gone[at - 1]) > (int64_t)withdrawn_ms)
        at--;
    memmove(edit->gone + at + 1, edit->gone + at, (edit->gone_count - at) * sizeof edit->gone[0]);
    edit->gone_count++;
    edit->gone[at] = (struct gone_path){
        .path = *path, .withdrawal = withdrawn_ms << 22 | (family->generation & 0x3fffff)};
    history_push(&rib->history, &(struct history_item){
                                    .key = ref->key,
                                    .withdrawn_ms = withdrawn_ms,
                                    .table = ref->table->id,
                                    .peer = (uint16_t)ref->peer,
                                    .family = (uint8_t)ref->family,
                                    .len = (uint8_t)ref->len,
                                });
}

/* Takes a list apart and leaves out what is invalid. Paths that the table after a lost session
 * did not name again go into the history. */
static void edit_begin(struct rib *rib, struct list_edit *edit, const struct list_ref *ref)
{
    const struct rib_peer *peer = &rib->peers[ref->peer];
    const struct family_state state =
        rib_family_state(&peer->families[ref->table->safi][ref->family]);
    const struct path_list *list = list_ref_get(rib, ref);

    edit->live_count = 0;
    edit->gone_count = 0;
    edit->dropped_count = 0;
    edit->is_out_of_order = false;
    for (unsigned i = 0; list && i < list->gone_count; i++) {
        const struct gone_path *gone = &list_gone(list)[i];
        if (gone_is_valid(gone, state))
            edit->gone[edit->gone_count++] = *gone;
        else
            edit->dropped[edit->dropped_count++] = gone->path;
    }
    for (unsigned i = 0; list && i < list->live_count; i++) {
        const struct stored_path *path = &list->live[i];
        if (path_is_valid(path, state)) {
            edit->live[edit->live_count++] = *path;
            continue;
        }
        edit->is_out_of_order = true;
        if (path_was_left(path, state))
            edit_keep_gone(rib, edit, path, ref, peer->broken_ms);
        else
            edit->dropped[edit->dropped_count++] = *path;
    }
}

static struct decision_path decision_path_of(const struct rib *rib, const struct stored_path *path,
                                             uint32_t peer)
{
    return (struct decision_path){stored_attrs(rib, path), rib->peers[peer].router_id,
                                  path->path_id};
}

static void edit_sort(struct rib *rib, struct list_edit *edit, uint32_t peer)
{
    struct decision_path paths[RIB_PATHS_MAX + 1];
    struct stored_path sorted[RIB_PATHS_MAX + 1];
    uint16_t order[RIB_PATHS_MAX + 1];

    for (unsigned i = 0; i < edit->live_count; i++)
        paths[i] = decision_path_of(rib, &edit->live[i], peer);
    decision_sort(paths, edit->live_count, order);
    for (unsigned i = 0; i < edit->live_count; i++)
        sorted[i] = edit->live[order[i]];
    memcpy(edit->live, sorted, edit->live_count * sizeof sorted[0]);
    edit->is_out_of_order = false;
}

/* Puts a path in its place in decision order; the one that it replaces has been removed. */
static void edit_insert(struct rib *rib, struct list_edit *edit, const struct stored_path *path,
                        uint32_t peer)
{
    struct decision_path sorted[RIB_PATHS_MAX + 1];
    struct decision_path added = decision_path_of(rib, path, peer);
    size_t place = 0;

    for (unsigned i = 0; i < edit->live_count; i++)
        sorted[i] = decision_path_of(rib, &edit->live[i], peer);
    if (edit->is_out_of_order || !decision_place(sorted, edit->live_count, &added, &place)) {
        edit->live[edit->live_count++] = *path;
        edit_sort(rib, edit, peer);
        return;
    }
    memmove(edit->live + place + 1, edit->live + place,
            (edit->live_count - place) * sizeof edit->live[0]);
    edit->live[place] = *path;
    edit->live_count++;
}

static void edit_remove(struct rib *rib, struct list_edit *edit, unsigned at, uint32_t peer)
{
    struct decision_path sorted[RIB_PATHS_MAX + 1];
    struct decision_path removed = decision_path_of(rib, &edit->live[at], peer);
    size_t place;

    edit->live_count--;
    memmove(edit->live + at, edit->live + at + 1, (edit->live_count - at) * sizeof edit->live[0]);
    for (unsigned i = 0; i < edit->live_count; i++)
        sorted[i] = decision_path_of(rib, &edit->live[i], peer);
    if (!decision_place(sorted, edit->live_count, &removed, &place))
        edit->is_out_of_order = true;
}

/* Makes a block of the edited list; 0: nothing is left. */
static uint32_t list_new(struct rib *rib, const struct list_edit *edit, uint32_t peer,
                         bool is_shared)
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
    uint32_t handle = block_alloc(rib->pool, size);
    struct path_list *list = block_at(rib->pool, handle);
    *list = head;
    memcpy(list->live, edit->live, edit->live_count * sizeof edit->live[0]);
    memcpy(list->live + edit->live_count, edit->gone, edit->gone_count * sizeof edit->gone[0]);
    if (is_shared)
        share_count_set(list, 1);
    return handle;
}

/* Publishes the edited list, then gives back what is not in it any more. */
static void edit_finish(struct rib *rib, struct list_edit *edit, struct list_ref *ref,
                        bool is_shared)
{
    const struct path_list *old = list_ref_get(rib, ref);

    if (edit->is_out_of_order)
        edit_sort(rib, edit, ref->peer);
    uint32_t handle = list_new(rib, edit, ref->peer, is_shared);
    count_paths(rib, ref, (int)edit->live_count - (old ? old->live_count : 0),
                (int)edit->gone_count - (old ? old->gone_count : 0));
    rib->shared.after = handle;
    list_publish(rib, ref, handle);
    while (edit->dropped_count > 0)
        attrs_drop(rib, &edit->dropped[--edit->dropped_count]);
}

static const struct stored_path *list_path(const struct path_list *list, uint32_t path_id)
{
    for (unsigned i = 0; list && i < list->live_count; i++) {
        if (list->live[i].path_id == path_id)
            return &list->live[i];
    }
    return NULL;
}

/* Another prefix of the UPDATE whose list is `before` becomes `after` too. */
static void shared_remember(struct rib *rib, const struct list_ref *ref, uint32_t path_id,
                            uint32_t before, bool is_refresh)
{
    rib->shared.is_valid = true;
    rib->shared.is_refresh = is_refresh;
    rib->shared.family = ref->family;
    rib->shared.path_id = path_id;
    rib->shared.before = before;
}

/* Handles a path that is announced as before: its time stays, and it gets the present
 * generation. */
static void list_refresh(struct rib *rib, const struct list_ref *ref, const struct path_list *list,
                         const struct stored_path *path, uint8_t generation, bool is_shared)
{
    uint32_t old = place_get(ref->place);
    struct list_edit *edit = rib->edit;

    if (path_generation(path) == generation)
        return;
    edit->live_count = list->live_count;
    edit->gone_count = list->gone_count;
    memcpy(edit->live, list->live, list->live_count * sizeof edit->live[0]);
    memcpy(edit->gone, list_gone(list), list->gone_count * sizeof edit->gone[0]);
    path_set_generation(&edit->live[path - list->live], generation);
    path_mark_kept(&edit->live[path - list->live]);
    rib->shared.is_valid = false;
    if (is_shared)
        shared_remember(rib, ref, path->path_id, old, true);
    rib->shared.after = list_new(rib, edit, ref->peer, is_shared);
    rcu_publish(ref->place, rib->shared.after);
    list_release(rib, old);
}

static void edit_take_out(struct list_edit *edit, struct rib *rib, uint32_t path_id, uint32_t peer)
{
    unsigned at = 0;

    while (edit->live[at].path_id != path_id)
        at++;
    edit_remove(rib, edit, at, peer);
}

static bool is_peer_full(const struct rib *rib, uint32_t peer)
{
    uint64_t max = rib->settings.peer_paths_max;

    return max > 0 && counter_get(&rib->peers[peer].paths) >= max;
}

/* Gives a prefix that had the same list as the one before it the same new list, without the
 * work. */
static void list_share(struct rib *rib, struct list_ref *ref, struct path_attrs *attrs)
{
    struct path_list *list = block_at(rib->pool, rib->shared.after);

    share_count_set(list, share_count(list) + 1);
    if (!rib->shared.is_refresh) { /* else the path was there, and counted */
        attrs_hold(rib, attrs);
        count_paths(rib, ref, 1, 0);
    }
    list_publish(rib, ref, rib->shared.after);
}

/* True while the table of a session that came back is on its way, and paths of the one before
 * stand. */
static bool family_is_returning(const struct rib_peer_family *family)
{
    return family->oldest != family->generation && !family->is_loaded;
}

/* True if a gone path still counts: one that is due to go may not have been swept yet. */
static bool gone_is_young(const struct change *change, const struct gone_path *gone)
{
    return gone_withdrawn_ms(gone) >
           (int64_t)change->now_ms - change->rib->settings.history_s * 1000;
}

/* True if the prefix had a path before the session broke. */
static bool list_was_kept(const struct change *change, const struct path_list *list,
                          const struct rib_peer_family *family)
{
    for (unsigned i = 0; list && i < list->live_count; i++) {
        if (path_generation(&list->live[i]) != (uint8_t)family->generation ||
            path_announced_ms(&list->live[i]) > 0)
            return true;
    }
    /* The last to go stand last. */
    return list && list->gone_count > 0 &&
           gone_is_young(change, &list_gone(list)[list->gone_count - 1]);
}

static void gone_take_out(struct list_edit *edit, unsigned at)
{
    edit->dropped[edit->dropped_count++] = edit->gone[at].path;
    edit->gone_count--;
    memmove(edit->gone + at, edit->gone + at + 1, (edit->gone_count - at) * sizeof edit->gone[0]);
}

/* Takes out the kept path that says the same, under whatever id, to make room for the one that
 * is announced now, which takes over its time. False: there is none. */
static bool edit_take_kept(const struct change *change, struct list_edit *edit,
                           const struct list_ref *ref, const struct path_attrs *attrs,
                           uint8_t generation, struct stored_path *ret_kept)
{
    struct rib *rib = change->rib;
    uint64_t broken_ms = rib->peers[ref->peer].broken_ms;

    for (unsigned i = 0; i < edit->live_count; i++) {
        if (path_generation(&edit->live[i]) == generation ||
            stored_attrs_block(&edit->live[i]) != attrs->block)
            continue;
        *ret_kept = edit->live[i];
        edit->dropped[edit->dropped_count++] = edit->live[i];
        edit_remove(rib, edit, i, ref->peer);
        return true;
    }
    /* Its id may have been given to another path first. */
    for (unsigned i = 0; i < edit->gone_count; i++) {
        if (gone_withdrawn_ms(&edit->gone[i]) != (int64_t)broken_ms ||
            !gone_is_young(change, &edit->gone[i]) ||
            stored_attrs_block(&edit->gone[i].path) != attrs->block)
            continue;
        *ret_kept = edit->gone[i].path;
        gone_take_out(edit, i);
        return true;
    }
    return false;
}

static const struct stored_path *edit_find(const struct list_edit *edit, uint32_t path_id)
{
    for (unsigned i = 0; i < edit->live_count; i++) {
        if (edit->live[i].path_id == path_id)
            return &edit->live[i];
    }
    return NULL;
}

/*
 * Makes room for a path, and says since when it stands. In the table of a session that came back
 * news are no routing change: what is as it was keeps its time, a prefix that had nothing was
 * always there, and anything else began when the session broke.
 */
static uint64_t edit_replace(const struct change *change, struct list_edit *edit,
                             const struct list_ref *ref, uint32_t path_id,
                             const struct path_attrs *attrs, const struct path_list *list)
{
    struct rib *rib = change->rib;
    const struct rib_peer *peer = &rib->peers[change->peer];
    const struct rib_peer_family *family = &peer->families[change->safi][ref->family];
    uint8_t generation = (uint8_t)family->generation;
    bool is_returning = family_is_returning(family);
    struct stored_path kept, replaced;
    bool is_kept = is_returning && edit_take_kept(change, edit, ref, attrs, generation, &kept);
    const struct stored_path *same_id = edit_find(edit, path_id);
    bool is_news = same_id && path_generation(same_id) == generation;

    if (same_id) {
        replaced = *same_id;
        edit_take_out(edit, rib, path_id, ref->peer);
        edit_keep_gone(rib, edit, &replaced, ref,
                       is_returning && !is_news ? peer->broken_ms : change->now_ms);
    }
    if (is_kept) {
        path_mark_kept(&kept);
        return (uint64_t)path_announced_ms(&kept);
    }
    if (!is_returning || is_news)
        return family->was_loaded || same_id ? change->now_ms : 0;
    return list_was_kept(change, list, family) ? peer->broken_ms : 0;
}

/* `is_shared`: the next prefix of the UPDATE will likely have the same list. */
static bool path_announce(const struct change *change, const struct list_ref *at,
                          const struct rib_nlri *nlri, struct path_attrs *attrs, bool is_shared)
{
    struct rib *rib = change->rib;
    struct rib_peer_family *family = &rib->peers[change->peer].families[change->safi][at->family];
    struct list_ref ref = *at;
    uint32_t before = ref.place ? place_get(ref.place) : 0;

    if (rib->shared.is_valid && rib->shared.before == before &&
        rib->shared.path_id == nlri->path_id && rib->shared.family == ref.family &&
        !is_peer_full(rib, ref.peer) && !block_pool_is_full(rib->pool)) {
        list_share(rib, &ref, attrs);
        return true;
    }
    const struct path_list *list = list_ref_get(rib, &ref);
    const struct stored_path *found = list_path(list, nlri->path_id);
    struct list_edit *edit = rib->edit;

    if (found && !path_is_valid(found, rib_family_state(family)))
        found = NULL;
    if (found && stored_attrs_block(found) == attrs->block) {
        list_refresh(rib, &ref, list, found, (uint8_t)family->generation, is_shared);
        return true;
    }
    edit_begin(rib, edit, &ref);
    if (!found && (edit->live_count == RIB_PATHS_MAX || is_peer_full(rib, ref.peer) ||
                   block_pool_is_full(rib->pool)))
        return false;
    uint64_t announced_ms = edit_replace(change, edit, &ref, nlri->path_id, attrs, list);
    attrs_hold(rib, attrs);
    struct stored_path path =
        stored_path_make(attrs, nlri->path_id, announced_ms, (uint8_t)family->generation);
    edit_insert(rib, edit, &path, ref.peer);
    /* The next prefix can share the list only if nothing but this path changed in it: anything
     * else concerned this prefix alone. */
    if (is_shared && !found && edit->dropped_count == 0 &&
        edit->gone_count == (list ? list->gone_count : 0u))
        shared_remember(rib, &ref, nlri->path_id, before, false);
    else
        is_shared = rib->shared.is_valid = false;
    edit_finish(rib, edit, &ref, is_shared);
    return true;
}

static bool path_withdraw(const struct change *change, const struct list_ref *at,
                          const struct rib_nlri *nlri)
{
    struct rib *rib = change->rib;
    const struct rib_peer_family *family =
        &rib->peers[change->peer].families[change->safi][at->family];
    struct list_ref ref = *at;
    const struct stored_path *found = list_path(list_ref_get(rib, &ref), nlri->path_id);
    struct list_edit *edit = rib->edit;

    if (!found || !path_is_valid(found, rib_family_state(family)))
        return false;
    edit_begin(rib, edit, &ref);
    edit_take_out(edit, rib, nlri->path_id, ref.peer);
    edit_keep_gone(rib, edit, found, &ref, change->now_ms);
    edit_finish(rib, edit, &ref, false);
    return true;
}

/* Reads ahead along the way that the changes of a few NLRI will take. */
static void nlri_prefetch(struct rib *rib, struct rib_table *table, const struct rib_nlri *nlri,
                          size_t count, struct prefix_match *matches)
{
    for (size_t i = 0; i < count; i++) {
        matches[i].tree = &table->trees[nlri[i].prefix.addr.family == IP_V6];
        matches[i].key = prefix_key_make(&nlri[i].prefix.addr);
    }
    prefix_match_batch(matches, count);
    for (size_t i = 0; i < count; i++) {
        if (matches[i].value)
            __builtin_prefetch(block_at(rib->pool, matches[i].value));
    }
}

/* True if the next NLRI will likely have the same list as the one at `i`. Only NLRI that are
 * looked at together are compared. A guess is made for a new prefix, whose list costs nothing
 * more if the guess is wrong. */
static bool has_common_list(const struct list_ref *ref, const struct prefix_match *matches,
                            size_t i, size_t count)
{
    if (i + 1 == count || (i + 1) % NLRI_TOGETHER == 0)
        return false;
    return !ref->place || ref->index ||
           matches[(i + 1) % NLRI_TOGETHER].value == place_get(ref->place);
}

/* Announces a path for which there was no room: drops what broken sessions left, then tries
 * again. False: that was not enough. */
static bool announce_with_room(const struct change *change, const struct rib_nlri *nlri,
                               struct path_attrs *attrs)
{
    struct rib *rib = change->rib;
    const struct ip_prefix *prefix = &nlri->prefix;

    if (!rib_drop_kept(rib, block_pool_is_full(rib->pool) ? UINT32_MAX : change->peer))
        return false;
    struct rib_table *table = table_find(rib, change->safi, nlri->rd);
    if (!table)
        table = rib_table_new(rib, change->safi, nlri->rd);
    struct list_ref ref =
        list_ref_make(rib, table, prefix->addr.family == IP_V6 ? RIB_IPV6 : RIB_IPV4,
                      prefix_key_make(&prefix->addr), prefix->len, change->peer);
    rib->shared.is_valid = false;
    return path_announce(change, &ref, nlri, attrs, false);
}

/* Announces (with `attrs`) or withdraws (NULL) NLRI; returns how many could not be. */
static size_t nlri_change(const struct change *change, const struct rib_nlri *nlri, size_t count,
                          struct path_attrs *attrs)
{
    struct rib *rib = change->rib;
    struct prefix_match matches[NLRI_TOGETHER] = {0};
    size_t failed = 0;

    rib->shared.is_valid = false;
    for (size_t i = 0; i < count; i++) {
        struct rib_table *table = table_find(rib, change->safi, nlri[i].rd);
        if (i % NLRI_TOGETHER == 0 && table)
            nlri_prefetch(rib, table, nlri + i,
                          count - i < NLRI_TOGETHER ? count - i : NLRI_TOGETHER, matches);
        const struct ip_prefix *prefix = &nlri[i].prefix;
        enum rib_family family = prefix->addr.family == IP_V6 ? RIB_IPV6 : RIB_IPV4;
        if (!table && attrs && !block_pool_is_full(rib->pool))
            table = rib_table_new(rib, change->safi, nlri[i].rd);
        rib->peers[change->peer].families[change->safi][family].is_touched = true;
        struct list_ref ref;
        if (table)
            ref = list_ref_make(rib, table, family, prefix_key_make(&prefix->addr), prefix->len,
                                change->peer);
        if (!table) {
            failed++;
        } else if (!attrs) {
            failed += !path_withdraw(change, &ref, &nlri[i]);
        } else if (!path_announce(change, &ref, &nlri[i], attrs,
                                  has_common_list(&ref, matches, i, count))) {
            failed += !announce_with_room(change, &nlri[i], attrs);
        }
    }
    return failed;
}

size_t rib_announce(struct rib *rib, uint32_t peer, enum rib_safi safi, const struct rib_nlri *nlri,
                    size_t count, struct path_attrs *attrs, struct wall_time now)
{
    struct change change = {rib, peer, safi, (uint64_t)wall_ms(now.ns)};
    size_t refused = nlri_change(&change, nlri, count, attrs);

    THREAD_ASSERT(bgp_thread);
    counter_add(&rib->paths_refused, refused);
    rib_history_bound(rib);
    return refused;
}

size_t rib_withdraw(struct rib *rib, uint32_t peer, enum rib_safi safi, const struct rib_nlri *nlri,
                    size_t count, struct wall_time now)
{
    struct change change = {rib, peer, safi, (uint64_t)wall_ms(now.ns)};
    size_t unknown = nlri_change(&change, nlri, count, NULL);

    THREAD_ASSERT(bgp_thread);
    rib_history_bound(rib);
    return unknown;
}

void rib_prefix_sweep(struct rib *rib, struct rib_table *table, enum rib_family family,
                      struct prefix_key key, unsigned len)
{
    uint32_t peers[RIB_PEERS_MAX];
    unsigned count = 0;
    struct list_ref first = list_ref_make(rib, table, family, key, len, UINT32_MAX);

    if (!first.prefix_place)
        return;
    if (first.index) { /* noted down, as the index changes when one of them loses its last path */
        for (unsigned i = 0; i < first.index->count; i++)
            peers[count++] = first.index->places[i].peer;
    } else {
        peers[count++] = list_at(rib, place_get(first.prefix_place))->peer;
    }
    for (unsigned i = 0; i < count; i++) {
        struct list_ref ref = list_ref_make(rib, table, family, key, len, peers[i]);
        edit_begin(rib, rib->edit, &ref);
        if (rib->edit->dropped_count > 0 || rib->edit->is_out_of_order)
            edit_finish(rib, rib->edit, &ref, false);
    }
}

unsigned rib_history_drop(struct rib *rib, const struct history_item *item)
{
    uint32_t handle = item->table < rib->table_count ? rib->tables[item->table] : 0;
    struct list_edit *edit = rib->edit;
    unsigned dropped = 0;

    if (!handle)
        return 0;
    struct rib_table *table = block_at(rib->pool, handle);
    struct list_ref ref = list_ref_make(rib, table, item->family, item->key, item->len, item->peer);
    const struct path_list *list = list_ref_get(rib, &ref);
    if (!list || list->gone_count == 0 ||
        gone_withdrawn_ms(&list_gone(list)[0]) > (int64_t)item->withdrawn_ms)
        return 0;
    edit_begin(rib, edit, &ref);
    while (dropped < edit->gone_count &&
           gone_withdrawn_ms(&edit->gone[dropped]) <= (int64_t)item->withdrawn_ms)
        edit->dropped[edit->dropped_count++] = edit->gone[dropped++].path;
    edit->gone_count -= dropped;
    memmove(edit->gone, edit->gone + dropped, edit->gone_count * sizeof edit->gone[0]);
    edit_finish(rib, edit, &ref, false);
    return dropped;
}
