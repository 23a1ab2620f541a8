/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Asks schema registries by libcurl. See registry_http.h. */
#include "plugins/kafka/registry_http.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/pathacct_plugin.h"
#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define ADDRESSES_MAX 16
#define CONNECT_MS    5000L
#define HEADERS_MAX   (64 << 10)

struct address {
    char *shown; /* without user and password, and without a slash at the end */
    char *user, *password;
};

struct registry_http {
    const struct pa_host *host;
    char *ca_file; /* NULL: the system's */
    struct address addresses[ADDRESSES_MAX];
    unsigned address_count, current;
    CURL *easy;
    struct curl_slist *headers;
    struct text url, body;
    size_t header_bytes;
    char failure[CURL_ERROR_SIZE];
};

/* ---- addresses ---- */

static char *take_part(CURLU *url, CURLUPart part, unsigned flags)
{
    char *text = NULL, *copy;

    if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
        return NULL;
    copy = mem_strdup(text);
    curl_free(text);
    return copy;
}

/* Takes user and password out of the URL, and makes of the rest what is asked and shown. */
static int read_address(const char *text, struct address *a)
{
    CURLU *url = curl_url();
    char *scheme = NULL, *query = NULL;
    int err = -EINVAL;

    if (curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK) {
        scheme = take_part(url, CURLUPART_SCHEME, 0);
        query = take_part(url, CURLUPART_QUERY, 0);
        a->user = take_part(url, CURLUPART_USER, CURLU_URLDECODE);
        a->password = take_part(url, CURLUPART_PASSWORD, CURLU_URLDECODE);
        curl_url_set(url, CURLUPART_USER, NULL, 0);
        curl_url_set(url, CURLUPART_PASSWORD, NULL, 0);
        curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
        a->shown = take_part(url, CURLUPART_URL, 0);
        if (a->shown && !query && (!strcmp(scheme, "http") || !strcmp(scheme, "https")))
            err = 0;
    }
    for (size_t len = a->shown ? strlen(a->shown) : 0; len > 0 && a->shown[len - 1] == '/'; len--)
        a->shown[len - 1] = '\0';
    mem_free(scheme);
    mem_free(query);
    curl_url_cleanup(url);
    return err;
}

static int read_addresses(struct registry_http *http, const char *urls, char *error,
                          size_t error_size)
{
    while (*urls) {
        size_t len = strcspn(urls, ", ");
        char *one = mem_strndup(urls, len);
        int err = 0;
        if (len > 0 && http->address_count == ADDRESSES_MAX)
            err = -E2BIG;
        else if (len > 0)
            err = read_address(one, &http->addresses[http->address_count++]);
        mem_free(one);
        if (err < 0) {
            /* The address is not shown, as it may hold a password. */
            snprintf(error, error_size,
                     err == -E2BIG
                         ? "kafka_avro_schema_registry: names more than 16 addresses"
                         : "kafka_avro_schema_registry: address %u is none of a registry: it is "
                           "http://HOST:PORT or https://USER:PASSWORD@HOST:PORT, with all but "
                           "letters and digits of a password as %%XX",
                     http->address_count);
            return -EINVAL;
        }
        urls += len;
        urls += strspn(urls, ", ");
    }
    if (http->address_count > 0)
        return 0;
    snprintf(error, error_size, "kafka_avro_schema_registry: is empty");
    return -EINVAL;
}

/* ---- callbacks of libcurl ---- */

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    struct registry_http *http = arg;

    if (http->body.len + size * count > REGISTRY_ANSWER_MAX)
        return 0; /* which ends the request */
    text_append(&http->body, data, size * count);
    return size * count;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the type is libcurl's */
static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
    struct registry_http *http = arg;

    (void)data;
    http->header_bytes += size * count;
    return http->header_bytes > HEADERS_MAX ? 0 : size * count;
}

static int beat(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct registry_http *http = arg;

    (void)a, (void)b, (void)c, (void)d;
    return http->host->beat(http->host) < 0;
}

/* ---- life ---- */

