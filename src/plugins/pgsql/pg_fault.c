/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes faults of what the server says: SQLSTATE decides which one, faults.def what follows from
 * it. See pg_fault.h. */
#include "plugins/pgsql/pg_fault.h"

#include <stdio.h>
#include <string.h>

const struct sql_fault_row pg_faults[] = {
#define FAULT(id, counter, kind, remedy, ...) {counter, SQL_FAULT_##kind, remedy},
#include "plugins/pgsql/faults.def"
#undef FAULT
};

/*
 * Faults by SQLSTATE (PostgreSQL manual, appendix A): the longest prefix that matches decides. A
 * state that is not listed is tried again, since no row may be thrown away for a failure that
 * nobody has understood.
 */
static const struct {
    const char *prefix;
    enum pg_fault_id id;
} states[] = {
    {"08", PG_FAULT_SERVER_AWAY},
    {"0A", PG_FAULT_MISUSED},
    {"22", PG_FAULT_ROW_REFUSED},
    {"23", PG_FAULT_ROW_REFUSED},
    {"25006", PG_FAULT_STANDBY},
    {"28", PG_FAULT_LOGIN_REFUSED},
    {"3D000", PG_FAULT_DATABASE_MISSING},
    {"3F000", PG_FAULT_TABLE_MISSING}, /* the schema is not there */
    {"42", PG_FAULT_MISUSED},
    {"42501", PG_FAULT_RIGHT_MISSING},
    {"42703", PG_FAULT_COLUMN_MISSING},
    {"42P01", PG_FAULT_TABLE_MISSING},
    {"53100", PG_FAULT_DISK_FULL},
    {"54000", PG_FAULT_ROW_REFUSED}, /* a value is too long for the index */
    {"55P03", PG_FAULT_LOCKED},
    {"57P", PG_FAULT_SERVER_AWAY},
};

static enum pg_fault_id find_state(const char *sqlstate)
{
    enum pg_fault_id best = PG_FAULT_BUSY;
    size_t best_len = 0;

    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        size_t len = strlen(states[i].prefix);
        if (len > best_len && !strncmp(sqlstate, states[i].prefix, len)) {
            best = states[i].id;
            best_len = len;
        }
    }
    return best;
}

void pg_fault_change(struct sql_fault *fault, enum pg_fault_id id)
{
    sql_fault_change(fault, &pg_faults[id], (int)id);
}

void pg_fault_set_own(struct sql_fault *fault, enum pg_fault_id id, const char *text)
{
    sql_fault_set(fault, &pg_faults[id], (int)id, text);
}

void pg_fault_set(struct sql_fault *fault, const char *sqlstate, const char *message,
                  const char *detail, const char *constraint)
{
    char words[sizeof fault->text];
    bool has_detail = detail && *detail;
    enum pg_fault_id id = sqlstate ? find_state(sqlstate) : PG_FAULT_SERVER_AWAY;

    /* A broken CHECK names its constraint. A row that no partition takes has the same state without
     * a name. */
    if (sqlstate && !strcmp(sqlstate, "23514") && !constraint)
        id = PG_FAULT_PARTITION_MISSING;
    snprintf(words, sizeof words, "%.500s%s%.200s%s%s%s%s", message ? message : "no reason given",
             has_detail ? " (" : "", has_detail ? detail : "", has_detail ? ")" : "",
             sqlstate ? " [" : "", sqlstate ? sqlstate : "", sqlstate ? "]" : "");
    sql_fault_set(fault, &pg_faults[id], (int)id, words);
    if (sqlstate)
        snprintf(fault->sqlstate, sizeof fault->sqlstate, "%s", sqlstate);
}
