/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * An HTTP/1.1 server (RFC 9112) that only tells: GET and HEAD. It runs in a thread of its own, on a
 * Unix socket and, if asked, on a TCP address: there with a token and encrypted, if so configured. It is
 * bounded in connections, also of
 * one user or address, in the size of a request and in the time of a connection.
 *
 * What is told comes from resources, which run on the control thread. What belongs to the main
 * thread alone it publishes when it is asked to, at most once a second: facts. A request that needs
 * them waits for facts of this second, or goes on without if the main thread does not come to it.
 */
#include "base/text.h"
#include "base/thread.h"
#include "config/config_key.h"
#include <stdbool.h>
#include <stdint.h>

struct control;

/* Values of control_keys[]; borrowed. */
struct control_settings {
    const char *socket;      /* path; NULL: the default of the caller; "none": none */
    const char *http_listen; /* "127.0.0.1:9100", "[::1]:9100"; NULL: none */
    const char *token_file, *tls_cert, *tls_key; /* paths; NULL: none */
    const char *traffic;                         /* name of an instance; NULL: none */
    uint32_t metrics_exporters_max;
};
extern const struct config_key control_keys[];
extern const struct config_key control_flow_keys[]; /* those about flows; the same settings */

/* An answer under way: 200, and a body that is text, unless the resource says otherwise. */
struct control_answer {
    unsigned status;
    const char *type; /* MIME; constant text */
    struct text body;
    /* `more` makes what follows the body, part by part, as fast as its reader takes it; NULL: nothing
     * does. Each call appends something, or false: that was the last. Nothing may be held under RCU
     * between calls.
     * `more_end` frees `more_arg`. */
    bool (*more)(void *more_arg, struct text *out);
    void (*more_end)(void *more_arg);
    void *more_arg;
};

struct control_request {
    const char *accept; /* header Accept; "" if there is none */
    const char *path;   /* as it was asked for, without what follows ? */
    void *connection;   /* the server's */
};
/* Returns the value of ?name=value, decoded; NULL: there is none. Borrowed for the request. */
const char *control_parameter(const struct control_request *request, const char *name);

/* A page needs this of other threads before it is made: facts of the main thread, or tables of the
 * workers, or bytes per path of a thread that asks a plugin. */
enum control_need {
    CONTROL_NOTHING,
    CONTROL_FACTS,
    CONTROL_TABLES,
    CONTROL_TRAFFIC,
    CONTROL_NEED_COUNT
};

/* Fills in the answer, on the control thread. */
typedef void control_fn(void *arg, const struct control_request *request,
                        struct control_answer *answer);
struct control_resource {
    const char *path, *help; /* with a star at its end: all that begins so; NULL ends a table */
    control_fn *fn;
    enum control_need need;
};

/* The caller does this for the server. */
struct control_host {
    const struct control_resource *resources;
    void *arg; /* of resources and of what follows */
    /* Wakes the main thread to publish what is needed; any thread. */
    void (*ask)(void *arg, enum control_need need);
    void (*tick)(void *arg);                  /* once a second, on the control thread */
    void (*enter)(void *arg);                 /* at the begin of the thread */
    void (*rest)(void *arg, bool is_at_rest); /* the thread waits; it has gone on */
    void (*leave)(void *arg);                 /* at its end */
};

/* -EINVAL: settings that do not go together are told in `error`; no file is read. */
int control_settings_check(const struct control_settings *settings, struct text *error);
/* Returns what is right but may not be meant; NULL: nothing is. */
const char *control_settings_remark(const struct control_settings *settings);
/* Returns the path that the configuration gives the Unix socket; NULL: it names none. */
const char *control_socket_of(const struct control_settings *settings);
/* Opens the sockets; those in use or not allowed are told in `error` (-errno). `socket` is the path
 * of the Unix socket, NULL: none. */
int control_new(const struct control_settings *settings, const char *socket,
                const struct control_host *host, struct text *error, struct control **ret_control);
int control_start(struct control *control);
/* Says that it was published: requests that wait for it go on. Any thread. */
void control_has(struct control *control, enum control_need need);
/* Ends the thread and closes what is open; removes the socket. NULL is fine. */
void control_free(struct control *control);

/* Counters, for the answers themselves; control thread. */
struct control_counters {
    uint64_t requests, refused_connections, connections;
    uint64_t answer_bytes; /* of answers that their readers have not taken yet */
};
struct control_counters control_counters(const struct control *control);
