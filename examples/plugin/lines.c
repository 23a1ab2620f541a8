/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A complete backend in one file: appends each row to a text file as "name=value" pairs, exactly
 * once, even if its process is killed at any moment. It includes nothing but the installed header
 * and the C library.
 *
 *     plugins: lines[edge]
 *     lines_file[edge]: /var/lib/pathacct/edge.txt
 *
 * How it becomes exactly once. Rows are appended to the file; then FILE.state, written aside and
 * renamed over the old one, says how long the file is and which hand-overs are in it. That rename
 * is the commit. Whoever opens the file cuts it to the length in the state: what a killed process
 * had appended after its last commit goes, and comes again. A commit that the core did not hear of
 * is recognized in begin by its identity.
 */
#include <pathacct_plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORKERS_MAX 4096
#define ID_TEXT     33

/* Tells how far the hand-overs of one worker are in the file. */
struct progress {
    char core_id[ID_TEXT];
    uint32_t worker;
    uint64_t seq;
};

struct lines {
    const struct pa_host *host;
    const struct pa_schema *schema;
    char *state_path, *temporary_path;
    int fd;
    FILE *out;       /* on the fd; holds the rows of the transaction in its buffer */
    uint64_t length; /* the file's, as of the last commit */
    struct progress *progress;
    uint32_t progress_count;
};

/* The plugin declares all settings that it asks for: the host ends a process that asks for another
 * one. */
static const struct pa_key keys[] = {
    {"lines_file", PA_KEY_STRING, 0, PA_ROLE_NONE, NULL, 0, 0, NULL, NULL,
     "file to append rows to"},
    {"lines_refresh_time", PA_KEY_DURATION, 0, PA_ROLE_REFRESH_TIME, "60", 1, 0, NULL, NULL,
     "seconds between two writes"},
    {NULL, 0, 0, 0, NULL, 0, 0, NULL, NULL, NULL},
};

static int lines_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
                       size_t error_size)
{
    const char *file = host->setting(host, "lines_file");
    (void)schema;
    if (file != NULL && file[0] == '/')
        return 0;
    snprintf(error, error_size, "lines_file must be set, to an absolute path");
    return -EINVAL;
}

/* ---- the state file ---- */

static void id_format(const uint8_t core_id[16], char out[ID_TEXT])
{
    for (int i = 0; i < 16; i++)
        snprintf(out + (size_t)i * 2, 3, "%02x", core_id[i]);
}

/* Finds how far that worker is; with `make`, an unknown one gets a new place at 0. */
static struct progress *progress_find(struct lines *l, const struct pa_source *source, int make)
{
    char id[ID_TEXT];
    id_format(source->core_id, id);
    for (uint32_t i = 0; i < l->progress_count; i++)
        if (l->progress[i].worker == source->worker && strcmp(l->progress[i].core_id, id) == 0)
            return &l->progress[i];
    if (!make)
        return NULL;
    if (l->progress_count == WORKERS_MAX) { /* the oldest belong to cores long gone */
        memmove(l->progress, l->progress + 1, (WORKERS_MAX - 1) * sizeof *l->progress);
        l->progress_count--;
    }
    struct progress *p = &l->progress[l->progress_count++];
    memcpy(p->core_id, id, ID_TEXT);
    p->worker = source->worker;
    p->seq = 0;
    return p;
}

/* Reads the state file. Returns 1 if there is none yet. */
static int state_read(struct lines *l)
{
    FILE *f = fopen(l->state_path, "r");
    struct progress p;
    if (f == NULL)
        return errno == ENOENT ? 1 : -errno;
    /* NOLINTBEGIN(cert-err34-c): the file is the plugin's own, and its numbers fit */
    int err = fscanf(f, "length %" SCNu64 "\n", &l->length) == 1 ? 0 : -EBADMSG;
    while (err == 0 && l->progress_count < WORKERS_MAX &&
           fscanf(f, "done %32s %" SCNu32 " %" SCNu64 "\n", p.core_id, &p.worker, &p.seq) == 3)
        l->progress[l->progress_count++] = p;
    /* NOLINTEND(cert-err34-c) */
    if (err == 0 && !feof(f))
        err = -EBADMSG;
    fclose(f);
    return err;
}

