/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves who gives a flow's networks and AS numbers: the exporter, a path, a row of networks_file or
 * networks_mask, for each method. The reference lines up all who have a word and takes the first. */
#include "base/prefix_tree.h"
#include "base/text.h"
#include "flow/path_source.h"
#include "maps/networks.h"
#include "pipeline/network_fill.h"
#include "pipeline/path_fill.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ROUNDS = 600, ROWS = 24, FLOWS = 150 };

struct row {
    struct ip_prefix prefix;
    uint32_t as, peer_as;
    struct ip_addr next_hop;
};

/* All that is known of one side of a flow before somebody decides. */
struct side {
    struct ip_addr addr;
    uint32_t exported_as, exported_peer_as;
    uint8_t exported_len;
    bool has_path;
    uint8_t path_len;
    uint32_t path_as, path_peer_as;
    const struct row *row; /* NULL: none */
};

/* Holds what a side should be afterwards. */
struct expected {
    uint32_t as, peer_as;
    uint8_t mask;
    struct ip_addr net, next_hop, shown;
    enum path_source source;
};

struct rig {
    uint64_t seed;
    struct row rows[ROWS];
    size_t row_count;
    struct networks *networks; /* NULL: no networks_file */
    struct correlate_settings correlate;
    struct network_fill_settings settings;
};

static uint32_t random_next(struct rig *rig)
{
    rig->seed = rig->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(rig->seed >> 33);
}

static bool coin(struct rig *rig)
{
    return random_next(rig) & 1;
}

/* Returns one of few addresses, so that rows nest and are hit. */
static struct ip_addr random_address(struct rig *rig, bool is_v6)
{
    uint8_t bytes[16] = {10, 0};

    bytes[1] = (uint8_t)(random_next(rig) % 3);
    bytes[2] = (uint8_t)(random_next(rig) % 3);
    bytes[3] = (uint8_t)(random_next(rig) % 3);
    return is_v6 ? ip_addr_v6(bytes) : ip_addr_v4(bytes);
}

static uint8_t random_len(struct rig *rig)
{
    static const uint8_t lens[] = {0, 8, 14, 15, 16, 22, 23, 24, 30, 31, 32};

    return lens[random_next(rig) % (sizeof lens)];
}

static void make_rows(struct rig *rig)
{
    struct text text = {0}, errors = {0};

    rig->row_count = random_next(rig) % ROWS;
    for (size_t i = 0; i < rig->row_count; i++) {
        struct row *row = &rig->rows[i];
        char prefix[IP_TEXT_LEN], next_hop[IP_TEXT_LEN];
        struct ip_addr addr = random_address(rig, coin(rig));
        *row = (struct row){.prefix.len = random_len(rig),
                            .as = random_next(rig) % 3 ? random_next(rig) : 0,
                            .peer_as = coin(rig) ? random_next(rig) : 0};
        row->prefix.addr = ip_addr_mask(&addr, row->prefix.len);
        if (coin(rig))
            row->next_hop = random_address(rig, coin(rig));
        ip_addr_format(&row->prefix.addr, prefix);
        ip_addr_format(&row->next_hop, next_hop);
        text_append_printf(&text, "%s,%" PRIu32 "_%" PRIu32 ",%s/%u\n", next_hop, row->peer_as,
                           row->as, prefix, row->prefix.len);
    }
    rig->networks = NULL;
    if (coin(rig) || coin(rig))
        assert_int_equal(networks_parse("n", text_cstr(&text), text.len, &errors, &rig->networks),
                         0);
    text_clear(&text);
    text_clear(&errors);
}

/* Returns the row with the longest prefix that contains an address, of equal ones the last. */
static const struct row *find_row(const struct rig *rig, const struct ip_addr *addr)
{
    const struct row *best = NULL;

    for (size_t i = 0; rig->networks && i < rig->row_count; i++)
        if (ip_prefix_contains(&rig->rows[i].prefix, addr) &&
            (!best || rig->rows[i].prefix.len >= best->prefix.len))
            best = &rig->rows[i];
    return best;
}

