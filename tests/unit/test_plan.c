/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Proves the parts of a decode plan that depend on values: which of several fields counts, packets
 * in packets, custom fields, and the way back of biflows (RFC 5103). */
#include <string.h>

#include "base/clock.h"
#include "support/decode_test.h"
#include "support/export_message.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static struct export_message m;

static void put_addr(const char *text)
{
    struct ip_addr addr;

    assert_int_equal(ip_addr_parse(text, &addr), 0);
    export_bytes(&m, ip_addr_wire(&addr), ip_addr_wire_len(&addr));
}

static const struct template_field dual[] = {
    {0, 8, 4}, {0, 12, 4}, {0, 27, 16}, {0, 28, 16}, {0, 9, 1}, {0, 29, 1}, {0, 1, 4},
};

static void put_dual(const char *src4, const char *dst4, const char *src6, const char *dst6)
{
    put_addr(src4);
    put_addr(dst4);
    put_addr(src6);
    put_addr(dst6);
    export_uint(&m, 24, 1);
    export_uint(&m, 48, 1);
    export_uint(&m, 100, 4);
}

static void family_that_has_addresses_counts(void **state)
{
    (void)state;
    decode_rig_start(&rig, 16);
    export_start(&m, 9, 1, 0, 1000);
    export_template(&m, 256, dual, COUNT(dual));
    export_data(&m, 256);
    put_dual("10.0.0.1", "10.0.0.2", "::", "::");
    put_dual("0.0.0.0", "0.0.0.0", "2001:db8::1", "2001:db8::2");
    put_dual("0.0.0.0", "255.255.255.255", "::", "::"); /* DHCP */
    assert_int_equal(export_feed(&m, &rig), 3);
    assert_addr(&decode_rig_flow(&rig, 0)->src_addr, "10.0.0.1");
    assert_int_equal(decode_rig_flow(&rig, 0)->src_mask, 24);
    assert_int_equal(decode_rig_flow(&rig, 0)->etype, 0x0800);
    assert_addr(&decode_rig_flow(&rig, 0)->src_net, "10.0.0.0");
    assert_addr(&decode_rig_flow(&rig, 1)->src_addr, "2001:db8::1");
    assert_addr(&decode_rig_flow(&rig, 1)->dst_addr, "2001:db8::2");
    assert_int_equal(decode_rig_flow(&rig, 1)->src_mask, 48);
    assert_int_equal(decode_rig_flow(&rig, 1)->etype, 0x86dd);
    assert_addr(&decode_rig_flow(&rig, 1)->src_net, "2001:db8::");
    assert_addr(&decode_rig_flow(&rig, 2)->src_addr, "0.0.0.0");
    assert_addr(&decode_rig_flow(&rig, 2)->dst_addr, "255.255.255.255");
}

static void ip_version_of_the_record_decides(void **state)
{
    static const struct template_field fields[] = {{0, 60, 1}, {0, 8, 4}, {0, 27, 16}, {0, 1, 4}};

    (void)state;
    decode_rig_start(&rig, 16);
    export_start(&m, 10, 1, 0, 0);
    export_template(&m, 256, fields, COUNT(fields));
    export_data(&m, 256);
    for (unsigned version = 4; version <= 6; version += 2) {
        export_uint(&m, version, 1);
        put_addr("10.0.0.1");
        put_addr("2001:db8::1");
        export_uint(&m, 1, 4);
    }
    assert_int_equal(export_feed(&m, &rig), 2);
    assert_addr(&decode_rig_flow(&rig, 0)->src_addr, "10.0.0.1");
    assert_addr(&decode_rig_flow(&rig, 1)->src_addr, "2001:db8::1");
}

static const struct template_field next_hops[] = {
    {0, 8, 4}, {0, 18, 4}, {0, 63, 16}, {0, 47, 4}, {0, 15, 4}, {0, 1, 4},
};

