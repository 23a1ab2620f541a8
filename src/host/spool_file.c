/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encodes and decodes hand-overs on disk. The checksum is no secret, so what it covers is checked as
 * well. See spool_file.h. */
#include "host/spool_file.h"

#include "base/memory.h"
#include "base/reader.h"
#include "base/text.h"
#include "handover/encoding.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

/* "pa-spoo" and the version as a digit. */
#define SPOOL_MAGIC   UINT64_C(0x70612d73706f6f00)
#define SPOOL_VERSION 0x31u
#define VERIFY_PIECE  65536u

static int append_rows(void *arg, const struct pa_batch *batch)
{
    const struct pa_schema *schema = ((void **)arg)[1];
    text_append(((void **)arg)[0], batch->rows, (size_t)batch->row_count * schema->row_size);
    return 0;
}

void spool_file_encode(const struct schema *schema, const uint8_t core_id[16], uint32_t worker,
                       const struct lane_rows *rows, struct text *out)
{
    const struct handover *h = &rows->handover;
    struct pa_schema view = *schema_view(schema);
    struct text encoded = {0};
    void *arg[] = {out, &view};
    size_t start = out->len;

    schema_encode(schema, &encoded);
    encode_u64(out, SPOOL_MAGIC | SPOOL_VERSION);
    encode_u32(out, (uint32_t)encoded.len);
    text_append(out, encoded.data, encoded.len);
    text_append(out, core_id, 16);
    encode_u32(out, worker);
    encode_u64(out, h->seq);
    encode_u64(out, h->group);
    encode_u64(out, h->epoch);
    encode_u64(out, (uint64_t)h->time_ns);
    encode_u32(out, h->flags);
    encode_u64(out, h->totals.flows);
    encode_u64(out, h->totals.packets);
    encode_u64(out, h->totals.bytes);
    encode_u64(out, h->row_count);
    encode_u32(out, h->dictionary_count);
    /* Cannot fail: the rows were checked when they were read. */
    lane_rows_each(rows, &view, append_rows, arg);
    for (uint32_t i = 1; i <= h->dictionary_count; i++) {
        encode_u32(out, rows->dictionary[i].len);
        text_append(out, rows->dictionary[i].data, rows->dictionary[i].len);
    }
    encode_u64(out, XXH3_64bits(out->data + start, out->len - start));
    text_clear(&encoded);
}

static int head_decode(struct reader *r, struct spool_head *ret_head)
{
    struct spool_head head = {0};
    struct handover *h = &head.handover;

    uint64_t magic = reader_u64(r);
    if (!r->failed && (magic & ~UINT64_C(0xff)) == SPOOL_MAGIC && (magic & 0xff) != SPOOL_VERSION)
        return -EPROTONOSUPPORT;
    head.schema_len = reader_u32(r);
    head.schema = reader_bytes(r, head.schema_len);
    const uint8_t *core_id = reader_bytes(r, sizeof head.core_id);
    head.worker = reader_u32(r);
    h->seq = reader_u64(r);
    h->group = reader_u64(r);
    h->epoch = reader_u64(r);
    h->time_ns = (int64_t)reader_u64(r);
    h->flags = reader_u32(r);
    h->totals.flows = reader_u64(r);
    h->totals.packets = reader_u64(r);
    h->totals.bytes = reader_u64(r);
    h->row_count = reader_u64(r);
    h->dictionary_count = reader_u32(r);
    h->row_segment = h->dictionary_segment = SEGMENT_NONE;
    if (r->failed || magic != (SPOOL_MAGIC | SPOOL_VERSION) || core_id == NULL ||
        h->row_count > UINT32_MAX || h->dictionary_count == UINT32_MAX)
        return -EBADMSG;
    memcpy(head.core_id, core_id, sizeof head.core_id);
    *ret_head = head;
    return 0;
}

int spool_head_decode(const void *data, size_t len, struct spool_head *ret_head)
{
    struct reader r = reader_make(data, len);
    return head_decode(&r, ret_head);
}

