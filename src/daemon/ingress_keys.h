/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Compares bgp_peer_src_as_type and its kin with the maps that they need. */
struct daemon;
struct text;

/* A type `map` without a map is an error. A map that no type asks for is a warning, and not read. */
int ingress_keys_check(struct daemon *daemon, struct text *errors, struct text *warnings);
