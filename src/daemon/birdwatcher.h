/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The sessions and their paths as birdwatcher tells those of BIRD, for the looking glass Alice-LG:
 * its source "birdwatcher" of type single_table. Alice keeps one route for each network and neighbour,
 * so a session shows as one neighbour for each rank of path: R192_0_2_1, R192_0_2_1_path_2, ... The
 * control thread owns this.
 */
#include "base/thread.h"
#include "control/control.h"
#include "daemon/statistics.h"

struct birdwatcher;

/* `sources` is borrowed; its reader is the control thread's, online. */
struct birdwatcher *birdwatcher_new(const struct statistics_sources *sources);
void birdwatcher_free(struct birdwatcher *birdwatcher); /* NULL is fine */

/* Answers /status, /protocols and what is below them and /routes. */
void birdwatcher_answer(struct birdwatcher *birdwatcher, const struct control_request *request,
                        struct control_answer *answer) ON_THREAD(control_thread);
