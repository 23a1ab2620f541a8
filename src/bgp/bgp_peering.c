/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Peering: makes connections, decides who may have a session, finds the peer of each, resolves
 * collisions (RFC 4271 section 6.8), and hands what sessions say to the RIB.
 */
#include "base/memory.h"
#include "bgp/bgp_private.h"
#include "bgp/update.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECT_RETRY_S 10

/* One UPDATE on its way into the RIB. */
struct apply {
    struct bgp *bgp;
    uint32_t peer;
    struct wall_time now;
    enum rib_limit limit; /* that the peer has come to */
    uint32_t add_path;    /* families with ADD-PATH, a bit each */
};

bool bgp_log_allowed(struct log_limit *limit)
{
    uint64_t suppressed;

    if (!log_limit_allow(limit, &suppressed))
        return false;
    if (suppressed > 0)
        log_notice("bgp: %" PRIu64 " lines like the next one were left out", suppressed);
    return true;
}

const char *bgp_session_text(struct session *session, char out[IP_TEXT_LEN])
{
    ip_addr_format(&session_info(session)->address, out);
    return out;
}

static struct peer *session_peer(struct session *session)
{
    return session_info(session)->peer;
}

struct session *bgp_session_add(struct bgp *bgp, int fd, const struct ip_addr *address,
                                uint16_t port, struct bgp_connector *connector)
{
    struct session *session = session_new(bgp->poller, fd, address, port, connector != NULL,
                                          &bgp->session_settings, &bgp->owner);

    bgp->sessions[bgp->session_count++] = session;
    if (connector)
        connector->session = session;
    return session;
}

bool bgp_is_named(const struct bgp *bgp, const struct ip_addr *address)
{
    for (size_t i = 0; i < bgp->connector_count; i++) {
        if (ip_addr_equal(&bgp->connectors[i].address, address))
            return true;
    }
    for (size_t i = 0; bgp->named && i < bgp->named->count; i++) {
        if (ip_addr_equal(&bgp->named->addresses[i], address))
            return true;
    }
    return address_list_contains(&bgp->allow, address) || address_list_contains(&bgp->md5, address);
}

void bgp_peer_lose(struct bgp *bgp, struct session *session, const char *reason)
{
    struct peer *peer = session_peer(session);
    char address[IP_TEXT_LEN];

    if (!peer || peer->session != session)
        return;
    peer->session = NULL;
    if (peer->info.state != BGP_PEER_ESTABLISHED)
        route_log_close(bgp->log, peer);
    strncpy(peer->info.last_error, reason, sizeof peer->info.last_error - 1);
    if (peer->info.state != BGP_PEER_ESTABLISHED)
        return;
    peer->info.state = BGP_PEER_DOWN;
    bgp_count(bgp, BGP_COUNTER_sessions_lost, 1);
    route_log_lose(bgp->log, bgp->rib, peer, !session_info(session)->is_over_for_good, clock_wall(),
                   clock_mono());
    bgp_publish(bgp);
    if (bgp_log_allowed(&peer->log_limits[PEER_LOG_STATE]))
        log_notice("bgp: peer %s AS %u down: %s", bgp_session_text(session, address), peer->info.as,
                   reason);
}

/* Decides which one goes when a peer has two connections. True: the new one. */
static bool collision_refuses_new(struct bgp *bgp, struct session *new_session,
                                  struct session *old_session)
{
    const struct session_info *fresh = session_info(new_session);
    const struct session_info *old = session_info(old_session);

    if (old->state == SESSION_ESTABLISHED)
        return fresh->is_active; /* one that the peer makes replaces it (RFC 4724 section 4.2) */
    if (fresh->is_active == old->is_active)
        return false;
    /* The connection that the speaker with the higher identifier made stays. */
    bool we_are_higher = bgp->session_settings.router_id > fresh->theirs.router_id;
    return fresh->is_active != we_are_higher;
}

