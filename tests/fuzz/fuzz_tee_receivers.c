/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: any bytes as the file of tee_receivers. What is refused says why; what is read has pools
 * that choose one of their receivers, or all. */
#include "base/text.h"
#include "plugins/tee/receivers.h"
#include "support/check.h"

static void ask(struct tee_pool *pool, const struct ip_addr *exporter, uint64_t tag)
{
    int chosen = tee_pool_choose(pool, exporter, tag);

    (void)tee_pool_accepts(pool, tag);
    CHECK(chosen >= -1 && chosen < (int)pool->receiver_count);
    CHECK((chosen == -1) == (pool->balance == TEE_ALL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t v4[4] = {192, 0, 2, 1};
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    const struct ip_addr exporters[] = {ip_addr_v4(v4), ip_addr_v6(v6)};
    struct tee_receivers *receivers;
    struct text errors = {0};

    if (tee_receivers_parse("r", (const char *)data, size, &errors, &receivers) == 0) {
        CHECK(errors.len == 0);
        CHECK(receivers->pool_count > 0);
        for (size_t i = 0; i < receivers->pool_count; i++) {
            struct tee_pool *pool = &receivers->pools[i];
            CHECK(pool->id > 0 && pool->receiver_count > 0);
            for (size_t k = 0; k < pool->receiver_count; k++)
                CHECK(pool->receivers[k].port > 0 && pool->receivers[k].host[0]);
            ask(pool, &exporters[0], 0);
            ask(pool, &exporters[1], UINT64_MAX);
        }
        tee_receivers_free(receivers);
    } else {
        CHECK(errors.len > 0);
    }
    text_clear(&errors);
    return 0;
}
