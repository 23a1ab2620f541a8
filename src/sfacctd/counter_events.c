/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes the table out of counter_events.def. */
#include "sfacctd/counter_events.h"

static const struct event_member members[] = {
#define EVENT_MEMBER(id, name, json_name, kind, format, value_names)                               \
    {name, json_name, PA_KIND_##kind, PA_FORMAT_##format, value_names},
#include "sfacctd/counter_events.def"
};

/* Within a row of kinds a member's name stands for its place. */
enum {
#define EVENT_MEMBER(id, ...) id,
#include "sfacctd/counter_events.def"
};
#define EVENT_KIND(id, ...) static const uint8_t members_of_##id[] = {__VA_ARGS__};
#include "sfacctd/counter_events.def"

static const struct event_kind kinds[] = {
#define EVENT_KIND(id, ...) {#id, members_of_##id, sizeof members_of_##id},
#include "sfacctd/counter_events.def"
};

const struct event_table counter_events = {members, kinds, sizeof members / sizeof *members,
                                           sizeof kinds / sizeof *kinds};