static int peer_opened(void *arg, struct session *session, struct notification *ret_error)
    ON_THREAD(bgp_thread)
{
    struct bgp *bgp = arg;
    struct session_info *info = session_info(session);
    struct peer *peer;

    if (bgp_admit(bgp, session, &peer, ret_error) < 0)
        return -ENOSPC;
    struct session *old = peer->session;
    if (old && collision_refuses_new(bgp, session, old)) {
        bgp_count(bgp, BGP_COUNTER_collisions, 1);
        *ret_error = notification_make(ERROR_CEASE, CEASE_COLLISION);
        return -EEXIST;
    }
    if (old) {
        struct notification n = notification_make(ERROR_CEASE, CEASE_COLLISION);
        bool was_established = session_info(old)->state == SESSION_ESTABLISHED;
        bgp_count(bgp, was_established ? BGP_COUNTER_sessions_replaced : BGP_COUNTER_collisions, 1);
        session_close(old, &n);
        bgp_peer_lose(bgp, old, "replaced by a newer connection");
    }
    peer->session = session;
    peer->info.port = info->port;
    peer->info.as = info->theirs.as;
    info->peer = peer;
    route_log_open(bgp->log, peer);
    bgp_count(bgp, BGP_COUNTER_capabilities_ignored, info->theirs.capabilities.ignored);
    return 0;
}

static void families_format(const struct session_features *features, struct text *out)
{
    for (int i = 0; i < FAMILY_COUNT; i++) {
        if (!(features->families & 1u << i))
            continue;
        text_append_printf(out, "%s%s%s", out->len > 0 ? ", " : "", address_families[i].name,
                           features->add_path & 1u << i ? " with ADD-PATH" : "");
    }
    if (out->len == 0)
        text_append_string(out, "no family in common");
}

static void peer_established(void *arg, struct session *session) ON_THREAD(bgp_thread)
{
    struct bgp *bgp = arg;
    struct peer *peer = session_peer(session);
    const struct session_features *features = &session_info(session)->context.features;
    struct rib_session rib_session = {.router_id = peer->info.router_id};
    struct text families = {0};
    char address[IP_TEXT_LEN];

    for (int i = 0; i < FAMILY_COUNT; i++) {
        const struct address_family_info *family = &address_families[i];
        rib_session.is_negotiated[family->rib_safi][family->rib_family] =
            features->families & 1u << i;
        rib_session.has_add_path[family->rib_safi][family->rib_family] =
            features->add_path & 1u << i;
    }
    peer->info.state = BGP_PEER_ESTABLISHED;
    peer->info.established_ns = clock_wall().ns;
    peer->info.last_error[0] = '\0';
    standing_met(&bgp->standing, &peer->info.address, clock_mono());
    bgp_count(bgp, BGP_COUNTER_sessions_established, 1);
    table_load_give_way(bgp, peer);
    rib_peer_up(bgp->rib, peer->info.index, &rib_session, clock_mono());
    bgp_publish(bgp);
    families_format(features, &families);
    if (bgp_log_allowed(&peer->log_limits[PEER_LOG_STATE]))
        log_notice("bgp: peer %s AS %u up: %s", bgp_session_text(session, address), peer->info.as,
                   text_cstr(&families));
    text_clear(&families);
}

static struct route_log_batch log_batch(const struct apply *apply, enum address_family family,
                                        const struct rib_nlri *nlri, size_t count)
{
    return (struct route_log_batch){.peer = &apply->bgp->peers.peers[apply->peer],
                                    .family = family,
                                    .has_add_path = apply->add_path & 1u << family,
                                    .nlri = nlri,
                                    .count = count,
                                    .time_ns = apply->now.ns};
}

static void log_update(const struct apply *apply, enum address_family family,
                       const struct rib_nlri *nlri, size_t count, const struct path_attrs *attrs)
    ON_THREAD(bgp_thread)
{
    struct route_log_batch batch = log_batch(apply, family, nlri, count);

    route_log_update(apply->bgp->log, &batch, attrs);
}

static void log_withdraw(const struct apply *apply, enum address_family family,
                         const struct rib_nlri *nlri, size_t count) ON_THREAD(bgp_thread)
{
    struct route_log_batch batch = log_batch(apply, family, nlri, count);

    route_log_withdraw(apply->bgp->log, apply->bgp->rib, &batch);
}

