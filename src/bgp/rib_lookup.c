/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The readers' side of the RIB: which path did the flow take? Verdicts are those of path_match.def,
 * found prefix by prefix from the longest on. All that a batch will touch is prefetched stage by
 * stage; the answers are then made from what the cache holds.
 */
#include "base/prefix_tree.h"
#include "base/reader.h"
#include "bgp/decision.h"
#include "bgp/rib_private.h"
#include "bgp/rib_view.h"
#include <limits.h>

#define QUERIES_TOGETHER 64u
#define ALL_LENS         129u     /* more bits than any prefix has */
#define TAG_ANY          UINT_MAX /* no path has that */

/* A peer's table as a group of queries sees it; most queries of a group ask the same one. */
struct table_view {
    uint32_t peer;
    uint8_t family; /* of the address */
    enum rib_safi safi;
    uint64_t rd;
    const struct prefix_tree *tree; /* NULL: there is nothing to look at */
    struct family_state state;
    bool is_stale, is_loading;
    bool is_usual; /* paths of one generation */
    bool is_view;
};

/* A query on its way. */
struct lookup {
    struct rib_query *query;
    struct family_state state;
    int64_t to_ms;   /* replay: the end of time, as only gone paths are left out */
    int64_t late_ms; /* paths announced after to_ms, until then, are late news */
    unsigned tag;    /* of the next hop; TAG_ANY: the query has an equality */
    bool is_replay, has_next_hop;
    enum rib_safi safi;
    enum rib_family family;
    bool is_view;     /* the query is for one (rib_view.h) */
    bool only_in_use; /* of a view's paths, those that the router says it uses */
};

/* A path of a list, and when it went; ALIVE_NOW: it stands. */
struct lived {
    const struct stored_path *path;
    int64_t withdrawn_ms;
};
#define ALIVE_NOW INT64_MAX

/* The findings of a search through one list. Pointers go to paths of the list, or are NULL. */
struct findings {
    unsigned candidate_count, alive_count; /* in the flow's life; at its end */
    unsigned hit_count;                    /* candidates with the flow's next hop */
    bool hits_differ;
    bool has_current; /* a candidate that still stands */
    const struct stored_path *any_hit;
    const struct stored_path *best;      /* the best path alive */
    const struct stored_path *hit;       /* the best hit alive */
    const struct stored_path *first_hit; /* the hit alive with the lowest path id */
    struct lived gone_hit;               /* the hit that went last; path NULL: none */
    /* Paths announced soon after the flow's end, with its next hop if it has one. */
    unsigned late_count;
    bool late_differ;
    const struct stored_path *late; /* the one announced first */
};

static const struct path_list *list_of(const struct rib *rib, uint32_t value, uint32_t peer)
{
    const struct path_list *list = list_at(rib, value);

    if (list->kind != BLOCK_INDEX)
        return list->peer == peer ? list : NULL;
    const struct peer_place *place = index_find((const void *)list, peer);
    return place ? list_at(rib, rcu_read(&place->list)) : NULL;
}

/* Stays out of line, as few queries have an equality and all searches ask for next hops. */
static __attribute__((noinline)) bool
is_exported_so(const struct rib *rib, const struct rib_query *query, const struct stored_path *path)
{
    const struct ip_addr *next_hop = &stored_attrs(rib, path)->next_hop;

    return ip_addr_equal(next_hop, &query->next_hop) ||
           query->equality->is_same(query->equality->arg, query->router, next_hop,
                                    &query->next_hop);
}

static inline bool has_next_hop(const struct rib *rib, const struct lookup *lookup,
                                const struct stored_path *path)
{
    if (path_tag(path) != lookup->tag)
        return lookup->tag == TAG_ANY && is_exported_so(rib, lookup->query, path);
    return ip_addr_equal(&stored_attrs(rib, path)->next_hop, &lookup->query->next_hop);
}

/* Tells whether a view's path of one policy is a candidate, and when it went. */
static bool policy_lived(const struct rib *rib, const struct lookup *lookup,
                         const struct path_list *list, unsigned index, uint32_t owner,
                         struct lived *ret_lived)
{
    const struct peer_state *peer = owner_state(rib, owner);
    struct family_state state =
        family_state_from(rcu_read(&peer->families[lookup->safi][lookup->family]));

    if (index >= list->live_count)
        return gone_is_valid(&list_gone(list)[index - list->live_count], state);
    if (path_is_valid(ret_lived->path, state))
        return true;
    if (!path_was_left(ret_lived->path, state))
        return false;
    int64_t broken_ms = atomic_load_explicit(&peer->broken_ms, memory_order_relaxed);
    if (path_announced_ms(ret_lived->path) >= broken_ms)
        return false;
    ret_lived->withdrawn_ms = broken_ms;
    return true;
}

/* Finds a path of a view by its place in the list, as list_lived() does. Paths before policy do not
 * count where the router tells of those after it. Stays out of line, as most lists are peers'. */
