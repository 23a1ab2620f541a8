/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* The pages of the API share this; the files api*.c alone include it. */
#include "base/address.h"
#include "daemon/api.h"
#include <jansson.h>

/* A request under way. */
struct api_call {
    struct api *api;
    const struct facts *facts; /* may be NULL */
    const struct control_request *request;
    unsigned status; /* of the error */
    struct text error;
};

/* Each page returns its answer; NULL: `status` and `error` say what is wrong. */
#define API_ROUTE(name, need, help)                                                                \
    json_t *api_page_##name(struct api_call *call) ON_THREAD(control_thread);
#include "daemon/api_routes.def"

/* Appends to the error and returns NULL. */
json_t *api_fail(struct api_call *call, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Reads a number of the request; `value` stays where there is none. False: it is none, or greater than
 * `max`. */
bool api_number(struct api_call *call, const char *name, uint64_t max, uint64_t *value);

json_t *api_uint(uint64_t value);
json_t *api_address(const struct ip_addr *address);
/* Any bytes: those that are no UTF-8 become U+FFFD. */
json_t *api_string(const char *data, size_t len);
json_t *api_time(int64_t ns);       /* wall clock; null for 0 */
json_t *api_router_id(uint32_t id); /* host order */
json_t *api_totals(const struct handover_totals *totals);
/* Says in words how a plugin is: "ok", or what is wrong. */
const char *api_plugin_state(const struct facts *facts, uint32_t number);
/* Returns how much grew in a second, lately; null: it is not known yet. `instance` UINT32_MAX:
 * datagrams. */
json_t *api_per_second(const struct api *api, uint32_t instance);
