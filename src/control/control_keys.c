/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of the control interface, and the address in one of them. */
#include "base/address_port.h"
#include "control/control.h"
#include <errno.h>
#include <string.h>

static int check_listen(const char *value, struct text *error)
{
    struct address_port address;

    return address_port_parse(value, &address, error);
}

const char *control_socket_of(const struct control_settings *settings)
{
    return settings->socket && strcmp(settings->socket, "none") != 0 ? settings->socket : NULL;
}

int control_settings_check(const struct control_settings *settings, struct text *error)
{
    struct address_port address;

    if (!settings->tls_cert != !settings->tls_key) {
        text_append_string(error, "http_tls_cert and http_tls_key go together: a certificate and "
                                  "its key, in PEM");
        return -EINVAL;
    }
    if (!settings->http_listen || address_port_parse(settings->http_listen, &address, error) < 0 ||
        address_port_is_loopback(&address) || settings->token_file || settings->tls_cert)
        return error->len > 0 ? -EINVAL : 0;
    text_append_printf(error,
                       "http_listen: whoever reaches %s could ask anything: name a token in "
                       "http_token_file, or http_tls_cert and http_tls_key, or take an address of "
                       "the loopback interface",
                       settings->http_listen);
    return -EINVAL;
}

const char *control_settings_remark(const struct control_settings *settings)
{
    struct address_port address;
    struct text error = {0};
    bool is_far = settings->http_listen &&
                  address_port_parse(settings->http_listen, &address, &error) == 0 &&
                  !address_port_is_loopback(&address);

    text_clear(&error);
    if (!is_far)
        return NULL;
    if (!settings->tls_cert)
        return "http_listen: the token and all answers cross the network in clear; http_tls_cert "
               "and http_tls_key encrypt them";
    return settings->token_file ? NULL
                                : "http_listen: whoever reaches it may ask; http_token_file names "
                                  "a token that they have to bring";
}

const struct config_key control_keys[] = {
    {"control_socket", KEY_STRING_AT(struct control_settings, socket),
     .help = "Unix socket for status and metrics (HTTP), 0660; default: in /run/pathacct, named "
             "after the configuration; none: no socket"},
    {"http_listen", KEY_STRING_AT(struct control_settings, http_listen), .check = check_listen,
     .help = "the same on TCP: 127.0.0.1:9570; other addresses than of the loopback interface need "
             "one of the next keys; unset: not on TCP"},
    {"http_token_file", KEY_STRING_AT(struct control_settings, token_file),
     .help = "file whose first line requests on TCP have to bring: Authorization: Bearer TOKEN"},
    {"http_tls_cert", KEY_STRING_AT(struct control_settings, tls_cert),
     .help = "certificate in PEM, with those that lead to its authority: TCP is HTTPS then"},
    {"http_tls_key", KEY_STRING_AT(struct control_settings, tls_key),
     .help = "its private key in PEM"},
    {0},
};

const struct config_key control_flow_keys[] = {
    {"metrics_exporters_max",
     KEY_INT_AT(struct control_settings, metrics_exporters_max, 0, 1000000), "2000",
     .help = "exporters with metrics of their own; those of later ones add up in `other`"},
    {"control_traffic", KEY_STRING_AT(struct control_settings, traffic),
     .help = "name of a memory plugin's instance with peer_src_ip, dst_net, dst_mask and "
             "peer_dst_ip in its aggregate: answers about routes tell the bytes of each path then"},
    {0},
};