static void make_settings(struct rig *rig)
{
    static const enum route_method as_methods[] = {ROUTE_NETFLOW, ROUTE_BGP, ROUTE_LONGEST,
                                                   ROUTE_FILE};
    bool has_rib = coin(rig);

    rig->correlate =
        (struct correlate_settings){.is_enabled = has_rib,
                                    .as_method = as_methods[random_next(rig) % 4],
                                    .net_method = random_next(rig) % 5,
                                    .policy = coin(rig) ? RIB_POLICY_PMACCT : RIB_POLICY_NORMAL,
                                    .peer_src_as = random_next(rig) % 3,
                                    .needs_networks = true,
                                    .needs_path_source = true};
    if (!has_rib && rig->correlate.as_method == ROUTE_BGP)
        rig->correlate.as_method = ROUTE_NETFLOW;
    if (!has_rib && rig->correlate.net_method == ROUTE_BGP)
        rig->correlate.net_method = ROUTE_NETFLOW;
    rig->settings = (struct network_fill_settings){
        .file = rig->networks ? 0 : -1,
        .as_method = rig->correlate.as_method,
        .net_method = rig->correlate.net_method,
        .filters = rig->networks && coin(rig),
        .file_wins = coin(rig),
        .keeps_host = coin(rig),
        .mask = (uint16_t)(random_next(rig) % 129),
        .has_rib = has_rib && rig->correlate.as_method == ROUTE_LONGEST,
    };
}

/* ---- the reference ---- */

enum word { WORD_NOBODY, WORD_EXPORT, WORD_PATH, WORD_ROW };

/* Returns who has the word by a method. By `longest` all who know something stand in line: the longest
 * prefix is first, of equal ones the row's, then the path's. */
static enum word word_of(const struct rig *rig, enum route_method method, const struct side *side)
{
    int best = side->exported_len * 4 + WORD_EXPORT;

    switch (method) {
    case ROUTE_BGP:
        return side->has_path ? WORD_PATH : WORD_NOBODY;
    case ROUTE_FILE:
        return side->row ? WORD_ROW : WORD_NOBODY;
    case ROUTE_LONGEST:
        break;
    default:
        return WORD_EXPORT;
    }
    if (!side->row && rig->settings.filters && !rig->settings.file_wins)
        return WORD_NOBODY; /* all of them are one */
    if (side->has_path && side->path_len * 4 + WORD_PATH > best)
        best = side->path_len * 4 + WORD_PATH;
    if (side->row && rig->settings.file_wins && side->row->prefix.len > 0)
        return WORD_ROW;
    if (side->row && !rig->settings.file_wins && side->row->prefix.len * 4 + WORD_ROW > best)
        return WORD_ROW;
    return (enum word)(best % 4);
}

static uint8_t expected_mask(const struct rig *rig, const struct side *side, enum word word)
{
    uint8_t longest = side->addr.family == IP_V4 ? 32 : 128;

    if (rig->settings.net_method == ROUTE_LONGEST && rig->settings.filters && !side->row)
        return 0;
    if (rig->settings.net_method == ROUTE_MASK)
        return rig->settings.mask < longest ? (uint8_t)rig->settings.mask : longest;
    return word == WORD_ROW      ? side->row->prefix.len
           : word == WORD_PATH   ? side->path_len
           : word == WORD_NOBODY ? 0
                                 : side->exported_len;
}

static enum path_source expected_source(const struct rig *rig, const struct side *side,
                                        enum word as, enum word net)
{
    static const enum path_source sources[] = {[WORD_NOBODY] = PATH_SOURCE_NONE,
                                               [WORD_EXPORT] = PATH_SOURCE_EXPORT,
                                               [WORD_PATH] = PATH_SOURCE_BGP,
                                               [WORD_ROW] = PATH_SOURCE_FILE};
    bool by_as = rig->settings.as_method != ROUTE_NETFLOW;
    enum route_method method = by_as ? rig->settings.as_method : rig->settings.net_method;