static __attribute__((noinline)) bool view_lived(const struct rib *rib, const struct lookup *lookup,
                                                 const struct path_list *list, unsigned index,
                                                 struct lived *ret_lived)
{
    uint16_t who = list_who(list, index);
    uint32_t only = lookup->query->only_member;
    const struct view_members *members = view_members_of(rib, lookup->query->peer, who);

    if (!members || (only != 0 && only != (who & WHO_MEMBER) + 1u) ||
        (lookup->only_in_use && !(who & WHO_IN_USE)))
        return false;
    uint32_t post = member_owner(members, who, WHO_POST);
    if (index < list->live_count) {
        ret_lived->path = &list->live[index];
        ret_lived->withdrawn_ms = ALIVE_NOW;
    } else {
        const struct gone_path *gone = &list_gone(list)[index - list->live_count];
        ret_lived->path = &gone->path;
        ret_lived->withdrawn_ms = gone_withdrawn_ms(gone);
    }
    if (who & WHO_POST && policy_lived(rib, lookup, list, index, post, ret_lived))
        return true;
    if (!(who & WHO_PRE))
        return false;
    struct family_state after = family_state_from(
        rcu_read(&owner_state(rib, post)->families[lookup->safi][lookup->family]));
    return !after.is_negotiated && !after.is_stale &&
           policy_lived(rib, lookup, list, index, post - 1, ret_lived);
}

static int64_t break_ms(const struct rib *rib, const struct lookup *lookup)
{
    return atomic_load_explicit(&rib->states[lookup->query->peer].broken_ms, memory_order_relaxed);
}

/* Tells when a path on the list of live ones went. One that the last session left, and that the
 * table after it did not name again, went when that session broke; if it came in that millisecond it
 * never stood. */
static inline bool live_lived(const struct rib *rib, const struct lookup *lookup,
                              const struct stored_path *path, struct lived *ret_lived)
{
    ret_lived->path = path;
    ret_lived->withdrawn_ms = ALIVE_NOW;
    if (path_is_valid(path, lookup->state))
        return true;
    if (!path_was_left(path, lookup->state))
        return false;
    ret_lived->withdrawn_ms = break_ms(rib, lookup);
    return path_announced_ms(path) < ret_lived->withdrawn_ms;
}

/* Finds the path at `index` of a list: first come those that stand, then the gone ones. False:
 * no session vouches for it any more. */
static inline bool list_lived(const struct rib *rib, const struct lookup *lookup,
                              const struct path_list *list, unsigned index, struct lived *ret_lived)
{
    if (lookup->is_view)
        return view_lived(rib, lookup, list, index, ret_lived);
    if (index < list->live_count)
        return live_lived(rib, lookup, &list->live[index], ret_lived);
    const struct gone_path *gone = &list_gone(list)[index - list->live_count];
    ret_lived->path = &gone->path;
    ret_lived->withdrawn_ms = gone_withdrawn_ms(gone);
    return gone_is_valid(gone, lookup->state);
}

/* A path is a candidate if its life, from announced to withdrawn, overlaps the flow's. It lived
 * to the end if it was alive at the flow's end. */
static inline bool lived_is_candidate(const struct lookup *lookup, const struct lived *lived)
{
    if (path_announced_ms(lived->path) > lookup->to_ms)
        return false;
    return lived->withdrawn_ms == ALIVE_NOW ||
           (!lookup->is_replay && lived->withdrawn_ms > wall_ms(lookup->query->from_ns));
}
static inline bool lived_to_end(const struct lookup *lookup, const struct lived *lived)
{
    return lived->withdrawn_ms > lookup->to_ms || lived->withdrawn_ms == ALIVE_NOW;
}

/* Adds a path that was announced soon after the flow's end: the router may well have used it
 * before it told us. */
static void findings_add_late(const struct rib *rib, const struct lookup *lookup,
                              struct findings *f, const struct stored_path *path)
{
    if (path_announced_ms(path) <= lookup->to_ms || path_announced_ms(path) > lookup->late_ms ||
        (lookup->has_next_hop && !has_next_hop(rib, lookup, path)))
        return;
    f->late_count++;
    if (f->late && stored_attrs(rib, path)->agreement != stored_attrs(rib, f->late)->agreement)
        f->late_differ = true;
    if (!f->late || path_announced_ms(path) < path_announced_ms(f->late))
        f->late = path;
}

