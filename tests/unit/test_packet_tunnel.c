/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves that each kind of tunnel is recognised and opened. Packets are written by hand from the
 * specifications; the integration tests have tshark read the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/reader.h"
#include "flow/packet_tunnel.h"
#include "support/decode_rig.h"

/* The outer packet goes from 192.0.2.1 to 192.0.2.2 with TOS 0x20. */
#define OUTER(proto) "4520 0080 0001 0000 40" proto "0000 c0000201 c0000202 "
#define OUTER6(next)                                                                               \
    "60212345 0050" next "40 20010db8000000000000000000000001 20010db8000000000000000000000002 "
#define UDP(port)  "d431" port "0060 0000 "
#define INNER_MACS "0a0000000002 0a0000000001 "
/* The inner packet goes from 10.1.1.1:50000 to 10.2.2.2:443 by TCP with SYN and TOS 0xb8. */
#define INNER_IP                                                                                   \
    "45b8 002c 0001 0000 3f06 0000 0a010101 0a020202 c350 01bb 00000001 00000000 5002 ffff "
#define INNER_IP6                                                                                  \
    "6bb12345 0014 06 40 20010db800010000000000000000000a 20010db800010000000000000000000b "       \
    "c350 01bb 00000001 00000000 5002 ffff 00000000"
#define INNER_FRAME INNER_MACS "0800" INNER_IP

/* Parses a packet, whose pointers hold until the next call; the caller frees the bytes. */
static const struct packet *parse(const char *hex, enum tunnel_view view, uint8_t **ret_bytes)
{
    static struct packet packet;
    size_t len;

    *ret_bytes = hex_bytes(hex, &len);
    packet_parse(PACKET_IP, *ret_bytes, len, true, view, &packet);
    return &packet;
}

static void assert_inner_ip(const struct packet_header *h)
{
    assert_int_equal(h->ip_version, 4);
    assert_int_equal(wire_u32(h->src), 0x0a010101);
    assert_int_equal(wire_u32(h->dst), 0x0a020202);
    assert_int_equal(h->proto, 6);
    assert_int_equal(h->tos, 0xb8);
    assert_int_equal(h->src_port, 50000);
    assert_int_equal(h->dst_port, 443);
    assert_int_equal(h->tcp_flags, 2);
}

struct tunnel_case {
    const char *name, *hex;
    uint32_t vxlan, nvgre;
    bool has_mac, is_ip6;
};

