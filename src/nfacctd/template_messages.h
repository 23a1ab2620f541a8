/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Templates that collectors share: a message is its header and its sets of templates and options
 * templates, and nothing else of it counts.
 */
#include "nfacctd/netflow_decoder.h"

/*
 * Writes the next message of a datagram that has templates, from *offset on (0 at first), which it
 * moves: header, and sets of templates. `out` has room for as many bytes as the datagram has. Returns
 * its length; 0: there is no other. The datagram may be anything. Any thread.
 */
size_t template_messages_next(const struct datagram *datagram, size_t *offset, uint8_t *out);
/*
 * Takes the templates of a datagram that another collector sent for the exporter. Times and sequence
 * numbers do not count, as they are those of a datagram that came there; data is dropped and counted.
 */
void template_messages_learn(struct netflow_decoder *decoder, struct exporter *exporter,
                             const struct datagram *datagram) ON_THREAD(worker_thread);
