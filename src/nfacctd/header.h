/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Reads what the header of a NetFlow or IPFIX datagram tells, without a decoder. There is no state; any
 * thread may call. */
#include "flow/decoder.h"

/* Sets export_version, engine_type and export_domain, as struct decoder_ops has it. */
void netflow_read_header(const struct datagram *datagram, struct flow *flow);
