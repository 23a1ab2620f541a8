/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Faults of a database server: what a failure means for the rows at hand, and what a person can do
 * about it. Each plugin has a faults.def, and finds the id of a fault in what its server says.
 */
#include <stdbool.h>
#include <stdint.h>

struct pa_host;

enum sql_fault_kind {
    SQL_FAULT_NONE,
    /* The server is away, full or busy: trying the same again later is right. */
    SQL_FAULT_RETRY,
    /* Trying the same again fails until a person has changed something. */
    SQL_FAULT_SETUP,
    SQL_FAULT_ROW /* the row is at fault: the others can be written */
};

/* Holds what a row of faults.def says of a fault. */
struct sql_fault_row {
    const char *counter;
    enum sql_fault_kind kind;
    const char *remedy; /* NULL: none */
};

#define SQL_STATE_LEN 5 /* SQLSTATE: ISO/IEC 9075-2, "SQLSTATE class and subclass codes" */
#define SQL_FAULT_LEN 800

struct sql_fault {
    int id; /* the place of its row in faults.def */
    enum sql_fault_kind kind;
    const char *counter;
    char sqlstate[SQL_STATE_LEN + 1]; /* "" if the server said nothing */
    uint32_t number;                  /* the server's own for it; 0: it has none */
    char text[SQL_FAULT_LEN];         /* the words and the remedy, in one line */
};

/* Sets the fault: `words` are put into one line, with the remedy behind them. */
void sql_fault_set(struct sql_fault *fault, const struct sql_fault_row *row, int id,
                   const char *words);
/* Makes it another fault, with the words it has: the same failure is known for something else. */
void sql_fault_change(struct sql_fault *fault, const struct sql_fault_row *row, int id);
/* Returns -EAGAIN for what is tried again, -EINVAL for what a person must change, -EILSEQ for a row
 * that the server will never take. */
int sql_fault_errno(const struct sql_fault *fault);

/* The fault that was logged last; all zero at first, and when all is well again. */
struct sql_fault_log {
    char text[SQL_FAULT_LEN];
    int64_t time_ns;
};

/* Logs one line for each kind of trouble, and another when it changes or lasts for ten minutes. */
void sql_fault_tell(struct sql_fault_log *log, const struct pa_host *host,
                    const struct sql_fault *fault, const char *doing);
