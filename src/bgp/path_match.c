/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of verdicts, made from path_match.def. */
#include "bgp/path_match.h"

const struct path_match_info path_matches[PATH_MATCH_COUNT] = {
#define PATH_MATCH(NAME, text, is_accepted, help) [PATH_MATCH_##NAME] = {text, help, is_accepted},
#include "bgp/path_match.def"
#undef PATH_MATCH
};