static void findings_add(const struct rib *rib, const struct lookup *lookup, struct findings *f,
                         const struct lived *lived)
{
    const struct stored_path *path = lived->path;
    bool is_alive = lived_to_end(lookup, lived);

    f->candidate_count++;
    f->alive_count += is_alive;
    f->has_current |= lived->withdrawn_ms == ALIVE_NOW;
    if (is_alive && !f->best)
        f->best = path;
    if (!lookup->has_next_hop || !has_next_hop(rib, lookup, path))
        return;
    if (is_alive && !f->hit)
        f->hit = path;
    if (is_alive && (!f->first_hit || path->path_id < f->first_hit->path_id))
        f->first_hit = path;
    if (lived->withdrawn_ms != ALIVE_NOW &&
        (!f->gone_hit.path || lived->withdrawn_ms >= f->gone_hit.withdrawn_ms))
        f->gone_hit = *lived;
    if (f->hit_count++ == 0)
        f->any_hit = path;
    else if (stored_attrs(rib, path)->agreement != stored_attrs(rib, f->any_hit)->agreement)
        f->hits_differ = true;
}

static uint32_t router_id_of(const struct rib *rib, const struct lookup *lookup,
                             const struct path_list *list, unsigned index)
{
    uint32_t owner = lookup->query->peer;

    if (lookup->is_view) {
        uint16_t who = list_who(list, index);
        const struct view_members *members = view_members_of(rib, owner, who);
        if (!members)
            return 0;
        owner = who_owner(members, who);
    }
    return atomic_load_explicit(&owner_state(rib, owner)->router_id, memory_order_relaxed);
}

/* Finds the best path and the best hit anew. The list is in decision order of now, but at the
 * flow's end other paths were alive, and their order was another one. */
static void findings_order(const struct rib *rib, const struct lookup *lookup,
                           const struct path_list *list, struct findings *f)
{
    const struct stored_path *alive[RIB_PATHS_MAX + GONE_MAX];
    struct decision_path paths[RIB_PATHS_MAX + GONE_MAX];
    uint16_t order[RIB_PATHS_MAX + GONE_MAX];
    uint32_t router_ids[RIB_PATHS_MAX + GONE_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < list->live_count + list->gone_count; i++) {
        struct lived lived;
        if (list_lived(rib, lookup, list, i, &lived) && lived_is_candidate(lookup, &lived) &&
            lived_to_end(lookup, &lived)) {
            router_ids[count] = router_id_of(rib, lookup, list, i);
            alive[count++] = lived.path;
        }
    }
    f->best = NULL;
    if (count == 0)
        return;
    for (unsigned i = 0; i < count; i++)
        paths[i] =
            (struct decision_path){stored_attrs(rib, alive[i]), router_ids[i], alive[i]->path_id};
    decision_sort(paths, count, order);
    f->best = alive[order[0]];
    for (unsigned i = 0; i < count && f->hit; i++) {
        if (has_next_hop(rib, lookup, alive[order[i]])) {
            f->hit = alive[order[i]];
            break;
        }
    }
}

/* The search is made twice, of peers and of views, as most lists are peers' and have short answers. */
static inline __attribute__((always_inline)) struct findings
list_search_in(const struct rib *rib, const struct lookup *lookup, const struct path_list *list,
               bool is_view)
{
    struct findings f = {0};
    bool is_as_now = true;

    for (unsigned i = 0; i < list->live_count; i++) {
        struct lived lived;
        if (is_view ? !view_lived(rib, lookup, list, i, &lived)
                    : !live_lived(rib, lookup, &list->live[i], &lived)) {
            is_as_now = false;
        } else if (lived_is_candidate(lookup, &lived)) {
            findings_add(rib, lookup, &f, &lived);
            is_as_now &=
                lived_to_end(lookup, &lived); /* it counts in the list's order until then */
        } else {
            is_as_now = false;
            findings_add_late(rib, lookup, &f, lived.path);
        }
    }
    for (unsigned i = 0; i < list->gone_count; i++) {
        struct lived lived;
        if (!list_lived(rib, lookup, list, list->live_count + i, &lived))
            continue;
        if (!lived_is_candidate(lookup, &lived)) {
            findings_add_late(rib, lookup, &f, lived.path);
            continue;
        }
        findings_add(rib, lookup, &f, &lived);
        is_as_now &= !lived_to_end(lookup, &lived);
    }
    if (!is_as_now)
        findings_order(rib, lookup, list, &f);
    return f;
}

/* Among paths that stand alike for the flow, those that the router says it uses come before others. */
static void findings_prefer(const struct lookup *lookup, struct findings *f,
                            const struct findings *used)
{
    if (used->best) {
        f->best = used->best;
        if (!lookup->has_next_hop)
            f->alive_count = used->alive_count;
    }
    if (used->hit) {
        f->hit = used->hit;
        f->first_hit = used->first_hit;
        f->hits_differ = used->hits_differ;
    }
    if (used->late) {
        f->late = used->late;
        f->late_count = used->late_count;
        f->late_differ = used->late_differ;
    }
}

