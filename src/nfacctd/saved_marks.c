/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A table of names, in the order in which they were noted first. See saved_marks.h. */
#include "nfacctd/saved_marks.h"

#include "base/memory.h"

static void mark_discard(void *arg, struct keyed_entry *entry)
{
    (void)arg;
    mem_free(entry);
}

void saved_marks_init(struct saved_marks *marks)
{
    marks->is_all = true;
    keyed_table_init(&marks->table, SIZE_MAX, mark_discard, NULL);
}

void saved_marks_clear(struct saved_marks *marks)
{
    keyed_table_clear(&marks->table);
}

void saved_marks_empty(struct saved_marks *marks)
{
    keyed_table_empty(&marks->table);
    marks->is_all = false;
}

/* NULL: everything is to be saved. */
static struct saved_mark *mark_get(struct saved_marks *marks, uint64_t scope, uint8_t kind,
                                   uint64_t id)
{
    uint64_t key = scope << 8 | kind;

    if (!marks || marks->is_all)
        return NULL;
    struct saved_mark *mark = (struct saved_mark *)keyed_table_find(&marks->table, key, id);
    if (mark)
        return mark;
    if (marks->table.count >= SAVED_MARKS_MAX) {
        keyed_table_empty(&marks->table);
        marks->is_all = true;
        return NULL;
    }
    mark = mem_zalloc(sizeof *mark);
    mark->scope = scope;
    mark->kind = kind;
    mark->id = id;
    keyed_table_add(&marks->table, &mark->entry, key, id);
    return mark;
}

void saved_marks_note(struct saved_marks *marks, uint64_t scope, uint8_t kind, uint64_t id)
{
    mark_get(marks, scope, kind, id);
}

void saved_marks_note_scope(struct saved_marks *marks, uint64_t scope, const struct domain *domain,
                            const struct domain_source *source)
{
    struct saved_mark *mark = mark_get(marks, scope, SAVED_SCOPE, 0);

    if (mark) {
        mark->domain = domain;
        mark->source = source;
    }
}
