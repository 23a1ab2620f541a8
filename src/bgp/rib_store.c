/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The writer's side of the RIB: a change takes a list of paths apart, edits it, and publishes a
 * new one in its place. */
#include "base/memory.h"
#include "bgp/rib_list.h"
#include <assert.h>
#include <stdlib.h>

#define NLRI_TOGETHER 16u /* prefetched for each other */

/* Another prefix of the UPDATE whose list is `before` becomes `after` too. */
static void shared_remember(struct rib *rib, const struct list_ref *ref, uint32_t path_id,
                            uint32_t before, bool is_refresh)
{
    rib->shared.is_valid = true;
    rib->shared.is_refresh = is_refresh;
    rib->shared.is_new_prefix = false;
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
    edit->is_view = false;
    memcpy(edit->live, list->live, list->live_count * sizeof edit->live[0]);
    memcpy(edit->gone, list_gone(list), list->gone_count * sizeof edit->gone[0]);
    path_set_generation(&edit->live[path - list->live], generation);
    path_mark_kept(&edit->live[path - list->live]);
    rib->shared.is_valid = false;
    if (is_shared)
        shared_remember(rib, ref, path->path_id, old, true);
    rib->shared.after = rib_list_new(rib, edit, ref->peer, is_shared);
    rcu_publish(ref->place, rib->shared.after);
    rib_list_release(rib, old);
}

static bool is_memory_full(const struct rib *rib)
{
    return rib->intake != RIB_INTAKE_ALL || block_pool_is_full(rib->pool);
}

bool rib_has_room_for(const struct change *change, size_t count)
{
    const struct rib_peer *p = &change->rib->peers[change->peer];

    return !is_memory_full(change->rib) && counter_get(&p->paths) + count <= change->paths_max &&
           counter_get(&p->prefixes) + count <= change->prefixes_max;
}

enum rib_limit rib_limit_of(const struct change *change, bool is_new_prefix)
{
    const struct rib *rib = change->rib;
    const struct rib_peer *p = &rib->peers[change->peer];

    if (is_memory_full(rib))
        return RIB_LIMIT_MEMORY;
    if (counter_get(&p->paths) >= change->paths_max)
        return RIB_LIMIT_PEER_PATHS;
    if (is_new_prefix && counter_get(&p->prefixes) >= change->prefixes_max)
        return RIB_LIMIT_PEER_PREFIXES;
    return RIB_LIMIT_NONE;
}

/* Gives a prefix that had the same list as the one before it the same new list, without the
 * work. */
