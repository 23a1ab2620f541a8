/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Measures the nanoseconds that decoding alone takes for a flow: IPFIX datagrams of 12 records of a
 * template of 25 fields (those of a usual router), for the members of the traffic matrix and for all
 * that the template has; sFlow datagrams of 5 samples with packet header, router and gateway
 * records, for the matrix as these tell it, and for the members that a RIB is asked with. With
 * arguments it does a number of rounds of one of them, so that instructions can be counted:
 * decode_bench 9|25|sflow|sflow-rib ROUNDS.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/thread.h"
#include "nfacctd/decoder.h"
#include "nfacctd/settings.h"
#include "sfacctd/decoder.h"
#include "sfacctd/settings.h"
#include "sflow_export.h"

#define RECORDS    12
#define SAMPLES    5
#define DATAGRAMS  64
#define ROUNDS     2000
#define BATCH      32
#define HEADER_LEN 16
#define EXPORT_S   INT64_C(1700000000) /* each message arrives a second later */

static const uint16_t fields[][2] = {
    {8, 4},  {12, 4}, {5, 1},  {4, 1},  {7, 2},  {11, 2},  {10, 4},  {14, 4}, {9, 1},
    {13, 1}, {16, 4}, {17, 4}, {15, 4}, {6, 1},  {18, 4},  {58, 2},  {59, 2}, {61, 1},
    {60, 1}, {1, 8},  {2, 8},  {52, 1}, {53, 1}, {152, 8}, {153, 8},
};
#define FIELDS (sizeof fields / sizeof fields[0])

static const enum flow_member matrix[] = {
    FLOW_bytes,    FLOW_packets,      FLOW_start_ns, FLOW_end_ns,        FLOW_src_addr,
    FLOW_dst_addr, FLOW_bgp_next_hop, FLOW_in_iface, FLOW_exporter_addr,
};
static const enum flow_member wide[] = {
    FLOW_bytes,     FLOW_packets,      FLOW_start_ns,      FLOW_end_ns,        FLOW_src_addr,
    FLOW_dst_addr,  FLOW_src_port,     FLOW_dst_port,      FLOW_proto,         FLOW_tos,
    FLOW_tcp_flags, FLOW_in_iface,     FLOW_out_iface,     FLOW_src_as,        FLOW_dst_as,
    FLOW_src_mask,  FLOW_dst_mask,     FLOW_src_net,       FLOW_dst_net,       FLOW_vlan,
    FLOW_etype,     FLOW_bgp_next_hop, FLOW_exporter_addr, FLOW_sampling_rate, FLOW_direction,
};

static const enum flow_member sflow_matrix[] = {
    FLOW_bytes,        FLOW_packets,     FLOW_flows,  FLOW_arrival_ns,    FLOW_in_iface,
    FLOW_bgp_next_hop, FLOW_peer_dst_as, FLOW_dst_as, FLOW_exporter_addr,
};
static const enum flow_member sflow_rib[] = {
    FLOW_bytes,         FLOW_packets,      FLOW_flows,       FLOW_arrival_ns, FLOW_in_iface,
    FLOW_exporter_addr, FLOW_bgp_next_hop, FLOW_peer_dst_as, FLOW_dst_as,     FLOW_src_addr,
    FLOW_dst_addr,      FLOW_vpn_rd,       FLOW_start_ns,    FLOW_end_ns,
};

/* A decoder together with the messages that it is given. */
struct subject {
    const char *name;
    const struct decoder_ops *decoder;
    const void *settings;
    const enum flow_member *members;
    size_t member_count;
    size_t (*make_first)(uint8_t *message); /* sent once, before the others; NULL: none */
    size_t (*make_data)(uint8_t *message, uint32_t sequence);
};

static uint8_t *put(uint8_t *p, uint64_t value, int len)
{
    for (int i = len - 1; i >= 0; i--)
        *p++ = (uint8_t)(value >> (8 * i));
    return p;
}

static uint8_t *put_header(uint8_t *message, size_t len, uint32_t sequence)
{
    uint8_t *p = put(message, 10, 2);
    p = put(p, len, 2);
    p = put(p, (uint64_t)EXPORT_S, 4);
    p = put(p, sequence, 4);
    return put(p, 1, 4);
}

static size_t make_template(uint8_t *message)
{
    size_t len = HEADER_LEN + 8 + FIELDS * 4;
    uint8_t *p = put_header(message, len, 0);
    p = put(p, 2, 2);
    p = put(p, len - HEADER_LEN, 2);
    p = put(p, 256, 2);
    p = put(p, FIELDS, 2);
    for (size_t i = 0; i < FIELDS; i++)
        p = put(put(p, fields[i][0], 2), fields[i][1], 2);
    return len;
}

static size_t make_data(uint8_t *message, uint32_t sequence)
{
    size_t record_len = 0;
    uint64_t random = sequence + 1;

    for (size_t i = 0; i < FIELDS; i++)
        record_len += fields[i][1];
    size_t len = HEADER_LEN + 4 + RECORDS * record_len;
    uint8_t *p = put_header(message, len, sequence * RECORDS);
    p = put(p, 256, 2);
    p = put(p, len - HEADER_LEN, 2);
    while (p < message + len) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        *p++ = (uint8_t)(random >> 56);
    }
    return len;
}

