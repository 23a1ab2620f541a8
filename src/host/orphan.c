/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Uses the signal that a process can get when its parent ends (PR_SET_PDEATHSIG in prctl(2)), and an
 * alarm. See orphan.h. */
#include "host/orphan.h"

#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <unistd.h>

/* A handler gets no argument, so these are variables of the file; they are set once, before. */
static volatile sig_atomic_t seconds_left, core_pid;

static void parent_ended(int number)
{
    (void)number;
    if (getppid() != core_pid) /* anybody may send the signal */
        alarm((unsigned)seconds_left);
}

static void time_is_over(int number)
{
    static const char line[] = "pathacct-host: the core has ended, and the backend hangs: this "
                               "process ends, what it had not written is lost\n";

    (void)number;
    (void)!write(STDERR_FILENO, line, sizeof line - 1);
    _exit(1);
}

static void handle(int number, void (*fn)(int))
{
    struct sigaction action = {.sa_handler = fn, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

void orphan_ends_after(uint32_t seconds)
{
    seconds_left = (sig_atomic_t)seconds;
    core_pid = getppid();
    handle(SIGRTMIN, parent_ended);
    handle(SIGALRM, time_is_over);
    prctl(PR_SET_PDEATHSIG, SIGRTMIN);
}
