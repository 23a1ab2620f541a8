/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The client's side: asks and takes answers. Calls block, with a bound on how long nothing may
 * come. See query.h. */
#include "base/memory.h"
#include "plugins/memory/query_private.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define SILENCE_MAX_MS 30000

/* ---- messages ---- */

static int wait_ready(const struct query *q, short events)
{
    struct pollfd p = {.fd = q->fd, .events = events};
    int ready;

    do
        ready = poll(&p, 1, q->silence_ms);
    while (ready < 0 && errno == EINTR);
    return ready > 0 ? 0 : ready == 0 ? -ETIMEDOUT : -errno;
}

static int send_all(const struct query *q, const struct text *message)
{
    for (size_t done = 0; done < message->len;) {
        ssize_t sent;
        int err = wait_ready(q, POLLOUT);
        if (err < 0)
            return err;
        sent = send(q->fd, message->data + done, message->len - done, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0)
            done += (size_t)sent;
        else if (errno != EINTR && errno != EAGAIN)
            return -errno;
    }
    return 0;
}

static int receive_bytes(const struct query *q, void *to, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t got;
        int err = wait_ready(q, POLLIN);
        if (err < 0)
            return err;
        got = recv(q->fd, (char *)to + done, len - done, MSG_DONTWAIT);
        if (got == 0)
            return -ECONNRESET;
        if (got > 0)
            done += (size_t)got;
        else if (errno != EINTR && errno != EAGAIN)
            return -errno;
    }
    return 0;
}

/* Receives the next message; an ERROR becomes -EREMOTEIO with its text in `error`. */
static int receive_message(struct query *q, struct query_header *header, struct text *error)
{
    uint8_t bytes[QUERY_HEADER_LEN];
    int err = receive_bytes(q, bytes, sizeof bytes);

    if (err == 0)
        err = query_header_decode(bytes, QUERY_BODY_MAX, header);
    if (err == 0) {
        text_reset(&q->body);
        text_reserve(&q->body, (size_t)header->body_len + 1);
        err = receive_bytes(q, q->body.data, header->body_len);
        q->body.len = header->body_len;
    }
    if (err == 0 && header->type == QUERY_ERROR) {
        struct reader r = reader_make(q->body.data, q->body.len);
        char *why = query_read_string(&r);
        text_append_string(error, why ? why : "it says no, and not why");
        mem_free(why);
        return -EREMOTEIO;
    }
    return err;
}

static void explain_failure(const struct query *q, int err, struct text *error)
{
    switch (err) {
    case -EREMOTEIO:
        return; /* the plugin's own words stand there */
    case -EPROTONOSUPPORT:
    case -EBADMSG:
    case -EMSGSIZE:
        text_append_printf(error,
                           "what serves %s does not speak as this program does; use the pmacct "
                           "that was installed with the daemon",
                           q->path);
        return;
    case -ECONNRESET:
    case -EPIPE:
        text_append_printf(error,
                           "%s: the plugin has hung up: it was restarted, or this program took the "
                           "answer too slowly; try again",
                           q->path);
        return;
    case -ETIMEDOUT:
        text_append_printf(error, "%s: no answer for %d s; the plugin is stopped or overloaded",
                           q->path, q->silence_ms / 1000);
        return;
    default:
        text_append_printf(error, "%s: %s", q->path, strerrordesc_np(-err));
    }
}

/* ---- connection ---- */

/* A plugin that does not take connections would hold up connect() for ever. */
static int connect_to(const char *path, int silence_ms, int *ret_fd)
{
    const struct timeval patience = {silence_ms / 1000, silence_ms % 1000 * 1000};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(path);
    int fd, err;

    if (len == 0 || len >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, len);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        err = -errno;
        close(fd);
        return err;
    }
    *ret_fd = fd;
    return 0;
}

int query_open_within(const char *path, int silence_ms, struct text *error,
                      struct query **ret_query)
{
    struct query *q = mem_zalloc(sizeof *q);
    struct query_header header;
    int err;

