/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers as birdwatcher 2 does, as far as Alice-LG reads it. Every answer begins with an envelope:
 * {"api": {"Version", "result_from_cache", "cache_status": {"cached_at": {"date"}}}, "ttl"}. Times are
 * UTC: those of the envelope as 2006-01-02T15:04:05Z, others as 2006-01-02 15:04:05.
 */
#include "daemon/birdwatcher.h"
#include "base/clock.h"
#include "base/memory.h"
#include "bgp/bgp.h"
#include "bgp/rib_show.h"
#include "daemon/birdwatcher_route.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SLICE_PREFIXES = 16,   /* between two looks at how much there is */
    SLICE_MAX = 2048,      /* prefixes in one part of an answer */
    PART_BYTES = 16 << 10, /* of an answer: then its reader has its turn */
    COUNT_SLICE = 1024,    /* prefixes between two rests of the count */
    PROTOCOLS_SLICE = 64,  /* sessions in one part of an answer */
};
#define COUNTS_AGE_NS (60 * NS_PER_S) /* how old counts of routes may be */

/* Holds how many prefixes have so many paths of a session. */
struct rank_counts {
    uint32_t rank_count;
    uint64_t counts[RIB_PATHS_MAX];
};

/* The four tables without a route distinguisher, one after the other. */
struct tables_walk {
    unsigned table;
    struct rib_scan scan;
};
enum { TABLES = 4 };

/* A count of all paths, under way or over. */
struct route_count {
    unsigned users;             /* the birdwatcher, and answers that show it */
    struct bgp_peers *peers;    /* as of its begin */
    struct rank_counts *counts; /* by place in `peers` */
    struct tables_walk walk;
    int64_t begun_ns, over_ns; /* of clock_mono() */
    int64_t over_wall_ns;
};

struct birdwatcher {
    const struct statistics_sources *sources;
    struct route_count *last, *running; /* NULL: none */
};

static void route_count_release(struct route_count *c)
{
    if (!c || --c->users > 0)
        return;
    mem_free(c->peers);
    mem_free(c->counts);
    mem_free(c);
}

struct birdwatcher *birdwatcher_new(const struct statistics_sources *sources)
{
    struct birdwatcher *b = mem_zalloc(sizeof *b);

    b->sources = sources;
    return b;
}

void birdwatcher_free(struct birdwatcher *b)
{
    if (!b)
        return;
    route_count_release(b->last);
    route_count_release(b->running);
    mem_free(b);
}

/* ---- the form ---- */

static void append_time_with(struct text *out, int64_t ns, char between, const char *end)
{
    time_t s = (time_t)(ns / NS_PER_S);
    struct tm tm;

    gmtime_r(&s, &tm);
    text_append_printf(out, "\"%04d-%02d-%02d%c%02d:%02d:%02d%s\"", tm.tm_year + 1900,
                       tm.tm_mon + 1, tm.tm_mday, between, tm.tm_hour, tm.tm_min, tm.tm_sec, end);
}

static void append_time(struct text *out, int64_t ns)
{
    append_time_with(out, ns, 'T', "Z");
}

static void append_short_time(struct text *out, int64_t ns)
{
    append_time_with(out, ns, ' ', "");
}

static void append_envelope(struct text *out, bool is_from_cache, int64_t made_ns, int64_t ttl_ns)
{
    text_append_printf(out, "{\"api\":{\"Version\":\"pathacct %s\",\"result_from_cache\":%s,",
                       PATHACCT_VERSION, is_from_cache ? "true" : "false");
    text_append_string(out, "\"cache_status\":{\"cached_at\":{\"date\":");
    append_time(out, made_ns);
    text_append_string(out, ",\"timezone_type\":\"UTC\",\"timezone\":\"UTC\"}}},\"ttl\":");
    append_time(out, made_ns + ttl_ns);
    text_append_char(out, ',');
}

static void answer_error(struct control_answer *answer, unsigned status, const char *error)
{
    answer->status = status;
    text_append_string(&answer->body, "{\"error\":");
    text_append_json_string(&answer->body, error, strlen(error));
    text_append_string(&answer->body, "}\n");
}

