/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A router's messages, one after the other. See bmp_router.h. */
#include "bmp/bmp_router.h"
#include "base/memory.h"

struct bmp_router {
    const struct bmp_router_settings *settings;
    const struct bmp_router_owner *owner;
    struct bmp_stream stream;
    struct bmp_stream_events events;
    struct bmp_peer_table peers;
    struct bmp_counts counts;
};

/* An UPDATE on its way to the owner. */
struct delivery {
    struct bmp_router *router;
    const struct attr_context *context;
    struct bmp_source source;
};

static void count(struct bmp_router *router, enum bmp_counter counter, uint64_t n)
{
    counter_add(&router->counts.counters[counter], n);
    counter_add(&router->settings->totals->counters[counter], n);
}

static void reject_count(void *arg, enum bmp_reject reject)
{
    struct bmp_router *router = arg;

    counter_add(&router->counts.rejects[reject], 1);
    counter_add(&router->settings->totals->rejects[reject], 1);
    router->owner->rejected(router->owner->arg, reject);
}

/* ---- routes ---- */

static const struct bmp_source *source_of(struct delivery *delivery, enum address_family family)
{
    delivery->source.has_add_path = delivery->context->features.add_path & 1u << family;
    return &delivery->source;
}

static void deliver_announce(void *arg, enum address_family family, const struct rib_nlri *nlri,
                             size_t nlri_count, struct path_attrs *attrs)
{
    struct delivery *delivery = arg;
    const struct bmp_router_owner *owner = delivery->router->owner;
    struct bmp_peer *peer = delivery->source.peer;

    if (delivery->source.rib == BMP_RIB_LOC && !(peer->features_in.families & 1u << family)) {
        peer->features_in.families |= 1u << family;
        owner->families_added(owner->arg, peer);
    }
    owner->announce(owner->arg, source_of(delivery, family), family, nlri, nlri_count, attrs);
    delivery->source.first_nlri += (uint32_t)nlri_count;
}

static void deliver_withdraw(void *arg, enum address_family family, const struct rib_nlri *nlri,
                             size_t nlri_count)
{
    struct delivery *delivery = arg;
    const struct bmp_router_owner *owner = delivery->router->owner;

    owner->withdraw(owner->arg, source_of(delivery, family), family, nlri, nlri_count);
    delivery->source.first_nlri += (uint32_t)nlri_count;
}

static void deliver_end_of_rib(void *arg, enum address_family family)
{
    struct delivery *delivery = arg;
    const struct bmp_router_owner *owner = delivery->router->owner;

    count(delivery->router, BMP_COUNTER_end_of_rib, 1);
    owner->end_of_rib(owner->arg, source_of(delivery, family), family);
}

static void update_count(struct bmp_router *router, const struct update_result *result)
{
    count(router, BMP_COUNTER_announced, result->announced_count);
    count(router, BMP_COUNTER_withdrawn, result->withdrawn_count);
    count(router, BMP_COUNTER_treated_as_withdrawn, result->treated_as_withdrawn_count);
    count(router, BMP_COUNTER_attributes_discarded, result->attrs_discarded_count);
    count(router, BMP_COUNTER_foreign_families, result->foreign_count);
    if (result->outcome == ATTR_OUTCOME_RESET) /* the session is another's, so nothing ends */
        reject_count(router, BMP_REJECT_update);
}

/* A message may bring the capabilities that it is to be read by. */
static void context_override(struct attr_context *context, const struct capabilities *told)
{
    if (!told->is_present)
        return;
    if (told->add_path_receive | told->add_path_send)
        context->features.add_path = told->add_path_receive | told->add_path_send;
    if (told->has_multiprotocol)
        context->features.families |= told->families;
    context->features.has_four_octet_as |= told->has_four_octet_as;
}

/* Some routers tell routes of their Loc-RIB without a Peer Up (GoBGP 3.10). It has no session whose OPENs would have to be
 * known. NULL: there are too many peers. */
static struct bmp_peer *loc_rib_imply(struct bmp_router *router,
                                      const struct bmp_peer_header *header)
{
    const struct open_message open = {
        .as = header->as,
        .router_id = header->router_id,
        .capabilities = {.is_present = true, .has_multiprotocol = true, .has_four_octet_as = true},
    };
    const struct bmp_peer_up up = {.sent = open, .received = open};
    struct bmp_peer *peer = bmp_peer_table_add(&router->peers, header, &up);

    if (!peer) {
        reject_count(router, BMP_REJECT_peer_limit);
        return NULL;
    }
    count(router, BMP_COUNTER_peer_ups_implied, 1);
    router->owner->peer_up(router->owner->arg, peer);
    return peer;
}

