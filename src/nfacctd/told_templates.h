/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Remembers what the log has said of which template, so that a line comes once for each exporter and
 * template, however often that is announced and from however many ports. One worker owns it.
 */
#include "base/shared_table.h"

struct domain_source;

enum told_kind {
    TOLD_WAITS,          /* data waits for it */
    TOLD_WAITS_FOR_LOST, /* likewise; it was here */
    TOLD_MISFITS,        /* it has fields of impossible lengths */
    TOLD_MISFIT_VALUES,  /* its records have values of impossible lengths */
    TOLD_LARGE_NUMBERS,  /* its records have numbers beyond 64 bits */
    TOLD_ODD_SCOPES,
};

struct told_templates {
    struct shared_table table; /* by source; kind, domain's number on the wire, template id */
};

/* Remembers TOLD_TEMPLATES_MAX lines, shared between exporters; of older ones the log may tell
 * again. */
#define TOLD_TEMPLATES_MAX 4096
void told_templates_init(struct told_templates *told);
void told_templates_clear(struct told_templates *told);

/* Notes that the log tells that of the template; false: it has done so before. */
bool told_templates_add(struct told_templates *told, struct domain_source *source,
                        enum told_kind kind, uint32_t domain_id, uint16_t template_id);
/* Forgets what the log has told of an exporter that goes. */
void told_templates_forget(struct told_templates *told, struct domain_source *source);