static void feed_next_hops(const char *bgp4, const char *bgp6, const char *mpls4, const char *ip4)
{
    export_start(&m, 10, 1, 0, 0);
    export_template(&m, 256, next_hops, COUNT(next_hops));
    export_data(&m, 256);
    put_addr("10.0.0.1");
    put_addr(bgp4);
    put_addr(bgp6);
    put_addr(mpls4);
    put_addr(ip4);
    export_uint(&m, 1, 4);
    decode_rig_empty(&rig);
    assert_int_equal(export_feed(&m, &rig), 1);
}

static void next_hop_is_the_first_that_is_not_zero(void **state)
{
    (void)state;
    decode_rig_start(&rig, 16);
    feed_next_hops("10.1.1.1", "::", "10.2.2.2", "10.3.3.3");
    assert_addr(&decode_rig_flow(&rig, 0)->bgp_next_hop, "10.1.1.1");
    feed_next_hops("0.0.0.0", "2001:db8::9", "10.2.2.2", "10.3.3.3");
    assert_addr(&decode_rig_flow(&rig, 0)->bgp_next_hop, "10.2.2.2"); /* the flow's family first */
    feed_next_hops("0.0.0.0", "2001:db8::9", "0.0.0.0", "10.3.3.3");
    assert_addr(&decode_rig_flow(&rig, 0)->bgp_next_hop, "2001:db8::9"); /* RFC 8950 */
    assert_addr(&decode_rig_flow(&rig, 0)->ip_next_hop, "10.3.3.3");
    feed_next_hops("0.0.0.0", "::", "0.0.0.0", "10.3.3.3");
    assert_addr(&decode_rig_flow(&rig, 0)->bgp_next_hop, "0.0.0.0");
}

static void next_hop_by_template_takes_zeros_too(void **state)
{
    (void)state;
    rig.own.next_hop_policy = NEXT_HOP_BY_TEMPLATE;
    decode_rig_start(&rig, 16);
    feed_next_hops("0.0.0.0", "2001:db8::9", "10.2.2.2", "10.3.3.3");
    assert_addr(&decode_rig_flow(&rig, 0)->bgp_next_hop, "0.0.0.0");
}

static const struct template_field biflow[] = {
    {0, 8, 4},     {0, 12, 4},    {0, 7, 2},       {0, 11, 2},  {0, 10, 4},  {0, 14, 4},
    {0, 4, 1},     {0, 1, 4},     {0, 2, 4},       {0, 6, 1},   {0, 152, 8}, {29305, 1, 4},
    {29305, 2, 4}, {29305, 6, 1}, {29305, 152, 8}, {0, 234, 4}, {0, 235, 4},
};

static void put_biflow(uint32_t reverse_bytes)
{
    put_addr("10.0.0.1");
    put_addr("10.0.0.2");
    export_uint(&m, 50000, 2);
    export_uint(&m, 443, 2);
    export_uint(&m, 17, 4);
    export_uint(&m, 18, 4);
    export_uint(&m, 6, 1);
    export_uint(&m, 1000, 4);
    export_uint(&m, 10, 4);
    export_uint(&m, 0x02, 1);
    export_uint(&m, 1699999990000, 8);
    export_uint(&m, reverse_bytes, 4);
    export_uint(&m, reverse_bytes / 100, 4);
    export_uint(&m, 0x12, 1);
    export_uint(&m, 1699999991000, 8);
    export_uint(&m, 5, 4);
    export_uint(&m, 6, 4);
}

