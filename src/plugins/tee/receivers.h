/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/*
 * The file that tee_receivers names: a row is a pool of receivers.
 *
 *     id=1 ip=192.0.2.1:2100,[2001:db8::1]:2100 tag=10,20-29 balance-alg=rr src_port=5000
 *
 * `id` and `ip` must be there. Blanks part the keys; rows that begin with ! or # are comments. What
 * was read is not changed any more but for the turn of round robin. One thread.
 */
#include "base/address.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text;

/* Bounds of one file; pmacct's own are 128 pools of 32 receivers. */
enum { TEE_POOLS_MAX = 1024, TEE_RECEIVERS_MAX = 1024, TEE_TAGS_MAX = 1024, TEE_NAME_MAX = 255 };

/* How a pool chooses; TEE_ALL: it does not, and each receiver gets a copy. */
enum tee_balance { TEE_ALL, TEE_ROUND_ROBIN, TEE_HASH_AGENT, TEE_HASH_CRC32, TEE_HASH_TAG };

struct tee_receiver {
    char *name; /* as it is shown: 192.0.2.1:2100 */
    char *host; /* name or address, without brackets */
    uint16_t port;
};

/* Tags from..to; negated: all others. */
struct tee_tags {
    uint64_t from, to;
    bool is_negated;
};

struct tee_pool {
    uint32_t id;
    struct tee_receiver *receivers;
    size_t receiver_count;
    struct tee_tags *tags; /* none: all tags */
    size_t tag_count;
    enum tee_balance balance;
    uint16_t source_port; /* 0: the system chooses */
    size_t turn;          /* of round robin */
};

struct tee_receivers {
    struct tee_pool *pools;
    size_t pool_count;
};

/* -EINVAL: all that is wrong is appended, a line each: "NAME:LINE: what; what would be right". */
int tee_receivers_parse(const char *name, const char *data, size_t len, struct text *errors,
                        struct tee_receivers **ret_receivers);
/* The same of a file; other negative errnos: it could not be read, which is told too. */
int tee_receivers_read(const char *path, struct text *errors, struct tee_receivers **ret_receivers);
void tee_receivers_free(struct tee_receivers *receivers); /* NULL is fine */

/*
 * True if the pool takes datagrams of this tag. The items are tried from first to last: one that is
 * the tag accepts, a negated one that is the tag refuses, and a negated one that is not accepts; so
 * nothing counts behind the first negated item, as in pre_tag_filter.
 */
bool tee_pool_accepts(const struct tee_pool *pool, uint64_t tag);
/* Returns the index of the receiver for a datagram of this exporter and tag; -1: all of them. */
int tee_pool_choose(struct tee_pool *pool, const struct ip_addr *exporter, uint64_t tag);
/* The same for what whoever gets flows of this exporter needs, of any tag. */
int tee_pool_choose_for_all(struct tee_pool *pool, const struct ip_addr *exporter);
