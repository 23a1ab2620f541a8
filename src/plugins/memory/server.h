/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Serves a table to clients on a Unix socket, on the instance's one thread and never waiting:
 * answers go out in slices as clients take them, from a snapshot for each client under way. A
 * client has one request at a time and 30 s for its answer. A client that is slower, or that holds
 * blocks whose copies take more than there is room for, is cut off and counted.
 *
 * Counters of the instance: clients, clients_refused (more than there may be), clients_cut_slow,
 * clients_cut_memory, clients_cut_idle, clears_refused, bad_requests, requests, erased_rows,
 * reset_rows.
 */
#include "base/local_listener.h"
#include "plugins/memory/table.h"
#include "plugins/pathacct_plugin.h"
#include "plugins/text/format.h"

struct server;

struct server_settings {
    struct local_listener_place place;
    bool all_may_clear;
    uint32_t clients_max;
    int64_t answer_time_ns, idle_time_ns; /* 30 s and 60 s */
    struct value_options values;
};

/* Borrows all arguments. Negative errno: what is wrong stands in `error`. */
int server_new(const struct pa_host *host, const struct pa_schema *schema, struct table *table,
               const struct server_settings *settings, char *error, size_t error_size,
               struct server **ret_server);
void server_free(struct server *server); /* NULL is fine */

/* These set what clients are told beside what the table knows. */
void server_note_update(struct server *server, int64_t time_ns);
void server_note_refused(struct server *server);
