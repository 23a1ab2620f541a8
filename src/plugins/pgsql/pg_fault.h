/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The faults of faults.def, found by SQLSTATE. */
#include "plugins/sql/sql_fault.h"

enum pg_fault_id {
#define FAULT(id, ...) PG_FAULT_##id,
#include "plugins/pgsql/faults.def"
#undef FAULT
    PG_FAULT_COUNT
};

extern const struct sql_fault_row pg_faults[];

/* Sets the fault from what the server said: `sqlstate` is NULL if the connection failed or was
 * given up, `detail` and `constraint` may be NULL. */
void pg_fault_set(struct sql_fault *fault, const char *sqlstate, const char *message,
                  const char *detail, const char *constraint);
/* Sets a fault that was found here, not by the server. */
void pg_fault_set_own(struct sql_fault *fault, enum pg_fault_id id, const char *text);
/* Changes the kind of the fault: the same failure is known for something else. */
void pg_fault_change(struct sql_fault *fault, enum pg_fault_id id);