static __attribute__((noinline)) struct findings
view_search(const struct rib *rib, const struct lookup *lookup, const struct path_list *list)
{
    struct findings f = list_search_in(rib, lookup, list, true);
    unsigned count = list->live_count + list->gone_count, used_count = 0;

    for (unsigned i = 0; i < count; i++)
        used_count += (list_who(list, i) & WHO_IN_USE) != 0;
    if (used_count == 0 || used_count == count)
        return f;
    struct lookup of_used = *lookup;
    of_used.only_in_use = true;
    const struct findings used = list_search_in(rib, &of_used, list, true);
    findings_prefer(lookup, &f, &used);
    return f;
}

static inline struct findings list_search(const struct rib *rib, const struct lookup *lookup,
                                          const struct path_list *list)
{
    return lookup->is_view ? view_search(rib, lookup, list)
                           : list_search_in(rib, lookup, list, false);
}

/* True if there was a path at every instant of the flow. That is so if `best`, which is alive at its
 * end (NULL: none is), was there before it; else the search goes on from where one path ends to one
 * that is alive there. */
static bool list_lived_through(const struct rib *rib, const struct lookup *lookup,
                               const struct path_list *list, const struct stored_path *best)
{
    int64_t until = wall_ms(lookup->query->from_ns);

    if (lookup->is_replay || (best && path_announced_ms(best) <= until))
        return true;
    for (;;) {
        int64_t next = until;
        for (unsigned i = 0; i < list->live_count + list->gone_count; i++) {
            struct lived lived;
            if (list_lived(rib, lookup, list, i, &lived) && lived_is_candidate(lookup, &lived) &&
                path_announced_ms(lived.path) <= until && lived.withdrawn_ms > next)
                next = lived.withdrawn_ms;
        }
        if (next > lookup->to_ms)
            return true;
        if (next == until)
            return false;
        until = next;
    }
}

/* A prefix that had the flow's next hop while the flow ran, and no path at all at its end. */
struct fallen_prefix {
    const struct stored_path *hit; /* the one that went last; NULL: there is no such prefix */
    unsigned len;
};

static void path_set(const struct rib *rib, struct rib_query *query, const struct stored_path *path,
                     unsigned len)
{
    query->path.attrs = stored_attrs(rib, path);
    query->path.path_id = path->path_id;
    query->path.prefix_len = (uint8_t)len;
}

static void verdict_set(const struct rib *rib, struct rib_query *query, enum path_match match,
                        const struct stored_path *path, unsigned len)
{
    query->match = match;
    path_set(rib, query, path, len);
}

/* Answers where the flow's next hop is among the candidates of a prefix. */
static void answer_hit(const struct rib *rib, struct rib_query *query, const struct findings *f,
                       unsigned len)
{
    query->candidate_paths = f->alive_count;
    if (!f->hit)
        verdict_set(rib, query, PATH_MATCH_HISTORIC, f->gone_hit.path, len);
    else
        verdict_set(rib, query, f->hits_differ ? PATH_MATCH_AMBIGUOUS : PATH_MATCH_EXACT, f->hit,
                    len);
}

/* Answers where the flow's next hop was that of a path of a longer prefix, which had no path left at
 * the flow's end. By then the prefix of `f`, the next that has one, was in force (NULL: none was). */
static void answer_fallen_back(const struct rib *rib, struct rib_query *query,
                               const struct fallen_prefix *fallen, const struct findings *f,
                               unsigned len)
{
    query->candidate_paths = f ? f->alive_count : 0;
    if (!f || !f->hit)
        verdict_set(rib, query, PATH_MATCH_HISTORIC, fallen->hit, fallen->len);
    else if (stored_attrs(rib, f->hit)->agreement == stored_attrs(rib, fallen->hit)->agreement)
        verdict_set(rib, query, PATH_MATCH_EXACT, f->hit, len);
    else
        verdict_set(rib, query, PATH_MATCH_AMBIGUOUS, f->hit, len);
}

/* The two structs keep what a search through one list left for later, without the rest of its
 * findings: those are large, and the search of the next list makes them anew. */
struct found_best {
    const struct stored_path *path; /* the best alive; NULL: nothing was found */
    unsigned alive_count, len;
};
struct found_late {
    const struct stored_path *path; /* the one announced first; NULL: nothing was found */
    unsigned count, len;
    bool differ;
};

/* Answers where no path of the longest prefix has the flow's next hop, or the flow has none. */
static void answer_base(const struct rib *rib, const struct lookup *lookup,
                        const struct found_best *base)
{
    enum path_match match;

    if (lookup->has_next_hop)
        match = lookup->state.has_add_path ? PATH_MATCH_UNMATCHED : PATH_MATCH_DIFFERS;
    else if (!lookup->state.has_add_path)
        match = PATH_MATCH_SINGLE;
    else
        match = base->alive_count == 1 ? PATH_MATCH_SOLE : PATH_MATCH_BEST;
    lookup->query->candidate_paths = base->alive_count;
    verdict_set(rib, lookup->query, match, base->path, base->len);
}

