/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * A RIB and a simple model of it, which are changed together and asked the same questions: paths,
 * sessions, a view with members and marks of use, time, and flows of the past. What differs aborts the program. A caller gives the choices,
 * at random or from the bytes of a fuzzer.
 */
#include "base/thread.h"
#include "bgp/path_match.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rib_model;

/* The source of choices: bytes, and zeros when they are used up; where `data` is NULL, numbers of a
 * generator that begins with `state`. */
struct rib_choices {
    const uint8_t *data;
    size_t left;
    uint64_t state;
};

/* `keeps`: paths of lost sessions stay, stale. All calls are those of the BGP thread. */
struct rib_model *rib_model_new(bool keeps) ON_THREAD(bgp_thread);
void rib_model_free(struct rib_model *model) ON_THREAD(bgp_thread);
/* Announces or withdraws paths, or begins, loads or ends a session, some milliseconds later. */
void rib_model_change(struct rib_model *model, struct rib_choices *from) ON_THREAD(bgp_thread);
/* Asks both where some flows went. */
void rib_model_ask(struct rib_model *model, struct rib_choices *from);
/* Lets the RIB tidy up, and compares its counts. */
void rib_model_tick(struct rib_model *model) ON_THREAD(bgp_thread);
/* Announces many prefixes that nobody asks for, from 200.0.0.0 on, so that the tree has its tables of
 * many; takes them away again. */
void rib_model_fill(struct rib_model *model, unsigned count) ON_THREAD(bgp_thread);
void rib_model_unfill(struct rib_model *model) ON_THREAD(bgp_thread);
/* How often a verdict came up; 0: answers by late news. */
unsigned rib_model_seen(const struct rib_model *model, enum path_match match);