/* Writes the state aside, syncs it and renames it, so that a reader sees the old state or the new
 * one. */
static int state_write(const struct lines *l, uint64_t length)
{
    FILE *f = fopen(l->temporary_path, "w");
    if (f == NULL)
        return -errno;
    fprintf(f, "length %" PRIu64 "\n", length);
    for (uint32_t i = 0; i < l->progress_count; i++)
        fprintf(f, "done %s %" PRIu32 " %" PRIu64 "\n", l->progress[i].core_id,
                l->progress[i].worker, l->progress[i].seq);
    int err = fflush(f) != 0 || fsync(fileno(f)) < 0 ? -errno : 0;
    if (fclose(f) != 0 && err == 0)
        err = -errno;
    if (err == 0 && rename(l->temporary_path, l->state_path) < 0)
        err = -errno;
    return err;
}

/* ---- rows as text ---- */

static uint64_t number_at(const uint8_t *at, uint8_t kind)
{
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;
    switch (kind) {
    case PA_KIND_U8:
        return *at;
    case PA_KIND_U16:
        memcpy(&u16, at, sizeof u16);
        return u16;
    case PA_KIND_U32:
    case PA_KIND_BYTES:
        memcpy(&u32, at, sizeof u32);
        return u32;
    default:
        memcpy(&u64, at, sizeof u64);
        return u64;
    }
}

static void put_address(FILE *out, const uint8_t *at)
{
    if (at[16] == 4)
        fprintf(out, "%u.%u.%u.%u", at[12], at[13], at[14], at[15]);
    else if (at[16] == 6)
        for (int i = 0; i < 16; i += 2)
            fprintf(out, "%s%x", i > 0 ? ":" : "", at[i] << 8 | at[i + 1]);
}

static void put_value(FILE *out, const struct pa_column *column, const uint8_t *row,
                      const struct pa_batch *batch)
{
    const uint8_t *at = row + column->offset;
    switch (column->kind) {
    case PA_KIND_ADDR:
        put_address(out, at);
        break;
    case PA_KIND_BYTES: {
        const struct pa_bytes *bytes = &batch->dictionary[number_at(at, PA_KIND_BYTES)];
        fwrite(bytes->data, 1, bytes->len, out);
        break;
    }
    case PA_KIND_MAC:
    case PA_KIND_FIXED:
        for (uint16_t i = 0; i < column->width; i++)
            fprintf(out, "%02x", at[i]);
        break;
    default:
        fprintf(out, "%" PRIu64, number_at(at, column->kind));
    }
}

/* ---- the plugin ---- */

static void lines_close(void *state)
{
    struct lines *l = (struct lines *)state;
    if (l == NULL)
        return;
    if (l->out != NULL)
        fclose(l->out);
    else if (l->fd >= 0)
        close(l->fd);
    free(l->state_path);
    free(l->temporary_path);
    free(l->progress);
    free(l);
}

/* Takes the file back to the last commit. */
static int lines_rewind(struct lines *l)
{
    if (ftruncate(l->fd, (off_t)l->length) < 0 || lseek(l->fd, (off_t)l->length, SEEK_SET) < 0)
        return -errno;
    return 0;
}

static char *path_with(const char *file, const char *suffix)
{
    char *path = (char *)malloc(strlen(file) + strlen(suffix) + 1);
    if (path != NULL) {
        strcpy(path, file);
        strcat(path, suffix);
    }
    return path;
}

