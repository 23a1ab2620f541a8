/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: any bytes as what a schema registry answers, after two that are the status. What is
 * refused says why, in one line that holds nothing which could steer a terminal. */
#include "plugins/kafka/registry_answer.h"
#include "support/check.h"
#include <errno.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_why(int err, const char *why)
{
    CHECK(err == 0 || err == -EAGAIN || err == -EPERM);
    CHECK((err == 0) == (why[0] == '\0'));
    for (const char *c = why; *c; c++)
        CHECK((unsigned char)*c >= ' ' && *c != 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct registry_reply reply = {.address = "http://r"};
    char why[512] = "";
    uint32_t id = UINT32_MAX;
    int err;

    if (size < 2)
        return 0;
    reply.status = data[0] << 8 | data[1];
    reply.body = (const char *)data + 2;
    reply.body_len = size - 2;
    err = registry_answer_id(&reply, "acct-acct_data", why, sizeof why, &id);
    check_why(err, why);
    CHECK((err == 0) == (id <= INT32_MAX));
    why[0] = '\0';
    err = registry_answer_compatible(&reply, "acct-acct_data", why, sizeof why);
    check_why(err, why);
    return 0;
}
