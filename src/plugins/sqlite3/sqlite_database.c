/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opens, prepares and closes the database file, and names its faults. See sqlite_database.h. */
#include "plugins/sqlite3/sqlite_database.h"
#include "base/file_trial.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "base/text.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUSY_TIMEOUT_MS 2000
#define BUSY_TURN_MS    10
#define STEPS_TO_A_BEAT 1000000 /* of SQLite's virtual machine: some tens of milliseconds */

static const struct {
    const char *counter, *log;
    int level;
} faults[FAULT_COUNT] = {
#define FAULT(id, counter_, level_, log_, ...) [FAULT_##id] = {counter_, log_, PA_LOG_##level_},
#include "plugins/sqlite3/faults.def"
#undef FAULT
};

void sqlite_database_init(struct sqlite_database *db, const struct pa_host *host, const char *path,
                          const struct file_owner *owner, bool may_create)
{
    *db = (struct sqlite_database){
        .host = host, .path = path, .owner = owner, .may_create = may_create};
}

void sqlite_database_clear(struct sqlite_database *db)
{
    sqlite_database_close(db);
    mem_free(db->last_fault);
    db->last_fault = NULL;
}

void sqlite_database_close(struct sqlite_database *db)
{
    sqlite3_close_v2(db->handle);
    db->handle = NULL;
}

/* ---- faults ---- */

int sqlite_database_fault(struct sqlite_database *db, enum sqlite_fault fault, const char *format,
                          ...)
{
    struct text line = {0};
    char details[4096];
    va_list args;

    va_start(args, format);
    vsnprintf(details, sizeof details, format, args);
    va_end(args);
    text_append_printf(&line, "%s: %s: %s", faults[fault].log, db->path, details);
    sqlite_database_count(db, fault);
    if (!db->last_fault || strcmp(db->last_fault, text_cstr(&line)) != 0) {
        db->host->log(db->host, faults[fault].level, "%s", text_cstr(&line));
        mem_free(db->last_fault);
        db->last_fault = mem_strdup(text_cstr(&line));
    }
    text_clear(&line);
    return -EAGAIN;
}

void sqlite_database_count(struct sqlite_database *db, enum sqlite_fault fault)
{
    db->host->count(db->host, faults[fault].counter, 1);
}

void sqlite_database_works(struct sqlite_database *db)
{
    mem_free(db->last_fault);
    db->last_fault = NULL;
}

static enum sqlite_fault fault_of(int code, int error)
{
    switch (code & 0xff) { /* the primary code within an extended one */
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return FAULT_LOCKED;
    case SQLITE_FULL:
        return FAULT_DISK_FULL;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return FAULT_NOT_WRITABLE;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        return FAULT_NOT_A_DATABASE;
    case SQLITE_IOERR:
        return error == ENOSPC || error == EDQUOT || error == EFBIG ? FAULT_DISK_FULL
                                                                    : FAULT_INPUT_OUTPUT;
    default:
        return FAULT_INPUT_OUTPUT;
    }
}

int sqlite_database_failed(struct sqlite_database *db, int code)
{
    int error = db->handle ? sqlite3_system_errno(db->handle) : 0;

    return sqlite_database_fault(db, fault_of(code, error), "%s",
                                 db->handle ? sqlite3_errmsg(db->handle) : sqlite3_errstr(code));
}

bool sqlite_database_refuses_row(int code)
{
    switch (code & 0xff) {
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG:
    case SQLITE_RANGE:
        return true;
    default:
        return false;
    }
}

/* ---- open ---- */

static int file_is_missing(struct sqlite_database *db)
{
    char *folder = mem_strdup(db->path), *slash = strrchr(folder, '/');

    if (slash)
        slash[slash == folder] = 0; /* if the folder is "/", the slash stays */
    bool has_folder = !slash || access(folder, F_OK) == 0;
    mem_free(folder);
    if (!has_folder)
        return sqlite_database_fault(db, FAULT_DIRECTORY_MISSING, "make it, or correct sql_db");
    return sqlite_database_fault(db, FAULT_FILE_MISSING,
                                 "make it with its table, or let `sql_table_create: true` do so");
}

/* `err` is a negative errno of making the file. */
static int file_cannot_be_made(struct sqlite_database *db, int err)
{
    if (err == -ENOENT)
        return sqlite_database_fault(db, FAULT_DIRECTORY_MISSING, "make it, or correct sql_db");
    if (err == -ENOSPC || err == -EDQUOT)
        return sqlite_database_fault(db, FAULT_DISK_FULL, "%s", strerror(-err));
    return sqlite_database_fault(db, FAULT_NOT_WRITABLE, "%s", strerror(-err));
}

/* Makes a new file with its owner and mode before SQLite writes to it; SQLite gives its log the
 * same. */
static int make_target(struct sqlite_database *db, const struct named_file *target)
{
    if (access(target->path, R_OK | W_OK) == 0)
        return 0;
    if (errno != ENOENT)
        return sqlite_database_fault(db, FAULT_NOT_WRITABLE, "%s", strerror(errno));
    if (!db->may_create)
        return file_is_missing(db);
    int fd = file_owner_open(db->owner, target->path, O_RDWR);
    if (fd < 0)
        return file_cannot_be_made(db, fd);
    close(fd);
    return 0;
}