static void apply_announce(void *arg, enum address_family family, const struct rib_nlri *nlri,
                           size_t count, struct path_attrs *attrs) ON_THREAD(bgp_thread)
{
    struct apply *apply = arg;
    log_update(apply, family, nlri, count, attrs);
    size_t refused = rib_announce(apply->bgp->rib, apply->peer, address_families[family].rib_safi,
                                  nlri, count, attrs, apply->now);
    struct peer *peer = &apply->bgp->peers.peers[apply->peer];
    char address[IP_TEXT_LEN];

    bgp_count(apply->bgp, BGP_COUNTER_refused, refused);
    if (refused == 0)
        return;
    enum rib_limit limit = rib_limit_hit(apply->bgp->rib);
    if (limit > apply->limit)
        apply->limit = limit;
    if (limit != RIB_LIMIT_PREFIX || !bgp_log_allowed(&peer->log_limits[PEER_LOG_REFUSED]))
        return; /* the others are told where they are dealt with */
    ip_addr_format(&peer->info.address, address);
    log_warning("bgp: peer %s: %zu paths refused: more than %d of one prefix", address, refused,
                RIB_PATHS_MAX);
}

static void apply_withdraw(void *arg, enum address_family family, const struct rib_nlri *nlri,
                           size_t count) ON_THREAD(bgp_thread)
{
    struct apply *apply = arg;
    log_withdraw(apply, family, nlri, count);
    size_t unknown = rib_withdraw(apply->bgp->rib, apply->peer, address_families[family].rib_safi,
                                  nlri, count, apply->now);
    bgp_count(apply->bgp, BGP_COUNTER_withdrawn_unknown, unknown);
}

static void apply_end_of_rib(void *arg, enum address_family family) ON_THREAD(bgp_thread)
{
    struct apply *apply = arg;
    const struct address_family_info *info = &address_families[family];
    char address[IP_TEXT_LEN];

    bgp_count(apply->bgp, BGP_COUNTER_end_of_rib, 1);
    route_log_end_of_rib(apply->bgp->log, &apply->bgp->peers.peers[apply->peer], family,
                         apply->now.ns);
    rib_end_of_rib(apply->bgp->rib, apply->peer, info->rib_safi, info->rib_family, apply->now);
    bgp_publish(apply->bgp);
    if (bgp_log_allowed(&apply->bgp->peers.peers[apply->peer].log_limits[PEER_LOG_TABLE])) {
        struct rib_peer_counts counts = rib_peer_counts(apply->bgp->rib, apply->peer);
        ip_addr_format(&apply->bgp->peers.peers[apply->peer].info.address, address);
        log_notice("bgp: peer %s: End-of-RIB of %s, %" PRIu64 " paths of all families", address,
                   info->name, counts.paths);
    }
}

static void update_count(struct bgp *bgp, const struct update_result *result)
{
    bgp_count(bgp, BGP_COUNTER_updates, 1);
    bgp_count(bgp, BGP_COUNTER_announced, result->announced_count);
    bgp_count(bgp, BGP_COUNTER_withdrawn, result->withdrawn_count);
    bgp_count(bgp, BGP_COUNTER_attributes_discarded, result->attrs_discarded_count);
    bgp_count(bgp, BGP_COUNTER_treated_as_withdrawn, result->treated_as_withdrawn_count);
    bgp_count(bgp, BGP_COUNTER_no_next_hop, result->no_next_hop_count);
    bgp_count(bgp, BGP_COUNTER_foreign_families, result->foreign_count);
    if (result->outcome == ATTR_OUTCOME_WITHDRAW)
        bgp_count(bgp, BGP_COUNTER_updates_treated_as_withdraw, 1);
    if (result->outcome == ATTR_OUTCOME_RESET)
        bgp_count(bgp, BGP_COUNTER_updates_reset, 1);
}

/* Ends the session of a peer that has more than it may. */
static int limit_enforce(struct bgp *bgp, struct session *session, enum rib_limit limit,
                         struct notification *ret_error) ON_THREAD(bgp_thread)
{
    const struct ip_addr *address = &session_info(session)->address;
    bool is_prefixes = limit == RIB_LIMIT_PEER_PREFIXES;
    char text[IP_TEXT_LEN];

