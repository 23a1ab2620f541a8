/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The verdicts of correlation; their names, defaults and meanings stand in path_match.def. */
#include <stdbool.h>

enum path_match {
#define PATH_MATCH(NAME, ...) PATH_MATCH_##NAME,
#include "bgp/path_match.def"
#undef PATH_MATCH
    PATH_MATCH_COUNT
};

struct path_match_info {
    const char *text, *help;
    bool is_accepted_by_default;
};
extern const struct path_match_info path_matches[PATH_MATCH_COUNT];
