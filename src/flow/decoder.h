/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * What a daemon's decoders look like to the worker that runs them. Each worker has one decoder
 * object; all calls come from that worker. A decoder never hears of BGP, configuration files or
 * plugins.
 */
#include "base/address.h"
#include "flow/exporter.h"
#include "flow/flow.h"
#include "flow/packet_tunnel.h"
#include <stddef.h>
#include <stdint.h>

struct datagram {
    const uint8_t *data; /* the UDP payload, borrowed for the call */
    uint32_t len;
    uint16_t source_port;
    struct ip_addr source;
    int64_t received_ns; /* wall clock; the capture's in replay */
    uint64_t number;     /* position in the file, from 1; 0 live */
};

/* A field of run-time layout that the tail of a flow takes (aggregate_primitives). */
struct custom_field {
    uint32_t enterprise;
    uint16_t element;
    uint16_t len; /* of the wire value kept; 0: variable length, kept as struct flow_bytes */
    uint32_t flow_offset; /* of the value in the flow (raw wire bytes, zeros if absent), 8-aligned
                             for flow_bytes */
    bool is_number;  /* right-aligned in its `len` bytes, so that a reduced size keeps its value;
                        else left-aligned */
    bool is_reverse; /* the reverse element (RFC 5103), of the flow that carries it */
};

struct decoder_settings {
    struct flow_needs needs;
    const struct custom_field *custom_fields;
    uint32_t custom_field_count;
    const void *own; /* the daemon's decoders' own settings (nfacctd/settings.h) */
    bool is_replay;
    enum tunnel_view tunnel_view;
    bool is_utc;            /* times in files that a decoder writes itself are UTC, else local */
    bool has_whole_seconds; /* nobody looks at fractions of seconds */
};

struct decoder_ops {
    const char *name; /* "nfacctd" */
    /* Members that its protocol cannot tell, so that who asks for them is warned; NULL: none. */
    const enum flow_member *lacking;
    size_t lacking_count;
    bool lacks_elements; /* there are no information elements for custom primitives */
    /* `settings` is borrowed for the decoder's life; `exporters` and `batch` are the worker's. */
    void *(*new)(const struct decoder_settings *settings, struct exporter_table *exporters,
                 struct flow_batch *batch);
    void (*free)(void *decoder);
    /*
     * Adds the datagram's flows to the batch, counts it and all in it at `exporter`. Texts of flows
     * are copies or stand in the decoder's tables: valid until batch->full(), which the decoder
     * calls before it changes those, or until the first decode() or tick() with an empty batch.
     */
    void (*decode)(void *decoder, struct exporter *exporter, const struct datagram *datagram);
    /* About once a second: expiry. `now_ns` as in datagram.received_ns. */
    void (*tick)(void *decoder, int64_t now_ns);
    /*
     * Frees exporter->decoder_state: for the `evict` of the exporter table. The table goes before
     * the decoder, or `decoder` is NULL then: free() has freed them all.
     */
    void (*forget)(void *decoder, struct exporter *exporter);
    /* The set of needed members grew: recompile. */
    void (*set_needs)(void *decoder, const struct flow_needs *needs);
    /* Templates and options as JSON (one array per call, owned by the caller as a jansson value),
     * or NULL. */
    struct json_t *(*save)(void *decoder);
    /* Takes what belongs to `exporter` addresses that `owns` accepts; borrowed. Returns how many
     * templates. */
    size_t (*load)(void *decoder, const struct json_t *saved,
                   bool (*owns)(const struct ip_addr *exporter, void *arg), void *arg);
    /* Grows with each change of what save() would write: saves only when it moved. Any thread may
     * read it. */
    uint64_t (*save_generation)(const void *decoder);
};
