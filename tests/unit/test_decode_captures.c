/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves that captures of real exporters are decoded as another collector did: each record of the
 * reference has a flow of its own that agrees in every key that both have. The captures are not
 * part of the source: SHARED_DIR, or a folder `shared` beside the source, holds `captures`; without
 * them the tests are skipped.
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

#include "base/clock.h"
#include "base/memory.h"
#include "flow/packet_header.h"
#include "support/decode_rig.h"

static struct decode_rig rig;

static char *capture_path(const char *name)
{
    const char *shared = getenv("SHARED_DIR");

    return shared ? mem_printf("%s/captures/%s", shared, name)
                  : mem_printf(TEST_DATA "/../../../shared/captures/%s", name);
}

/* Feeds the payload of a frame, which has Ethernet, IPv4 and UDP headers without options. */
static void feed_packet(const struct pcap_pkthdr *header, const uint8_t *data)
{
    struct packet_header h;

    packet_header_parse(PACKET_ETHERNET, data, header->caplen, &h);
    assert_true(h.has_ports);
    ip_addr_put(&rig.source, h.ip_version, h.src);
    rig.source_port = h.src_port;
    rig.now_ns = header->ts.tv_sec * NS_PER_S;
    size_t skip = 14 + (h.ip_version == 4 ? 20 : 40) + 8;
    decode_rig_bytes(&rig, data + skip, header->caplen - skip);
}

static void feed_capture(const char *name)
{
    char *path = capture_path(name), error[PCAP_ERRBUF_SIZE];
    struct pcap_pkthdr *header;
    const uint8_t *data;

    if (access(path, R_OK) != 0) {
        mem_free(path);
        skip();
    }
    pcap_t *pcap = pcap_open_offline(path, error);
    assert_non_null(pcap);
    decode_rig_init(&rig);
    decode_rig_start(&rig, 4096);
    while (pcap_next_ex(pcap, &header, &data) == 1)
        feed_packet(header, data);
    pcap_close(pcap);
    mem_free(path);
}

static json_t *flow_to_json(const struct flow *f)
{
    char src[IP_TEXT_LEN], dst[IP_TEXT_LEN], src_net[IP_TEXT_LEN], dst_net[IP_TEXT_LEN], rd[32];
    char etype[8], smac[MAC_TEXT_LEN], dmac[MAC_TEXT_LEN];
    const char *proto = f->proto == 6    ? "tcp"
                        : f->proto == 17 ? "udp"
                        : f->proto == 1  ? "icmp"
                        : f->proto == 2  ? "igmp"
                        : f->proto == 47 ? "gre"
                        : f->proto == 50 ? "esp"
                        : f->proto == 58 ? "ipv6-icmp"
                                         : "?";

    ip_addr_format(&f->src_addr, src);
    ip_addr_format(&f->dst_addr, dst);
    ip_addr_format(&f->src_net, src_net);
    ip_addr_format(&f->dst_net, dst_net);
    mac_addr_format(&f->src_mac, smac);
    mac_addr_format(&f->dst_mac, dmac);
    snprintf(etype, sizeof etype, "%x", f->etype);
    if (f->vpn_rd >> 48 == 65535)
        snprintf(rd, sizeof rd, "vrfid:%u", (unsigned)f->vpn_rd);
    else
        snprintf(rd, sizeof rd, "%u:%u:%u", (unsigned)(f->vpn_rd >> 48),
                 (unsigned)(f->vpn_rd >> 32 & 0xffff), (unsigned)f->vpn_rd);
    json_t *labels = json_array();
    for (uint32_t i = 0; i < f->mpls_labels.len / 4; i++) {
        uint32_t label;
        char text[32];
        memcpy(&label, f->mpls_labels.data + 4 * (size_t)i, 4);
        snprintf(text, sizeof text, "%u-%u", i, label);
        json_array_append_new(labels, json_string(text));
    }
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:i, s:i, s:i, s:i, s:I, s:I, s:i, s:i, s:s, "
        "s:s, s:s, s:s, s:i, s:s, s:o}",
        "ip_src", src, "ip_dst", dst, "net_src", src_net, "net_dst", dst_net, "port_src",
        f->src_port, "port_dst", f->dst_port, "bytes", (json_int_t)f->bytes, "packets",
        (json_int_t)f->packets, "iface_in", f->in_iface, "iface_out", f->out_iface, "mask_src",
        f->src_mask, "mask_dst", f->dst_mask, "as_src", (json_int_t)f->src_as, "as_dst",
        (json_int_t)f->dst_as, "tos", f->tos, "vlan", f->vlan, "ip_proto", proto, "etype", etype,
        "mac_src", smac, "mac_dst", dmac, "tcp_flags", f->tcp_flags, "mpls_vpn_rd", rd,
        "mpls_label_stack", labels);
}

