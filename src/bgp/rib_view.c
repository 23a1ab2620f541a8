/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The writer's side of views: members and their tables, and lists whose paths have a member each. See
 * rib_view.h. */
#include "bgp/rib_view.h"
#include "base/memory.h"
#include "bgp/rib_list.h"
#include <assert.h>
#include <errno.h>

#define MEMBERS_AT_FIRST 8u

static const uint16_t policies[] = {WHO_POST, WHO_PRE};
#define POLICY_COUNT (sizeof policies / sizeof policies[0])

/* ---- the view's own state ---- */

static bool state_is_there(struct family_state state)
{
    return state.is_negotiated || state.is_stale;
}

static void counts_change(struct view_counts *counts, struct family_state state, uint32_t by)
{
    counts->negotiated += state.is_negotiated ? by : 0;
    counts->stale += state.is_stale ? by : 0;
    counts->loaded += state_is_there(state) && state.is_loaded ? by : 0;
    counts->add_path += state_is_there(state) && state.has_add_path ? by : 0;
}

/* Generations say nothing here, as each path asks its owner. Two of them keep the view out of the usual
 * case of look-ups, which is that of peers. */
static struct family_state view_state(const struct rib_view *view, const struct view_counts *counts)
{
    return (struct family_state){
        .oldest = 0,
        .current = 1,
        .is_negotiated = counts->negotiated > 0,
        .is_stale = counts->negotiated == 0 && counts->stale > 0,
        .is_loaded = counts->negotiated + counts->stale > 0 &&
                     counts->loaded == counts->negotiated + counts->stale,
        .has_add_path = view->is_multipath || counts->add_path > 0,
    };
}

void rib_view_state_changed(struct rib *rib, uint32_t slot, unsigned safi, unsigned family,
                            struct family_state old, struct family_state now)
{
    struct rib_view *view = rib->peers[slot].view;
    struct view_counts *counts = &view->counts[safi][family];

    counts_change(counts, old, UINT32_MAX); /* one less */
    counts_change(counts, now, 1);
    rcu_publish(&rib->states[slot].families[safi][family],
                family_state_word(view_state(view, counts)));
}

void rib_view_begin(struct rib *rib, uint32_t slot, bool is_multipath)
{
    struct rib_peer *p = &rib->peers[slot];

    THREAD_ASSERT(bgp_thread);
    assert(slot < rib->max_peers && !p->view && !p->is_up);
    assert(counter_get(&p->paths) + counter_get(&p->history_paths) == 0);
    p->view = mem_zalloc(sizeof *p->view);
    p->view->is_multipath = is_multipath;
}

/* ---- members ---- */

static void members_grow(struct rib *rib, uint32_t slot)
{
    uint32_t old_handle = atomic_load_explicit(&rib->states[slot].members, memory_order_relaxed);
    const struct view_members *old = block_at(rib->pool, old_handle); /* 0: zeros */
    uint32_t capacity = old->capacity ? old->capacity * 2 : MEMBERS_AT_FIRST;

    uint32_t handle =
        block_alloc(rib->pool, sizeof(struct view_members) + capacity * sizeof(uint32_t));
    struct view_members *members = block_at(rib->pool, handle);
    members->capacity = capacity;
    for (uint32_t i = 0; i < capacity; i++) {
        uint32_t owner = i < old->capacity ? member_owner(old, i, WHO_PRE) : 0;
        atomic_store_explicit(&members->owners[i], owner, memory_order_relaxed);
    }
    rcu_publish(&rib->states[slot].members, handle);
    if (old_handle)
        block_retire(rib->pool, old_handle);
}

/* Whether nothing is left of what the owner had, in memory too. */
static bool owner_is_clean(const struct rib_peer *owner)
{
    if (owner->is_up)
        return false;
    for (unsigned i = 0; i < FAMILY_TOTAL; i++) {
        const struct rib_peer_family *family =
            &owner->families[i / RIB_FAMILY_COUNT][i % RIB_FAMILY_COUNT];
        if (family->is_stale || family->is_negotiated || family->clean != family->generation)
            return false;
    }
    return true;
}

