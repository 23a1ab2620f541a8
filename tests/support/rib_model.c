/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The model is a list of all lives of all paths. It is searched from one end to the other,
 * millisecond by millisecond where that is the question. See rib_model.h. */
#include "support/rib_model.h"
#include "base/memory.h"
#include "bgp/decision.h"
#include "bgp/rib_view.h"
#include "support/check.h"
#include "support/rib_fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PEERS = 4, /* the last one has no ADD-PATH */
    VIEW = 2,  /* is a view, whose members come and go together */
    MEMBERS = 3,
    FILLER_PEER = PEERS, /* has prefixes that nobody asks for */
    RDS = 3,             /* 0: unicast */
    LIVES_MAX = 20000,
    HISTORY_MS = 1000,
    ALWAYS = 0,
};
#define STILL INT64_MAX
/* In the model the name of a view's path has the member above the path id. */
#define NAME_OF(member, id) ((uint32_t)(member) << 16 | (id))
#define MEMBER_OF(name)     ((name) >> 16)
#define ID_OF(name)         ((name)&0xffffu)

static const char *const prefixes[] = {
    "0.0.0.0/0",       "10.0.0.0/8",        "10.1.0.0/16",         "10.1.0.0/17",
    "10.1.2.0/24",     "10.1.2.128/25",     "10.1.2.129/32",       "2001:db8::/32",
    "2001:db8:1::/48", "2001:db8:1:2::/64", "2001:db8:1:2::9/128", "::/0",
};
static const char *const addresses[] = {"10.1.2.129",      "10.1.2.130",    "10.1.2.3",
                                        "10.1.200.1",      "10.77.0.1",     "192.0.2.1",
                                        "2001:db8:1:2::9", "2001:db8:1::1", "2001:db8:9::1"};