/* ---- neighbours ---- */

/* Returns a copy, as what follows rests while it walks. */
static struct bgp_peers *peers_copy(const struct bgp *bgp)
{
    static const struct bgp_peers none;
    const struct bgp_peers *peers = bgp ? bgp_peers(bgp) : NULL;
    size_t size;

    if (!peers)
        peers = &none;
    size = sizeof *peers + peers->count * sizeof peers->peers[0];
    struct bgp_peers *copy = mem_alloc(size);
    memcpy(copy, peers, size);
    copy->expected = NULL;
    copy->expected_count = 0;
    return copy;
}

static void append_id_of(struct text *out, const char *address)
{
    for (const char *c = address; *c; c++)
        text_append_char(out, *c == '.' || *c == ':' ? '_' : *c);
}

static void format_router_id(uint32_t id, char text[IP_TEXT_LEN])
{
    struct ip_addr address = ip_addr_v4((const uint8_t[]){(uint8_t)(id >> 24), (uint8_t)(id >> 16),
                                                          (uint8_t)(id >> 8), (uint8_t)id});

    ip_addr_format(&address, text);
}

/* Appends the name of a session; where another one before it has its address, with its router id. */
static void append_session(struct text *out, const struct bgp_peers *peers, uint32_t place)
{
    char text[IP_TEXT_LEN];
    bool is_second = false;

    for (uint32_t i = 0; i < place; i++)
        is_second |= ip_addr_equal(&peers->peers[i].address, &peers->peers[place].address);
    ip_addr_format(&peers->peers[place].address, text);
    text_append_char(out, 'R');
    append_id_of(out, text);
    if (is_second) {
        format_router_id(peers->peers[place].router_id, text);
        text_append_string(out, "_id_");
        append_id_of(out, text);
    }
}

static void append_rank(struct text *out, const char *between, uint32_t rank)
{
    if (rank > 0)
        text_append_printf(out, "%s%u", between, rank + 1);
}

/* A neighbour: one rank of one session. */
struct neighbour {
    uint32_t place, rank; /* place in the copy of the snapshot */
};

static bool neighbour_find(const struct bgp_peers *peers, const char *id, struct neighbour *ret)
{
    static const char between[] = "_path_";
    struct text name = {0};
    bool is_found = false;

    for (uint32_t i = 0; i < peers->count && !is_found; i++) {
        text_reset(&name);
        append_session(&name, peers, i);
        if (strncmp(id, text_cstr(&name), name.len) != 0)
            continue;
        const char *rest = id + name.len;
        char *end;
        *ret = (struct neighbour){.place = i};
        if (strncmp(rest, between, sizeof between - 1) == 0) {
            unsigned long rank = strtoul(rest + sizeof between - 1, &end, 10);
            ret->rank = (uint32_t)rank - 1;
            is_found = *end == '\0' && rank >= 2 && rank <= RIB_PATHS_MAX;
        } else {
            is_found = *rest == '\0';
        }
    }
    text_clear(&name);
    return is_found;
}

/* ---- all tables ---- */

static void tables_begin(struct tables_walk *walk, unsigned table)
{
    walk->table = table;
    walk->scan = (struct rib_scan){.rib = walk->scan.rib,
                                   .peer = walk->scan.peer,
                                   .safi = table / 2 ? RIB_LABELLED : RIB_UNICAST,
                                   .family = table % 2 ? RIB_IPV6 : RIB_IPV4};
}

static bool tables_some(struct tables_walk *walk, unsigned prefix_count, rib_scan_fn *fn, void *arg)
{
    if (rib_scan_some(&walk->scan, prefix_count, fn, arg))
        return true;
    if (walk->table + 1 == TABLES)
        return false;
    tables_begin(walk, walk->table + 1);
    return true;
}

static void count_path(void *arg, const struct ip_prefix *prefix, const struct rib_shown *path)
{
    struct route_count *c = arg;
    const struct bgp_peer_info *peer = bgp_peers_find(c->peers, path->peer);

    (void)prefix;
    if (!peer || path->rank >= RIB_PATHS_MAX)
        return;
    struct rank_counts *counts = &c->counts[peer - c->peers->peers];
    counts->counts[path->rank]++;
    if (path->rank >= counts->rank_count)
        counts->rank_count = path->rank + 1;
}

