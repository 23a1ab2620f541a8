/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* PostgreSQL as the common SQL layer sees it; sql_data and sql_timestamptz choose the types. */
#include "plugins/sql/sql_dialect.h"

/* The dialects' text_key as the server shows it, with %1$I where the column's name stands. */
extern const char pg_text_key_as_shown[];

const struct sql_dialect *pg_dialect_choose(bool is_unified, bool has_instants);