static void set_options(struct registry_http *http)
{
    CURL *e = http->easy;

    http->headers = curl_slist_append(NULL, "Content-Type: application/vnd.schemaregistry.v1+json");
    http->headers = curl_slist_append(
        http->headers, "Accept: application/vnd.schemaregistry.v1+json, application/json");
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, http->headers);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(e, CURLOPT_USERAGENT, "pathacct");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* waits for no resolver that hangs */
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, REGISTRY_SECONDS * 1000L);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, http);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, http);
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, beat);
    curl_easy_setopt(e, CURLOPT_XFERINFODATA, http);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, http->failure);
    if (http->ca_file)
        curl_easy_setopt(e, CURLOPT_CAINFO, http->ca_file);
}

int registry_http_new(const struct pa_host *host, const char *urls, const char *ca_file,
                      char *error, size_t error_size, struct registry_http **ret_http)
{
    struct registry_http *http = mem_zalloc(sizeof *http);
    int err;

    curl_global_init(CURL_GLOBAL_DEFAULT);
    http->host = host;
    http->ca_file = ca_file ? mem_strdup(ca_file) : NULL;
    http->easy = curl_easy_init();
    err = read_addresses(http, urls, error, error_size);
    if (err == 0 && !http->easy) {
        snprintf(error, error_size, "kafka_avro_schema_registry: libcurl cannot start");
        err = -EINVAL;
    }
    if (err < 0) {
        registry_http_free(http);
        return err;
    }
    set_options(http);
    *ret_http = http;
    return 0;
}

void registry_http_free(struct registry_http *http)
{
    if (!http)
        return;
    curl_easy_cleanup(http->easy);
    curl_slist_free_all(http->headers);
    for (unsigned i = 0; i < http->address_count; i++) {
        mem_free(http->addresses[i].shown);
        mem_free(http->addresses[i].user);
        mem_free(http->addresses[i].password);
    }
    text_clear(&http->url);
    text_clear(&http->body);
    mem_free(http->ca_file);
    mem_free(http);
    curl_global_cleanup();
}

/* ---- requests ---- */

/* Says what failed in words that are the same each time, as libcurl's own hold milliseconds. */
static void say_failure(struct registry_http *http, const struct address *a, CURLcode code,
                        char *why, size_t why_size)
{
    const char *what = http->failure[0] ? http->failure : curl_easy_strerror(code);
    long error = 0;

    curl_easy_getinfo(http->easy, CURLINFO_OS_ERRNO, &error);
    if (code == CURLE_WRITE_ERROR)
        what = "answers with more than 64 kB: is this a schema registry?";
    else if (code == CURLE_ABORTED_BY_CALLBACK)
        what = "given up: the time to end is over";
    else if (code == CURLE_OPERATION_TIMEDOUT)
        what = "no answer in time";
    else if (code == CURLE_COULDNT_CONNECT)
        what = error > 0 ? strerrordesc_np((int)error) : "cannot connect";
    snprintf(why, why_size, "%s: %s", a->shown, what);
}

static int post_to(struct registry_http *http, const struct address *a, const char *path,
                   const char *json, size_t len, char *why, size_t why_size, long *ret_status)
{
    CURL *e = http->easy;
    CURLcode code;

    text_reset(&http->body);
    text_reset(&http->url);
    text_append_string(&http->url, a->shown);
    text_append_string(&http->url, path);
    http->header_bytes = 0;
    http->failure[0] = '\0';
    curl_easy_setopt(e, CURLOPT_URL, text_cstr(&http->url));
    curl_easy_setopt(e, CURLOPT_USERNAME, a->user);
    curl_easy_setopt(e, CURLOPT_PASSWORD, a->password);
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)len);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, json);
    code = curl_easy_perform(e);
    if (code != CURLE_OK) {
        say_failure(http, a, code, why, why_size);
        return -EAGAIN;
    }
    curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, ret_status);
    return 0;
}

int registry_http_post(struct registry_http *http, const char *path, const char *json, size_t len,
                       char *why, size_t why_size, struct registry_reply *ret_reply)
{
    const struct address *a;
    long status = 0;
    int err = 0;

    for (unsigned i = 0; i < http->address_count; i++) {
        a = &http->addresses[http->current];
        err = post_to(http, a, path, json, len, why, why_size, &status);
        if (err == 0 && (status < 500 || i + 1 == http->address_count)) {
            *ret_reply = (struct registry_reply){
                .status = status,
                .body = http->body.len > 0 ? http->body.data : "",
                .body_len = http->body.len,
                .address = a->shown,
            };
            return 0;
        }
        http->current = (http->current + 1) % http->address_count;
    }
    return err;
}
