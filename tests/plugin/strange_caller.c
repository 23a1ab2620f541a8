/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stands for code that has been taken over: preloaded into nfacctd and pathacct-host, it has a thread
 * that makes system calls which they do not need, once the file $STRANGE_CALLS/PROGRAM is there. What
 * came of them goes to $STRANGE_CALLS/PROGRAM.told: the errno of personality(2), the same of a call
 * that no kernel has, and of a fork.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static char place[4000];

static void *wait_and_call(void *arg)
{
    char told[sizeof place + 16], aside[sizeof place + 16];
    int errors[3] = {0};

    (void)arg;
    prctl(PR_SET_NAME, "strange");
    while (access(place, F_OK) < 0)
        usleep(10000);
    for (int i = 0; i < 3; i++)
        errors[0] = personality(0xffffffff) < 0 ? errno : 0;
    errors[1] = syscall(599) < 0 ? errno : 0;
    pid_t pid = fork();
    errors[2] = pid < 0 ? errno : 0;
    if (pid == 0)
        _exit(0);
    snprintf(told, sizeof told, "%s.told", place);
    snprintf(aside, sizeof aside, "%s.aside", place);
    FILE *file = fopen(aside, "w");
    if (file) {
        fprintf(file, "%d %d %d\n", errors[0], errors[1], errors[2]);
        fclose(file);
        rename(aside, told);
    }
    return NULL;
}

__attribute__((constructor)) static void begin(void)
{
    const char *folder = getenv("STRANGE_CALLS"), *program = program_invocation_short_name;
    pthread_t thread;
    sigset_t all, before;

    if (!folder || (strcmp(program, "nfacctd") != 0 && strcmp(program, "pathacct-host") != 0))
        return;
    snprintf(place, sizeof place, "%s/%s", folder, program);
    sigfillset(&all); /* they are the program's */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&thread, NULL, wait_and_call, NULL) == 0)
        pthread_detach(thread);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
