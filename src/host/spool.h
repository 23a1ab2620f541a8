/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Hand-overs on disk while the backend fails: a file each in plugin_spool_dir/INSTANCE/, written
 * aside, synced and renamed, so that a file with its final name is whole. They are numbered and
 * come out in the order they went in. A file is complete in itself: identity, schema, rows,
 * dictionary, checksum.
 *
 *     N.handover       waits; N.handover.1, .2: as often a plugin has died over it
 *     N.poison         killed the plugin three times: kept for a person to look at, never read
 * again N.unreadable     damaged, or of other columns than the instance has now
 *
 * The plugin host's only thread owns it; the instance's lock keeps others out.
 */
#include "handover/schema.h"
#include "host/lane.h"

struct spool;
struct text;

/* Makes DIR/INSTANCE if it is not there and lists what is in it. `max_size` in bytes bounds the
 * waiting files. -errno. */
int spool_new(const char *dir, const char *instance_name, uint64_t max_size,
              const struct schema *schema, struct spool **ret_spool);
void spool_free(struct spool *spool); /* NULL is fine */

uint64_t spool_count(const struct spool *spool); /* files that wait */
uint64_t spool_bytes(const struct spool *spool);

/* Puts a hand-over at the end, or, as poison, aside. -ENOSPC: max_size is reached or the disk is
 * full; -errno. */
int spool_put(struct spool *spool, const uint8_t core_id[16], uint32_t worker,
              const struct lane_rows *rows, bool is_poison);

/* What came out of a file; rows in the layout of the schema. */
struct spool_entry {
    uint8_t core_id[16];
    uint32_t worker;
    struct handover handover; /* without segments */
    uint8_t *rows;
    struct pa_bytes *dictionary;
    uint8_t *bytes; /* what the dictionary points into */
};
/*
 * The first that waits. -ENOENT: none; -EBADMSG: it could not be used and was put aside as
 * unreadable, its name in `ret_name` (which text the caller clears); -errno of reading, nothing
 * changed.
 */
int spool_first(struct spool *spool, struct spool_entry *ret_entry, struct text *ret_name);
/* The last that waits. -ENOENT: none; -EBADMSG: it cannot be used; -errno. */
int spool_last(const struct spool *spool, struct spool_entry *ret_entry);
void spool_entry_clear(struct spool_entry *entry);

/* Deaths over the first one; it was 2 and grows to 3: the caller puts it aside instead. */
unsigned spool_first_attempts(const struct spool *spool);
int spool_set_first_attempts(struct spool *spool, unsigned attempts);
int spool_remove_first(struct spool *spool); /* written */
int spool_poison_first(struct spool *spool);
