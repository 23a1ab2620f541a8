/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* A collecting daemon: all that the programs of the suite have in common; struct daemon_description
 * tells the rest. */
#include "config/config_key.h"
#include "flow/decoder.h"

struct event_output;
struct key_option;

struct daemon_description {
    const char *name;      /* "nfacctd" */
    const char *data_name; /* "NetFlow/IPFIX" */
    /* The switch of the one service that this program is (bgp_daemon): it is on, and all keys are foreign that
     * belong to flows or to another service. There are no decoder, no workers and no `plugins` then.
     * NULL: a daemon of flows, which has all services beside them. */
    const char *service;
    const char *export_word; /* what nfacctd_as and its kin call that: "netflow" */
    bool has_netflow_keys;   /* keys of NetFlow mean something; else they are ignored */
    uint16_t port;
    const struct decoder_ops *decoder;
    const struct key_option *options;        /* its own letters; the last has the letter 0 */
    const struct config_key *keys;           /* the decoders' own keys; NULL: none */
    void *decoder_settings;                  /* their values go there: decoder_settings.own */
    const struct event_output *event_output; /* for events that the decoders make; NULL: none */
};

/* Runs the process from its start to its end; returns its exit status. */
int daemon_main(int argc, char **argv, const struct daemon_description *description);
