/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A linked list in order of arrival. */
#include "input/inbox.h"
#include "base/memory.h"
#include <pthread.h>
#include <stdatomic.h>

struct parcel {
    struct parcel *next;
    struct datagram datagram;
};

struct inbox {
    size_t max_bytes;
    pthread_mutex_t lock; /* of what follows */
    size_t bytes;
    struct parcel *first, **end;
    _Atomic size_t count;
};

struct inbox *inbox_new(size_t max_bytes)
{
    struct inbox *inbox = mem_zalloc(sizeof *inbox);

    inbox->max_bytes = max_bytes;
    inbox->end = &inbox->first;
    pthread_mutex_init(&inbox->lock, NULL);
    return inbox;
}

static size_t parcel_bytes(const struct parcel *parcel)
{
    return sizeof *parcel + parcel->datagram.len;
}

void inbox_free(struct inbox *inbox)
{
    struct datagram datagram;

    if (!inbox)
        return;
    while (inbox_take(inbox, &datagram))
        mem_free((void *)(uintptr_t)datagram.data);
    pthread_mutex_destroy(&inbox->lock);
    mem_free(inbox);
}

bool inbox_put(struct inbox *inbox, const struct datagram *datagram)
{
    struct parcel *parcel = mem_zalloc(sizeof *parcel);
    bool has_room;

    parcel->datagram = *datagram;
    parcel->datagram.data = mem_dup(datagram->data, datagram->len);
    pthread_mutex_lock(&inbox->lock);
    has_room = inbox->bytes + parcel_bytes(parcel) <= inbox->max_bytes;
    if (has_room) {
        inbox->bytes += parcel_bytes(parcel);
        *inbox->end = parcel;
        inbox->end = &parcel->next;
        atomic_fetch_add_explicit(&inbox->count, 1, memory_order_release);
    }
    pthread_mutex_unlock(&inbox->lock);
    if (!has_room) {
        mem_free((void *)(uintptr_t)parcel->datagram.data);
        mem_free(parcel);
    }
    return has_room;
}

bool inbox_take(struct inbox *inbox, struct datagram *ret_datagram)
{
    struct parcel *parcel;

    if (inbox_is_empty(inbox))
        return false;
    pthread_mutex_lock(&inbox->lock);
    parcel = inbox->first;
    if (parcel) {
        inbox->first = parcel->next;
        if (!inbox->first)
            inbox->end = &inbox->first;
        inbox->bytes -= parcel_bytes(parcel);
        atomic_fetch_sub_explicit(&inbox->count, 1, memory_order_release);
    }
    pthread_mutex_unlock(&inbox->lock);
    if (!parcel)
        return false;
    *ret_datagram = parcel->datagram;
    mem_free(parcel);
    return true;
}

size_t inbox_count(const struct inbox *inbox)
{
    return atomic_load_explicit(&inbox->count, memory_order_acquire);
}

bool inbox_is_empty(const struct inbox *inbox)
{
    return inbox_count(inbox) == 0;
}
