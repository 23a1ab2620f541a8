/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * How the RIB is laid out, for its own files alone: rib.c (peers, time), rib_store.c (changes),
 * rib_history.c, rib_lookup.c (the readers' side).
 *
 *   prefix tree -> list of one peer's paths                 one peer has the prefix
 *               -> index of peers -> list of paths each     several have
 *
 * Lists never change: a new one is published in the place of the old. Prefixes that were announced
 * together share theirs. Handles are those of base/block_pool.
 *
 * A slot is a BGP peer or a view (rib_view.h). What has sessions and tables is called an owner: the
 * peer itself, or, of a view, each member's routes before and after policy. Owners below max_peers are the
 * slots, the others are members'.
 */
#include "base/memory.h"
#include "base/metric.h"
#include "base/prefix_tree.h"
#include "bgp/rib.h"
#include <assert.h>
#include <string.h>

/*
 * A path in 15 bytes: most of the memory goes into paths, and a list of four of them is one cache
 * line. All that tells whether it may be a flow's path is in one word, which is taken apart by
 * shifts, as gcc reads bit-fields of a packed struct byte by byte.
 */
struct __attribute__((packed)) stored_path {
    uint64_t facts; /* path_generation() tells what is in it */
    uint32_t path_id;
    uint16_t attrs_middle; /* see stored_attrs_block() */
    uint8_t attrs_high;
};
struct __attribute__((packed)) gone_path {
    struct stored_path path;
    uint64_t withdrawal; /* withdrawn_ms, then 22 bits of the generation in which it went */
};

/* The facts are, from the top: 8 bits of the generation of the peer's table (struct
 * family_state), 42 of the time of announcement (wall clock in ms; 0: always there), 9 of
 * next_hop_tag(), so that most paths are passed without a look at the set, and 5 of the set's
 * block. */
static inline uint8_t path_generation(const struct stored_path *path)
{
    return (uint8_t)(path->facts >> 56);
}
static inline int64_t path_announced_ms(const struct stored_path *path)
{
    return (int64_t)(path->facts << 8 >> 22);
}
static inline unsigned path_tag(const struct stored_path *path)
{
    return path->facts >> 5 & 0x1ff;
}
/* True if the path is of this generation and was announced by `until_ms`, which is 0 to
 * PATH_MS_MAX. Both stand at the top of the facts, so that one comparison is enough. */
#define PATH_MS_MAX ((INT64_C(1) << 42) - 1)
static inline bool path_is_of(const struct stored_path *path, uint8_t generation, int64_t until_ms)
{
    return (path->facts - ((uint64_t)generation << 56)) >> 14 <= (uint64_t)until_ms;
}
/* A path with this time, or an earlier one, came before anybody looked at the clock. */
#define PATH_ALWAYS_MS 1
/* Gives a path without a time, which outlived a session, a time of one millisecond. That is as
 * good as always, and tells it from a path of a table that was not there before. */
static inline void path_mark_kept(struct stored_path *path)
{
    if (path_announced_ms(path) == 0)
        path->facts |= (uint64_t)PATH_ALWAYS_MS << 14;
}
static inline void path_set_generation(struct stored_path *path, uint8_t generation)
{
    path->facts = path->facts << 8 >> 8 | (uint64_t)generation << 56;
}
static inline int64_t gone_withdrawn_ms(const struct gone_path *gone)
{
    return (int64_t)(gone->withdrawal >> 22);
}

enum { BLOCK_LIST = 1, BLOCK_INDEX, BLOCK_SHARED_LIST };

/* One peer's paths under one prefix. All kinds but BLOCK_INDEX are lists. Behind a
 * BLOCK_SHARED_LIST the writer keeps the number of prefixes that share it. */
struct path_list {
    uint32_t kind : 2;
    uint32_t peer : 14;
    uint32_t live_count : 8, gone_count : 8;
    /* Live paths stand in decision order; behind them stand the gone ones, in order of
     * withdrawal. */
    struct stored_path live[];
};
static_assert(sizeof(struct stored_path) == 15 && sizeof(struct gone_path) == 23, "packed");
static_assert(sizeof(struct path_list) + 4 * sizeof(struct stored_path) == CACHE_LINE,
              "the list of four paths is one line");
static_assert(RIB_SLOTS_MAX < 1 << 14, "peers have 14 bits");

struct peer_index {
    uint32_t kind : 2; /* BLOCK_INDEX */
    uint32_t count : 14;
    uint32_t unused;
    struct peer_place {
        uint32_t peer;
        _Atomic uint32_t list;
    } places[]; /* by peer */
};
#define RIB_PEERS_MAX ((BLOCK_MAX_BYTES - sizeof(struct peer_index)) / sizeof(struct peer_place))
#define GONE_MAX      255 /* withdrawn paths in a list */

static inline const struct gone_path *list_gone(const struct path_list *list)
{
    return (const struct gone_path *)(const void *)(list->live + list->live_count);
}

static inline size_t list_size(const struct path_list *list)
{
    return sizeof *list + list->live_count * sizeof list->live[0] +
           list->gone_count * sizeof(struct gone_path);
}

/* The list of a view has behind its paths, live and gone, two bytes for each: the number of the member
 * whose it is, and its marks. */
enum {
    WHO_MEMBER = 0x1fff,
    WHO_IN_USE = 0x2000,
    WHO_PRE = 0x4000,
    WHO_POST = 0x8000,
    WHO_POLICIES = WHO_PRE | WHO_POST,
};
static_assert(RIB_MEMBERS_MAX == WHO_MEMBER + 1, "members have 13 bits");
static inline uint16_t list_who(const struct path_list *list, unsigned index)
{
    uint16_t who;

    memcpy(&who, (const char *)list + list_size(list) + index * sizeof who, sizeof who);
    return who;
}

/* The trees of the unicast, the labelled, or one route distinguisher's paths. */
struct rib_table {
    struct prefix_tree trees[RIB_FAMILY_COUNT];
    /* the writer's: */
    uint64_t rd, prefix_count;
    uint32_t id, handle;
    uint8_t safi;
};

/*
 * The state of a peer's table for readers, in one word, so that they see all of it at once. Live
 * paths count if their generation is one of oldest..current modulo 256, gone ones if theirs is not
 * before oldest_gone. Live ones from oldest_kept on but before oldest count as gone since the
 * session broke (peer_state.broken_ms): the next session did not name them again. Losing a table is
 * a store here; the memory is swept later.
 */
struct family_state {
    uint64_t oldest : 8, current : 8;
    uint64_t oldest_gone : 22;
    uint64_t is_negotiated : 1, has_add_path : 1, is_loaded : 1, is_stale : 1;
    uint64_t oldest_kept : 8;
    uint64_t session : 8; /* the first that the session itself announced, not before oldest */
};
struct peer_state {
    _Alignas(CACHE_LINE) _Atomic uint64_t families[RIB_SAFI_COUNT][RIB_FAMILY_COUNT];
    _Atomic int64_t broken_ms; /* wall clock; published before the states that look at it */
    _Atomic uint32_t router_id;
    _Atomic uint32_t members; /* of a view: handle of its struct view_members; 0: a BGP peer */
};
static_assert(sizeof(struct peer_state) == CACHE_LINE, "states do not share lines");

/* A view's members: the owner of each one's routes before policy, after which comes that of those after
 * policy. A new block takes the place of the old one when there are more, and is there before any list names
 * them: so a reader looks for it after it has found the list. */
struct view_members {
    uint32_t capacity;
    _Atomic uint32_t owners[];
};
static_assert(sizeof(struct view_members) + RIB_MEMBERS_MAX * sizeof(uint32_t) <= BLOCK_MAX_BYTES,
              "all members are one block");

static inline struct family_state family_state_from(uint64_t word)
{
    struct family_state state;

    static_assert(sizeof state == sizeof word, "it is one word");
    memcpy(&state, &word, sizeof word);
    return state;
}
static inline uint64_t family_state_word(struct family_state s)
{
    uint64_t word;

    memcpy(&word, &s, sizeof word);
    return word;
}
static inline bool path_is_valid(const struct stored_path *path, struct family_state state)
{
    return (uint8_t)(path_generation(path) - state.oldest) <=
           (uint8_t)(state.current - state.oldest);
}
static inline bool path_was_left(const struct stored_path *path, struct family_state state)
{
    return (uint8_t)(path_generation(path) - state.oldest_kept) <
           (uint8_t)(state.oldest - state.oldest_kept);
}
static inline bool gone_is_valid(const struct gone_path *gone, struct family_state state)
{
    return ((gone->withdrawal - state.oldest_gone) & 0x3fffff) < 0x200000;
}

/* Hashes a next hop to nine bits. */
static inline unsigned next_hop_tag(const struct ip_addr *next_hop)
{
    uint64_t words[2];

    memcpy(words, next_hop->bytes, sizeof words);
    return (unsigned)((words[0] * UINT64_C(0xc2b2ae3d27d4eb4f) ^ words[1]) *
                          UINT64_C(0x9e3779b97f4a7c15) >>
                      55);
}

/* Sets begin cache lines, so that 29 bits name their blocks. */
#define ATTRS_BLOCK_SHIFT 3u
static_assert(CACHE_LINE == BLOCK_UNIT << ATTRS_BLOCK_SHIFT, "as many units to a line");

static inline struct stored_path stored_path_make(const struct path_attrs *attrs, uint32_t path_id,
                                                  uint64_t announced_ms, uint8_t generation)
{
    uint32_t line = attrs->block >> ATTRS_BLOCK_SHIFT;

    return (struct stored_path){
        .facts = (uint64_t)generation << 56 | (announced_ms & ((UINT64_C(1) << 42) - 1)) << 14 |
                 (uint64_t)next_hop_tag(&attrs->next_hop) << 5 | (line & 0x1f),
        .path_id = path_id,
        .attrs_middle = (uint16_t)(line >> 5),
        .attrs_high = (uint8_t)(line >> 21),
    };
}
static inline uint32_t stored_attrs_block(const struct stored_path *path)
{
    return ((uint32_t)(path->facts & 0x1f) | (uint32_t)path->attrs_middle << 5 |
            (uint32_t)path->attrs_high << 21)
           << ATTRS_BLOCK_SHIFT;
}

/* One (peer, SAFI, family) as the writer knows it. Generations are whole numbers here; readers
 * see their low bits. */
struct rib_peer_family {
    uint32_t generation, oldest, oldest_gone, oldest_kept;
    uint32_t session; /* the generation with which it began */
    uint32_t clean;   /* nothing older is left in memory */
    bool is_negotiated, has_add_path, is_loaded, is_stale;
    bool was_loaded; /* the first table is complete: paths count from their arrival now */
    bool is_touched; /* an UPDATE since the last tick */
    struct mono_time quiet_since;
};
struct rib_peer {
    bool is_up;
    uint32_t router_id;
    uint32_t slot;         /* its own, or that of the view whose member's it is */
    struct rib_view *view; /* of a slot that is one */
    struct mono_time keep_until;
    uint64_t broken_ms; /* when the last session ended, wall clock */
    struct rib_peer_family families[RIB_SAFI_COUNT][RIB_FAMILY_COUNT];
    struct counter paths, history_paths, prefixes; /* prefixes: those with a live path */
    struct counter family_paths[RIB_SAFI_COUNT][RIB_FAMILY_COUNT];
};

#define FAMILY_TOTAL (RIB_SAFI_COUNT * RIB_FAMILY_COUNT)

/* The owners of members, in chunks that never move. */
#define OWNERS_IN_CHUNK 64u
struct owner_chunk {
    struct peer_state states[OWNERS_IN_CHUNK];
    struct rib_peer peers[OWNERS_IN_CHUNK];
};

/* A view as the writer knows it. Its own state is made of what is counted here of its members. */
struct rib_view {
    bool is_multipath;
    uint32_t member_count;
    bool is_given[RIB_MEMBERS_MAX]; /* a member has an owner outside, or may get one */
    struct view_counts {
        uint32_t negotiated, loaded, stale, add_path;
    } counts[RIB_SAFI_COUNT][RIB_FAMILY_COUNT];
};

/* An item of the history: the place where a path was withdrawn, and when. */
struct history_item {
    struct prefix_key key;
    uint64_t withdrawn_ms;
    uint32_t table;
    uint16_t peer;
    uint8_t family, len;
};
struct history_chunk;
struct history {
    struct history_chunk *first, *last;
    uint32_t first_index, last_index;
    uint64_t count, chunk_count;
};

/* A list taken apart to be changed. Of a view each live path may leave two gone ones (rib_view.c), each
 * of which may push out another. */
#define DROPPED_MAX (3 * RIB_PATHS_MAX + GONE_MAX + 3)
struct list_edit {
    unsigned live_count, gone_count, dropped_count;
    bool is_out_of_order; /* something left that may change the order of others */
    bool is_view;         /* there are whos */
    struct stored_path live[RIB_PATHS_MAX];
    struct gone_path gone[GONE_MAX];
    struct stored_path dropped[DROPPED_MAX]; /* no more in the list */
    uint16_t live_who[RIB_PATHS_MAX], gone_who[GONE_MAX];
};

struct rib {
    /* For readers: set once, but for what is atomic. */
    struct block_pool *pool;
    const struct block_pool *attrs_pool;
    struct peer_state *states;
    uint32_t max_peers;
    struct owner_chunk *
        *chunks; /* of members' owners; an entry is written before its use is published */
    struct rib_table *unicast, *labelled;
    struct prefix_tree rds; /* route distinguisher, 64 bits -> handle of a struct rib_table */

    /* For the BGP thread alone: */
    _Alignas(CACHE_LINE) struct rib_settings settings;
    struct rib_peer *peers;
    uint32_t owner_count; /* slots, and owners of members so far */
    struct free_owners {  /* of views that are no more; the second of a member follows its first */
        uint32_t *owners, count;
    } free_owners;
    uint32_t *tables;                 /* handles by id; 0: free */
    uint32_t table_count, free_table; /* no id below free_table is free */
    struct history history;
    struct {
        bool is_wanted, is_running;
        uint32_t table;
        uint8_t family;
        struct prefix_cursor cursor;
        uint32_t *oldest;     /* of each (owner, SAFI, family) when the pass began */
        uint32_t owner_count; /* at that time */
    } sweep;
    uint64_t changes;
    enum rib_intake intake;
    enum rib_limit limit_hit;
    struct mono_time next_second;
    uint32_t next_owner; /* whose time goes by next in this second */
    struct list_edit *edit;
    /* The last list that got one more path within an UPDATE. Prefixes that had the list `before`
     * too, and get the same path, can share the list `after`. */
    struct {
        bool is_valid, is_refresh;
        bool is_new_prefix; /* `before` has no live path */
        enum rib_family family;
        uint32_t path_id, before, after; /* handles; before may be 0 */
    } shared;
    struct counter prefixes, paths, history_paths, attribute_sets, bytes, history_evicted,
        paths_refused;
};

static inline const struct path_attrs *stored_attrs(const struct rib *rib,
                                                    const struct stored_path *path)
{
    return block_at(rib->attrs_pool, stored_attrs_block(path));
}
static inline const struct path_list *list_at(const struct rib *rib, uint32_t handle)
{
    return block_at(rib->pool, handle);
}
/* Finds the books of an owner, and its state for readers. */
static inline struct rib_peer *owner_at(const struct rib *rib, uint32_t owner)
{
    uint32_t member = owner - rib->max_peers;

    return owner < rib->max_peers
               ? &rib->peers[owner]
               : &rib->chunks[member / OWNERS_IN_CHUNK]->peers[member % OWNERS_IN_CHUNK];
}
static inline struct peer_state *owner_state(const struct rib *rib, uint32_t owner)
{
    uint32_t member = owner - rib->max_peers;

    return owner < rib->max_peers
               ? &rib->states[owner]
               : &rib->chunks[member / OWNERS_IN_CHUNK]->states[member % OWNERS_IN_CHUNK];
}
/* The owner of what a member of a view has of one policy (WHO_PRE or WHO_POST). `members` is the
 * view's. */
static inline uint32_t member_owner(const struct view_members *members, unsigned who,
                                    unsigned policy)
{
    return atomic_load_explicit(&members->owners[who & WHO_MEMBER], memory_order_relaxed) +
           (policy == WHO_POST);
}
/* The owner that stands for a path of several policies. */
static inline uint32_t who_owner(const struct view_members *members, unsigned who)
{
    return member_owner(members, who, who & WHO_POST ? WHO_POST : WHO_PRE);
}
static inline const struct view_members *view_members(const struct rib *rib, uint32_t slot)
{
    return block_at(rib->pool, rcu_read(&rib->states[slot].members));
}
/* For readers, who may hold a list of a view that is no more: NULL, as the member is not there. */
static inline const struct view_members *view_members_of(const struct rib *rib, uint32_t slot,
                                                         unsigned who)
{
    const struct view_members *members = view_members(rib, slot); /* without one it has no room */

    return (who & WHO_MEMBER) < members->capacity ? members : NULL;
}
static inline int64_t wall_ms(int64_t wall_ns)
{
    return wall_ns / NS_PER_MS;
}

/* Finds the place of a peer's list in an index; NULL: there is none. */
static inline const struct peer_place *index_find(const struct peer_index *index, uint32_t peer)
{
    unsigned low = 0, high = index->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (index->places[middle].peer < peer)
            low = middle + 1;
        else
            high = middle;
    }
    return low < index->count && index->places[low].peer == peer ? &index->places[low] : NULL;
}

