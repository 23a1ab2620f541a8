/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps objects as text, one behind the other. See description.h. */
#include "flow/description.h"
#include "base/memory.h"

struct description *description_new(void)
{
    return mem_zalloc(sizeof(struct description));
}

void description_free(struct description *d)
{
    if (!d)
        return;
    text_clear(&d->json);
    mem_free(d->items);
    mem_free(d);
}

struct text *description_begin(struct description *d, enum description_kind kind,
                               const struct ip_addr *exporter)
{
    d->counts[kind]++;
    if (d->json.len >= DESCRIPTION_BYTES_MAX)
        return NULL;
    if (d->item_count == d->item_capacity) {
        d->item_capacity = d->item_capacity ? d->item_capacity * 2 : 64;
        d->items = mem_realloc_array(d->items, d->item_capacity, sizeof *d->items);
    }
    d->items[d->item_count] = (struct description_item){
        .exporter = *exporter, .kind = (uint8_t)kind, .offset = (uint32_t)d->json.len};
    return &d->json;
}

void description_end(struct description *d)
{
    struct description_item *item = &d->items[d->item_count++];

    item->len = (uint32_t)d->json.len - item->offset;
}

void description_drop(struct description *d, enum description_kind kind)
{
    d->counts[kind] = 0;
    while (d->item_count > 0 && d->items[d->item_count - 1].kind == kind)
        d->json.len = d->items[--d->item_count].offset;
}
