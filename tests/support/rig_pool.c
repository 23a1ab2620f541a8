/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An array of rigs that are made when they are asked for. See rig_pool.h. */
#include "support/rig_pool.h"

#include <stdlib.h>

static struct decode_rig rigs[RIG_POOL_SIZE];

static void clear_rigs(void)
{
    for (size_t i = 0; i < RIG_POOL_SIZE; i++)
        if (rigs[i].decoder)
            decode_rig_clear(&rigs[i]);
}

struct decode_rig *
rig_pool_fresh(size_t index, void (*start)(struct decode_rig *rig, size_t choice), size_t choice)
{
    static bool has_begun;
    struct decode_rig *rig = &rigs[index];

    if (!has_begun)
        atexit(clear_rigs);
    has_begun = true;
    if (rig->decoder && decode_rig_is_old(rig)) {
        decode_rig_clear(rig);
        rig->decoder = NULL;
    }
    if (rig->decoder)
        decode_rig_reset(rig);
    else
        start(rig, choice);
    return rig;
}
