/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The pages of the API tell this of BMP. All of it reads the snapshot (bmp/bmp_views.h) of this moment: what is
 * borrowed of it holds until the reader's next quiescent state.
 */
#include "bgp/rib_show.h"
#include "bmp/bmp_views.h"
#include "daemon/statistics.h"
#include <jansson.h>

#define API_DISTINGUISHER_LEN 40
void api_bmp_distinguisher(uint64_t rd, char out[API_DISTINGUISHER_LEN]); /* "0:65000:1" */

json_t *api_bmp_routers(const struct statistics_sources *sources); /* none without BMP */
json_t *api_bmp_status(const struct statistics_sources *sources);  /* null without BMP */

/* A path of a view is theirs. */
struct api_bmp_owner {
    const struct bmp_router_view *router;
    const struct bmp_view *view;
    const struct bmp_view_member *member; /* NULL: it is being forgotten */
};
/* False: the path is no view's. */
bool api_bmp_find(const struct statistics_sources *sources, const struct rib_shown *path,
                  struct api_bmp_owner *ret_owner);
/* "Adj-RIB-In pre-policy", "Loc-RIB" */
json_t *api_bmp_table(const struct api_bmp_owner *owner, const struct rib_shown *path);
