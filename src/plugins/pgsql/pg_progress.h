/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The table pathacct_progress: up to which hand-over the database has the rows of each worker of
 * each start of the core. It is moved in the transaction that writes the rows. Functions return as
 * pg_connection.h says; for a missing right the GRANT stands in `fault`.
 */
#include "plugins/pgsql/pg_connection.h"

struct pa_transaction;

struct pg_progress { /* all borrowed */
    struct pg_connection *connection;
    const char *instance, *user;
};

/* Called once for each connection: makes the table if it is not there, checks its version, and
 * forgets what is long over. */
int pg_progress_prepare(const struct pg_progress *progress, struct sql_fault *fault);
/*
 * Called in a transaction, before any row: makes and locks its rows, which also waits for the end
 * of a session that the server still works for although its client is dead. 1: all of the
 * transaction is in the database. -EINVAL: only a part of it is, which cannot be.
 */
int pg_progress_lock(const struct pg_progress *progress, const struct pa_transaction *transaction,
                     struct sql_fault *fault);
/* Appends the statement that says that the transaction is in the database. */
void pg_progress_append_update(const struct pg_progress *progress,
                               const struct pa_transaction *transaction, struct text *out);