    q->fd = -1;
    q->silence_ms = silence_ms;
    q->path = mem_strdup(path);
    err = connect_to(path, silence_ms, &q->fd);
    if (err < 0) {
        text_append_printf(error, "Unable to connect to '%s': %s%s", path, strerrordesc_np(-err),
                           err == -ENOENT || err == -ECONNREFUSED
                               ? "; is a daemon with a memory plugin running, and is this its "
                                 "imt_path? (-p)"
                               : "");
        query_close(q);
        return err;
    }
    err = receive_message(q, &header, error);
    if (err == 0) {
        struct reader r = reader_make(q->body.data, q->body.len);
        err = header.type == QUERY_TABLE ? query_table_decode(&r, &q->table) : -EBADMSG;
    }
    if (err < 0) {
        explain_failure(q, err, error);
        query_close(q);
        return err;
    }
    *ret_query = q;
    return 0;
}

int query_open(const char *path, struct text *error, struct query **ret_query)
{
    return query_open_within(path, SILENCE_MAX_MS, error, ret_query);
}

void query_close(struct query *q)
{
    if (!q)
        return;
    if (q->fd >= 0)
        close(q->fd);
    query_table_clear(&q->table);
    query_batch_clear(&q->batch);
    text_clear(&q->body);
    mem_free(q->path);
    mem_free(q);
}

const char *query_instance_name(const struct query *q)
{
    return q->table.instance_name;
}

const struct pa_schema *query_schema(const struct query *q)
{
    return &q->table.schema;
}

const struct pa_column *query_column(const struct query *q, const char *name)
{
    const struct pa_schema *schema = &q->table.schema;

    for (uint32_t i = 0; i < schema->column_count; i++)
        if (!strcmp(schema->columns[i].name, name))
            return &schema->columns[i];
    for (uint32_t i = 0; i < schema->column_count; i++)
        if (schema->columns[i].json_name[0] && !strcmp(schema->columns[i].json_name, name))
            return &schema->columns[i];
    return NULL;
}

void query_append_columns(const struct query *q, struct text *out)
{
    const char *between = "";

    for (uint32_t i = 0; i < q->table.schema.column_count; i++) {
        const struct pa_column *c = &q->table.schema.columns[i];
        if (c->combine != PA_COMBINE_KEY)
            continue;
        text_append_printf(out, "%s%s", between, c->name);
        between = ", ";
    }
}

/* ---- which rows ---- */

static int find_column(const struct query *q, const char *name, uint16_t *ret_index,
                       struct text *error)
{
    const struct pa_column *c = query_column(q, name);

    if (c && c->combine == PA_COMBINE_KEY) {
        *ret_index = (uint16_t)(c - q->table.schema.columns);
        return 0;
    }
    text_append_printf(error, "unknown primitive '%s': this table has ", name);
    query_append_columns(q, error);
    return -EINVAL;
}

int query_match_new(const struct query *q, char *const *columns, size_t column_count,
                    struct text *error, struct query_match **ret_match)
{
    uint16_t indices[MATCH_COLUMNS_MAX];
    struct query_match *m;
    struct match *match = NULL;

    if (column_count > MATCH_COLUMNS_MAX) {
        text_append_printf(error, "more than %d primitives after -c", MATCH_COLUMNS_MAX);
        return -EINVAL;
    }
    for (size_t i = 0; i < column_count; i++)
        if (find_column(q, columns[i], &indices[i], error) < 0)
            return -EINVAL;
    if (match_new(&q->table.schema, indices, column_count, &match) < 0) {
        text_append_string(error, "a primitive stands twice after -c");
        return -EINVAL;
    }
    m = mem_zalloc(sizeof *m);
    *m = (struct query_match){q, match};
    *ret_match = m;
    return 0;
}

void query_match_free(struct query_match *m)
{
    if (!m)
        return;
    match_free(m->match);
    mem_free(m);
}

