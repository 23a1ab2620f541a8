/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Speaks HTTP/1.0 (RFC 1945), so that an answer ends with the connection. See client.h. */
#include "pathacct/client.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "pathacct/tls.h"
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RUN_DIR    "/run/pathacct"
#define WAIT_NS    (30 * NS_PER_S) /* for a whole answer */
#define ANSWER_MAX (256u << 20)

/* ---- connections ---- */

static int connect_local(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        int err = -errno;
        close(fd);
        return err;
    }
    return fd < 0 ? -errno : fd;
}

/* A connection to a daemon. */
struct line {
    int fd;
    struct tls *tls; /* NULL: it is not encrypted */
};

struct url {
    char host[256], port[8];
    bool is_encrypted;
};

/* Takes a URL apart; false: it is none of ours. */
static bool url_split(const char *url, struct url *ret_url)
{
    static const char plain[] = "http://", encrypted[] = "https://";
    char *host = ret_url->host, *port = ret_url->port;
    const size_t host_size = sizeof ret_url->host, port_size = sizeof ret_url->port;
    const char *at = url, *end;
    size_t len;

    ret_url->is_encrypted = strncmp(at, encrypted, strlen(encrypted)) == 0;
    if (ret_url->is_encrypted)
        at += strlen(encrypted);
    else if (strncmp(at, plain, strlen(plain)) == 0)
        at += strlen(plain);
    else if (strstr(at, "://"))
        return false;
    if (*at == '[') {
        end = strchr(++at, ']');
        len = end ? (size_t)(end - at) : 0;
        end = end ? end + 1 : at;
    } else {
        len = strcspn(at, ":/");
        end = at + len;
    }
    if (len == 0 || len >= host_size)
        return false;
    memcpy(host, at, len);
    host[len] = 0;
    at = *end == ':' ? end + 1 : "9570";
    len = strcspn(at, "/");
    if (len == 0 || len >= port_size)
        return false;
    memcpy(port, at, len);
    port[len] = 0;
    return strspn(port, "0123456789") == len;
}

static int connect_url(const char *url, struct text *error, struct url *ret_url)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list, *a;
    int fd = -1, err = EADDRNOTAVAIL;

    if (!url_split(url, ret_url)) {
        text_append_printf(error, "%s: not a URL of a daemon: http://HOST:PORT, https://HOST:PORT",
                           url);
        return -EINVAL;
    }
    int failure = getaddrinfo(ret_url->host, ret_url->port, &hints, &list);
    if (failure) {
        text_append_printf(error, "%s: %s", ret_url->host, gai_strerror(failure));
        return -ENOENT;
    }
    for (a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
            err = errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    if (fd < 0)
        text_append_printf(error,
                           "nobody answers at %s: %s; does a daemon run there with http_listen?",
                           url, strerrordesc_np(err));
    return fd;
}

/* Appends the first line of a file; false: there is none. */
static bool append_first_line(const char *path, struct text *out)
{
    char line[512];
    FILE *file = fopen(path, "re");
    bool is_read = file && fgets(line, sizeof line, file);

    if (file)
        fclose(file);
    if (is_read)
        text_append(out, line, strcspn(line, "\r\n"));
    return is_read;
}

static bool send_all(const struct line *line, const struct text *text)
{
    for (size_t done = 0; done < text->len;) {
        const char *rest = text->data + done;
        ssize_t len = line->tls ? tls_send(line->tls, rest, text->len - done)
                                : send(line->fd, rest, text->len - done, MSG_NOSIGNAL);
        if (len <= 0 && (line->tls || errno != EINTR))
            return false;
        done += len > 0 ? (size_t)len : 0;
    }
    return true;
}

/* Reads until the other side closes; false: it took too long, or was too much. */
static bool receive_all(const struct line *line, struct text *answer)
{
    int64_t end_ns = clock_mono().ns + WAIT_NS;

    for (;;) {
        struct pollfd pollfd = {.fd = line->fd, .events = POLLIN};
        int64_t left_ns = end_ns - clock_mono().ns;
        if (left_ns <= 0 || answer->len > ANSWER_MAX)
            return false;
        /* An encrypted one may hold what poll() does not see, and waits itself. */
        int ready = line->tls ? 1 : poll(&pollfd, 1, (int)(left_ns / NS_PER_MS) + 1);
        if (ready < 0 && errno != EINTR)
            return false;
        if (ready <= 0)
            continue;
        text_reserve(answer, 64 << 10);
        char *end = answer->data + answer->len;
        size_t room = answer->capacity - answer->len;
        ssize_t len = line->tls ? tls_receive(line->tls, end, room) : recv(line->fd, end, room, 0);
        if (len == 0)
            return true;
        if (len < 0 && (line->tls || errno != EINTR))
            return false;
        answer->len += len > 0 ? (size_t)len : 0;
    }
}

static void line_close(struct line *line)
{
    tls_close(line->tls);
    if (line->fd >= 0)
        close(line->fd);
}

/* ---- the daemon that runs here ---- */

/* A search for sockets that somebody serves. */
struct search {
    char *found; /* NULL: none yet */
    char *forbidden;
    struct text all; /* a word for each */
    unsigned count;
};

static void try_socket(struct search *search, const char *path)
{
    int fd = connect_local(path);

    if (fd == -EACCES && !search->forbidden)
        search->forbidden = mem_strdup(path);
    if (fd < 0)
        return;
    close(fd);
    text_append_printf(&search->all, " %s", path);
    if (search->count++ == 0)
        search->found = mem_strdup(path);
}

