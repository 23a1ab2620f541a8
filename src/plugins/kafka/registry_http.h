/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Speaks HTTP to schema registries by libcurl. One thread. A request lasts REGISTRY_SECONDS at most,
 * whatever the other side does, and an answer has REGISTRY_ANSWER_MAX bytes at most. Redirections are
 * not followed: the password would go with them. Passwords stand in no text that comes out.
 */
#include "plugins/kafka/registry_answer.h"

#define REGISTRY_SECONDS    10
#define REGISTRY_ANSWER_MAX (64 << 10)

struct pa_host;
struct registry_http;

/*
 * `urls`: http:// or https://, with USER:PASSWORD@ or without, several separated by commas. `ca_file`:
 * PEM, who signs their certificates; NULL: those whom the system trusts. -EINVAL: what is wrong stands
 * in `error`. Opens nothing.
 */
int registry_http_new(const struct pa_host *host, const char *urls, const char *ca_file,
                      char *error, size_t error_size, struct registry_http **ret_http);
void registry_http_free(struct registry_http *http); /* NULL is fine */

/*
 * Sends JSON to a path, to the address that answered last, and to the next if it gives no answer, or
 * one with a status of 500 or more. 0: `ret_reply` is what came; its body is borrowed until the next
 * call. -EAGAIN: none answers, and `why` says how the last one failed.
 */
int registry_http_post(struct registry_http *http, const char *path, const char *json, size_t len,
                       char *why, size_t why_size, struct registry_reply *ret_reply);
