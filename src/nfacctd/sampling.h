/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Options say how a record's flows were sampled (RFC 3954, RFC 5477): by its sampler, template or
 * interface, as all flows of its domain, or, where all that the exporter says is one rate, as those
 * too that it does not mention. Between ports in use with the same domain id nothing
 * is shared, as they may be different exporters.
 */
#include "nfacctd/plan.h"

/* Finds the rate of a sampler, template or interface. */
bool sampling_option(const struct plan_context *context, enum option_kind kind, uint64_t id,
                     uint64_t *ret_rate);
/* Finds the rate of records that name no sampler, as their own domain says it. */
bool sampling_default(const struct plan_context *context, uint64_t *ret_rate);
/* Returns the one rate that all options of the domain say, else all of the exporter; 0: they say
 * several or none. Of a record that names a sampler they must have been there for a while. */
uint64_t sampling_assumed(struct plan_context *context, bool names_sampler);
