/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * NAME.state, a file beside NAME, says how much of NAME is committed and which hand-overs those
 * rows are from. It is written aside and renamed, so it is whole or old, never half. A file's
 * committed rows are exactly its first `length` bytes.
 */
#include "plugins/pathacct_plugin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file_owner;

/* Values of `move`: the file stays where it is, or NAME.part becomes NAME. Above 0 NAME.part
 * becomes NAME.1, NAME.2... (print_rotate_size). */
#define FILE_STATE_STAYS (-1)
#define FILE_STATE_FINAL 0

struct file_state_worker {
    uint32_t worker;
    uint64_t seq; /* the last hand-over whose rows are in the file */
};

struct file_state {
    bool is_in_place; /* the rows stand in NAME, not in NAME.part */
    int32_t move;     /* the rename that follows this state */
    uint64_t length;  /* bytes */
    /* The file that `length` is about; any other file is not ours to cut. */
    uint64_t device, inode;
    int64_t time_s; /* the time that the name was made for */
    bool has_core;  /* somebody has committed rows */
    uint8_t core_id[16];
    uint32_t worker_count;
    struct file_state_worker *workers;
};

void file_state_clear(struct file_state *state); /* frees; afterwards it is all zero */

/* Reads the content of NAME.state. -EBADMSG: it is no state. -EPROTONOSUPPORT: it is one of a later
 * version, whose length and hand-overs nobody here may guess. */
int file_state_parse(const char *text, struct file_state *ret_state);
/* The same; -ENOENT: there is none. */
int file_state_load(const char *path, struct file_state *ret_state);
/* Saves the state, which is durable once the directory is synchronised. `path` is NAME.state. */
int file_state_save(const struct file_state *state, const char *path,
                    const struct file_owner *owner);

enum file_progress { FILE_PROGRESS_NONE, FILE_PROGRESS_PARTLY, FILE_PROGRESS_ALL };
/* Tells how much of a transaction's hand-overs the file holds already. */
enum file_progress file_state_progress(const struct file_state *state,
                                       const struct pa_transaction *transaction);
/* Notes that the file holds the transaction's rows now, and forgets other cores, which are over. */
void file_state_note(struct file_state *state, const struct pa_transaction *transaction);
/*
 * True if all that the state names was acknowledged before `transaction` began: a core sends a
 * hand-over only when those before it are done, and a new core only when the hand-overs of the old
 * one are.
 */
bool file_state_is_over(const struct file_state *state, const struct pa_transaction *transaction);
