/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves that what a real router sent by BMP (Loc-RIBs of VRFs, and global peers with VPN routes) is read
 * as another collector read it: each route, Peer Up and End-of-RIB of the reference has one of its own
 * here, and a flow to each route finds it in its view of the RIB. The capture is not part of the source: SHARED_DIR, or a folder `shared` beside the source, holds
 * `captures`; without them the test is skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <jansson.h>
#include <pcap.h>

#include "base/memory.h"
#include "bgp/path_match.h"
#include "support/bmp_rig.h"
#include "support/bmp_tables_rig.h"

#define LINES_MAX    1024
#define ETHERNET_LEN 14
#define CAPTURE      "200-bmp-locrib"

/* Items of one side, as texts that can be compared. */
struct lines {
    size_t count;
    char *lines[LINES_MAX];
};

static struct lines ours, theirs;

static char *capture_path(const char *name)
{
    const char *shared = getenv("SHARED_DIR");

    return shared ? mem_printf("%s/captures/" CAPTURE "/%s", shared, name)
                  : mem_printf(TEST_DATA "/../../../shared/captures/" CAPTURE "/%s", name);
}

static void lines_add(struct lines *lines, char *line)
{
    assert_true(lines->count < LINES_MAX);
    lines->lines[lines->count++] = line;
}

static int line_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void lines_clear(struct lines *lines)
{
    while (lines->count > 0)
        mem_free(lines->lines[--lines->count]);
}

/* Next hops are compared as bytes: the other side prints a mapped IPv4 address in two ways. */
static char *route_line(int rib, const char *peer, uint64_t rd, const char *prefix,
                        const char *as_path, const struct ip_addr *next_hop)
{
    return mem_printf("route %d %s %" PRIx64 " %s %s %08x", rib, peer, rd, prefix, as_path,
                      wire_u32(next_hop->bytes + 12));
}

static void peer_text(const struct bmp_peer_key *key, char out[IP_TEXT_LEN])
{
    if (key->type == BMP_PEER_LOC_RIB)
        strcpy(out, "0.0.0.0");
    else
        ip_addr_format(&key->address, out);
}

static void take_announce(void *arg, const struct bmp_source *source, enum address_family family,
                          const struct rib_nlri *nlri, size_t count, struct path_attrs *attrs)
{
    char peer[IP_TEXT_LEN], prefix[IP_PREFIX_TEXT_LEN];

    (void)arg, (void)family;
    peer_text(&source->peer->key, peer);
    for (size_t i = 0; i < count; i++) {
        ip_prefix_format(&nlri[i].prefix, prefix);
        lines_add(&ours, route_line(source->rib, peer,
                                    nlri[i].rd ? nlri[i].rd : source->peer->key.distinguisher,
                                    prefix, rib_text_data(attrs->as_path), &attrs->next_hop));
    }
}

static void take_up(void *arg, struct bmp_peer *peer)
{
    char text[IP_TEXT_LEN];

    (void)arg;
    peer_text(&peer->key, text);
    lines_add(&ours, mem_printf("up %s %" PRIx64 " %u %u", text, peer->key.distinguisher,
                                peer->up.sent.as, peer->up.received.as));
}

static void take_end(void *arg, const struct bmp_source *source, enum address_family family)
{
    (void)arg, (void)family;
    lines_add(&ours, mem_printf("end %d %" PRIx64, source->rib, source->peer->key.distinguisher));
}

static const char *string_of(const json_t *record, const char *key)
{
    const char *text = json_string_value(json_object_get(record, key));

    return text ? text : "";
}

static int rib_of(const json_t *record)
{
    const char *name = string_of(record, "bmp_rib_type");

    return strcmp(name, "Loc-Rib") == 0                 ? BMP_RIB_LOC
           : strcmp(name, "Adj-Rib-In Pre-Policy") == 0 ? BMP_RIB_IN_PRE
                                                        : BMP_RIB_IN_POST;
}

