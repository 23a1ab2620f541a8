/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The RIB's peers and its time: sessions begin and end, tables are loaded, lost ones are swept in
 * slices, and history grows old. A table is lost by one store (struct family_state); its memory
 * goes when the sweep comes by.
 */
#include "bgp/rib.h"
#include "base/memory.h"
#include "bgp/rib_private.h"
#include <assert.h>

#define QUIET_NS       (10 * NS_PER_S) /* a family is loaded after so long without an UPDATE */
#define SWEEP_PREFIXES 1024            /* in one slice: about a quarter of a millisecond */
#define HISTORY_ITEMS  1024
#define TICK_OWNERS    8192 /* looked at in one call, each once a second: about a millisecond */
/* Generations that may be in memory at once: their numbers have 8 bits in a path. */
#define GENERATIONS_MAX 200u

static struct rib_peer_family *family_at(struct rib *rib, uint32_t index)
{
    return &owner_at(rib, index / FAMILY_TOTAL)
                ->families[index / RIB_FAMILY_COUNT % RIB_SAFI_COUNT][index % RIB_FAMILY_COUNT];
}

struct family_state rib_family_state(const struct rib_peer_family *family)
{
    return (struct family_state){
        .oldest = family->oldest & 0xff,
        .current = family->generation & 0xff,
        .oldest_gone = family->oldest_gone & 0x3fffff,
        .is_negotiated = family->is_negotiated,
        .has_add_path = family->has_add_path,
        .is_loaded = family->is_loaded,
        .is_stale = family->is_stale,
        .oldest_kept = family->oldest_kept & 0xff,
        .session = (family->session > family->oldest ? family->session : family->oldest) & 0xff,
    };
}

static void state_publish(struct rib *rib, uint32_t peer, unsigned safi, unsigned family)
{
    const struct rib_peer *p = owner_at(rib, peer);
    _Atomic uint64_t *word = &owner_state(rib, peer)->families[safi][family];
    struct family_state old = family_state_from(rcu_read(word));
    struct family_state state = rib_family_state(&p->families[safi][family]);

    rcu_publish(word, family_state_word(state));
    rib->changes++;
    if (p->slot != peer)
        rib_view_state_changed(rib, p->slot, safi, family, old, state);
}

static void sweep_start(struct rib *rib)
{
    rib->sweep.is_wanted = false;
    rib->sweep.is_running = true;
    rib->sweep.table = 0;
    rib->sweep.family = 0;
    rib->sweep.cursor = (struct prefix_cursor){0};
    if (rib->sweep.owner_count != rib->owner_count) {
        rib->sweep.owner_count = rib->owner_count;
        rib->sweep.oldest = mem_realloc_array(
            rib->sweep.oldest, (size_t)rib->owner_count * FAMILY_TOTAL, sizeof *rib->sweep.oldest);
    }
    for (uint32_t i = 0; i < rib->owner_count * FAMILY_TOTAL; i++)
        rib->sweep.oldest[i] = family_at(rib, i)->oldest;
}

static void sweep_end(struct rib *rib)
{
    rib->sweep.is_running = false;
    for (uint32_t i = 0; i < rib->sweep.owner_count * FAMILY_TOTAL; i++) {
        struct rib_peer_family *family = family_at(rib, i);
        family->clean = rib->sweep.oldest[i];
        if (family->clean == family->oldest && family->oldest_kept != family->oldest) {
            family->oldest_kept = family->oldest;
            state_publish(rib, i / FAMILY_TOTAL, i / RIB_FAMILY_COUNT % RIB_SAFI_COUNT,
                          i % RIB_FAMILY_COUNT);
        }
    }
}

/* Sweeps a slice; false: there is nothing more to sweep. */
static bool sweep_work(struct rib *rib)
{
    if (!rib->sweep.is_running) {
        if (!rib->sweep.is_wanted)
            return false;
        sweep_start(rib);
    }
    for (unsigned done = 0; done < SWEEP_PREFIXES;) {
        if (rib->sweep.table >= rib->table_count) {
            sweep_end(rib);
            return rib->sweep.is_wanted;
        }
        uint32_t handle = rib->tables[rib->sweep.table];
        struct rib_table *table = handle ? block_at(rib->pool, handle) : NULL;
        if (table && prefix_tree_next(&table->trees[rib->sweep.family], &rib->sweep.cursor)) {
            rib_prefix_sweep(rib, table, rib->sweep.family, rib->sweep.cursor.key,
                             rib->sweep.cursor.len);
            done++;
            continue;
        }
        rib->sweep.cursor = (struct prefix_cursor){0};
        if (++rib->sweep.family == RIB_FAMILY_COUNT) {
            rib->sweep.family = 0;
            rib->sweep.table++;
        }
    }
    return true;
}

