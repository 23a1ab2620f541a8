/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The place is found by the link /proc/self/exe. */
#include "base/program_place.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The folder above the one that holds this program; "" if that cannot be found out. */
static void find_prefix(char prefix[PATH_MAX])
{
    ssize_t len = readlink("/proc/self/exe", prefix, PATH_MAX - 1);

    prefix[len > 0 ? len : 0] = 0;
    for (int up = 0; up < 2; up++) {
        char *slash = strrchr(prefix, '/');
        if (!slash) {
            prefix[0] = 0;
            return;
        }
        *slash = 0;
    }
}

void program_place_find(char place[PATH_MAX], const char *variable, const char *below,
                        const char *configured)
{
    char prefix[PATH_MAX];
    const char *chosen = getenv(variable); // NOLINT(concurrency-mt-unsafe): before any thread
    int len;

    if (chosen) {
        snprintf(place, PATH_MAX, "%s", chosen);
        return;
    }
    find_prefix(prefix);
    len = snprintf(place, PATH_MAX, "%s/%s", prefix, below);
    if (len < 0 || len >= PATH_MAX || access(place, X_OK) < 0)
        snprintf(place, PATH_MAX, "%s", configured);
}
