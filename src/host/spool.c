/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes and reads the files of a spool. Numbers in a file are big-endian, but rows are as they
 * were in memory: a spool stays on its machine. See spool.h. */
#include "host/spool.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/reader.h"
#include "base/text.h"
#include "handover/encoding.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define SPOOL_MAGIC    UINT64_C(0x70612d73706f6f31)
#define NAME_SIZE      64
#define ATTEMPTS_MAX   9u
#define CHECKSUM_LEN   8u
#define TEMPORARY_NAME "incoming"

struct spool_file {
    uint64_t number, size;
    unsigned attempts;
};

struct spool {
    int dir_fd;
    uint64_t max_size, bytes, next_number;
    struct spool_file *files; /* by number; those before index `first` are gone */
    size_t first, count, capacity;
    struct text schema; /* encoded */
    const struct pa_schema *view;
};

static void file_name(const struct spool_file *f, char out[NAME_SIZE])
{
    int len = snprintf(out, NAME_SIZE, "%020llu.handover", (unsigned long long)f->number);
    if (f->attempts > 0)
        snprintf(out + len, (size_t)(NAME_SIZE - len), ".%u", f->attempts);
}

/* Returns false if it is not the name of a waiting file. */
static bool parse_name(const char *name, struct spool_file *ret_file)
{
    char again[NAME_SIZE], *end;
    struct spool_file f = {.number = strtoull(name, &end, 10)};
    if (strncmp(end, ".handover.", 10) == 0 && end[10] >= '1' && end[10] <= '9')
        f.attempts = (unsigned)(end[10] - '0');
    file_name(&f, again);
    if (strcmp(name, again) != 0)
        return false;
    *ret_file = f;
    return true;
}

