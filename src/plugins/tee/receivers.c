/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads pools of receivers, and chooses among them. See receivers.h. */
#include "plugins/tee/receivers.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/text.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (16u << 20)

/* The row that is read. */
struct row_reader {
    const char *file;
    unsigned line;
    struct text *errors;
    bool has_failed;
    struct tee_pool pool;
    bool has_id;
};

static void pool_clear(struct tee_pool *pool)
{
    for (size_t i = 0; i < pool->receiver_count; i++) {
        mem_free(pool->receivers[i].name);
        mem_free(pool->receivers[i].host);
    }
    mem_free(pool->receivers);
    mem_free(pool->tags);
}

void tee_receivers_free(struct tee_receivers *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->pool_count; i++)
        pool_clear(&r->pools[i]);
    mem_free(r->pools);
    mem_free(r);
}

/* ---- values ---- */

static void refuse(struct row_reader *r, const char *key, const char *value, const char *right)
{
    r->has_failed = true;
    text_append_printf(r->errors, "%s:%u: ", r->file, r->line);
    text_append_shown(r->errors, key, strlen(key));
    if (value) {
        text_append_string(r->errors, "=");
        text_append_shown(r->errors, value, strlen(value));
    }
    text_append_printf(r->errors, ": %s\n", right);
}

