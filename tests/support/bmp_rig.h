/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A router that speaks BMP, played by the test: messages are written as hex, and a text tells what came
 * out of them, item after item.
 */
#include "base/route_distinguisher.h"
#include "base/text.h"
#include "bmp/bmp_router.h"
#include "support/hex.h"
#include <inttypes.h>

/*
 * Per-peer headers (RFC 7854 section 4.2): type, flags, distinguisher, address, AS, BGP identifier,
 * seconds, microseconds. The peer is 192.0.2.1, AS 65001, and 10.0.0.1, at second 1000.
 */
#define BMP_V4_ADDRESS "000000000000000000000000 c0000201"
#define BMP_HEADER_OF(TYPE_AND_FLAGS, DISTINGUISHER, ADDRESS)                                      \
    TYPE_AND_FLAGS DISTINGUISHER ADDRESS "0000fde9 0a000001 000003e8 00000000"
#define BMP_NO_RD    "0000000000000000"
#define BMP_IN_PRE   BMP_HEADER_OF("0000", BMP_NO_RD, BMP_V4_ADDRESS)
#define BMP_IN_POST  BMP_HEADER_OF("0040", BMP_NO_RD, BMP_V4_ADDRESS)
#define BMP_OUT_POST BMP_HEADER_OF("0050", BMP_NO_RD, BMP_V4_ADDRESS)
#define BMP_LOC_RIB  BMP_HEADER_OF("0300", BMP_NO_RD, "00000000000000000000000000000000")
#define BGP_MARKER   "ffffffffffffffff ffffffffffffffff"
/* OPENs (RFC 4271 section 4.2): version, AS, hold time, identifier, parameters. Those of an external
 * session with IPv4 and IPv6 unicast and four-octet AS numbers 65000 and 65001. */
#define BMP_OPEN_SENT                                                                              \
    BGP_MARKER "0033 01 04 fde8 00b4 0a0000fe 16 0214 0104 00010001 0104 00020001 4104 0000fde8"   \
               "0200"
#define BMP_OPEN_RECEIVED                                                                          \
    BGP_MARKER "0033 01 04 fde9 00b4 0a000001 16 0214 0104 00010001 0104 00020001 4104 0000fde9"   \
               "0200"
/* The same, with ADD-PATH of IPv4 (RFC 7911): ours receives, the peer's sends. */
#define BMP_OPEN_SENT_ADD_PATH                                                                     \
    BGP_MARKER "0031 01 04 fde8 00b4 0a0000fe 14 0212 0104 00010001 4504 00010101 4104 0000fde8"
#define BMP_OPEN_RECEIVED_ADD_PATH                                                                 \
    BGP_MARKER "0031 01 04 fde9 00b4 0a000001 14 0212 0104 00010001 4504 00010102 4104 0000fde9"
/* Local address 192.0.2.254, ports 179 and 40000. */
#define BMP_LOCAL "000000000000000000000000 c00002fe 00b3 9c40"
/* ORIGIN IGP, AS_PATH 65001, NEXT_HOP 192.0.2.1: 20 bytes. */
#define BMP_ATTRIBUTES "40010100 400206 0201 0000fde9 400304 c0000201"
/* Announces 198.51.100.0/24. */
#define BMP_UPDATE     BGP_MARKER "002f 02 0000 0014" BMP_ATTRIBUTES "18 c63364"
#define BMP_WITHDRAWAL BGP_MARKER "001b 02 0004 18 c63364 0000"

struct bmp_rig {
    struct rcu *rcu;
    struct attr_text_settings text_settings;
    struct attr_store *store;
    struct bmp_marks marks;
    struct bmp_counts totals;
    struct bmp_router_settings settings;
    struct bmp_router_owner owner;
    struct bmp_router *router;
    struct text log;
};

static inline void bmp_rig_peer(struct text *log, const struct bmp_peer_key *key)
{
    char address[IP_TEXT_LEN] = "Loc-RIB";

    if (key->type != BMP_PEER_LOC_RIB)
        ip_addr_format(&key->address, address);
    text_append_string(log, address);
    if (key->distinguisher)
        text_append_printf(log, "@%" PRIx64, key->distinguisher);
}

static inline void bmp_rig_initiated(void *arg, const struct bmp_initiation *initiation)
{
    text_append_printf(arg, "init %s; ", initiation->sys_name);
}

static inline void bmp_rig_up(void *arg, struct bmp_peer *peer)
{
    text_append_string(arg, "up ");
    bmp_rig_peer(arg, &peer->key);
    text_append_printf(arg, " AS %u%s; ", peer->up.received.as,
                       peer->features_in.add_path ? " ADD-PATH" : "");
}

static inline void bmp_rig_grown(void *arg, struct bmp_peer *peer)
{
    text_append_printf(arg, "families %x; ", peer->features_in.families);
}

