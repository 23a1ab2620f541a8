/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Take a datagram apart whose version was seen to be theirs, as decoder_ops.split has it (RFC 3954
 * section 5, RFC 7011 section 3). False: it cannot be delimited to its end, or is cut. They belong to
 * the decoder's worker.
 */
#include "flow/datagram_parts.h"
#include "flow/decoder.h"

struct netflow_decoder;

bool netflow5_split(struct netflow_decoder *decoder, struct exporter *exporter,
                    const struct datagram *datagram, struct datagram_parts *parts);
bool netflow9_split(struct netflow_decoder *decoder, struct exporter *exporter,
                    const struct datagram *datagram, struct datagram_parts *parts);
bool ipfix_split(struct netflow_decoder *decoder, struct exporter *exporter,
                 const struct datagram *datagram, struct datagram_parts *parts);