int query_match_add(struct query_match *m, char *const *values, struct text *error)
{
    struct pa_bytes bytes[MATCH_COLUMNS_MAX];
    struct text stored[MATCH_COLUMNS_MAX] = {{0}};
    size_t count = match_column_count(m->match);
    int err = 0;

    for (size_t i = 0; i < count && err == 0; i++) {
        const struct pa_column *c = &m->query->table.schema.columns[match_column_at(m->match, i)];
        bytes[i] = (struct pa_bytes){0};
        if (!values[i] || !strcmp(values[i], "*"))
            continue;
        text_reserve(&stored[i], 1);
        err = query_value_parse(m->query, c, values[i], &stored[i], error);
        bytes[i] = (struct pa_bytes){(const uint8_t *)stored[i].data, (uint32_t)stored[i].len};
    }
    if (err == 0) {
        err = match_add(m->match, bytes);
        if (err == -ENOSPC)
            text_append_printf(error, "more than %d queries, or too many sorts of them, at once",
                               MATCH_ALTERNATIVES_MAX);
    }
    for (size_t i = 0; i < count; i++)
        text_clear(&stored[i]);
    return err;
}

static struct pa_bytes bytes_of(const void *arg, uint32_t id)
{
    const struct pa_batch *batch = arg;

    return batch->dictionary[id < batch->dictionary_count ? id : 0];
}

void query_match_each(const struct query_match *m, const struct pa_batch *batch, const uint8_t *row,
                      void (*fn)(void *arg, size_t number), void *arg)
{
    match_each(m->match, row, bytes_of, batch, fn, arg);
}

/* ---- requests ---- */

static int take_batch(struct query *q, query_batch_fn *fn, void *arg)
{
    struct reader r = reader_make(q->body.data, q->body.len);
    int err = query_batch_decode(&r, &q->table.schema, &q->batch);

    if (err == 0 && fn)
        fn(arg, &q->batch.batch);
    return err;
}

/* Sends a request and takes all of its answer. */
static int ask_plugin(struct query *q, const struct text *request, query_batch_fn *fn, void *arg,
                      struct query_status *ret_status, struct text *error)
{
    struct query_header header = {0};
    int err;

    if (request->len > QUERY_HEADER_LEN + QUERY_REQUEST_MAX) {
        text_append_printf(error, "the queries take more than %u bytes; ask in several calls",
                           QUERY_REQUEST_MAX);
        return -EMSGSIZE;
    }
    err = send_all(q, request);
    while (err == 0) {
        struct reader r;
        err = receive_message(q, &header, error);
        if (err < 0)
            break;
        if (header.type == QUERY_BATCH) {
            err = take_batch(q, fn, arg);
            continue;
        }
        r = reader_make(q->body.data, q->body.len);
        err = header.type == QUERY_END ? query_status_decode(&r, ret_status) : -EBADMSG;
        break;
    }
    if (err < 0)
        explain_failure(q, err, error);
    return err;
}

static int ask_plainly(struct query *q, enum query_type type, struct query_status *ret_status,
                       struct text *error)
{
    struct text request = {0};
    int err;

    query_finish(&request, query_begin(&request, type));
    err = ask_plugin(q, &request, NULL, NULL, ret_status, error);
    text_clear(&request);
    return err;
}

int query_rows(struct query *q, const struct query_match *match, bool resets, query_batch_fn *fn,
               void *arg, struct query_status *ret_status, struct text *error)
{
    struct text request = {0};
    int err;

    query_rows_encode(resets, match ? match->match : NULL, &request);
    err = ask_plugin(q, &request, fn, arg, ret_status, error);
    text_clear(&request);
    return err;
}

int query_erase(struct query *q, struct query_status *ret_status, struct text *error)
{
    return ask_plainly(q, QUERY_ERASE, ret_status, error);
}

int query_status(struct query *q, struct query_status *ret_status, struct text *error)
{
    return ask_plainly(q, QUERY_STATUS, ret_status, error);
}
