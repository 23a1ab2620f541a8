/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The functions that a router's messages lead to: peers come and go, and their routes go into the RIB. See bmp_tables.h. */
#include "base/memory.h"
#include "base/text.h"
#include "bgp/rib_view.h"
#include "bmp/bmp_tables_private.h"
#include <inttypes.h>

#define OFFSET_WINDOW_S 600
#define BATCH           128 /* NLRI that are written anew for a VRF */

/* ---- the router's clock ---- */

static void offset_learn(struct router_clock *offset, int64_t sample_ns, struct mono_time now)
{
    bool is_over = now.ns - offset->window_start.ns >= OFFSET_WINDOW_S * NS_PER_S;

    if (offset->has_now && is_over) {
        offset->has_before = true;
        offset->before_ns = offset->now_ns;
        offset->has_now = false;
    }
    if (!offset->has_now) {
        offset->window_start = now;
        offset->now_ns = sample_ns;
        offset->has_now = true;
    } else if (sample_ns < offset->now_ns) {
        offset->now_ns = sample_ns;
    }
}

int64_t bmp_clock_offset(const struct router_clock *offset)
{
    if (!offset->has_now)
        return 0;
    return offset->has_before && offset->before_ns < offset->now_ns ? offset->before_ns
                                                                    : offset->now_ns;
}

/* The time that a message tells, by our clock; 0: none. Learns from it too, when the table's dump is over: times
 * of before are those of old routes. */
static int64_t told_time(struct bmp_tables_router *router, const struct bmp_source *source,
                         bool is_live)
{
    if (source->time_ns <= 0)
        return 0;
    if (is_live)
        offset_learn(&router->offset, router->tables->wall.ns - source->time_ns,
                     router->tables->mono);
    int64_t told_ns = source->time_ns + bmp_clock_offset(&router->offset);
    return told_ns > 0 ? told_ns : 1;
}

/* ---- tables ---- */

static bool rib_is_out(enum bmp_rib rib)
{
    return rib == BMP_RIB_OUT_PRE || rib == BMP_RIB_OUT_POST;
}

/* Where NLRI of a family go: those of a VRF are VPN ones of its distinguisher. */
static enum rib_safi table_safi(const struct tables_view *view, enum address_family family)
{
    return view->distinguisher ? RIB_VPN : address_families[family].rib_safi;
}

static bool member_has_family(const struct view_member *member, unsigned family)
{
    return !member->view->distinguisher || address_families[family].rib_safi == member->safi;
}

/* Begins a table by what the Peer Up told. */
static void table_up(struct view_member *member, bool is_post) ON_THREAD(bgp_thread)
{
    const struct session_features *features = &member->peer->peer->features_in;
    struct bmp_tables *tables = member->view->router->tables;
    struct member_table *table = &member->tables[is_post];
    struct rib_session session = {.router_id = member->router_id};

    *table = (struct member_table){.is_up = true};
    for (unsigned i = 0; i < FAMILY_COUNT; i++) {
        enum rib_safi safi = table_safi(member->view, (enum address_family)i);
        if (!(features->families & 1u << i) || !member_has_family(member, i))
            continue;
        table->families |= (uint8_t)(1u << i);
        table->add_path |= (uint8_t)(features->add_path & 1u << i);
        session.is_negotiated[safi][address_families[i].rib_family] = true;
        session.has_add_path[safi][address_families[i].rib_family] = features->add_path & 1u << i;
    }
    rib_view_table_up(tables->settings.rib, member->view->slot, member->number, is_post, &session,
                      tables->mono);
    member->view->router->is_changed = true;
}

/* Some families are told by routes alone: those of a Loc-RIB, and of messages that bring capabilities. */
static void table_add_family(struct view_member *member, bool is_post, enum address_family family,
                             bool has_add_path) ON_THREAD(bgp_thread)
{
    struct bmp_tables *tables = member->view->router->tables;
    struct member_table *table = &member->tables[is_post];
    uint8_t bit = (uint8_t)(1u << family);

    if (table->families & bit && (table->add_path & bit || !has_add_path))
        return;
    table->families |= bit;
    table->add_path |= has_add_path ? bit : 0;
    rib_view_family_up(tables->settings.rib, member->view->slot, member->number, is_post,
                       table_safi(member->view, family), address_families[family].rib_family,
                       has_add_path, tables->mono);
    member->view->router->is_changed = true;
}