static size_t make_samples(uint8_t *message, uint32_t sequence)
{
    size_t len = sflow_put_header(message, 0x7f000201, sequence, 0);

    put(message + len - 4, SAMPLES, 4);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        uint32_t number = sequence * SAMPLES + i;
        struct sflow_packet packet = {.sequence = number,
                                      .iface = 1 + number % 4,
                                      .src = 0x0a000000 + number,
                                      .dst = 0xc6336400 + number,
                                      .next_hop = 0xc0000200 + number % 16,
                                      .peer_as = 64496 + number % 16,
                                      .origin_as = 4200000000 + number,
                                      .frame_len = 64 + number,
                                      .sport = 443,
                                      .dport = (uint16_t)(1024 + number),
                                      .proto = number % 3 ? 6 : 17,
                                      .dst_mask = 24};
        len += sflow_put_sample(message + len, &packet);
    }
    return len;
}

static const struct nfacctd_settings nfacctd_settings = NFACCTD_SETTINGS_DEFAULT;
static const struct sfacctd_settings sfacctd_settings = SFACCTD_SETTINGS_DEFAULT;
#define MEMBERS(list) list, sizeof(list) / sizeof(list)[0]
static const struct subject subjects[] = {
    {"9", &nfacctd_decoder, &nfacctd_settings, MEMBERS(matrix), make_template, make_data},
    {"25", &nfacctd_decoder, &nfacctd_settings, MEMBERS(wide), make_template, make_data},
    {"sflow", &sfacctd_decoder, &sfacctd_settings, MEMBERS(sflow_matrix), NULL, make_samples},
    {"sflow-rib", &sfacctd_decoder, &sfacctd_settings, MEMBERS(sflow_rib), NULL, make_samples},
};
#define SUBJECTS (sizeof subjects / sizeof subjects[0])

static uint64_t drained;

static void drain(struct flow_batch *batch)
{
    drained += batch->count;
    batch->count = 0;
}

static double run(const struct subject *subject, int rounds)
{
    struct decoder_settings settings = {.own = subject->settings};
    static uint8_t messages[DATAGRAMS][1500];
    size_t lens[DATAGRAMS];
    uint8_t first[256];
    struct ip_addr source = ip_addr_v4((const uint8_t[]){192, 0, 2, 1});

    for (size_t i = 0; i < subject->member_count; i++)
        flow_needs_add(&settings.needs, subject->members[i]);
    thread_enter_role(&worker_thread); /* decoders run there */
    uint32_t stride = (sizeof(struct flow) + 7) / 8 * 8;
    struct flow_batch batch = {.flows = mem_zalloc((size_t)BATCH * stride),
                               .stride = stride,
                               .capacity = BATCH,
                               .full = drain};
    struct exporter_table *exporters = exporter_table_new(4, NULL, NULL);
    struct exporter *exporter = exporter_table_get(exporters, &source, 0);
    void *decoder = subject->decoder->new (&settings, exporters, &batch);
    struct datagram d = {.data = first,
                         .source_port = 2055,
                         .source = source,
                         .received_ns = (EXPORT_S + 1) * NS_PER_S,
                         .number = 1};
    if (subject->make_first) {
        d.len = (uint32_t)subject->make_first(first);
        subject->decoder->decode(decoder, exporter, &d);
    }
    int64_t decoding_ns = 0;
    drained = 0;
    for (uint32_t round = 0; round < (uint32_t)rounds; round++) {
        /* Messages are made anew for each round, as their numbers go on: late ones would be another
         * case. */
        for (uint32_t i = 0; i < DATAGRAMS; i++)
            lens[i] = subject->make_data(messages[i], round * DATAGRAMS + i);
        int64_t start_ns = clock_mono().ns;
        for (uint32_t i = 0; i < DATAGRAMS; i++) {
            d.data = messages[i];
            d.len = (uint32_t)lens[i];
            subject->decoder->decode(decoder, exporter, &d);
        }
        decoding_ns += clock_mono().ns - start_ns;
    }
    drain(&batch);
    double ns = (double)decoding_ns / (double)drained;
    exporter_table_free(exporters);
    subject->decoder->free(decoder);
    thread_leave_role(&worker_thread);
    mem_free(batch.flows);
    return ns;
}

int main(int argc, char **argv)
{
    if (argc == 3) {
        for (size_t i = 0; i < SUBJECTS; i++)
            if (strcmp(argv[1], subjects[i].name) == 0)
                return run(&subjects[i], atoi(argv[2])) > 0 ? 0 : 1;
        return 2;
    }
    for (size_t i = 0; i < SUBJECTS * 3; i++) {
        const struct subject *subject = &subjects[i % SUBJECTS];
        printf("%-9s %2zu members: %.1f ns/flow\n", subject->name, subject->member_count,
               run(subject, ROUNDS));
    }
    return 0;
}
