/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: any bytes as NAME.state, which says what of a file is committed. What is read must
 * answer for a transaction, and take note of one. */
#include "base/memory.h"
#include "base/text.h"
#include "plugins/print/file_state.h"
#include "support/check.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pa_source sources[2] = {{.worker = 0, .first_seq = 3, .last_seq = 5},
                                   {.worker = 7, .first_seq = 1, .last_seq = 1}};
    const struct pa_transaction transaction = {.source_count = 2, .sources = sources};
    char *text = mem_strndup((const char *)data, size);
    struct file_state state;

    if (file_state_parse(text, &state) == 0) {
        for (int i = 0; i < 2; i++)
            memcpy(sources[i].core_id, state.core_id, sizeof state.core_id);
        (void)file_state_progress(&state, &transaction);
        (void)file_state_is_over(&state, &transaction);
        file_state_note(&state, &transaction);
        CHECK(file_state_progress(&state, &transaction) == FILE_PROGRESS_ALL);
        CHECK(!file_state_is_over(&state, &transaction));
        file_state_clear(&state);
    }
    mem_free(text);
    return 0;
}