static struct route_count *route_count_new(const struct bgp *bgp)
{
    struct route_count *c = mem_zalloc(sizeof *c);

    c->users = 1;
    c->peers = peers_copy(bgp);
    c->counts = mem_calloc((size_t)c->peers->count + 1, sizeof *c->counts);
    c->begun_ns = clock_mono().ns;
    c->walk.scan.peer = RIB_SCAN_ALL;
    if (bgp) {
        c->walk.scan.rib = bgp_rib(bgp);
        tables_begin(&c->walk, 0);
    }
    return c;
}

/* Goes on with a count, for some prefixes: a full table takes a fifth of a second and more, and others have their turn in
 * between. One that nobody has waited for is begun anew. */
static void count_some(struct birdwatcher *b)
{
    const struct bgp *bgp = b->sources->crew->bgp;

    if (b->running && clock_mono().ns - b->running->begun_ns >= COUNTS_AGE_NS) {
        route_count_release(b->running);
        b->running = NULL;
    }
    if (!b->running)
        b->running = route_count_new(bgp);
    if (bgp && tables_some(&b->running->walk, COUNT_SLICE, count_path, b->running)) {
        rcu_quiescent(b->sources->reader);
        return;
    }
    rcu_quiescent(b->sources->reader);
    b->running->over_ns = clock_mono().ns;
    b->running->over_wall_ns = clock_wall().ns;
    route_count_release(b->last);
    b->last = b->running;
    b->running = NULL;
}

static bool is_fresh(const struct birdwatcher *b)
{
    const struct bgp *bgp = b->sources->crew->bgp;
    const struct bgp_peers *peers = bgp ? bgp_peers(bgp) : NULL;

    return b->last && b->last->peers->generation == (peers ? peers->generation : 0) &&
           clock_mono().ns - b->last->over_ns < COUNTS_AGE_NS;
}

/* ---- status and protocols ---- */

static void answer_status(struct birdwatcher *b, struct control_answer *answer)
{
    const struct statistics_sources *s = b->sources;
    struct text *out = &answer->body;
    int64_t now_ns = clock_wall().ns;

    append_envelope(out, false, now_ns, 0);
    text_append_string(out, "\"status\":{\"current_server\":");
    append_short_time(out, now_ns);
    text_append_string(out, ",\"last_reboot\":");
    append_short_time(out, s->started_ns);
    text_append_string(out, ",\"last_reconfig\":");
    append_short_time(out, s->started_ns);
    text_append_printf(out, ",\"version\":\"pathacct %s\",\"message\":\"%s\"}}\n", PATHACCT_VERSION,
                       s->crew->bgp ? "this daemon collects routes and announces none"
                                    : "bgp_daemon is off: there are no sessions");
}

static void append_error(struct text *out, const struct bgp_peer_info *peer)
{
    text_append_string(out, ",\"last_error\":");
    text_append_json_string(out, peer->last_error,
                            strnlen(peer->last_error, sizeof peer->last_error));
}

static void append_protocol(struct text *out, const struct route_count *b, uint32_t place,
                            uint32_t rank)
{
    const struct bgp_peer_info *peer = &b->peers->peers[place];
    const struct rank_counts *counts = &b->counts[place];
    bool is_up = peer->state == BGP_PEER_ESTABLISHED;
    uint64_t routes = rank < counts->rank_count ? counts->counts[rank] : 0;
    char address[IP_TEXT_LEN], router_id[IP_TEXT_LEN];

    ip_addr_format(&peer->address, address);
    format_router_id(peer->router_id, router_id);
    text_append_string(out, "{\"protocol\":\"");
    append_session(out, b->peers, place);
    append_rank(out, "_path_", rank);
    text_append_printf(out, "\",\"bird_protocol\":\"BGP\",\"table\":\"master\",\"state\":\"%s\",",
                       is_up ? "up" : "down");
    text_append_printf(out, "\"bgp_state\":\"%s\",\"connection\":\"%s\",\"description\":\"%s",
                       is_up ? "Established" : "Idle", is_up ? "Established" : "down", address);
    append_rank(out, " path ", rank);
    text_append_printf(out,
                       "\",\"neighbor_address\":\"%s\",\"neighbor_as\":%u,\"neighbor_id\":\"%s\"",
                       address, peer->as, router_id);
    text_append_string(out, ",\"state_changed\":");
    append_short_time(out, peer->established_ns);
    text_append_printf(out,
                       ",\"routes\":{\"imported\":%llu,\"filtered\":0,\"exported\":0,"
                       "\"preferred\":%llu}",
                       (unsigned long long)routes, (unsigned long long)(rank == 0 ? routes : 0));
    append_error(out, peer);
    text_append_char(out, '}');
}

