/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Dumps of the BGP tables at whole multiples of a time (bgp_table_dump_*): a thread of its own walks the RIB in slices
 * (bgp/rib_dump.h) and writes what it copied between them, so that neither the disk nor a broker keeps anything from being
 * freed, or anybody waiting. One walk serves all peers of a time slot.
 *
 * The main thread makes it, starts it, stops it.
 */
#include "base/metric.h"
#include "base/text.h"
#include "bgp/bgp.h"
#include "config/config_key.h"
#include "daemon/event_json.h"
#include "daemon/event_output.h"

struct event_producer;
struct table_dump;

/* Dumps go to a broker by an instance of this, or to files. */
extern const struct event_output table_dump_output;

struct table_dump_settings {
    const char *file, *latest_file; /* borrowed */
    int64_t refresh_s;              /* 0: never */
    uint32_t time_slots;
    enum table_dump_output { TABLE_DUMP_JSON, TABLE_DUMP_MRT } output; /* of files */
    /* The rest is set by who reads the configuration. */
    bool communities_numeric; /* bgp_comms_num */
    bool has_numeric_origin;  /* tmp_bgp_daemon_origin_type_int */
    const char *files_uid, *files_gid;
    struct event_json_settings json;
    /* The daemon gives up what no plugin takes; NULL with files. */
    const atomic_bool *is_abandoned;
};
extern const struct config_key table_dump_keys[];

struct table_dump_counts {
    struct counter dumps,
        given_up; /* walks that came to their end; that the daemon's end cut short */
    struct counter last_paths, last_ms; /* of the last one: paths, and how long it took */
};

/* `settings` is copied. With a producer, which is taken whatever the result, dumps go to its instance, else to files. -errno. */
int table_dump_new(const struct table_dump_settings *settings, struct bgp *bgp, struct rcu *rcu,
                   struct event_producer *producer, struct table_dump **ret_dump);
int table_dump_start(struct table_dump *dump);
/* Gives a dump that is under way up; the thread hands over the last of it, and ends. NULL is fine, here and below. */
void table_dump_stop(struct table_dump *dump);
/* The thread has ended, or will as the daemon has given up what waits. */
void table_dump_join(struct table_dump *dump);
void table_dump_free(struct table_dump *dump);
const struct table_dump_counts *table_dump_counts(const struct table_dump *dump); /* any thread */
/* Counts what files got; NULL: dumps go to an instance. Any thread. */
const struct dump_file_counts *table_dump_file_counts(const struct table_dump *dump);