static const struct tunnel_case cases[] = {
    {.name = "GRE", .hex = OUTER("2f") "0000 0800" INNER_IP},
    {.name = "GRE, all optional fields",
     .hex = OUTER("2f") "b000 0800 1234 0000 00000007 00000009" INNER_IP},
    {.name = "GRE over IPv6", .hex = OUTER6("2f") "0000 86dd" INNER_IP6, .is_ip6 = true},
    {.name = "GRE, MPLS inside", .hex = OUTER("2f") "0000 8847 00064140" INNER_IP},
    {.name = "GRE, Ethernet inside", .hex = OUTER("2f") "0000 6558" INNER_FRAME, .has_mac = true},
    {.name = "NVGRE",
     .hex = OUTER("2f") "2000 6558 00abcd 05" INNER_FRAME,
     .nvgre = 0xabcd,
     .has_mac = true},
    {.name = "ERSPAN I", .hex = OUTER("2f") "0000 88be" INNER_FRAME, .has_mac = true},
    {.name = "ERSPAN II",
     .hex = OUTER("2f") "1000 88be 00000001 1001 0001 00000000" INNER_FRAME,
     .has_mac = true},
    {.name = "ERSPAN III",
     .hex =
         OUTER("2f") "1000 22eb 00000001 20010001 00000000 00000001 0000000000000000" INNER_FRAME,
     .has_mac = true},
    {.name = "ERSPAN III, no subheader",
     .hex = OUTER("2f") "1000 22eb 00000001 20010001 00000000 00000000" INNER_FRAME,
     .has_mac = true},
    {.name = "IPIP", .hex = OUTER("04") INNER_IP},
    {.name = "6in4", .hex = OUTER("29") INNER_IP6, .is_ip6 = true},
    {.name = "4in6", .hex = OUTER6("04") INNER_IP},
    {.name = "MPLS in IP", .hex = OUTER("89") "00064040 000c8140" INNER_IP},
    {.name = "VXLAN",
     .hex = OUTER("11") UDP("12b5") "08000000 001234 00" INNER_FRAME,
     .vxlan = 0x1234,
     .has_mac = true},
    {.name = "VXLAN, tagged frame",
     .hex = OUTER("11") UDP("12b5") "08000000 001234 00" INNER_MACS "8100 0064 0800" INNER_IP,
     .vxlan = 0x1234,
     .has_mac = true},
    {.name = "VXLAN-GPE, IPv4",
     .hex = OUTER("11") UDP("12b6") "0c000001 000007 00" INNER_IP,
     .vxlan = 7},
    {.name = "VXLAN-GPE, IPv6",
     .hex = OUTER("11") UDP("12b6") "0c000002 000007 00" INNER_IP6,
     .vxlan = 7,
     .is_ip6 = true},
    {.name = "VXLAN-GPE, Ethernet",
     .hex = OUTER("11") UDP("12b6") "0c000003 000007 00" INNER_FRAME,
     .vxlan = 7,
     .has_mac = true},
    {.name = "Geneve",
     .hex = OUTER("11") UDP("17c1") "0000 6558 00abcd 00" INNER_FRAME,
     .vxlan = 0xabcd,
     .has_mac = true},
    {.name = "Geneve with options",
     .hex = OUTER("11") UDP("17c1") "0200 0800 00abcd 00 0102 80 01 deadbeef" INNER_IP,
     .vxlan = 0xabcd},
    {.name = "GTP-U", .hex = OUTER("11") UDP("0868") "30ff 002c 00000001" INNER_IP},
    {.name = "GTP-U with sequence",
     .hex = OUTER("11") UDP("0868") "32ff 0030 00000001 0001 00 00" INNER_IP},
    {.name = "GTP-U with two extensions",
     .hex = OUTER("11") UDP("0868") "34ff 0038 00000001 0000 00 85 01 0001 c0 01 1234 00" INNER_IP},
    {.name = "MPLS over UDP", .hex = OUTER("11") UDP("19eb") "00064140" INNER_IP},
    {.name = "SRv6",
     .hex = OUTER6("2b") "04 02 04 00 00 00 0000 fc000000000000000000000000000002" INNER_IP},
    {.name = "SRv6, Ethernet",
     .hex = OUTER6("2b") "8f 02 04 00 00 00 0000 fc000000000000000000000000000002" INNER_FRAME,
     .has_mac = true},
};

static void every_tunnel_is_opened(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct tunnel_case *t = &cases[i];
        uint8_t *bytes;
        const struct packet *p = parse(t->hex, TUNNEL_VIEW_OUTER, &bytes);
        if (!p->tunnel)
            fail_msg("%s is not opened", t->name);
        assert_int_equal(p->inner.has_mac, t->has_mac);
        if (t->is_ip6)
            assert_int_equal(p->inner.flow_label, 0x12345);
        else
            assert_inner_ip(&p->inner);
        assert_int_equal(p->vxlan, t->vxlan);
        assert_int_equal(p->nvgre, t->nvgre);
        mem_free(bytes);
    }
}

/* The packet is cut at each byte: nothing beyond the cut is read, and what is there is told. */
static void every_cut_is_safe(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t len;
        uint8_t *bytes = hex_bytes(cases[i].hex, &len);
        for (size_t cut = 0; cut < len; cut++) {
            uint8_t *part = mem_dup(bytes, cut ? cut : 1); /* exact, for AddressSanitizer */
            struct packet packet;
            packet_parse(PACKET_IP, part, cut, true, TUNNEL_VIEW_OUTER, &packet);
            assert_ptr_equal(packet.plain, &packet.outer);
            if (packet.tunnel)
                assert_true(packet.inner.has_mac || packet.inner.has_ip);
            mem_free(part);
        }
        mem_free(bytes);
    }
}

