/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Makes transactions: takes what belongs together out of the lanes (or the spool, which comes
 * first), merges it where the backend needs that, writes, commits, acknowledges. The number of
 * attempts stands in the cursors, so that after a death the next host knows what was under way. One
 * thread, but for what the backend's does (backend_run()).
 */
#include "host/backend.h"
#include "host/selection.h"
#include "host/spool.h"

struct delivery;

struct delivery_settings {
    const struct setup *setup;
    const struct pa_schema *schema;
    uint32_t plugin_flags;
    struct lane *lanes; /* setup->lane_count of them */
    struct backend *backend;
    struct spool *spool; /* NULL: none */
    struct link *link;
};

struct delivery *delivery_new(const struct delivery_settings *settings); /* borrows all of it */
void delivery_free(struct delivery *delivery);                           /* NULL is fine */

/* Must be called once, before the first transaction: draws the conclusions from earlier deaths and
 * puts poison aside. */
void delivery_recover(struct delivery *delivery);

enum delivery_result {
    DELIVERY_IDLE,   /* nothing is complete */
    DELIVERY_DONE,   /* a transaction was committed; there may be more */
    DELIVERY_FAILED, /* the backend does not take it now; try the same again later */
};
/* With `core_is_gone` nothing more will come: what is there is taken without waiting for
 * markers. */
enum delivery_result delivery_run(struct delivery *delivery, bool core_is_gone);
/* The negative errno of the last failed transaction. */
int delivery_error(const struct delivery *delivery);

/* The schema that the backend has to be open with for the next transaction: the instance's, or that
 * of hand-overs which an earlier configuration or version left on disk. */
const struct pa_schema *delivery_schema(const struct delivery *delivery);
/*
 * The backend could not be opened with delivery_schema(), or a transaction failed. True: it was about
 * hand-overs on disk that have another schema; they are passed over now, and others have their turn.
 * False: all of the backend fails. `why`: what the backend has against that schema, or NULL.
 */
bool delivery_passes_over(struct delivery *delivery, int err, const char *why);
/* To be called after DELIVERY_IDLE. True if hand-overs were passed over: they are tried again after
 * a pause, as after the failure `ret_err`. */
bool delivery_must_retry(struct delivery *delivery, int *ret_err);

/* Copies all that is handed over to the spool and acknowledges it; may be called while the thread of
 * the backend is in a transaction. -ENOENT: there is no spool;
 * other negative errnos are the spool's. */
int delivery_spool_all(struct delivery *delivery);
/* The process ends while the thread of the backend is in a transaction, for which nobody is to blame. */
void delivery_give_up(struct delivery *delivery);
/* Acknowledges all that is handed over as dropped; returns how many flows. */
uint64_t delivery_drop_all(struct delivery *delivery);

/* True if all lanes have ended and all that they brought is acknowledged. */
bool delivery_is_ended(const struct delivery *delivery);
uint64_t delivery_commit_count(const struct delivery *delivery);
/* Returns how long the backend took for them, from begin to commit. */
struct histogram_sum delivery_commit_time(const struct delivery *delivery);
