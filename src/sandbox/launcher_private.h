/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* These structs go between an owner and its launcher as they are, for both are of one program. */
#include "sandbox/launcher.h"
#include <sys/socket.h>

enum launcher_request_kind { LAUNCHER_RUN, LAUNCHER_LISTEN };

enum { LAUNCHER_TEXT_MAX = 128 << 10 };

/* With one descriptor at most: the standard input, or the listener. */
struct launcher_request {
    uint32_t kind;
    uint32_t program;
    /* LAUNCHER_RUN: variables, each ended by a zero. LAUNCHER_LISTEN: who it is of. */
    char text[LAUNCHER_TEXT_MAX + 1]; /* the last byte is the receiver's */
};

/* The answer to LAUNCHER_RUN. */
struct launcher_answer {
    int error; /* negative errno, or 0 */
    pid_t pid; /* with an error: a process that became no program, or not above 0 */
};

union launcher_control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int))];
};

/* Runs the new process, from its fork to its end. */
_Noreturn void launcher_process(const struct launcher_settings *settings, int requests,
                                int reports);
