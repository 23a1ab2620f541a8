/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: any bytes as a file of ROAs. What is refused says why; what is read answers for any
 * route. */
#include "base/text.h"
#include "maps/roa_file.h"
#include "rpki/roa_table.h"
#include "support/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t v4[4] = {10, 1, 2, 3};
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    struct roa_query queries[] = {{.address = ip_addr_v4(v4), .len = 24, .origin = 64500},
                                  {.address = ip_addr_v6(v6), .len = 48, .origin = 64500},
                                  {.address = {{0}, IP_NONE}}};
    struct roa_table *table;
    struct text errors = {0}, warnings = {0};

    if (roa_file_parse("r", (const char *)data, size, &errors, &warnings, &table) == 0) {
        CHECK(errors.len == 0);
        roa_validate(table, queries, sizeof queries / sizeof *queries);
        CHECK(queries[2].validity == ROA_UNKNOWN);
        CHECK(roa_table_count(table) > 0 || queries[0].validity == ROA_UNKNOWN);
        roa_table_free(table);
    } else {
        CHECK(errors.len > 0);
    }
    text_clear(&errors);
    text_clear(&warnings);
    return 0;
}
