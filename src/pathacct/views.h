/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Shows answers of the API (daemon/api_schema.def) to people. Members that an answer lacks are left
 * out: it may be of another version. */
#include "pathacct/client.h"
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct text;

struct look {
    size_t width;   /* lines are cut there; 0: never */
    bool has_units; /* 1.23M in tables, not 1234567 */
};

/* Appends what there is to see. OUTCOME_FAULT: the daemon is not well, or nothing was found. */
typedef enum outcome view_fn(const json_t *answer, const struct look *look, struct text *out);
view_fn view_status, view_exporters, view_peers, view_routes, view_templates, view_options,
    view_plugins, view_ledger, view_log, view_configuration;