static void their_route(const json_t *record, uint64_t rd)
{
    struct text path = {0};
    struct ip_addr next_hop;
    size_t i;
    json_t *as;

    json_array_foreach(json_object_get(record, "as_path"), i, as)
        text_append_printf(&path, "%s%s", i ? "_" : "", json_string_value(as));
    assert_int_equal(ip_addr_parse(string_of(record, "bgp_nexthop"), &next_hop), 0);
    lines_add(&theirs, route_line(rib_of(record), string_of(record, "peer_ip"), rd,
                                  string_of(record, "ip_prefix"), text_cstr(&path), &next_hop));
    text_clear(&path);
}

/* A peer of the reference has a Peer Up for each table; here it is one. */
static void their_up(const json_t *record, uint64_t rd)
{
    char *line = mem_printf("up %s %" PRIx64 " %u %u", string_of(record, "peer_ip"), rd,
                            (unsigned)json_integer_value(json_object_get(record, "local_as")),
                            (unsigned)json_integer_value(json_object_get(record, "peer_asn")));

    for (size_t i = 0; i < theirs.count; i++) {
        if (strcmp(theirs.lines[i], line) == 0) {
            mem_free(line);
            return;
        }
    }
    lines_add(&theirs, line);
}

static void reference_read(void)
{
    char *path = capture_path("reference-bmp-00.json"), line[8192];
    FILE *file = fopen(path, "r");

    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        json_t *record = json_loads(line, 0, NULL);
        const char *type = string_of(record, "bmp_msg_type"), *log = string_of(record, "log_type");
        uint64_t rd = 0;
        assert_non_null(record);
        if (*string_of(record, "rd"))
            assert_int_equal(route_distinguisher_parse(string_of(record, "rd"), &rd), 0);
        if (strcmp(type, "peer_up") == 0)
            their_up(record, rd);
        else if (strcmp(type, "route_monitor") == 0 && strcmp(log, "update") == 0)
            their_route(record, rd);
        else if (strcmp(log, "end-of-rib") == 0)
            lines_add(&theirs, mem_printf("end %d %" PRIx64, rib_of(record), rd));
        json_decref(record);
    }
    fclose(file);
    mem_free(path);
}

/* All segments go to us, in order, each once. */
static void feed_segment(struct bmp_rig *rig, const uint8_t *frame, size_t len)
{
    const uint8_t *ip = frame + ETHERNET_LEN;
    size_t ip_len = (ip[0] & 0xfu) * 4u;
    size_t total = wire_u16(ip + 2);
    const uint8_t *tcp = ip + ip_len;
    size_t tcp_len = (tcp[12] >> 4) * 4u;

    assert_true(ETHERNET_LEN + total <= len && ip[9] == 6);
    assert_true(bmp_router_feed(rig->router, tcp + tcp_len, total - ip_len - tcp_len));
}

