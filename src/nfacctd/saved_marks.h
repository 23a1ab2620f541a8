/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Remembers what has changed since it was saved last: scopes, templates and options, by their names
 * alone, as they may go meanwhile. Before the first save, and when very much has changed, everything
 * has to be saved, and nothing is remembered. One worker owns the marks.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/keyed_table.h"
#include "flow/saved_pieces.h"

struct domain;
struct domain_source;

/* More changes than that in between, and all is saved. */
#define SAVED_MARKS_MAX 65536
/* The time of the last message changes with each one, so it is saved anew when it is so old. This is
 * well below DOMAIN_SILENCE_NS, as instants of several domains are compared when they are loaded. */
#define SAVED_SEEN_NS (INT64_C(60) * 1000000000)
/* The same for the time when a template came, which only template_lifetime asks for. */
#define SAVED_RECEIVED_NS (INT64_C(600) * 1000000000)

struct saved_mark {
    struct keyed_entry entry; /* scope and kind, id */
    uint64_t scope, id;
    uint8_t kind; /* enum saved_kind */
    /* A scope has one of the two, or none if it is gone. */
    const struct domain *domain;
    const struct domain_source *source;
};

struct saved_marks {
    struct keyed_table table;
    bool is_all;
};

/* `marks` may be NULL where something is noted: nobody saves then. */
void saved_marks_init(struct saved_marks *marks);
void saved_marks_clear(struct saved_marks *marks);
/* Everything is saved. */
void saved_marks_empty(struct saved_marks *marks);
/* Notes a template or an option that came, changed or went. */
void saved_marks_note(struct saved_marks *marks, uint64_t scope, uint8_t kind, uint64_t id);
/* Notes a scope that came or changed, and is borrowed until it goes, of which both are NULL. */
void saved_marks_note_scope(struct saved_marks *marks, uint64_t scope, const struct domain *domain,
                            const struct domain_source *source);
