/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The places of the plugin host and the plugins: $PATHACCT_HOST and $PATHACCT_PLUGIN_DIR if set,
 * else beside this program as in an installation or a build folder (PREFIX/sbin/nfacctd,
 * PREFIX/libexec, PREFIX/lib), else where they were configured to be.
 */
#include <limits.h>

struct places {
    char host[PATH_MAX];
    char plugin_dir[PATH_MAX];
};

void places_find(struct places *ret_places);
