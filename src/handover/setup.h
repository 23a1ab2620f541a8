/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* All that a plugin host is told when it starts, and what it says of itself; both as bodies of
 * messages. */
#include "base/histogram.h"
#include "handover/schema.h"
#include <stdbool.h>
#include <stdint.h>

struct text;

struct setup_setting {
    const char *key;   /* the canonical name */
    const char *value; /* as it stood in the configuration, or the default; NULL: unset */
    /* 0 or 1, the number, bytes, seconds (below 0: calendar months), or the index of the choice. */
    int64_t number;
};

struct setup {
    bool is_check; /* only look at settings and schema, answer HOST_MESSAGE_CHECKED, end */
    bool is_trial; /* in place of that try what open would need; is_check is set too */
    bool is_replay;
    bool is_tolerant; /* strict_config: false */
    bool debug;
    uint8_t core_id[16];
    uint32_t lane_count;
    /* The signal by which the host before this one ended; 9: killed. 0: it left by itself, or this
     * one is the first. */
    uint8_t last_signal;
    const char *daemon_name, *instance_name, *plugin_name;
    const char *plugin_dir;
    const char *lock_path; /* NULL: none */
    const char *spool_dir; /* NULL: none */
    uint64_t spool_size;
    uint32_t shutdown_timeout_s;
    uint32_t timeout_s; /* plugin_timeout; 0: none */
    /* The backend hung again after a kill: it is not touched for so long, rows go to the spool. */
    uint32_t spool_only_s;
    bool has_raw_v4, has_raw_v6; /* raw sockets come with it, in this order */
    struct setup_setting *settings;
    uint32_t setting_count;
};

/* -EMSGSIZE: more than a message holds. */
int setup_encode(const struct setup *setup, const struct schema *schema, struct text *out);
/* Both are the caller's on success. -EBADMSG. */
int setup_decode(const void *data, size_t len, struct setup **ret_setup,
                 struct schema **ret_schema);
void setup_free(struct setup *setup); /* one that was decoded; NULL is fine */

struct host_state {
    bool is_open;       /* the backend has been opened */
    bool is_failing;    /* its last attempt to write failed */
    bool is_spool_full; /* it took no more when rows were to go there last */
    bool is_finished;   /* the host ends now, on purpose: not to be started again */
    /* The kernel's number of the thread that makes the backend's calls; 0: the main thread does. */
    uint32_t thread;
    uint64_t commits;
    uint64_t spooled_count; /* hand-overs on disk now */
    uint64_t spooled_flows; /* of this core in them */
    uint64_t kept_count;    /* hand-overs on disk that are not written: damaged, poison, refused */
    uint64_t spooled_bytes; /* of those that are to be written */
    int64_t spooled_since_ns; /* when the oldest of them came there, by the wall clock; 0: none */
    uint64_t failures;        /* of the backend: each is tried again */
    struct histogram_sum commit_time; /* from the begin of a transaction to its commit */
};
void host_state_encode(const struct host_state *state, struct text *out);
int host_state_decode(const void *data, size_t len, struct host_state *ret_state); /* -EBADMSG */
