/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gathers rows in bundles, one for each route, and sends a bundle when it is full. See packer.h. */
#include "plugins/message/packer.h"
#include "base/clock.h"
#include "base/keyed_table.h"
#include "base/memory.h"
#include "plugins/message/row_hash.h"
#include "plugins/text/file_name.h"
#include <errno.h>
#include <string.h>

#define BUNDLES_MAX 2048       /* open at a time; beyond that all are sent */
#define BYTES_MAX   (64 << 20) /* bytes in open bundles; beyond that all are sent */

/* A message in the making. */
struct bundle {
    struct keyed_entry entry; /* by route */
    struct text route;        /* the destination, key and slice that its rows have in common */
    struct text destination, key, payload;
    uint64_t counted; /* bytes as encoder_append() counts them */
    uint64_t first_row, last_row;
    uint32_t row_count;
};

struct packer {
    const struct message_settings *settings;
    const struct pa_schema *schema;
    struct encoder *encoder;
    struct packer_sink sink;
    struct row_hash *row_hash;  /* NULL: no slices */
    bool has_time, has_columns; /* names have them, so the route depends on them */
    int64_t time_s;
    uint64_t turn;          /* counts through the destinations */
    struct bundle *bundles; /* the open ones first */
    uint32_t bundle_count;
    struct keyed_table routes; /* finds open bundles; not used if there are no routes */
    uint64_t counted;
    struct text route, row;
};

/* Keeps a closed bundle for reuse, with the memory that its texts have. */
static void keep_bundle(void *arg, struct keyed_entry *entry)
{
    (void)arg, (void)entry;
}

struct packer *packer_new(const struct message_settings *settings, const struct pa_schema *schema,
                          struct encoder *encoder, const struct packer_sink *sink)
{
    struct packer *p = mem_zalloc(sizeof *p);
    const struct file_name *names[] = {settings->destination, settings->key};

    p->settings = settings;
    p->schema = schema;
    p->encoder = encoder;
    p->sink = *sink;
    if (settings->is_sliced)
        p->row_hash = row_hash_new(schema);
    for (size_t i = 0; i < 2 && names[i]; i++) {
        p->has_time = p->has_time || file_name_has_time(names[i]);
        p->has_columns = p->has_columns || file_name_has_columns(names[i]);
    }
    p->bundles = mem_calloc(BUNDLES_MAX, sizeof *p->bundles);
    keyed_table_init(&p->routes, BUNDLES_MAX, keep_bundle, NULL);
    return p;
}

void packer_free(struct packer *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < BUNDLES_MAX; i++) {
        text_clear(&p->bundles[i].route);
        text_clear(&p->bundles[i].destination);
        text_clear(&p->bundles[i].key);
        text_clear(&p->bundles[i].payload);
    }
    keyed_table_clear(&p->routes);
    mem_free(p->bundles);
    row_hash_free(p->row_hash);
    text_clear(&p->route);
    text_clear(&p->row);
    mem_free(p);
}

void packer_set_time(struct packer *p, int64_t time_ns)
{
    p->time_s = time_ns / NS_PER_S;
}

/* ---- names ---- */

/* Replaces characters that values may hold but destinations may not. */
static void append_destination(const struct packer *p, const struct pa_batch *batch,
                               const uint8_t *row, int64_t time_s, struct text *out)
{
    size_t start = out->len;

    file_name_append(p->settings->destination, batch, row, time_s, out);
    for (size_t i = start; i < out->len; i++)
        if (strchr(p->settings->destination_replaces, out->data[i]))
            out->data[i] = '_';
    if (out->len - start > p->settings->destination_max)
        out->len = start + p->settings->destination_max;
}

static void append_turn(const struct packer *p, uint32_t turn, struct text *out)
{
    if (p->settings->destination_count == 0)
        return;
    text_append_char(out, '_');
    text_append_uint(out, turn);
}

void packer_append_destination(struct packer *p, uint32_t turn, struct text *out)
{
    append_destination(p, NULL, NULL, p->time_s, out);
    append_turn(p, turn, out);
}

static void append_key(const struct packer *p, const struct pa_batch *batch, const uint8_t *row,
                       int64_t time_s, struct text *out)
{
    if (p->row_hash)
        text_append_uint(out, row_hash_of(p->row_hash, batch, row) % PACKER_SLICES);
    else if (p->settings->key)
        file_name_append(p->settings->key, batch, row, time_s, out);
}

static int64_t row_time_s(const struct packer *p, const uint8_t *row)
{
    int64_t time_s = p->time_s;

    if (p->schema->bin_offset >= 0)
        memcpy(&time_s, row + p->schema->bin_offset, sizeof time_s);
    return time_s;
}

/* ---- bundles ---- */

static bool has_routes(const struct packer *p)
{
    return p->has_time || p->has_columns || p->row_hash;
}

/* Makes the route of a row. Equal routes are equal destinations and keys, and cheaper to make than
 * those. */
static uint64_t make_route(struct packer *p, const struct pa_batch *batch, const uint8_t *row,
                           int64_t time_s)
{
    text_reset(&p->route);
    if (p->has_time)
        text_append(&p->route, &time_s, sizeof time_s);
    if (p->has_columns) {
        file_name_append_key(p->settings->destination, batch, row, &p->route);
        if (p->settings->key)
            file_name_append_key(p->settings->key, batch, row, &p->route);
    }
    if (p->row_hash) {
        uint64_t slice = row_hash_of(p->row_hash, batch, row) % PACKER_SLICES;
        text_append(&p->route, &slice, sizeof slice);
    }
    return keyed_table_hash(&p->routes, p->route.data, p->route.len);
}

