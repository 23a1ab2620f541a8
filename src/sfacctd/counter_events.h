/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Counter samples as event records: the table of what they hold. */
#include "base/event.h"

enum counter_event_member {
#define EVENT_MEMBER(id, ...) COUNTER_EVENT_##id,
#include "sfacctd/counter_events.def"
    COUNTER_EVENT_MEMBER_COUNT
};
enum counter_event_kind {
#define EVENT_KIND(id, ...) COUNTER_EVENT_KIND_##id,
#include "sfacctd/counter_events.def"
};

extern const struct event_table counter_events;
