/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads the files of a thread below /proc. See thread_state.h. */
#include "base/thread_state.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_TICK     (NS_PER_S / 100)
#define RUN_TIME_FIELDS " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu"

/* Gives "" if the file cannot be read. */
static void read_proc(pid_t process, pid_t thread, const char *name, char *content, size_t size)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/task/%d/%s", (int)process, (int)thread, name);
    (void)file_read_start(path, content, size);
}

struct thread_state thread_state_read(pid_t process, pid_t thread)
{
    struct thread_state t = {0};
    unsigned long long user = 0, system = 0;
    char content[1024];

    read_proc(process, thread, "stat", content, sizeof content);
    const char *behind_name = strrchr(content, ')'); /* the name may hold anything */
    if (behind_name != NULL)
        sscanf(behind_name + 1, RUN_TIME_FIELDS, &t.state, &user, &system);
    read_proc(process, thread, "schedstat", content, sizeof content);
    /* Not every kernel counts nanoseconds. */
    t.run_ns = content[0] != '\0' ? strtoull(content, NULL, 10) : (user + system) * NS_PER_TICK;
    return t;
}

void thread_state_describe(pid_t process, pid_t thread, struct text *out)
{
    struct thread_state t = thread_state_read(process, thread);
    char where[128];

    read_proc(process, thread, "wchan", where, sizeof where);
    if (t.state != '\0')
        text_append_printf(out, " (the kernel: state %c%s%s)", t.state,
                           where[0] != '\0' && strcmp(where, "0") != 0 ? " in " : "",
                           strcmp(where, "0") != 0 ? where : "");
}