static void append_short_protocol(struct text *out, const struct route_count *b, uint32_t place)
{
    const struct bgp_peer_info *peer = &b->peers->peers[place];
    bool is_up = peer->state == BGP_PEER_ESTABLISHED;

    text_append_printf(out, "{\"proto\":\"BGP\",\"table\":\"master\",\"state\":\"%s\",\"since\":",
                       is_up ? "up" : "down");
    append_short_time(out, peer->established_ns);
    text_append_printf(out, ",\"info\":\"%s\"}", is_up ? "Established" : "Idle");
}

/* An answer under way. */
struct protocols_answer {
    struct birdwatcher *birdwatcher;
    struct route_count *counted; /* NULL: it waits for the count */
    int64_t asked_ns;            /* of clock_mono() */
    bool is_short, is_from_cache, is_first;
    uint32_t place; /* of the next session */
};

static void protocols_answer_free(void *arg)
{
    struct protocols_answer *p = arg;

    route_count_release(p->counted);
    mem_free(p);
}

/* Appends a session: as many neighbours as it has ranks, and one if it has no path. */
static void append_session_protocols(struct protocols_answer *p, struct text *out)
{
    const struct route_count *c = p->counted;

    for (uint32_t rank = 0; rank == 0 || rank < c->counts[p->place].rank_count; rank++) {
        text_append_string(out, p->is_first ? "\"" : ",\"");
        append_session(out, c->peers, p->place);
        append_rank(out, "_path_", rank);
        text_append_string(out, "\":");
        if (p->is_short)
            append_short_protocol(out, c, p->place);
        else
            append_protocol(out, c, p->place, rank);
        p->is_first = false;
    }
    p->place++;
}

/* True: the answer has a count, and its beginning is there. */
static bool begin_protocols(struct protocols_answer *p, struct text *out)
{
    struct birdwatcher *b = p->birdwatcher;

    if (!p->is_from_cache && (!b->last || b->last->over_ns < p->asked_ns))
        count_some(b);
    if (!b->last || (!p->is_from_cache && b->last->over_ns < p->asked_ns))
        return false;
    p->counted = b->last;
    p->counted->users++;
    append_envelope(out, p->is_from_cache, p->counted->over_wall_ns, COUNTS_AGE_NS);
    text_append_string(out, "\"protocols\":{");
    return true;
}

/* Makes the next part: white space while the count goes on, then some sessions. */
static bool more_protocols(void *arg, struct text *out)
{
    struct protocols_answer *p = arg;

    if (!p->counted && !begin_protocols(p, out)) {
        text_append_char(out, '\n');
        return true;
    }
    for (unsigned i = 0; i < PROTOCOLS_SLICE && p->place < p->counted->peers->count; i++)
        append_session_protocols(p, out);
    if (p->place < p->counted->peers->count)
        return true;
    text_append_string(out, "}}\n");
    return false;
}

static void answer_protocols(struct birdwatcher *b, struct control_answer *answer, bool is_short)
{
    struct protocols_answer *p = mem_zalloc(sizeof *p);

    p->birdwatcher = b;
    p->asked_ns = clock_mono().ns;
    p->is_short = is_short;
    p->is_from_cache = is_fresh(b);
    p->is_first = true;
    answer->more = more_protocols;
    answer->more_end = protocols_answer_free;
    answer->more_arg = p;
}

/* ---- routes ---- */

