/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gives each datagram to the pools that accept its tag. See tee.h. */
#include "plugins/tee/tee.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "plugins/common/key_rows.h"
#include "plugins/common/setting.h"
#include "plugins/tee/receivers.h"
#include "plugins/tee/target.h"
#include <string.h>

#define TICK_NS          NS_PER_S
#define BUFFER_SIZE_OURS (4 << 20)

/* clang-format off */
const struct pa_key tee_keys[] = {
    {.name = "tee_receivers", .type = PA_KEY_STRING,
     .help = "file of the pools of receivers that datagrams are passed on to (see pathacct-tee(7)); SIGUSR2 and SIGHUP read it anew"},
    {.name = "tee_transparent", .type = PA_KEY_BOOL, .default_value = "false", .role = PA_ROLE_RAW_SOCKETS,
     .help = "receivers see the exporter's address and port as source; needs CAP_NET_RAW at start"},
    {.name = "tee_source_ip", .type = PA_KEY_STRING,
     .help = "address to send from, unless tee_transparent is true; default: the system's choice"},
    {.name = "tee_ipprec", .type = PA_KEY_INT, .default_value = "0", .max = 7,
     .help = "IP precedence of what is sent"},
    {.name = "tee_pipe_size", .type = PA_KEY_SIZE, .default_value = "0", .max = 1 << 30,
     .help = "send buffer of each receiver's socket in bytes; 0: 4 MB, or as much as net.core.wmem_max allows"},
    KEY_ROW_IGNORED("tee_max_receivers", "pools have as many receivers as the file says, up to 1024"),
    KEY_ROW_IGNORED("tee_max_receiver_pools", "there are as many pools as the file says, up to 1024"),
    KEY_ROW_IGNORED("tee_dissect_send_full_pkt", "what is taken apart by tags is not sent whole as well"),
    {.name = NULL},
};
/* clang-format on */

struct tee {
    const struct pa_host *host;
    struct target_settings settings;
    uint32_t row_size;
    uint32_t exporter_at, port_at, tag_at, for_all_at, datagram_at;
    struct tee_receivers *receivers;
    struct target **targets; /* of all pools, one pool after the other */
    size_t target_count;
    uint64_t no_pool; /* datagrams that no pool accepts, in the transaction under way */
    int64_t ticked_ns;
};

/* ---- settings ---- */

static int read_settings(const struct pa_host *host, struct target_settings *s, char *error,
                         size_t error_size)
{
    const char *source = setting_text(host, "tee_source_ip");

    *s = (struct target_settings){.host = host,
                                  .is_transparent = setting_is_on(host, "tee_transparent"),
                                  .traffic_class =
                                      (uint8_t)(host->setting_number(host, "tee_ipprec") << 5),
                                  .buffer_size = (int)host->setting_number(host, "tee_pipe_size")};
    if (s->buffer_size == 0)
        s->buffer_size = BUFFER_SIZE_OURS;
    if (source && ip_addr_parse(source, &s->source) < 0)
        return setting_refuse(error, error_size,
                              "tee_source_ip: an address of this machine, such as 192.0.2.1");
    if (source && s->is_transparent)
        host->log(host, PA_LOG_NOTICE,
                  "tee_source_ip: has no effect with tee_transparent: the source is the exporter");
    if (!setting_text(host, "tee_receivers"))
        return setting_refuse(
            error, error_size,
            "tee_receivers: is not set; name the file of the receivers, with rows such as `id=1 "
            "ip=192.0.2.1:2100`");
    return 0;
}

int tee_check(const struct pa_host *host, const struct pa_schema *schema, char *error,
              size_t error_size)
{
    struct tee_receivers *receivers = NULL;
    struct target_settings settings;
    struct text errors = {0};
    int err = read_settings(host, &settings, error, error_size);

    (void)schema;
    if (err < 0)
        return err;
    err = tee_receivers_read(setting_text(host, "tee_receivers"), &errors, &receivers);
    if (err < 0)
        setting_refuse(error, error_size, text_cstr(&errors));
    for (size_t i = 0; err == 0 && settings.is_transparent && i < receivers->pool_count; i++)
        if (receivers->pools[i].source_port != 0)
            host->log(host, PA_LOG_NOTICE,
                      "tee_receivers: src_port of pool %u has no effect with tee_transparent: the "
                      "port is the exporter's",
                      receivers->pools[i].id);
    tee_receivers_free(receivers);
    text_clear(&errors);
    return err < 0 ? -EINVAL : 0;
}

/* ---- life ---- */

static void targets_free(struct tee *tee)
{
    for (size_t i = 0; i < tee->target_count; i++) {
        target_tick(tee->targets[i]);
        target_free(tee->targets[i]);
    }
    mem_free(tee->targets);
    tee->targets = NULL;
    tee->target_count = 0;
}

static void targets_make(struct tee *tee)
{
    const struct tee_receivers *r = tee->receivers;
    size_t count = 0;

    for (size_t i = 0; i < r->pool_count; i++)
        count += r->pools[i].receiver_count;
    tee->targets = mem_calloc(count + 1, sizeof(struct target *));
    for (size_t i = 0; i < r->pool_count; i++)
        for (size_t k = 0; k < r->pools[i].receiver_count; k++)
            tee->targets[tee->target_count++] =
                target_new(&tee->settings, &r->pools[i], &r->pools[i].receivers[k]);
}

static uint32_t offset_of(const struct pa_schema *schema, const char *name)
{
    for (uint32_t i = 0; i < schema->column_count; i++)
        if (strcmp(schema->columns[i].name, name) == 0)
            return schema->columns[i].offset;
    return 0;
}

