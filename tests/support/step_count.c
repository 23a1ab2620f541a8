/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Counts instructions with ptrace(2): a child asks to be traced and stops, and each
 * PTRACE_SINGLESTEP lets it run one. */
#include "support/step_count.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

/* Counts nothing: what a sanitizer adds is many times the work, and says nothing of it. */
int64_t step_count(void (*work)(void *arg), void *arg)
{
    work(arg);
    return -1;
}

#else

static _Noreturn void child_run(void (*work)(void *arg), void *arg)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
        _exit(1);
    raise(SIGSTOP); /* the count begins here */
    work(arg);
    raise(SIGSTOP); /* and ends here */
    _exit(0);
}

int64_t step_count(void (*work)(void *arg), void *arg)
{
    int64_t count = -1;
    int status;
    pid_t child = fork();

    if (child == 0)
        child_run(work, arg);
    if (child > 0 && waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        for (count = 0;; count++) {
            if (ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) < 0 ||
                waitpid(child, &status, 0) != child || !WIFSTOPPED(status) ||
                WSTOPSIG(status) != SIGTRAP)
                break;
        }
        if (!WIFEXITED(status) && !WIFSIGNALED(status)) {
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
        }
    }
    work(arg);
    return count;
}

#endif