static void list_share(struct rib *rib, struct list_ref *ref, struct path_attrs *attrs)
{
    struct path_list *list = block_at(rib->pool, rib->shared.after);

    share_count_set(list, share_count(list) + 1);
    if (!rib->shared.is_refresh) { /* else the path was there, and counted */
        rib_attrs_hold(rib, attrs);
        rib_count_paths(rib, ref, 1, 0);
        if (rib->shared.is_new_prefix)
            rib_count_prefix(rib, ref->peer, true);
    }
    rib_list_publish(rib, ref, rib->shared.after);
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
        rib_edit_remove(rib, edit, i, ref->peer);
        return true;
    }
    /* Its id may have been given to another path first. */
    for (unsigned i = 0; i < edit->gone_count; i++) {
        if (gone_withdrawn_ms(&edit->gone[i]) != (int64_t)broken_ms ||
            !gone_is_young(change, &edit->gone[i]) ||
            stored_attrs_block(&edit->gone[i].path) != attrs->block)
            continue;
        *ret_kept = edit->gone[i].path;
        rib_edit_drop_gone(edit, i);
        return true;
    }
    return false;
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
    const struct stored_path *same_id = rib_edit_find(edit, path_id);
    bool is_news = same_id && path_generation(same_id) == generation;

    if (same_id) {
        replaced = *same_id;
        rib_edit_take_out(edit, rib, path_id, ref->peer);
        rib_edit_keep_gone(rib, edit, &replaced, ref,
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

/* Takes a path away whose new attributes there is no memory for, as if it had never been. */
static void path_give_up(const struct change *change, struct list_ref *ref,
                         const struct stored_path *found)
{
    struct rib *rib = change->rib;
    struct list_edit *edit = rib->edit;
    struct stored_path path = *found;

    rib_edit_begin(rib, edit, ref);
    rib_edit_take_out(edit, rib, path.path_id, ref->peer);
    edit->dropped[edit->dropped_count++] = path;
    rib_edit_finish(rib, edit, ref, false);
}

/* `is_shared`: the next prefix of the UPDATE will likely have the same list. */
static enum rib_limit path_announce(const struct change *change, const struct list_ref *at,
                                    const struct rib_nlri *nlri, struct path_attrs *attrs,
                                    bool is_shared)
{
    struct rib *rib = change->rib;
    struct rib_peer_family *family = &rib->peers[change->peer].families[change->safi][at->family];
    struct list_ref ref = *at;
    uint32_t before = ref.place ? place_get(ref.place) : 0;

    if (rib->shared.is_valid && rib->shared.before == before &&
        rib->shared.path_id == nlri->path_id && rib->shared.family == ref.family &&
        (change->has_room || rib_limit_of(change, rib->shared.is_new_prefix) == RIB_LIMIT_NONE)) {
        list_share(rib, &ref, attrs);
        return RIB_LIMIT_NONE;
    }
    const struct path_list *list = rib_list_at(rib, &ref);
    const struct stored_path *found = rib_list_find(list, nlri->path_id);
    struct list_edit *edit = rib->edit;

    if (found && !path_is_valid(found, rib_family_state(family)))
        found = NULL;
    if (found && stored_attrs_block(found) == attrs->block) {
        list_refresh(rib, &ref, list, found, (uint8_t)family->generation, is_shared);
        return RIB_LIMIT_NONE;
    }
    if (found && rib->intake == RIB_INTAKE_NONE) {
        path_give_up(change, &ref, found);
        return RIB_LIMIT_MEMORY;
    }
    rib_edit_begin(rib, edit, &ref);
    if (!found) {
        enum rib_limit limit =
            change->has_room ? RIB_LIMIT_NONE : rib_limit_of(change, edit->live_count == 0);
        if (limit != RIB_LIMIT_NONE)
            return limit;
        if (edit->live_count == RIB_PATHS_MAX)
            return RIB_LIMIT_PREFIX;
    }
    uint64_t announced_ms = edit_replace(change, edit, &ref, nlri->path_id, attrs, list);
    rib_attrs_hold(rib, attrs);
    struct stored_path path =
        stored_path_make(attrs, nlri->path_id, announced_ms, (uint8_t)family->generation);
    rib_edit_insert(rib, edit, &path, ref.peer);
    /* The next prefix can share the list only if nothing but this path changed in it: anything
     * else concerned this prefix alone. */
    if (is_shared && !found && edit->dropped_count == 0 &&
        edit->gone_count == (list ? list->gone_count : 0u)) {
        shared_remember(rib, &ref, nlri->path_id, before, false);
        rib->shared.is_new_prefix = !list || list->live_count == 0;
    } else {
        is_shared = rib->shared.is_valid = false;
    }
    rib_edit_finish(rib, edit, &ref, is_shared);
    return RIB_LIMIT_NONE;
}

static bool path_withdraw(const struct change *change, const struct list_ref *at,
                          const struct rib_nlri *nlri)
{
    struct rib *rib = change->rib;
    const struct rib_peer_family *family =
        &rib->peers[change->peer].families[change->safi][at->family];
    struct list_ref ref = *at;
    const struct stored_path *found = rib_list_find(rib_list_at(rib, &ref), nlri->path_id);
    struct list_edit *edit = rib->edit;

    if (!found || !path_is_valid(found, rib_family_state(family)))
        return false;
    rib_edit_begin(rib, edit, &ref);
    rib_edit_take_out(edit, rib, nlri->path_id, ref.peer);
    rib_edit_keep_gone(rib, edit, found, &ref, change->now_ms);
    rib_edit_finish(rib, edit, &ref, false);
    return true;
}

const struct path_attrs *rib_announced(struct rib *rib, uint32_t peer, enum rib_safi safi,
                                       const struct rib_nlri *nlri)
{
    enum rib_family f = nlri->prefix.addr.family == IP_V6 ? RIB_IPV6 : RIB_IPV4;
    struct rib_table *table = rib_table_find(rib, safi, nlri->rd);

    if (!table)
        return NULL;
    struct list_ref ref =
        rib_list_ref(rib, table, f, prefix_key_make(&nlri->prefix.addr), nlri->prefix.len, peer);
    const struct stored_path *found = rib_list_find(rib_list_at(rib, &ref), nlri->path_id);
    if (!found)
        return NULL;
    struct family_state state = rib_family_state(&rib->peers[peer].families[safi][f]);
    bool is_of_session = (uint8_t)(path_generation(found) - state.session) <=
                         (uint8_t)(state.current - state.session);
    return is_of_session ? stored_attrs(rib, found) : NULL;
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
 * again. Returns the limit that keeps it out all the same; `limit` is the one that did. */
static enum rib_limit announce_with_room(const struct change *change, const struct rib_nlri *nlri,
                                         struct path_attrs *attrs, enum rib_limit limit)
{
    struct rib *rib = change->rib;
    const struct ip_prefix *prefix = &nlri->prefix;

    if ((limit == RIB_LIMIT_MEMORY && rib->intake != RIB_INTAKE_ALL) ||
        !rib_drop_kept(rib, block_pool_is_full(rib->pool) ? UINT32_MAX : change->peer))
        return limit;
    struct rib_table *table = rib_table_find(rib, change->safi, nlri->rd);
    if (!table)
        table = rib_table_new(rib, change->safi, nlri->rd);
    struct list_ref ref =
        rib_list_ref(rib, table, prefix->addr.family == IP_V6 ? RIB_IPV6 : RIB_IPV4,
                     prefix_key_make(&prefix->addr), prefix->len, change->peer);
    rib->shared.is_valid = false;
    return change->is_view ? rib_view_path_announce(change, &ref, nlri, attrs)
                           : path_announce(change, &ref, nlri, attrs, false);
}

size_t rib_change(const struct change *change, const struct rib_nlri *nlri, size_t count,
                  struct path_attrs *attrs)
{
    struct rib *rib = change->rib;
    struct rib_peer *owner = owner_at(rib, change->owner);
    struct prefix_match matches[NLRI_TOGETHER] = {0};
    size_t failed = 0;

    rib->shared.is_valid = false;
    for (size_t i = 0; i < count; i++) {
        struct rib_table *table = rib_table_find(rib, change->safi, nlri[i].rd);
        if (i % NLRI_TOGETHER == 0 && table)
            nlri_prefetch(rib, table, nlri + i,
                          count - i < NLRI_TOGETHER ? count - i : NLRI_TOGETHER, matches);
        const struct ip_prefix *prefix = &nlri[i].prefix;
        enum rib_family family = prefix->addr.family == IP_V6 ? RIB_IPV6 : RIB_IPV4;
        if (!table && attrs && !is_memory_full(rib))
            table = rib_table_new(rib, change->safi, nlri[i].rd);
        owner->families[change->safi][family].is_touched = true;
        enum rib_limit limit = RIB_LIMIT_NONE;
        struct list_ref ref;
        if (table)
            ref = rib_list_ref(rib, table, family, prefix_key_make(&prefix->addr), prefix->len,
                               change->peer);
        if (!attrs) {
            failed += !table || !(change->is_view ? rib_view_path_withdraw(change, &ref, &nlri[i])
                                                  : path_withdraw(change, &ref, &nlri[i]));
            continue;
        }
        if (!table)
            limit = RIB_LIMIT_MEMORY;
        else if (change->is_view)
            limit = rib_view_path_announce(change, &ref, &nlri[i], attrs);
        else
            limit = path_announce(change, &ref, &nlri[i], attrs,
                                  has_common_list(&ref, matches, i, count));
        if (table && limit != RIB_LIMIT_NONE)
            limit = announce_with_room(change, &nlri[i], attrs, limit);
        failed += limit != RIB_LIMIT_NONE;
        if (limit > rib->limit_hit)
            rib->limit_hit = limit;
    }
    return failed;
}

size_t rib_announce(struct rib *rib, uint32_t peer, enum rib_safi safi, const struct rib_nlri *nlri,
                    size_t count, struct path_attrs *attrs, struct wall_time now)
{
    struct change change = {.rib = rib,
                            .peer = peer,
                            .safi = safi,
                            .now_ms = (uint64_t)wall_ms(now.ns),
                            .paths_max = rib->settings.peer_paths_max,
                            .prefixes_max = rib->settings.peer_prefixes_max,
                            .owner = peer};

    THREAD_ASSERT(bgp_thread);
    change.has_room = rib_has_room_for(&change, count);
    rib->limit_hit = RIB_LIMIT_NONE;
    size_t refused = rib_change(&change, nlri, count, attrs);
    counter_add(&rib->paths_refused, refused);
    rib_history_bound(rib);
    return refused;
}

size_t rib_withdraw(struct rib *rib, uint32_t peer, enum rib_safi safi, const struct rib_nlri *nlri,
                    size_t count, struct wall_time now)
{
    struct change change = {.rib = rib,
                            .peer = peer,
                            .safi = safi,
                            .now_ms = (uint64_t)wall_ms(now.ns),
                            .has_room = true,
                            .owner = peer};
    size_t unknown = rib_change(&change, nlri, count, NULL);

    THREAD_ASSERT(bgp_thread);
    rib_history_bound(rib);
    return unknown;
}

void rib_prefix_sweep(struct rib *rib, struct rib_table *table, enum rib_family family,
                      struct prefix_key key, unsigned len)
{
    uint32_t peers[RIB_PEERS_MAX];
    unsigned count = 0;
    struct list_ref first = rib_list_ref(rib, table, family, key, len, UINT32_MAX);

    if (!first.prefix_place)
        return;
    if (first.index) { /* noted down, as the index changes when one of them loses its last path */
        for (unsigned i = 0; i < first.index->count; i++)
            peers[count++] = first.index->places[i].peer;
    } else {
        peers[count++] = list_at(rib, place_get(first.prefix_place))->peer;
    }
    for (unsigned i = 0; i < count; i++) {
        struct list_ref ref = rib_list_ref(rib, table, family, key, len, peers[i]);
        rib_edit_begin(rib, rib->edit, &ref);
        if (rib->edit->dropped_count > 0 || rib->edit->is_out_of_order)
            rib_edit_finish(rib, rib->edit, &ref, false);
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
    struct list_ref ref = rib_list_ref(rib, table, item->family, item->key, item->len, item->peer);
    const struct path_list *list = rib_list_at(rib, &ref);
    if (!list || list->gone_count == 0 ||
        gone_withdrawn_ms(&list_gone(list)[0]) > (int64_t)item->withdrawn_ms)
        return 0;
    rib_edit_begin(rib, edit, &ref);
    while (dropped < edit->gone_count &&
           gone_withdrawn_ms(&edit->gone[dropped]) <= (int64_t)item->withdrawn_ms)
        edit->dropped[edit->dropped_count++] = edit->gone[dropped++].path;
    edit->gone_count -= dropped;
    memmove(edit->gone, edit->gone + dropped, edit->gone_count * sizeof edit->gone[0]);
    memmove(edit->gone_who, edit->gone_who + dropped, edit->gone_count * sizeof edit->gone_who[0]);
    rib_edit_finish(rib, edit, &ref, false);
    return dropped;
}