/* Answers by late news: the router's own table was ahead of what it had announced. */
static void answer_late(const struct rib *rib, const struct lookup *lookup,
                        const struct found_late *late)
{
    enum path_match match;

    if (lookup->has_next_hop)
        match = late->differ ? PATH_MATCH_AMBIGUOUS : PATH_MATCH_EXACT;
    else if (!lookup->state.has_add_path)
        match = PATH_MATCH_SINGLE;
    else
        match = late->count == 1 ? PATH_MATCH_SOLE : PATH_MATCH_BEST;
    lookup->query->is_late = true;
    lookup->query->candidate_paths = late->count;
    verdict_set(rib, lookup->query, match, late->path, late->len);
}

/* Answers where no path has the flow's next hop, or the flow has none. False: there is no route
 * either. */
static bool answer_without_hit(const struct rib *rib, const struct lookup *lookup,
                               const struct found_best *base, const struct found_late *late)
{
    if (late->path && (lookup->has_next_hop || !base->path))
        answer_late(rib, lookup, late);
    else if (base->path)
        answer_base(rib, lookup, base);
    else
        return false;
    return true;
}

/* Finds the verdict and its path; false: the peer has no candidate in this table. */
static bool verdict_find(const struct rib *rib, const struct lookup *lookup,
                         struct prefix_walk *walk)
{
    struct rib_query *query = lookup->query;
    struct found_best base = {0}, passed_over = {0};
    struct found_late late = {0};
    struct fallen_prefix fallen = {0};
    bool has_candidate = false, has_current = false;

    for (; walk->value; prefix_walk_next(walk)) {
        const struct path_list *list = list_of(rib, walk->value, query->peer);
        if (!list)
            continue;
        const struct findings findings = list_search(rib, lookup, list), *f = &findings;
        /* Under a more specific prefix that still stands, late news of this one are no answer. */
        if (f->late && !late.path && !has_current)
            late = (struct found_late){f->late, f->late_count, walk->len, f->late_differ};
        has_current |= f->has_current;
        if (f->candidate_count == 0)
            continue;
        has_candidate = true;
        if (fallen.hit) {
            if (f->alive_count == 0)
                continue;
            answer_fallen_back(rib, query, &fallen, f, walk->len);
            return true;
        }
        /* The longest prefix lacks the next hop: a shorter one may have it, but not the default. */
        if (base.path) {
            if (f->hit_count == 0 || walk->len == 0)
                continue;
            if (late.path) {
                answer_late(rib, lookup, &late);
                return true;
            }
            query->candidate_paths = base.alive_count;
            verdict_set(rib, query, PATH_MATCH_COVERING, f->hit ? f->hit : f->gone_hit.path,
                        walk->len);
            return true;
        }
        if (f->hit_count > 0 && f->alive_count == 0) {
            fallen = (struct fallen_prefix){f->gone_hit.path, walk->len};
            continue;
        }
        if (f->hit_count > 0) {
            answer_hit(rib, query, f, walk->len);
            return true;
        }
        if (lookup->has_next_hop ? list_lived_through(rib, lookup, list, f->best)
                                 : f->best != NULL) {
            base = (struct found_best){f->best, f->alive_count, walk->len};
            if (!lookup->has_next_hop || !lookup->state.has_add_path)
                break;
        } else if (f->best && !passed_over.path) {
            passed_over = (struct found_best){f->best, f->alive_count, walk->len};
        }
    }
    if (fallen.hit) {
        answer_fallen_back(rib, query, &fallen, NULL, 0);
        return true;
    }
    /* A route that did not live through the flow is still better than none. */
    if (answer_without_hit(rib, lookup, base.path ? &base : &passed_over, &late))
        return true;
    query->match =
        has_candidate || lookup->state.is_loaded ? PATH_MATCH_NO_ROUTE : PATH_MATCH_NO_RIB;
    return has_candidate;
}

/* Fills in the path that pmacct would, and leaves the verdict as it is. With ADD-PATH pmacct
 * tests the next hop inside the walk over all covering prefixes down to the default route, and
 * among equal ones takes the path that was announced first (here: the lowest path id), or none;
 * without, it takes that of the longest prefix. */
static void answer_pmacct(const struct rib *rib, const struct lookup *lookup,
                          struct prefix_walk *walk)
{
    struct rib_query *query = lookup->query;

    if (!lookup->state.has_add_path || query->any_path)
        return;
    query->path.attrs = NULL;
    for (; walk->value && lookup->has_next_hop; prefix_walk_next(walk)) {
        const struct path_list *list = list_of(rib, walk->value, query->peer);
        struct findings f = {0};
        if (list)
            f = list_search(rib, lookup, list);
        if (f.first_hit) {
            path_set(rib, query, f.first_hit, walk->len);
            return;
        }
    }
}

static bool state_is_usable(struct family_state state)
{
    return state.is_negotiated || state.is_stale;
}

