/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Stands in for registry_http.c in builds without libcurl, where settings refuse a registry before
 * anything of this is called. See registry_http.h. */
#include "plugins/kafka/registry_http.h"
#include <errno.h>

int registry_http_new(const struct pa_host *host, const char *urls, const char *ca_file,
                      char *error, size_t error_size, struct registry_http **ret_http)
{
    (void)host, (void)urls, (void)ca_file, (void)error, (void)error_size, (void)ret_http;
    return -ENOSYS;
}

void registry_http_free(struct registry_http *http)
{
    (void)http;
}

int registry_http_post(struct registry_http *http, const char *path, const char *json, size_t len,
                       char *why, size_t why_size, struct registry_reply *ret_reply)
{
    (void)http, (void)path, (void)json, (void)len, (void)why, (void)why_size, (void)ret_reply;
    return -EAGAIN;
}