static void sweep_to_end(struct rib *rib)
{
    while (sweep_work(rib))
        continue;
}

/* Makes everything that came before this generation invalid: as if it had never been, or, if it
 * `is_left`, as gone when the session broke. */
static void family_forget_older(struct rib *rib, struct rib_peer *peer,
                                struct rib_peer_family *family, bool is_left)
{
    family->oldest = family->generation;
    if (!is_left)
        family->oldest_kept = family->oldest;
    const struct rib_peer *slot = &rib->peers[peer->slot]; /* paths are counted there */
    if (counter_get(&slot->paths) + counter_get(&slot->history_paths) > 0)
        rib->sweep.is_wanted = true;
    else
        family->clean = family->generation;
}

/* Begins a generation, so that announcements from now on are told from what was there before. */
static void family_next_generation(struct rib *rib, struct rib_peer *peer,
                                   struct rib_peer_family *family)
{
    if (family->generation - family->clean >= GENERATIONS_MAX) {
        if (family->generation - family->oldest >= GENERATIONS_MAX)
            family_forget_older(rib, peer, family, false);
        rib->sweep.is_wanted = true;
        sweep_to_end(rib);
    }
    family->generation++;
}

/* Loses live paths and history at once. */
static void family_lose(struct rib *rib, struct rib_peer *peer, struct rib_peer_family *family)
{
    family_next_generation(rib, peer, family);
    family_forget_older(rib, peer, family, false);
    family->oldest_gone = family->generation;
    family->is_negotiated = false;
    family->is_stale = false;
    family->is_loaded = false;
}

/* Begins the table of a family of a session. */
static void family_begin(struct rib *rib, struct rib_peer *peer, struct rib_peer_family *family,
                         bool has_add_path, struct mono_time now)
{
    family_next_generation(rib, peer, family);
    family->session = family->generation;
    if (!family->is_stale)
        family_forget_older(rib, peer, family, false);
    family->is_negotiated = true;
    family->has_add_path = has_add_path;
    family->is_loaded = false;
    family->is_stale = false;
    family->is_touched = false;
    family->quiet_since = now;
}

void rib_peer_up(struct rib *rib, uint32_t peer, const struct rib_session *session,
                 struct mono_time now)
{
    struct rib_peer *p = owner_at(rib, peer);

    THREAD_ASSERT(bgp_thread);
    assert(peer < rib->owner_count);
    assert(!p->is_up);
    p->is_up = true;
    p->router_id = session->router_id;
    atomic_store_explicit(&owner_state(rib, peer)->router_id, session->router_id,
                          memory_order_relaxed);
    for (int safi = 0; safi < RIB_SAFI_COUNT; safi++) {
        for (int f = 0; f < RIB_FAMILY_COUNT; f++) {
            struct rib_peer_family *family = &p->families[safi][f];
            if (!session->is_negotiated[safi][f]) {
                if (family->is_stale) {
                    family_lose(rib, p, family);
                    state_publish(rib, peer, safi, f);
                }
                continue;
            }
            family_begin(rib, p, family, session->has_add_path[safi][f], now);
            state_publish(rib, peer, safi, f);
        }
    }
}

void rib_family_up(struct rib *rib, uint32_t owner, unsigned safi, unsigned f, bool has_add_path,
                   struct mono_time now)
{
    struct rib_peer *p = owner_at(rib, owner);
    struct rib_peer_family *family = &p->families[safi][f];

    assert(p->is_up);
    if (family->is_negotiated)
        family->has_add_path |= has_add_path;
    else
        family_begin(rib, p, family, has_add_path, now);
    state_publish(rib, owner, safi, f);
}

/* Sets the instant at which paths of a peer went. Those that went at the last such instant go
 * into the history first. */
static void peer_set_broken(struct rib *rib, uint32_t peer, struct wall_time wall)
{
    struct rib_peer *p = owner_at(rib, peer);

    for (unsigned i = 0; i < FAMILY_TOTAL; i++) {
        const struct rib_peer_family *family = family_at(rib, peer * FAMILY_TOTAL + i);
        if (family->oldest_kept != family->oldest) {
            rib->sweep.is_wanted = true;
            sweep_to_end(rib);
            break;
        }
    }
    p->broken_ms = (uint64_t)wall_ms(wall.ns);
    atomic_store_explicit(&owner_state(rib, peer)->broken_ms, wall_ms(wall.ns),
                          memory_order_relaxed);
}

