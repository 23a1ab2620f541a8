/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The read-only API: pages below /api/v1/ as JSON, each a row of api_routes.def, and the OpenAPI
 * document that describes them. The control thread makes them. A page copies what it reads under RCU
 * in slices and is quiescent in between, and it is made whole before its reader gets any of it.
 */
#include "base/text.h"
#include "base/thread.h"
#include "control/control.h"
#include "daemon/facts.h"
#include "daemon/faults.h"
#include "daemon/health.h"
#include "daemon/statistics.h"
#include "daemon/traffic.h"

struct config;
struct description;

enum api_page {
#define API_ROUTE(name, need, help) API_##name,
#include "daemon/api_routes.def"
    API_PAGE_COUNT
};

/* Holds what came in the last seconds; the control thread notes it once a second. */
enum { API_PACE_S = 10 };
struct api_pace {
    struct {
        int64_t at_ns; /* of clock_mono() */
        uint64_t datagrams;
        uint64_t *flows; /* offered, by instance */
    } seconds[API_PACE_S + 1];
    uint64_t count; /* of seconds that were noted */
};

/* The state that answers are made of; all of it but `pace` is borrowed. */
struct api {
    const struct statistics_sources *sources; /* `reader` is the control thread's, online */
    const struct health *health;
    const struct faults *faults;
    const char *configuration; /* api_configuration_text() */
    /* Published for it, by worker; each may hold NULL. */
    const struct description *const _Atomic *descriptions;
    const struct traffic *traffic; /* NULL: control_traffic is unset */
    const char *traffic_instance;
    struct api_pace pace;
};

void api_clear(struct api *api);
/* Once a second. */
void api_tick(struct api *api) ON_THREAD(control_thread);
/* Fills in the answer of a page. `facts` may be NULL: none came in time. */
void api_answer(struct api *api, enum api_page page, const struct facts *facts,
                const struct control_request *request, struct control_answer *answer)
    ON_THREAD(control_thread);
/* Fills in the OpenAPI 3.0 document. */
void api_answer_openapi(struct control_answer *answer);
/* Returns the answer of the page `configuration`, to be freed with mem_free(). */
char *api_configuration_text(const struct config *config) ON_THREAD(main_thread);