static int decode_dictionary(struct reader *r, struct spool_entry *e)
{
    uint32_t count = e->handover.dictionary_count;
    if (count > reader_left(r) / 4)
        return -EBADMSG;
    /* The entries point into one copy of all that is left. */
    size_t len = reader_left(r);
    e->bytes = mem_alloc(len + 1);
    memcpy(e->bytes, r->pos, len);
    e->dictionary = mem_calloc((size_t)count + 1, sizeof *e->dictionary);
    e->dictionary[0] = (struct pa_bytes){e->bytes, 0};
    struct reader copy = reader_make(e->bytes, len);
    for (uint32_t i = 1; i <= count; i++) {
        uint32_t value_len = reader_u32(&copy);
        e->dictionary[i] = (struct pa_bytes){reader_bytes(&copy, value_len), value_len};
        if (copy.failed)
            return -EBADMSG;
    }
    return reader_left(&copy) == 0 ? 0 : -EBADMSG;
}

static int decode_rows(struct reader *r, const struct pa_schema *schema, struct spool_entry *e)
{
    const struct handover *h = &e->handover;

    if (h->row_count > reader_left(r) / schema->row_size)
        return -EBADMSG;
    size_t len = (size_t)h->row_count * schema->row_size;
    const uint8_t *rows = reader_bytes(r, len);
    e->rows = mem_alloc(len > 0 ? len : 1);
    if (len > 0)
        memcpy(e->rows, rows, len);
    int err = decode_dictionary(r, e);
    if (err < 0)
        return err;
    struct pa_batch batch = {.rows = e->rows,
                             .row_count = (uint32_t)h->row_count,
                             .dictionary = e->dictionary,
                             .dictionary_count = h->dictionary_count + 1};
    return lane_batch_is_sound(&batch, schema) ? 0 : -EBADMSG;
}

int spool_file_decode(const void *data, size_t len, const struct text *encoded,
                      const struct pa_schema *schema, struct spool_entry *ret_entry)
{
    struct spool_entry e = {0};
    struct spool_head head;

    if (len < SPOOL_CHECKSUM_LEN)
        return -EBADMSG;
    len -= SPOOL_CHECKSUM_LEN;
    if (XXH3_64bits(data, len) != wire_u64((const uint8_t *)data + len))
        return -EBADMSG;
    struct reader r = reader_make(data, len);
    int err = head_decode(&r, &head);
    if (err < 0)
        return err;
    if (head.schema_len != encoded->len || memcmp(head.schema, encoded->data, encoded->len) != 0)
        return -EBADMSG;
    memcpy(e.core_id, head.core_id, sizeof e.core_id);
    e.worker = head.worker;
    e.handover = head.handover;
    err = decode_rows(&r, schema, &e);
    if (err < 0) {
        spool_entry_clear(&e);
        return err;
    }
    *ret_entry = e;
    return 0;
}

void spool_entry_clear(struct spool_entry *entry)
{
    mem_free(entry->rows);
    mem_free(entry->dictionary);
    mem_free(entry->bytes);
    *entry = (struct spool_entry){0};
}

/* Feeds the first `len` bytes of a file to the hash; false if they are not there. */
static int hash_file(int fd, uint64_t len, XXH3_state_t *state)
{
    uint8_t *piece = mem_alloc(VERIFY_PIECE);
    int err = 0;

    for (uint64_t at = 0; at < len && err == 0;) {
        size_t want = len - at < VERIFY_PIECE ? (size_t)(len - at) : VERIFY_PIECE;
        ssize_t got = pread(fd, piece, want, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            err = got < 0 ? -errno : -EBADMSG;
            break;
        }
        XXH3_64bits_update(state, piece, (size_t)got);
        at += (uint64_t)got;
    }
    mem_free(piece);
    return err;
}

int spool_file_verify(int fd)
{
    uint8_t checksum[SPOOL_CHECKSUM_LEN];
    struct stat status;

    if (fstat(fd, &status) < 0)
        return -errno;
    if (!S_ISREG(status.st_mode) || status.st_size < (off_t)sizeof checksum)
        return -EBADMSG;
    uint64_t len = (uint64_t)status.st_size - sizeof checksum;
    if (pread(fd, checksum, sizeof checksum, (off_t)len) != (ssize_t)sizeof checksum)
        return -EBADMSG;
    XXH3_state_t *state = XXH3_createState();
    if (state == NULL)
        return -ENOMEM;
    XXH3_64bits_reset(state);
    int err = hash_file(fd, len, state);
    if (err == 0 && XXH3_64bits_digest(state) != wire_u64(checksum))
        err = -EBADMSG;
    XXH3_freeState(state);
    return err;
}
