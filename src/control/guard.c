/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Holds token, certificate and key. See guard.h. */
#include "control/guard.h"
#include "base/file.h"
#include "base/memory.h"
#include <errno.h>
#include <string.h>

enum { TOKEN_MIN = 16, TOKEN_MAX = 512, PEM_MAX = 256 << 10 };

struct guard {
    struct text token, certificate, key; /* length 0: there is none */
};

static void wipe(struct text *text)
{
    if (text->data)
        explicit_bzero(text->data, text->capacity);
    text_clear(text);
}

void guard_free(struct guard *guard)
{
    if (!guard)
        return;
    wipe(&guard->token);
    wipe(&guard->certificate);
    wipe(&guard->key);
    mem_free(guard);
}

static int read_file(const char *key, const char *path, size_t max, struct text *content,
                     struct text *error)
{
    int err = path ? file_read(path, max, content) : 0;

    if (err < 0)
        text_append_printf(error, "%s: %s cannot be read: %s", key, path, strerrordesc_np(-err));
    return err;
}

/* The token is the first line, of characters that a header may hold. */
static int take_token(const char *path, struct text *token, struct text *error)
{
    size_t len = 0;

    while (len < token->len && token->data[len] > ' ' && token->data[len] < 0x7f)
        len++;
    bool is_line = len == token->len || token->data[len] == '\n' || token->data[len] == '\r';
    if (len < TOKEN_MIN || !is_line) {
        text_append_printf(error,
                           "http_token_file: the first line of %s is to be a token of %d visible "
                           "characters or more, as `openssl rand -hex 32` makes it",
                           path, TOKEN_MIN);
        return -EINVAL;
    }
    token->len = len;
    return 0;
}

int guard_new(const struct control_settings *settings, struct text *error, struct guard **ret_guard)
{
    struct guard *guard = mem_zalloc(sizeof *guard);
    int err = read_file("http_token_file", settings->token_file, TOKEN_MAX, &guard->token, error);

    if (err == 0 && settings->token_file)
        err = take_token(settings->token_file, &guard->token, error);
    if (err == 0)
        err = read_file("http_tls_cert", settings->tls_cert, PEM_MAX, &guard->certificate, error);
    if (err == 0)
        err = read_file("http_tls_key", settings->tls_key, PEM_MAX, &guard->key, error);
    if (err < 0) {
        guard_free(guard);
        return err;
    }
    *ret_guard = guard;
    return 0;
}

bool guard_admits(const struct guard *guard, const char *authorization)
{
    static const char scheme[] = "Bearer ";
    size_t scheme_len = strlen(scheme), len;
    unsigned char differs = 0;

    if (guard->token.len == 0)
        return true;
    if (!authorization || strncasecmp(authorization, scheme, scheme_len) != 0)
        return false;
    authorization += scheme_len;
    len = strlen(authorization);
    for (size_t i = 0; i < guard->token.len; i++)
        differs |= (unsigned char)(guard->token.data[i] ^ (i < len ? authorization[i] : 0));
    return differs == 0 && len == guard->token.len;
}

static const char *pem(const struct text *text)
{
    return text->len ? text_cstr((struct text *)(uintptr_t)text) : NULL;
}

const char *guard_certificate(const struct guard *guard)
{
    return pem(&guard->certificate);
}

const char *guard_key(const struct guard *guard)
{
    return pem(&guard->key);
}
