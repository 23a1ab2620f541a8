/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The sFlow v2, v4 and v5 decoder, as a daemon names it to the core. */
#include "flow/decoder.h"
#include "sfacctd/settings.h"

extern const struct decoder_ops sfacctd_decoder; /* own settings: struct sfacctd_settings */
