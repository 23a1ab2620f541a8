/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A receiver of a pool, and how datagrams get there: by a connected UDP socket of its own, or by the
 * raw sockets of the host with the exporter's address as source. Nothing waits for long: what the
 * socket does not take is dropped, and counted by reason (outcomes.def). One thread.
 */
#include "plugins/pathacct_plugin.h"
#include "plugins/tee/receivers.h"

enum tee_outcome {
#define OUTCOME(name, counter, what, remedy) TEE_##name,
#include "plugins/tee/outcomes.def"
    TEE_OUTCOME_COUNT
};

struct target_settings {
    const struct pa_host *host;
    bool is_transparent;
    struct ip_addr source; /* of UDP sockets; IP_NONE: the system chooses */
    uint8_t traffic_class;
    int buffer_size; /* of sockets, in bytes; 0: as the system has it */
};

struct target;

/* All is borrowed for its life. A name is resolved at once, and again each minute until that works. */
struct target *target_new(const struct target_settings *settings, const struct tee_pool *pool,
                          const struct tee_receiver *receiver);
void target_free(struct target *target); /* NULL is fine */
/* Returns NULL, or why nothing can be sent there now, with the remedy. */
const char *target_trouble(const struct target *target);

/* Takes a datagram, whose bytes stay until target_flush(). */
void target_send(struct target *target, const struct ip_addr *exporter, uint16_t exporter_port,
                 const uint8_t *data, size_t len);
/* Sends all that was taken, and hands the counts over to the host. */
void target_flush(struct target *target);
/* Forgets what was taken and not sent. */
void target_forget(struct target *target);
/* Called now and then: resolves again what had failed, looks at the MTU, and logs what was dropped. */
void target_tick(struct target *target);