static bool agrees(const json_t *reference, const json_t *flow)
{
    const char *key;
    const json_t *value;

    json_object_foreach((json_t *)(uintptr_t)reference, key, value)
    {
        const json_t *ours = json_object_get(flow, key);
        if (!ours || json_typeof(ours) != json_typeof(value))
            continue; /* of another kind: not compared here */
        if (!json_equal(ours, value))
            return false;
    }
    return true;
}

/* Every record of `records` takes a flow that agrees with it; no flow may be left. */
static void compare(const json_t *records)
{
    json_t *flows = json_array();

    for (uint32_t i = 0; i < rig.batch.count; i++)
        json_array_append_new(flows, flow_to_json(decode_rig_flow(&rig, i)));
    for (size_t i = 0; i < json_array_size(records); i++) {
        const json_t *record = json_array_get(records, i);
        size_t k = 0;
        while (k < json_array_size(flows) && !agrees(record, json_array_get(flows, k)))
            k++;
        if (k == json_array_size(flows)) {
            char *text = json_dumps(record, 0);
            print_error("no flow like %s\n", text);
            free(text);
            for (k = 0; k < json_array_size(flows) && k < 3; k++) {
                text = json_dumps(json_array_get(flows, k), JSON_SORT_KEYS);
                print_error("    but %s\n", text);
                free(text);
            }
            fail();
        }
        json_array_remove(flows, k);
    }
    assert_int_equal(json_array_size(flows), 0);
    json_decref(flows);
}

static void compare_with(const char *name)
{
    char *path = capture_path(name);
    json_error_t error;
    json_t *reference = json_load_file(path, 0, &error);

    assert_non_null(reference);
    compare(json_object_get(reference, "records"));
    json_decref(reference);
    mem_free(path);
    decode_rig_clear(&rig);
}

/* Compares with a file that has a line of JSON for each record. */
static void compare_with_lines(const char *name)
{
    char *path = capture_path(name), *line = NULL;
    size_t size = 0;
    FILE *file = fopen(path, "r");
    json_t *records = json_array();

    assert_non_null(file);
    while (getline(&line, &size, file) > 0)
        json_array_append_new(records, json_loads(line, 0, NULL));
    compare(records);
    json_decref(records);
    free(line);
    fclose(file);
    mem_free(path);
    decode_rig_clear(&rig);
}

static void netflow5_of_a_router(void **state)
{
    (void)state;
    feed_capture("akvorado-nfv5.pcap");
    compare_with("akvorado-nfv5.ref.json");
}

static void netflow9_of_a_router(void **state)
{
    (void)state;
    feed_capture("akvorado-nfv9.pcap");
    for (uint32_t i = 0; i < rig.batch.count; i++)
        assert_int_equal(decode_rig_flow(&rig, i)->sampling_rate, 30000);
    compare_with("akvorado-nfv9.ref.json");
}

static void ipfix_of_mikrotik(void **state)
{
    (void)state;
    feed_capture("logstash-ipfix-mikrotik-routeros-6-39-2.pcap");
    compare_with("logstash-ipfix-mikrotik-routeros-6-39-2.ref.json");
}

static void invalid_netflow5_is_refused_and_the_other_exporter_counted(void **state)
{
    (void)state;
    feed_capture("logstash-netflow-5-invalid-01.pcap");
    compare_with("logstash-netflow-5-invalid-01.ref.json");
}

static void ipfix_of_cisco_with_labels(void **state)
{
    (void)state;
    feed_capture("100-ipfix-cisco/traffic-00.pcap");
    compare_with_lines("100-ipfix-cisco/reference-flow-00.json");
}

static void netflow9_of_cisco_with_vrfs(void **state)
{
    (void)state;
    feed_capture("101-netflow9-custom-primitives/traffic-00.pcap");
    compare_with_lines("101-netflow9-custom-primitives/reference-flow-00.json");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(netflow5_of_a_router),
        cmocka_unit_test(netflow9_of_a_router),
        cmocka_unit_test(ipfix_of_mikrotik),
        cmocka_unit_test(invalid_netflow5_is_refused_and_the_other_exporter_counted),
        cmocka_unit_test(ipfix_of_cisco_with_labels),
        cmocka_unit_test(netflow9_of_cisco_with_vrfs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