    int64_t wait_s = bgp_punish(bgp, address, CEASE_MAX_PREFIXES);
    if (bgp_log_allowed(&bgp->log_limits[BGP_LOG_DISPLACED]))
        log_error("bgp: peer %s: session ended, its paths dropped, and refused for %" PRId64
                  " s: it has more than %s, which is %" PRIu64,
                  bgp_session_text(session, text), wait_s,
                  is_prefixes ? "bgp_daemon_max_prefixes" : "bgp_peer_paths_max",
                  is_prefixes ? bgp->settings.max_prefixes : bgp->settings.peer_paths_max);
    *ret_error = notification_make(ERROR_CEASE, CEASE_MAX_PREFIXES);
    return -ENOBUFS;
}

static int peer_updated(void *arg, struct session *session, struct reader body,
                        struct notification *ret_error) ON_THREAD(bgp_thread)
{
    static const char *const consequences[] = {"", "attribute discarded", "treated as a withdrawal",
                                               "session reset"};
    struct bgp *bgp = arg;
    struct peer *peer = session_peer(session);
    struct apply apply = {bgp, peer->info.index, clock_wall(), RIB_LIMIT_NONE,
                          session_info(session)->context.features.add_path};
    const struct update_sink sink = {apply_announce, apply_withdraw, apply_end_of_rib, &apply};
    struct update_result result;
    char address[IP_TEXT_LEN];

    update_apply(body, &session_info(session)->context, bgp->attrs, &sink, &result);
    route_log_publish(bgp->log);
    peer->info.updates++;
    update_count(bgp, &result);
    if (result.outcome != ATTR_OUTCOME_OK &&
        bgp_log_allowed(&peer->log_limits[PEER_LOG_ATTRIBUTES]))
        log_warning("bgp: peer %s: UPDATE: %s (type %u) %s; %s", bgp_session_text(session, address),
                    attr_name(result.bad_type), result.bad_type, result.reason,
                    consequences[result.outcome]);
    if (result.outcome != ATTR_OUTCOME_RESET && apply.limit >= RIB_LIMIT_PEER_PATHS)
        return limit_enforce(bgp, session, apply.limit, ret_error);
    if (result.outcome != ATTR_OUTCOME_RESET)
        return 0;
    *ret_error = result.error;
    return -EBADMSG;
}

static void peer_asked_refresh(void *arg, struct session *session, int family, uint8_t subtype)
{
    (void)session, (void)family, (void)subtype;
    bgp_count(arg, BGP_COUNTER_route_refresh, 1);
}

static void peer_closed(void *arg, struct session *session, const char *reason)
    ON_THREAD(bgp_thread)
{
    struct bgp *bgp = arg;
    const struct peer *peer = session_peer(session);
    char address[IP_TEXT_LEN];

    if (!peer || peer->info.state != BGP_PEER_ESTABLISHED || peer->session != session) {
        bool is_connect = session_info(session)->is_active && !peer;
        bgp_count(bgp, is_connect ? BGP_COUNTER_connect_failures : BGP_COUNTER_opens_failed, 1);
        if (bgp_log_allowed(&bgp->log_limits[is_connect ? BGP_LOG_CONNECT : BGP_LOG_ENDED]))
            log_warning("bgp: session with %s ended before it was established: %s",
                        bgp_session_text(session, address), reason);
    }
    bgp_peer_lose(bgp, session, reason);
}

/* Sets the ConnectRetryTimer, with the jitter of RFC 4271 section 10. */
static void connector_arm(struct bgp_connector *connector, int64_t seconds)
{
    uint8_t random = 0;

    if (getrandom(&random, sizeof random, 0) != sizeof random)
        random = 0;
    int64_t delay_ns = seconds * NS_PER_S;
    poller_timer_set_in(connector->bgp->poller, &connector->timer,
                        delay_ns - delay_ns / 4 * random / UINT8_MAX);
}

