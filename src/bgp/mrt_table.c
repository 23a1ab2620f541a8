/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keeps the records of one prefix open until the next one comes. See mrt_table.h. */
#include "bgp/mrt_table.h"

static void record_close(struct mrt_table *table, struct mrt_table_record *record)
{
    if (!record->is_open)
        return;
    mrt_rib_end(&record->record);
    record->is_open = false;
    text_append(&table->out, record->text.data, record->text.len);
    text_reset(&record->text);
}

static void record_open(struct mrt_table *table, struct mrt_table_record *record,
                        const struct mrt_table_path *path, const struct address_family_info *family)
{
    uint8_t nlri[NLRI_SIZE_MAX];
    const struct mrt_prefix prefix = {.afi = family->afi,
                                      .safi = family->safi,
                                      .has_path_id = path->has_add_path,
                                      .path_id = path->path_id,
                                      .nlri = nlri,
                                      .nlri_len =
                                          mrt_nlri_write(nlri, family, path->rd, &path->prefix)};

    record->record = mrt_rib_begin(&record->text, table->time_s, table->sequence++, &prefix);
    record->is_open = true;
}

static bool is_same_prefix(const struct mrt_table_path *a, const struct mrt_table_path *b)
{
    return a->safi == b->safi && a->rd == b->rd && ip_prefix_equal(&a->prefix, &b->prefix);
}

bool mrt_table_add(struct mrt_table *table, const struct mrt_table_path *path)
{
    enum rib_family rib_family = path->prefix.addr.family == IP_V6 ? RIB_IPV6 : RIB_IPV4;
    const struct address_family_info *family = address_family_of(path->safi, rib_family);
    struct mrt_table_record *record = &table->records[path->has_add_path];
    bool is_alone = path->has_add_path && path->safi != RIB_UNICAST;

    if (!is_same_prefix(&table->last, path))
        mrt_table_flush(table);
    mrt_attrs_write(&table->attrs, &path->received, &path->next_hop, family, &table->scratch);
    if (table->attrs.len > UINT16_MAX)
        return false;
    if (is_alone || record->record.count == MRT_ENTRIES_MAX)
        record_close(table, record);
    if (!record->is_open)
        record_open(table, record, path, family);
    table->last = *path;
    const struct mrt_entry entry = {.peer = path->peer,
                                    .originated_s = (uint32_t)((path->announced_ms + 999) / 1000),
                                    .path_id = path->path_id,
                                    .attrs = (const uint8_t *)table->attrs.data,
                                    .attrs_len = table->attrs.len};
    mrt_rib_add(&record->record, &entry);
    return true;
}

void mrt_table_flush(struct mrt_table *table)
{
    for (size_t i = 0; i < 2; i++)
        record_close(table, &table->records[i]);
}

void mrt_table_clear(struct mrt_table *table)
{
    for (size_t i = 0; i < 2; i++)
        text_clear(&table->records[i].text);
    text_clear(&table->out);
    text_clear(&table->attrs);
    mrt_attrs_scratch_clear(&table->scratch);
}
