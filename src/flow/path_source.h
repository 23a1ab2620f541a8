/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Who gave the fields of a flow's path; their names and meanings stand in path_source.def. */

enum path_source {
#define PATH_SOURCE(NAME, ...) PATH_SOURCE_##NAME,
#include "flow/path_source.def"
#undef PATH_SOURCE
    PATH_SOURCE_COUNT
};
