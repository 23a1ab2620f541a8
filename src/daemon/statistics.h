/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Writes the statistics at SIGUSR1 and at the end of the daemon: one line per exporter and instance
 * into the log, and everything as JSON into stats_file. Main thread, while workers run or after
 * they were joined.
 */
#include "base/thread.h"
#include "daemon/confinement.h"
#include "daemon/instance.h"
#include "daemon/supervisor.h"
#include "pipeline/worker.h"

struct bmp_station;
struct progress;
struct table_dump;

struct statistics_sources {
    const char *daemon_name, *core_proc_name;
    int64_t started_ns;
    struct crew *crew;
    struct instance **instances;
    uint32_t instance_count;
    const struct table_dump *table_dump;   /* NULL: no dumps are made */
    const struct supervisor *supervisor;   /* may be NULL */
    const struct confinement *confinement; /* likewise */
    const struct progress *progress;       /* likewise */
    const struct bmp_station *bmp;         /* likewise */
    struct rcu_reader *reader;             /* the main thread's; NULL: no other runs */
    bool is_final;
};

void statistics_log(const struct statistics_sources *sources) ON_THREAD(main_thread);
/* Returns the content of stats_file, to be freed. */
char *statistics_text(const struct statistics_sources *sources) ON_THREAD(main_thread);

/* Says, at the first time and then once a minute, what instances dropped since their pool was full.
 * Called once a second. */
void statistics_watch_pools(const struct statistics_sources *sources) ON_THREAD(main_thread);

/* Warns every minute of exporters without a BGP peer, and of silence. */
struct statistics_watch {
    uint64_t last_datagrams;
    bool is_silent;
};
void statistics_watch(const struct statistics_sources *sources, struct statistics_watch *watch)
    ON_THREAD(main_thread);
