/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: the client pmacct before a hostile server. The first byte chooses what is asked; the
 * rest is what the server sends: messages of a type (one byte), a length (two) and a body, which get
 * the protocol's header here, or with the type's highest bit bytes that go as they are.
 */
#include "base/memory.h"
#include "base/reader.h"
#include "base/text.h"
#include "plugins/memory/query_private.h"
#include "pmacct/show.h"
#include "support/check.h"
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RAW 0x80

/* main.c has these two for the program. */
bool print_text(struct text *text)
{
    for (size_t i = 0; i < text->len; i++) /* nothing that a server says may steer a terminal */
        CHECK(text->data[i] == '\n' || ((uint8_t)text->data[i] >= 0x20 && text->data[i] != 0x7f));
    text_reset(text);
    return true;
}

int make_match(const struct query *query, const struct options *options, struct text *error,
               struct query_match **ret_match)
{
    (void)query;
    (void)options;
    (void)error;
    *ret_match = NULL;
    return 0;
}

/* ---- the server ---- */

struct server {
    int listener;
    struct text answer;
};

static void append_answer(struct text *out, struct reader *r)
{
    while (reader_left(r) > 3) {
        uint8_t type = reader_u8(r);
        size_t len = reader_u16(r);
        len = len < reader_left(r) ? len : reader_left(r);
        size_t start = out->len;
        if (!(type & RAW))
            start = query_begin(out, (enum query_type)type);
        text_append(out, reader_bytes(r, len), len);
        if (!(type & RAW))
            query_finish(out, start);
    }
}

static void *serve(void *arg)
{
    struct server *s = arg;
    char request[4096];
    int fd = accept(s->listener, NULL, NULL);

    CHECK(fd >= 0);
    for (size_t done = 0; done < s->answer.len;) {
        ssize_t sent = send(fd, s->answer.data + done, s->answer.len - done, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        done += (size_t)sent;
    }
    shutdown(fd, SHUT_WR);
    while (recv(fd, request, sizeof request, 0) > 0)
        ;
    close(fd);
    return NULL;
}

/* Listens at a name that is of no file (unix(7)); a name that the kernel chose. */
static int listen_somewhere(char path[sizeof((struct sockaddr_un *)0)->sun_path])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(path, sizeof address.sun_path, "/tmp/pathacct-fuzz-%ld.sock", (long)getpid());
    memcpy(address.sun_path, path, sizeof address.sun_path);
    unlink(path);
    CHECK(fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(fd, 1) == 0);
    return fd;
}

/* ---- what is asked ---- */

static void ask(const char *path, uint8_t choice)
{
    static char dst_as[] = "dst_as", *by[] = {dst_as};
    static const enum look looks[] = {LOOK_FORMATTED, LOOK_CSV, LOOK_JSON, LOOK_ALIGNED};
    struct options options = {.path = path,
                              .look = looks[choice & 3],
                              .is_sorted = (choice & 4) != 0,
                              .top_count = choice & 4 ? 2 : 0,
                              .by = by,
                              .by_count = 1};
    struct text error = {0};
    struct query *query;

    options.output =
        (struct query_output_options){.form = options.look == LOOK_CSV    ? QUERY_CSV
                                              : options.look == LOOK_JSON ? QUERY_JSON
                                                                          : QUERY_FORMATTED,
                                      .is_utc = true,
                                      .separator = ','};
    if (query_open(path, &error, &query) == 0) {
        switch (choice >> 3 & 7) {
        case 0:
            show_status(query, &error);
            break;
        case 1:
            show_groups(query, NULL, &options, &error);
            break;
        case 2:
            show_custom(query);
            break;
        case 3:
            erase_table(query, &error);
            break;
        case 4:
            show_erased(query, &error);
            break;
        default:
            show_rows(query, NULL, &options, &error);
        }
        query_close(query);
    }
    print_text(&error);
    text_clear(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sockaddr_un address;
    static struct server server = {.listener = -1};
    struct reader r = reader_make(data, size);
    uint8_t choice = reader_u8(&r);
    pthread_t thread;

    if (server.listener < 0)
        server.listener = listen_somewhere(address.sun_path);
    append_answer(&server.answer, &r);
    CHECK(pthread_create(&thread, NULL, serve, &server) == 0);
    ask(address.sun_path, choice);
    pthread_join(thread, NULL);
    text_clear(&server.answer);
    return 0;
}
