/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target: the protocol of memory tables at both ends. The first byte chooses the end: a request
 * as the plugin gets it, whose match is tried on a row; or, as the client gets them, a table and then
 * a batch of its columns, whose rows are rendered.
 */
#include "base/memory.h"
#include "base/text.h"
#include "plugins/memory/query_private.h"
#include "support/rows.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct pa_bytes bytes_of(const void *arg, uint32_t id)
{
    const struct pa_batch *batch = arg;

    return batch->dictionary[id < batch->dictionary_count ? id : 0];
}

static void count(void *arg, size_t alternative)
{
    *(size_t *)arg += alternative;
}

static void read_request(const uint8_t *data, size_t size)
{
    struct query_request request;
    struct query_header header;
    struct pa_batch batch;
    struct rows rows;
    size_t sum = 0;

    if (size < QUERY_HEADER_LEN || query_header_decode(data, QUERY_REQUEST_MAX, &header) < 0 ||
        header.body_len != size - QUERY_HEADER_LEN)
        return;
    rows_init(&rows, "src_host, as_path, proto, dst_as, src_mac", 0);
    rows_set_text(&rows, rows_add(&rows), "as_path", "65000_65001");
    batch = rows_batch(&rows);
    if (query_request_decode(&header, data + QUERY_HEADER_LEN, &rows.schema, &request) == 0) {
        if (request.match) {
            match_row(request.match, batch.rows, bytes_of, &batch);
            match_each(request.match, batch.rows, bytes_of, &batch, count, &sum);
        }
        match_free(request.match);
    }
    rows_clear(&rows);
}

static void render(const struct query *query, const struct pa_batch *batch)
{
    for (int form = QUERY_FORMATTED; form <= QUERY_JSON; form++) {
        struct query_output_options options = {
            .form = (enum query_form)form, .is_utc = true, .has_all_columns = form != QUERY_JSON};
        struct query_output *output;
        struct text out = {0};
        if (query_output_new(query, &options, &output) < 0)
            continue;
        query_output_title(output, &out);
        for (uint32_t i = 0; i < batch->row_count && i < 16; i++)
            query_output_row(output, batch, batch->rows + (size_t)i * query->table.schema.row_size,
                             &out);
        query_output_free(output);
        text_clear(&out);
    }
}

static void read_answer(const uint8_t *data, size_t size)
{
    struct reader r = reader_make(data, size), body;
    struct query query = {.fd = -1};
    struct query_batch batch = {0};
    struct query_status status;

    body = reader_part(&r, reader_u16(&r));
    if (body.failed || query_table_decode(&body, &query.table) < 0)
        return;
    body = reader_part(&r, reader_u8(&r));
    if (!body.failed)
        query_status_decode(&body, &status);
    if (query_batch_decode(&r, &query.table.schema, &batch) == 0)
        render(&query, &batch.batch);
    query_batch_clear(&batch);
    query_table_clear(&query.table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (data[0] & 1)
        read_request(data + 1, size - 1);
    else
        read_answer(data + 1, size - 1);
    return 0;
}
