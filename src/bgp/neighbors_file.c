/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes the list of neighbours by a thread of chores, and reads it. See neighbors_file.h. */
#include "bgp/neighbors_file.h"
#include "base/address.h"
#include "base/chores.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/named_file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (1u << 20)

static const char version_text[] = "# version ";

struct neighbors_file {
    const char *path;
    struct chores *chores;
    struct text next;     /* is to be written, if has_next */
    struct text to_write; /* the chores' while is_writing */
    bool has_next, is_writing;
    int err; /* of writing it */
    struct log_limit limit;
};

int neighbors_file_new(const char *path, struct poller *poller, struct neighbors_file **ret_file)
{
    struct neighbors_file *file = mem_zalloc(sizeof *file);
    int err = chores_new(poller, &file->chores);

    if (err < 0) {
        mem_free(file);
        return err;
    }
    file->path = path;
    *ret_file = file;
    return 0;
}

void neighbors_file_free(struct neighbors_file *file)
{
    if (!file)
        return;
    chores_free(file->chores);
    text_clear(&file->next);
    text_clear(&file->to_write);
    mem_free(file);
}

static void write_list(void *arg)
{
    struct neighbors_file *file = arg;

    file->err = file_replace(file->path, file->to_write.data, file->to_write.len, FILE_MODE_SHARED,
                             FILE_SYNC_CONTENT);
}

static void list_is_written(void *arg);

static void write_next(struct neighbors_file *file)
{
    struct text written = file->to_write;

    if (file->is_writing || !file->has_next)
        return;
    file->to_write = file->next;
    file->next = written;
    file->has_next = false;
    file->is_writing = true;
    chores_add(file->chores, write_list, list_is_written, file);
}

static void list_is_written(void *arg)
{
    struct neighbors_file *file = arg;
    uint64_t suppressed;

    file->is_writing = false;
    if (file->err < 0 && log_limit_allow(&file->limit, &suppressed))
        log_warning("bgp: %s: %s; the list of neighbours is not up to date", file->path,
                    named_file_error(file->err));
    write_next(file);
}

void neighbors_file_put(struct neighbors_file *file, const struct text *addresses)
{
    text_reset(&file->next);
    text_append_printf(&file->next, "%s%d\n", version_text, NEIGHBORS_FILE_VERSION);
    text_append(&file->next, addresses->data, addresses->len);
    file->has_next = true;
    write_next(file);
}

/* Returns whether the content is of a version that is known. Before there were versions, and in
 * pmacct's files, addresses are all. */
static bool version_is_known(const char *content)
{
    long version = NEIGHBORS_FILE_VERSION;

    if (strncmp(content, version_text, sizeof version_text - 1) == 0)
        version = strtol(content + sizeof version_text - 1, NULL, 10);
    return version == NEIGHBORS_FILE_VERSION;
}

/* Takes the addresses; returns the number of the first line that is none, 0: all are. */
static size_t take_addresses(char *content, struct standing_table *standing, struct mono_time now)
{
    char *next = NULL;
    size_t number = 0, wrong = 0;

    for (char *line = content; line; line = next) {
        struct ip_addr address;
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        number++;
        if (*line == '\0' || *line == '#')
            continue;
        now.ns++; /* who is further down came later */
        if (ip_addr_parse(line, &address) == 0)
            standing_met(standing, &address, now);
        else if (wrong == 0)
            wrong = number;
    }
    return wrong;
}

void neighbors_file_load(const char *path, struct standing_table *standing, struct mono_time now)
{
    struct text content = {0};
    int err = file_read(path, FILE_MAX, &content);
    size_t wrong = 0;

    text_append_char(&content, '\0');
    if (err < 0 && err != -ENOENT)
        log_warning("bgp: %s: %s; it is not known who had sessions before", path,
                    named_file_error(err));
    else if (err == 0 && !version_is_known(content.data))
        log_warning("bgp: %s: it is not of version %d; it is not used, and written anew", path,
                    NEIGHBORS_FILE_VERSION);
    else if (err == 0)
        wrong = take_addresses(content.data, standing, now);
    if (wrong > 0)
        log_warning("bgp: %s:%zu: not an address; such lines are not used, and the file is written "
                    "anew",
                    path, wrong);
    text_clear(&content);
}
