/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Turns an sFlow reason for discarding a packet into its name and IANA's forwarding status (RFC
 * 7270 section 4.12). */
#include "sfacctd/sflow_decoder.h"

#include <stdio.h>
#include <string.h>

#define STATUS_DROPPED 128 /* for whatever reason */

static const struct {
    uint16_t code;
    uint8_t status;
    const char *name;
} reasons[] = {
#define DISCARD_REASON(code, name, status) {code, status, #name},
#include "sfacctd/discard_reasons.def"
#undef DISCARD_REASON
};

void flow_sample_set_discard(struct flow_sample *sample, uint32_t code)
{
    struct flow *flow = sample->flow;
    char number[16];

    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].code != code)
            continue;
        SET(sample, forwarding_status, reasons[i].status);
        if (WANTS(sample, discard_reason))
            flow->discard_reason = (struct flow_bytes){.data = (const uint8_t *)reasons[i].name,
                                                       .len = (uint32_t)strlen(reasons[i].name)};
        return;
    }
    SET(sample, forwarding_status, STATUS_DROPPED);
    snprintf(number, sizeof number, "%u", code);
    SET(sample, discard_reason, flow_sample_copy(sample, number, strlen(number)));
}