/* rib_store.c */
struct rib_table *rib_table_new(struct rib *rib, enum rib_safi safi, uint64_t rd);
/* Removes what is invalid from all lists of a prefix. */
void rib_prefix_sweep(struct rib *rib, struct rib_table *table, enum rib_family family,
                      struct prefix_key key, unsigned len);
/* Removes from one list all paths that were withdrawn no later than this item; returns how many. */
unsigned rib_history_drop(struct rib *rib, const struct history_item *item);

/* rib_view.c */
struct list_ref;
/* Takes the list of a view apart: rib_edit_begin() does the same for peers. */
void rib_view_edit_begin(struct rib *rib, struct list_edit *edit, const struct list_ref *ref);
/* Makes the view's own state anew, after one of its members' states was `old` and is another now. */
void rib_view_state_changed(struct rib *rib, uint32_t slot, unsigned safi, unsigned family,
                            struct family_state old, struct family_state now);
/* Whether all its members are down; what they have that is stale is gone then. */
bool rib_view_is_over(struct rib *rib, uint32_t slot) ON_THREAD(bgp_thread);
void rib_view_clear(struct rib *rib, uint32_t slot); /* its members are members no more */

/* rib.c */
struct family_state rib_family_state(const struct rib_peer_family *family);
/* Begins a family of an owner that is up, or gives it ADD-PATH. */
void rib_family_up(struct rib *rib, uint32_t owner, unsigned safi, unsigned family,
                   bool has_add_path, struct mono_time now);
/* Drops the oldest items until the history is within its bound. */
void rib_history_bound(struct rib *rib);
/* Drops, memory too, all that lost sessions left of a peer, or of all peers for UINT32_MAX.
 * False: there was nothing. */
bool rib_drop_kept(struct rib *rib, uint32_t peer);

/* rib_history.c: a queue, bounded by its callers. */
void history_push(struct history *history, const struct history_item *item);
const struct history_item *history_first(const struct history *history); /* NULL: empty */
void history_pop(struct history *history);
void history_clear(struct history *history);
size_t history_chunk_bytes(void);
