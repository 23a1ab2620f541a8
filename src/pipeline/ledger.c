/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ledger moves sums from one place to another: what leaves one comes up in another. */
#include "pipeline/ledger.h"

struct handover_totals ledger_totals(const struct ledger_entry *entry)
{
    return (struct handover_totals){counter_get(&entry->flows), counter_get(&entry->packets),
                                    counter_get(&entry->bytes)};
}

static void totals_add(struct handover_totals *to, const struct handover_totals *more)
{
    to->flows += more->flows;
    to->packets += more->packets;
    to->bytes += more->bytes;
}

void ledger_totals_subtract(struct handover_totals *from, const struct handover_totals *less)
{
    from->flows -= less->flows;
    from->packets -= less->packets;
    from->bytes -= less->bytes;
}

void ledger_settle(struct ledger *ledger, const struct handover *handover,
                   const struct handover_outcome *outcome)
{
    struct handover_totals rest = handover->totals;

    ledger_subtract(&ledger->handed_over, &handover->totals);
    ledger_totals_subtract(&rest, &outcome->rejected);
    ledger_add(&ledger->drops[DROP_rejected], &outcome->rejected);
    switch ((enum handover_fate)outcome->fate) {
    case HANDOVER_WRITTEN:
        ledger_add(&ledger->written, &rest);
        break;
    case HANDOVER_SPOOLED:
        ledger_add(&ledger->spooled, &rest);
        break;
    case HANDOVER_POISON:
        ledger_add(&ledger->drops[DROP_poison], &rest);
        break;
    case HANDOVER_DROPPED:
        ledger_add(&ledger->drops[DROP_shutdown], &rest);
        break;
    case HANDOVER_LOST:
        ledger_add(&ledger->drops[DROP_process_lost], &rest);
        break;
    }
}

void ledger_lose(struct ledger *ledger)
{
    struct handover_totals lost = ledger_totals(&ledger->written);

    ledger_subtract(&ledger->written, &lost);
    ledger_add(&ledger->drops[DROP_table_lost], &lost);
}

void ledger_sum_add(struct ledger_sum *sum, const struct ledger *ledger,
                    const struct handover_totals *drained, const struct handover_totals *lost,
                    const struct handover_totals *rejected)
{
    const struct ledger_entry *const from[] = {&ledger->decoded, &ledger->filtered,
                                               &ledger->open,    &ledger->handed_over,
                                               &ledger->spooled, &ledger->written};
    struct handover_totals *const to[] = {&sum->decoded,     &sum->filtered, &sum->open,
                                          &sum->handed_over, &sum->spooled,  &sum->written};

    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        struct handover_totals totals = ledger_totals(from[i]);
        totals_add(to[i], &totals);
    }
    ledger_totals_subtract(&sum->spooled, drained);
    totals_add(&sum->written, drained);
    ledger_totals_subtract(&sum->written, lost);
    totals_add(&sum->drops[DROP_table_lost], lost);
    ledger_totals_subtract(&sum->written, rejected);
    totals_add(&sum->drops[DROP_rejected], rejected);
    for (int reason = 0; reason < DROP_REASON_COUNT; reason++) {
        struct handover_totals totals = ledger_totals(&ledger->drops[reason]);
        totals_add(&sum->drops[reason], &totals);
    }
    sum->rows += counter_get(&ledger->rows);
    sum->handovers += counter_get(&ledger->handovers);
    sum->option_records += counter_get(&ledger->option_records);
    sum->options_filtered += counter_get(&ledger->options_filtered);
    sum->options_dropped += counter_get(&ledger->options_dropped);
}

struct handover_totals ledger_sum_residual(const struct ledger_sum *sum)
{
    struct handover_totals rest = sum->decoded;

    ledger_totals_subtract(&rest, &sum->filtered);
    ledger_totals_subtract(&rest, &sum->open);
    ledger_totals_subtract(&rest, &sum->handed_over);
    ledger_totals_subtract(&rest, &sum->spooled);
    ledger_totals_subtract(&rest, &sum->written);
    for (int reason = 0; reason < DROP_REASON_COUNT; reason++)
        ledger_totals_subtract(&rest, &sum->drops[reason]);
    return rest;
}