/* Turns the view to the tree to look into; false: there is nothing to look at in that table. */
static bool view_turn_to(const struct rib *rib, struct table_view *view, enum rib_safi safi)
{
    enum rib_family family = view->family == IP_V6 ? RIB_IPV6 : RIB_IPV4;
    const struct rib_table *table = safi == RIB_UNICAST ? rib->unicast : rib->labelled;

    view->tree = NULL;
    view->is_view = false;
    view->safi = safi;
    view->state = (struct family_state){0};
    if (view->peer >= rib->max_peers || view->family == IP_NONE)
        return false;
    view->state = family_state_from(rcu_read(&rib->states[view->peer].families[safi][family]));
    if (!state_is_usable(view->state))
        return false;
    if (safi == RIB_VPN) {
        struct prefix_match rd = {.tree = &rib->rds, .key = {view->rd, 0}};
        prefix_match_batch(&rd, 1);
        table = rd.value ? block_at(rib->pool, rd.value) : NULL;
    }
    view->tree = table ? &table->trees[family] : NULL;
    view->is_view = rcu_read(&rib->states[view->peer].members) != 0;
    return true;
}

static void view_make(const struct rib *rib, const struct rib_query *query, struct table_view *view)
{
    view->peer = query->peer;
    view->rd = query->rd;
    view->family = query->address.family;
    if (view->rd != 0)
        view_turn_to(rib, view, RIB_VPN);
    else if (!view_turn_to(rib, view, RIB_UNICAST))
        view_turn_to(rib, view, RIB_LABELLED);
    view->is_stale = view->state.is_stale;
    view->is_loading = state_is_usable(view->state) && !view->state.is_loaded;
    view->is_usual = view->tree && view->state.oldest == view->state.current;
}

static inline bool view_is_of(const struct table_view *view, const struct rib_query *query)
{
    return view->peer == query->peer && view->rd == query->rd &&
           view->family == query->address.family;
}

/* Does as ip_addr_is_zero(), mostly without a call: a mapped IPv4 address in an IPv6 field is
 * rare enough to make one. */
static inline bool addr_is_zero(const struct ip_addr *addr)
{
    if (addr->family == IP_V4)
        return wire_u32(addr->bytes + 12) == 0;
    return ip_addr_is_zero(addr);
}

static inline struct lookup lookup_make(struct rib_query *query, const struct table_view *view)
{
    bool is_replay = query->from_ns == 0 && query->to_ns == 0;

    return (struct lookup){
        .query = query,
        .state = view->state,
        .safi = view->safi,
        .family = view->family == IP_V6 ? RIB_IPV6 : RIB_IPV4,
        .is_view = view->is_view,
        .is_replay = is_replay,
        .to_ms = is_replay ? INT64_MAX : wall_ms(query->to_ns),
        .late_ms = is_replay ? INT64_MAX : wall_ms(query->to_ns + query->late_ns),
        .has_next_hop = !query->any_path && !addr_is_zero(&query->next_hop),
        .tag = query->equality ? TAG_ANY : next_hop_tag(&query->next_hop),
    };
}

/* Starts a walk over the prefixes of less than `len` bits that have the query's address. */
static void walk_below(struct prefix_walk *walk, unsigned len)
{
    prefix_walk_batch(walk, 1);
    while (walk->value && walk->len >= len)
        prefix_walk_next(walk);
}

/* Answers one query by all rules; the walk is over prefixes of less than `len` bits. */
static void lookup_by_rules(const struct rib *rib, enum rib_policy policy, struct rib_query *query,
                            const struct table_view *view, struct prefix_walk *walk, unsigned len)
{
    struct lookup lookup = lookup_make(query, view);
    struct prefix_walk again = *walk;

    query->match = PATH_MATCH_NO_RIB;
    query->path.attrs = NULL;
    query->candidate_paths = 0;
    query->is_late = false;
    query->is_stale = view->is_stale;
    query->is_loading = view->is_loading;
    if (!state_is_usable(view->state))
        return;
    if (verdict_find(rib, &lookup, walk) || view->safi != RIB_UNICAST) {
        if (policy == RIB_POLICY_PMACCT)
            answer_pmacct(rib, &lookup, &again);
        return;
    }
    /* The unicast table has nothing at all; the labelled one may know. */
    enum path_match match = query->match;
    struct table_view labelled = *view;
    if (view_turn_to(rib, &labelled, RIB_LABELLED)) {
        labelled.is_stale = labelled.state.is_stale;
        labelled.is_loading = !labelled.state.is_loaded || view->is_loading;
        walk->tree = labelled.tree;
        walk_below(walk, len);
        lookup_by_rules(rib, policy, query, &labelled, walk, len);
        if (match == PATH_MATCH_NO_RIB && query->match == PATH_MATCH_NO_ROUTE)
            query->match = match;
    }
}

