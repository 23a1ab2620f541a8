/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of a spool's files, and what is done to them. See spool.h. */
#include "host/spool.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include "handover/spool_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_FIRST_LEN 8192u /* enough for most heads */
#define NAMES_MAX      5

struct spool_file {
    uint64_t number, size;
    unsigned attempts;
    uint32_t schema; /* index in `schemas` */
    uint32_t worker;
    uint64_t seq, flows;
    int64_t since_ns; /* by the wall clock */
    bool is_own;      /* of this core */
};

enum schema_state { SCHEMA_OPEN, SCHEMA_HELD, SCHEMA_ON_TRIAL, SCHEMA_REFUSED };

struct spool_schema {
    struct text encoded;
    struct schema *schema; /* NULL for the instance's own, which is borrowed */
    const struct pa_schema *view;
    enum schema_state state;
};

/* Files that wait for a person. */
struct kept_files {
    uint64_t count;
    struct text names; /* of the first NAMES_MAX */
};

struct spool {
    struct spool_settings s;
    int dir_fd, lock_fd;
    uint64_t bytes, next_number;
    struct spool_file *files; /* by number; those before index `first` are gone */
    size_t first, count, capacity;
    struct spool_schema *schemas; /* the instance's own comes first */
    uint32_t schema_count;
    struct kept_files damaged, foreign, poison; /* foreign: of another version */
};

static struct spool_file_name name_of(const struct spool_file *f)
{
    return (struct spool_file_name){SPOOL_FILE_WAITING, f->number, f->attempts};
}

static void file_name(const struct spool_file *f, char out[SPOOL_NAME_SIZE])
{
    struct spool_file_name name = name_of(f);
    spool_file_name_format(&name, out);
}

static void keep(struct kept_files *kept, const char *name)
{
    if (kept->count++ < NAMES_MAX)
        text_append_printf(&kept->names, "%s%s", kept->names.len > 0 ? ", " : "", name);
}

/* ---- schemas ---- */

static void add_schema(struct spool *spool, const void *encoded, size_t len, struct schema *schema,
                       const struct pa_schema *view)
{
    spool->schemas =
        mem_realloc_array(spool->schemas, spool->schema_count + 1, sizeof *spool->schemas);
    struct spool_schema *s = &spool->schemas[spool->schema_count++];
    *s = (struct spool_schema){.schema = schema, .view = view};
    text_append(&s->encoded, encoded, len);
}

static int find_schema(struct spool *spool, const void *encoded, size_t len, uint32_t *ret_index)
{
    struct schema *schema;

    for (uint32_t i = 0; i < spool->schema_count; i++) {
        const struct text *known = &spool->schemas[i].encoded;
        if (known->len == len && memcmp(known->data, encoded, len) == 0) {
            *ret_index = i;
            return 0;
        }
    }
    int err = schema_decode(encoded, len, &schema);
    if (err < 0)
        return err;
    *ret_index = spool->schema_count;
    add_schema(spool, encoded, len, schema, schema_view(schema));
    return 0;
}

static struct spool_schema *schema_of(const struct spool *spool, const struct pa_schema *view)
{
    uint32_t i = 0;
    while (spool->schemas[i].view != view)
        i++;
    return &spool->schemas[i];
}

/* ---- the list ---- */

static struct spool_file *add_file(struct spool *spool, const struct spool_file *file)
{
    if (spool->count == spool->capacity) {
        spool->capacity = spool->capacity == 0 ? 64 : spool->capacity * 2;
        spool->files = mem_realloc_array(spool->files, spool->capacity, sizeof *spool->files);
    }
    spool->files[spool->count] = *file;
    spool->bytes += file->size;
    return &spool->files[spool->count++];
}

/* Most files that go are the first; the few before another one move up. */
static void forget_file(struct spool *spool, size_t index)
{
    spool->bytes -= spool->files[index].size;
    memmove(&spool->files[spool->first + 1], &spool->files[spool->first],
            (index - spool->first) * sizeof *spool->files);
    spool->first++;
    if (spool->first == spool->count)
        spool->first = spool->count = 0;
}

/* Where files are noted that cannot be used for this error. */
static struct kept_files *unreadable(struct spool *spool, int err)
{
    return err == -EPROTONOSUPPORT ? &spool->foreign : &spool->damaged;
}

