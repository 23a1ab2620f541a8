/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: three lines of any bytes as the variables that say which descriptors a service manager
 * passes on. Nothing is opened or closed. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/passed_sockets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *rest = text, *lines[3] = {0};
    struct passed_sockets passed;

    if (size > 0)
        memcpy(text, data, size);
    text[size] = 0;
    for (size_t i = 0; i < 3; i++)
        lines[i] = strsep(&rest, "\n");
    passed_sockets_parse(lines[0], lines[1], lines[2], 100, &passed);
    assert(passed.count <= PASSED_SOCKETS_MAX);
    for (size_t i = 0; i < passed.count; i++) {
        assert(passed.items[i].fd == PASSED_SOCKET_FIRST + (int)i);
        assert(*passed.items[i].name != 0 && !strchr(passed.items[i].name, ':'));
    }
    passed_sockets_clear(&passed);
    free(text);
    return 0;
}
