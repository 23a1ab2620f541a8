/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Hand-overs on disk while the backend fails: files of host/spool_file.h in a folder of
 * handover/spool_folder.h. Each is written aside, synced and renamed, so that a file with its final
 * name is whole. They come out in the order in which they went in, but for those of a schema that is
 * held back. A configuration or version of before may have left files of other schemas than the
 * instance has now.
 *
 * The plugin host's only thread owns the spool; its place in the folder's lock keeps other hosts
 * out.
 */
#include "handover/schema.h"
#include "host/spool_file.h"

struct spool;
struct text;

struct spool_settings {
    const char *dir, *instance_name;
    uint64_t max_size;           /* bytes that may wait */
    const struct schema *schema; /* of what is put in; borrowed for the spool's life */
    uint8_t core_id[16];         /* of this core */
};

/*
 * Takes the host's place in the folder's lock, then lists the files. -EWOULDBLOCK: another host has
 * it; nothing has been read. Other negative errnos: the folder cannot be used. Files that cannot be
 * read are put aside; those that were put aside before and can be read now come back.
 */
int spool_new(const struct spool_settings *settings, struct spool **ret_spool);
void spool_free(struct spool *spool); /* NULL is fine */

uint64_t spool_count(const struct spool *spool); /* files that wait, held back or not */
uint64_t spool_bytes(const struct spool *spool);
/* When the oldest of them came, by the wall clock; 0: there is none. */
int64_t spool_since_ns(const struct spool *spool);
/* Flows of this core in the files that wait. */
uint64_t spool_own_flows(const struct spool *spool);
/* Files that are not written now: unreadable ones, poison, and those of refused schemas. */
uint64_t spool_kept_count(const struct spool *spool);
/* Appends how many were put aside, with the names of some; nothing if there are none. */
void spool_describe_kept(const struct spool *spool, struct text *out);

/* Puts a hand-over at the end, or aside if it is poison. -ENOSPC: max_size is reached or the disk
 * is full; other negative errnos are of writing. */
int spool_put(struct spool *spool, uint32_t worker, const struct lane_rows *rows, bool is_poison);

/* Takes a hand-over of this core out again, which the backend has written after all. -ENOENT: it is
 * not here. Other negative errnos: it stays, and comes again. */
int spool_take_back(struct spool *spool, uint32_t worker, uint64_t seq);

/* ---- the first file that waits and is not held back ---- */

/* Its schema, borrowed for the spool's life; NULL: there is none. */
const struct pa_schema *spool_first_schema(const struct spool *spool);
/* True if no other file may come after it now. */
bool spool_first_is_last(const struct spool *spool);
/*
 * Reads it; the caller clears the entry. -ENOENT: there is none. -EBADMSG: it cannot be used and was
 * put aside. -ESTALE: it is not there any more, and is forgotten. Both append its name to
 * `ret_name`. Other negative errnos are of reading, and nothing has changed.
 */
int spool_first(struct spool *spool, struct spool_entry *ret_entry, struct text *ret_name);
unsigned spool_first_attempts(const struct spool *spool); /* how often a plugin died over it */
int spool_set_first_attempts(struct spool *spool, unsigned attempts);
int spool_remove_first(struct spool *spool); /* when it is written */

/* ---- after a death ---- */

/* Makes poison of the files over which a plugin died `limit` times. After a kill, which says nothing
 * about the file, it is tried once more instead. Returns how many became poison. */
unsigned spool_settle_attempts(struct spool *spool, unsigned limit, bool was_killed);
/* Calls `fn` for each waiting file of this core, in order. */
typedef void spool_own_fn(void *arg, uint32_t worker, uint64_t seq);
void spool_each_own(const struct spool *spool, spool_own_fn *fn, void *arg);

/* ---- schemas that are held back ---- */

/* The backend did not take a file of this schema: those files wait. */
void spool_hold(struct spool *spool, const struct pa_schema *schema);
bool spool_has_held(const struct spool *spool);
/* Treats the files that are held, or on trial, as all others again. */
void spool_release(struct spool *spool);
/* Puts the files that are held on trial: one of them can be first again. */
void spool_try_held(struct spool *spool);
bool spool_is_on_trial(const struct spool *spool, const struct pa_schema *schema);
/* Files of this schema are never the first again. Returns how many they are, and appends the names
 * of some. */
uint64_t spool_refuse(struct spool *spool, const struct pa_schema *schema, struct text *ret_names);
