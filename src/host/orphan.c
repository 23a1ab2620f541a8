/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Uses the signal that a process can get when its parent ends (PR_SET_PDEATHSIG in prctl(2)), and an
 * alarm, which holds the main thread fast and wakes another one. See orphan.h. */
#include "host/orphan.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <unistd.h>

/* A handler gets no argument, so these are variables of the file; they are set once, before. */
static volatile sig_atomic_t seconds_left, core_pid, has_thread;
static sem_t is_over;
static void (*put_away)(void *arg);
static void *put_away_arg;

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
    if (has_thread) {
        sem_post(&is_over);
        for (;;)
            poll(NULL, 0, -1); /* the other thread ends the process */
    }
    (void)!write(STDERR_FILENO, line, sizeof line - 1);
    _exit(1);
}

static void handle_signal(int number, void (*fn)(int))
{
    struct sigaction action = {.sa_handler = fn, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

static void *wait_for_end(void *arg)
{
    sigset_t alarm_alone;

    (void)arg;
    while (sem_wait(&is_over) < 0)
        continue;
    /* Should the main thread hold a lock that is needed, the alarm ends all. */
    handle_signal(SIGALRM, SIG_DFL);
    sigemptyset(&alarm_alone);
    sigaddset(&alarm_alone, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarm_alone, NULL);
    alarm(ORPHAN_PUT_AWAY_S);
    put_away(put_away_arg);
    _exit(1);
}

/* Starts the thread, which takes no signal: they are all the main thread's. */
static int start_thread(void)
{
    sigset_t all, before;
    pthread_t thread;

    sem_init(&is_over, 0, 0);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int err = pthread_create(&thread, NULL, wait_for_end, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (err != 0)
        return -err;
    pthread_detach(thread);
    return 0;
}

int orphan_ends_after(uint32_t seconds, void (*fn)(void *arg), void *arg)
{
    seconds_left = (sig_atomic_t)seconds;
    core_pid = getppid();
    put_away = fn;
    put_away_arg = arg;
    int err = start_thread();
    has_thread = err == 0;
    handle_signal(SIGRTMIN, parent_ended);
    handle_signal(SIGALRM, time_is_over);
    prctl(PR_SET_PDEATHSIG, SIGRTMIN);
    return err;
}
