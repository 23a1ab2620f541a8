/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A session of GnuTLS. See tls.h. */
#include "pathacct/tls.h"
#include "base/address.h"
#include "base/memory.h"
#include "base/text.h"
#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

enum { SILENCE_S = 30 };

struct tls {
    gnutls_certificate_credentials_t credentials;
    gnutls_session_t session;
};

void tls_close(struct tls *tls)
{
    if (!tls)
        return;
    if (tls->session) {
        gnutls_bye(tls->session, GNUTLS_SHUT_WR);
        gnutls_deinit(tls->session);
    }
    if (tls->credentials)
        gnutls_certificate_free_credentials(tls->credentials);
    mem_free(tls);
}

static int trust(struct tls *tls, const char *ca_file, struct text *error)
{
    int count = ca_file ? gnutls_certificate_set_x509_trust_file(tls->credentials, ca_file,
                                                                 GNUTLS_X509_FMT_PEM)
                        : gnutls_certificate_set_x509_system_trust(tls->credentials);

    if (count > 0 || (!ca_file && count == 0))
        return 0;
    text_append_printf(error, "--ca-file %s: no certificate in PEM can be read there%s%s",
                       ca_file ? ca_file : "(the system's)", count < 0 ? ": " : "",
                       count < 0 ? gnutls_strerror(count) : "");
    return -EINVAL;
}

/* Says why the certificate is not good enough. */
static void explain_certificate(struct tls *tls, const char *host, const char *ca_file,
                                struct text *error)
{
    unsigned status = gnutls_session_get_verify_cert_status(tls->session);
    gnutls_datum_t words = {0};

    if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &words, 0) < 0)
        words.data = NULL;
    text_append_string(error, "the certificate there is refused: ");
    text_append_shown(error, words.data ? (const char *)words.data : "it is not good",
                      words.data ? words.size - 1 : 14);
    if (error->len > 0 && error->data[error->len - 1] == ' ')
        error->len--;
    if (status & GNUTLS_CERT_UNEXPECTED_OWNER)
        text_append_printf(error, " It does not name %s: ask by a name that stands in it", host);
    else if (!ca_file)
        text_append_string(error, " Name the authority that signed it, or itself, with --ca-file");
    gnutls_free(words.data);
}

static int shake_hands(struct tls *tls, const char *host, const char *ca_file, struct text *error)
{
    int err;

    do
        err = gnutls_handshake(tls->session);
    while (err == GNUTLS_E_INTERRUPTED || err == GNUTLS_E_WARNING_ALERT_RECEIVED);
    if (err >= 0)
        return 0;
    if (err == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR) {
        explain_certificate(tls, host, ca_file, error);
        return -EKEYREJECTED;
    }
    text_append_printf(error, "no encrypted connection: %s; is it HTTPS that is spoken there (%s)?",
                       gnutls_strerror(err), "http_tls_cert; else http://");
    return -EPROTO;
}

int tls_open(int fd, const char *host, const char *ca_file, struct text *error,
             struct tls **ret_tls)
{
    const struct timeval patience = {.tv_sec = SILENCE_S};
    struct tls *tls = mem_zalloc(sizeof *tls);
    struct ip_addr address;
    int err = gnutls_certificate_allocate_credentials(&tls->credentials) < 0 ? -ENOMEM : 0;

    if (err == 0)
        err = trust(tls, ca_file, error);
    if (err == 0 && gnutls_init(&tls->session, GNUTLS_CLIENT) < 0)
        err = -ENOMEM;
    if (err == 0) {
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        gnutls_set_default_priority(tls->session);
        gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, tls->credentials);
        if (ip_addr_parse(host, &address) < 0) /* RFC 6066 section 3: no address */
            gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, host, strlen(host));
        gnutls_session_set_verify_cert(tls->session, host, 0);
        gnutls_transport_set_int(tls->session, fd);
        gnutls_handshake_set_timeout(tls->session, SILENCE_S * 1000);
        err = shake_hands(tls, host, ca_file, error);
    }
    if (err < 0) {
        tls_close(tls);
        return err;
    }
    *ret_tls = tls;
    return 0;
}

ssize_t tls_send(struct tls *tls, const void *data, size_t len)
{
    ssize_t done;

    do
        done = gnutls_record_send(tls->session, data, len);
    while (done == GNUTLS_E_INTERRUPTED || done == GNUTLS_E_AGAIN);
    return done < 0 ? -1 : done;
}

ssize_t tls_receive(struct tls *tls, void *data, size_t size)
{
    ssize_t len;

    do
        len = gnutls_record_recv(tls->session, data, size);
    while (len == GNUTLS_E_INTERRUPTED);
    /* A daemon that ends may not say so; an answer that was cut is no JSON. */
    return len == GNUTLS_E_PREMATURE_TERMINATION ? 0 : len < 0 ? -1 : len;
}