static int read_receivers(const struct pa_host *host, struct tee_receivers **ret_receivers)
{
    struct text errors = {0};
    int err = tee_receivers_read(setting_text(host, "tee_receivers"), &errors, ret_receivers);
    char *rest = errors.len ? (char *)(uintptr_t)text_cstr(&errors) : NULL;

    for (char *line; rest && (line = strtok_r(rest, "\n", &rest)) != NULL;)
        host->log(host, PA_LOG_ERROR, "%s", line);
    text_clear(&errors);
    return err;
}

int tee_open(const struct pa_host *host, const struct pa_schema *schema, void **ret_state)
{
    struct tee *tee = mem_zalloc(sizeof *tee);
    char error[256];
    int err = read_settings(host, &tee->settings, error, sizeof error);

    *ret_state = tee;
    tee->host = host;
    tee->row_size = schema->row_size;
    tee->exporter_at = offset_of(schema, "exporter");
    tee->port_at = offset_of(schema, "port");
    tee->tag_at = offset_of(schema, "tag");
    tee->for_all_at = offset_of(schema, "for_all");
    tee->datagram_at = offset_of(schema, "datagram");
    if (err == 0)
        err = read_receivers(host, &tee->receivers);
    if (err < 0)
        return -EAGAIN;
    targets_make(tee);
    host->log(host, PA_LOG_INFO, "tee_receivers: %zu pools, %zu receivers",
              tee->receivers->pool_count, tee->target_count);
    return 0;
}

void tee_close(void *state)
{
    struct tee *tee = state;

    if (!tee)
        return;
    targets_free(tee);
    tee_receivers_free(tee->receivers);
    mem_free(tee);
}

int tee_reopen(void *state)
{
    struct tee *tee = state;
    struct tee_receivers *receivers = NULL;

    if (read_receivers(tee->host, &receivers) < 0) {
        tee->host->log(tee->host, PA_LOG_ERROR, "tee_receivers: the old ones stay in force");
        return 0;
    }
    targets_free(tee);
    tee_receivers_free(tee->receivers);
    tee->receivers = receivers;
    targets_make(tee);
    tee->host->log(tee->host, PA_LOG_NOTICE, "tee_receivers: read anew: %zu pools, %zu receivers",
                   receivers->pool_count, tee->target_count);
    return 0;
}

/* ---- datagrams ---- */

struct passed {
    struct ip_addr exporter;
    uint16_t port;
    uint64_t tag;
    bool is_for_all; /* templates and the like, parted from the flows that need them */
    struct pa_bytes payload;
};

static struct passed read_row(const struct tee *tee, const struct pa_batch *batch,
                              const uint8_t *row)
{
    struct passed d;
    uint32_t id;

    memcpy(&d.exporter, row + tee->exporter_at, sizeof d.exporter);
    memcpy(&d.port, row + tee->port_at, sizeof d.port);
    memcpy(&d.tag, row + tee->tag_at, sizeof d.tag);
    memcpy(&id, row + tee->datagram_at, sizeof id);
    d.is_for_all = row[tee->for_all_at] != 0;
    d.payload = batch->dictionary[id];
    return d;
}

/* Returns whether some pool took it. */
static bool pass_on(struct tee *tee, const struct passed *d)
{
    struct target **targets = tee->targets;
    bool is_taken = false;

    for (size_t i = 0; i < tee->receivers->pool_count; i++) {
        struct tee_pool *pool = &tee->receivers->pools[i];
        if (d->is_for_all || tee_pool_accepts(pool, d->tag)) {
            int chosen = d->is_for_all ? tee_pool_choose_for_all(pool, &d->exporter)
                                       : tee_pool_choose(pool, &d->exporter, d->tag);
            for (size_t k = 0; k < pool->receiver_count; k++)
                if (chosen < 0 || k == (size_t)chosen)
                    target_send(targets[k], &d->exporter, d->port, d->payload.data, d->payload.len);
            is_taken = true;
        }
        targets += pool->receiver_count;
    }
    return is_taken;
}

int tee_write(void *state, const struct pa_batch *batch)
{
    struct tee *tee = state;
    const uint8_t *row = batch->rows;

    for (uint32_t i = 0; i < batch->row_count; i++, row += tee->row_size) {
        struct passed d = read_row(tee, batch, row);
        tee->no_pool += !pass_on(tee, &d);
    }
    return 0;
}

int tee_commit(void *state, const struct pa_transaction *transaction)
{
    struct tee *tee = state;
    int64_t now_ns = clock_mono().ns;
    bool is_due = now_ns - tee->ticked_ns >= TICK_NS;

    (void)transaction;
    for (size_t i = 0; i < tee->target_count; i++) {
        target_flush(tee->targets[i]);
        if (is_due)
            target_tick(tee->targets[i]);
    }
    if (is_due)
        tee->ticked_ns = now_ns;
    if (tee->no_pool > 0)
        tee->host->count(tee->host, "no_pool", tee->no_pool);
    tee->no_pool = 0;
    return 0;
}

void tee_abort(void *state)
{
    struct tee *tee = state;

    for (size_t i = 0; i < tee->target_count; i++)
        target_forget(tee->targets[i]);
    tee->no_pool = 0;
}

/* ---- trial ---- */

int tee_try_out(const struct pa_host *host, const struct pa_schema *schema, char *error,
                size_t error_size)
{
    struct tee tee = {.host = host};
    int err = tee_check(host, schema, error, error_size);

    if (err < 0 || read_settings(host, &tee.settings, error, error_size) < 0 ||
        read_receivers(host, &tee.receivers) < 0)
        return -EINVAL;
    targets_make(&tee);
    for (size_t i = 0; i < tee.target_count; i++)
        if (target_trouble(tee.targets[i]))
            err = -EINVAL; /* it was logged */
    targets_free(&tee);
    tee_receivers_free(tee.receivers);
    return err;
}