static void look_in(struct search *search, const char *dir)
{
    char *pattern = mem_printf("%s/*.control", dir);
    glob_t list;

    if (glob(pattern, 0, NULL, &list) == 0) {
        for (size_t i = 0; i < list.gl_pathc; i++)
            try_socket(search, list.gl_pathv[i]);
        globfree(&list);
    }
    mem_free(pattern);
}

enum outcome client_find(struct text *error, char **ret_socket)
{
    struct search search = {0};
    struct stat status;
    char *own = mem_printf("/tmp/pathacct-%u", (unsigned)geteuid());

    look_in(&search, RUN_DIR);
    if (lstat(own, &status) == 0 && S_ISDIR(status.st_mode) && status.st_uid == geteuid())
        look_in(&search, own);
    if (search.count > 1)
        text_append_printf(error, "%u daemons run here: choose one with -s:%s", search.count,
                           text_cstr(&search.all));
    else if (search.count == 0 && search.forbidden)
        text_append_printf(error,
                           "%s is not yours to ask: be root, or of the group that owns it "
                           "(`ls -l %s`)",
                           search.forbidden, search.forbidden);
    else if (search.count == 0)
        text_append_printf(error,
                           "no daemon runs here: start one (`nfacctd -f FILE`, `systemctl start "
                           "nfacctd`), or name its control_socket with -s or its http_listen with "
                           "-u");
    mem_free(own);
    mem_free(search.forbidden);
    text_clear(&search.all);
    if (search.count == 1) {
        *ret_socket = search.found;
        return OUTCOME_FINE;
    }
    mem_free(search.found);
    return search.count > 1 ? OUTCOME_USAGE : OUTCOME_NO_DAEMON;
}

/* ---- questions ---- */

void client_append_parameter(struct text *page, char mark, const char *name, const char *value)
{
    text_append_printf(page, "%c%s=", mark, name);
    for (const char *c = value; *c; c++)
        if (isalnum((unsigned char)*c) || strchr("-._~:", *c))
            text_append_char(page, *c);
        else
            text_append_printf(page, "%%%02X", (unsigned char)*c);
}

static enum outcome open_place(const struct place *place, struct text *error, struct line *ret_line)
{
    struct url url;
    int fd;

    if (place->url) {
        fd = connect_url(place->url, error, &url);
        ret_line->fd = fd;
        if (fd < 0)
            return fd == -EINVAL ? OUTCOME_USAGE : OUTCOME_NO_DAEMON;
        if (!url.is_encrypted || tls_open(fd, url.host, place->ca_file, error, &ret_line->tls) == 0)
            return OUTCOME_FINE;
        return OUTCOME_NO_DAEMON;
    }
    fd = connect_local(place->socket);
    if (fd < 0) {
        text_append_printf(
            error, "%s: %s; no daemon runs with this control_socket%s", place->socket,
            strerrordesc_np(-fd),
            fd == -EACCES ? " that you may ask: be root, or of the group that owns it" : "");
        return OUTCOME_NO_DAEMON;
    }
    ret_line->fd = fd;
    return OUTCOME_FINE;
}

/* Reads the answer's status and body. */
static enum outcome read_answer(const struct text *answer, struct text *error, json_t **ret_answer)
{
    const char *body = memmem(answer->data, answer->len, "\r\n\r\n", 4);
    unsigned status = 0;
    json_t *root = NULL;

    if (answer->len > 12 && strncmp(answer->data, "HTTP/1.", 7) == 0)
        status = (unsigned)strtoul(answer->data + 9, NULL, 10);
    if (body)
        root = json_loadb(body + 4, answer->len - (size_t)(body + 4 - answer->data), 0, NULL);
    if (status == 200 && json_is_object(root)) {
        *ret_answer = root;
        return OUTCOME_FINE;
    }
    const char *told = json_string_value(json_object_get(root, "error"));
    if (told)
        text_append_shown(error, told, strlen(told));
    else if (status == 401)
        text_append_string(error, "the daemon wants a token: --token-file FILE (http_token_file)");
    else if (status == 404)
        text_append_string(error, "the daemon does not know this question: it is of another "
                                  "version, or no daemon of pathacct");
    else if (status == 0)
        text_append_string(error, "the daemon closed the connection: too many ask it at once, or "
                                  "HTTPS is spoken there: -u https://HOST:PORT");
    else
        text_append_printf(error, "the answer is no JSON (status %u): is it a daemon of pathacct?",
                           status);
    json_decref(root);
    return told && status != 503 ? OUTCOME_USAGE : OUTCOME_BAD_ANSWER;
}

enum outcome client_ask(const struct place *place, const char *page, struct text *error,
                        json_t **ret_answer)
{
    struct text question = {0}, answer = {0};
    struct line line = {.fd = -1};
    enum outcome outcome = open_place(place, error, &line);

    if (outcome != OUTCOME_FINE) {
        line_close(&line);
        return outcome;
    }
    text_append_printf(&question, "GET %s HTTP/1.0\r\nHost: localhost\r\n", page);
    if (place->token_file) {
        text_append_string(&question, "Authorization: Bearer ");
        if (!append_first_line(place->token_file, &question)) {
            text_append_printf(error, "%s: no token can be read there: %s", place->token_file,
                               strerrordesc_np(errno));
            outcome = OUTCOME_USAGE;
        }
        text_append_string(&question, "\r\n");
    }
    text_append_string(&question, "\r\n");
    if (outcome == OUTCOME_FINE && (!send_all(&line, &question) || !receive_all(&line, &answer))) {
        text_append_string(error, "the daemon does not answer: its control thread hangs, or it has "
                                  "just ended");
        outcome = OUTCOME_NO_DAEMON;
    }
    line_close(&line);
    if (outcome == OUTCOME_FINE)
        outcome = read_answer(&answer, error, ret_answer);
    text_clear(&question);
    text_clear(&answer);
    return outcome;
}
