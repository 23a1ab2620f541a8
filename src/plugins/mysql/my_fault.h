/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The faults of faults.def, found by the error numbers of the server and of its client library. */
#include "plugins/sql/sql_fault.h"

enum my_fault_id {
#define FAULT(id, ...) MY_FAULT_##id,
#include "plugins/mysql/faults.def"
#undef FAULT
    MY_FAULT_COUNT
};

extern const struct sql_fault_row my_faults[];

/* Sets the fault from what the server or the library said: its error number, SQLSTATE and words. */
void my_fault_set(struct sql_fault *fault, unsigned number, const char *sqlstate,
                  const char *message);
/* Sets a fault that was found here, not by the server. */
void my_fault_set_own(struct sql_fault *fault, enum my_fault_id id, const char *text);
/* Makes it another fault: the same failure is known for something else. */
void my_fault_change(struct sql_fault *fault, enum my_fault_id id);
