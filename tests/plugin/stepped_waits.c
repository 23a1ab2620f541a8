/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Completes libfaketime: preloaded before it, this has cnd_timedwait(3) of C11 wait by the clock that libfaketime
 * shows, as its pthread_cond_timedwait(3) does. librdkafka waits that way; without this a step of the clock an
 * hour ahead makes its next wait an hour long, which a clock that really steps does not.
 */
#include <errno.h>
#include <pthread.h>
#include <threads.h>

/* The C library has one condition and one mutex behind both names. */
__attribute__((visibility("default"))) int
cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict end)
{
    switch (pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, end)) {
    case 0:
        return thrd_success;
    case ETIMEDOUT:
        return thrd_timedout;
    default:
        return thrd_error;
    }
}
