/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A decoder as a worker holds it, the NetFlow and IPFIX one or sFlow's, for tests: datagrams go in
 * as hex, flows come out. Hex may hold blanks and comments from '#' to the end of the line.
 */
#include <stdbool.h>
#include <stdint.h>

#include "nfacctd/decoder.h"
#include "sfacctd/decoder.h"

struct decode_rig {
    struct decoder_settings settings;
    const struct decoder_ops *ops;
    struct nfacctd_settings own; /* of whichever it is */
    struct sfacctd_settings sflow;
    struct exporter_table *exporters;
    struct flow_batch batch;
    void *decoder;
    struct ip_addr source; /* of the next datagram */
    uint16_t source_port;
    int64_t now_ns;
    uint64_t datagram_number; /* of the last one */
    uint64_t full_count;      /* flows that left the batch through full() */
    uint64_t full_bytes;      /* the sum of their bytes */
};

/* All members needed, defaults for the rest: change settings and own, then start. */
void decode_rig_init(struct decode_rig *rig);
void decode_rig_init_sflow(struct decode_rig *rig);
void decode_rig_start(struct decode_rig *rig, uint32_t batch_capacity);
void decode_rig_clear(struct decode_rig *rig);

/* The exporter is 192.0.2.1 port 2055 unless the rig was told otherwise. Returns how many flows the
 * batch has now. */
uint32_t decode_rig_bytes(struct decode_rig *rig, const uint8_t *data, size_t len);
uint32_t decode_rig_hex(struct decode_rig *rig, const char *hex);
/* Empties the batch, without full(). */
void decode_rig_empty(struct decode_rig *rig);

struct flow *decode_rig_flow(struct decode_rig *rig, uint32_t index);
struct exporter *decode_rig_exporter(struct decode_rig *rig);
uint64_t decode_rig_drops(struct decode_rig *rig, enum drop_reason reason);
uint64_t decode_rig_all_drops(struct decode_rig *rig);

/* Bytes of hex as above into an allocation of exactly that length (free with mem_free). */
uint8_t *hex_bytes(const char *hex, size_t *ret_len);
