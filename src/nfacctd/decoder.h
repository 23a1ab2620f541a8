/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The decoder of NetFlow v5 and v9 (RFC 3954) and IPFIX (RFC 7011) messages over UDP, as
 * flow/decoder.h asks for one. Its decoder_settings.own is a struct nfacctd_settings. One worker
 * owns each decoder.
 */
#include "flow/decoder.h"
#include "nfacctd/settings.h"

extern const struct decoder_ops nfacctd_decoder;
