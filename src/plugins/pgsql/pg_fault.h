/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* What a failure of the server means for the rows at hand, and what a person can do about it. */
#include <stdbool.h>
#include <stddef.h>

enum pg_fault_kind {
    PG_FAULT_NONE,
    PG_FAULT_RETRY, /* the server is away, full, busy: the same again later is right */
    PG_FAULT_SETUP, /* the same again later fails until a person has changed something */
    PG_FAULT_ROW    /* it is a row's doing: the others can be written */
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
    char sqlstate[PG_SQLSTATE_LEN + 1]; /* "" where the server said nothing */
    char text[800];                     /* the words and the remedy, one line */
};

/*
 * From what the server said: `sqlstate` is NULL where the connection failed or was given up,
 * `detail` and `constraint` may be NULL.
 */
void pg_fault_set(struct pg_fault *fault, const char *sqlstate, const char *message,
                  const char *detail, const char *constraint);
/* What was found here. */
void pg_fault_set_own(struct pg_fault *fault, enum pg_fault_id id, const char *text);
/* The same failure, known for something else. */
void pg_fault_change(struct pg_fault *fault, enum pg_fault_id id);
