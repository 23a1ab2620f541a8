/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Walks the lists of one prefix. See rib_show.h. */
#include "bgp/rib_show.h"
#include "bgp/rib_private.h"
#include <endian.h>

static const struct prefix_tree *tree_of(const struct rib *rib, enum rib_safi safi, uint64_t rd,
                                         uint8_t family)
{
    const struct rib_table *table = safi == RIB_UNICAST ? rib->unicast : rib->labelled;

    if (safi == RIB_VPN) {
        struct prefix_match match = {.tree = &rib->rds, .key = {rd, 0}};
        prefix_match_batch(&match, 1);
        table = match.value ? block_at(rib->pool, match.value) : NULL;
    }
    return table ? &table->trees[family == IP_V6 ? RIB_IPV6 : RIB_IPV4] : NULL;
}

size_t rib_show_covering(const struct rib *rib, enum rib_safi safi, uint64_t rd,
                         const struct ip_addr *address, uint8_t lens[RIB_SHOW_LENS])
{
    struct prefix_walk walk = {.tree = tree_of(rib, safi, rd, address->family),
                               .key = prefix_key_make(address)};
    size_t count = 0;

    for (prefix_walk_batch(&walk, 1); walk.value && count < RIB_SHOW_LENS; prefix_walk_next(&walk))
        lens[count++] = walk.len;
    return count;
}

static void tell(const struct rib *rib, const struct stored_path *path, struct rib_shown *shown,
                 rib_show_fn *fn, void *arg)
{
    int64_t announced_ms = path_announced_ms(path);

    shown->attrs = stored_attrs(rib, path);
    shown->path_id = path->path_id;
    shown->announced_ms = announced_ms > PATH_ALWAYS_MS ? announced_ms : 0;
    fn(arg, shown);
}

/* One slot's list, and the path of it that is told next. */
struct told_list {
    const struct rib *rib;
    enum rib_safi safi;
    enum rib_family family;
    const struct path_list *list;
    rib_show_fn *fn;
    void *arg;
    struct rib_shown shown;
    unsigned told, rank;
};

static void shown_set_owner(struct told_list *t, uint32_t owner, struct family_state state)
{
    t->shown.router_id =
        atomic_load_explicit(&owner_state(t->rib, owner)->router_id, memory_order_relaxed);
    t->shown.is_stale = state.is_stale;
    t->shown.has_add_path = state.has_add_path;
}

static struct family_state state_of(const struct told_list *t, uint32_t owner)
{
    return family_state_from(rcu_read(&owner_state(t->rib, owner)->families[t->safi][t->family]));
}

/* Tells the path at a place of the list, if this owner vouches for it. */
static bool tell_at(struct told_list *t, unsigned index, uint32_t owner)
{
    const struct path_list *list = t->list;
    struct family_state state = state_of(t, owner);

    if (!state.is_negotiated && !state.is_stale)
        return false;
    shown_set_owner(t, owner, state);
    t->told++;
    if (index >= list->live_count) {
        const struct gone_path *gone = &list_gone(list)[index - list->live_count];
        if (!gone_is_valid(gone, state)) {
            t->told--;
            return false;
        }
        t->shown.rank = UINT32_MAX;
        t->shown.withdrawn_ms = gone_withdrawn_ms(gone);
        tell(t->rib, &gone->path, &t->shown, t->fn, t->arg);
        return true;
    }
    const struct stored_path *path = &list->live[index];
    bool is_left = !path_is_valid(path, state);
    if (is_left && !path_was_left(path, state)) {
        t->told--;
        return false;
    }
    t->shown.rank = is_left ? UINT32_MAX : t->rank++;
    t->shown.withdrawn_ms =
        is_left ? atomic_load_explicit(&owner_state(t->rib, owner)->broken_ms, memory_order_relaxed)
                : 0;
    tell(t->rib, path, &t->shown, t->fn, t->arg);
    return true;
}

/* Tells a view's path once, with the policies that it is of now. */
static void tell_of_view(struct told_list *t, unsigned index)
{
    uint16_t who = list_who(t->list, index);
    const struct view_members *members = view_members_of(t->rib, t->list->peer, who);

    if (!members)
        return;
    uint32_t pre = member_owner(members, who, WHO_PRE);
    const struct stored_path *path = index < t->list->live_count ? &t->list->live[index] : NULL;

    t->shown.member = who & WHO_MEMBER;
    t->shown.is_in_use = who & WHO_IN_USE;
    t->shown.is_pre = who & WHO_PRE && (!path || path_is_valid(path, state_of(t, pre)));
    t->shown.is_post = who & WHO_POST && (!path || path_is_valid(path, state_of(t, pre + 1)));
    if (path && !t->shown.is_pre && !t->shown.is_post) { /* left by a session, maybe */
        t->shown.is_pre = who & WHO_PRE;
        t->shown.is_post = who & WHO_POST;
    }
    if (t->shown.is_post && tell_at(t, index, pre + 1))
        return;
    if (t->shown.is_pre)
        tell_at(t, index, pre);
}

