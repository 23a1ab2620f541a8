/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * How far things have come that take long: the rows of progress.def, one row for each instance where
 * instances have their own. The main thread looks once a second and tells it; the control thread
 * reads it at any time. Nothing is asked of workers.
 */
#include "base/metric.h"
#include "base/text.h"
#include "base/thread.h"
#include "daemon/statistics.h"
#include <stdbool.h>
#include <stdint.h>

enum progress_id {
#define PROGRESS(id, ...) PROGRESS_##id,
#include "daemon/progress.def"
#undef PROGRESS
    PROGRESS_COUNT
};

struct progress_description {
    const char *what, *words, *unit, *amount_unit, *help;
};
extern const struct progress_description progress_descriptions[PROGRESS_COUNT];

/* One thing as it is now. */
struct progress_view {
    enum progress_id id;
    const char *instance; /* NULL: the daemon's; borrowed for the life of the instances */
    bool is_active;
    uint64_t done, total; /* in the unit; a total of 0 is not known */
    uint64_t amount;      /* what came meanwhile, in the amount's unit */
    uint64_t per_second;  /* of what has an amount the amount; over the last seconds */
    int64_t seconds_left; /* -1: not known */
};

struct progress;

/* Borrows what the sources name for its life. `has_bar`: a line on standard error, if that is a
 * terminal, may show what is under way. */
struct progress *progress_new(const struct statistics_sources *sources, bool has_bar);
void progress_free(struct progress *progress); /* NULL is fine; nobody reads it any more */

/* The templates file is being read, in one piece, or is done. */
void progress_templates(struct progress *progress, const char *path, bool is_read)
    ON_THREAD(main_thread);
/* Called once a second. Appends to `status` what is under way, in words; nothing if nothing is. */
void progress_tick(struct progress *progress, struct text *status) ON_THREAD(main_thread);
/* The daemon begins its end: nothing is shown any more. */
void progress_end(struct progress *progress) ON_THREAD(main_thread);

/* Any thread. How many rows there are, and row `index` of them. */
uint32_t progress_count(const struct progress *progress);
struct progress_view progress_at(const struct progress *progress, uint32_t index);
/* From 0 to 1, which is also what is not under way. */
double progress_ratio(const struct progress_view *view);
/* "loading routes: 2 of 4 peers, 1.20M paths, 40.0k paths/s". */
void progress_append(const struct progress_view *view, struct text *out);