static void peer_down(struct rib *rib, uint32_t peer, bool is_kept, struct wall_time wall,
                      struct mono_time keep_until)
{
    struct rib_peer *p = owner_at(rib, peer);

    assert(peer < rib->owner_count);
    if (!p->is_up)
        return;
    p->is_up = false;
    p->keep_until = keep_until;
    peer_set_broken(rib, peer, wall);
    for (int safi = 0; safi < RIB_SAFI_COUNT; safi++) {
        for (int f = 0; f < RIB_FAMILY_COUNT; f++) {
            struct rib_peer_family *family = &p->families[safi][f];
            if (!family->is_negotiated)
                continue;
            if (is_kept) {
                family->is_negotiated = false;
                family->is_stale = true;
            } else {
                family_lose(rib, p, family);
            }
            state_publish(rib, peer, safi, f);
        }
    }
}

void rib_peer_down(struct rib *rib, uint32_t peer, bool is_kept, struct wall_time wall,
                   struct mono_time mono)
{
    int64_t keep_s = rib->settings.peer_down_keep_s;

    THREAD_ASSERT(bgp_thread);
    peer_down(rib, peer, is_kept && keep_s > 0, wall,
              (struct mono_time){mono.ns + keep_s * NS_PER_S});
}

void rib_restore_family(struct rib *rib, uint32_t peer, enum rib_safi safi, enum rib_family family,
                        bool has_add_path)
{
    struct rib_peer *p = owner_at(rib, peer);
    struct rib_peer_family *f = &p->families[safi][family];

    THREAD_ASSERT(bgp_thread);
    assert(p->is_up);
    if (f->is_negotiated && (f->has_add_path || !has_add_path))
        return;
    if (!f->is_negotiated) {
        family_next_generation(rib, p, f);
        family_forget_older(rib, p, f, false);
        f->session = f->generation;
        f->has_add_path = false;
        f->is_negotiated = true;
        f->is_loaded = true;
        f->was_loaded = true; /* paths have times of their own */
    }
    f->has_add_path |= has_add_path;
    state_publish(rib, peer, safi, family);
}

void rib_peer_restored(struct rib *rib, uint32_t peer, struct wall_time written,
                       struct mono_time keep_until)
{
    THREAD_ASSERT(bgp_thread);
    peer_down(rib, peer, true, written, keep_until);
}

bool rib_peer_forget(struct rib *rib, uint32_t peer)
{
    struct rib_peer *p = owner_at(rib, peer);
    bool has_some = false;

    THREAD_ASSERT(bgp_thread);
    assert(peer < rib->owner_count);
    for (int safi = 0; safi < RIB_SAFI_COUNT && !p->is_up; safi++) {
        for (int f = 0; f < RIB_FAMILY_COUNT; f++) {
            if (!p->families[safi][f].is_stale)
                continue;
            has_some = true;
            family_lose(rib, p, &p->families[safi][f]);
            state_publish(rib, peer, safi, f);
        }
    }
    return has_some;
}

bool rib_is_sweeping(const struct rib *rib)
{
    return rib->sweep.is_running || rib->sweep.is_wanted;
}

enum rib_limit rib_limit_hit(const struct rib *rib)
{
    return rib->limit_hit;
}

void rib_set_intake(struct rib *rib, enum rib_intake intake)
{
    THREAD_ASSERT(bgp_thread);
    rib->intake = intake;
}

/* Without what lies in the pool. */
static uint64_t books_bytes(const struct rib *rib)
{
    return rib->history.chunk_count * history_chunk_bytes() +
           rib->owner_count * (sizeof(struct rib_peer) + sizeof(struct peer_state));
}

uint64_t rib_memory_used(const struct rib *rib)
{
    return block_pool_bytes(rib->pool) + books_bytes(rib);
}

void rib_sweep(struct rib *rib)
{
    THREAD_ASSERT(bgp_thread);
    sweep_to_end(rib);
}

bool rib_peer_release(struct rib *rib, uint32_t peer)
{
    struct rib_peer *p = owner_at(rib, peer);

    THREAD_ASSERT(bgp_thread);
    assert(peer < rib->owner_count);
    if (p->is_up || counter_get(&p->paths) > 0 || counter_get(&p->history_paths) > 0 ||
        (p->view && !rib_view_is_over(rib, peer)))
        return false;
    for (int safi = 0; safi < RIB_SAFI_COUNT; safi++) {
        for (int f = 0; f < RIB_FAMILY_COUNT; f++) {
            struct rib_peer_family *family = &p->families[safi][f];
            if (family->is_stale) { /* of an empty table */
                family_lose(rib, p, family);
                state_publish(rib, peer, safi, f);
            }
            family->was_loaded = false;
        }
    }
    if (p->view)
        rib_view_clear(rib, peer);
    return true;
}