/* Gives the two owners of a member that is gone a new life. False: it is not gone. */
static bool owners_renew(struct rib *rib, uint32_t owner)
{
    if (!owner_is_clean(owner_at(rib, owner)) || !owner_is_clean(owner_at(rib, owner + 1)))
        return false;
    for (unsigned i = 0; i < FAMILY_TOTAL; i++) {
        owner_at(rib, owner)->families[i / RIB_FAMILY_COUNT][i % RIB_FAMILY_COUNT].was_loaded =
            false;
        owner_at(rib, owner + 1)->families[i / RIB_FAMILY_COUNT][i % RIB_FAMILY_COUNT].was_loaded =
            false;
    }
    return true;
}

/* Paths can be shared where both tables count generations alike: one that has nothing catches up with the
 * other, so that its next one has that number. */
static void generation_align(struct rib_peer_family *own, const struct rib_peer_family *other)
{
    if (own->clean != own->generation || own->is_stale || own->generation + 1 >= other->generation)
        return;
    own->generation = own->oldest = own->oldest_gone = own->oldest_kept = own->clean =
        other->generation - 1;
}

void rib_view_table_up(struct rib *rib, uint32_t slot, uint16_t member, bool is_post,
                       const struct rib_session *session, struct mono_time now)
{
    uint32_t own = rib_view_table(rib, slot, member, is_post);
    uint32_t other = rib_view_table(rib, slot, member, !is_post);

    for (unsigned i = 0; i < FAMILY_TOTAL; i++)
        generation_align(
            &owner_at(rib, own)->families[i / RIB_FAMILY_COUNT][i % RIB_FAMILY_COUNT],
            &owner_at(rib, other)->families[i / RIB_FAMILY_COUNT][i % RIB_FAMILY_COUNT]);
    rib_peer_up(rib, own, session, now);
}

void rib_view_family_up(struct rib *rib, uint32_t slot, uint16_t member, bool is_post,
                        enum rib_safi safi, enum rib_family family, bool has_add_path,
                        struct mono_time now)
{
    uint32_t own = rib_view_table(rib, slot, member, is_post);
    uint32_t other = rib_view_table(rib, slot, member, !is_post);
    struct rib_peer_family *f = &owner_at(rib, own)->families[safi][family];

    if (!f->is_negotiated)
        generation_align(f, &owner_at(rib, other)->families[safi][family]);
    rib_family_up(rib, own, safi, family, has_add_path, now);
}

/* Makes two owners; a chunk has an even number, so that both are in one. */
static int owners_make(struct rib *rib, uint32_t slot, uint32_t *ret_owner)
{
    uint32_t owner = rib->owner_count, member = owner - rib->max_peers;

    if (rib->free_owners.count > 0) {
        owner = rib->free_owners.owners[--rib->free_owners.count];
    } else {
        if (member / 2 >= rib->settings.max_members)
            return -ENOSPC;
        if (member % OWNERS_IN_CHUNK == 0)
            rib->chunks[member / OWNERS_IN_CHUNK] =
                mem_aligned_zalloc(CACHE_LINE, sizeof(struct owner_chunk));
        rib->owner_count += 2;
    }
    owner_at(rib, owner)->slot = owner_at(rib, owner + 1)->slot = slot;
    *ret_owner = owner;
    return 0;
}

int rib_view_add_member(struct rib *rib, uint32_t slot, uint16_t *ret_member)
{
    struct rib_view *view = rib->peers[slot].view;
    uint32_t owner = 0;

    THREAD_ASSERT(bgp_thread);
    assert(view);
    for (uint32_t i = 0; i < view->member_count; i++) {
        if (view->is_given[i] ||
            !owners_renew(rib, member_owner(view_members(rib, slot), i, WHO_PRE)))
            continue;
        view->is_given[i] = true;
        *ret_member = (uint16_t)i;
        return 0;
    }
    if (view->member_count == RIB_MEMBERS_MAX)
        return -ENOSPC;
    int err = owners_make(rib, slot, &owner);
    if (err < 0)
        return err;
    owners_renew(rib, owner);
    if (view->member_count == view_members(rib, slot)->capacity)
        members_grow(rib, slot);
    struct view_members *members =
        block_at(rib->pool, atomic_load_explicit(&rib->states[slot].members, memory_order_relaxed));
    members->owners[view->member_count] = owner; /* no list names it yet */
    view->is_given[view->member_count] = true;
    *ret_member = (uint16_t)view->member_count++;
    return 0;
}

void rib_view_give_back(struct rib *rib, uint32_t slot, uint16_t member)
{
    struct rib_view *view = rib->peers[slot].view;

    THREAD_ASSERT(bgp_thread);
    assert(view && member < view->member_count);
    view->is_given[member] = false;
}