    if (side->has_path && (method == ROUTE_NETFLOW || method == ROUTE_MASK))
        return PATH_SOURCE_BGP; /* it gives what exporters do not have, such as the AS path */
    return sources[by_as ? as : net];
}

static struct expected expect(const struct rig *rig, const struct side *side, bool is_destination,
                              const struct ip_addr *exported_next_hop,
                              const struct ip_addr *path_next_hop)
{
    enum word as = word_of(rig, rig->settings.as_method, side);
    enum word net = word_of(rig, rig->settings.net_method, side);
    struct expected e = {.mask = expected_mask(rig, side, net), .shown = side->addr};

    e.as = as == WORD_ROW      ? side->row->as
           : as == WORD_PATH   ? side->path_as
           : as == WORD_EXPORT ? side->exported_as
                               : 0;
    e.peer_as = as == WORD_ROW      ? side->row->peer_as
                : as == WORD_PATH   ? side->path_peer_as
                : as == WORD_EXPORT ? side->exported_peer_as
                                    : 0;
    /* BGP has a key of its own for sources, which a row goes before. */
    if (!is_destination && as != WORD_ROW &&
        (as != WORD_NOBODY || rig->settings.as_method == ROUTE_BGP)) {
        e.peer_as = side->exported_peer_as;
        if (rig->correlate.is_enabled && rig->correlate.peer_src_as == SOURCE_BGP)
            e.peer_as = side->has_path ? side->path_peer_as : 0;
        else if (rig->correlate.is_enabled && rig->correlate.peer_src_as == SOURCE_NONE)
            e.peer_as = 0;
    }
    if (rig->settings.filters && !side->row)
        e.shown = ip_addr_mask(&side->addr, 0);
    e.net = e.mask == 0 && rig->settings.keeps_host ? e.shown : ip_addr_mask(&e.shown, e.mask);
    e.next_hop = side->has_path ? *path_next_hop : *exported_next_hop;
    if (net == WORD_ROW)
        e.next_hop = side->row->next_hop;
    else if (rig->settings.net_method == ROUTE_FILE || rig->settings.net_method == ROUTE_MASK ||
             (net == WORD_NOBODY && (rig->correlate.policy == RIB_POLICY_PMACCT ||
                                     rig->settings.net_method == ROUTE_LONGEST)))
        e.next_hop = (struct ip_addr){0};
    e.source = expected_source(rig, side, as, net);
    return e;
}

/* ---- the rounds ---- */

static struct side random_side(struct rig *rig, bool is_v6, uint8_t base)
{
    struct side side = {.addr = random_address(rig, is_v6),
                        .exported_as = base + 1u,
                        .exported_peer_as = base + 2u,
                        .exported_len = random_len(rig),
                        .has_path = rig->correlate.is_enabled && coin(rig),
                        .path_len = random_len(rig),
                        .path_as = base + 3u,
                        .path_peer_as = base + 4u};

    side.row = find_row(rig, &side.addr);
    return side;
}

static void assert_addr(const struct ip_addr *found, const struct ip_addr *expected)
{
    char a[IP_TEXT_LEN], b[IP_TEXT_LEN];

    ip_addr_format(found, a);
    ip_addr_format(expected, b);
    assert_string_equal(a, b);
}

