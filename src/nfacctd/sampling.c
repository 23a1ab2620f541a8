/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looks for sampling rates in the options of a domain, of who lent it the template, and of the other
 * domains of the exporter. */
#include "nfacctd/sampling.h"

#include "base/clock.h"
#include "nfacctd/domain.h"

/* An exporter describes its samplers one after the other. */
#define SETTLED_NS (120 * NS_PER_S)

static bool number_of(const struct plan_context *context, uint64_t domain, enum option_kind kind,
                      uint64_t id, uint64_t *ret_rate)
{
    struct option_scope scope = {domain, 0};

    return option_store_number(context->options, &scope, kind, id, ret_rate);
}

/* Returns whether options of that domain hold for the exporter that the record is from. */
static bool is_of_same_exporter(const struct plan_context *context, const struct domain *other)
{
    return !context->is_split || other->port == context->domain->port;
}

bool sampling_option(const struct plan_context *context, enum option_kind kind, uint64_t id,
                     uint64_t *ret_rate)
{
    if (!context->is_split)
        return option_store_number(context->options, &context->scope, kind, id, ret_rate);
    if (number_of(context, context->scope.domain, kind, id, ret_rate) ||
        (context->lender && number_of(context, context->lender->id, kind, id, ret_rate)))
        return true;
    for (const struct domain *d = context->domain->source->domains; d; d = d->next) {
        if (is_of_same_exporter(context, d) && number_of(context, d->id, kind, id, ret_rate))
            return true;
    }
    return false;
}

static bool default_of(const struct plan_context *context, uint64_t domain, uint64_t *ret_rate)
{
    return number_of(context, domain, OPTION_DEFAULT_RATE, 0, ret_rate) ||
           number_of(context, domain, OPTION_SAMPLER_RATE, 0, ret_rate);
}

bool sampling_default(const struct plan_context *context, uint64_t *ret_rate)
{
    return default_of(context, context->scope.domain, ret_rate) ||
           (context->lender && default_of(context, context->lender->id, ret_rate));
}

/* Puts together what the options of all domains of the exporter say. */
static void find_rates(const struct plan_context *context, struct domain *domain)
{
    domain->rates_generation = context->options->rate_generation;
    domain->rates_are_split = context->is_split;
    domain->has_rates = false;
    for (const struct domain *d = domain->source->domains; d; d = d->next) {
        struct option_rates one, *all = &domain->rates;
        if (!is_of_same_exporter(context, d) || !option_store_rates(context->options, d->id, &one))
            continue;
        if (!domain->has_rates) {
            *all = one;
        } else {
            all->rate = all->rate == one.rate ? all->rate : 0;
            all->since_ns = all->since_ns < one.since_ns ? all->since_ns : one.since_ns;
        }
        domain->has_rates = true;
    }
}

static bool rates_of_exporter(const struct plan_context *context, struct option_rates *ret_rates)
{
    struct domain *domain = context->domain;

    if (!domain)
        return false;
    if (domain->rates_generation != context->options->rate_generation ||
        domain->rates_are_split != context->is_split)
        find_rates(context, domain);
    *ret_rates = domain->rates;
    return domain->has_rates;
}

uint64_t sampling_assumed(struct plan_context *context, bool names_sampler)
{
    struct option_rates rates;

    if (!option_store_rates(context->options, context->scope.domain, &rates) &&
        !(context->lender && option_store_rates(context->options, context->lender->id, &rates)) &&
        !rates_of_exporter(context, &rates))
        return 0;
    bool is_settled = context->arrival_ns - rates.since_ns >= SETTLED_NS;
    return names_sampler && !is_settled ? 0 : rates.rate;
}
