/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts rings, pools and events together, and takes a half-built outlet apart again. */
#include "handover/outlet.h"

#include "base/poller.h"

#include <errno.h>
#include <unistd.h>

int outlet_new(uint32_t lane_count, const int *worker_events, uint64_t pool_size,
               struct outlet **ret_outlet)
{
    struct outlet *outlet = mem_aligned_zalloc(CACHE_LINE, sizeof *outlet);
    int err;

    pool_budget_init(&outlet->budget, pool_size);
    outlet->lanes = mem_calloc(lane_count, sizeof *outlet->lanes);
    outlet->lane_count = lane_count;
    outlet->host_event = err = poller_event_new();
    if (err < 0)
        goto fail;
    for (uint32_t i = 0; i < lane_count; i++) {
        struct outlet_lane *lane = &outlet->lanes[i];
        lane->worker_event = worker_events[i];
        err = ring_new(outlet->host_event, &lane->ring);
        if (err < 0)
            goto fail;
        err = pool_new(&outlet->budget, &lane->pool);
        if (err < 0)
            goto fail;
    }
    *ret_outlet = outlet;
    return 0;
fail:
    outlet_free(outlet);
    return err;
}

void outlet_free(struct outlet *outlet)
{
    if (outlet == NULL)
        return;
    for (uint32_t i = 0; i < outlet->lane_count; i++) {
        ring_free(outlet->lanes[i].ring);
        pool_free(outlet->lanes[i].pool);
    }
    if (outlet->host_event >= 0)
        close(outlet->host_event);
    mem_free(outlet->lanes);
    mem_free(outlet);
}