static void fill_by_path(const struct rig *rig, struct flow *flow, const struct side *src,
                         const struct side *dst, const struct ip_addr *next_hop)
{
    struct path_attrs src_attrs = {.origin_as = src->path_as, .first_as = src->path_peer_as};
    struct path_attrs dst_attrs = {.origin_as = dst->path_as, .first_as = dst->path_peer_as};
    struct rib_path src_path = {.attrs = &src_attrs, .prefix_len = src->path_len};
    struct rib_path dst_path = {.attrs = &dst_attrs, .prefix_len = dst->path_len};

    if (!rig->correlate.is_enabled)
        return;
    dst_attrs.next_hop = *next_hop;
    path_fill_destination(&rig->correlate, flow, dst->has_path ? &dst_path : NULL);
    path_fill_source(&rig->correlate, flow, src->has_path ? &src_path : NULL);
}

static void fill_round(struct rig *rig, const struct network_fill *fill)
{
    static struct flow flows[FLOWS];
    static struct prefix_match matches[2 * FLOWS];
    struct side src[FLOWS], dst[FLOWS];
    struct ip_addr exported[FLOWS], path[FLOWS];
    struct flow_batch batch = {.flows = (uint8_t *)flows,
                               .stride = sizeof flows[0],
                               .count = random_next(rig) % (FLOWS + 1),
                               .capacity = FLOWS};

    for (uint32_t i = 0; i < batch.count; i++) {
        bool is_v6 = coin(rig);
        src[i] = random_side(rig, is_v6, 10);
        dst[i] = random_side(rig, is_v6, 20);
        exported[i] = random_address(rig, is_v6);
        path[i] = random_address(rig, is_v6);
        memset(&flows[i], 0, sizeof flows[i]);
        flows[i].src_addr = src[i].addr;
        flows[i].dst_addr = dst[i].addr;
        flows[i].src_as = src[i].exported_as;
        flows[i].dst_as = dst[i].exported_as;
        flows[i].peer_src_as = src[i].exported_peer_as;
        flows[i].peer_dst_as = dst[i].exported_peer_as;
        flows[i].src_mask = src[i].exported_len;
        flows[i].dst_mask = dst[i].exported_len;
        flows[i].src_net = ip_addr_mask(&src[i].addr, src[i].exported_len); /* enrich did it */
        flows[i].dst_net = ip_addr_mask(&dst[i].addr, dst[i].exported_len);
        flows[i].bgp_next_hop = exported[i];
        fill_by_path(rig, &flows[i], &src[i], &dst[i], &path[i]);
    }
    network_fill_batch(fill, rig->networks, matches, &batch);
    for (uint32_t i = 0; i < batch.count; i++) {
        struct expected s = expect(rig, &src[i], false, &exported[i], &path[i]);
        struct expected d = expect(rig, &dst[i], true, &exported[i], &path[i]);
        assert_int_equal(flows[i].src_as, s.as);
        assert_int_equal(flows[i].dst_as, d.as);
        assert_int_equal(flows[i].peer_src_as, s.peer_as);
        assert_int_equal(flows[i].peer_dst_as, d.peer_as);
        assert_int_equal(flows[i].path_source, d.source);
        assert_addr(&flows[i].bgp_next_hop, &d.next_hop);
        assert_int_equal(flows[i].src_mask, s.mask);
        assert_int_equal(flows[i].dst_mask, d.mask);
        assert_addr(&flows[i].src_net, &s.net);
        assert_addr(&flows[i].dst_net, &d.net);
        assert_addr(&flows[i].src_addr, &src[i].addr);
        if (rig->settings.filters) {
            assert_addr(&flows[i].src_shown, &s.shown);
            assert_addr(&flows[i].dst_shown, &d.shown);
        }
    }
}

static void all_methods_do_as_the_reference(void **state)
{
    static struct rig rig = {.seed = 4711};
    unsigned wanted = 0;

    (void)state;
    thread_enter_role(&worker_thread);
    for (int round = 0; round < ROUNDS; round++) {
        struct network_fill fill;
        struct flow_needs needs;
        memset(&needs, 0xff, sizeof needs); /* somebody needs everything */
        make_rows(&rig);
        make_settings(&rig);
        if (network_fill_is_wanted(&rig.settings)) {
            wanted++;
            network_fill_init(&fill, &rig.settings, &needs);
            fill_round(&rig, &fill);
        }
        networks_free(rig.networks);
    }
    thread_leave_role(&worker_thread);
    assert_true(wanted > ROUNDS / 2);
}