/* The member that routes go to, with its table up. NULL: they are not taken. */
static struct view_member *member_ready(struct bmp_tables_router *router,
                                        const struct bmp_source *source, enum address_family family)
    ON_THREAD(bgp_thread)
{
    struct monitored_peer *peer = source->peer->owner_data;
    bool is_post = source->rib != BMP_RIB_IN_PRE;

    if (peer->is_refused)
        return NULL;
    enum rib_safi safi =
        peer->view->distinguisher ? address_families[family].rib_safi : RIB_UNICAST;
    struct view_member *member = bmp_member_take(router, peer, safi);
    if (!member)
        return NULL;
    if (!member->tables[is_post].is_up)
        table_up(member, is_post);
    table_add_family(member, is_post, family, source->has_add_path);
    return member;
}

/* ---- routes ---- */

/* An UPDATE's NLRI on their way into the RIB; without attributes they are withdrawn. */
struct batch {
    struct bmp_tables_router *router;
    struct rib_member_source source;
    enum rib_safi safi;
    uint64_t rd; /* of a VRF */
    struct path_attrs *attrs;
    size_t refused; /* or not there */
    enum rib_limit limit;
};

static void batch_apply(struct batch *batch, const struct rib_nlri *nlri, size_t count)
    ON_THREAD(bgp_thread)
{
    struct bmp_tables *tables = batch->router->tables;
    struct rib *rib = tables->settings.rib;

    if (!batch->attrs) {
        batch->refused +=
            rib_view_withdraw(rib, &batch->source, batch->safi, nlri, count, tables->wall);
        return;
    }
    batch->refused += rib_view_announce(rib, &batch->source, batch->safi, nlri, count, batch->attrs,
                                        tables->wall);
    if (rib_limit_hit(rib) > batch->limit)
        batch->limit = rib_limit_hit(rib);
}

/* Routes of a VRF that are written as those of one table get its distinguisher. */
static void batch_send(struct batch *batch, const struct rib_nlri *nlri, size_t count,
                       bool has_own_rd) ON_THREAD(bgp_thread)
{
    struct rib_nlri written[BATCH];

    if (!batch->rd || has_own_rd) {
        batch_apply(batch, nlri, count);
        return;
    }
    for (size_t done = 0; done < count; done += BATCH) {
        size_t part = count - done < BATCH ? count - done : BATCH;
        memcpy(written, nlri + done, part * sizeof written[0]);
        for (size_t i = 0; i < part; i++)
            written[i].rd = batch->rd;
        batch_apply(batch, written, part);
    }
}

/* Tells what the router says of a path; where it says nothing, the paths that it chose are in use. */
static bool nlri_is_in_use(const struct bmp_source *source, size_t index)
{
    uint32_t marks =
        source->marks ? bmp_marks_of(source->marks, source->first_nlri + (uint32_t)index) : 0;

    return marks ? marks & BMP_PATH_IN_USE : source->rib == BMP_RIB_LOC;
}

/* Sends runs of paths that are in use alike. */
static void batch_split(struct batch *batch, const struct bmp_source *source,
                        enum address_family family, const struct rib_nlri *nlri, size_t count)
    ON_THREAD(bgp_thread)
{
    size_t start = 0;

    for (size_t i = 0; i < count; i++) {
        bool is_in_use = nlri_is_in_use(source, i);
        if (i == 0)
            batch->source.is_in_use = is_in_use;
        if (is_in_use == batch->source.is_in_use)
            continue;
        batch_send(batch, nlri + start, i - start, address_families[family].has_rd);
        batch->source.is_in_use = is_in_use;
        start = i;
    }
    batch_send(batch, nlri + start, count - start, address_families[family].has_rd);
}

/* How many paths the view may have, for the router to stay within its bound. */
static void batch_bound(struct batch *batch, const struct view_member *member, size_t count)
    ON_THREAD(bgp_thread)
{
    struct bmp_tables_router *router = batch->router;
    const struct bmp_tables_settings *settings = &router->tables->settings;

    if (settings->paths.max == 0)
        return;
    router->paths_at_most += count;
    if (router->paths_at_most <= settings->paths.max)
        return;
    uint64_t paths = 0, own = rib_peer_counts(settings->rib, member->view->slot).paths;
    for (uint32_t i = 0; i < router->view_count; i++)
        paths += rib_peer_counts(settings->rib, router->views[i]->slot).paths;
    router->paths_at_most = paths + count;
    batch->source.is_bounded = true;
    batch->source.paths_max = own + (paths < settings->paths.max ? settings->paths.max - paths : 0);
}

