/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fuzz target: the body of an UPDATE, after three bytes that say what the session agreed on. All
 * references to attribute sets must come back. */
#include "bgp/update.h"
#include "support/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void announce(void *arg, enum address_family family, const struct rib_nlri *nlri,
                     size_t count, struct path_attrs *attrs)
{
    (void)arg;
    CHECK(count > 0 && attrs->handle != 0);
    CHECK(!attrs->as_path || attrs->as_path->data[attrs->as_path->len] == '\0');
    for (size_t i = 0; i < count; i++)
        CHECK(nlri[i].prefix.addr.family == address_families[family].ip_family &&
              nlri[i].prefix.len <= address_families[family].max_bits);
}

static void withdraw(void *arg, enum address_family family, const struct rib_nlri *nlri,
                     size_t count)
{
    (void)arg, (void)nlri;
    CHECK(count > 0 && family < FAMILY_COUNT);
}

static void end_of_rib(void *arg, enum address_family family)
{
    (void)arg;
    CHECK(family < FAMILY_COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct update_sink sink = {announce, withdraw, end_of_rib, NULL};
    const struct attr_text_settings settings = {.as_path_radius = 0};
    struct update_result result;

    if (size < 3)
        return 0;
    const struct attr_context context = {
        .is_internal = data[0] & 1,
        .features = {.families = data[1],
                     .add_path = data[2],
                     .extended_next_hop = data[0] & 4 ? data[1] : 0,
                     .has_four_octet_as = data[0] & 2}};
    struct rcu *rcu = rcu_new(1);
    struct attr_store *store = attr_store_new(rcu, &settings);
    update_apply(reader_make(data + 3, size - 3), &context, store, &sink, &result);
    CHECK((result.outcome == ATTR_OUTCOME_OK) == (result.reason == NULL));
    CHECK(attr_store_statistics(store).sets == 0);
    attr_store_free(store);
    rcu_free(rcu);
    return 0;
}
