/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* PostgreSQL as the common SQL layer sees it; sql_data and sql_timestamptz choose the types. */
#include "plugins/sql/sql_dialect.h"

const struct sql_dialect *pg_dialect_choose(bool is_unified, bool has_instants);