uint32_t rib_view_table(const struct rib *rib, uint32_t slot, uint16_t member, bool is_post)
{
    THREAD_ASSERT(bgp_thread);
    assert(rib->peers[slot].view && member < rib->peers[slot].view->member_count);
    return member_owner(view_members(rib, slot), member, is_post ? WHO_POST : WHO_PRE);
}

bool rib_view_is_over(struct rib *rib, uint32_t slot)
{
    const struct rib_view *view = rib->peers[slot].view;
    const struct view_members *members = view_members(rib, slot);

    for (uint32_t i = 0; i < view->member_count; i++) {
        for (unsigned policy = 0; policy < POLICY_COUNT; policy++) {
            uint32_t owner = member_owner(members, i, policies[policy]);
            if (owner_at(rib, owner)->is_up)
                return false;
            rib_peer_forget(rib, owner); /* empty tables */
        }
    }
    return true;
}

void rib_view_clear(struct rib *rib, uint32_t slot)
{
    struct rib_view *view = rib->peers[slot].view;
    uint32_t handle = atomic_load_explicit(&rib->states[slot].members, memory_order_relaxed);
    const struct view_members *members = block_at(rib->pool, handle);
    struct free_owners *free_owners = &rib->free_owners;

    if (view->member_count > 0)
        free_owners->owners =
            mem_realloc_array(free_owners->owners, free_owners->count + view->member_count,
                              sizeof free_owners->owners[0]);
    for (uint32_t i = 0; i < view->member_count; i++)
        free_owners->owners[free_owners->count++] = member_owner(members, i, WHO_PRE);
    rcu_publish(&rib->states[slot].members, 0);
    if (handle)
        block_retire(rib->pool, handle);
    mem_free(view);
    rib->peers[slot].view = NULL;
}

uint64_t rib_view_table_paths(const struct rib *rib, uint32_t slot, uint16_t member, bool is_post)
{
    return counter_get(&owner_at(rib, rib_view_table(rib, slot, member, is_post))->paths);
}

/* ---- lists ---- */

static void who_count(struct rib *rib, const struct list_ref *ref, uint16_t who, bool is_more)
{
    for (unsigned i = 0; i < POLICY_COUNT; i++) {
        if (who & policies[i])
            counter_add(
                &owner_at(rib, member_owner(view_members(rib, ref->peer), who, policies[i]))->paths,
                is_more ? 1 : UINT64_MAX);
    }
}

/* Most edits change one path, so what stands alike at both ends of the lists is passed over. */
void rib_view_count(struct rib *rib, const struct list_edit *edit, const struct list_ref *ref,
                    const struct path_list *old)
{
    unsigned old_end = old ? old->live_count : 0, new_end = edit->live_count, start = 0;

    while (start < old_end && start < new_end && list_who(old, start) == edit->live_who[start])
        start++;
    while (old_end > start && new_end > start &&
           list_who(old, old_end - 1) == edit->live_who[new_end - 1]) {
        old_end--;
        new_end--;
    }
    for (unsigned i = start; i < old_end; i++)
        who_count(rib, ref, list_who(old, i), false);
    for (unsigned i = start; i < new_end; i++)
        who_count(rib, ref, edit->live_who[i], true);
}

static const struct rib_peer_family *family_of(const struct rib *rib,
                                               const struct view_members *members, unsigned who,
                                               unsigned policy, const struct list_ref *ref)
{
    return &owner_at(rib, member_owner(members, who, policy))
                ->families[ref->table->safi][ref->family];
}

static void bury(struct rib *rib, struct list_edit *edit, const struct stored_path *path,
                 uint16_t who, const struct list_ref *ref, uint64_t withdrawn_ms)
{
    unsigned policy = who & WHO_POST ? WHO_POST : WHO_PRE;
    const struct burial burial = {
        withdrawn_ms, family_of(rib, view_members(rib, ref->peer), who, policy, ref)->generation};

    rib_edit_bury(rib, edit, path, who, ref, &burial);
}

