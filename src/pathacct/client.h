/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Asks one running daemon over HTTP, on its Unix socket or at a URL, and finds the socket of the one
 * that runs here. A connection serves one question. */
#include <jansson.h>
#include <stdbool.h>

struct text;

/* Where the daemon is; strings are borrowed. All NULL: the one whose socket is found. */
struct place {
    const char *socket;
    const char *url;        /* http://HOST[:PORT], https://HOST[:PORT] */
    const char *ca_file;    /* authorities for https; NULL: the system's */
    const char *token_file; /* whose first line is sent as a bearer token; NULL: none */
};

/* Tells what became of a question; it is the program's exit status. */
enum outcome {
    OUTCOME_FINE = 0,
    OUTCOME_FAULT = 1,      /* something is wrong, or nothing was found */
    OUTCOME_USAGE = 2,      /* of the command line, or a question that the daemon does not take */
    OUTCOME_NO_DAEMON = 3,  /* none runs here, or it cannot be reached */
    OUTCOME_BAD_ANSWER = 4, /* what answers is no daemon of ours, or of another version */
};

/* Finds the socket of the one daemon that runs here, to be freed with mem_free(). Otherwise `error`
 * gets one line that says what to do. */
enum outcome client_find(struct text *error, char **ret_socket);
/* Asks for a page, "/api/v1/status", with its parameters. The answer is the caller's. */
enum outcome client_ask(const struct place *place, const char *page, struct text *error,
                        json_t **ret_answer);
/* Appends a parameter to a page, quoted as a URL wants it; `mark` is '?' or '&'. */
void client_append_parameter(struct text *page, char mark, const char *name, const char *value);
