/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The table pathacct_progress: which hand-overs the database holds. Its functions are called within
 * a transaction that has the lock for writing; they log faults and return -EAGAIN. */
#include "plugins/sqlite3/sqlite_database.h"
#include <stdint.h>

struct sqlite_progress {
    struct sqlite_database *db; /* borrowed */
    const char *instance;       /* likewise */
    sqlite3_stmt *find, *move;  /* NULL: the database was not open yet */
};

/* Called on a new connection: makes the table if need be, checks its version, forgets old rows. */
int sqlite_progress_init(struct sqlite_progress *progress, struct sqlite_database *db,
                         const char *instance);
/* Must come before the connection is closed. */
void sqlite_progress_clear(struct sqlite_progress *progress);

/* Returns 1 if all hand-overs of the transaction are in the database, 0 if none is. */
int sqlite_progress_has(struct sqlite_progress *progress, const struct pa_transaction *transaction);
int sqlite_progress_move(struct sqlite_progress *progress,
                         const struct pa_transaction *transaction);
