/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: any bytes as what a cache of the RPKI sends. What is read of them lies within its bounds, and
 * ROAs of it make a table. */
#include "rpki/roa_set.h"
#include "rpki/rtr_pdu.h"
#include "support/check.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct roa_set set = {0};
    struct rtr_pdu pdu;
    size_t at = 0;
    int len;

    while ((len = rtr_pdu_parse(data + at, size - at, &pdu)) > 0) {
        CHECK((size_t)len <= size - at && len >= RTR_HEADER_LEN);
        at += (size_t)len;
        CHECK(memchr(pdu.text, '\0', sizeof pdu.text) != NULL);
        if (pdu.type == RTR_IPV4_PREFIX || pdu.type == RTR_IPV6_PREFIX) {
            unsigned most = pdu.type == RTR_IPV4_PREFIX ? 32 : 128;
            CHECK(pdu.roa.prefix.len <= pdu.roa.max_len && pdu.roa.max_len <= most);
            CHECK(roa_set_change(&set, &pdu.roa, pdu.is_announcement) == 0);
        } else if (pdu.type == RTR_END_OF_DATA) {
            CHECK(roa_set_commit(&set, pdu.serial & 1) == 0);
            struct roa_table *table = roa_table_new(set.roas, set.count);
            CHECK(roa_table_count(table) == set.count);
            roa_table_free(table);
        }
    }
    roa_set_clear(&set);
    return 0;
}
