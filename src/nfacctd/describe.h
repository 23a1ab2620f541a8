/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* Describes templates and options for people (flow/description.h). The worker's. */
#include "flow/description.h"

struct netflow_decoder;

/* Does what decoder_ops.describe says. */
bool netflow_describe(const struct netflow_decoder *decoder, struct description *description,
                      int64_t until_ns);