/*
 * Returns the path that is the answer in the usual case: the list has paths of one generation, none
 * is withdrawn, all are candidates, and one alone seems to have the flow's next hop, or the flow
 * has none. NULL: the rules decide, which costs more.
 */
static inline const struct stored_path *find_path(const struct lookup *lookup,
                                                  const struct path_list *list)
{
    const struct stored_path *end = list->live + list->live_count, *found = list->live;
    uint64_t generation = (uint64_t)lookup->state.oldest << 56;
    int64_t until_ms = lookup->to_ms < PATH_MS_MAX ? lookup->to_ms : PATH_MS_MAX;
    uint64_t latest = 0;
    unsigned hit_count = 0;

    if (list->gone_count > 0 || until_ms < 0 || found == end)
        return NULL;
    /* The loop has no branches: one on which path it is would be mispredicted. A path of another
     * generation comes out later than any time. */
    for (const struct stored_path *path = found; path < end; path++) {
        uint64_t announced = path->facts - generation;
        bool is_hit = path_tag(path) == lookup->tag;
        latest = announced > latest ? announced : latest;
        hit_count += is_hit;
        found = is_hit ? path : found;
    }
    if (latest >> 14 > (uint64_t)until_ms)
        return NULL;
    if (!lookup->has_next_hop)
        return list->live;
    return hit_count == 1 ? found : NULL;
}

/* A query in the usual case. */
struct choice {
    const struct path_list *list;
    const struct stored_path *path; /* NULL: it is not the usual case */
    const struct path_attrs *attrs; /* of the path */
};

/* A list of four paths is one line; a shorter one may begin near the end of a line. */
static inline void prefetch_list(const struct path_list *list)
{
    __builtin_prefetch(list);
    __builtin_prefetch((const char *)list + CACHE_LINE / 2);
}

/* Answers a query in the usual case; false: the path, found by its tag, has another next hop
 * after all. */
static inline bool answer_usual(const struct rib *rib, struct rib_query *query,
                                const struct table_view *view, const struct choice *choice,
                                unsigned len)
{
    query->is_stale = view->is_stale;
    query->is_loading = view->is_loading;
    query->is_late = false;
    if (query->any_path || addr_is_zero(&query->next_hop)) {
        const struct lookup lookup = lookup_make(query, view);
        const struct found_best base = {choice->path, choice->list->live_count, len};
        answer_base(rib, &lookup, &base);
        return true;
    }
    if (!ip_addr_equal(&choice->attrs->next_hop, &query->next_hop))
        return false;
    query->path.attrs = choice->attrs;
    query->path.path_id = choice->path->path_id;
    query->path.prefix_len = (uint8_t)len;
    query->match = PATH_MATCH_EXACT;
    query->candidate_paths = choice->list->live_count;
    return true;
}

/* Finds the list of each query's peer under the longest prefix: the one that stands in the tree,
 * or, where several peers have the prefix, the one that their index names. Then loads the set of
 * the path that will most likely be the answer. (gcc 12 takes a function that does nothing but
 * prefetch for a pure one and drops the call, so that this one also has to find the path.) */
static inline void choices_make(const struct rib *rib, struct rib_query *queries,
                                const struct table_view *const *views,
                                const struct prefix_match *matches, size_t count,
                                struct choice *choices)
{
    for (size_t i = 0; i < count; i++) {
        choices[i].list = list_at(rib, matches[i].value); /* 0: an empty one */
        prefetch_list(choices[i].list);
    }
    for (size_t i = 0; i < count; i++) {
        const struct path_list *list = choices[i].list;
        if (list->kind != BLOCK_INDEX)
            continue;
        const struct peer_place *place = index_find((const void *)list, queries[i].peer);
        choices[i].list = list_at(rib, place ? rcu_read(&place->list) : 0);
        prefetch_list(choices[i].list);
    }
    for (size_t i = 0; i < count; i++) {
        struct choice *choice = &choices[i];
        choice->path = NULL;
        if (!views[i]->is_usual || choice->list->peer != queries[i].peer)
            continue;
        const struct lookup lookup = lookup_make(&queries[i], views[i]);
        choice->path = find_path(&lookup, choice->list);
        if (!choice->path)
            continue;
        choice->attrs = stored_attrs(rib, choice->path);
        __builtin_prefetch(choice->attrs);
    }
}

/* Answers the queries that are not usual, which `indexes` names. */
static void answer_by_rules(const struct rib *rib, enum rib_policy policy,
                            struct rib_query *queries, const struct table_view *const *views,
                            const uint8_t *indexes, size_t count)
{
    struct prefix_walk walks[QUERIES_TOGETHER];

    for (size_t i = 0; i < count; i++) {
        walks[i].tree = views[indexes[i]]->tree;
        walks[i].key = prefix_key_make(&queries[indexes[i]].address);
    }
    prefix_walk_batch(walks, count);
    for (size_t i = 0; i < count; i++)
        lookup_by_rules(rib, policy, &queries[indexes[i]], views[indexes[i]], &walks[i], ALL_LENS);
}