/* Reads a decimal number of digits alone. */
static bool read_number(const char *text, const char **ret_end, uint64_t max, uint64_t *ret_value)
{
    uint64_t value = 0;
    const char *c = text;

    for (; *c >= '0' && *c <= '9'; c++) {
        uint64_t digit = (uint64_t)(*c - '0');
        if (value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret_end = c;
    *ret_value = value;
    return c != text;
}

static bool read_whole_number(const char *text, uint64_t max, uint64_t *ret_value)
{
    const char *end;

    return read_number(text, &end, max, ret_value) && *end == 0;
}

static void take_id(struct row_reader *r, const char *value)
{
    uint64_t id;

    if (!read_whole_number(value, UINT32_MAX, &id) || id == 0)
        refuse(r, "id", value, "the pool's number, from 1 to 4294967295");
    else
        r->pool.id = (uint32_t)id;
    r->has_id = true;
}

static bool is_host_name(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!((*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
              strchr("-._", *c)))
            return false;
    return *name && strlen(name) <= TEE_NAME_MAX;
}

/* An address in brackets may name an interface behind %, of its link. */
static bool is_ipv6_address(const char *text)
{
    char *address = mem_strndup(text, strcspn(text, "%"));
    struct ip_addr parsed;
    bool is_right = ip_addr_parse(address, &parsed) == 0 && strchr(address, ':') &&
                    strlen(text) <= TEE_NAME_MAX;

    mem_free(address);
    return is_right;
}

static void take_receiver(struct row_reader *r, char *item)
{
    static const char right[] = "a receiver is ADDRESS:PORT, NAME:PORT or [IPV6]:PORT";
    char *shown = mem_strdup(item), *colon = strrchr(item, ':'), *host = item;
    uint64_t port;
    size_t len;
    bool is_right = colon && read_whole_number(colon + 1, UINT16_MAX, &port) && port > 0;

    if (is_right) {
        *colon = 0;
        len = strlen(host);
        if (*host == '[' && len > 2 && host[len - 1] == ']') {
            host[len - 1] = 0;
            host++;
            is_right = is_ipv6_address(host);
        } else {
            is_right = is_host_name(host);
        }
    }
    if (!is_right || r->pool.receiver_count == TEE_RECEIVERS_MAX) {
        refuse(r, "ip", shown, is_right ? "more than 1024 receivers in a pool" : right);
        mem_free(shown);
        return;
    }
    r->pool.receivers =
        mem_realloc_array(r->pool.receivers, r->pool.receiver_count + 1, sizeof *r->pool.receivers);
    r->pool.receivers[r->pool.receiver_count++] =
        (struct tee_receiver){.name = shown, .host = mem_strdup(host), .port = (uint16_t)port};
}

static void take_receivers(struct row_reader *r, char *value)
{
    char *rest = value;

    for (char *item; (item = strsep(&rest, ","));)
        take_receiver(r, item);
}

static bool read_tags(const char *item, struct tee_tags *tags)
{
    const char *end;

    tags->is_negated = *item == '-';
    item += tags->is_negated;
    if (!read_number(item, &end, UINT64_MAX, &tags->from))
        return false;
    tags->to = tags->from;
    return *end == 0 || (*end == '-' && read_whole_number(end + 1, UINT64_MAX, &tags->to) &&
                         tags->from <= tags->to);
}

static void take_tags(struct row_reader *r, char *value)
{
    char *rest = value;

    for (char *item; (item = strsep(&rest, ","));) {
        struct tee_tags tags;
        if (!read_tags(item, &tags)) {
            refuse(r, "tag", item, "numbers or ranges such as 10, 20-29 or -5, parted by commas");
            return;
        }
        if (r->pool.tag_count == TEE_TAGS_MAX) {
            refuse(r, "tag", item, "more than 1024 tags of a pool");
            return;
        }
        r->pool.tags = mem_realloc_array(r->pool.tags, r->pool.tag_count + 1, sizeof *r->pool.tags);
        r->pool.tags[r->pool.tag_count++] = tags;
    }
}

static void take_balance(struct row_reader *r, const char *value)
{
    static const char *const names[] = {[TEE_ROUND_ROBIN] = "rr",
                                        [TEE_HASH_AGENT] = "hash-agent",
                                        [TEE_HASH_CRC32] = "hash-crc32",
                                        [TEE_HASH_TAG] = "hash-tag"};

    for (size_t i = TEE_ROUND_ROBIN; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(value, names[i]) == 0) {
            r->pool.balance = (enum tee_balance)i;
            return;
        }
    refuse(r, "balance-alg", value,
           "rr, hash-agent, hash-crc32 or hash-tag; without it each receiver gets a copy");
}

static void take_source_port(struct row_reader *r, const char *value)
{
    uint64_t port;

    if (!read_whole_number(value, UINT16_MAX, &port) || port < 1024)
        refuse(r, "src_port", value,
               "a port from 1024 to 65535: the plugin's process has no right to lower ones");
    else
        r->pool.source_port = (uint16_t)port;
}

/* ---- rows ---- */

static void take_pair(struct row_reader *r, char *pair)
{
    char *value = strchr(pair, '=');

    if (!value || value == pair || !value[1]) {
        refuse(r, pair, NULL, "a row is made of KEY=VALUE, parted by blanks");
        return;
    }
    *value++ = 0;
    if (strcmp(pair, "id") == 0 || strcmp(pair, "set_tag") == 0)
        take_id(r, value);
    else if (strcmp(pair, "ip") == 0)
        take_receivers(r, value);
    else if (strcmp(pair, "tag") == 0)
        take_tags(r, value);
    else if (strcmp(pair, "balance-alg") == 0)
        take_balance(r, value);
    else if (strcmp(pair, "src_port") == 0)
        take_source_port(r, value);
    else if (strncmp(pair, "kafka_", 6) == 0 || strcmp(pair, "zmq_address") == 0)
        refuse(r, pair, NULL,
               "datagrams are sent over UDP, not to brokers; name receivers with ip=ADDRESS:PORT");
    else
        refuse(r, pair, NULL, "no such key; there are id, ip, tag, balance-alg and src_port");
}

static bool has_pool(const struct tee_receivers *receivers, uint32_t id)
{
    for (size_t i = 0; i < receivers->pool_count; i++)
        if (receivers->pools[i].id == id)
            return true;
    return false;
}

static void take_row(struct row_reader *r, char *row, struct tee_receivers *receivers)
{
    bool had_failed = r->has_failed;

    r->pool = (struct tee_pool){0};
    r->has_id = r->has_failed = false;
    for (char *pair; (pair = strsep(&row, " \t\r"));)
        if (*pair)
            take_pair(r, pair);
    if (!r->has_failed && !r->has_id)
        refuse(r, "id", NULL, "is missing: the pool's number, from 1 on");
    if (!r->has_failed && r->pool.receiver_count == 0)
        refuse(r, "ip", NULL, "is missing: the receivers, ADDRESS:PORT, parted by commas");
    if (!r->has_failed && has_pool(receivers, r->pool.id))
        refuse(r, "id", NULL, "another row has this number; each pool is one row");
    if (!r->has_failed && receivers->pool_count == TEE_POOLS_MAX)
        refuse(r, "id", NULL, "more than 1024 pools");
    if (r->has_failed) {
        pool_clear(&r->pool);
        return;
    }
    r->has_failed = had_failed;
    receivers->pools =
        mem_realloc_array(receivers->pools, receivers->pool_count + 1, sizeof *receivers->pools);
    receivers->pools[receivers->pool_count++] = r->pool;
}

int tee_receivers_parse(const char *name, const char *data, size_t len, struct text *errors,
                        struct tee_receivers **ret_receivers)
{
    struct tee_receivers *receivers = mem_zalloc(sizeof *receivers);
    struct row_reader r = {.file = name, .errors = errors};
    char *copy = mem_strndup(data ? data : "", len), *rest = copy;

    for (char *row; (row = strsep(&rest, "\n"));) {
        r.line++;
        row += strspn(row, " \t\r");
        if (*row && *row != '!' && *row != '#')
            take_row(&r, row, receivers);
    }
    if (!r.has_failed && data && memchr(data, 0, len)) {
        text_append_printf(errors, "%s: a byte that is 0; it is no text\n", name);
        r.has_failed = true;
    }
    if (!r.has_failed && receivers->pool_count == 0) {
        text_append_printf(errors, "%s: no pool; a row such as `id=1 ip=192.0.2.1:2100` is one\n",
                           name);
        r.has_failed = true;
    }
    mem_free(copy);
    if (r.has_failed) {
        tee_receivers_free(receivers);
        return -EINVAL;
    }
    *ret_receivers = receivers;
    return 0;
}

int tee_receivers_read(const char *path, struct text *errors, struct tee_receivers **ret_receivers)
{
    struct text content = {0};
    int err = file_read(path, FILE_MAX, &content);

    if (err < 0)
        text_append_printf(errors, "tee_receivers: cannot read %s: %s\n", path,
                           strerrordesc_np(-err));
    else
        err = tee_receivers_parse(path, content.data, content.len, errors, ret_receivers);
    text_clear(&content);
    return err;
}

/* ---- choice ---- */

bool tee_pool_accepts(const struct tee_pool *pool, uint64_t tag)
{
    for (size_t i = 0; i < pool->tag_count; i++) {
        const struct tee_tags *tags = &pool->tags[i];
        bool is_in = tag >= tags->from && tag <= tags->to;
        if (tags->is_negated)
            return !is_in;
        if (is_in)
            return true;
    }
    return pool->tag_count == 0;
}

/* The CRC of IEEE 802.3, as zlib has it. */
static uint32_t crc32_of(const uint8_t *data, size_t len)
{
    uint32_t crc = UINT32_MAX;

    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
    }
    return ~crc;
}

int tee_pool_choose(struct tee_pool *pool, const struct ip_addr *exporter, uint64_t tag)
{
    size_t count = pool->receiver_count;
    uint32_t low;

    switch (pool->balance) {
    case TEE_ALL:
        return -1;
    case TEE_ROUND_ROBIN:
        pool->turn = (pool->turn + 1) % count;
        return (int)((pool->turn + count - 1) % count);
    case TEE_HASH_AGENT: /* the last 32 bits of the address, as a number */
        memcpy(&low, exporter->bytes + 12, sizeof low);
        return (int)(be32toh(low) % count);
    case TEE_HASH_CRC32:
        return (int)(crc32_of(ip_addr_wire(exporter), ip_addr_wire_len(exporter)) % count);
    case TEE_HASH_TAG:
        return (int)(tag % count);
    }
    return -1;
}

int tee_pool_choose_for_all(struct tee_pool *pool, const struct ip_addr *exporter)
{
    bool is_by_exporter = pool->balance == TEE_HASH_AGENT || pool->balance == TEE_HASH_CRC32;

    return is_by_exporter ? tee_pool_choose(pool, exporter, 0) : -1;
}