/* An answer under way, which its reader may outlast the birdwatcher's counts with. */
struct routes_answer {
    const struct statistics_sources *sources;
    struct bgp_peers *peers;
    struct tables_walk walk;
    bool has_rank; /* only paths of this one */
    uint32_t rank;
    bool is_first, is_over;
    struct text *out; /* of the call under way */
};

static void routes_answer_free(void *arg)
{
    struct routes_answer *r = arg;

    mem_free(r->peers);
    mem_free(r);
}

static void append_route(struct routes_answer *r, const struct ip_prefix *prefix,
                         const struct rib_shown *path)
{
    const struct bgp_peer_info *peer = bgp_peers_find(r->peers, path->peer);

    /* A session that is newer than the snapshot shows in the next answer. */
    if (!peer || path->rank == UINT32_MAX || (r->has_rank && path->rank != r->rank))
        return;
    uint32_t place = (uint32_t)(peer - r->peers->peers);
    char text[IP_PREFIX_TEXT_LEN];

    ip_prefix_format(prefix, text);
    text_append_printf(r->out, "%s{\"network\":\"%s\",\"from_protocol\":\"", r->is_first ? "" : ",",
                       text);
    append_session(r->out, r->peers, place);
    append_rank(r->out, "_path_", path->rank);
    text_append_string(r->out, "\",\"age\":");
    append_short_time(r->out,
                      path->announced_ms ? path->announced_ms * NS_PER_MS : peer->established_ns);
    ip_addr_format(&peer->address, text);
    text_append_printf(r->out, ",\"learnt_from\":\"%s\",\"primary\":%s,", text,
                       path->rank == 0 ? "true" : "false");
    birdwatcher_route_append(r->out, path);
    text_append_char(r->out, '}');
    r->is_first = false;
}

static void take_route(void *arg, const struct ip_prefix *prefix, const struct rib_shown *path)
{
    append_route(arg, prefix, path);
}

/* Makes the next part: of some KB, or white space, so that the reader sees that it goes on. */
static bool more_routes(void *arg, struct text *out)
{
    struct routes_answer *r = arg;

    r->out = out;
    for (unsigned prefixes = 0; !r->is_over && prefixes < SLICE_MAX && out->len < PART_BYTES;
         prefixes += SLICE_PREFIXES)
        r->is_over = !tables_some(&r->walk, SLICE_PREFIXES, take_route, r);
    rcu_quiescent(r->sources->reader);
    text_append_string(out, r->is_over ? "]}\n" : out->len == 0 ? "\n" : "");
    return !r->is_over;
}

static void answer_no_routes(struct control_answer *answer)
{
    append_envelope(&answer->body, false, clock_wall().ns, 0);
    text_append_string(&answer->body, "\"routes\":[]}\n");
}

/* Tells a whole table, of one neighbour or of all (NULL). Takes the copy of the snapshot. */
static void answer_routes(struct birdwatcher *b, struct bgp_peers *peers,
                          const struct neighbour *neighbour, struct control_answer *answer)
{
    const struct bgp *bgp = b->sources->crew->bgp;
    struct routes_answer *r;

    if (!bgp) {
        mem_free(peers);
        answer_no_routes(answer);
        return;
    }
    r = mem_zalloc(sizeof *r);
    r->sources = b->sources;
    r->peers = peers;
    r->is_first = true;
    r->walk.scan.rib = bgp_rib(bgp);
    r->walk.scan.peer = neighbour ? r->peers->peers[neighbour->place].index : RIB_SCAN_ALL;
    r->has_rank = neighbour != NULL;
    r->rank = neighbour ? neighbour->rank : 0;
    tables_begin(&r->walk, 0);
    append_envelope(&answer->body, false, clock_wall().ns, 0);
    text_append_string(&answer->body, "\"routes\":[");
    answer->more = more_routes;
    answer->more_end = routes_answer_free;
    answer->more_arg = r;
}

struct prefix_answer {
    struct routes_answer routes;
    struct ip_prefix prefix;
};

static void take_shown(void *arg, const struct rib_shown *path)
{
    struct prefix_answer *p = arg;

    append_route(&p->routes, &p->prefix, path);
}