/* Feeds all of the capture to the rig's router; false: there is none. */
static bool capture_feed(struct bmp_rig *rig)
{
    char *path = capture_path("traffic-00.pcap"), error[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *header;
    const uint8_t *data;
    bool is_there = access(path, R_OK) == 0;

    if (is_there) {
        pcap_t *pcap = pcap_open_offline(path, error);
        assert_non_null(pcap);
        while (pcap_next_ex(pcap, &header, &data) == 1)
            feed_segment(rig, data, header->caplen);
        pcap_close(pcap);
    }
    mem_free(path);
    return is_there;
}

static void a_routers_stream_is_read_as_the_reference_has_it(void **state)
{
    struct bmp_rig *rig = mem_alloc(sizeof *rig);

    (void)state;
    bmp_rig_init(rig, 100);
    rig->owner.announce = take_announce;
    rig->owner.peer_up = take_up;
    rig->owner.end_of_rib = take_end;
    if (!capture_feed(rig)) {
        bmp_rig_clear(rig);
        mem_free(rig);
        skip();
    }
    /* Each of the three Loc-RIBs names IPv6 in a Peer Up of its own, and one has labelled routes (4, 8)
     * that none names. */
    assert_string_equal(text_cstr(&rig->log),
                        "init ipf-zbl1843-r-daisy-61; families 3; families 3; families 3; "
                        "families b; families f; ");
    reference_read();
    qsort(ours.lines, ours.count, sizeof ours.lines[0], line_compare);
    qsort(theirs.lines, theirs.count, sizeof theirs.lines[0], line_compare);
    for (size_t i = 0; i < ours.count && i < theirs.count; i++)
        assert_string_equal(ours.lines[i], theirs.lines[i]);
    assert_int_equal(ours.count, theirs.count);
    lines_clear(&ours);
    lines_clear(&theirs);
    bmp_rig_clear(rig);
    mem_free(rig);
}

/* ---- in the RIB ---- */

/* Asks for a flow to the record's prefix, over its next hop, in the view and of the peer that it names. */
static void record_ask(struct bmp_tables_rig *rig, const json_t *record, bool is_stale)
{
    struct rib_query query = {.from_ns = rig->now_s * NS_PER_S, .to_ns = rig->now_s * NS_PER_S + 1};
    bool is_loc = rib_of(record) == BMP_RIB_LOC;
    struct ip_addr peer;
    struct ip_prefix prefix;
    struct text path = {0};
    size_t i;
    json_t *as;

    assert_int_equal(route_distinguisher_parse(string_of(record, "rd"), &query.rd), 0);
    assert_int_equal(ip_prefix_parse(string_of(record, "ip_prefix"), &prefix), 0);
    assert_int_equal(ip_addr_parse(string_of(record, "bgp_nexthop"), &query.next_hop), 0);
    assert_int_equal(ip_addr_parse(string_of(record, "peer_ip"), &peer), 0);
    json_array_foreach(json_object_get(record, "as_path"), i, as)
        text_append_printf(&path, "%s%s", i ? "_" : "", json_string_value(as));
    query.address = prefix.addr;
    const struct bmp_view *view =
        bmp_tables_rig_view(rig, 0, is_loc ? BMP_VIEW_LOC : BMP_VIEW_IN, is_loc ? query.rd : 0);
    assert_non_null(view);
    query.peer = view->slot;
    if (!is_loc) {
        const struct bmp_view_member *member = bmp_view_find_member(view, &peer);
        assert_non_null(member);
        query.only_member = member->number + 1u;
    }
    rib_lookup_batch(rig->rib, RIB_POLICY_NORMAL, &query, 1);
    assert_string_equal(path_matches[query.match].text, "exact");
    assert_string_equal(rib_text_data(query.path.attrs->as_path), text_cstr(&path));
    assert_int_equal(query.path.prefix_len, prefix.len);
    assert_int_equal(query.is_stale, is_stale);
    text_clear(&path);
}

static unsigned reference_ask(struct bmp_tables_rig *rig, bool is_stale)
{
    char *path = capture_path("reference-bmp-00.json"), line[8192];
    FILE *file = fopen(path, "r");
    unsigned count = 0;

    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        json_t *record = json_loads(line, 0, NULL);
        if (strcmp(string_of(record, "bmp_msg_type"), "route_monitor") == 0 &&
            strcmp(string_of(record, "log_type"), "update") == 0) {
            record_ask(rig, record, is_stale);
            count++;
        }
        json_decref(record);
    }
    fclose(file);
    mem_free(path);
    return count;
}

static void its_routes_answer_in_their_views(void **state)
{
    struct bmp_tables_rig *rig = mem_alloc(sizeof *rig);

    (void)state;
    bmp_tables_rig_init(
        rig, &(struct bmp_tables_rig_settings){
                 .slot_count = 8, .max_members = 100, .routers_max = 1, .peers_max = 100});
    bmp_tables_rig_time(rig, 1900000000); /* later than the capture */
    assert_true(bmp_tables_rig_connect(rig, 0));
    rig->bmp.router = rig->routers[0].router;
    bool is_there = capture_feed(&rig->bmp);
    rig->bmp.router = NULL;
    if (is_there) {
        const struct bmp_router_view *router = bmp_tables_rig_router(rig, 0);
        assert_string_equal(router->sys_name, "ipf-zbl1843-r-daisy-61");
        assert_int_equal(router->peer_count, 5);
        assert_int_equal(router->view_count, 4);
        assert_int_equal(reference_ask(rig, false), 84);
        bmp_tables_rig_lose(rig, 0, true);
        assert_int_equal(reference_ask(rig, true), 84);
    }
    bmp_tables_rig_clear(rig);
    mem_free(rig);
    if (!is_there)
        skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_routers_stream_is_read_as_the_reference_has_it),
        cmocka_unit_test(its_routes_answer_in_their_views),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