static void biflow_is_two_flows(void **state)
{
    (void)state;
    decode_rig_start(&rig, 16);
    export_start(&m, 10, 1, 0, 0);
    export_template(&m, 256, biflow, COUNT(biflow));
    export_data(&m, 256);
    put_biflow(2500);
    put_biflow(0); /* nothing came back */
    assert_int_equal(export_feed(&m, &rig), 3);
    const struct flow *f = decode_rig_flow(&rig, 0), *back = decode_rig_flow(&rig, 1);
    assert_int_equal(f->bytes, 1000);
    assert_addr(&f->src_addr, "10.0.0.1");
    assert_int_equal(f->tcp_flags, 0x02);
    assert_addr(&back->src_addr, "10.0.0.2");
    assert_addr(&back->dst_addr, "10.0.0.1");
    assert_int_equal(back->src_port, 443);
    assert_int_equal(back->dst_port, 50000);
    assert_int_equal(back->in_iface, 18);
    assert_int_equal(back->out_iface, 17);
    assert_int_equal(back->proto, 6);
    assert_int_equal(back->bytes, 2500);
    assert_int_equal(back->packets, 25);
    assert_int_equal(back->tcp_flags, 0x12);
    assert_int_equal(back->start_ns, INT64_C(1699999991000) * NS_PER_MS);
    assert_int_equal(back->ingress_vrf, 6);
    assert_int_equal(back->order, f->order + 1);
    assert_int_equal(back->flows, 1);
    assert_int_equal(decode_rig_flow(&rig, 2)->bytes, 1000);
    assert_int_equal(counter_get(&decode_rig_exporter(&rig)->counters.flows), 3);
}

static void biflows_through_a_batch_of_one_lose_nothing(void **state)
{
    (void)state;
    decode_rig_start(&rig, 1);
    export_start(&m, 10, 1, 0, 0);
    export_template(&m, 256, biflow, COUNT(biflow));
    export_data(&m, 256);
    for (int i = 0; i < 5; i++)
        put_biflow(200);
    export_feed(&m, &rig);
    assert_int_equal(rig.full_count + rig.batch.count, 10);
    assert_int_equal(rig.full_bytes + decode_rig_flow(&rig, 0)->bytes, 5 * 1200);
}

/* With SRv6 the outer packet's fields stand before those of the packet in it, which count. */
static void packet_inside_a_packet_counts(void **state)
{
    static const struct template_field fields[] = {{0, 27, 16}, {0, 4, 1}, {0, 29, 1},
                                                   {0, 8, 4},   {0, 4, 1}, {0, 1, 4}};

    (void)state;
    decode_rig_start(&rig, 16);
    export_start(&m, 10, 1, 0, 0);
    export_template(&m, 256, fields, COUNT(fields));
    export_data(&m, 256);
    put_addr("2001:db8::1");
    export_uint(&m, 4, 1);
    export_uint(&m, 48, 1);
    put_addr("10.0.0.1");
    export_uint(&m, 17, 1);
    export_uint(&m, 100, 4);
    assert_int_equal(export_feed(&m, &rig), 1);
    assert_addr(&decode_rig_flow(&rig, 0)->src_addr, "10.0.0.1");
    assert_int_equal(decode_rig_flow(&rig, 0)->proto, 17);
    assert_int_equal(decode_rig_flow(&rig, 0)->src_mask, 0); /* 48 belongs to IPv6 */
}

static void vlan_is_that_of_the_direction(void **state)
{
    static const struct template_field fields[] = {{0, 58, 2}, {0, 61, 1}, {0, 1, 4}};

    (void)state;
    decode_rig_start(&rig, 16);
    export_start(&m, 10, 1, 0, 0);
    export_template(&m, 256, fields, COUNT(fields));
    export_data(&m, 256);
    for (unsigned direction = 0; direction < 2; direction++) {
        export_uint(&m, 100, 2); /* at ingress */
        export_uint(&m, direction, 1);
        export_uint(&m, 1000, 4);
    }
    assert_int_equal(export_feed(&m, &rig), 2);
    assert_int_equal(decode_rig_flow(&rig, 0)->vlan, 100);
    assert_int_equal(decode_rig_flow(&rig, 1)->vlan, 0);
}

