/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * How the writer changes lists of paths, for rib_store.c and rib_view.c alone: rib_list.c puts lists where readers
 * find them, rib_edit.c takes one apart and makes the next. All of it is the BGP thread's.
 */
#include "bgp/rib_private.h"

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

static inline uint32_t place_get(const _Atomic uint32_t *place)
{
    return atomic_load_explicit(place, memory_order_relaxed);
}

/* Returns how many prefixes share the list. */
static inline uint32_t share_count(const struct path_list *list)
{
    uint32_t count;

    memcpy(&count, (const char *)list + list_size(list), sizeof count);
    return count;
}

static inline void share_count_set(struct path_list *list, uint32_t count)
{
    memcpy((char *)list + list_size(list), &count, sizeof count);
}

/* A change: whose paths, and when. */
struct change {
    struct rib *rib;
    uint32_t peer; /* slot */
    enum rib_safi safi;
    uint64_t now_ms;
    uint64_t paths_max, prefixes_max; /* of the slot */
    bool has_room;                    /* for all of it, whatever it is: no limit is near */
    uint32_t owner;                   /* the peer, or that of the member and policy */
    bool is_view;                     /* it has the two below */
    bool is_told;                     /* the router told the time, which is `now_ms` */
    uint16_t who;                     /* the member, one policy, and whether the path is in use */
};

/* When a path went, and in which generation of its owner's table. */
struct burial {
    uint64_t withdrawn_ms;
    uint32_t generation;
};

/* rib_store.c */
/* Returns the limit that keeps one more path of a slot out. */
enum rib_limit rib_limit_of(const struct change *change, bool is_new_prefix);
/* Announces (with `attrs`) or withdraws (NULL) NLRI; returns how many could not be. */
size_t rib_change(const struct change *change, const struct rib_nlri *nlri, size_t count,
                  struct path_attrs *attrs);
bool rib_has_room_for(const struct change *change, size_t count);
/* True while the table of a session that came back is on its way, and paths of the one before
 * stand. */
static inline bool family_is_returning(const struct rib_peer_family *family)
{
    return family->oldest != family->generation && !family->is_loaded;
}

/* rib_view.c */
/* Takes note of how many paths the members' tables have after an edit; `old` is the list before, or NULL. */
void rib_view_count(struct rib *rib, const struct list_edit *edit, const struct list_ref *ref,
                    const struct path_list *old);
enum rib_limit rib_view_path_announce(const struct change *change, const struct list_ref *at,
                                      const struct rib_nlri *nlri, struct path_attrs *attrs);
bool rib_view_path_withdraw(const struct change *change, const struct list_ref *at,
                            const struct rib_nlri *nlri);

/* rib_list.c */
struct list_ref rib_list_ref(struct rib *rib, struct rib_table *table, enum rib_family family,
                             struct prefix_key key, unsigned len, uint32_t peer);
const struct path_list *rib_list_at(const struct rib *rib, const struct list_ref *ref);
/* Puts a list (0: nothing) where the reference points. */
void rib_list_publish(struct rib *rib, struct list_ref *ref, uint32_t handle);
/* Takes note that one prefix has the list no more; the last one retires it. */
void rib_list_release(struct rib *rib, uint32_t handle);
/* Makes a block of the edited list; 0: nothing is left. */
uint32_t rib_list_new(struct rib *rib, const struct list_edit *edit, uint32_t peer, bool is_shared);
const struct stored_path *rib_list_find(const struct path_list *list, uint32_t path_id);
/* Takes note that one more path names the set. */
void rib_attrs_hold(struct rib *rib, struct path_attrs *attrs);
void rib_attrs_drop(struct rib *rib, const struct stored_path *path);
void rib_count_paths(struct rib *rib, const struct list_ref *ref, int live, int gone);
/* Takes note that a peer has one prefix more, or one less. */
static inline void rib_count_prefix(struct rib *rib, uint32_t peer, bool has_it)
{
    counter_add(&rib->peers[peer].prefixes, has_it ? 1 : UINT64_MAX);
}
struct rib_table *rib_table_find(struct rib *rib, enum rib_safi safi, uint64_t rd);

/* rib_edit.c */
/* Moves a path that was valid until `withdrawn_ms` into the history, if there is one and the
 * path lived at all. */
void rib_edit_keep_gone(struct rib *rib, struct list_edit *edit, const struct stored_path *path,
                        const struct list_ref *ref, uint64_t withdrawn_ms);
/* Does the same for whatever list; `who` is a view's. */
void rib_edit_bury(struct rib *rib, struct list_edit *edit, const struct stored_path *path,
                   uint16_t who, const struct list_ref *ref, const struct burial *burial);
/* Takes a list apart and leaves out what is invalid. Paths that the table after a lost session
 * did not name again go into the history. */
void rib_edit_begin(struct rib *rib, struct list_edit *edit, const struct list_ref *ref);
/* Puts a path in its place in decision order; the one that it replaces has been removed. */
void rib_edit_insert(struct rib *rib, struct list_edit *edit, const struct stored_path *path,
                     uint32_t peer);
/* Does the same in a list of a view. */
void rib_edit_insert_of(struct rib *rib, struct list_edit *edit, const struct stored_path *path,
                        uint16_t who, uint32_t slot);
void rib_edit_remove(struct rib *rib, struct list_edit *edit, unsigned at, uint32_t peer);
/* Publishes the edited list, then gives back what is not in it any more. */
void rib_edit_finish(struct rib *rib, struct list_edit *edit, struct list_ref *ref, bool is_shared);
const struct stored_path *rib_edit_find(const struct list_edit *edit, uint32_t path_id);
void rib_edit_take_out(struct list_edit *edit, struct rib *rib, uint32_t path_id, uint32_t peer);
void rib_edit_drop_gone(struct list_edit *edit, unsigned at);
