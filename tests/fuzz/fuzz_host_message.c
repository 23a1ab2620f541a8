/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: any packet on the socket between the core and a plugin host, received and decoded as
 * the end would that it is for. An input that begins with the header's magic is sent as it is; else its
 * first byte says how many descriptors go with it, the second is the type and the rest the body.
 */
#include <stdlib.h>

#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "handover/encoding.h"
#include "handover/host_message.h"
#include "handover/setup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

bool fuzz_read_one; /* see replay.c */

static void decode_setup(const struct host_message *m)
{
    struct setup *setup;
    struct schema *schema;

    if (setup_decode(m->body, m->body_len, &setup, &schema) < 0)
        return;
    fuzz_read_one = true;
    setup_free(setup);
    schema_free(schema);
}

/* Any other body has numbers and a text. */
static void decode_body(const struct host_message *m)
{
    struct reader r = reader_make(m->body, m->body_len);

    if (m->type == HOST_MESSAGE_LOG || m->type == HOST_MESSAGE_CHECKED)
        reader_u8(&r);
    char *text = decode_string(&r);
    reader_u64(&r);
    mem_free(text);
}

static bool send_input(int socket, const uint8_t *data, size_t size)
{
    const int fds[HOST_MESSAGE_FDS_MAX] = {socket, socket, socket, socket};
    struct text body = {0};

    if (size < 2 || (data[0] == 'p' && data[1] == 'a'))
        return send(socket, data, size, MSG_DONTWAIT) == (ssize_t)size;
    text_append(&body, data + 2, size - 2);
    int err = host_message_send(socket, data[1], &body, fds, data[0] % (HOST_MESSAGE_FDS_MAX + 2));
    text_clear(&body);
    return err == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct host_message_buffer buffer;
    struct host_message m;
    struct host_state state;
    int pair[2];

    if (size == 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return 0;
    if (send_input(pair[0], data, size) &&
        host_message_receive(pair[1], MSG_DONTWAIT, &buffer, &m) == 0) {
        host_message_close_fds(&m);
        switch (m.type) {
        case HOST_MESSAGE_SETUP:
            decode_setup(&m);
            break;
        case HOST_MESSAGE_STATE:
            host_state_decode(m.body, m.body_len, &state);
            break;
        default:
            decode_body(&m);
            break;
        }
    }
    close(pair[0]);
    close(pair[1]);
    return 0;
}
