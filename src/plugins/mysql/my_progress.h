/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The table pathacct_progress: up to which hand-over the database has the rows of each worker of
 * each start of the core. It is moved in the transaction that writes the rows. Functions return as
 * my_connection.h says, with the reason in `fault`.
 */
#include "plugins/mysql/my_connection.h"

struct pa_transaction;

struct my_progress { /* all borrowed */
    struct my_connection *connection;
    const char *instance, *user;
};

/* Called once for each connection, outside of transactions: makes the table if it is not there,
 * checks its version, and forgets what is long over. With `is_trial` nothing is made; only whether it could be is asked. */
int my_progress_prepare(const struct my_progress *progress, bool is_trial, struct sql_fault *fault);
/*
 * Called in a transaction, before any row: makes and locks its rows, which also waits for the end of
 * a session that the server still works for although its client is dead. 1: all of the transaction
 * is in the database. -EINVAL: only a part of it is, which cannot be.
 */
int my_progress_lock(const struct my_progress *progress, const struct pa_transaction *transaction,
                     struct sql_fault *fault);
/* Appends the statements that say that the transaction is in the database. */
void my_progress_append_update(const struct my_progress *progress,
                               const struct pa_transaction *transaction, struct text *out);