/* Asserts whether such keys change what an instance sees. */
static void assert_wanted(bool is_wanted, struct network_fill_settings settings)
{
    assert_int_equal(network_fill_is_wanted(&settings), is_wanted);
}

static void keys_that_change_nothing_cost_nothing(void **state)
{
    (void)state;
    assert_wanted(false, (struct network_fill_settings){.file = -1});
    assert_wanted(false, (struct network_fill_settings){.file = 0});
    assert_wanted(
        false, (struct network_fill_settings){
                   .file = 0, .as_method = ROUTE_BGP, .net_method = ROUTE_BGP, .file_wins = true});
    assert_wanted(false, (struct network_fill_settings){
                             .file = -1, .as_method = ROUTE_LONGEST, .net_method = ROUTE_LONGEST});
    assert_wanted(true, (struct network_fill_settings){.file = 0, .as_method = ROUTE_LONGEST});
    assert_wanted(true, (struct network_fill_settings){.file = 0, .net_method = ROUTE_FILE});
    assert_wanted(true, (struct network_fill_settings){.file = 0, .filters = true});
    assert_wanted(true, (struct network_fill_settings){.file = -1, .keeps_host = true});
    assert_wanted(true, (struct network_fill_settings){.file = -1, .net_method = ROUTE_MASK});
    assert_wanted(true, (struct network_fill_settings){.file = -1, .as_method = ROUTE_FILE});
}

static bool has(const struct flow_needs *needs, enum flow_member member)
{
    return flow_needs_has(needs, member);
}

static void only_what_somebody_needs_is_read_and_looked_up(void **state)
{
    struct network_fill_settings settings = {
        .file = 0, .as_method = ROUTE_FILE, .net_method = ROUTE_NETFLOW};
    struct network_fill fill;
    struct flow_needs needs = {0};

    (void)state;
    flow_needs_add(&needs, FLOW_src_as);
    network_fill_init(&fill, &settings, &needs);
    assert_true(fill.finds_src && !fill.finds_dst);
    assert_true(has(&needs, FLOW_src_addr) && !has(&needs, FLOW_dst_addr));
    assert_false(has(&needs, FLOW_src_mask));

    settings = (struct network_fill_settings){.file = 0, .net_method = ROUTE_LONGEST};
    needs = (struct flow_needs){0};
    flow_needs_add(&needs, FLOW_bgp_next_hop);
    network_fill_init(&fill, &settings, &needs);
    assert_true(!fill.finds_src && fill.finds_dst);
    assert_true(has(&needs, FLOW_dst_addr) && has(&needs, FLOW_dst_mask));

    settings =
        (struct network_fill_settings){.file = 0, .as_method = ROUTE_LONGEST, .has_rib = true};
    needs = (struct flow_needs){0};
    flow_needs_add(&needs, FLOW_peer_src_as);
    network_fill_init(&fill, &settings, &needs);
    assert_true(has(&needs, FLOW_src_as) && has(&needs, FLOW_src_mask));

    settings = (struct network_fill_settings){.file = -1, .keeps_host = true};
    needs = (struct flow_needs){0};
    flow_needs_add(&needs, FLOW_dst_net);
    network_fill_init(&fill, &settings, &needs);
    assert_true(!fill.finds_src && !fill.finds_dst);
    assert_true(has(&needs, FLOW_dst_addr) && has(&needs, FLOW_dst_mask));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_methods_do_as_the_reference),
        cmocka_unit_test(keys_that_change_nothing_cost_nothing),
        cmocka_unit_test(only_what_somebody_needs_is_read_and_looked_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
