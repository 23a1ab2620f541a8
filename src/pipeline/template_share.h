/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Sends the templates that arrive to another collector, with the exporter's address and port as source:
 * of each message what its header says, and its sets of templates. Each worker has one. It never
 * waits: what the socket does not take is dropped, and counted by reason (template_outcomes.def).
 */
#include "base/address_port.h"
#include "base/metric.h"
#include "base/thread.h"
#include "config/config_key.h"
#include "flow/decoder.h"

enum share_outcome {
#define TEMPLATE_OUTCOME(name, ...) TEMPLATE_##name,
#include "pipeline/template_outcomes.def"
    TEMPLATE_OUTCOME_COUNT
};
struct share_outcome_info {
    const char *key, *what, *remedy;
};
extern const struct share_outcome_info template_outcomes[TEMPLATE_OUTCOME_COUNT];

struct template_share_settings {
    const char *receiver;   /* nfacctd_templates_receiver; NULL: nothing is sent */
    struct address_port to; /* the same */
    uint16_t listen_port;   /* nfacctd_templates_port; 0: none */
    int raw_fd;             /* of the receiver's family; borrowed. Workers share it */
};
extern const struct config_key template_share_keys[];
/* After these keys were read. */
void template_share_settings_finish(struct template_share_settings *settings);

struct template_share;

/* NULL if nothing is to be sent. Borrows `settings`, whose raw socket is open, and `counts`, one an outcome. */
struct template_share *template_share_new(const struct template_share_settings *settings,
                                          const struct decoder_ops *decoder,
                                          struct counter *counts);
void template_share_free(struct template_share *share); /* NULL is fine */
/* Sends what the datagram has of templates, if anything. */
void template_share_offer(struct template_share *share, const struct datagram *datagram)
    ON_THREAD(worker_thread);
/* Called now and then: logs what was dropped, once a minute. `now_ns` is of clock_mono(). */
void template_share_tick(struct template_share *share, int64_t now_ns) ON_THREAD(worker_thread);
