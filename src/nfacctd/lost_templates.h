/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Remembers which templates came and are no more, as they were pushed out or expired, so that their
 * data is not said to lack a template that never came. One worker owns it.
 */
#include "base/shared_table.h"

struct domain;
struct domain_source;

struct lost_templates {
    struct shared_table table; /* by source; version, domain's number on the wire, template id */
    uint32_t max;
};

/* Remembers `max` of them, shared between exporters. */
void lost_templates_init(struct lost_templates *lost, uint32_t max);
void lost_templates_clear(struct lost_templates *lost);

void lost_templates_add(struct lost_templates *lost, const struct domain *domain, uint16_t id);
/* The template came again. */
void lost_templates_remove(struct lost_templates *lost, const struct domain *domain, uint16_t id);
bool lost_templates_has(const struct lost_templates *lost, const struct domain *domain,
                        uint16_t id);
void lost_templates_forget(struct lost_templates *lost, struct domain_source *source);
