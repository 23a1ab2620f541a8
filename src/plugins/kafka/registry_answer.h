/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * Reads what a schema registry answers (https://docs.confluent.io/platform/current/schema-registry/develop/api.html).
 * It is a stranger's text: nothing of it is trusted, and no more of it is shown than fits a line.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct registry_reply {
    long status; /* of HTTP */
    const char *body;
    size_t body_len;
    const char *address; /* of the registry that says so, without its password */
};

/* Reads the answer to a registration. 0: `ret_id` is the schema's. Otherwise what is wrong, and what
 * mends it, stands in `why`. -EPERM: the registry takes this schema under no circumstances (409, 422);
 * -EAGAIN: anything else, which may pass. */
int registry_answer_id(const struct registry_reply *reply, const char *subject, char *why,
                       size_t why_size, uint32_t *ret_id);
/* Reads the answer to the question whether a schema would be compatible: 0 if it is, or if the subject
 * is not there yet. Otherwise as above. */
int registry_answer_compatible(const struct registry_reply *reply, const char *subject, char *why,
                               size_t why_size);
