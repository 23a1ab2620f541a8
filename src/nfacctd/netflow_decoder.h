/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A worker's NetFlow and IPFIX decoder: its state, and what the decoders of the versions share.
 * Only this folder includes it; the rest of the program sees nfacctd/decoder.h. */
#include <stdatomic.h>

#include "base/arena.h"
#include "base/reader.h"
#include "base/thread.h"
#include "nfacctd/decoder.h"
#include "nfacctd/domain.h"
#include "nfacctd/option_store.h"
#include "nfacctd/pending_sets.h"
#include "nfacctd/plan.h"
#include "nfacctd/settings.h"
#include "nfacctd/template_store.h"
#include "nfacctd/told_templates.h"

struct netflow_decoder {
    const struct nfacctd_settings *settings;
    struct nfacctd_settings own; /* what `settings` is where it only takes datagrams apart */
    bool has_arrival_bins;       /* of struct decoder_settings */
    bool has_whole_seconds;      /* of struct decoder_settings */
    struct plan_settings plan_settings;
    struct exporter_table *exporters;
    struct flow_batch *batch;
    struct arena arena; /* texts of the flows in the batch */
    struct domain_table domains;
    struct template_store templates;
    struct option_store options;
    struct pending_sets pending;
    struct told_templates told;
    struct saved_marks marks;
    int64_t expired_ns;               /* when templates were last looked through */
    _Atomic uint64_t save_generation; /* what other threads see of the two generations */
    struct template_field *fields;    /* a template while it is read */
    const uint8_t **values;           /* an options record while it is read */
    uint16_t *value_lens;
    struct plan_ref *refs; /* a record of variable length while it is decoded */
    uint32_t ref_capacity;
    struct plan *v5_plan;
};

/* The message of one datagram while it is decoded. */
struct netflow_message {
    struct netflow_decoder *decoder;
    struct exporter *exporter;
    const struct datagram *datagram;
    struct domain *domain;
    struct plan_context context;
    uint32_t record_count;     /* data records, as IPFIX numbers them */
    bool has_unknown_records;  /* in sets without a template: not to be counted */
    const struct reader *rest; /* the sets behind the one that is decoded; NULL: none */
    int64_t latest;            /* uptime in the records of IPFIX; 0: none; -1: not yet sought */
};

/* Returns room for the refs of a record of variable length; borrowed until the next call. */
struct plan_ref *netflow_decoder_refs(struct netflow_decoder *decoder, const struct plan *plan);
/* Prepares message and context; the domain is made if new. */
void netflow_message_start(struct netflow_message *msg, struct netflow_decoder *decoder,
                           struct exporter *exporter, const struct datagram *datagram,
                           uint8_t version, uint32_t domain_id, uint32_t domain_key);
/* Checks the sequence number. Call it when the whole message has been read. */
void netflow_message_check_sequence(struct netflow_message *msg, uint32_t units);
/* The export time in the message's header. */
static inline void netflow_message_set_export_time(struct netflow_message *msg, int64_t export_ns)
{
    msg->context.export_ns = export_ns;
    msg->context.clock_offset_ns = clock_offset_ns(&msg->domain->clock);
}
/* Takes that time for evidence of how far the exporter's clock is off. Call it before it is set. */
void netflow_message_note_clock(struct netflow_message *msg, int64_t export_ns);
/* Notes the message's uptime. True if it went back, and not by a wrap: the exporter started anew,
 * and what was kept from before is dropped. */
bool netflow_message_check_uptime(struct netflow_message *msg, uint32_t uptime);
/* Decodes a run of data records by `plan` into the batch. False if one ran over the end. */
bool netflow_message_decode_flows(struct netflow_message *msg, const struct plan *plan,
                                  const uint8_t *data, size_t len);
/* RFC 7011 section 3.3.1: padding of a set aligns it to 4 or 8 bytes. */
enum { NETFLOW_PADDING_MOST = 7 };
/* Returns whether the rest of a set may be padding. */
bool netflow_message_is_padding(const uint8_t *data, size_t len);
/* Adds one record of options data to the batch, as a row without counters. */
void netflow_message_add_option(struct netflow_message *msg, const struct plan *plan,
                                const uint8_t *data, size_t len);

/* Decode one datagram, whose version was seen to be theirs; count it as decoded or refused. */
void netflow5_decode(struct netflow_decoder *decoder, struct exporter *exporter,
                     const struct datagram *datagram) ON_THREAD(worker_thread);
void netflow9_decode(struct netflow_decoder *decoder, struct exporter *exporter,
                     const struct datagram *datagram) ON_THREAD(worker_thread);
void ipfix_decode(struct netflow_decoder *decoder, struct exporter *exporter,
                  const struct datagram *datagram) ON_THREAD(worker_thread);
/* The plan for v5's fixed records; NULL never. */
struct plan *netflow5_plan(const struct plan_settings *settings);

/* Template and options sets of both versions, and data sets. */
void sets_decode_templates(struct netflow_message *msg, struct reader *set, bool is_options);
void sets_decode_data(struct netflow_message *msg, uint16_t template_id, struct reader *set);
/* Reads the records of an options template; false: one runs over the end of the set. */
bool sets_decode_options(struct netflow_message *msg, const struct template *tmpl,
                         struct reader *set);

/* Counts values that cannot be read in a data set of a template that has_odd_values, and names their
 * fields once. */
void odd_values_note(struct netflow_message *msg, const struct template *tmpl, struct reader set);

/* Implement decoder_ops.save and load. */
struct saved_pieces *saved_state_make(struct netflow_decoder *decoder);
size_t saved_state_load(struct netflow_decoder *decoder, const struct json_t *saved,
                        bool (*owns)(const struct ip_addr *exporter, void *arg), void *arg);
