/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A collecting daemon: all that nfacctd and sfacctd have in common, given what differs. */
#include "config/config_key.h"
#include "flow/decoder.h"

struct daemon_description {
    const char *name;      /* "nfacctd" */
    const char *data_name; /* "NetFlow/IPFIX" */
    uint16_t port;
    const struct decoder_ops *decoder;
    const struct config_key *keys; /* the decoders' own */
    void *decoder_settings;        /* where their values go: decoder_settings.own */
};

/* The whole life of the process; returns its exit status. */
int daemon_main(int argc, char **argv, const struct daemon_description *description);