static int lines_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state)
{
    const char *file = host->setting(host, "lines_file");
    struct lines *l = (struct lines *)calloc(1, sizeof *l);
    if (l == NULL)
        return -ENOMEM;
    *ret_state = l; /* close copes with a half-built one */
    l->host = host;
    l->schema = schema;
    l->fd = -1;
    l->progress = (struct progress *)calloc(WORKERS_MAX, sizeof *l->progress);
    l->state_path = path_with(file, ".state");
    l->temporary_path = path_with(file, ".state.new");
    if (l->progress == NULL || l->state_path == NULL || l->temporary_path == NULL)
        return -ENOMEM;
    int err = state_read(l);
    if (err < 0)
        return err;
    l->fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (l->fd < 0)
        return -errno;
    if (err == 1) {
        /* Rows that somebody else wrote into the file are kept. The state has to say before our
         * first row that the file is ours from here on. */
        off_t size = lseek(l->fd, 0, SEEK_END);
        l->length = size > 0 ? (uint64_t)size : 0;
        err = state_write(l, l->length);
        if (err < 0)
            return err;
    }
    err = lines_rewind(l);
    if (err < 0)
        return err;
    l->out = fdopen(l->fd, "w");
    return l->out == NULL ? -errno : 0;
}

static int lines_begin(void *state, const struct pa_transaction *t)
{
    struct lines *l = (struct lines *)state;
    for (uint32_t i = 0; i < t->source_count; i++) {
        const struct progress *p = progress_find(l, &t->sources[i], 0);
        if (p == NULL || p->seq < t->sources[i].last_seq)
            return 0;
    }
    l->host->count(l->host, "repeated", 1);
    return PA_DONE_ALREADY; /* a transaction is in the file as a whole or not at all */
}

static int lines_write(void *state, const struct pa_batch *batch)
{
    struct lines *l = (struct lines *)state;
    for (uint32_t i = 0; i < batch->row_count; i++) {
        const uint8_t *row = batch->rows + (size_t)i * l->schema->row_size;
        for (uint32_t c = 0; c < l->schema->column_count; c++) {
            fprintf(l->out, "%s%s=", c > 0 ? " " : "", l->schema->columns[c].name);
            put_value(l->out, &l->schema->columns[c], row, batch);
        }
        fputc('\n', l->out);
    }
    return ferror(l->out) ? -EIO : 0;
}

static int lines_commit(void *state, const struct pa_transaction *t)
{
    struct lines *l = (struct lines *)state;
    if (fflush(l->out) != 0 || fdatasync(l->fd) < 0)
        return -errno;
    off_t length = lseek(l->fd, 0, SEEK_CUR);
    if (length < 0)
        return -errno;
    struct progress *before = (struct progress *)malloc(WORKERS_MAX * sizeof *before);
    uint32_t count_before = l->progress_count;
    if (before == NULL)
        return -ENOMEM;
    memcpy(before, l->progress, WORKERS_MAX * sizeof *before);
    for (uint32_t i = 0; i < t->source_count; i++)
        progress_find(l, &t->sources[i], 1)->seq = t->sources[i].last_seq;
    int err = state_write(l, (uint64_t)length);
    if (err < 0) { /* abort will cut the file; the progress goes back too */
        memcpy(l->progress, before, WORKERS_MAX * sizeof *before);
        l->progress_count = count_before;
    } else {
        l->length = (uint64_t)length;
    }
    free(before);
    return err;
}

static void lines_abort(void *state)
{
    struct lines *l = (struct lines *)state;
    fflush(l->out); /* whatever is still in its buffer is cut off with the rest */
    clearerr(l->out);
    lines_rewind(l);
}

PA_PLUGIN_EXPORT = {
    PA_PLUGIN_ABI, /* abi */
    0,             /* flags: rows of one key are put together by the host */
    "lines",       /* name */
    "rows as lines of text, exactly once",
    keys,
    NULL, /* shared_keys */
    lines_check,
    lines_open,
    lines_begin,
    lines_write,
    lines_commit,
    lines_abort,
    NULL, /* reopen */
    lines_close,
    NULL, /* try_out: not offered, as `flags` lacks PA_PLUGIN_TRIES_OUT */
};
