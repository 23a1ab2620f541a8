/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Faults: what a failure of the server means for the rows at hand, and what a person can do about
 * it. */
#include <stdbool.h>
#include <stddef.h>

enum pg_fault_kind {
    PG_FAULT_NONE,
    /* The server is away, full or busy: trying the same again later is right. */
    PG_FAULT_RETRY,
    /* Trying the same again fails until a person has changed something. */
    PG_FAULT_SETUP,
    PG_FAULT_ROW /* the row is at fault: the others can be written */
};

enum pg_fault_id {
#define FAULT(id, ...) PG_FAULT_##id,
#include "plugins/pgsql/faults.def"
#undef FAULT
    PG_FAULT_COUNT
};

#define PG_SQLSTATE_LEN 5

struct pg_fault {
    enum pg_fault_id id;
    enum pg_fault_kind kind;
    const char *counter;
    char sqlstate[PG_SQLSTATE_LEN + 1]; /* "" if the server said nothing */
    char text[800];                     /* the words and the remedy, in one line */
};

/* Sets the fault from what the server said: `sqlstate` is NULL if the connection failed or was
 * given up, `detail` and `constraint` may be NULL. */
void pg_fault_set(struct pg_fault *fault, const char *sqlstate, const char *message,
                  const char *detail, const char *constraint);
/* Sets a fault that was found here, not by the server. */
void pg_fault_set_own(struct pg_fault *fault, enum pg_fault_id id, const char *text);
/* Changes the kind of the fault: the same failure is known for something else. */
void pg_fault_change(struct pg_fault *fault, enum pg_fault_id id);
