/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Says who may ask over TCP: a token that requests have to bring (RFC 6750 section 2.1), and the
 * certificate and key with which connections are encrypted. Read once, at start. One thread.
 */
#include "control/control.h"
#include <stdbool.h>

struct guard;

/* Reads the files that the settings name, if any; what is wrong is appended to `error` (-errno). */
int guard_new(const struct control_settings *settings, struct text *error,
              struct guard **ret_guard);
void guard_free(struct guard *guard); /* wipes the secrets; NULL is fine */

/* True if the header Authorization (NULL: there is none) brings the token, or none is asked for. Takes
 * as long whatever stands there. */
bool guard_admits(const struct guard *guard, const char *authorization);
/* PEM texts, borrowed; NULL: connections are not encrypted. */
const char *guard_certificate(const struct guard *guard);
const char *guard_key(const struct guard *guard);
