/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: the state machine of a session under a stream of bytes, which comes in pieces. The
 * first byte says how the session is set up, the second how the stream is cut. What the owner hears
 * and what the peer hears must be the same as when the stream comes in as few pieces as it can.
 */
#include "base/hash.h"
#include "base/text.h"
#include "bgp/session.h"
#include "support/check.h"
#include "support/fake_clock.h"
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PIECES_MAX 60

enum { SETUP_ACTIVE = 1, SETUP_NO_AS = 2, SETUP_NO_HOLD_TIME = 4, SETUP_REFUSES = 8 };

struct run {
    uint8_t setup;
    struct poller *poller;
    struct session *session; /* NULL: gone */
    bool is_closed;
    struct text told; /* what the owner heard, a line for each call */
    struct text sent; /* what the peer heard */
};

static struct session_settings settings;

static int run_opened(void *arg, struct session *session, struct notification *ret_error)
{
    struct run *run = arg;
    const struct session_info *info = session_info(session);
    const struct session_features *features = &info->context.features;

    CHECK(!run->is_closed && info->theirs.as != 0 && info->theirs.router_id != 0);
    text_append_printf(&run->told, "opened AS %u, families %x, add-path %x\n", info->theirs.as,
                       features->families, features->add_path);
    CHECK((features->add_path & ~features->families) == 0);
    if (!(run->setup & SETUP_REFUSES) || info->theirs.router_id % 2)
        return 0;
    *ret_error = notification_make(ERROR_CEASE, CEASE_REJECTED);
    return -1;
}

static void run_established(void *arg, struct session *session)
{
    struct run *run = arg;

    CHECK(!run->is_closed && session_info(session)->state == SESSION_ESTABLISHED);
    text_append_string(&run->told, "established\n");
}

static int run_updated(void *arg, struct session *session, struct reader body,
                       struct notification *ret_error)
{
    struct run *run = arg;
    size_t len = reader_left(&body);

    CHECK(!run->is_closed && session_info(session)->state == SESSION_ESTABLISHED);
    text_append_printf(&run->told, "update %zu %llx\n", len,
                       (unsigned long long)hash_bytes(body.pos, len, 1));
    if (!(run->setup & SETUP_REFUSES) || len % 8)
        return 0;
    *ret_error = notification_make(ERROR_UPDATE, UPDATE_MALFORMED_ATTRIBUTES);
    return -1;
}

static void run_refreshed(void *arg, struct session *session, int family, uint8_t subtype)
{
    struct run *run = arg;

    CHECK(!run->is_closed && session_info(session)->state == SESSION_ESTABLISHED);
    text_append_printf(&run->told, "refresh %d %u\n", family, subtype);
}

static void run_closed(void *arg, struct session *session, const char *reason)
{
    struct run *run = arg;

    CHECK(!run->is_closed && session_info(session)->state == SESSION_CLOSING);
    run->is_closed = true;
    text_append_printf(&run->told, "closed: %s\n", reason);
}

static void run_gone(void *arg, struct session *session)
{
    struct run *run = arg;

    CHECK(session == run->session);
    run->session = NULL;
}

/* Runs the poller until nothing happens, and reads what the peer hears. */
static void run_settle(struct run *run, int fd)
{
    char heard[4096];
    ssize_t len;

    for (;;) {
        int events = poller_wait(run->poller, 0);
        len = recv(fd, heard, sizeof heard, MSG_DONTWAIT);
        if (len > 0)
            text_append(&run->sent, heard, (size_t)len);
        else if (events <= 0)
            return;
    }
}

/* `cut` 0: as few pieces as there can be. Else the end comes in one, so that a run takes its time
 * for what matters. */
static void run_stream(struct run *run, uint8_t setup, uint8_t cut, const uint8_t *data,
                       size_t size)
{
    const struct session_owner owner = {run_opened, run_established, run_updated, run_refreshed,
                                        run_closed, run_gone,        run};
    const struct ip_addr address = ip_addr_v4((const uint8_t[]){10, 0, 0, 1});
    uint32_t random = cut;
    unsigned pieces = cut ? PIECES_MAX : 0;
    int fds[2];

    *run = (struct run){.setup = setup};
    settings.local_as = setup & SETUP_NO_AS ? 0 : 65000;
    settings.router_id = 0xc00002fe;
    settings.hold_time_s = setup & SETUP_NO_HOLD_TIME ? 0 : 90;
    settings.add_path = true;
    CHECK(poller_new(&run->poller) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    run->session =
        session_new(run->poller, fds[0], &address, 179, setup & SETUP_ACTIVE, &settings, &owner);
    run_settle(run, fds[1]);
    while (size > 0) {
        random = random * 1103515245u + 12345u;
        size_t piece = pieces > 0 ? 1 + (random >> 16) % (cut < 128 ? cut : cut * 16u) : size;
        ssize_t sent = send(fds[1], data, piece < size ? piece : size, MSG_NOSIGNAL);
        pieces -= pieces > 0;
        if (sent < 0)
            break; /* the session has ended */
        data += sent;
        size -= (size_t)sent;
        run_settle(run, fds[1]);
    }
    shutdown(fds[1], SHUT_WR);
    run_settle(run, fds[1]);
    CHECK(run->is_closed);
    fake_now_ns += 3 * NS_PER_S; /* more than a session takes to go */
    run_settle(run, fds[1]);
    CHECK(!run->session);
    close(fds[1]);
    poller_free(run->poller);
}

static bool text_equal(const struct text *a, const struct text *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void run_clear(struct run *run)
{
    text_clear(&run->told);
    text_clear(&run->sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run whole, cut;

    if (size < 2)
        return 0;
    run_stream(&whole, data[0], 0, data + 2, size - 2);
    run_stream(&cut, data[0], data[1] ? data[1] : 1, data + 2, size - 2);
    CHECK(text_equal(&whole.told, &cut.told));
    CHECK(text_equal(&whole.sent, &cut.sent));
    run_clear(&whole);
    run_clear(&cut);
    return 0;
}