/* SQLite follows a link by itself: here it is made sure that it may. */
static int make_file(struct sqlite_database *db)
{
    struct named_file target;
    int err = named_file_resolve(db->path, &target);

    if (err < 0)
        return sqlite_database_fault(db, FAULT_NOT_WRITABLE, "%s", named_file_error(err));
    err = make_target(db, &target);
    named_file_clear(&target);
    return err;
}

/* Called while another program holds the lock; 0 gives up. */
static int wait_for_lock(void *arg, int call_count)
{
    const struct sqlite_database *db = arg;

    if (call_count >= BUSY_TIMEOUT_MS / BUSY_TURN_MS || db->host->beat(db->host) < 0)
        return 0;
    usleep(BUSY_TURN_MS * 1000);
    return 1;
}

/* Called during long statements; anything but 0 interrupts. */
static int beat_in_statement(void *arg)
{
    const struct sqlite_database *db = arg;

    return db->host->beat(db->host) < 0;
}

/*
 * With WAL readers do not hold up the writer, nor the writer them; with synchronous=FULL committed
 * rows are on disk (SQLite's page on PRAGMA synchronous). WAL needs shared memory, which some file
 * systems of networks lack: there the file keeps its mode.
 */
static int set_up(struct sqlite_database *db)
{
    sqlite3_stmt *stmt;
    int err;

    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_handler(db->handle, wait_for_lock, db);
    sqlite3_progress_handler(db->handle, STEPS_TO_A_BEAT, beat_in_statement, db);
    err = sqlite_database_prepare(db, "PRAGMA journal_mode = WAL", &stmt);
    if (err < 0)
        return err;
    int code = sqlite3_step(stmt);
    if (code == SQLITE_ROW && strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") != 0)
        db->host->log(db->host, PA_LOG_WARNING,
                      "%s: this file system allows no WAL; programs that read the database will "
                      "hold up the writing",
                      db->path);
    err = code == SQLITE_ROW ? 0 : sqlite_database_failed(db, code);
    sqlite3_finalize(stmt);
    if (err == 0)
        err = sqlite_database_run(db, "PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;"
                                      "PRAGMA wal_autocheckpoint = 4000");
    return err;
}

bool sqlite_database_is_replaced(const struct sqlite_database *db)
{
    struct stat st;

    return stat(db->path, &st) < 0 || st.st_dev != db->device || st.st_ino != db->inode;
}

int sqlite_database_open(struct sqlite_database *db, bool *ret_is_new)
{
    struct stat st = {0};
    int err, code;

    *ret_is_new = false;
    if (db->handle)
        return 0;
    err = make_file(db);
    if (err < 0)
        return err;
    code = sqlite3_open_v2(db->path, &db->handle,
                           SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE,
                           NULL);
    err = code == SQLITE_OK ? set_up(db) : sqlite_database_failed(db, code);
    if (err == 0 && stat(db->path, &st) < 0)
        err = sqlite_database_fault(db, FAULT_FILE_MISSING, "%s", strerror(errno));
    if (err < 0) {
        sqlite_database_close(db);
        return err;
    }
    db->device = st.st_dev;
    db->inode = st.st_ino;
    *ret_is_new = true;
    return 0;
}

/* Appends the file as an URI (SQLite's page on URI filenames). */
static void append_uri(const struct sqlite_database *db, bool is_immutable, struct text *out)
{
    text_append_string(out, "file:");
    for (const char *c = db->path; *c; c++) {
        if (strchr("?#%", *c))
            text_append_printf(out, "%%%02x", (unsigned)*c);
        else
            text_append_char(out, *c);
    }
    text_append_string(out, is_immutable ? "?immutable=1" : "?mode=ro");
}

/* True if rows may lie in the write-ahead log alone. */
static bool has_log(const struct sqlite_database *db)
{
    char *path = mem_printf("%s-wal", db->path);
    struct stat status;
    bool has = stat(path, &status) == 0 && status.st_size > 0;

    mem_free(path);
    return has;
}

int sqlite_database_look(struct sqlite_database *db)
{
    struct text uri = {0};
    int err;

    if (access(db->path, F_OK) < 0 && errno == ENOENT) {
        if (!db->may_create)
            return file_is_missing(db);
        err = file_trial_write(db->path, false);
        return err < 0 ? file_cannot_be_made(db, err) : 1;
    }
    err = file_trial_write(db->path, false);
    if (err == 0)
        err = file_trial_replace(db->path); /* SQLite makes its log beside the file */
    if (err < 0)
        return file_cannot_be_made(db, err);
    append_uri(db, !has_log(db), &uri);
    int code = sqlite3_open_v2(text_cstr(&uri), &db->handle,
                               SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    text_clear(&uri);
    if (code == SQLITE_OK)
        code = sqlite3_exec(db->handle, "SELECT count(*) FROM sqlite_master", NULL, NULL, NULL);
    err = code == SQLITE_OK ? 0 : sqlite_database_failed(db, code);
    if (err < 0)
        sqlite_database_close(db);
    return err;
}

int sqlite_database_run(struct sqlite_database *db, const char *sql)
{
    int code = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);

    return code == SQLITE_OK ? 0 : sqlite_database_failed(db, code);
}

int sqlite_database_prepare(struct sqlite_database *db, const char *sql, sqlite3_stmt **ret_stmt)
{
    int code = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt, NULL);

    return code == SQLITE_OK ? 0 : sqlite_database_failed(db, code);
}
