/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * All output files of an instance by name: which of them a transaction touches, when each gets its
 * final name, and that no more than `open_max` are open at a time (the least recently written is
 * closed).
 */
#include "plugins/print/file_lock.h"
#include "plugins/print/out_file.h"

struct file_name;
struct pa_host;

struct file_table_settings {
    const struct pa_host *host;     /* borrowed, for logs */
    const struct file_name *name;   /* borrowed */
    const struct file_name *latest; /* print_latest_file; borrowed, NULL: none */
    const struct file_owner *owner; /* borrowed */
    const char *who;                /* for locks (file_lock.h); borrowed */
    bool is_appended;     /* a name without time is written in place, not replaced at each epoch */
    bool has_bins;        /* names are made for time bins, not for the time of writing */
    uint32_t bin_seconds; /* 0: a calendar month */
    int64_t refresh_s;    /* length of an epoch */
    uint64_t rotate_size; /* bytes; 0: never */
    uint32_t files_max;   /* print_files_max */
    uint32_t open_max;    /* files; each has two descriptors */
};

struct file_table {
    struct file_table_settings settings;
    struct keyed_table files;
    struct out_file *newest, *oldest; /* ends of the list of open files: those that are locked */
    uint32_t open_count;
    const struct pa_transaction *transaction; /* borrowed while it is committed */
    struct out_file **touched;                /* files of the transaction under way */
    uint32_t touched_count, touched_capacity;
    char *failed_name;              /* of the file that the last error was about; NULL: none yet */
    struct file_lock_holder holder; /* of that file, if the error was -EBUSY */
};

void file_table_init(struct file_table *table, const struct file_table_settings *settings);
void file_table_clear(struct file_table *table);

/* Finds files that an earlier process left unfinished, cuts them to what is committed and takes
 * them over. */
int file_table_recover(struct file_table *table);

/* Begins a transaction. Files with nothing left to do are forgotten: no pointer to a file survives
 * this. */
void file_table_begin(struct file_table *table, const struct pa_transaction *transaction);
/* Gives the file of that name, opened for the transaction. If `is_done_already` is set in it, the
 * file holds the transaction's rows already. */
int file_table_touch(struct file_table *table, const char *name, int64_t time_s,
                     const struct pa_transaction *transaction, struct out_file **ret_file);
/* Makes sure that rows may follow what is in an open file, which begins with `beginning` then. A file
 * that does not becomes NAME.1, NAME.2..., and NAME begins anew. */
int file_table_continue(struct file_table *table, struct out_file *file,
                        const struct text *beginning);
/*
 * True if the name may be touched: there are fewer unfinished files than files_max, or it is one of
 * them. Files are counted by what is committed and by the order of rows, so a transaction that comes
 * again after a crash finds the same answers.
 */
bool file_table_has_room(struct file_table *table, const char *name);
/* Opens a file that was closed to make room for others, and marks it as written last. */
int file_table_use(struct file_table *table, struct out_file *file);
/* Does that, and writes what its buffer holds if it is full (out_file_write()). */
int file_table_write(struct file_table *table, struct out_file *file);
/* Commits all touched files or, if it fails half-way, some of them; these know it when the
 * transaction comes again. */
int file_table_commit(struct file_table *table, const struct pa_transaction *transaction);
void file_table_abort(struct file_table *table);
/* Removes NAME.state of finished files. Only between transactions, when the last one is
 * acknowledged. */
void file_table_forget_finished(struct file_table *table);
/* Closes all files, which are opened again by name. */
void file_table_reopen(struct file_table *table);
