/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Writes each flow's key as the CSV outputs do and adds its hash to the digests. No library is
 * used, as this runs for each of 10 million flows. */
#include "truth.h"
#include "digest.h"

#include <stdlib.h>
#include <time.h>

/* A set of the hashes that were seen, by open addressing, doubled when half full; 0 is an empty
 * place. */
struct seen {
    uint64_t *hashes, mask, count;
};

struct truth {
    struct digest digests[TRUTH_VIEW_COUNT];
    struct seen seen[TRUTH_VIEW_COUNT];
    uint64_t day; /* whose text is `date` */
    char date[16];
};

struct line {
    char text[192];
    size_t len;
};

static void seen_insert(struct seen *seen, uint64_t hash)
{
    uint64_t at = hash;

    while (seen->hashes[at & seen->mask] != 0 && seen->hashes[at & seen->mask] != hash)
        at++;
    seen->count += seen->hashes[at & seen->mask] == 0;
    seen->hashes[at & seen->mask] = hash;
}

static void seen_add(struct seen *seen, uint64_t hash)
{
    if (seen->count * 2 >= seen->mask) {
        struct seen larger = {.mask = seen->mask ? seen->mask * 2 + 1 : 4095};
        larger.hashes = calloc(larger.mask + 1, sizeof *larger.hashes);
        if (!larger.hashes)
            abort();
        for (uint64_t i = 0; seen->hashes && i <= seen->mask; i++)
            if (seen->hashes[i] != 0)
                seen_insert(&larger, seen->hashes[i]);
        free(seen->hashes);
        *seen = larger;
    }
    seen_insert(seen, hash ? hash : 1);
}

static void put_uint(struct line *l, uint64_t value, unsigned min_digits, char after)
{
    char digits[20];
    unsigned count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0 || count < min_digits);
    while (count > 0)
        l->text[l->len++] = digits[--count];
    l->text[l->len++] = after;
}

static void put_addr(struct line *l, uint32_t addr)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        put_uint(l, addr >> shift & 255, 1, shift ? '.' : ',');
}

/* Writes a time in the outputs' form: 2023-11-14 22:13:18.000000. */
static void put_time(struct truth *truth, struct line *l, uint64_t ms)
{
    uint64_t day = ms / 86400000, of_day = ms % 86400000;

    if (day != truth->day) {
        time_t seconds = (time_t)(day * 86400);
        struct tm tm;
        gmtime_r(&seconds, &tm);
        strftime(truth->date, sizeof truth->date, "%Y-%m-%d ", &tm);
        truth->day = day;
    }
    memcpy(l->text + l->len, truth->date, 11);
    l->len += 11;
    put_uint(l, of_day / 3600000, 2, ':');
    put_uint(l, of_day / 60000 % 60, 2, ':');
    put_uint(l, of_day / 1000 % 60, 2, '.');
    put_uint(l, of_day % 1000 * 1000, 6, ',');
}

static void book(struct truth *truth, enum truth_view view, const struct line *l,
                 const struct truth_flow *flow)
{
    uint64_t hash = digest_hash(l->text, l->len);

    digest_add(&truth->digests[view], hash, flow->packets, flow->bytes);
    if (view != TRUTH_DUMP)
        seen_add(&truth->seen[view], hash);
}

struct truth *truth_new(void)
{
    struct truth *truth = calloc(1, sizeof *truth);
    if (!truth)
        abort();
    return truth;
}

void truth_free(struct truth *truth)
{
    for (int view = 0; truth && view < TRUTH_VIEW_COUNT; view++)
        free(truth->seen[view].hashes);
    free(truth);
}

void truth_add(struct truth *truth, const struct truth_flow *flow)
{
    struct line l = {.len = 0};

    put_addr(&l, flow->exporter);
    book(truth, TRUTH_EXPORTER, &l, flow);
    put_uint(&l, flow->iface, 1, ',');
    put_addr(&l, flow->next_hop);
    size_t shared = l.len;
    put_uint(&l, flow->peer_as, 1, ',');
    put_uint(&l, flow->origin_as, 1, ',');
    book(truth, TRUTH_MATRIX, &l, flow);
    l.len = shared;
    put_uint(&l, 0, 1, ',');
    put_uint(&l, flow->origin_as, 1, ',');
    book(truth, TRUTH_MATRIX_NO_BGP, &l, flow);

    l.len = 0;
    put_addr(&l, flow->src);
    put_addr(&l, flow->dst);
    put_uint(&l, flow->sport, 1, ',');
    put_uint(&l, flow->dport, 1, ',');
    memcpy(l.text + l.len, flow->proto == 6 ? "tcp," : "udp,", 4);
    l.len += 4;
    book(truth, TRUTH_TUPLE, &l, flow);
    put_uint(&l, flow->tcp_flags, 1, ',');
    put_time(truth, &l, flow->start_ms);
    put_time(truth, &l, flow->end_ms);
    book(truth, TRUTH_DUMP, &l, flow);
}

void truth_print(const struct truth *truth)
{
    static const char *const names[TRUTH_VIEW_COUNT] = {"matrix", "matrix_no_bgp", "tuple", "dump",
                                                        "exporter"};

    for (int view = 0; view < TRUTH_VIEW_COUNT; view++) {
        const struct digest *digest = &truth->digests[view];
        printf("%s\"%s\": {\"rows\": %lu, ", view ? ", " : "", names[view],
               view == TRUTH_DUMP ? digest->rows : truth->seen[view].count);
        digest_print(digest);
        printf("}");
    }
}