static int compare_files(const void *a, const void *b)
{
    const struct spool_file *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static void add_file(struct spool *spool, const struct spool_file *file)
{
    if (spool->count == spool->capacity) {
        spool->capacity = spool->capacity == 0 ? 64 : spool->capacity * 2;
        spool->files = mem_realloc_array(spool->files, spool->capacity, sizeof *spool->files);
    }
    spool->files[spool->count++] = *file;
    spool->bytes += file->size;
}

static int list_files(struct spool *spool)
{
    int fd = openat(spool->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        int err = -errno;
        if (fd >= 0)
            close(fd);
        return err;
    }
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream of this readdir is ours alone */
    for (struct dirent *d = readdir(dir); d != NULL; d = readdir(dir)) {
        struct spool_file file;
        struct stat status;
        uint64_t number = strtoull(d->d_name, NULL, 10);
        if (number >= spool->next_number) /* poison and unreadable keep their numbers */
            spool->next_number = number + 1;
        if (!parse_name(d->d_name, &file) || fstatat(spool->dir_fd, d->d_name, &status, 0) < 0)
            continue;
        file.size = (uint64_t)status.st_size;
        add_file(spool, &file);
    }
    closedir(dir);
    if (spool->count > 0)
        qsort(spool->files, spool->count, sizeof *spool->files, compare_files);
    return 0;
}

int spool_new(const char *dir, const char *instance_name, uint64_t max_size,
              const struct schema *schema, struct spool **ret_spool)
{
    struct spool *spool = mem_zalloc(sizeof *spool);
    char *path = mem_printf("%s/%s", dir, instance_name);
    int err = 0;

    spool->max_size = max_size;
    spool->next_number = 1;
    spool->view = schema_view(schema);
    schema_encode(schema, &spool->schema);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        err = -errno;
    spool->dir_fd = err == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (err == 0 && spool->dir_fd < 0)
        err = -errno;
    mem_free(path);
    if (err == 0) {
        unlinkat(spool->dir_fd, TEMPORARY_NAME, 0); /* may be left half written after a death */
        err = list_files(spool);
    }
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
    if (spool->dir_fd >= 0)
        close(spool->dir_fd);
    text_clear(&spool->schema);
    mem_free(spool->files);
    mem_free(spool);
}

uint64_t spool_count(const struct spool *spool)
{
    return spool->count - spool->first;
}

uint64_t spool_bytes(const struct spool *spool)
{
    return spool->bytes;
}

static int append_rows(void *arg, const struct pa_batch *batch)
{
    const struct pa_schema *schema = ((void **)arg)[1];
    text_append(((void **)arg)[0], batch->rows, (size_t)batch->row_count * schema->row_size);
    return 0;
}

static void encode_handover(const struct spool *spool, const uint8_t core_id[16], uint32_t worker,
                            const struct lane_rows *rows, struct text *out)
{
    const struct handover *h = &rows->handover;
    struct pa_schema schema = *spool->view;
    void *arg[] = {out, &schema};

    encode_u64(out, SPOOL_MAGIC);
    encode_u32(out, (uint32_t)spool->schema.len);
    text_append(out, spool->schema.data, spool->schema.len);
    text_append(out, core_id, 16);
    encode_u32(out, worker);
    encode_u64(out, h->seq);
    encode_u64(out, h->group);
    encode_u64(out, h->epoch);
    encode_u64(out, (uint64_t)h->time_ns);
    encode_u32(out, h->flags);
    encode_u64(out, h->totals.flows);
    encode_u64(out, h->totals.packets);
    encode_u64(out, h->totals.bytes);
    encode_u64(out, h->row_count);
    encode_u32(out, h->dictionary_count);
    /* Cannot fail: the rows were checked when they were read. */
    lane_rows_each(rows, spool->view, append_rows, arg);
    for (uint32_t i = 1; i <= h->dictionary_count; i++) {
        encode_u32(out, rows->dictionary[i].len);
        text_append(out, rows->dictionary[i].data, rows->dictionary[i].len);
    }
    encode_u64(out, XXH3_64bits(out->data, out->len));
}

/* Makes the file whole under its final name, or not at all. */
static int write_file(const struct spool *spool, const char *name, const struct text *content)
{
    int fd = openat(spool->dir_fd, TEMPORARY_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    return file_replace_at(spool->dir_fd, TEMPORARY_NAME, name, fd < 0 ? -errno : fd, content->data,
                           content->len, FILE_SYNC_FOLDER);
}

int spool_put(struct spool *spool, const uint8_t core_id[16], uint32_t worker,
              const struct lane_rows *rows, bool is_poison)
{
    struct spool_file file = {.number = spool->next_number};
    struct text content = {0};
    char name[NAME_SIZE];
    int err;

    encode_handover(spool, core_id, worker, rows, &content);
    file.size = content.len;
    if (is_poison)
        snprintf(name, sizeof name, "%020llu.poison", (unsigned long long)file.number);
    else
        file_name(&file, name);
    err =
        spool->bytes + content.len > spool->max_size ? -ENOSPC : write_file(spool, name, &content);
    if (err == 0) {
        spool->next_number++;
        if (!is_poison)
            add_file(spool, &file);
    }
    text_clear(&content);
    return err;
}

static int read_file(const struct spool *spool, const char *name, struct text *content)
{
    int fd = openat(spool->dir_fd, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    int err = file_read_all(fd, SIZE_MAX, content);
    close(fd);
    return err;
}

static int decode_dictionary(struct reader *r, struct spool_entry *e)
{
    uint32_t count = e->handover.dictionary_count;
    if (count > reader_left(r) / 4)
        return -EBADMSG;
    /* The entries point into one copy of all that is left. */
    size_t len = reader_left(r);
    e->bytes = mem_alloc(len + 1);
    memcpy(e->bytes, r->pos, len);
    e->dictionary = mem_calloc((size_t)count + 1, sizeof *e->dictionary);
    e->dictionary[0] = (struct pa_bytes){e->bytes, 0};
    struct reader copy = reader_make(e->bytes, len);
    for (uint32_t i = 1; i <= count; i++) {
        uint32_t value_len = reader_u32(&copy);
        e->dictionary[i] = (struct pa_bytes){reader_bytes(&copy, value_len), value_len};
        if (copy.failed)
            return -EBADMSG;
    }
    return reader_left(&copy) == 0 ? 0 : -EBADMSG;
}

static int decode_handover(const struct spool *spool, const struct text *content,
                           struct spool_entry *e)
{
    struct handover *h = &e->handover;

    if (content->len < CHECKSUM_LEN)
        return -EBADMSG;
    size_t len = content->len - CHECKSUM_LEN;
    if (XXH3_64bits(content->data, len) != wire_u64((const uint8_t *)content->data + len))
        return -EBADMSG;
    struct reader r = reader_make(content->data, len);
    uint64_t magic = reader_u64(&r);
    uint32_t schema_len = reader_u32(&r);
    const uint8_t *schema = reader_bytes(&r, schema_len);
    const uint8_t *core_id = reader_bytes(&r, 16);
    if (magic != SPOOL_MAGIC || core_id == NULL || schema_len != spool->schema.len ||
        memcmp(schema, spool->schema.data, schema_len) != 0)
        return -EBADMSG;
    memcpy(e->core_id, core_id, 16);
    e->worker = reader_u32(&r);
    h->seq = reader_u64(&r);
    h->group = reader_u64(&r);
    h->epoch = reader_u64(&r);
    h->time_ns = (int64_t)reader_u64(&r);
    h->flags = reader_u32(&r);
    h->totals.flows = reader_u64(&r);
    h->totals.packets = reader_u64(&r);
    h->totals.bytes = reader_u64(&r);
    h->row_count = reader_u64(&r);
    h->dictionary_count = reader_u32(&r);
    h->row_segment = h->dictionary_segment = SEGMENT_NONE;
    if (r.failed || h->row_count > reader_left(&r) / spool->view->row_size)
        return -EBADMSG;
    size_t rows_len = (size_t)h->row_count * spool->view->row_size;
    const uint8_t *rows = reader_bytes(&r, rows_len);
    e->rows = mem_alloc(rows_len > 0 ? rows_len : 1);
    if (rows_len > 0)
        memcpy(e->rows, rows, rows_len);
    return decode_dictionary(&r, e);
}

static int rename_first(struct spool *spool, const char *suffix, struct text *ret_name)
{
    char from[NAME_SIZE], to[NAME_SIZE];
    struct spool_file *file = &spool->files[spool->first];
    file_name(file, from);
    snprintf(to, sizeof to, "%020llu.%s", (unsigned long long)file->number, suffix);
    if (renameat(spool->dir_fd, from, spool->dir_fd, to) < 0)
        return -errno;
    if (ret_name != NULL)
        text_append_string(ret_name, to);
    spool->bytes -= file->size;
    spool->first++;
    return 0;
}

static int read_entry(const struct spool *spool, size_t index, struct spool_entry *ret_entry)
{
    struct spool_entry e = {0};
    struct text content = {0};
    char name[NAME_SIZE];

    file_name(&spool->files[index], name);
    int err = read_file(spool, name, &content);
    if (err == 0)
        err = decode_handover(spool, &content, &e);
    text_clear(&content);
    if (err < 0) {
        spool_entry_clear(&e);
        return err;
    }
    *ret_entry = e;
    return 0;
}

int spool_first(struct spool *spool, struct spool_entry *ret_entry, struct text *ret_name)
{
    if (spool->first == spool->count)
        return -ENOENT;
    int err = read_entry(spool, spool->first, ret_entry);
    if (err != -EBADMSG)
        return err;
    err = rename_first(spool, "unreadable", ret_name);
    return err < 0 ? err : -EBADMSG;
}

int spool_last(const struct spool *spool, struct spool_entry *ret_entry)
{
    return spool->first == spool->count ? -ENOENT : read_entry(spool, spool->count - 1, ret_entry);
}

void spool_entry_clear(struct spool_entry *entry)
{
    mem_free(entry->rows);
    mem_free(entry->dictionary);
    mem_free(entry->bytes);
    *entry = (struct spool_entry){0};
}

unsigned spool_first_attempts(const struct spool *spool)
{
    return spool->first < spool->count ? spool->files[spool->first].attempts : 0;
}

int spool_set_first_attempts(struct spool *spool, unsigned attempts)
{
    struct spool_file *file = &spool->files[spool->first], changed = *file;
    char from[NAME_SIZE], to[NAME_SIZE];

    changed.attempts = attempts > ATTEMPTS_MAX ? ATTEMPTS_MAX : attempts;
    file_name(file, from);
    file_name(&changed, to);
    if (renameat(spool->dir_fd, from, spool->dir_fd, to) < 0)
        return -errno;
    *file = changed;
    return 0;
}

int spool_remove_first(struct spool *spool)
{
    char name[NAME_SIZE];
    struct spool_file *file = &spool->files[spool->first];
    file_name(file, name);
    if (unlinkat(spool->dir_fd, name, 0) < 0 && errno != ENOENT)
        return -errno;
    spool->bytes -= file->size;
    spool->first++;
    if (spool->first == spool->count)
        spool->first = spool->count = 0;
    return 0;
}

int spool_poison_first(struct spool *spool)
{
    return rename_first(spool, "poison", NULL);
}