bool rib_drop_kept(struct rib *rib, uint32_t peer)
{
    bool has_some = false;

    for (uint32_t i = 0; i < rib->owner_count * FAMILY_TOTAL; i++) {
        struct rib_peer *p = owner_at(rib, i / FAMILY_TOTAL);
        struct rib_peer_family *family = family_at(rib, i);
        bool is_returning = family->is_negotiated && family->oldest != family->generation;
        if ((peer != UINT32_MAX && p->slot != peer) ||
            (!family->is_stale && !is_returning && family->oldest_kept == family->oldest))
            continue;
        has_some = true;
        if (family->is_stale)
            family_lose(rib, p, family);
        else
            family_forget_older(rib, p, family, false);
        rib->sweep.is_wanted = true;
        state_publish(rib, i / FAMILY_TOTAL, i / RIB_FAMILY_COUNT % RIB_SAFI_COUNT,
                      i % RIB_FAMILY_COUNT);
    }
    if (has_some)
        sweep_to_end(rib);
    return has_some;
}

static void family_loaded(struct rib *rib, uint32_t peer, unsigned safi, unsigned f,
                          struct wall_time now)
{
    struct rib_peer_family *family = &owner_at(rib, peer)->families[safi][f];

    if (!family->is_negotiated)
        return;
    if (family->oldest != family->generation) {
        if (family->is_loaded) /* the end of a refresh: what it left out went meanwhile */
            peer_set_broken(rib, peer, now);
        family_forget_older(rib, owner_at(rib, peer), family, true);
    }
    family->is_loaded = true;
    family->was_loaded = true;
    state_publish(rib, peer, safi, f);
}

void rib_end_of_rib(struct rib *rib, uint32_t peer, enum rib_safi safi, enum rib_family family,
                    struct wall_time now)
{
    THREAD_ASSERT(bgp_thread);
    family_loaded(rib, peer, safi, family, now);
}

void rib_begin_refresh(struct rib *rib, uint32_t peer, enum rib_safi safi, enum rib_family family)
{
    struct rib_peer_family *f = &owner_at(rib, peer)->families[safi][family];

    THREAD_ASSERT(bgp_thread);
    if (!f->is_negotiated)
        return;
    family_next_generation(rib, owner_at(rib, peer), f);
    state_publish(rib, peer, safi, family);
}

void rib_history_bound(struct rib *rib)
{
    while (rib->history.count > rib->settings.history_max) {
        counter_add(&rib->history_evicted, rib_history_drop(rib, history_first(&rib->history)));
        history_pop(&rib->history);
    }
}

/* Drops a slice of history that is old enough; false: all that is left is young. */
static bool history_work(struct rib *rib, struct wall_time now)
{
    int64_t young_ms = wall_ms(now.ns - rib->settings.history_s * NS_PER_S);

    for (unsigned done = 0; done < HISTORY_ITEMS; done++) {
        const struct history_item *item = history_first(&rib->history);
        if (!item || (int64_t)item->withdrawn_ms > young_ms)
            return false;
        rib_history_drop(rib, item);
        history_pop(&rib->history);
    }
    return true;
}

static void peer_tick(struct rib *rib, uint32_t peer, struct wall_time wall, struct mono_time now)
{
    struct rib_peer *p = owner_at(rib, peer);

    for (int safi = 0; safi < RIB_SAFI_COUNT; safi++) {
        for (int f = 0; f < RIB_FAMILY_COUNT; f++) {
            struct rib_peer_family *family = &p->families[safi][f];
            if (family->is_touched)
                family->quiet_since = now;
            family->is_touched = false;
            if (family->is_stale && now.ns >= p->keep_until.ns) {
                family_lose(rib, p, family);
                state_publish(rib, peer, safi, f);
            }
            if (family->is_negotiated && !family->is_loaded &&
                now.ns - family->quiet_since.ns >= QUIET_NS)
                family_loaded(rib, peer, safi, f, wall);
        }
    }
}