static struct batch batch_make(struct bmp_tables_router *router, const struct bmp_source *source,
                               const struct view_member *member, enum address_family family)
    ON_THREAD(bgp_thread)
{
    bool is_post = source->rib != BMP_RIB_IN_PRE;

    return (struct batch){
        .router = router,
        .source = {.slot = member->view->slot,
                   .member = member->number,
                   .is_post = is_post,
                   .told_ns =
                       told_time(router, source, member->tables[is_post].ended & 1u << family)},
        .safi = table_safi(member->view, family),
        .rd = member->view->distinguisher,
    };
}

static bool router_log_allowed(struct bmp_tables_router *router, unsigned log)
{
    uint64_t suppressed;

    return log_limit_allow(&router->log_limits[log], &suppressed);
}

static void refusal_tell(const struct batch *batch) ON_THREAD(bgp_thread)
{
    struct bmp_tables_router *router = batch->router;
    const struct bmp_bound *bound = &router->tables->settings.paths;
    char address[IP_TEXT_LEN];

    router->paths_refused += batch->refused;
    bmp_tables_count(router->tables, BMP_TABLES_COUNTER_paths_refused, batch->refused);
    ip_addr_format(&router->address, address);
    if (batch->limit == RIB_LIMIT_PREFIX && router_log_allowed(router, ROUTER_LOG_REFUSED))
        log_warning("bmp: router %s: %zu paths refused: more than %d of one prefix in one table",
                    address, batch->refused, RIB_PATHS_MAX);
    if (batch->limit == RIB_LIMIT_PEER_PATHS && router_log_allowed(router, ROUTER_LOG_BOUND))
        log_error("bmp: router %s: %zu paths refused: it has more than %s, which is %" PRIu64,
                  address, batch->refused, bound->key, bound->max);
}

static void take_announce(void *arg, const struct bmp_source *source, enum address_family family,
                          const struct rib_nlri *nlri, size_t count, struct path_attrs *attrs)
    ON_THREAD(bgp_thread)
{
    struct bmp_tables_router *router = arg;

    if (rib_is_out(source->rib)) {
        router->adj_rib_out += count;
        bmp_tables_count(router->tables, BMP_TABLES_COUNTER_adj_rib_out, count);
        return;
    }
    struct view_member *member = member_ready(router, source, family);
    if (!member) {
        bmp_tables_count(router->tables, BMP_TABLES_COUNTER_not_taken, count);
        return;
    }
    struct batch batch = batch_make(router, source, member, family);
    batch.attrs = attrs;
    batch_bound(&batch, member, count);
    batch_split(&batch, source, family, nlri, count);
    if (batch.refused > 0)
        refusal_tell(&batch);
}

static void take_withdraw(void *arg, const struct bmp_source *source, enum address_family family,
                          const struct rib_nlri *nlri, size_t count) ON_THREAD(bgp_thread)
{
    struct bmp_tables_router *router = arg;

    if (rib_is_out(source->rib)) {
        router->adj_rib_out += count;
        bmp_tables_count(router->tables, BMP_TABLES_COUNTER_adj_rib_out, count);
        return;
    }
    struct view_member *member = member_ready(router, source, family);
    if (!member) {
        bmp_tables_count(router->tables, BMP_TABLES_COUNTER_not_taken, count);
        return;
    }
    struct batch batch = batch_make(router, source, member, family);
    batch_send(&batch, nlri, count, address_families[family].has_rd);
    bmp_tables_count(router->tables, BMP_TABLES_COUNTER_withdrawn_unknown, batch.refused);
}

static void peer_format(const struct bmp_peer *peer, struct text *out)
{
    char address[IP_TEXT_LEN];

    ip_addr_format(&peer->key.address, address);
    if (peer->key.type == BMP_PEER_LOC_RIB)
        text_append_string(out, "Loc-RIB");
    else
        text_append_printf(out, "peer %s AS %" PRIu32, address, peer->header.as);
    if (peer->key.distinguisher)
        text_append_printf(out, " of distinguisher %u:%" PRIu64,
                           (unsigned)(peer->key.distinguisher >> 48),
                           peer->key.distinguisher & UINT64_C(0xffffffffffff));
}

