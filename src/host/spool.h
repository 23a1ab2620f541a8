/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Hand-overs on disk while the backend fails. Each has a file in plugin_spool_dir/INSTANCE/, which
 * is written aside, synced and renamed, so that a file with its final name is whole. Files are
 * numbered and come out in the order they went in. Each is complete in itself: identity, schema,
 * rows, dictionary, checksum.
 *
 *     N.handover       waits; N.handover.1, .2: a plugin has died over it as often
 *     N.poison         killed the plugin three times: kept for a person, never read again
 *     N.unreadable     damaged, or of other columns than the instance has now
 *
 * The plugin host's only thread owns the spool; the instance's lock keeps other processes out.
 */
#include "handover/schema.h"
#include "host/lane.h"

struct spool;
struct text;

/* Makes DIR/INSTANCE if it is not there and lists its files. `max_size` in bytes bounds the waiting
 * ones. Negative errno: the directory cannot be used. */
int spool_new(const char *dir, const char *instance_name, uint64_t max_size,
              const struct schema *schema, struct spool **ret_spool);
void spool_free(struct spool *spool); /* NULL is fine */

uint64_t spool_count(const struct spool *spool); /* files that wait */
uint64_t spool_bytes(const struct spool *spool);

/* Puts a hand-over at the end, or aside if it is poison. -ENOSPC: max_size is reached or the disk
 * is full; other negative errnos are of writing. */
int spool_put(struct spool *spool, const uint8_t core_id[16], uint32_t worker,
              const struct lane_rows *rows, bool is_poison);

/* A file's content; rows have the layout of the schema. */
struct spool_entry {
    uint8_t core_id[16];
    uint32_t worker;
    struct handover handover; /* without segments */
    uint8_t *rows;
    struct pa_bytes *dictionary;
    uint8_t *bytes; /* the dictionary points into it */
};
/*
 * Reads the first file that waits. -ENOENT: none waits. -EBADMSG: it cannot be used and was put
 * aside as unreadable; its name stands in `ret_name`, which the caller clears. Other negative
 * errnos are of reading, and nothing has changed.
 */
int spool_first(struct spool *spool, struct spool_entry *ret_entry, struct text *ret_name);
/* Reads the last file that waits. -ENOENT: none waits; -EBADMSG: it cannot be used. */
int spool_last(const struct spool *spool, struct spool_entry *ret_entry);
void spool_entry_clear(struct spool_entry *entry);

/* Returns how often a plugin has died over the first file. A caller that finds 3 puts it aside. */
unsigned spool_first_attempts(const struct spool *spool);
int spool_set_first_attempts(struct spool *spool, unsigned attempts);
int spool_remove_first(struct spool *spool); /* when it is written */
int spool_poison_first(struct spool *spool);