/* Lets time go by for a slice of all owners, once a second for each; false: no more in this second. */
static bool owners_work(struct rib *rib, struct wall_time wall, struct mono_time mono)
{
    if (mono.ns >= rib->next_second.ns && rib->next_owner >= rib->owner_count) {
        rib->next_second.ns = mono.ns + NS_PER_S;
        rib->next_owner = 0;
    }
    for (unsigned done = 0; done < TICK_OWNERS && rib->next_owner < rib->owner_count; done++)
        peer_tick(rib, rib->next_owner++, wall, mono);
    return rib->next_owner < rib->owner_count || mono.ns >= rib->next_second.ns;
}

bool rib_tick(struct rib *rib, struct wall_time wall, struct mono_time mono, uint64_t *ret_changes)
{
    bool has_more = sweep_work(rib);

    THREAD_ASSERT(bgp_thread);
    has_more |= history_work(rib, wall);
    has_more |= owners_work(rib, wall, mono) || rib->sweep.is_wanted;
    block_pool_poll(rib->pool);
    counter_set(&rib->bytes, block_pool_reserved(rib->pool) + books_bytes(rib));
    *ret_changes = rib->changes;
    return has_more;
}

struct rib_family_state rib_peer_family(const struct rib *rib, uint32_t peer, enum rib_safi safi,
                                        enum rib_family family)
{
    struct family_state state =
        family_state_from(rcu_read(&owner_state(rib, peer)->families[safi][family]));

    return (struct rib_family_state){
        state.is_negotiated, state.has_add_path, state.is_loaded, state.is_stale,
        counter_get(&owner_at(rib, peer)->family_paths[safi][family]) > 0};
}

struct rib_peer_counts rib_peer_counts(const struct rib *rib, uint32_t peer)
{
    return (struct rib_peer_counts){counter_get(&rib->peers[peer].paths),
                                    counter_get(&rib->peers[peer].history_paths),
                                    counter_get(&rib->peers[peer].prefixes)};
}

void rib_statistics(const struct rib *rib, struct rib_statistics *ret_statistics)
{
    *ret_statistics = (struct rib_statistics){
        .prefixes = counter_get(&rib->prefixes),
        .paths = counter_get(&rib->paths),
        .history_paths = counter_get(&rib->history_paths),
        .attribute_sets = counter_get(&rib->attribute_sets),
        .bytes = counter_get(&rib->bytes),
        .history_evicted = counter_get(&rib->history_evicted),
        .paths_refused = counter_get(&rib->paths_refused),
    };
}

struct rib *rib_new(struct rcu *rcu, const struct rib_settings *settings)
{
    struct rib *rib = mem_aligned_zalloc(CACHE_LINE, sizeof *rib);

    static_assert(RIB_SLOTS_MAX <= RIB_PEERS_MAX, "an index of all peers is one block");
    assert(settings->max_peers <= RIB_SLOTS_MAX);
    rib->settings = *settings;
    if (settings->peer_paths_max == 0)
        rib->settings.peer_paths_max = UINT64_MAX;
    if (settings->peer_prefixes_max == 0)
        rib->settings.peer_prefixes_max = UINT64_MAX;
    rib->max_peers = settings->max_peers;
    rib->pool = block_pool_new(rcu);
    rib->attrs_pool = settings->attrs_pool;
    rib->states = mem_aligned_zalloc(CACHE_LINE, rib->max_peers * sizeof *rib->states);
    rib->peers = mem_calloc(rib->max_peers, sizeof *rib->peers);
    rib->owner_count = rib->max_peers;
    for (uint32_t slot = 0; slot < rib->max_peers; slot++)
        rib->peers[slot].slot = slot;
    rib->chunks = mem_calloc(settings->max_members * 2 / OWNERS_IN_CHUNK + 1, sizeof *rib->chunks);
    rib->edit = mem_alloc(sizeof *rib->edit);
    prefix_tree_init(&rib->rds, rib->pool);
    rib->unicast = rib_table_new(rib, RIB_UNICAST, 0);
    rib->labelled = rib_table_new(rib, RIB_LABELLED, 0);
    return rib;
}

void rib_free(struct rib *rib)
{
    if (!rib)
        return;
    history_clear(&rib->history);
    block_pool_free(rib->pool);
    for (uint32_t slot = 0; slot < rib->max_peers; slot++)
        mem_free(rib->peers[slot].view);
    for (uint32_t i = rib->max_peers; i < rib->owner_count; i += OWNERS_IN_CHUNK)
        mem_free(rib->chunks[(i - rib->max_peers) / OWNERS_IN_CHUNK]);
    mem_free(rib->chunks);
    mem_free(rib->free_owners.owners);
    mem_free(rib->states);
    mem_free(rib->peers);
    mem_free(rib->sweep.oldest);
    mem_free(rib->tables);
    mem_free(rib->edit);
    mem_free(rib);
}
