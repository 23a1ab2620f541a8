/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A list of paths taken apart, changed, and put together again as a new one. */
#include "bgp/decision.h"
#include "bgp/rib_list.h"

static bool history_is_kept(const struct rib *rib)
{
    return rib->settings.history_s > 0 && rib->settings.history_max > 0;
}

void rib_edit_bury(struct rib *rib, struct list_edit *edit, const struct stored_path *path,
                   uint16_t who, const struct list_ref *ref, const struct burial *burial)
{
    unsigned at;

    if (!history_is_kept(rib) || path_announced_ms(path) >= (int64_t)burial->withdrawn_ms) {
        edit->dropped[edit->dropped_count++] = *path;
        return;
    }
    if (edit->gone_count == GONE_MAX) {
        edit->dropped[edit->dropped_count++] = edit->gone[0].path;
        edit->gone_count--;
        memmove(edit->gone, edit->gone + 1, edit->gone_count * sizeof edit->gone[0]);
        memmove(edit->gone_who, edit->gone_who + 1, edit->gone_count * sizeof edit->gone_who[0]);
        counter_add(&rib->history_evicted, 1);
    }
    at = edit->gone_count;
    while (at > 0 && gone_withdrawn_ms(&edit->gone[at - 1]) > (int64_t)burial->withdrawn_ms)
        at--;
    memmove(edit->gone + at + 1, edit->gone + at, (edit->gone_count - at) * sizeof edit->gone[0]);
    if (edit->is_view)
        memmove(edit->gone_who + at + 1, edit->gone_who + at,
                (edit->gone_count - at) * sizeof edit->gone_who[0]);
    edit->gone_count++;
    edit->gone_who[at] = who;
    edit->gone[at] = (struct gone_path){
        .path = *path, .withdrawal = burial->withdrawn_ms << 22 | (burial->generation & 0x3fffff)};
    history_push(&rib->history, &(struct history_item){
                                    .key = ref->key,
                                    .withdrawn_ms = burial->withdrawn_ms,
                                    .table = ref->table->id,
                                    .peer = (uint16_t)ref->peer,
                                    .family = (uint8_t)ref->family,
                                    .len = (uint8_t)ref->len,
                                });
}

void rib_edit_keep_gone(struct rib *rib, struct list_edit *edit, const struct stored_path *path,
                        const struct list_ref *ref, uint64_t withdrawn_ms)
{
    const struct rib_peer_family *family =
        &rib->peers[ref->peer].families[ref->table->safi][ref->family];
    const struct burial burial = {withdrawn_ms, family->generation};

    rib_edit_bury(rib, edit, path, 0, ref, &burial);
}

void rib_edit_begin(struct rib *rib, struct list_edit *edit, const struct list_ref *ref)
{
    const struct rib_peer *peer = &rib->peers[ref->peer];
    const struct family_state state =
        rib_family_state(&peer->families[ref->table->safi][ref->family]);
    const struct path_list *list = rib_list_at(rib, ref);

    edit->live_count = 0;
    edit->gone_count = 0;
    edit->dropped_count = 0;
    edit->is_out_of_order = false;
    edit->is_view = peer->view != NULL;
    if (edit->is_view) {
        rib_view_edit_begin(rib, edit, ref);
        return;
    }
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
            rib_edit_keep_gone(rib, edit, path, ref, peer->broken_ms);
        else
            edit->dropped[edit->dropped_count++] = *path;
    }
}

/* `members` NULL: the list is a peer's. */
static inline struct decision_path decision_path_of(const struct rib *rib,
                                                    const struct list_edit *edit, unsigned at,
                                                    uint32_t peer,
                                                    const struct view_members *members)
{
    const struct stored_path *path = &edit->live[at];
    const struct rib_peer *owner =
        members ? owner_at(rib, who_owner(members, edit->live_who[at])) : &rib->peers[peer];

    return (struct decision_path){stored_attrs(rib, path), owner->router_id, path->path_id};
}

static const struct view_members *edit_members(const struct rib *rib, const struct list_edit *edit,
                                               uint32_t peer)
{
    return edit->is_view ? view_members(rib, peer) : NULL;
}

static void edit_sort(struct rib *rib, struct list_edit *edit, uint32_t peer)
{
    const struct view_members *members = edit_members(rib, edit, peer);
    struct decision_path paths[RIB_PATHS_MAX + 1];
    struct stored_path sorted[RIB_PATHS_MAX + 1];
    uint16_t order[RIB_PATHS_MAX + 1], who[RIB_PATHS_MAX + 1];

    for (unsigned i = 0; i < edit->live_count; i++)
        paths[i] = decision_path_of(rib, edit, i, peer, members);
    decision_sort(paths, edit->live_count, order);
    for (unsigned i = 0; i < edit->live_count; i++)
        sorted[i] = edit->live[order[i]];
    memcpy(edit->live, sorted, edit->live_count * sizeof sorted[0]);
    for (unsigned i = 0; edit->is_view && i < edit->live_count; i++)
        who[i] = edit->live_who[order[i]];
    if (edit->is_view)
        memcpy(edit->live_who, who, edit->live_count * sizeof who[0]);
    edit->is_out_of_order = false;
}

