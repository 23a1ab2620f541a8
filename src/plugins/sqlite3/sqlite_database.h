/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The connection to one database file. It is opened when it is needed and closed after faults that
 * a fresh look may cure; faults.def tells faults from one another. One thread.
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
    bool may_create; /* may make the file if it is not there */
    sqlite3 *handle; /* NULL: closed */
    dev_t device;    /* identify the open file: somebody may put another in its place */
    ino_t inode;
    char *last_fault; /* the line that was logged last; NULL once something works */
};

void sqlite_database_init(struct sqlite_database *db, const struct pa_host *host, const char *path,
                          const struct file_owner *owner, bool may_create);
void sqlite_database_clear(struct sqlite_database *db);

/* True if the open file is no longer the one of that name. */
bool sqlite_database_is_replaced(const struct sqlite_database *db);
/* Opens the file if it is not open. `ret_is_new`: this call opened it. All functions that return an
 * int log the fault and return -EAGAIN. */
int sqlite_database_open(struct sqlite_database *db, bool *ret_is_new);
/* Opens the file for reading, and makes nothing. 1: it is not there, and could be made. */
int sqlite_database_look(struct sqlite_database *db);
void sqlite_database_close(struct sqlite_database *db);

int sqlite_database_run(struct sqlite_database *db, const char *sql);
int sqlite_database_prepare(struct sqlite_database *db, const char *sql, sqlite3_stmt **ret_stmt);

/* Logs and counts the fault behind a result code of the connection. Returns -EAGAIN. */
int sqlite_database_failed(struct sqlite_database *db, int code);
/* Logs and counts a fault that SQLite has no code for. Returns -EAGAIN. */
int sqlite_database_fault(struct sqlite_database *db, enum sqlite_fault fault, const char *format,
                          ...) __attribute__((format(printf, 3, 4)));
/* Counts a fault that the caller logs. */
void sqlite_database_count(struct sqlite_database *db, enum sqlite_fault fault);
/* Notes that a transaction was committed: the next fault is news again. */
void sqlite_database_works(struct sqlite_database *db);
/* True if a step failed because of what is in the row, not because of the state of things. */
bool sqlite_database_refuses_row(int code);
