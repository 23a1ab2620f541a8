/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The interface between a worker and its daemon's decoder. Each worker has one decoder object, and
 * all calls come from that worker. A decoder never hears of BGP, configuration files or plugins. */
#include "base/address.h"
#include "flow/description.h"
#include "flow/exporter.h"
#include "flow/flow.h"
#include "flow/packet_tunnel.h"
#include "flow/saved_pieces.h"
#include <stddef.h>
#include <stdint.h>

struct datagram_parts;

struct datagram {
    const uint8_t *data; /* the UDP payload, borrowed for the call */
    uint32_t len;
    uint16_t source_port;
    struct ip_addr source;
    int64_t received_ns;  /* wall clock; the capture's in replay */
    uint64_t number;      /* position in the file, from 1; 0 live */
    bool is_of_templates; /* another collector sent it, to the port for templates alone */
};

/* A custom primitive (aggregate_primitives): the element that it is made of, and its place in the
 * tail of a flow, which is laid out at run time. */
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
    bool has_arrival_bins;  /* nobody bins by the exporters' times */
    bool has_whole_seconds; /* nobody looks at fractions of seconds */
    bool only_splits;       /* the decoder is there for split() alone: it writes nothing */
};

struct decoder_ops {
    const char *name; /* "nfacctd" */
    /*
     * Members that the protocol cannot tell, so that whoever asks for them is warned; NULL: none.
     */
    const enum flow_member *lacking;
    size_t lacking_count;
    bool lacks_elements; /* there are no information elements for custom primitives */
    bool tells_paths;    /* exports can tell AS path, communities and local preference */
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
    /*
     * Fills what the header alone tells: export_version, export_domain, engine_type, sample_format, and
     * of sFlow exporter_addr. All that it cannot read is 0 or stays. The datagram may be anything.
     */
    void (*read_header)(const void *decoder, const struct datagram *datagram, struct flow *flow);
    /*
     * Writes the next message of the datagram that has templates, reduced to those, from *offset on (0 at first),
     * which it moves; `out` has room for as many bytes as the datagram has. Returns its length; 0:
     * there is no other. The datagram may be anything. NULL: exports have no templates.
     */
    size_t (*next_templates)(const struct datagram *datagram, size_t *offset, uint8_t *out);
    /* Takes nothing but templates from a datagram that another collector sent for the exporter, and
     * counts it there. NULL as next_templates. */
    void (*learn)(void *decoder, struct exporter *exporter, const struct datagram *datagram);
    /*
     * Takes a datagram apart (flow/datagram_parts.h) and adds its flows to the batch, whose full()
     * raises `parts->given_flows` by what it takes away. Learns templates as decode() does, but counts
     * nothing that anybody sees. For decoders with only_splits; tables and batch are theirs alone.
     * False: it cannot be taken apart, and may be anything; flows that were added mean nothing then.
     */
    bool (*split)(void *decoder, struct exporter *exporter, const struct datagram *datagram,
                  struct datagram_parts *parts);
    /* Called about once a second, to let old state expire. `now_ns` is a datagram's received_ns. */
    void (*tick)(void *decoder, int64_t now_ns);
    /*
     * Frees exporter->decoder_state; the exporter table's `evict` calls it. A decoder that is freed
     * first has freed the state of all exporters: `decoder` is NULL then, and only the pointer is
     * cleared.
     */
    void (*forget)(void *decoder, struct exporter *exporter);
    /* exporter->is_known has changed: what is shared between exporters is shared anew. */
    void (*know)(void *decoder, struct exporter *exporter);
    /* A capture file is read again from its start: what would count the same flows once more goes.
     * NULL: there is no such thing. */
    void (*begin_reading)(void *decoder);
    /* Nothing more comes: what still waits for more is given up, and counted. NULL: nothing ever
     * waits. */
    void (*end)(void *decoder);
    /* The set of needed members grew: the decoder prepares to fill the new ones too. */
    void (*set_needs)(void *decoder, const struct flow_needs *needs);
    /* Returns what changed of templates and options since the call before, the first time all of
     * them. The caller owns it. NULL: there is never anything to save. */
    struct saved_pieces *(*save)(void *decoder);
    /* Takes over what `saved`, which is borrowed, has of the exporters that `owns` accepts. Returns
     * the number of templates. */
    size_t (*load)(void *decoder, const struct json_t *saved,
                   bool (*owns)(const struct ip_addr *exporter, void *arg), void *arg);
    /* Returns a number that grows with each change worth saving, so that the caller saves only after
     * it has moved. Any thread may call it. */
    uint64_t (*save_generation)(const void *decoder);
    /* Describes templates and options, from where `description`, which is new at first, stands on; it
     * returns soon after `until_ns` of clock_mono(). True: that was all. NULL: there are none. */
    bool (*describe)(void *decoder, struct description *description, int64_t until_ns);
};