/* Takes a waiting file out of the way; its new name is noted, and appended to `ret_name`. */
static int put_aside(struct spool *spool, const struct spool_file *file, enum spool_file_kind kind,
                     struct kept_files *noted, struct text *ret_name)
{
    struct spool_file_name from = name_of(file), to = {kind, file->number, 0};
    char text[SPOOL_NAME_SIZE];

    int err = spool_folder_rename(spool->dir_fd, &from, &to);
    while (err == -EEXIST) {
        to.number = spool->next_number++;
        err = spool_folder_rename(spool->dir_fd, &from, &to);
    }
    if (err < 0)
        return err;
    spool_file_name_format(&to, text);
    keep(noted, text);
    if (ret_name != NULL)
        text_append_string(ret_name, text);
    return 0;
}

static bool is_own(const struct spool *spool, const uint8_t core_id[16])
{
    return memcmp(core_id, spool->s.core_id, sizeof spool->s.core_id) == 0;
}

static int open_file(const struct spool *spool, const char *name)
{
    /* O_NONBLOCK: whatever stands there by now, opening it must not wait. */
    int fd = openat(spool->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    return fd < 0 ? -errno : fd;
}

/* Reads as much of a file as its head may need. */
static int read_head(int fd, struct text *bytes, struct spool_head *ret_head)
{
    int err = -EBADMSG;

    for (size_t len = HEAD_FIRST_LEN; err == -EBADMSG; len = SPOOL_HEAD_MAX) {
        text_reset(bytes);
        text_reserve(bytes, len);
        ssize_t got = pread(fd, bytes->data, len, 0);
        if (got < 0)
            return -errno;
        bytes->len = (size_t)got;
        err = spool_head_decode(bytes->data, bytes->len, ret_head);
        if ((size_t)got < len || len == SPOOL_HEAD_MAX)
            break;
    }
    return err;
}

/* Fills in what the head says of a file. -EBADMSG: it is none, or, where `is_whole` must be certain,
 * it is damaged. -EPROTONOSUPPORT: it is of another version. */
static int examine(struct spool *spool, const char *name, bool is_whole, struct spool_file *file)
{
    struct spool_head head;
    struct text bytes = {0};
    struct stat status;
    int fd = open_file(spool, name);

    if (fd < 0)
        return fd;
    int err = read_head(fd, &bytes, &head);
    if (err == 0 && is_whole)
        err = spool_file_verify(fd);
    if (err == 0)
        err = find_schema(spool, head.schema, head.schema_len, &file->schema);
    if (err == 0) {
        file->is_own = is_own(spool, head.core_id);
        file->worker = head.worker;
        file->seq = head.handover.seq;
        file->flows = head.handover.totals.flows;
    }
    if (fstat(fd, &status) == 0)
        file->since_ns = status.st_mtim.tv_sec * NS_PER_S + status.st_mtim.tv_nsec;
    text_clear(&bytes);
    close(fd);
    return err;
}

/* ---- the start ---- */

static void list_waiting(struct spool *spool, const struct spool_file_name *name, uint64_t size)
{
    struct spool_file file = {.number = name->number, .attempts = name->attempts, .size = size};
    char text[SPOOL_NAME_SIZE];

    spool_file_name_format(name, text);
    /* Where not even the head can be read now, reading the file will tell. */
    int err = examine(spool, text, false, &file);
    if ((err == -EBADMSG || err == -EPROTONOSUPPORT) &&
        put_aside(spool, &file, SPOOL_FILE_UNREADABLE, unreadable(spool, err), NULL) == 0)
        return;
    add_file(spool, &file);
}

/* An earlier version put hand-overs of other columns aside, and a file of a later version may lie
 * here since before an upgrade. */
static void list_unreadable(struct spool *spool, const struct spool_file_name *name, uint64_t size)
{
    struct spool_file file = {.number = name->number, .size = size};
    struct spool_file_name to = name_of(&file);
    char text[SPOOL_NAME_SIZE];

    spool_file_name_format(name, text);
    int err = examine(spool, text, true, &file);
    if (err == 0 && spool_folder_rename(spool->dir_fd, name, &to) == 0)
        add_file(spool, &file);
    else
        keep(unreadable(spool, err), text);
}

static void list_file(void *arg, const struct spool_file_name *name, uint64_t size)
{
    struct spool *spool = arg;
    char text[SPOOL_NAME_SIZE];

    if (name->number >= spool->next_number) /* those put aside keep their numbers */
        spool->next_number = name->number + 1;
    spool_file_name_format(name, text);
    switch (name->kind) {
    case SPOOL_FILE_WAITING:
        list_waiting(spool, name, size);
        break;
    case SPOOL_FILE_UNREADABLE:
        list_unreadable(spool, name, size);
        break;
    case SPOOL_FILE_POISON:
        keep(&spool->poison, text);
        break;
    default: /* incoming: a death left it half written, and its rows were not acknowledged */
        unlinkat(spool->dir_fd, text, 0);
        break;
    }
}

static int compare_files(const void *a, const void *b)
{
    const struct spool_file *x = a, *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->attempts < y->attempts ? -1 : x->attempts > y->attempts;
}

/* Somebody copied a file, and a number must be of one file alone. */
static void part_equal_numbers(struct spool *spool)
{
    for (size_t i = 1; i < spool->count; i++) {
        struct spool_file *file = &spool->files[i], changed = *file;
        if (file->number != file[-1].number)
            continue;
        changed.number = spool->next_number++;
        struct spool_file_name from = name_of(file), to = name_of(&changed);
        if (spool_folder_rename(spool->dir_fd, &from, &to) == 0)
            *file = changed;
    }
}

static int open_folder(struct spool *spool)
{
    struct text encoded = {0};

    spool->dir_fd = spool_folder_open(spool->s.dir, spool->s.instance_name, true);
    if (spool->dir_fd < 0)
        return spool->dir_fd;
    spool->lock_fd = spool_lock_take(spool->dir_fd, SPOOL_LOCK_HOST);
    if (spool->lock_fd < 0)
        return spool->lock_fd;
    schema_encode(spool->s.schema, &encoded);
    add_schema(spool, encoded.data, encoded.len, NULL, schema_view(spool->s.schema));
    text_clear(&encoded);
    int err = spool_folder_each(spool->dir_fd, list_file, spool);
    if (spool->count > 0)
        qsort(spool->files, spool->count, sizeof *spool->files, compare_files);
    part_equal_numbers(spool);
    return err;
}

int spool_new(const struct spool_settings *settings, struct spool **ret_spool)
{
    struct spool *spool = mem_zalloc(sizeof *spool);

    spool->s = *settings;
    spool->next_number = 1;
    spool->dir_fd = spool->lock_fd = -1;
    int err = open_folder(spool);
    if (err < 0) {
        spool_free(spool);
        return err;
    }
    *ret_spool = spool;
    return 0;
}

void spool_free(struct spool *spool)
{
    if (spool == NULL)
        return;
    for (uint32_t i = 0; i < spool->schema_count; i++) {
        text_clear(&spool->schemas[i].encoded);
        schema_free(spool->schemas[i].schema);
    }
    mem_free(spool->schemas);
    mem_free(spool->files);
    text_clear(&spool->damaged.names);
    text_clear(&spool->foreign.names);
    text_clear(&spool->poison.names);
    if (spool->dir_fd >= 0)
        close(spool->dir_fd);
    if (spool->lock_fd >= 0) /* comes last: a host that waits for it may start now */
        close(spool->lock_fd);
    mem_free(spool);
}

/* ---- what there is ---- */

uint64_t spool_count(const struct spool *spool)
{
    return spool->count - spool->first;
}

uint64_t spool_bytes(const struct spool *spool)
{
    return spool->bytes;
}

int64_t spool_since_ns(const struct spool *spool)
{
    return spool->first < spool->count ? spool->files[spool->first].since_ns : 0;
}

uint64_t spool_own_flows(const struct spool *spool)
{
    uint64_t flows = 0;
    for (size_t i = spool->first; i < spool->count; i++)
        if (spool->files[i].is_own)
            flows += spool->files[i].flows;
    return flows;
}

static enum schema_state state_of(const struct spool *spool, size_t index)
{
    return spool->schemas[spool->files[index].schema].state;
}

uint64_t spool_kept_count(const struct spool *spool)
{
    uint64_t count = spool->damaged.count + spool->foreign.count + spool->poison.count;

    for (size_t i = spool->first; i < spool->count; i++)
        count += state_of(spool, i) == SCHEMA_REFUSED;
    return count;
}

static void describe_files(const struct kept_files *files, const char *what, struct text *out)
{
    if (files->count == 0)
        return;
    text_append_printf(out, "%s%llu %s (%.*s%s)", out->len > 0 ? ", " : "",
                       (unsigned long long)files->count, what, (int)files->names.len,
                       files->names.data, files->count > NAMES_MAX ? ", ..." : "");
}

void spool_describe_kept(const struct spool *spool, struct text *out)
{
    describe_files(&spool->damaged, "damaged", out);
    describe_files(&spool->foreign, "of another version", out);
    describe_files(&spool->poison, "that killed the plugin", out);
}

/* ---- putting in ---- */

/* Makes the file whole under its final name, or not at all. */
static int write_file(const struct spool *spool, const struct spool_file_name *name,
                      const struct text *content)
{
    struct spool_file_name aside = {SPOOL_FILE_INCOMING, name->number, 0};
    char aside_text[SPOOL_NAME_SIZE], text[SPOOL_NAME_SIZE];

    spool_file_name_format(&aside, aside_text);
    spool_file_name_format(name, text);
    int fd = openat(spool->dir_fd, aside_text,
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    return file_replace_at(spool->dir_fd, aside_text, text, fd < 0 ? -errno : fd, content->data,
                           content->len, FILE_SYNC_FOLDER);
}

int spool_put(struct spool *spool, uint32_t worker, const struct lane_rows *rows, bool is_poison)
{
    struct spool_file_name name = {is_poison ? SPOOL_FILE_POISON : SPOOL_FILE_WAITING,
                                   spool->next_number, 0};
    struct text content = {0};
    char text[SPOOL_NAME_SIZE];

    spool_file_encode(spool->s.schema, spool->s.core_id, worker, rows, &content);
    int err = spool->bytes + content.len > spool->s.max_size ? -ENOSPC
                                                             : write_file(spool, &name, &content);
    if (err == 0) {
        struct spool_file file = {.number = name.number,
                                  .size = content.len,
                                  .worker = worker,
                                  .seq = rows->handover.seq,
                                  .flows = rows->handover.totals.flows,
                                  .since_ns = clock_wall().ns,
                                  .is_own = true};
        spool->next_number++;
        spool_file_name_format(&name, text);
        if (is_poison)
            keep(&spool->poison, text);
        else
            add_file(spool, &file);
    }
    text_clear(&content);
    return err;
}

/* ---- taking out ---- */

static int remove_file(struct spool *spool, size_t index)
{
    char name[SPOOL_NAME_SIZE];

    file_name(&spool->files[index], name);
    if (unlinkat(spool->dir_fd, name, 0) < 0 && errno != ENOENT)
        return -errno;
    forget_file(spool, index);
    return 0;
}

int spool_take_back(struct spool *spool, uint32_t worker, uint64_t seq)
{
    for (size_t i = spool->first; i < spool->count; i++) {
        const struct spool_file *file = &spool->files[i];
        if (file->is_own && file->worker == worker && file->seq == seq)
            return remove_file(spool, i);
    }
    return -ENOENT;
}

/* Returns `count` if there is none. */
static size_t first_after(const struct spool *spool, size_t index)
{
    while (index < spool->count && state_of(spool, index) != SCHEMA_OPEN &&
           state_of(spool, index) != SCHEMA_ON_TRIAL)
        index++;
    return index;
}

static size_t first_index(const struct spool *spool)
{
    return first_after(spool, spool->first);
}

const struct pa_schema *spool_first_schema(const struct spool *spool)
{
    size_t index = first_index(spool);
    return index < spool->count ? spool->schemas[spool->files[index].schema].view : NULL;
}

bool spool_first_is_last(const struct spool *spool)
{
    size_t index = first_index(spool);
    return index < spool->count && first_after(spool, index + 1) == spool->count;
}

static int read_whole(const struct spool *spool, const char *name, struct text *content)
{
    int fd = open_file(spool, name);

    if (fd < 0)
        return fd == -ENOENT ? -ESTALE : fd == -ELOOP ? -EBADMSG : fd;
    /* The length of a file that is whole can be trusted; that of another might be anything. */
    int err = spool_file_verify(fd);
    if (err == 0)
        err = file_read_all(fd, SIZE_MAX, content);
    close(fd);
    return err;
}

int spool_first(struct spool *spool, struct spool_entry *ret_entry, struct text *ret_name)
{
    size_t index = first_index(spool);
    struct text content = {0};
    char name[SPOOL_NAME_SIZE];

    if (index == spool->count)
        return -ENOENT;
    const struct spool_file *file = &spool->files[index];
    file_name(file, name);
    int err = read_whole(spool, name, &content);
    if (err == 0)
        err = spool_file_decode(content.data, content.len, &spool->schemas[file->schema].encoded,
                                spool->schemas[file->schema].view, ret_entry);
    text_clear(&content);
    if (err == -ESTALE) {
        text_append_string(ret_name, name);
        forget_file(spool, index);
    } else if (err == -EBADMSG) {
        int aside = put_aside(spool, file, SPOOL_FILE_UNREADABLE, &spool->damaged, ret_name);
        if (aside < 0)
            return aside;
        forget_file(spool, index);
    }
    return err;
}

unsigned spool_first_attempts(const struct spool *spool)
{
    size_t index = first_index(spool);
    return index < spool->count ? spool->files[index].attempts : 0;
}

static int set_attempts(struct spool *spool, size_t index, unsigned attempts)
{
    struct spool_file *file = &spool->files[index], changed = *file;

    changed.attempts = attempts > SPOOL_ATTEMPTS_MAX ? SPOOL_ATTEMPTS_MAX : attempts;
    struct spool_file_name from = name_of(file), to = name_of(&changed);
    int err = spool_folder_rename(spool->dir_fd, &from, &to);
    if (err == 0)
        *file = changed;
    return err;
}

int spool_set_first_attempts(struct spool *spool, unsigned attempts)
{
    return set_attempts(spool, first_index(spool), attempts);
}

int spool_remove_first(struct spool *spool)
{
    return remove_file(spool, first_index(spool));
}

/* ---- after a death ---- */

unsigned spool_settle_attempts(struct spool *spool, unsigned limit, bool was_killed)
{
    unsigned count = 0;

    for (size_t i = spool->first; i < spool->count; i++) {
        if (spool->files[i].attempts < limit)
            continue;
        if (was_killed) {
            set_attempts(spool, i, limit - 1);
        } else if (put_aside(spool, &spool->files[i], SPOOL_FILE_POISON, &spool->poison, NULL) ==
                   0) {
            forget_file(spool, i);
            count++;
        }
    }
    return count;
}

void spool_each_own(const struct spool *spool, spool_own_fn *fn, void *arg)
{
    for (size_t i = spool->first; i < spool->count; i++)
        if (spool->files[i].is_own)
            fn(arg, spool->files[i].worker, spool->files[i].seq);
}

/* ---- schemas that are held back ---- */

void spool_hold(struct spool *spool, const struct pa_schema *schema)
{
    schema_of(spool, schema)->state = SCHEMA_HELD;
}

bool spool_has_held(const struct spool *spool)
{
    for (uint32_t i = 0; i < spool->schema_count; i++)
        if (spool->schemas[i].state == SCHEMA_HELD)
            return true;
    return false;
}

static void change_state(struct spool *spool, enum schema_state from, enum schema_state to)
{
    for (uint32_t i = 0; i < spool->schema_count; i++)
        if (spool->schemas[i].state == from)
            spool->schemas[i].state = to;
}

void spool_release(struct spool *spool)
{
    change_state(spool, SCHEMA_HELD, SCHEMA_OPEN);
    change_state(spool, SCHEMA_ON_TRIAL, SCHEMA_OPEN);
}

void spool_try_held(struct spool *spool)
{
    change_state(spool, SCHEMA_HELD, SCHEMA_ON_TRIAL);
}

bool spool_is_on_trial(const struct spool *spool, const struct pa_schema *schema)
{
    return schema_of(spool, schema)->state == SCHEMA_ON_TRIAL;
}

uint64_t spool_refuse(struct spool *spool, const struct pa_schema *schema, struct text *ret_names)
{
    struct spool_schema *refused = schema_of(spool, schema);
    struct kept_files files = {0};
    char name[SPOOL_NAME_SIZE];

    refused->state = SCHEMA_REFUSED;
    for (size_t i = spool->first; i < spool->count; i++)
        if (&spool->schemas[spool->files[i].schema] == refused) {
            file_name(&spool->files[i], name);
            keep(&files, name);
        }
    text_append(ret_names, files.names.data, files.names.len);
    if (files.count > NAMES_MAX)
        text_append_string(ret_names, ", ...");
    text_clear(&files.names);
    return files.count;
}
