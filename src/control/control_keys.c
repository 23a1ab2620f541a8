/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The keys of the control interface, and the address in one of them. */
#include "control/control.h"
#include "control/listen_address.h"
#include <string.h>

static int check_listen(const char *value, struct text *error)
{
    struct listen_address address;

    return listen_address_parse(value, &address, error);
}

const char *control_socket_of(const struct control_settings *settings)
{
    return settings->socket && strcmp(settings->socket, "none") != 0 ? settings->socket : NULL;
}

const struct config_key control_keys[] = {
    {"control_socket", KEY_STRING_AT(struct control_settings, socket),
     .help = "Unix socket for status and metrics (HTTP), 0660; default: in /run/pathacct, named "
             "after the configuration; none: no socket"},
    {"http_listen", KEY_STRING_AT(struct control_settings, http_listen), .check = check_listen,
     .help = "the same on TCP, an address of this machine: 127.0.0.1:9570; unset: not on TCP"},
    {"metrics_exporters_max",
     KEY_INT_AT(struct control_settings, metrics_exporters_max, 0, 1000000), "2000",
     .help = "exporters with metrics of their own; those of later ones add up in `other`"},
    {0},
};
