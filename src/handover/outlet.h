/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The connection between the workers and one plugin instance: a ring and a pool for each worker,
 * and the events that wake either side. The main thread makes it before workers and hosts start.
 * Lane i belongs to worker i from then on; the supervisor reads the descriptors only.
 */
#include "handover/ring.h"
#include "handover/segment.h"

struct outlet_lane {
    struct ring *ring;
    struct pool *pool;
    int worker_event; /* borrowed: the eventfd that wakes the worker */
};

struct outlet {
    struct pool_budget budget;
    uint32_t lane_count;
    int host_event; /* eventfd: all lanes wake the one host */
    struct outlet_lane *lanes;
};

/* One lane per worker; `worker_events` are borrowed. `pool_size` in bytes bounds all lanes
 * together. -errno. */
int outlet_new(uint32_t lane_count, const int *worker_events, uint64_t pool_size,
               struct outlet **ret_outlet);
void outlet_free(struct outlet *outlet); /* after the workers have ended; NULL is fine */