static void template_without_counters_makes_events(void **state)
{
    static const struct template_field fields[] = {{0, 8, 4}, {0, 230, 1}};

    (void)state;
    decode_rig_start(&rig, 16);
    export_start(&m, 10, 1, 0, 0);
    export_template(&m, 256, fields, COUNT(fields));
    export_data(&m, 256);
    put_addr("10.0.0.1");
    export_uint(&m, 1, 1);
    assert_int_equal(export_feed(&m, &rig), 1);
    assert_int_equal(decode_rig_flow(&rig, 0)->has_counters, 0);
    assert_int_equal(decode_rig_flow(&rig, 0)->nat_event, 1);
    assert_int_equal(decode_rig_flow(&rig, 0)->bytes, 0);
}

static void custom_fields_keep_their_bytes(void **state)
{
    const uint32_t tail = (sizeof(struct flow) + 7) / 8 * 8;
    const struct custom_field custom[] = {
        {0, 46, 4, tail, true, false},        /* a number of 1 byte into 4 */
        {0, 47, 4, tail + 4, false, false},   /* an address */
        {0, 36, 4, tail + 8, true, false},    /* not in the template */
        {9, 100, 0, tail + 16, false, false}, /* of variable length, an enterprise's */
        {0, 1, 8, tail + 40, true, true},     /* reverse, but it is no biflow's counter here */
    };
    static const struct template_field fields[] = {
        {0, 46, 1}, {0, 47, 4}, {9, 100, 65535}, {0, 1, 4}};

    (void)state;
    rig.settings.custom_fields = custom;
    rig.settings.custom_field_count = COUNT(custom);
    decode_rig_start(&rig, 16);
    export_start(&m, 10, 1, 0, 0);
    export_template(&m, 256, fields, COUNT(fields));
    export_data(&m, 256);
    export_uint(&m, 5, 1);
    put_addr("10.0.0.47");
    export_text(&m, "hello");
    export_uint(&m, 1, 4);
    assert_int_equal(export_feed(&m, &rig), 1);
    const uint8_t *place = (const uint8_t *)decode_rig_flow(&rig, 0) + tail;
    const struct flow_bytes *text = (const void *)(place + 16);
    assert_memory_equal(place, "\0\0\0\5", 4);
    assert_memory_equal(place + 4, "\x0a\0\0\x2f", 4);
    assert_memory_equal(place + 8, "\0\0\0\0", 4);
    assert_int_equal(text->len, 5);
    assert_memory_equal(text->data, "hello", 5);
    assert_memory_equal(place + 40, "\0\0\0\0\0\0\0\0", 8);
}

static void more_needed_members_compile_anew(void **state)
{
    static const struct template_field fields[] = {{0, 8, 4}, {0, 7, 2}, {0, 1, 4}};
    struct flow_needs needs = {0};

    (void)state;
    rig.settings.needs = needs;
    flow_needs_add(&rig.settings.needs, FLOW_bytes);
    decode_rig_start(&rig, 16);
    export_start(&m, 10, 1, 0, 0);
    export_template(&m, 256, fields, COUNT(fields));
    export_feed(&m, &rig);
    flow_needs_add(&needs, FLOW_bytes);
    flow_needs_add(&needs, FLOW_src_port);
    nfacctd_decoder.set_needs(rig.decoder, &needs);
    export_start(&m, 10, 1, 0, 0);
    export_data(&m, 256);
    put_addr("10.0.0.1");
    export_uint(&m, 443, 2);
    export_uint(&m, 9, 4);
    assert_int_equal(export_feed(&m, &rig), 1);
    assert_int_equal(decode_rig_flow(&rig, 0)->src_port, 443);
    assert_int_equal(decode_rig_flow(&rig, 0)->bytes, 9);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(family_that_has_addresses_counts),
        TEST(ip_version_of_the_record_decides),
        TEST(next_hop_is_the_first_that_is_not_zero),
        TEST(next_hop_by_template_takes_zeros_too),
        TEST(biflow_is_two_flows),
        TEST(biflows_through_a_batch_of_one_lose_nothing),
        TEST(packet_inside_a_packet_counts),
        TEST(vlan_is_that_of_the_direction),
        TEST(template_without_counters_makes_events),
        TEST(custom_fields_keep_their_bytes),
        TEST(more_needed_members_compile_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