/* Buries a copy of a path for one policy, and leaves the path as it is. */
static void bury_copy(struct rib *rib, struct list_edit *edit, const struct stored_path *path,
                      uint16_t who, unsigned policy, const struct list_ref *ref,
                      uint64_t withdrawn_ms)
{
    rib_attrs_hold(rib, block_at(rib->attrs_pool, stored_attrs_block(path)));
    bury(rib, edit, path, (uint16_t)((who & ~WHO_POLICIES) | policy), ref, withdrawn_ms);
}

/* Takes a live path of the list over, as far as its owners still vouch for it. */
static void live_take(struct rib *rib, struct list_edit *edit, const struct list_ref *ref,
                      const struct view_members *members, const struct stored_path *path,
                      uint16_t who)
{
    uint16_t valid = 0;

    for (unsigned i = 0; i < POLICY_COUNT; i++) {
        if (!(who & policies[i]))
            continue;
        const struct rib_peer *owner = owner_at(rib, member_owner(members, who, policies[i]));
        struct family_state state =
            rib_family_state(&owner->families[ref->table->safi][ref->family]);
        if (path_is_valid(path, state))
            valid |= policies[i];
        else if (path_was_left(path, state))
            bury_copy(rib, edit, path, who, policies[i], ref, owner->broken_ms);
    }
    if (valid != (who & WHO_POLICIES))
        edit->is_out_of_order = true;
    if (!valid) {
        edit->dropped[edit->dropped_count++] = *path;
        return;
    }
    edit->live_who[edit->live_count] = (uint16_t)((who & ~WHO_POLICIES) | valid);
    edit->live[edit->live_count++] = *path;
}

void rib_view_edit_begin(struct rib *rib, struct list_edit *edit, const struct list_ref *ref)
{
    const struct path_list *list = rib_list_at(rib, ref);
    const struct view_members *members = view_members(rib, ref->peer);

    for (unsigned i = 0; list && i < list->gone_count; i++) {
        const struct gone_path *gone = &list_gone(list)[i];
        uint16_t who = list_who(list, list->live_count + i);
        unsigned policy = who & WHO_POST ? WHO_POST : WHO_PRE;
        if (!gone_is_valid(gone, rib_family_state(family_of(rib, members, who, policy, ref)))) {
            edit->dropped[edit->dropped_count++] = gone->path;
            continue;
        }
        edit->gone_who[edit->gone_count] = who;
        edit->gone[edit->gone_count++] = *gone;
    }
    for (unsigned i = 0; list && i < list->live_count; i++)
        live_take(rib, edit, ref, members, &list->live[i], list_who(list, i));
}

/* Ends an edit that changes nothing; what its beginning found to be gone goes all the same, as copies of
 * it may stand in the history. */
static void edit_leave(struct rib *rib, struct list_edit *edit, struct list_ref *ref)
{
    if (edit->dropped_count > 0 || edit->is_out_of_order)
        rib_edit_finish(rib, edit, ref, false);
}

#define NOT_THERE UINT32_MAX

/* Finds the path of that name in a policy. */
static unsigned path_find(const struct list_edit *edit, uint16_t who, uint32_t path_id)
{
    for (unsigned i = 0; i < edit->live_count; i++) {
        if (edit->live[i].path_id == path_id && edit->live_who[i] & who & WHO_POLICIES &&
            (edit->live_who[i] & WHO_MEMBER) == (who & WHO_MEMBER))
            return i;
    }
    return NOT_THERE;
}

/* Finds what the other policy has of that name, if it says the same in the present table. */
static unsigned twin_find(const struct list_edit *edit, uint16_t who, uint32_t path_id,
                          const struct path_attrs *attrs, uint8_t generation)
{
    uint16_t other = (uint16_t)((who & WHO_MEMBER) | (~who & WHO_POLICIES));
    unsigned at = path_find(edit, other, path_id);

    return at != NOT_THERE && stored_attrs_block(&edit->live[at]) == attrs->block &&
                   path_generation(&edit->live[at]) == generation
               ? at
               : NOT_THERE;
}

/* Takes a policy off a path, which goes if that was its last. The reference to its set goes to *ret_path,
 * or stays with the path: then another one is taken for *ret_path. */
static void path_take(struct rib *rib, struct list_edit *edit, unsigned at, uint16_t policy,
                      uint32_t slot, struct stored_path *ret_path)
{
    *ret_path = edit->live[at];
    if (edit->live_who[at] & WHO_POLICIES & ~policy) {
        edit->live_who[at] &= (uint16_t)~policy;
        rib_attrs_hold(rib, block_at(rib->attrs_pool, stored_attrs_block(ret_path)));
    } else {
        rib_edit_remove(rib, edit, at, slot);
    }
}