static const char *const next_hops[] = {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", NULL};

struct life {
    unsigned peer, rd, prefix;
    uint32_t path_id; /* NAME_OF() */
    bool is_in_use;
    struct path_facts facts;
    int64_t announced, withdrawn;
    unsigned generation, order; /* of its session; of its withdrawal */
    bool was_kept;              /* over a session's end */
    int64_t told;               /* when the RIB heard that it went */
};

struct rib_model {
    struct rib_fixture fixture;
    unsigned seen[PATH_MATCH_COUNT];
    struct life lives[LIVES_MAX];
    unsigned count, withdrawals;
    unsigned filler; /* paths of FILLER_PEER */
    bool is_up[PEERS], is_stale[PEERS], is_loaded[PEERS], was_loaded[PEERS];
    bool is_returning[PEERS]; /* stale paths stand until the table is loaded */
    unsigned generation[PEERS];
    int64_t broken[PEERS]; /* when the last session ended */
    bool keeps;
    int64_t now;
    struct ip_prefix prefixes[sizeof prefixes / sizeof prefixes[0]];
};

static uint32_t choose(struct rib_choices *from)
{
    if (from->data) {
        if (from->left == 0)
            return 0;
        from->left--;
        return *from->data++;
    }
    from->state = from->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(from->state >> 33);
}
#define PICK(from, array) ((array)[choose(from) % (sizeof(array) / sizeof((array)[0]))])

static bool facts_equal(const struct path_facts *a, const struct path_facts *b)
{
    return a->next_hop == b->next_hop && a->neighbour == b->neighbour &&
           a->local_pref == b->local_pref && a->med == b->med && a->as_path_len == b->as_path_len;
}

/* Returns whether facts agree in all but the next hop. */
static bool facts_agree(const struct path_facts *a, const struct path_facts *b)
{
    struct path_facts other = *b;
    other.next_hop = a->next_hop;
    return facts_equal(a, &other);
}

static void life_erase(struct rib_model *m, unsigned at)
{
    m->lives[at] = m->lives[--m->count];
}

static struct life *life_find(struct rib_model *m, unsigned peer, unsigned rd, unsigned prefix,
                              uint32_t id)
{
    for (unsigned i = 0; i < m->count; i++) {
        struct life *l = &m->lives[i];
        if (l->peer == peer && l->rd == rd && l->prefix == prefix && l->path_id == id &&
            l->withdrawn == STILL)
            return l;
    }
    return NULL;
}

static void life_end(struct rib_model *m, struct life *l, int64_t at)
{
    if (l->announced >= at) {
        life_erase(m, (unsigned)(l - m->lives));
        return;
    }
    l->withdrawn = at;
    l->told = m->now;
    l->order = ++m->withdrawals;
}

static bool life_is_of(const struct life *l, unsigned peer, unsigned rd, unsigned prefix)
{
    return l->peer == peer && l->rd == rd && l->prefix == prefix;
}

/* Returns whether the prefix had a path when the session broke. */
static bool prefix_was_there(const struct rib_model *m, unsigned peer, unsigned rd, unsigned prefix)
{
    for (unsigned i = 0; i < m->count; i++) {
        const struct life *l = &m->lives[i];
        if (life_is_of(l, peer, rd, prefix) &&
            ((l->withdrawn != STILL && l->withdrawn > m->now - HISTORY_MS) ||
             (l->withdrawn == STILL &&
              (l->was_kept || l->announced != ALWAYS || l->generation != m->generation[peer]))))
            return true;
    }
    return false;
}

/* Finds the path of the broken session that says the same: one that stands, by the lowest id, else
 * the first whose id another one took. */
static struct life *kept_find(struct rib_model *m, unsigned peer, unsigned rd, unsigned prefix,
                              const struct path_facts *facts)
{
    struct life *stands = NULL, *left = NULL;

    for (unsigned i = 0; i < m->count; i++) {
        struct life *l = &m->lives[i];
        if (!life_is_of(l, peer, rd, prefix) || !facts_equal(&l->facts, facts))
            continue;
        if (l->withdrawn == STILL && l->generation != m->generation[peer] &&
            (!stands || l->path_id < stands->path_id))
            stands = l;
        if (l->withdrawn == m->broken[peer] && l->withdrawn > m->now - HISTORY_MS &&
            (!left || l->order < left->order))
            left = l;
    }
    return stands ? stands : left;
}

static void model_announce(struct rib_model *m, unsigned peer, unsigned rd, unsigned prefix,
                           uint32_t id, const struct path_facts *facts, bool is_in_use)
{
    struct life *old = life_find(m, peer, rd, prefix, id);
    bool is_returning = m->is_returning[peer];
    bool was_there = prefix_was_there(m, peer, rd, prefix);
    bool is_news = old && old->generation == m->generation[peer];
    struct life *kept;
    struct life made = {.peer = peer,
                        .rd = rd,
                        .prefix = prefix,
                        .path_id = id,
                        .is_in_use = is_in_use,
                        .facts = *facts,
                        .withdrawn = STILL,
                        .generation = m->generation[peer]};

    if (old && facts_equal(&old->facts, facts)) {
        old->is_in_use = is_in_use;
        old->was_kept |= !is_news;
        old->generation = m->generation[peer];
        return;
    }
    if (!is_returning || is_news)
        made.announced = m->was_loaded[peer] || old ? m->now : ALWAYS;
    else
        made.announced = was_there || peer == VIEW ? m->broken[peer] : ALWAYS;
    /* Names of a view's paths outlive a bounce. */
    kept = is_returning && peer != VIEW ? kept_find(m, peer, rd, prefix, facts) : NULL;
    if (kept) {
        made.announced = kept->announced;
        made.was_kept = true;
        life_erase(m, (unsigned)(kept - m->lives));
    }
    old = life_find(m, peer, rd, prefix, id);
    if (old)
        life_end(m, old, is_returning && !is_news ? m->broken[peer] : m->now);
    CHECK(m->count < LIVES_MAX);
    m->lives[m->count++] = made;
}

static void model_down(struct rib_model *m, unsigned peer)
{
    m->is_up[peer] = false;
    m->is_stale[peer] = m->keeps;
    m->broken[peer] = m->now;
    for (unsigned i = m->count; i-- > 0 && !m->keeps;) {
        if (m->lives[i].peer == peer)
            life_erase(m, i);
    }
}

static void model_loaded(struct rib_model *m, unsigned peer)
{
    m->is_loaded[peer] = m->was_loaded[peer] = true;
    m->is_returning[peer] = false;
    for (unsigned i = m->count; i-- > 0;) {
        if (m->lives[i].peer == peer && m->lives[i].withdrawn == STILL &&
            m->lives[i].generation != m->generation[peer])
            life_end(m, &m->lives[i], m->broken[peer]);
    }
    for (unsigned i = 0; i < m->count; i++) {
        if (m->lives[i].peer == peer && m->lives[i].told == m->now)
            m->lives[i].told = STILL; /* until the sweep comes by */
    }
}

static void model_forget(struct rib_model *m)
{
    for (unsigned i = m->count; i-- > 0;) {
        if (m->lives[i].told == STILL)
            m->lives[i].told = m->now;
        if (m->lives[i].withdrawn != STILL && m->lives[i].told <= m->now - HISTORY_MS)
            life_erase(m, i);
    }
}

/* A query as the model is asked it. */
struct question {
    unsigned peer, rd;
    unsigned only_member; /* of the view: its number and 1; 0: all */
    struct ip_addr address;
    const char *next_hop;
    bool is_mapped;   /* paths of the next hop before it in next_hops[] are exported with it too */
    int64_t from, to; /* both 0: replay */
    int64_t late;
};
struct verdict {
    enum path_match match;
    const struct life *life;
    bool is_late;
    const struct life
        *fallen; /* of the next hop, of a prefix that went; exact or ambiguous compares with it */
};

static bool life_is_asked(const struct question *q, const struct life *l)
{
    return q->only_member == 0 || MEMBER_OF(l->path_id) + 1 == q->only_member;
}
static bool life_is_candidate(const struct question *q, const struct life *l)
{
    if (!life_is_asked(q, l))
        return false;
    if (q->to == 0)
        return l->withdrawn == STILL;
    return l->announced <= q->to && l->withdrawn > q->from;
}
static bool life_is_alive_at_end(const struct question *q, const struct life *l)
{
    return q->to == 0 ? l->withdrawn == STILL : l->announced <= q->to && q->to < l->withdrawn;
}
/* Returns the one after a next hop, NULL after the last. */
static const char *next_hop_after(const char *next_hop)
{
    for (size_t i = 0; next_hops[i]; i++)
        if (strcmp(next_hops[i], next_hop) == 0)
            return next_hops[i + 1];
    return NULL;
}
/* The same question, as the RIB asks it. */
static bool is_exported_as_the_next(const void *arg, const struct ip_addr *router,
                                    const struct ip_addr *path_next_hop,
                                    const struct ip_addr *exported)
{
    char text[IP_TEXT_LEN];
    struct ip_addr addr;

    CHECK(arg == next_hops && router->family == IP_V6);
    ip_addr_format(path_next_hop, text);
    const char *after = next_hop_after(text);
    return after && ip_addr_parse(after, &addr) == 0 && ip_addr_equal(&addr, exported);
}
static bool life_is_hit(const struct question *q, const struct life *l)
{
    return q->next_hop && (l->facts.next_hop == q->next_hop ||
                           (q->is_mapped && next_hop_after(l->facts.next_hop) == q->next_hop));
}

/* Finds the candidates of the peer and prefix; returns how many there are. */
static unsigned candidates_of(const struct rib_model *m, const struct question *q, unsigned prefix,
                              const struct life **found)
{
    unsigned count = 0;
    for (unsigned i = 0; i < m->count; i++) {
        const struct life *l = &m->lives[i];
        if (l->peer == q->peer && l->rd == q->rd && l->prefix == prefix && life_is_candidate(q, l))
            found[count++] = l;
    }
    return count;
}

/* Finds the path that is first in decision order among those alive at the end that have the next
 * hop, or among all of these without hits_only. */
static const struct life *best_alive_of(struct rib_fixture *f, const struct question *q,
                                        const struct life **candidates, unsigned count,
                                        bool hits_only, bool used_only)
{
    enum { ALIVE_MAX = 512 };
    struct decision_path paths[ALIVE_MAX];
    const struct life *lives[ALIVE_MAX];
    unsigned alive = 0;

    for (unsigned i = 0; i < count; i++) {
        const struct life *l = candidates[i];
        if (!life_is_alive_at_end(q, l) || (used_only && !l->is_in_use))
            continue;
        CHECK(alive < ALIVE_MAX);
        lives[alive] = l;
        paths[alive++] =
            (struct decision_path){rib_fixture_attrs(f, &l->facts),
                                   1000 + q->peer + MEMBER_OF(l->path_id), ID_OF(l->path_id)};
    }
    while (alive > 0) {
        size_t best = decision_best(paths, alive);
        if (!hits_only || life_is_hit(q, lives[best]))
            return lives[best];
        paths[best] = paths[--alive];
        lives[best] = lives[alive];
    }
    return NULL;
}

/* The same; those that the router uses come first. */
static const struct life *best_alive(struct rib_fixture *f, const struct question *q,
                                     const struct life **candidates, unsigned count, bool hits_only)
{
    const struct life *used = best_alive_of(f, q, candidates, count, hits_only, true);

    return used ? used : best_alive_of(f, q, candidates, count, hits_only, false);
}

static const struct life *last_gone_hit(const struct question *q, const struct life **candidates,
                                        unsigned count)
{
    const struct life *last = NULL;
    for (unsigned i = 0; i < count; i++) {
        if (life_is_hit(q, candidates[i]) && candidates[i]->withdrawn != STILL &&
            (!last || candidates[i]->withdrawn > last->withdrawn ||
             (candidates[i]->withdrawn == last->withdrawn && candidates[i]->order > last->order)))
            last = candidates[i];
    }
    return last;
}

static bool lived_through(const struct question *q, const struct life **candidates, unsigned count)
{
    for (int64_t t = q->from; t <= q->to && q->to != 0; t++) {
        bool is_alive = false;
        for (unsigned i = 0; i < count && !is_alive; i++)
            is_alive = candidates[i]->announced <= t && t < candidates[i]->withdrawn;
        if (!is_alive)
            return false;
    }
    return true;
}

static bool life_is_late(const struct question *q, const struct life *l)
{
    return life_is_asked(q, l) && q->to != 0 && l->announced > q->to &&
           l->announced <= q->to + q->late && (!q->next_hop || life_is_hit(q, l));
}

/* Finds the path that was announced of the prefix soon after the flow's end. */
static struct verdict late_of(const struct rib_model *m, const struct question *q, unsigned prefix)
{
    const struct life *first = NULL;
    unsigned count = 0;
    bool differs = false, is_any_used = false;

    for (unsigned i = 0; i < m->count; i++) {
        const struct life *l = &m->lives[i];
        is_any_used |= life_is_of(l, q->peer, q->rd, prefix) && life_is_late(q, l) && l->is_in_use;
    }
    for (unsigned i = 0; i < m->count; i++) {
        const struct life *l = &m->lives[i];
        if (!life_is_of(l, q->peer, q->rd, prefix) || !life_is_late(q, l) ||
            (is_any_used && !l->is_in_use))
            continue;
        count++;
        differs |= first && !facts_agree(&first->facts, &l->facts);
        if (!first || l->announced < first->announced)
            first = l;
    }
    if (q->next_hop)
        return (struct verdict){differs ? PATH_MATCH_AMBIGUOUS : PATH_MATCH_EXACT, first, true,
                                NULL};
    if (q->peer == PEERS - 1)
        return (struct verdict){PATH_MATCH_SINGLE, first, true, NULL};
    return (struct verdict){count == 1 ? PATH_MATCH_SOLE : PATH_MATCH_BEST, first, true, NULL};
}

/* Answers by the rules of the verdicts, one after the other. */
static struct verdict model_ask(struct rib_fixture *f, const struct rib_model *m,
                                const struct question *q)
{
    static const struct life *found[LIVES_MAX];
    bool has_add_path = q->peer != PEERS - 1;
    const struct life *base = NULL, *passed_over = NULL, *fallen = NULL;
    unsigned base_alive = 0, passed_over_alive = 0;
    struct verdict late = {0};
    bool any = false, still_stands = false, is_found = false;

    if (!m->is_up[q->peer] && !m->is_stale[q->peer])
        return (struct verdict){PATH_MATCH_NO_RIB, NULL, false, NULL};
    for (int len = 128; len >= 0 && !is_found; len--) {
        for (unsigned p = 0; p < sizeof prefixes / sizeof prefixes[0]; p++) {
            if (m->prefixes[p].len != len || !ip_prefix_contains(&m->prefixes[p], &q->address))
                continue;
            unsigned count = candidates_of(m, q, p, found);
            if (!late.life && !still_stands)
                late = late_of(m, q, p);
            for (unsigned i = 0; i < count; i++)
                still_stands |= found[i]->withdrawn == STILL;
            if (count == 0)
                continue;
            any = true;
            const struct life *hit = best_alive(f, q, found, count, true);
            const struct life *gone = last_gone_hit(q, found, count);
            bool is_any_alive = best_alive(f, q, found, count, false) != NULL;
            if (fallen && !is_any_alive)
                continue;
            if (fallen && !hit)
                return (struct verdict){PATH_MATCH_HISTORIC, fallen, false, NULL};
            if (fallen)
                return (struct verdict){facts_agree(&hit->facts, &fallen->facts)
                                            ? PATH_MATCH_EXACT
                                            : PATH_MATCH_AMBIGUOUS,
                                        hit, false, fallen};
            if (base) {
                if (len > 0 && (hit || gone))
                    return late.life ? late
                                     : (struct verdict){PATH_MATCH_COVERING, hit ? hit : gone,
                                                        false, NULL};
                continue;
            }
            if (!hit && gone && !is_any_alive) {
                fallen = gone;
                continue;
            }
            if (!hit && gone)
                return (struct verdict){PATH_MATCH_HISTORIC, gone, false, NULL};
            if (hit) {
                bool agree = true;
                for (unsigned i = 0; i < count; i++)
                    agree &= !life_is_hit(q, found[i]) ||
                             (hit->is_in_use && !found[i]->is_in_use) ||
                             facts_agree(&found[i]->facts, &hit->facts);
                return (struct verdict){agree ? PATH_MATCH_EXACT : PATH_MATCH_AMBIGUOUS, hit, false,
                                        NULL};
            }
            const struct life *best = best_alive(f, q, found, count, false);
            unsigned alive = 0;
            for (unsigned i = 0; i < count; i++)
                alive += life_is_alive_at_end(q, found[i]) &&
                         (!best || !best->is_in_use || found[i]->is_in_use);
            if (q->next_hop ? lived_through(q, found, count) : best != NULL) {
                base = best;
                base_alive = alive;
                is_found = !q->next_hop || !has_add_path; /* no shorter one is of interest */
            } else if (best && !passed_over) {
                passed_over = best;
                passed_over_alive = alive;
            }
        }
    }
    if (fallen)
        return (struct verdict){PATH_MATCH_HISTORIC, fallen, false, NULL};
    if (!base) {
        base = passed_over;
        base_alive = passed_over_alive;
    }
    if (late.life && (!base || q->next_hop))
        return late;
    if (!base)
        return (struct verdict){any || m->is_loaded[q->peer] ? PATH_MATCH_NO_ROUTE
                                                             : PATH_MATCH_NO_RIB,
                                NULL, false, NULL};
    if (q->next_hop)
        return (struct verdict){has_add_path ? PATH_MATCH_UNMATCHED : PATH_MATCH_DIFFERS, base,
                                false, NULL};
    if (!has_add_path)
        return (struct verdict){PATH_MATCH_SINGLE, base, false, NULL};
    return (struct verdict){base_alive == 1 ? PATH_MATCH_SOLE : PATH_MATCH_BEST, base, false, NULL};
}

static bool attrs_have(const struct path_attrs *attrs, const struct path_facts *facts)
{
    struct ip_addr next_hop;

    CHECK(ip_addr_parse(facts->next_hop, &next_hop) == 0);
    return ip_addr_equal(&attrs->next_hop, &next_hop) && attrs->first_as == facts->neighbour &&
           attrs->local_pref == facts->local_pref && attrs->med == facts->med &&
           attrs->as_path_len == facts->as_path_len;
}

/* Returns whether the path that was found is another one that went, or came, in the same
 * millisecond. */
static bool is_tie(const struct rib_model *m, const struct question *q,
                   const struct verdict *expected, const struct rib_query *got)
{
    for (unsigned i = 0; i < m->count; i++) {
        const struct life *l = &m->lives[i];
        if (life_is_of(l, q->peer, q->rd, expected->life->prefix) &&
            (!q->next_hop || life_is_hit(q, l)) && ID_OF(l->path_id) == got->path.path_id &&
            attrs_have(got->path.attrs, &l->facts) &&
            (expected->is_late
                 ? l->announced == expected->life->announced
                 : l->withdrawn != STILL && l->withdrawn == expected->life->withdrawn))
            return true;
    }
    return false;
}

/* Lives of one path id overlap only if they count as always there, before the table was loaded, or
 * if a bounce dealt the ids anew. Which of them is the answer is open then, if nothing tells them
 * apart. */
static bool has_no_twin(const struct rib_model *m, const struct question *q,
                        const struct life *life)
{
    for (unsigned i = 0; i < m->count; i++) {
        const struct life *l = &m->lives[i];
        if (l != life && l->peer == life->peer && l->rd == life->rd && l->prefix == life->prefix &&
            l->path_id == life->path_id && life_is_candidate(q, l) &&
            l->announced < life->withdrawn && life->announced < l->withdrawn)
            return false;
    }
    return true;
}

/* Returns whether the path that was found says the same as the expected one, and such a path outlived a
 * bounce: which of several goes on under which id is open. */
static bool is_dealt_anew(const struct rib_model *m, const struct life *expected,
                          const struct rib_query *got)
{
    for (unsigned i = 0; i < m->count; i++) {
        const struct life *l = &m->lives[i];
        if (life_is_of(l, expected->peer, expected->rd, expected->prefix) && l->was_kept &&
            facts_equal(&l->facts, &expected->facts))
            return attrs_have(got->path.attrs, &expected->facts);
    }
    return false;
}

/* Returns whether another path of the next hop went in the same millisecond as the one that the verdict
 * compares with, and gives that other verdict: which of them was the last is open. */
static bool is_open_by_tie(const struct rib_model *m, const struct question *q,
                           const struct verdict *expected, enum path_match match)
{
    const struct life *fallen = expected->fallen;

    for (unsigned i = 0; i < m->count; i++) {
        const struct life *l = &m->lives[i];
        if (l != fallen && life_is_of(l, q->peer, q->rd, fallen->prefix) && life_is_hit(q, l) &&
            life_is_candidate(q, l) && l->withdrawn == fallen->withdrawn &&
            facts_agree(&l->facts, &expected->life->facts) == (match == PATH_MATCH_EXACT))
            return true;
    }
    return false;
}

/* Returns whether the verdict compares with a path that has a twin, or that went together with another
 * one, so that it is open too. */
static bool is_open(const struct rib_model *m, const struct question *q,
                    const struct verdict *expected, enum path_match match)
{
    return expected->fallen && (match == PATH_MATCH_EXACT || match == PATH_MATCH_AMBIGUOUS) &&
           (!has_no_twin(m, q, expected->life) || is_open_by_tie(m, q, expected, match));
}

void rib_model_ask(struct rib_model *m, struct rib_choices *from)
{
    struct rib_fixture *f = &m->fixture;

    enum { QUESTIONS = 40 };
    struct question questions[QUESTIONS];
    struct rib_query queries[QUESTIONS] = {0};
    static const struct rib_equality equality = {is_exported_as_the_next, next_hops};
    static const struct ip_addr router = {.family = IP_V6};

    for (unsigned i = 0; i < QUESTIONS; i++) {
        struct question *q = &questions[i];
        q->peer = choose(from) % PEERS;
        q->rd = choose(from) % RDS;
        q->only_member = q->peer == VIEW && choose(from) % 4 == 0 ? 1 + choose(from) % MEMBERS : 0;
        q->next_hop = PICK(from, next_hops);
        CHECK(ip_addr_parse(PICK(from, addresses), &q->address) == 0);
        q->to = choose(from) % 8 == 0 ? 0 : m->now - choose(from) % 60;
        q->from = q->to == 0 ? 0 : q->to - choose(from) % 40;
        q->late = choose(from) % 2 * 25;
        queries[i] = (struct rib_query){.peer = q->peer,
                                        .rd = q->rd,
                                        .only_member = q->only_member,
                                        .address = q->address,
                                        .from_ns = q->from * NS_PER_MS,
                                        .to_ns = q->to * NS_PER_MS,
                                        .late_ns = q->late * NS_PER_MS};
        if (q->next_hop)
            CHECK(ip_addr_parse(q->next_hop, &queries[i].next_hop) == 0);
        q->is_mapped = q->next_hop && i % 4 == 3;
        if (q->is_mapped) {
            queries[i].equality = &equality;
            queries[i].router = &router;
        }
    }
    rib_lookup_batch(f->rib, RIB_POLICY_NORMAL, queries, QUESTIONS);
    for (unsigned i = 0; i < QUESTIONS; i++) {
        struct verdict expected = model_ask(f, m, &questions[i]);
        const struct rib_query *got = &queries[i];
        if (got->match != expected.match && !is_open(m, &questions[i], &expected, got->match)) {
            fprintf(stderr, "%s instead of %s, now %ld from %ld to %ld\n",
                    path_matches[got->match].text, path_matches[expected.match].text, (long)m->now,
                    (long)questions[i].from, (long)questions[i].to);
            abort();
        }
        m->seen[got->match]++;
        if (!expected.life) {
            CHECK(!got->path.attrs);
            continue;
        }
        CHECK(got->is_late == expected.is_late);
        if (got->is_late)
            m->seen[0]++;
        struct ip_prefix prefix = rib_query_prefix(got);
        CHECK(ip_prefix_equal(&prefix, &m->prefixes[expected.life->prefix]));
        if (is_tie(m, &questions[i], &expected, got) || is_dealt_anew(m, expected.life, got))
            continue;
        CHECK(got->path.path_id == ID_OF(expected.life->path_id));
        if (has_no_twin(m, &questions[i], expected.life))
            CHECK(got->path.attrs == rib_fixture_attrs(f, &expected.life->facts));
    }
}

static void withdraw_path(struct rib_fixture *f, struct rib_model *m, unsigned peer,
                          struct rib_choices *from) ON_THREAD(bgp_thread);
static void withdraw_path(struct rib_fixture *f, struct rib_model *m, unsigned peer,
                          struct rib_choices *from)
{
    unsigned rd = choose(from) % RDS;
    unsigned prefix = choose(from) % (sizeof prefixes / sizeof prefixes[0]);
    uint32_t id = peer == PEERS - 1 ? 0 : 1 + choose(from) % 5;
    unsigned member = peer == VIEW ? choose(from) % MEMBERS : 0;
    struct rib_nlri nlri = {.rd = rd, .prefix = m->prefixes[prefix], .path_id = id};
    struct life *l = life_find(m, peer, rd, prefix, NAME_OF(member, id));
    enum rib_safi safi = rd == 0 ? RIB_UNICAST : RIB_VPN;
    struct wall_time now = {m->now * NS_PER_MS};
    const struct rib_member_source source = {
        .slot = peer, .member = (uint16_t)member, .is_post = true};

    CHECK((peer == VIEW ? rib_view_withdraw(f->rib, &source, safi, &nlri, 1, now)
                        : rib_withdraw(f->rib, peer, safi, &nlri, 1, now)) == (l ? 0 : 1));
    if (l)
        life_end(m, l, m->now);
}

/* Announces paths of one prefix, or of several with the same attributes, which then may share
 * lists. */
static void announce_paths(struct rib_fixture *f, struct rib_model *m, unsigned peer,
                           struct rib_choices *from) ON_THREAD(bgp_thread);
static void announce_paths(struct rib_fixture *f, struct rib_model *m, unsigned peer,
                           struct rib_choices *from)
{
    enum { TOGETHER = 20 };
    struct path_facts facts = {.next_hop = next_hops[choose(from) % 4],
                               .neighbour = 7 + choose(from) % 2,
                               .local_pref = 100 + choose(from) % 4 / 3,
                               .med = choose(from) % 3,
                               .as_path_len = (uint16_t)(1 + choose(from) % 3 / 2)};
    struct rib_nlri nlri[TOGETHER];
    unsigned count = choose(from) % 4 ? 1 : 1 + choose(from) % TOGETHER;
    uint32_t id = 1 + choose(from) % 5;
    bool is_vpn = choose(from) % RDS != 0;
    unsigned member = peer == VIEW ? choose(from) % MEMBERS : 0;
    const struct rib_member_source source = {.slot = peer,
                                             .member = (uint16_t)member,
                                             .is_post = true,
                                             .is_in_use = peer == VIEW && choose(from) % 3 == 0};
    enum rib_safi safi = is_vpn ? RIB_VPN : RIB_UNICAST;
    struct wall_time now = {m->now * NS_PER_MS};

    for (unsigned i = 0; i < count; i++) {
        unsigned rd = is_vpn ? 1 + choose(from) % (RDS - 1) : 0;
        unsigned prefix = choose(from) % (sizeof prefixes / sizeof prefixes[0]);
        if (choose(from) % 8 == 0)
            id = 1 + choose(from) % 5;
        nlri[i] = (struct rib_nlri){
            .rd = rd, .prefix = m->prefixes[prefix], .path_id = peer == PEERS - 1 ? 0 : id};
        model_announce(m, peer, rd, prefix, NAME_OF(member, nlri[i].path_id), &facts,
                       source.is_in_use);
    }
    struct path_attrs *attrs = rib_fixture_attrs(f, &facts);
    CHECK((peer == VIEW ? rib_view_announce(f->rib, &source, safi, nlri, count, attrs, now)
                        : rib_announce(f->rib, peer, safi, nlri, count, attrs, now)) == 0);
}

static void change_path(struct rib_fixture *f, struct rib_model *m, struct rib_choices *from)
    ON_THREAD(bgp_thread);
static void change_path(struct rib_fixture *f, struct rib_model *m, struct rib_choices *from)
{
    unsigned peer = choose(from) % PEERS;

    if (!m->is_up[peer])
        return;
    if (choose(from) % 5 < 3) /* of one path: more often, as announcements are of several */
        withdraw_path(f, m, peer, from);
    else
        announce_paths(f, m, peer, from);
}

static void peer_up(struct rib_fixture *f, struct rib_model *m, unsigned peer)
    ON_THREAD(bgp_thread);
static void peer_up(struct rib_fixture *f, struct rib_model *m, unsigned peer)
{
    struct rib_session session = {.router_id = 1000 + peer};

    for (int family = 0; family < RIB_FAMILY_COUNT; family++) {
        session.is_negotiated[RIB_UNICAST][family] = session.is_negotiated[RIB_VPN][family] = true;
        session.has_add_path[RIB_UNICAST][family] = session.has_add_path[RIB_VPN][family] =
            peer != PEERS - 1;
    }
    for (uint16_t member = 0; peer == VIEW && member < MEMBERS; member++) {
        session.router_id = 1000 + peer + member;
        rib_view_table_up(f->rib, VIEW, member, true, &session, (struct mono_time){0});
    }
    if (peer != VIEW)
        rib_peer_up(f->rib, peer, &session, (struct mono_time){0});
    m->is_up[peer] = true;
    m->is_loaded[peer] = false;
    m->is_returning[peer] = m->is_stale[peer] || m->is_returning[peer];
    m->generation[peer]++;
}

/* Finds who has sessions for a slot: the peer, or members of the view. Returns how many. */
static unsigned owners_of(struct rib_fixture *f, unsigned peer, uint32_t owners[MEMBERS])
    ON_THREAD(bgp_thread);
static unsigned owners_of(struct rib_fixture *f, unsigned peer, uint32_t owners[MEMBERS])
{
    owners[0] = peer;
    for (uint16_t member = 0; peer == VIEW && member < MEMBERS; member++)
        owners[member] = rib_view_table(f->rib, VIEW, member, true);
    return peer == VIEW ? MEMBERS : 1;
}

static void change_session(struct rib_fixture *f, struct rib_model *m, unsigned peer)
    ON_THREAD(bgp_thread);
static void change_session(struct rib_fixture *f, struct rib_model *m, unsigned peer)
{
    uint32_t owners[MEMBERS];
    unsigned owner_count = owners_of(f, peer, owners);
    struct wall_time now = {m->now * NS_PER_MS};

    if (!m->is_up[peer]) {
        peer_up(f, m, peer);
        return;
    }
    bool is_loading = !m->is_loaded[peer];
    for (unsigned i = 0; i < owner_count; i++) {
        for (int family = 0; is_loading && family < RIB_FAMILY_COUNT; family++) {
            rib_end_of_rib(f->rib, owners[i], RIB_UNICAST, family, now);
            rib_end_of_rib(f->rib, owners[i], RIB_VPN, family, now);
        }
        if (!is_loading)
            rib_peer_down(f->rib, owners[i], true, now, (struct mono_time){0});
    }
    if (is_loading)
        model_loaded(m, peer);
    else
        model_down(m, peer);
}

/* Counts the prefixes of a peer that have a path. */
static unsigned prefixes_of(const struct rib_model *m, unsigned peer)
{
    bool has_path[RDS][sizeof prefixes / sizeof prefixes[0]] = {0};
    unsigned count = 0;

    for (unsigned i = 0; i < m->count; i++) {
        const struct life *l = &m->lives[i];
        if (l->peer != peer || l->withdrawn != STILL || has_path[l->rd][l->prefix])
            continue;
        has_path[l->rd][l->prefix] = true;
        count++;
    }
    return count;
}

static void counts_agree(struct rib_fixture *f, const struct rib_model *m) ON_THREAD(bgp_thread);
static void counts_agree(struct rib_fixture *f, const struct rib_model *m)
{
    struct rib_statistics statistics;
    uint64_t paths = 0, history_paths = 0, due_paths = 0;

    for (unsigned i = 0; i < m->count; i++) {
        paths += m->lives[i].withdrawn == STILL;
        history_paths += m->lives[i].withdrawn != STILL;
        due_paths += m->lives[i].withdrawn <= m->now - HISTORY_MS;
    }
    for (unsigned peer = 0; peer < PEERS; peer++)
        CHECK(rib_peer_counts(f->rib, peer).prefixes == prefixes_of(m, peer));
    rib_statistics(f->rib, &statistics);
    CHECK(statistics.paths == paths + m->filler);
    /* The RIB is told late of what a broken session left, so that may stay so much longer. */
    CHECK(statistics.history_paths >= history_paths - due_paths &&
          statistics.history_paths <= history_paths);
    CHECK(statistics.history_evicted == 0);
}

struct rib_model *rib_model_new(bool keeps)
{
    struct rib_model *m = mem_zalloc(sizeof *m);

    rib_fixture_init(&m->fixture, &(struct rib_settings){.max_peers = PEERS + 1,
                                                         .max_members = MEMBERS,
                                                         .history_s = HISTORY_MS / 1000,
                                                         .history_max = 100000,
                                                         .peer_down_keep_s = keeps ? 1000000 : 0});
    rib_view_begin(m->fixture.rib, VIEW, true);
    for (unsigned i = 0; i < MEMBERS; i++) {
        uint16_t member;
        CHECK(rib_view_add_member(m->fixture.rib, VIEW, &member) == 0 && member == i);
    }
    m->now = 1000000;
    m->keeps = keeps;
    for (unsigned p = 0; p < sizeof prefixes / sizeof prefixes[0]; p++)
        CHECK(ip_prefix_parse(prefixes[p], &m->prefixes[p]) == 0);
    return m;
}

void rib_model_free(struct rib_model *m)
{
    struct rib_fixture *f = &m->fixture;
    uint32_t owners[MEMBERS];

    for (unsigned i = owners_of(f, VIEW, owners); i-- > 0;) {
        rib_peer_down(f->rib, owners[i], false, (struct wall_time){0}, (struct mono_time){0});
        rib_peer_forget(f->rib, owners[i]);
    }
    rib_sweep(f->rib);
    rib_fixture_tick(f, INT64_MAX / NS_PER_MS / 2, INT64_MAX / NS_PER_MS / 2);
    CHECK(rib_peer_release(f->rib, VIEW));
    rib_fixture_clear(f);
    mem_free(m);
}

void rib_model_change(struct rib_model *m, struct rib_choices *from)
{
    m->now += choose(from) % 3;
    if (choose(from) % 150 == 0)
        change_session(&m->fixture, m, choose(from) % PEERS);
    else
        change_path(&m->fixture, m, from);
}

void rib_model_tick(struct rib_model *m)
{
    rib_fixture_tick(&m->fixture, m->now, 0);
    model_forget(m);
    counts_agree(&m->fixture, m);
}

void rib_model_fill(struct rib_model *m, unsigned count)
{
    struct rib_fixture *f = &m->fixture;

    rib_fixture_up(f, FILLER_PEER, true);
    struct path_attrs *attrs = rib_fixture_attrs(f, &(struct path_facts){.next_hop = "10.9.9.9"});

    for (unsigned i = 0; i < count; i++) {
        const uint8_t bytes[4] = {(uint8_t)(200 + (i >> 16)), (uint8_t)(i >> 8), (uint8_t)i, 0};
        struct rib_nlri nlri = {.prefix = {ip_addr_v4(bytes), 24}};
        CHECK(rib_announce(f->rib, FILLER_PEER, RIB_UNICAST, &nlri, 1, attrs,
                           (struct wall_time){m->now * NS_PER_MS}) == 0);
    }
    m->filler = count;
}

void rib_model_unfill(struct rib_model *m)
{
    rib_fixture_down(&m->fixture, FILLER_PEER, m->now);
    rib_fixture_tick(&m->fixture, m->now, 0);
    model_forget(m);
    m->filler = 0;
}

unsigned rib_model_seen(const struct rib_model *m, enum path_match match)
{
    return m->seen[match];
}