static struct bundle *open_bundle(struct packer *p, const struct pa_batch *batch,
                                  const uint8_t *row, int64_t time_s)
{
    struct bundle *b = &p->bundles[p->bundle_count++];

    text_reset(&b->route);
    text_append(&b->route, p->route.data, p->route.len);
    text_reset(&b->destination);
    append_destination(p, batch, row, time_s, &b->destination);
    text_reset(&b->key);
    append_key(p, batch, row, time_s, &b->key);
    text_reset(&b->payload);
    b->counted = 0;
    b->row_count = 0;
    return b;
}

/* Compares the bytes; the table of routes has compared the lengths already. */
static bool has_route(const struct bundle *b, const struct text *route)
{
    return memcmp(b->route.data, route->data, route->len) == 0;
}

static struct bundle *find_bundle(struct packer *p, const struct pa_batch *batch,
                                  const uint8_t *row)
{
    int64_t time_s = row_time_s(p, row);
    struct bundle *b;

    if (!has_routes(p)) {
        text_reset(&p->route);
        return p->bundle_count > 0 ? &p->bundles[0] : open_bundle(p, batch, row, time_s);
    }
    uint64_t hash = make_route(p, batch, row, time_s);
    struct keyed_entry *entry = keyed_table_find(&p->routes, hash, p->route.len);
    while (entry && !has_route((struct bundle *)entry, &p->route))
        entry = keyed_table_next(entry);
    if (entry)
        return (struct bundle *)entry;
    b = open_bundle(p, batch, row, time_s);
    keyed_table_add(&p->routes, &b->entry, hash, p->route.len);
    return b;
}

static int send_bundle(struct packer *p, struct bundle *b)
{
    size_t destination_len = b->destination.len;
    struct packet packet = {.key = b->key.len > 0 ? b->key.data : NULL,
                            .key_len = b->key.len,
                            .payload = &b->payload,
                            .first_row = b->first_row,
                            .last_row = b->last_row,
                            .row_count = b->row_count,
                            .route = b->entry.key[0]};
    int err;

    if (b->row_count == 0)
        return 0;
    if (p->settings->destination_count > 0)
        packet.turn = (uint32_t)(p->turn++ % p->settings->destination_count);
    append_turn(p, packet.turn, &b->destination);
    packet.destination = text_cstr(&b->destination);
    /* A single line is sent as the object and nothing else. */
    if (b->row_count == 1 && b->payload.data[b->payload.len - 1] == '\n' &&
        p->settings->output != MESSAGE_OUTPUT_AVRO)
        b->payload.len--;
    err = p->sink.send(p->sink.arg, &packet);
    b->destination.len = destination_len;
    text_reset(&b->payload);
    p->counted -= b->counted;
    b->counted = 0;
    b->row_count = 0;
    return err;
}

static void forget_bundles(struct packer *p)
{
    keyed_table_empty(&p->routes);
    p->bundle_count = 0;
    p->counted = 0;
}

int packer_flush(struct packer *p)
{
    int err = 0;

    for (uint32_t i = 0; i < p->bundle_count && err == 0; i++)
        err = send_bundle(p, &p->bundles[i]);
    forget_bundles(p);
    return err;
}

void packer_begin(struct packer *p, uint64_t seq)
{
    forget_bundles(p);
    p->turn = seq;
}

static int add_row(struct packer *p, const struct pa_batch *batch, const uint8_t *row,
                   uint64_t place)
{
    const struct message_settings *s = p->settings;
    struct bundle *b;
    size_t counts;
    int err = 0;

    if (p->bundle_count == BUNDLES_MAX || p->counted >= BYTES_MAX)
        err = packer_flush(p);
    if (err < 0)
        return err;
    b = find_bundle(p, batch, row);
    text_reset(&p->row);
    counts = encoder_append(p->encoder, batch, row, &p->row);
    if (b->row_count > 0 && b->counted + counts > s->bytes_max)
        err = send_bundle(p, b);
    if (err < 0)
        return err;
    if (b->row_count == 0)
        b->first_row = place;
    text_append(&b->payload, p->row.data, p->row.len);
    b->last_row = place;
    b->row_count++;
    b->counted += counts;
    p->counted += counts;
    return b->row_count >= s->rows_max ? send_bundle(p, b) : 0;
}

int packer_add(struct packer *p, const struct pa_batch *batch)
{
    int err = 0;

    for (uint32_t i = 0; i < batch->row_count && err == 0; i++) {
        const uint8_t *row = batch->rows + (size_t)i * p->schema->row_size;
        if (!p->sink.keeps || p->sink.keeps(p->sink.arg, row))
            err = add_row(p, batch, row, batch->first_row + i);
    }
    return err;
}

uint64_t packer_route(struct packer *p, const struct pa_batch *batch, const uint8_t *row)
{
    return has_routes(p) ? make_route(p, batch, row, row_time_s(p, row)) : 0;
}

void packer_append_names(struct packer *p, const struct pa_batch *batch, const uint8_t *row,
                         uint32_t turn, struct text *destination, struct text *key)
{
    int64_t time_s = row_time_s(p, row);

    append_destination(p, batch, row, time_s, destination);
    append_turn(p, turn, destination);
    append_key(p, batch, row, time_s, key);
}