static void path_set_time(struct stored_path *path, uint64_t announced_ms)
{
    path->facts = (path->facts & ~((uint64_t)PATH_MS_MAX << 14)) | (announced_ms & PATH_MS_MAX)
                                                                       << 14;
}

/* Since when a path stands that is news: a table that came back is no routing change, unless the router
 * tells the time, or has named the path (`replaced`; NULL: there is none) in that table before. */
static uint64_t news_since(const struct change *change, const struct rib_peer *owner,
                           const struct rib_peer_family *family, const struct stored_path *replaced)
{
    if (change->is_told || (replaced && path_generation(replaced) == (uint8_t)family->generation))
        return change->now_ms;
    if (family_is_returning(family))
        return owner->broken_ms;
    return family->was_loaded || replaced ? change->now_ms : 0;
}

/* Puts a path into the list, or its policy to the twin that it has. Where they began at two times, the one after
 * policy counts, as flows ask for that. */
static void path_put(const struct change *change, struct list_edit *edit, uint32_t path_id,
                     struct path_attrs *attrs, uint64_t announced_ms, uint8_t generation)
{
    struct rib *rib = change->rib;
    unsigned twin = twin_find(edit, change->who, path_id, attrs, generation);

    if (twin != NOT_THERE) {
        if (change->who & WHO_POST) {
            path_set_time(&edit->live[twin], announced_ms);
            edit->live_who[twin] &= (uint16_t)~WHO_IN_USE;
        }
        edit->live_who[twin] |= change->who;
        return;
    }
    struct stored_path path = stored_path_make(attrs, path_id, announced_ms, generation);
    rib_attrs_hold(rib, attrs);
    rib_edit_insert_of(rib, edit, &path, change->who, change->peer);
}

/* Handles a path that is announced as it is. */
static void path_renew(const struct change *change, struct list_edit *edit, struct list_ref *ref,
                       unsigned at, struct path_attrs *attrs, uint8_t generation)
{
    uint16_t who = edit->live_who[at];
    struct stored_path old;

    if (path_generation(&edit->live[at]) == generation) {
        if (((who ^ change->who) & WHO_IN_USE) == 0 || who & ~change->who & WHO_POST) {
            edit_leave(change->rib, edit, ref);
            return;
        }
        edit->live_who[at] ^= WHO_IN_USE;
    } else { /* it came back after a session was lost */
        path_take(change->rib, edit, at, change->who & WHO_POLICIES, change->peer, &old);
        path_mark_kept(&old);
        path_put(change, edit, old.path_id, attrs, (uint64_t)path_announced_ms(&old), generation);
        edit->dropped[edit->dropped_count++] = old;
    }
    rib_edit_finish(change->rib, edit, ref, false);
}

/* Takes away what the name stood for until now. */
static void path_replace(const struct change *change, struct list_edit *edit,
                         const struct list_ref *ref, unsigned found, uint64_t since_ms)
{
    struct rib *rib = change->rib;
    struct stored_path old;
    uint16_t who =
        (uint16_t)((edit->live_who[found] & ~WHO_POLICIES) | (change->who & WHO_POLICIES));

    path_take(rib, edit, found, change->who & WHO_POLICIES, change->peer, &old);
    if (rib->intake == RIB_INTAKE_NONE)
        edit->dropped[edit->dropped_count++] = old;
    else
        bury(rib, edit, &old, who, ref, since_ms ? since_ms : change->now_ms);
}

/* Returns the limit that keeps a path out which is edited into the list. */
static enum rib_limit limit_in_list(const struct change *change, const struct list_edit *edit,
                                    const struct rib_nlri *nlri, const struct path_attrs *attrs,
                                    uint8_t generation)
{
    if (change->rib->intake == RIB_INTAKE_NONE)
        return RIB_LIMIT_MEMORY;
    if (edit->live_count == RIB_PATHS_MAX &&
        twin_find(edit, change->who, nlri->path_id, attrs, generation) == NOT_THERE)
        return RIB_LIMIT_PREFIX;
    return RIB_LIMIT_NONE;
}