/* The two below are made twice, of peers and of views: where lists are loaded, each instruction counts. */
static inline __attribute__((always_inline)) void
edit_insert(struct rib *rib, struct list_edit *edit, const struct stored_path *path, uint16_t who,
            uint32_t peer, const struct view_members *members)
{
    struct decision_path sorted[RIB_PATHS_MAX + 1];
    const struct rib_peer *owner =
        members ? owner_at(rib, who_owner(members, who)) : &rib->peers[peer];
    struct decision_path added = {stored_attrs(rib, path), owner->router_id, path->path_id};
    size_t place = 0;

    for (unsigned i = 0; i < edit->live_count; i++)
        sorted[i] = decision_path_of(rib, edit, i, peer, members);
    if (edit->is_out_of_order || !decision_place(sorted, edit->live_count, &added, &place)) {
        edit->live_who[edit->live_count] = who;
        edit->live[edit->live_count++] = *path;
        edit_sort(rib, edit, peer);
        return;
    }
    if (members) {
        memmove(edit->live_who + place + 1, edit->live_who + place,
                (edit->live_count - place) * sizeof edit->live_who[0]);
        edit->live_who[place] = who;
    }
    memmove(edit->live + place + 1, edit->live + place,
            (edit->live_count - place) * sizeof edit->live[0]);
    edit->live[place] = *path;
    edit->live_count++;
}

static inline __attribute__((always_inline)) void edit_remove(struct rib *rib,
                                                              struct list_edit *edit, unsigned at,
                                                              uint32_t peer,
                                                              const struct view_members *members)
{
    struct decision_path sorted[RIB_PATHS_MAX + 1];
    struct decision_path removed = decision_path_of(rib, edit, at, peer, members);
    size_t place;

    edit->live_count--;
    memmove(edit->live + at, edit->live + at + 1, (edit->live_count - at) * sizeof edit->live[0]);
    if (members)
        memmove(edit->live_who + at, edit->live_who + at + 1,
                (edit->live_count - at) * sizeof edit->live_who[0]);
    for (unsigned i = 0; i < edit->live_count; i++)
        sorted[i] = decision_path_of(rib, edit, i, peer, members);
    if (!decision_place(sorted, edit->live_count, &removed, &place))
        edit->is_out_of_order = true;
}

void rib_edit_insert(struct rib *rib, struct list_edit *edit, const struct stored_path *path,
                     uint32_t peer)
{
    edit_insert(rib, edit, path, 0, peer, NULL);
}

void rib_edit_insert_of(struct rib *rib, struct list_edit *edit, const struct stored_path *path,
                        uint16_t who, uint32_t slot)
{
    edit_insert(rib, edit, path, who, slot, view_members(rib, slot));
}

void rib_edit_remove(struct rib *rib, struct list_edit *edit, unsigned at, uint32_t peer)
{
    if (edit->is_view)
        edit_remove(rib, edit, at, peer, view_members(rib, peer));
    else
        edit_remove(rib, edit, at, peer, NULL);
}

void rib_edit_finish(struct rib *rib, struct list_edit *edit, struct list_ref *ref, bool is_shared)
{
    const struct path_list *old = rib_list_at(rib, ref);

    if (edit->is_out_of_order)
        edit_sort(rib, edit, ref->peer);
    uint32_t handle = rib_list_new(rib, edit, ref->peer, is_shared);
    unsigned old_live = old ? old->live_count : 0;
    rib_count_paths(rib, ref, (int)edit->live_count - (int)old_live,
                    (int)edit->gone_count - (old ? old->gone_count : 0));
    if (edit->is_view)
        rib_view_count(rib, edit, ref, old);
    if ((edit->live_count > 0) != (old_live > 0))
        rib_count_prefix(rib, ref->peer, edit->live_count > 0);
    rib->shared.after = handle;
    rib_list_publish(rib, ref, handle);
    while (edit->dropped_count > 0)
        rib_attrs_drop(rib, &edit->dropped[--edit->dropped_count]);
}

const struct stored_path *rib_edit_find(const struct list_edit *edit, uint32_t path_id)
{
    for (unsigned i = 0; i < edit->live_count; i++) {
        if (edit->live[i].path_id == path_id)
            return &edit->live[i];
    }
    return NULL;
}

void rib_edit_take_out(struct list_edit *edit, struct rib *rib, uint32_t path_id, uint32_t peer)
{
    unsigned at = 0;

    while (edit->live[at].path_id != path_id)
        at++;
    rib_edit_remove(rib, edit, at, peer);
}

void rib_edit_drop_gone(struct list_edit *edit, unsigned at)
{
    edit->dropped[edit->dropped_count++] = edit->gone[at].path;
    edit->gone_count--;
    memmove(edit->gone + at, edit->gone + at + 1, (edit->gone_count - at) * sizeof edit->gone[0]);
}
