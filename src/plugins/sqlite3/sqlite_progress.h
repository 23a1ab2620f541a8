/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The table pathacct_progress: which hand-overs the database holds. Within a transaction that has
 * the lock for writing. All functions log the fault and return -EAGAIN. */
#include "plugins/sqlite3/sqlite_database.h"
#include <stdint.h>

struct sqlite_progress {
    struct sqlite_database *db; /* borrowed */
    const char *instance;       /* likewise */
    sqlite3_stmt *find, *move;  /* NULL: the database was not open yet */
};

/* On a new connection: makes the table if need be, forgets what is old. */
int sqlite_progress_init(struct sqlite_progress *progress, struct sqlite_database *db,
                         const char *instance);
void sqlite_progress_clear(struct sqlite_progress *progress); /* before the connection is closed */

/* 1: all hand-overs of the transaction are in the database, 0: none is. */
int sqlite_progress_has(struct sqlite_progress *progress, const struct pa_transaction *transaction);
int sqlite_progress_move(struct sqlite_progress *progress,
                         const struct pa_transaction *transaction);
