/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads a file, tells its messages apart, and how long they took. See message_load.h. */
#include "message_load.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

bool message_load_open(struct message_load *load, int argc, char **argv, const char *usage)
{
    FILE *file = argc == 5 ? fopen(argv[3], "rb") : NULL;
    struct stat status;

    if (!file || fstat(fileno(file), &status) < 0) {
        fprintf(stderr, "usage: %s\n", usage);
        return false;
    }
    load->size = (size_t)strtoull(argv[4], NULL, 10);
    load->len = (size_t)status.st_size;
    load->data = mmap(NULL, load->len, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fileno(file), 0);
    if (load->data == MAP_FAILED)
        perror(argv[3]);
    return load->data != MAP_FAILED;
}

void message_load_begin(struct message_load *load)
{
    load->begun_s = now_s();
}

size_t message_load_next(const struct message_load *load, size_t at)
{
    size_t left = load->len - at, len = left < load->size ? left : load->size;
    const char *last = memrchr(load->data + at, '\n', len);

    return last ? (size_t)(last + 1 - (load->data + at)) : len;
}

void message_load_end(const struct message_load *load)
{
    double seconds = now_s() - load->begun_s;
    uint64_t count = 0;

    for (size_t i = 0; i < load->len; i++)
        count += load->data[i] == '\n';
    printf("{\"rows\": %" PRIu64 ", \"seconds\": %.6f}\n", count, seconds);
}