static void monitoring_take(struct bmp_router *router, const struct bmp_peer_header *header,
                            uint8_t version, struct reader body)
{
    struct bmp_peer *peer = bmp_peer_table_find(&router->peers, header);
    struct bmp_marks *marks = router->settings->marks;
    struct bmp_monitoring monitoring;
    struct update_result result;
    enum bmp_reject reject;

    if (!peer && header->rib != BMP_RIB_LOC) {
        reject_count(router, BMP_REJECT_unknown_peer);
        return;
    }
    if (bmp_monitoring_parse(body, version, marks, &monitoring, &reject) < 0) {
        reject_count(router, reject);
        return;
    }
    if (!peer)
        peer = loc_rib_imply(router, header);
    if (!peer)
        return;
    count(router, BMP_COUNTER_monitorings, 1);
    count(router, BMP_COUNTER_trailing, monitoring.has_trailing);
    struct attr_context context = bmp_peer_context(peer, header);
    context_override(&context, &monitoring.capabilities);
    struct delivery delivery = {
        .router = router,
        .context = &context,
        .source = {.peer = peer,
                   .rib = header->rib,
                   .time_ns = header->time_ns,
                   .marks = marks->is_there ? marks : NULL},
    };
    const struct update_sink sink = {deliver_announce, deliver_withdraw, deliver_end_of_rib,
                                     &delivery};
    peer->updates++;
    update_apply(monitoring.update, &context, router->settings->attrs, &sink, &result);
    update_count(router, &result);
}

/* ---- peers ---- */

static void peer_end(struct bmp_router *router, struct bmp_peer *peer,
                     const struct bmp_peer_down *down)
{
    router->owner->peer_down(router->owner->arg, peer, down);
    bmp_peer_table_remove(&router->peers, peer);
}

static void peer_up_take(struct bmp_router *router, const struct bmp_peer_header *header,
                         uint8_t version, struct reader body)
{
    static const struct bmp_peer_down lost = {.reason = BMP_DOWN_LOST};
    struct bmp_peer *peer = bmp_peer_table_find(&router->peers, header);
    struct bmp_peer_up up;
    enum bmp_reject reject;

    if (bmp_peer_up_parse(body, version, header, &up, &reject) < 0) {
        reject_count(router, reject);
        return;
    }
    enum bmp_news news = peer ? bmp_peer_news(peer, header, &up) : BMP_NEWS_SESSION;
    if (news != BMP_NEWS_SESSION)
        count(router, BMP_COUNTER_peer_ups_repeated, 1);
    if (news == BMP_NEWS_FAMILIES) {
        bmp_peer_add_families(peer, &up);
        router->owner->families_added(router->owner->arg, peer);
    }
    if (news != BMP_NEWS_SESSION)
        return;
    if (peer) {
        count(router, BMP_COUNTER_peer_ups_instead, 1);
        peer_end(router, peer, &lost);
    }
    peer = bmp_peer_table_add(&router->peers, header, &up);
    if (!peer) {
        reject_count(router, BMP_REJECT_peer_limit);
        return;
    }
    count(router, BMP_COUNTER_peer_ups, 1);
    router->owner->peer_up(router->owner->arg, peer);
}

static void peer_down_take(struct bmp_router *router, const struct bmp_peer_header *header,
                           struct reader body)
{
    struct bmp_peer *peer = bmp_peer_table_find(&router->peers, header);
    struct bmp_peer_down down;
    enum bmp_reject reject;

    /* Whatever its reason was, the peer is down. */
    if (bmp_peer_down_parse(body, &down, &reject) < 0) {
        reject_count(router, reject);
        down = (struct bmp_peer_down){.reason = BMP_DOWN_LOST};
    } else {
        count(router, BMP_COUNTER_peer_downs, 1);
    }
    if (peer)
        peer_end(router, peer, &down);
    else /* some routers begin with those of all peers that are not up */
        count(router, BMP_COUNTER_peer_downs_unknown, 1);
}

static void statistics_take(struct bmp_router *router, const struct bmp_peer_header *header,
                            uint8_t version, struct reader body)
{
    struct reader counters, walk;
    struct bmp_statistic statistic;
    enum bmp_reject reject;
    int got;

    if (bmp_statistics_begin(body, version, &counters, &reject) < 0) {
        reject_count(router, reject);
        return;
    }
    walk = counters;
    while ((got = bmp_statistic_next(&walk, &statistic)) > 0)
        continue;
    if (got < 0) {
        reject_count(router, BMP_REJECT_statistics);
        return;
    }
    count(router, BMP_COUNTER_statistics_reports, 1);
    router->owner->statistics(router->owner->arg, bmp_peer_table_find(&router->peers, header),
                              header, counters);
}

