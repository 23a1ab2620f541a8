/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Notes files, and tells how they differ from those of before. See map_census.h. */
#include "maps/map_census.h"
#include "base/memory.h"
#include "base/text.h"
#include <string.h>

/* More files of a kind than that are only counted. */
enum { NAMED_MAX = 10 };

void map_census_clear(struct map_census *c)
{
    for (size_t i = 0; i < c->count; i++)
        mem_free(c->entries[i].path);
    mem_free(c->entries);
    *c = (struct map_census){0};
}

void map_census_add(struct map_census *c, const char *path, uint64_t digest, size_t entry_count,
                    bool is_wrong)
{
    if (!c)
        return;
    c->entries = mem_realloc_array(c->entries, c->count + 1, sizeof *c->entries);
    c->entries[c->count++] =
        (struct map_census_entry){mem_strdup(path), digest, entry_count, is_wrong};
}

enum outcome { OUTCOME_WRONG, OUTCOME_CHANGED, OUTCOME_SAME, OUTCOME_COUNT };

/* Returns the entry of the same file in the other census; NULL: there is none. */
static const struct map_census_entry *find_entry(const struct map_census *c, size_t index,
                                                 const char *path)
{
    return index < c->count && strcmp(c->entries[index].path, path) == 0 ? &c->entries[index]
                                                                         : NULL;
}

static enum outcome outcome_of(const struct map_census_entry *old,
                               const struct map_census_entry *now)
{
    if (now->is_wrong)
        return OUTCOME_WRONG;
    return old && old->digest == now->digest ? OUTCOME_SAME : OUTCOME_CHANGED;
}

static void append_name(struct text *out, enum outcome outcome, const struct map_census_entry *old,
                        const struct map_census_entry *now)
{
    text_append_string(out, now->path);
    if (now->entry_count == 0 && (!old || old->entry_count == 0))
        return; /* it has no entries that could be counted */
    if (outcome == OUTCOME_CHANGED && old)
        text_append_printf(out, ": %zu entries, now %zu", old->entry_count, now->entry_count);
    else if (outcome == OUTCOME_CHANGED)
        text_append_printf(out, ": %zu entries", now->entry_count);
}

void map_census_compare(const struct map_census *old, const struct map_census *now,
                        struct text *out)
{
    static const char *const words[OUTCOME_COUNT] = {"wrong", "changed", "the same"};
    size_t begin = out->len;

    for (enum outcome wanted = 0; wanted < OUTCOME_COUNT; wanted++) {
        struct text names = {0};
        size_t count = 0;
        for (size_t i = 0; i < now->count; i++) {
            const struct map_census_entry *entry = &now->entries[i],
                                          *before = find_entry(old, i, entry->path);
            if (outcome_of(before, entry) != wanted)
                continue;
            if (count++ >= NAMED_MAX)
                continue;
            text_append_string(&names, count > 1 ? "; " : "");
            append_name(&names, wanted, before, entry);
        }
        if (count > 0)
            text_append_printf(out, "%s%zu %s", out->len > begin ? ", " : "", count, words[wanted]);
        if (count > 0 && wanted != OUTCOME_SAME)
            text_append_printf(out, " (%s%s)", text_cstr(&names), count > NAMED_MAX ? "; ..." : "");
        text_clear(&names);
    }
}
