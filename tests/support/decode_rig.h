/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A rig holds a decoder as a worker does, either that of NetFlow and IPFIX or that of sFlow:
 * datagrams go in as hex, and flows come out. Hex may hold blanks, and comments from '#' to the end
 * of the line.
 */
#include <stdbool.h>
#include <stdint.h>

#include "nfacctd/decoder.h"
#include "sfacctd/decoder.h"

struct decode_rig {
    struct decoder_settings settings;
    const struct decoder_ops *ops;
    struct nfacctd_settings own;   /* used if the decoder is that of NetFlow and IPFIX */
    struct sfacctd_settings sflow; /* used if it is that of sFlow */
    struct exporter_table *exporters;
    uint32_t exporters_max;
    struct flow_batch batch;
    void *decoder;
    struct ip_addr source; /* of the next datagram */
    uint16_t source_port;
    int64_t now_ns;
    uint64_t datagram_number;  /* of the last one */
    uint64_t full_count;       /* flows that left the batch through full() */
    uint64_t reset_count;      /* how often it was reset */
    uint64_t full_bytes;       /* the sum of their bytes */
    struct saved_store *saved; /* what decode_rig_save() has got so far */
    size_t saved_count;        /* pieces that the last call got */
};

/* Sets up a rig that needs all members and has defaults for the rest. Change settings, then start. */
void decode_rig_init(struct decode_rig *rig);
void decode_rig_init_sflow(struct decode_rig *rig);
void decode_rig_start(struct decode_rig *rig, uint32_t batch_capacity);
void decode_rig_clear(struct decode_rig *rig);
/*
 * Makes a started rig as good as new, in a hundredth of the time that a new one takes: every exporter
 * is evicted, so that all that was learnt from it goes; the batch is empty, and the clock jumps ahead
 * so far that whatever waits for a time is due. What the exporters counted goes to the evicted.
 */
void decode_rig_reset(struct decode_rig *rig);
/* True if the clock of a rig that was reset many times has run so far that a new one is due. */
bool decode_rig_is_old(const struct decode_rig *rig);

/* Decodes one datagram, which comes from 192.0.2.1 port 2055 unless the rig's `source` or
 * `source_port` was changed. Returns the number of flows in the batch now. */
uint32_t decode_rig_bytes(struct decode_rig *rig, const uint8_t *data, size_t len);
uint32_t decode_rig_hex(struct decode_rig *rig, const char *hex);
/* Has the decoder take the datagram as one that another collector sent for the exporter. */
void decode_rig_learn(struct decode_rig *rig, const uint8_t *data, size_t len);
/* Empties the batch without a call of full(). */
void decode_rig_empty(struct decode_rig *rig);

struct flow *decode_rig_flow(struct decode_rig *rig, uint32_t index);
struct exporter *decode_rig_exporter(struct decode_rig *rig);
uint64_t decode_rig_drops(struct decode_rig *rig, enum drop_reason reason);
uint64_t decode_rig_all_drops(struct decode_rig *rig);

/* Has the decoder save, and returns all that is saved then as JSON, which the caller owns. */
struct json_t *decode_rig_save(struct decode_rig *rig);
/* The same without JSON: returns how many scopes are saved. */
size_t decode_rig_save_count(struct decode_rig *rig);

/* Returns the bytes of hex as above in an allocation of exactly their length (free with mem_free). */
uint8_t *hex_bytes(const char *hex, size_t *ret_len);