/* Tells one slot's paths; returns how many. */
static unsigned tell_list(const struct rib *rib, enum rib_safi safi, enum rib_family family,
                          const struct path_list *list, rib_show_fn *fn, void *arg)
{
    struct told_list t = {.rib = rib,
                          .safi = safi,
                          .family = family,
                          .list = list,
                          .fn = fn,
                          .arg = arg,
                          .shown = {.peer = list->peer}};
    bool is_view = rcu_read(&rib->states[list->peer].members) != 0;

    for (unsigned i = 0; i < list->live_count + list->gone_count; i++) {
        if (is_view)
            tell_of_view(&t, i);
        else
            tell_at(&t, i, list->peer);
    }
    return t.told;
}

/* Returns what stands under the prefix; NULL: it is not there. */
static const struct path_list *list_of(const struct rib_show *show)
{
    struct prefix_walk walk = {
        .tree = tree_of(show->rib, show->safi, show->rd, show->prefix.addr.family),
        .key = prefix_key_make(&show->prefix.addr)};

    prefix_walk_batch(&walk, 1);
    while (walk.value && walk.len > show->prefix.len)
        prefix_walk_next(&walk);
    return walk.value && walk.len == show->prefix.len ? list_at(show->rib, walk.value) : NULL;
}

bool rib_show_some(struct rib_show *show, unsigned count, rib_show_fn *fn, void *arg)
{
    const struct path_list *list = show->is_over ? NULL : list_of(show);
    enum rib_family family = show->prefix.addr.family == IP_V6 ? RIB_IPV6 : RIB_IPV4;
    unsigned told = 0;

    show->is_over = true;
    if (!list)
        return false;
    if (list->kind != BLOCK_INDEX) {
        if (list->peer >= show->next_peer)
            tell_list(show->rib, show->safi, family, list, fn, arg);
        return false;
    }
    const struct peer_index *index = (const void *)list;
    for (unsigned i = 0; i < index->count; i++) {
        const struct peer_place *peer = &index->places[i];
        uint32_t handle = rcu_read(&peer->list);
        if (peer->peer < show->next_peer)
            continue;
        if (told >= count) {
            show->next_peer = peer->peer;
            show->is_over = false;
            return true;
        }
        if (handle)
            told += tell_list(show->rib, show->safi, family, list_at(show->rib, handle), fn, arg);
    }
    return false;
}

/* ---- a whole table ---- */

struct scan_step {
    struct ip_prefix prefix;
    rib_scan_fn *fn;
    void *arg;
};

static void tell_standing(void *arg, const struct rib_shown *path)
{
    struct scan_step *step = arg;

    if (path->rank != UINT32_MAX)
        step->fn(step->arg, &step->prefix, path);
}

static void scan_prefix(const struct rib_scan *scan, struct scan_step *step)
{
    const struct path_list *list = list_at(scan->rib, scan->cursor.value);

    if (list->kind != BLOCK_INDEX) {
        if (scan->peer == RIB_SCAN_ALL || scan->peer == list->peer)
            tell_list(scan->rib, scan->safi, scan->family, list, tell_standing, step);
        return;
    }
    const struct peer_index *index = (const void *)list;
    const struct peer_place *one =
        scan->peer == RIB_SCAN_ALL ? NULL : index_find(index, scan->peer);
    for (unsigned i = 0; i < index->count; i++) {
        const struct peer_place *place = one ? one : &index->places[i];
        uint32_t handle = rcu_read(&place->list);
        if (scan->peer != RIB_SCAN_ALL && !one)
            return;
        if (handle)
            tell_list(scan->rib, scan->safi, scan->family, list_at(scan->rib, handle),
                      tell_standing, step);
        if (one)
            return;
    }
}

static struct ip_prefix prefix_of(const struct rib_scan *scan)
{
    const struct prefix_key *key = &scan->cursor.key;
    uint64_t words[] = {htobe64(key->high), htobe64(key->low)};
    uint8_t bytes[sizeof words];

    memcpy(bytes, words, sizeof bytes);
    return (struct ip_prefix){scan->family == RIB_IPV4 ? ip_addr_v4(bytes) : ip_addr_v6(bytes),
                              (uint8_t)scan->cursor.len};
}

bool rib_scan_some(struct rib_scan *scan, unsigned prefix_count, rib_scan_fn *fn, void *arg)
{
    const struct prefix_tree *tree =
        tree_of(scan->rib, scan->safi, scan->rd, scan->family == RIB_IPV6 ? IP_V6 : IP_V4);
    struct scan_step step = {.fn = fn, .arg = arg};

    for (unsigned i = 0; i < prefix_count; i++) {
        if (!tree || !prefix_tree_next(tree, &scan->cursor))
            return false;
        step.prefix = prefix_of(scan);
        scan_prefix(scan, &step);
    }
    return true;
}