static void what_is_no_tunnel_stays_closed(void **state)
{
    static const char *const closed[] = {
        OUTER("11") UDP("12b5") "00000000 001234 00" INNER_FRAME,  /* VXLAN without its flag */
        OUTER("11") UDP("12b6") "0c000004 000007 00" INNER_FRAME,  /* a service header */
        OUTER("11") UDP("17c1") "4000 6558 00abcd 00" INNER_FRAME, /* Geneve version 1 */
        OUTER("11") UDP("17c1") "3f00 0800 00abcd 00" INNER_IP,    /* options beyond the packet */
        OUTER("11") UDP("0868") "30fe 002c 00000001" INNER_IP,     /* GTP-U, but no user data */
        OUTER("11") UDP("0868") "34ff 0038 00000001 0000 00 85 00 0001 c0" INNER_IP, /* no length */
        OUTER("11") UDP("0868") "34ff 0038 00000001 0000 00 85 ff 0001 c0" INNER_IP, /* too long */
        OUTER("2f") "2001 880b 0000 0001" INNER_IP,                                  /* PPTP */
        OUTER("2f") "0000 9999" INNER_IP,                              /* nobody's protocol */
        OUTER("11") UDP("0035") "08000000 001234 00" INNER_FRAME,      /* DNS */
        ("4520 0080 0001 0001 4004 0000 c0000201 c0000202 " INNER_IP), /* a later fragment */
    };
    (void)state;
    for (size_t i = 0; i < sizeof closed / sizeof closed[0]; i++) {
        uint8_t *bytes;
        const struct packet *p = parse(closed[i], TUNNEL_VIEW_INNER, &bytes);
        if (p->tunnel)
            fail_msg("number %zu was opened", i);
        mem_free(bytes);
    }
}

/* A tunnel in the tunnel is payload, as it is the tenant's own and not the network's. */
static void one_tunnel_is_opened(void **state)
{
    (void)state;
    uint8_t *bytes;
    const struct packet *p =
        parse(OUTER("11") UDP("12b5") "08000000 001234 00" INNER_MACS "0800" OUTER("04") INNER_IP,
              TUNNEL_VIEW_OUTER, &bytes);
    assert_int_equal(p->inner.proto, 4);
    assert_int_equal(wire_u32(p->inner.src), 0xc0000201);
    mem_free(bytes);
}

static void the_view_says_which_are_plain(void **state)
{
    (void)state;
    size_t len;
    uint8_t *bytes = hex_bytes(OUTER("04") INNER_IP, &len);
    struct flow_needs needs = {0};
    struct packet packet;
    struct flow flow;
    memset(&flow, 0xff, sizeof flow);
    flow_needs_add(&needs, FLOW_tunnel_tos);
    flow_needs_add(&needs, FLOW_vxlan);

    packet_parse(PACKET_IP, bytes, len, true, TUNNEL_VIEW_OUTER, &packet);
    assert_int_equal(packet.plain->tos, 0x20);
    packet_set_tunnel(&packet, &needs, &flow);
    assert_int_equal(flow.tunnel_tos, 0xb8);
    assert_int_equal(flow.vxlan, 0);
    assert_int_equal(flow.tunnel_proto, 0xff); /* nobody needs it */

    packet_parse(PACKET_IP, bytes, len, true, TUNNEL_VIEW_INNER, &packet);
    assert_int_equal(packet.plain->tos, 0xb8);
    packet_set_tunnel(&packet, &needs, &flow);
    assert_int_equal(flow.tunnel_tos, 0x20);

    /* Without a tunnel the plain headers are all there is, in either view. */
    packet_parse(PACKET_IP, bytes + 20, len - 20, true, TUNNEL_VIEW_INNER, &packet);
    assert_int_equal(packet.plain->tos, 0xb8);
    packet_set_tunnel(&packet, &needs, &flow);
    assert_int_equal(flow.tunnel_tos, 0);
    mem_free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_tunnel_is_opened),         cmocka_unit_test(every_cut_is_safe),
        cmocka_unit_test(what_is_no_tunnel_stays_closed), cmocka_unit_test(one_tunnel_is_opened),
        cmocka_unit_test(the_view_says_which_are_plain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