enum rib_limit rib_view_path_announce(const struct change *change, const struct list_ref *at,
                                      const struct rib_nlri *nlri, struct path_attrs *attrs)
{
    struct rib *rib = change->rib;
    struct list_edit *edit = rib->edit;
    struct list_ref ref = *at;
    const struct rib_peer *owner = owner_at(rib, change->owner);
    const struct rib_peer_family *family = &owner->families[change->safi][ref.family];
    uint8_t generation = (uint8_t)family->generation;
    enum rib_limit limit = RIB_LIMIT_NONE;

    rib_edit_begin(rib, edit, &ref);
    unsigned found = path_find(edit, change->who, nlri->path_id);
    if (found != NOT_THERE && stored_attrs_block(&edit->live[found]) == attrs->block) {
        path_renew(change, edit, &ref, found, attrs, generation);
        return RIB_LIMIT_NONE;
    }
    uint64_t announced_ms =
        news_since(change, owner, family, found != NOT_THERE ? &edit->live[found] : NULL);
    if (found != NOT_THERE)
        path_replace(change, edit, &ref, found, announced_ms);
    else if (!change->has_room)
        limit = rib_limit_of(change, edit->live_count == 0);
    if (limit == RIB_LIMIT_NONE)
        limit = limit_in_list(change, edit, nlri, attrs, generation);
    if (limit == RIB_LIMIT_NONE)
        path_put(change, edit, nlri->path_id, attrs, announced_ms, generation);
    if (limit == RIB_LIMIT_NONE || found != NOT_THERE)
        rib_edit_finish(rib, edit, &ref, false);
    else
        edit_leave(rib, edit, &ref);
    return limit;
}

bool rib_view_path_withdraw(const struct change *change, const struct list_ref *at,
                            const struct rib_nlri *nlri)
{
    struct rib *rib = change->rib;
    struct list_edit *edit = rib->edit;
    struct list_ref ref = *at;
    struct stored_path old;

    rib_edit_begin(rib, edit, &ref);
    unsigned found = path_find(edit, change->who, nlri->path_id);
    if (found == NOT_THERE) {
        edit_leave(rib, edit, &ref);
        return false;
    }
    uint16_t who =
        (uint16_t)((edit->live_who[found] & ~WHO_POLICIES) | (change->who & WHO_POLICIES));
    path_take(rib, edit, found, change->who & WHO_POLICIES, change->peer, &old);
    bury(rib, edit, &old, who, &ref, change->now_ms);
    rib_edit_finish(rib, edit, &ref, false);
    return true;
}

static struct change change_of(struct rib *rib, const struct rib_member_source *source,
                               enum rib_safi safi, struct wall_time now) ON_THREAD(bgp_thread)
{
    bool is_told = source->told_ns > 0;
    int64_t since_ns = is_told && source->told_ns < now.ns ? source->told_ns : now.ns;
    unsigned who = source->member | (source->is_post ? WHO_POST : WHO_PRE) |
                   (source->is_in_use ? WHO_IN_USE : 0u);

    return (struct change){
        .rib = rib,
        .peer = source->slot,
        .safi = safi,
        .now_ms = (uint64_t)wall_ms(since_ns),
        .paths_max = source->is_bounded ? source->paths_max : UINT64_MAX,
        .prefixes_max = UINT64_MAX,
        .is_view = true,
        .is_told = is_told,
        .who = (uint16_t)who,
        .owner = rib_view_table(rib, source->slot, source->member, source->is_post),
    };
}

size_t rib_view_announce(struct rib *rib, const struct rib_member_source *source,
                         enum rib_safi safi, const struct rib_nlri *nlri, size_t count,
                         struct path_attrs *attrs, struct wall_time now)
{
    struct change change = change_of(rib, source, safi, now);

    THREAD_ASSERT(bgp_thread);
    change.has_room = rib_has_room_for(&change, count);
    rib->limit_hit = RIB_LIMIT_NONE;
    size_t refused = rib_change(&change, nlri, count, attrs);
    counter_add(&rib->paths_refused, refused);
    rib_history_bound(rib);
    return refused;
}

size_t rib_view_withdraw(struct rib *rib, const struct rib_member_source *source,
                         enum rib_safi safi, const struct rib_nlri *nlri, size_t count,
                         struct wall_time now)
{
    struct change change = change_of(rib, source, safi, now);

    THREAD_ASSERT(bgp_thread);
    change.has_room = true;
    size_t unknown = rib_change(&change, nlri, count, NULL);
    rib_history_bound(rib);
    return unknown;
}
