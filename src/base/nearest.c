/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Optimal string alignment distance: edits of single characters and swaps of neighbours, each
 * counted once. */
#include "base/nearest.h"

#include <string.h>

#define NAME_MAX_LEN 64 /* longer words are no typing errors of our names */

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t edit_distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t rows[3][NAME_MAX_LEN + 1];
    size_t *before = rows[0], *last = rows[1], *now = rows[2];

    for (size_t j = 0; j <= b_len; j++)
        last[j] = j;
    for (size_t i = 1; i <= a_len; i++) {
        now[0] = i;
        for (size_t j = 1; j <= b_len; j++) {
            size_t d = last[j - 1] + (a[i - 1] != b[j - 1]);
            d = min_of(d, min_of(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d = min_of(d, before[j - 2] + 1);
            now[j] = d;
        }
        size_t *reused = before;
        before = last;
        last = now;
        now = reused;
    }
    return last[b_len];
}

struct nearest nearest_start(const char *wanted)
{
    /* Every fourth letter may be wrong, and one more, but no more than three: beyond that a
     * suggestion misleads. */
    return (struct nearest){.wanted = wanted, .distance = min_of(strlen(wanted) / 4 + 2, 4)};
}

void nearest_try(struct nearest *nearest, const char *name)
{
    size_t wanted_len = strlen(nearest->wanted), name_len = strlen(name);

    if (wanted_len > NAME_MAX_LEN || name_len > NAME_MAX_LEN)
        return;
    if ((wanted_len > name_len ? wanted_len - name_len : name_len - wanted_len) >=
        nearest->distance)
        return; /* that many insertions alone are too many */
    size_t distance = edit_distance(nearest->wanted, wanted_len, name, name_len);
    if (distance < nearest->distance) {
        nearest->distance = distance;
        nearest->name = name;
    }
}
