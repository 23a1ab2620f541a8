/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The decoder of sFlow versions 2, 4 and 5, as flow/decoder.h asks for one. One worker owns each
 * decoder. */
#include "flow/decoder.h"
#include "sfacctd/settings.h"

extern const struct decoder_ops sfacctd_decoder; /* own settings: struct sfacctd_settings */