void bgp_session_forget(struct bgp *bgp, const struct session *session)
{
    for (size_t i = 0; i < bgp->session_count; i++) {
        if (bgp->sessions[i] == session) {
            bgp->sessions[i] = bgp->sessions[--bgp->session_count];
            break;
        }
    }
    for (size_t i = 0; i < bgp->connector_count; i++) {
        if (bgp->connectors[i].session == session)
            bgp->connectors[i].session = NULL;
    }
}

static void session_gone(void *arg, struct session *session)
{
    bgp_session_forget(arg, session);
}

static void connector_due(void *arg) ON_THREAD(bgp_thread)
{
    struct bgp_connector *connector = arg;
    struct bgp *bgp = connector->bgp;
    int fd;

    THREAD_ASSERT(bgp_thread);
    connector_arm(connector, CONNECT_RETRY_S);
    uint8_t subcode;
    if (standing_refused_s(&bgp->standing, &connector->address, clock_mono(), &subcode) > 0)
        return;
    if (connector->session || peer_table_has_session(&bgp->peers, &connector->address) ||
        bgp->session_count == bgp->session_max)
        return;
    int err =
        bgp_socket_connect(&bgp->settings, &bgp->md5, &connector->address, connector->port, &fd);
    if (err < 0) {
        char address[IP_TEXT_LEN];
        ip_addr_format(&connector->address, address);
        bgp_count(bgp, BGP_COUNTER_connect_failures, 1);
        if (bgp_log_allowed(&bgp->log_limits[BGP_LOG_CONNECT]))
            log_warning("bgp: connecting to %s: %s", address, strerror(-err));
        return;
    }
    bgp_session_add(bgp, fd, &connector->address, connector->port, connector);
}

/* Parses "address" or "address@port". */
static int connector_parse(char *word, struct bgp_connector *connector)
{
    char *at = strchr(word, '@');
    unsigned long port = 179;

    if (at) {
        char *end;
        *at = '\0';
        port = strtoul(at + 1, &end, 10);
        if (*end != '\0' || port < 1 || port > UINT16_MAX)
            return -EINVAL;
    }
    connector->port = (uint16_t)port;
    return ip_addr_parse(word, &connector->address);
}

int bgp_connectors_make(struct bgp *bgp, struct text *error)
{
    char *rest = NULL;

    if (!bgp->settings.connect_to)
        return 0;
    char *list = mem_strdup(bgp->settings.connect_to);
    int err = 0;
    for (char *word = strtok_r(list, ", ", &rest); word && err == 0;
         word = strtok_r(NULL, ", ", &rest)) {
        struct bgp_connector connector = {.bgp = bgp, .timer.fn = connector_due};
        err = connector_parse(word, &connector);
        if (err < 0) {
            text_append_printf(error, "bgp_daemon_connect: %s is not `address` or `address@port`",
                               word);
            break;
        }
        bgp->connectors =
            mem_realloc_array(bgp->connectors, bgp->connector_count + 1, sizeof bgp->connectors[0]);
        bgp->connectors[bgp->connector_count++] = connector;
    }
    mem_free(list);
    return err;
}

void bgp_peering_start(struct bgp *bgp)
{
    bgp->owner =
        (struct session_owner){peer_opened, peer_established, peer_updated, peer_asked_refresh,
                               peer_closed, session_gone,     bgp};
    bgp_accept_start(bgp);
    for (size_t i = 0; i < bgp->connector_count; i++) {
        bgp->connectors[i].timer.arg = &bgp->connectors[i];
        connector_arm(&bgp->connectors[i], 0);
    }
    bgp_publish(bgp);
}

void bgp_peering_stop(struct bgp *bgp, const struct notification *n)
{
    bgp_accept_stop(bgp);
    for (size_t i = 0; i < bgp->connector_count; i++)
        poller_timer_cancel(bgp->poller, &bgp->connectors[i].timer);
    for (size_t i = 0; i < bgp->session_count; i++) {
        session_close(bgp->sessions[i], n);
        bgp_peer_lose(bgp, bgp->sessions[i], "we stop");
    }
}
