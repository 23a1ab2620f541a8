/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel shows what stands where the arguments were at the start. */
#include "base/process_title.h"
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>

void process_title_set(int argc, char **argv, const char *title)
{
    char *end = argv[0] + strlen(argv[0]);
    size_t room, len = strlen(title);

    prctl(PR_SET_NAME, title);
    for (int i = 1; i < argc && argv[i] == end + 1; i++) /* the arguments lie one after the other */
        end = argv[i] + strlen(argv[i]);
    room = (size_t)(end - argv[0]);
    memset(argv[0], 0, room);
    memcpy(argv[0], title, len < room ? len : room);
}
