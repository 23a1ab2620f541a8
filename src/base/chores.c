/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two lists under a lock: what is to be done, and what is done. See chores.h. */
#include "base/chores.h"
#include "base/memory.h"
#include "base/thread.h"
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

struct chore {
    struct chore *next;
    void (*work)(void *arg), (*done)(void *arg);
    void *arg;
};

struct chore_list {
    struct chore *first, **end;
};

struct chores {
    struct thread thread;
    struct poller *poller;
    int done_event;
    size_t count; /* not done with; the owner's alone */
    pthread_mutex_t lock;
    pthread_cond_t given, finished;
    struct chore_list to_do, done; /* under the lock, as is the next */
    bool is_ending;
};

static void list_init(struct chore_list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_add(struct chore_list *list, struct chore *chore)
{
    chore->next = NULL;
    *list->end = chore;
    list->end = &chore->next;
}

static struct chore *list_take(struct chore_list *list)
{
    struct chore *chore = list->first;

    if (chore)
        list->first = chore->next;
    if (!list->first)
        list->end = &list->first;
    return chore;
}

static void chores_main(void *arg)
{
    struct chores *c = arg;

    pthread_mutex_lock(&c->lock);
    for (;;) {
        struct chore *chore = list_take(&c->to_do);
        if (!chore && c->is_ending)
            break;
        if (!chore) {
            pthread_cond_wait(&c->given, &c->lock);
            continue;
        }
        pthread_mutex_unlock(&c->lock);
        chore->work(chore->arg);
        pthread_mutex_lock(&c->lock);
        list_add(&c->done, chore);
        pthread_cond_signal(&c->finished);
        poller_event_wake(c->done_event);
    }
    pthread_mutex_unlock(&c->lock);
}

/* Takes one that is done; NULL: there is none. With `waits` it waits for it. */
static struct chore *take_done(struct chores *c, bool waits)
{
    pthread_mutex_lock(&c->lock);
    while (waits && c->count > 0 && !c->done.first)
        pthread_cond_wait(&c->finished, &c->lock);
    struct chore *chore = list_take(&c->done);
    pthread_mutex_unlock(&c->lock);
    return chore;
}

static void finish_done(struct chores *c, bool waits)
{
    for (struct chore *chore; (chore = take_done(c, waits)) != NULL; mem_free(chore)) {
        c->count--;
        chore->done(chore->arg);
    }
}

static void on_done(void *arg, int fd, unsigned events)
{
    (void)events;
    poller_event_drain(fd);
    finish_done(arg, false);
}

int chores_new(struct poller *poller, struct chores **ret_chores)
{
    struct chores *c = mem_zalloc(sizeof *c);

    c->poller = poller;
    list_init(&c->to_do);
    list_init(&c->done);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->given, NULL);
    pthread_cond_init(&c->finished, NULL);
    c->done_event = poller_event_new();
    int err = c->done_event < 0 ? c->done_event
                                : poller_add(poller, c->done_event, POLLER_READ, on_done, c);
    if (err == 0)
        err = thread_start(&c->thread, "chores", chores_main, c);
    if (err < 0) {
        chores_free(c);
        return err;
    }
    *ret_chores = c;
    return 0;
}

void chores_free(struct chores *c)
{
    if (!c)
        return;
    chores_finish(c);
    pthread_mutex_lock(&c->lock);
    c->is_ending = true;
    pthread_cond_signal(&c->given);
    pthread_mutex_unlock(&c->lock);
    thread_join(&c->thread);
    if (c->done_event >= 0) {
        poller_remove(c->poller, c->done_event);
        close(c->done_event);
    }
    pthread_cond_destroy(&c->given);
    pthread_cond_destroy(&c->finished);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

void chores_add(struct chores *c, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
    struct chore *chore = mem_zalloc(sizeof *chore);

    *chore = (struct chore){.work = work, .done = done, .arg = arg};
    c->count++;
    pthread_mutex_lock(&c->lock);
    list_add(&c->to_do, chore);
    pthread_cond_signal(&c->given);
    pthread_mutex_unlock(&c->lock);
}

void chores_finish(struct chores *c)
{
    finish_done(c, true);
}