static void end_tell(struct bmp_tables_router *router, const struct bmp_source *source,
                     enum address_family family)
{
    struct text text = {0};
    char address[IP_TEXT_LEN];

    if (!router_log_allowed(router, ROUTER_LOG_TABLE))
        return;
    ip_addr_format(&router->address, address);
    peer_format(source->peer, &text);
    log_notice("bmp: router %s: %s: End-of-RIB of %s, %s", address, text_cstr(&text),
               bmp_rib_name(source->rib), address_families[family].name);
    text_clear(&text);
}

static void take_end_of_rib(void *arg, const struct bmp_source *source, enum address_family family)
    ON_THREAD(bgp_thread)
{
    struct bmp_tables_router *router = arg;
    struct bmp_tables *tables = router->tables;
    bool is_post = source->rib != BMP_RIB_IN_PRE;

    if (rib_is_out(source->rib))
        return;
    struct view_member *member = member_ready(router, source, family);
    if (!member)
        return;
    rib_end_of_rib(tables->settings.rib, bmp_member_table(member, is_post),
                   table_safi(member->view, family), address_families[family].rib_family,
                   tables->wall);
    member->tables[is_post].ended |= (uint8_t)(1u << family);
    router->is_changed = true;
    end_tell(router, source, family);
}

/* ---- peers ---- */

static void take_initiated(void *arg, const struct bmp_initiation *initiation)
{
    struct bmp_tables_router *router = arg;

    memcpy(router->sys_name, initiation->sys_name, sizeof router->sys_name);
    memcpy(router->sys_descr, initiation->sys_descr, sizeof router->sys_descr);
    router->is_changed = true;
}

static void take_peer_up(void *arg, struct bmp_peer *bmp) ON_THREAD(bgp_thread)
{
    struct bmp_tables_router *router = arg;
    struct monitored_peer *peer = mem_zalloc(sizeof *peer);

    peer->peer = bmp;
    peer->up_ns = router->tables->wall.ns;
    bmp->owner_data = peer;
    router->peer_count++;
    router->is_changed = true;
    if (bmp->up.sent.router_id != 0 && bmp->key.distinguisher == 0) {
        router->router_id = bmp->up.sent.router_id;
        router->as = bmp->up.sent.as;
    }
    bmp_members_attach(router, peer);
}

static void take_families_added(void *arg, struct bmp_peer *bmp) ON_THREAD(bgp_thread)
{
    const struct monitored_peer *peer = bmp->owner_data;
    const struct session_features *features = &bmp->features_in;

    (void)arg;
    for (unsigned i = 0; i < FAMILY_COUNT * 2; i++) {
        unsigned family = i / 2;
        bool is_post = i % 2;
        for (int safi = 0; safi < RIB_SAFI_COUNT; safi++) {
            struct view_member *member = peer->members[safi];
            if (member && member->tables[is_post].is_up && features->families & 1u << family &&
                member_has_family(member, family))
                table_add_family(member, is_post, (enum address_family)family,
                                 features->add_path & 1u << family);
        }
    }
}

static void take_peer_down(void *arg, struct bmp_peer *bmp, const struct bmp_peer_down *down)
    ON_THREAD(bgp_thread)
{
    struct bmp_tables_router *router = arg;
    struct monitored_peer *peer = bmp->owner_data;
    bool is_kept = !bmp_peer_down_is_final(down);

    bmp_members_detach(router, peer, is_kept);
    router->peer_count--;
    bmp->owner_data = NULL;
    mem_free(peer);
}

/* Statistics, refusals and the end of the connection are of no concern to tables. */
static void take_statistics(void *arg, struct bmp_peer *peer, const struct bmp_peer_header *header,
                            struct reader counters)
{
    (void)arg, (void)peer, (void)header, (void)counters;
}

static void take_terminated(void *arg, uint16_t reason)
{
    (void)arg, (void)reason;
}

static void take_rejected(void *arg, enum bmp_reject reject)
{
    (void)arg, (void)reject;
}

struct bmp_router_owner bmp_routes_owner(struct bmp_tables_router *router)
{
    return (struct bmp_router_owner){
        .initiated = take_initiated,
        .peer_up = take_peer_up,
        .families_added = take_families_added,
        .peer_down = take_peer_down,
        .announce = take_announce,
        .withdraw = take_withdraw,
        .end_of_rib = take_end_of_rib,
        .statistics = take_statistics,
        .terminated = take_terminated,
        .rejected = take_rejected,
        .arg = router,
    };
}
