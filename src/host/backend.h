/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The loaded plugin and what it may ask of its host (struct pa_host): settings, log lines,
 * counters, rejected rows, descriptors to watch. A plugin that asks for a setting which it did not
 * declare ends the process. One thread, and for a plugin that blocks (PA_PLUGIN_BLOCKS) another one
 * that makes its calls.
 */
#include "base/poller.h"
#include "handover/ring.h"
#include "handover/setup.h"
#include "host/link.h"
#include "plugins/pathacct_plugin.h"

struct text;

/*
 * Loads DIR/NAME.so and checks its version and name. What is wrong is appended to `error`: -ENOENT
 * there is no such file, -EPROTONOSUPPORT another version of the interface, -EINVAL not a plugin.
 * It stays loaded until the process ends.
 */
int plugin_load(const char *dir, const char *name, struct text *error,
                const struct pa_plugin **ret_plugin);

struct backend;
struct call_thread;
struct programs;

/* Called around all calls of the plugin, and whenever it beats. Returns -ECANCELED when the plugin
 * is to give up. */
typedef int backend_beat_fn(void *arg, enum host_place place);

/* The arguments are borrowed for the backend's life. */
struct backend *backend_new(const struct pa_plugin *plugin, const struct setup *setup,
                            const struct pa_schema *schema, struct poller *poller,
                            struct link *link, backend_beat_fn *beat, void *beat_arg);
/* Whether its plugin was built as part of the project; if so, why its process can have no filter of
 * system calls, or NULL. */
bool backend_is_ours(const struct backend *backend, const char **ret_why_free);
/* Gives it programs to start, which are borrowed; without them it can start none. */
void backend_set_programs(struct backend *backend, struct programs *programs);
/* Gives it raw sockets (-1: none), which are borrowed. */
void backend_set_raw_sockets(struct backend *backend, int v4, int v6);
/* Has the plugin's calls made on `thread`, which is borrowed. Meanwhile `turn` is called every now and
 * then on the caller's, and once more at the end of a call that lasted; it tells where the plugin is,
 * and whether it has beaten since the turn before. */
typedef void backend_turn_fn(void *arg, enum host_place place, bool has_beaten);
void backend_use_thread(struct backend *backend, struct call_thread *thread, backend_turn_fn *turn,
                        void *turn_arg);
bool backend_has_thread(const struct backend *backend);
/* Returns what `fn` does, which makes several calls of the plugin and has nothing to wait for between
 * them: where the plugin has a thread, `fn` runs there. */
int backend_run(struct backend *backend, int (*fn)(void *arg), void *arg);
/* Has it opened with another schema, which is borrowed until the next call. It is closed. */
void backend_set_schema(struct backend *backend, const struct pa_schema *schema);
const struct pa_schema *backend_schema(const struct backend *backend);
void backend_close(struct backend *backend); /* does nothing if it is not open */
void backend_free(struct backend *backend);  /* after closing; NULL is fine */

/* -EINVAL: what is wrong stands in `error`. */
int backend_check(struct backend *backend, char *error, size_t error_size);
/* Negative errno: what is wrong stands in `error` or was logged. 0 also if the plugin offers no
 * trial, which is logged. */
int backend_try_out(struct backend *backend, char *error, size_t error_size);
int backend_open(struct backend *backend);
/*
 * The calls of a transaction, in the order of the header, for a function that backend_run() runs.
 * backend_begin() gives 1 when the backend holds all of the transaction already.
 */
int backend_begin(struct backend *backend, const struct pa_transaction *transaction);
int backend_write(struct backend *backend, const struct pa_batch *batch);
int backend_commit(struct backend *backend, const struct pa_transaction *transaction);
void backend_abort(struct backend *backend);
void backend_reopen(struct backend *backend);

/* Rows that the backend refused since the last backend_begin(): the fate is HANDOVER_WRITTEN. */
const struct handover_outcome *backend_outcome(const struct backend *backend);
void backend_send_counters(struct backend *backend); /* sends those that changed over the link */
