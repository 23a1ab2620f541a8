/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Takes hand-overs from the spool to the backend, one at a time and before all others. They may be
 * of another schema than the instance has now; then the backend is opened with that one.
 *
 * A backend that fails may be away, or may not take rows of that schema, ever: its table lacks a
 * column. The two look alike. So files of another schema are held back after a failure, and other
 * rows are tried. If those fail too, the backend is away, and all begins anew after a pause. If they
 * are written, what was held is on trial: after one more failure it is refused and stays on disk,
 * where the next start tries again. One thread.
 */
#include "host/backend.h"
#include "host/spool.h"

struct drain {
    struct spool *spool; /* borrowed, as the rest; NULL: there is none */
    struct backend *backend;
    struct link *link;
    const struct setup *setup;
    const struct pa_schema *own_schema;
    struct lane *lanes;
    struct spool_entry entry; /* is being written */
    bool is_writing;
    unsigned attempts; /* before that */
    int held_error;    /* why the latest was held back */
};

/* The schema that the backend must be open with for the next file; NULL: none is to be written
 * now. */
const struct pa_schema *drain_schema(const struct drain *drain);
/* Writes the next file. 1: it is written; 0: it cannot be used, which is logged, and another may
 * follow; negative errno: the backend does not take it, or the disk fails. */
int drain_next(struct drain *drain);
/* The process ends while a file is being written: that is no attempt which killed it. */
void drain_give_up(struct drain *drain);
/* Must be told what became of rows, whether they came from the spool or not. */
void drain_note_success(struct drain *drain);
/*
 * The backend did not open for drain_schema(), or did not take the next file, for this error. `why`
 * is what it said, or NULL. True: that schema is held back or refused, so others have their turn.
 * False: all of the backend fails.
 */
bool drain_note_failure(struct drain *drain, int err, const char *why);
/* To be called when there is nothing else to write. True if something is held back; then the caller
 * waits as after the failure `ret_err`, and tries that again. */
bool drain_retry_held(struct drain *drain, int *ret_err);