/* Tells all paths of the longest prefix that contains what is asked for. */
static void answer_prefix(struct birdwatcher *b, const char *asked, struct control_answer *answer)
{
    const struct bgp *bgp = b->sources->crew->bgp;
    struct prefix_answer p = {.routes = {.is_first = true, .out = &answer->body}};
    struct ip_prefix prefix = {.len = 128};
    uint8_t lens[RIB_SHOW_LENS];

    if (!asked || (ip_prefix_parse(asked, &prefix) < 0 && ip_addr_parse(asked, &prefix.addr) < 0)) {
        answer_error(answer, 400, "prefix=192.0.2.0/24 or an address");
        return;
    }
    if (!bgp) {
        answer_no_routes(answer);
        return;
    }
    p.routes.peers = peers_copy(bgp);
    append_envelope(&answer->body, false, clock_wall().ns, 0);
    text_append_string(&answer->body, "\"routes\":[");
    for (unsigned safi = RIB_UNICAST; safi <= RIB_LABELLED && p.routes.is_first; safi++) {
        size_t count = rib_show_covering(bgp_rib(bgp), safi, 0, &prefix.addr, lens);
        for (size_t i = 0; i < count && p.routes.is_first; i++) {
            struct rib_show show = {.rib = bgp_rib(bgp), .safi = safi};
            if (lens[i] > prefix.len)
                continue;
            p.prefix = (struct ip_prefix){ip_addr_mask(&prefix.addr, lens[i]), lens[i]};
            show.prefix = p.prefix;
            while (rib_show_some(&show, SLICE_PREFIXES, take_shown, &p))
                rcu_quiescent(b->sources->reader);
            rcu_quiescent(b->sources->reader);
        }
    }
    text_append_string(&answer->body, "]}\n");
    mem_free(p.routes.peers);
}

/* ---- dispatch ---- */

/* Returns what follows `start` in a path; NULL: it does not begin so. */
static const char *after(const char *path, const char *start)
{
    size_t len = strlen(start);

    return strncmp(path, start, len) == 0 ? path + len : NULL;
}

static bool is_table(const char *name)
{
    return strcmp(name, "master") == 0;
}

static void answer_neighbour(struct birdwatcher *b, const char *id, bool has_routes,
                             struct control_answer *answer)
{
    struct bgp_peers *peers = peers_copy(b->sources->crew->bgp);
    struct neighbour neighbour;

    bool is_there = neighbour_find(peers, id, &neighbour);
    if (is_there && has_routes) {
        answer_routes(b, peers, &neighbour, answer);
        return;
    }
    mem_free(peers);
    if (is_there)
        answer_no_routes(answer); /* a collector filters nothing, and exports nothing */
    else
        answer_error(answer, 404, "there is no such session; /protocols/bgp lists them");
}

void birdwatcher_answer(struct birdwatcher *b, const struct control_request *request,
                        struct control_answer *answer)
{
    const char *path = request->path, *id;

    THREAD_ASSERT(control_thread);
    answer->type = "application/json";
    if (strcmp(path, "/status") == 0)
        answer_status(b, answer);
    else if (strcmp(path, "/protocols/short") == 0)
        answer_protocols(b, answer, true);
    else if (strcmp(path, "/protocols") == 0 || strcmp(path, "/protocols/bgp") == 0)
        answer_protocols(b, answer, false);
    else if (strcmp(path, "/routes/prefix") == 0)
        answer_prefix(b, control_parameter(request, "prefix"), answer);
    else if ((id = after(path, "/routes/protocol/")))
        answer_neighbour(b, id, true, answer);
    else if ((id = after(path, "/routes/filtered/")) || (id = after(path, "/routes/noexport/")))
        answer_neighbour(b, id, false, answer);
    else if ((id = after(path, "/routes/table/")) && is_table(id))
        answer_routes(b, peers_copy(b->sources->crew->bgp), NULL, answer);
    else if (id && strcmp(id, "master/filtered") == 0)
        answer_no_routes(answer);
    else
        answer_error(answer, 404, id ? "the one table is master" : "there is no such page");
}
