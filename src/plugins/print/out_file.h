/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * One output file NAME, written exactly once. Rows go behind the committed length of NAME.part (or
 * of NAME itself: with append, and for a late row of a file that has its name already); a commit
 * synchronises them and then moves the length forward in NAME.state. What stands behind that length
 * after a crash is cut off when the file is next opened.
 *
 * Order of a commit, per file: data, fdatasync, state (aside, fdatasync, rename), then the rename
 * that the state announced. Each step can be the last one before a crash.
 *
 * A file is locked against other processes (file_lock.h) from when it is loaded until it is suspended
 * or freed. What functions need the lock for they take it; -EBUSY: another process has it. After it
 * was given back others may have written: then the state is read again, and within a transaction,
 * whose rows in the file may be gone, the error is -ESTALE: it must be aborted.
 */
#include "base/keyed_table.h"
#include "base/text.h"
#include "plugins/print/file_state.h"
#include "plugins/text/compress.h"
#include "plugins/text/format.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define OUT_FILE_WRITE_SIZE ((size_t)256 * 1024) /* bytes gathered for a write(2) */

struct out_file {
    struct keyed_entry entry; /* the file's place in the table, by name */
    char *name;
    enum compression compression;
    const struct file_owner *owner; /* borrowed, as is who */
    const char *who;                /* for the lock */
    int lock_fd;                    /* -1: not locked */
    struct stat left;               /* the file as it was when the lock was given back */
    struct file_state state;        /* as it is on disk, or as it will be */
    bool has_state;                 /* NAME.state exists */
    int fd;                         /* -1: closed */
    bool is_loaded;                 /* `state` was read from the disk */
    bool is_placed;                 /* it is decided whether rows go to NAME or to NAME.part */
    char *latest_name;              /* print_latest_file for these rows; NULL: not known */
    uint64_t written;               /* bytes in the file, committed or not */
    struct text buffer;             /* rows not written yet */
    const struct format *format;    /* of the rows; borrowed, NULL before the first */
    struct format_block block;      /* at the end of the buffer */
    struct text packed;             /* compressed, not written yet */
    struct compressor *compressor;
    /* Belongs to the transaction under way; the table sets it. */
    bool is_touched, is_done_already, has_opening;
    uint64_t row_count;
    struct out_file *newer, *older; /* the table's list of open files */
};

/* `name` is no link (base/named_file.h). */
struct out_file *out_file_new(const char *name, int64_t time_s, const struct file_owner *owner,
                              const char *who);
void out_file_free(struct out_file *file); /* forgets what is not committed; NULL is fine */

/* Reads the state, if it was not read before, and finishes a rename that a crash cut short. */
int out_file_load(struct out_file *file);
/*
 * Opens a loaded file and cuts it to what is committed. `in_place`: rows go to NAME itself.
 * Otherwise a NAME that exists already is continued, never cut, unless `replaces`.
 */
int out_file_open(struct out_file *file, bool in_place, bool replaces);
/* True if the file's rows are on disk, under the name that its state says. */
bool out_file_exists(const struct out_file *file);
/* True if there are no rows, committed or not: a title belongs first. */
bool out_file_is_empty(const struct out_file *file);
/* Tells whether what the file holds, unpacked, begins so. */
int out_file_begins_with(const struct out_file *file, const struct text *beginning, bool *ret_does);
/* Writes out `buffer` when it is large. The file must be open. */
int out_file_write(struct out_file *file);

/* The three steps of a commit; the first that fails leaves the file as it was committed last. */
int out_file_flush(struct out_file *file);
int out_file_commit(struct out_file *file, const struct pa_transaction *transaction, int32_t move);
/* Does the rename that out_file_commit() announced in `state.move`. */
int out_file_move(struct out_file *file);

/* Announces a move and does it, outside a transaction. A file without committed rows is removed
 * instead. */
int out_file_finish(struct out_file *file, int32_t move);
/* Closes the file if somebody moved or removed it, so that it is made anew. */
void out_file_check_name(struct out_file *file);
/* Takes the file back to its committed length. */
void out_file_abort(struct out_file *file);
/* Closes the descriptors; `buffer` keeps what is in it, and the file can be opened again at any
 * time. */
int out_file_suspend(struct out_file *file);
/* Removes NAME.state, once the hand-overs in the file are acknowledged. */
void out_file_forget_state(struct out_file *file);
/* Makes the file as one that was never loaded, but keeps the lock. */
void out_file_reset(struct out_file *file);

/* Returns the least k > 0 for which there is no NAME.k. */
int32_t out_file_free_number(const struct out_file *file);
/* Returns NAME, or NAME.k with k before a compression suffix. The caller frees it with mem_free. */
char *out_file_final_name(const struct out_file *file, int32_t move);