void rib_lookup_shorter(const struct rib *rib, enum rib_policy policy, struct rib_query *query,
                        unsigned len)
{
    struct table_view view;
    struct prefix_walk walk;

    view_make(rib, query, &view);
    walk.tree = view.tree;
    walk.key = prefix_key_make(&query->address);
    walk_below(&walk, len);
    lookup_by_rules(rib, policy, query, &view, &walk, len);
}

/* Whether the path of the list is the one that was found. */
static bool is_path_found(const struct rib *rib, const struct lookup *lookup,
                          const struct path_list *list, unsigned index)
{
    const struct rib_path *found = &lookup->query->path;
    struct lived lived;

    return view_lived(rib, lookup, list, index, &lived) && lived.path->path_id == found->path_id &&
           stored_attrs(rib, lived.path) == found->attrs;
}

bool rib_view_path_origin(const struct rib *rib, struct rib_query *query,
                          struct rib_path_origin *ret_origin)
{
    struct table_view view;
    struct prefix_walk walk;

    view_make(rib, query, &view);
    for (int tables = 0; tables < 2 && view.is_view && query->path.attrs; tables++) {
        const struct lookup lookup = lookup_make(query, &view);
        walk.tree = view.tree;
        walk.key = prefix_key_make(&query->address);
        walk_below(&walk, query->path.prefix_len + 1u);
        const struct path_list *list = walk.value && walk.len == query->path.prefix_len
                                           ? list_of(rib, walk.value, query->peer)
                                           : NULL;
        for (unsigned i = 0; list && i < list->live_count + list->gone_count; i++) {
            if (!is_path_found(rib, &lookup, list, i))
                continue;
            uint16_t who = list_who(list, i);
            uint32_t post = member_owner(view_members_of(rib, query->peer, who), who, WHO_POST);
            struct family_state after = family_state_from(
                rcu_read(&owner_state(rib, post)->families[lookup.safi][lookup.family]));
            *ret_origin = (struct rib_path_origin){.member = who & WHO_MEMBER,
                                                   .is_in_use = who & WHO_IN_USE,
                                                   .is_pre = !state_is_usable(after)};
            return true;
        }
        /* The labelled table answers where the unicast one has nothing. */
        if (view.safi != RIB_UNICAST || !view_turn_to(rib, &view, RIB_LABELLED))
            break;
    }
    return false;
}

/* Returns the view that a query needs, made if no other query of its group needed it before. */
static const struct table_view *view_of(const struct rib *rib, const struct rib_query *query,
                                        struct table_view *views, size_t *view_count)
{
    for (size_t i = 0; i < *view_count; i++) {
        if (view_is_of(&views[i], query))
            return &views[i];
    }
    view_make(rib, query, &views[*view_count]);
    return &views[(*view_count)++];
}

/*
 * A lookup is a chain of cache misses: bit maps of the node, its slot, the peer's list of paths,
 * the path's set. All queries of a group take each step before any takes the next, so that the
 * misses of a step overlap.
 */
static void lookup_group(const struct rib *rib, enum rib_policy policy, struct rib_query *queries,
                         size_t count)
{
    struct prefix_match matches[QUERIES_TOGETHER];
    struct table_view made[QUERIES_TOGETHER];
    const struct table_view *views[QUERIES_TOGETHER];
    struct choice choices[QUERIES_TOGETHER];
    uint8_t unusual[QUERIES_TOGETHER];
    size_t made_count = 0, unusual_count = 0;

    for (size_t i = 0; i < count; i++) {
        if (i > 0 && view_is_of(views[i - 1], &queries[i]))
            views[i] = views[i - 1];
        else
            views[i] = view_of(rib, &queries[i], made, &made_count);
        matches[i].tree = views[i]->tree;
        matches[i].key = prefix_key_make(&queries[i].address);
    }
    prefix_match_batch(matches, count);
    choices_make(rib, queries, views, matches, count, choices);
    for (size_t i = 0; i < count; i++) {
        if (policy != RIB_POLICY_NORMAL || !choices[i].path ||
            !answer_usual(rib, &queries[i], views[i], &choices[i], matches[i].len))
            unusual[unusual_count++] = (uint8_t)i;
    }
    if (unusual_count > 0)
        answer_by_rules(rib, policy, queries, views, unusual, unusual_count);
}

void rib_lookup_batch(const struct rib *rib, enum rib_policy policy, struct rib_query *queries,
                      size_t query_count)
{
    for (size_t done = 0; done < query_count; done += QUERIES_TOGETHER)
        lookup_group(rib, policy, queries + done,
                     query_count - done < QUERIES_TOGETHER ? query_count - done : QUERIES_TOGETHER);
}
