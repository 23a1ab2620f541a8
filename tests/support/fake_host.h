/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A plugin host in the test's own process, for tests of backends: settings come out of a list, log
 * lines are kept, and transactions are numbered as a core numbers them. */
#include "plugins/pathacct_plugin.h"
#include "support/rows.h"

struct fake_host {
    struct pa_host host;
    const struct pa_key *keys, *shared_keys;
    const char *settings[64][2]; /* key, value; borrowed */
    uint32_t setting_count;
    char log[8192]; /* all lines so far, as many as fit */
    uint32_t rejected_count;
    struct {
        const char *name; /* borrowed */
        uint64_t value;
    } counters[32];
    uint32_t counter_count;
    uint8_t core_id[16];
    uint32_t beat_count;
    enum pa_wait last_wait;
};

void fake_host_init(struct fake_host *host, const struct pa_key *keys,
                    const struct pa_key *shared_keys);
void fake_host_set(struct fake_host *host, const char *key, const char *value);
/* Returns what the backend has counted under that name; 0 if nothing. */
uint64_t fake_host_counter(const struct fake_host *host, const char *name);
/* Makes the transaction of worker 0's hand-overs first..last, which borrows `source`. */
struct pa_transaction fake_host_transaction(const struct fake_host *host, struct pa_source *source,
                                            uint64_t first, uint64_t last, int64_t time_s);
