/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Goes over all tables in slices. See rib_dump.h. */
#include "bgp/rib_dump.h"
#include "bgp/rib_private.h"
#include <endian.h>

struct slice {
    struct rib_dump *dump;
    rib_dump_fn *fn;
    void *arg;
    struct rib_dumped told;
    unsigned prefix_count, path_count;
};

static bool slice_is_full(const struct slice *s)
{
    return s->prefix_count >= RIB_DUMP_SLICE || s->path_count >= RIB_DUMP_SLICE;
}

static bool is_wanted(const struct rib_dump *dump, uint32_t peer)
{
    return peer < dump->peer_count && dump->is_wanted[peer] &&
           rcu_read(&dump->rib->states[peer].members) == 0;
}

/* True if the session that is up has announced it. */
static bool path_is_of_session(const struct stored_path *path, struct family_state state)
{
    return state.is_negotiated && (uint8_t)(path_generation(path) - state.session) <=
                                      (uint8_t)(state.current - state.session);
}

static void tell_list(struct slice *s, const struct path_list *list)
{
    const struct rib_dump *dump = s->dump;
    struct family_state state = family_state_from(
        rcu_read(&dump->rib->states[list->peer].families[dump->safi][dump->family]));

    s->told.peer = list->peer;
    s->told.has_add_path = state.has_add_path;
    for (unsigned i = 0; i < list->live_count; i++) {
        const struct stored_path *path = &list->live[i];
        bool is_told = dump->has_stale
                           ? path_is_valid(path, state) && (state.is_negotiated || state.is_stale)
                           : path_is_of_session(path, state);
        if (!is_told)
            continue;
        s->told.attrs = stored_attrs(dump->rib, path);
        s->told.path_id = path->path_id;
        s->told.announced_ms =
            path_announced_ms(path) > PATH_ALWAYS_MS ? path_announced_ms(path) : 0;
        s->fn(s->arg, &s->told);
        s->path_count++;
    }
}

static void set_prefix(struct slice *s)
{
    const struct rib_dump *dump = s->dump;
    const uint64_t words[] = {htobe64(dump->cursor.key.high), htobe64(dump->cursor.key.low)};
    uint8_t bytes[sizeof words];

    memcpy(bytes, words, sizeof bytes);
    s->told.prefix =
        (struct ip_prefix){dump->family == RIB_IPV4 ? ip_addr_v4(bytes) : ip_addr_v6(bytes),
                           (uint8_t)dump->cursor.len};
    s->told.safi = dump->safi;
    s->told.rd = dump->rd;
}

/* Tells what peers from next_peer on have of the prefix, until the slice is full. */
static void tell_prefix(struct slice *s, uint32_t handle)
{
    struct rib_dump *dump = s->dump;
    const struct path_list *list = list_at(dump->rib, handle);

    dump->is_in_prefix = false;
    set_prefix(s);
    if (list->kind != BLOCK_INDEX) {
        if (list->peer >= dump->next_peer && is_wanted(dump, list->peer))
            tell_list(s, list);
        return;
    }
    const struct peer_index *index = (const void *)list;
    for (unsigned i = 0; i < index->count; i++) {
        uint32_t peer = index->places[i].peer;
        if (peer < dump->next_peer || !is_wanted(dump, peer))
            continue;
        if (slice_is_full(s)) {
            dump->is_in_prefix = true;
            dump->next_peer = peer;
            return;
        }
        uint32_t peers_list = rcu_read(&index->places[i].list);
        if (peers_list)
            tell_list(s, list_at(dump->rib, peers_list));
    }
}

/* Finds the tree that the walk is in; NULL: it is not there, or no more. */
static const struct prefix_tree *tree_of(const struct rib_dump *dump)
{
    const struct rib *rib = dump->rib;
    const struct rib_table *table = dump->safi == RIB_UNICAST ? rib->unicast : rib->labelled;

    if (dump->safi == RIB_VPN) {
        struct prefix_match match = {.tree = &rib->rds, .key = {dump->rd, 0}};
        prefix_match_batch(&match, 1);
        table = dump->has_rd && match.value && match.len == 64 ? block_at(rib->pool, match.value)
                                                               : NULL;
    }
    return table ? &table->trees[dump->family] : NULL;
}

/* Goes on to the next tree; false: there is none. */
static bool next_tree(struct rib_dump *dump)
{
    dump->cursor = (struct prefix_cursor){0};
    if (dump->family + 1 < RIB_FAMILY_COUNT) {
        dump->family++;
        return true;
    }
    dump->family = RIB_IPV4;
    if (dump->safi + 1 < RIB_SAFI_COUNT)
        dump->safi++;
    if (dump->safi != RIB_VPN)
        return true;
    dump->has_rd = prefix_tree_next(&dump->rib->rds, &dump->rds);
    dump->rd = dump->has_rd ? dump->rds.key.high : 0;
    return dump->has_rd;
}

/* Returns what stands under the prefix that the last slice did not finish; 0: nothing any more. */
static uint32_t prefix_again(const struct rib_dump *dump, const struct prefix_tree *tree)
{
    struct prefix_walk walk = {.tree = tree, .key = dump->cursor.key};

    prefix_walk_batch(&walk, 1);
    while (walk.value && walk.len > dump->cursor.len)
        prefix_walk_next(&walk);
    return walk.value && walk.len == dump->cursor.len ? walk.value : 0;
}

bool rib_dump_some(struct rib_dump *dump, rib_dump_fn *fn, void *arg)
{
    const struct prefix_tree *tree = tree_of(dump);
    struct slice s = {.dump = dump, .fn = fn, .arg = arg};

    if (dump->is_in_prefix) {
        uint32_t handle = tree ? prefix_again(dump, tree) : 0;
        dump->is_in_prefix = false;
        if (handle)
            tell_prefix(&s, handle);
        s.prefix_count++;
    }
    while (!dump->is_in_prefix && !slice_is_full(&s)) {
        if (tree && prefix_tree_next(tree, &dump->cursor)) {
            dump->next_peer = 0;
            tell_prefix(&s, dump->cursor.value);
            s.prefix_count++;
            continue;
        }
        if (!next_tree(dump))
            return false;
        tree = tree_of(dump);
        s.prefix_count++; /* there may be many empty ones */
    }
    return true;
}