static inline void bmp_rig_down(void *arg, struct bmp_peer *peer, const struct bmp_peer_down *down)
{
    text_append_string(arg, "down ");
    bmp_rig_peer(arg, &peer->key);
    text_append_printf(arg, " %u%s; ", down->reason,
                       bmp_peer_down_is_final(down) ? " for good" : "");
}

static inline void bmp_rig_route(struct text *log, char sign, const struct bmp_source *source,
                                 const struct rib_nlri *nlri, uint32_t number)
{
    static const char *const ribs[] = {"pre", "post", "loc", "out-pre", "out-post"};
    char prefix[IP_PREFIX_TEXT_LEN];

    ip_prefix_format(&nlri->prefix, prefix);
    text_append_printf(log, "%c%s %s", sign, ribs[source->rib], prefix);
    if (source->has_add_path)
        text_append_printf(log, "#%u", nlri->path_id);
    if (source->marks)
        text_append_printf(log, " marked %x", bmp_marks_of(source->marks, number));
}

static inline void bmp_rig_announce(void *arg, const struct bmp_source *source,
                                    enum address_family family, const struct rib_nlri *nlri,
                                    size_t count, struct path_attrs *attrs)
{
    (void)family;
    for (size_t i = 0; i < count; i++) {
        bmp_rig_route(arg, '+', source, &nlri[i], source->first_nlri + (uint32_t)i);
        text_append_printf(arg, " [%s]", rib_text_data(attrs->as_path));
        if (attrs->has_local_pref)
            text_append_printf(arg, " lp %u", attrs->local_pref);
        text_append_string(arg, "; ");
    }
}

static inline void bmp_rig_withdraw(void *arg, const struct bmp_source *source,
                                    enum address_family family, const struct rib_nlri *nlri,
                                    size_t count)
{
    (void)family;
    for (size_t i = 0; i < count; i++) {
        bmp_rig_route(arg, '-', source, &nlri[i], source->first_nlri + (uint32_t)i);
        text_append_string(arg, "; ");
    }
}

static inline void bmp_rig_end_of_rib(void *arg, const struct bmp_source *source,
                                      enum address_family family)
{
    text_append_printf(arg, "end %u %s; ", source->rib, address_families[family].name);
}

static inline void bmp_rig_statistics(void *arg, struct bmp_peer *peer,
                                      const struct bmp_peer_header *header, struct reader counters)
{
    struct bmp_statistic statistic;

    (void)peer, (void)header;
    while (bmp_statistic_next(&counters, &statistic) > 0)
        text_append_printf(arg, "stat %u/%u/%u=%" PRIu64 "; ", statistic.type, statistic.afi,
                           statistic.safi, statistic.value);
}

static inline void bmp_rig_terminated(void *arg, uint16_t reason)
{
    text_append_printf(arg, "term %u; ", reason);
}

static inline void bmp_rig_rejected(void *arg, enum bmp_reject reject)
{
    text_append_printf(arg, "!%s; ", bmp_reject_name(reject));
}

/* `rig` is large: not on the stack. */
static inline void bmp_rig_init(struct bmp_rig *rig, size_t peers_max)
{
    *rig = (struct bmp_rig){.rcu = rcu_new(1)};
    rig->store = attr_store_new(rig->rcu, &rig->text_settings);
    rig->settings = (struct bmp_router_settings){peers_max, rig->store, &rig->marks, &rig->totals};
    rig->owner = (struct bmp_router_owner){
        bmp_rig_initiated,  bmp_rig_up,       bmp_rig_grown,      bmp_rig_down,
        bmp_rig_announce,   bmp_rig_withdraw, bmp_rig_end_of_rib, bmp_rig_statistics,
        bmp_rig_terminated, bmp_rig_rejected, &rig->log};
    rig->router = bmp_router_new(&rig->settings, &rig->owner);
}

static inline void bmp_rig_clear(struct bmp_rig *rig)
{
    bmp_router_free(rig->router);
    attr_store_free(rig->store);
    rcu_free(rig->rcu);
    text_clear(&rig->log);
}

/* Sends a message whose body is written as hex; returns what came of it. */
static inline const char *bmp_rig_send(struct bmp_rig *rig, uint8_t version, uint8_t type,
                                       const char *body)
{
    struct hex hex = hex_make(body);
    size_t len = BMP_HEADER_LEN + hex.len;
    uint8_t *message = malloc(len);

    CHECK(message);
    message[0] = version;
    for (int i = 0; i < 4; i++)
        message[1 + i] = (uint8_t)(len >> (24 - 8 * i));
    message[5] = type;
    memcpy(message + BMP_HEADER_LEN, hex.data, hex.len);
    text_reset(&rig->log);
    bmp_router_feed(rig->router, message, len);
    free(message);
    hex_clear(&hex);
    return text_cstr(&rig->log);
}