/* ---- messages ---- */

static void initiation_take(struct bmp_router *router, uint8_t version, struct reader body)
{
    struct bmp_initiation initiation;
    enum bmp_reject reject;

    if (bmp_initiation_parse(body, version, &initiation, &reject) < 0) {
        reject_count(router, reject);
        return;
    }
    count(router, BMP_COUNTER_initiations, 1);
    router->owner->initiated(router->owner->arg, &initiation);
}

/* The router closes the connection after it (RFC 7854 section 4.5), whatever else it says. */
static void termination_take(struct bmp_router *router, uint8_t version, struct reader body)
{
    enum bmp_reject reject;
    uint16_t reason;

    if (bmp_termination_parse(body, version, &reason, &reject) < 0)
        reject_count(router, reject);
    else
        count(router, BMP_COUNTER_terminations, 1);
    router->owner->terminated(router->owner->arg, reason);
}

static void peer_message_take(struct bmp_router *router, const struct bmp_message *message,
                              struct reader body)
{
    struct bmp_peer_header header;
    enum bmp_reject reject;

    if (bmp_peer_header_read(&body, &header, &reject) < 0) {
        reject_count(router, reject);
        return;
    }
    switch (message->type) {
    case BMP_ROUTE_MONITORING:
        monitoring_take(router, &header, message->version, body);
        break;
    case BMP_STATISTICS_REPORT:
        statistics_take(router, &header, message->version, body);
        break;
    case BMP_PEER_DOWN:
        peer_down_take(router, &header, body);
        break;
    case BMP_PEER_UP:
        peer_up_take(router, &header, message->version, body);
        break;
    default:
        break;
    }
}

static bool message_take(void *arg, const struct bmp_message *message, struct reader body)
{
    struct bmp_router *router = arg;

    count(router, BMP_COUNTER_messages, 1);
    switch (message->type) {
    case BMP_INITIATION:
        initiation_take(router, message->version, body);
        return true;
    case BMP_TERMINATION:
        termination_take(router, message->version, body);
        return false;
    case BMP_ROUTE_MIRRORING:
        count(router, BMP_COUNTER_mirrorings, 1);
        return true;
    case BMP_ROUTE_MONITORING:
    case BMP_STATISTICS_REPORT:
    case BMP_PEER_DOWN:
    case BMP_PEER_UP:
        peer_message_take(router, message, body);
        return true;
    default:
        reject_count(router, BMP_REJECT_message_type);
        return true;
    }
}

struct bmp_router *bmp_router_new(const struct bmp_router_settings *settings,
                                  const struct bmp_router_owner *owner)
{
    struct bmp_router *router = mem_zalloc(sizeof *router);

    router->settings = settings;
    router->owner = owner;
    router->events = (struct bmp_stream_events){message_take, reject_count, router};
    bmp_peer_table_init(&router->peers, settings->peers_max);
    return router;
}

void bmp_router_free(struct bmp_router *router)
{
    static const struct bmp_peer_down lost = {.reason = BMP_DOWN_LOST};

    if (!router)
        return;
    for (struct bmp_peer *peer = NULL; (peer = bmp_peer_table_walk(&router->peers, peer));)
        router->owner->peer_down(router->owner->arg, peer, &lost);
    bmp_peer_table_clear(&router->peers);
    bmp_stream_clear(&router->stream);
    mem_free(router);
}

bool bmp_router_feed(struct bmp_router *router, const uint8_t *data, size_t len)
{
    return bmp_stream_feed(&router->stream, data, len, &router->events);
}

const struct bmp_counts *bmp_router_counts(const struct bmp_router *router)
{
    return &router->counts;
}

size_t bmp_router_peer_count(const struct bmp_router *router)
{
    return bmp_peer_table_count(&router->peers);
}

static const struct {
    const char *name, *help;
} counter_rows[] =
    {
#define BMP_COUNTER(NAME, HELP) {#NAME, HELP},
#include "bmp/bmp_counters.def"
#undef BMP_COUNTER
},
  reject_rows[] = {
#define BMP_REJECT(NAME, HELP) {#NAME, HELP},
#include "bmp/bmp_rejects.def"
#undef BMP_REJECT
};

const char *bmp_counter_name(enum bmp_counter counter)
{
    return counter_rows[counter].name;
}

const char *bmp_counter_help(enum bmp_counter counter)
{
    return counter_rows[counter].help;
}

const char *bmp_reject_name(enum bmp_reject reject)
{
    return reject_rows[reject].name;
}

const char *bmp_reject_help(enum bmp_reject reject)
{
    return reject_rows[reject].help;
}
