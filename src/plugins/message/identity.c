/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes the identity of a message's rows. See identity.h. */
#include "plugins/message/identity.h"
#include "base/text.h"
#include <inttypes.h>
#include <stdio.h>

void identity_of(const struct pa_source *source, struct identity *ret_identity)
{
    struct identity *id = ret_identity;

    for (size_t i = 0; i < sizeof source->core_id; i++)
        snprintf(id->core_id + 2 * i, sizeof id->core_id - 2 * i, "%02x", source->core_id[i]);
    snprintf(id->worker, sizeof id->worker, "%" PRIu32, source->worker);
    snprintf(id->seq, sizeof id->seq, "%" PRIu64, source->last_seq);
    id->rows[0] = '\0';
}

void identity_set_rows(struct identity *identity, uint64_t first, uint64_t last)
{
    char *end = identity->rows + text_format_uint(identity->rows, first);

    *end++ = '-';
    end[text_format_uint(end, last)] = '\0';
}
