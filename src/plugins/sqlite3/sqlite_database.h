/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The connection to one database file: opened when it is needed, closed after what a fresh look may
 * cure, and faults told from one another (faults.def). One thread.
 */
#include "plugins/text/output_keys.h"
#include <sqlite3.h>
#include <stdbool.h>
#include <sys/types.h>

enum sqlite_fault {
    FAULT_NONE,
#define FAULT(id, ...) FAULT_##id,
#include "plugins/sqlite3/faults.def"
#undef FAULT
    FAULT_COUNT
};

struct sqlite_database {
    const struct pa_host *host; /* borrowed, as are path and owner */
    const char *path;
    const struct file_owner *owner;
    bool may_create; /* the file, if it is not there */
    sqlite3 *handle; /* NULL: closed */
    dev_t device;    /* of the open file: somebody may put another in its place */
    ino_t inode;
    char *last_fault; /* the line logged last, until something works; NULL: none */
};

void sqlite_database_init(struct sqlite_database *db, const struct pa_host *host, const char *path,
                          const struct file_owner *owner, bool may_create);
void sqlite_database_clear(struct sqlite_database *db);

/* It is open, but the file of that name is another by now, or gone. */
bool sqlite_database_is_replaced(const struct sqlite_database *db);
/*
 * Opens it if it is not open. `ret_is_new`: it was opened in this call. All functions that return
 * an int log the fault and return -EAGAIN.
 */
int sqlite_database_open(struct sqlite_database *db, bool *ret_is_new);
void sqlite_database_close(struct sqlite_database *db);

int sqlite_database_run(struct sqlite_database *db, const char *sql);
int sqlite_database_prepare(struct sqlite_database *db, const char *sql, sqlite3_stmt **ret_stmt);

/* The fault behind a result code of the connection; logs and counts it. -EAGAIN. */
int sqlite_database_failed(struct sqlite_database *db, int code);
/* A fault that SQLite has no code for. -EAGAIN. */
int sqlite_database_fault(struct sqlite_database *db, enum sqlite_fault fault, const char *format,
                          ...) __attribute__((format(printf, 3, 4)));
/* Counts a fault that somebody else logs. */
void sqlite_database_count(struct sqlite_database *db, enum sqlite_fault fault);
/* A transaction was committed: the next fault is news again. */
void sqlite_database_works(struct sqlite_database *db);
/* Whether a step failed for what is in the row, not for the state of things. */
bool sqlite_database_refuses_row(int code);
