/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: the RIB under a stream of changes, each compared with the model of the unit tests
 * (support/rib_model.h). The first byte says whether stale paths are kept, the others are choices. */
#include "support/rib_model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct rib_choices from = {.data = data + 1, .left = size - 1};
    struct rib_choices questions = {.state = size};

    thread_enter_role(&bgp_thread);
    struct rib_model *m = rib_model_new(data[0] & 1);
    for (unsigned step = 0; from.left > 0; step++) {
        rib_model_change(m, &from);
        if (step % 16 == 15 || from.left == 0)
            rib_model_ask(m, &questions);
        if (step % 64 == 63)
            rib_model_tick(m);
    }
    rib_model_free(m);
    thread_leave_role(&bgp_thread);
    return 0;
}
