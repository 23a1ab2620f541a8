/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Encodes and decodes field by field; what is decoded is checked, and copied. */
#include "handover/setup.h"

#include "handover/encoding.h"
#include "handover/host_message.h"

#include <errno.h>

#define SETTINGS_MAX 4096u

static void encode_flag(struct text *out, bool flag)
{
    encode_u8(out, flag);
}

static bool decode_flag(struct reader *r)
{
    uint8_t flag = reader_u8(r);
    if (flag > 1)
        r->failed = true;
    return flag == 1;
}

static char *decode_required(struct reader *r)
{
    char *string = decode_string(r);
    if (string == NULL)
        r->failed = true;
    return string;
}

int setup_encode(const struct setup *setup, const struct schema *schema, struct text *out)
{
    encode_flag(out, setup->is_check);
    encode_flag(out, setup->is_trial);
    encode_flag(out, setup->is_replay);
    encode_flag(out, setup->is_tolerant);
    encode_flag(out, setup->debug);
    text_append(out, setup->core_id, sizeof setup->core_id);
    encode_u32(out, setup->lane_count);
    encode_u8(out, setup->last_signal);
    encode_string(out, setup->daemon_name);
    encode_string(out, setup->instance_name);
    encode_string(out, setup->plugin_name);
    encode_string(out, setup->plugin_dir);
    encode_string(out, setup->lock_path);
    encode_string(out, setup->spool_dir);
    encode_u64(out, setup->spool_size);
    encode_u32(out, setup->shutdown_timeout_s);
    encode_u32(out, setup->timeout_s);
    encode_u32(out, setup->spool_only_s);
    encode_flag(out, setup->has_raw_v4);
    encode_flag(out, setup->has_raw_v6);
    encode_u32(out, setup->setting_count);
    for (uint32_t i = 0; i < setup->setting_count; i++) {
        encode_string(out, setup->settings[i].key);
        encode_string(out, setup->settings[i].value);
        encode_u64(out, (uint64_t)setup->settings[i].number);
    }
    schema_encode(schema, out);
    return out->len <= HOST_MESSAGE_BODY_MAX ? 0 : -EMSGSIZE;
}

int setup_decode(const void *data, size_t len, struct setup **ret_setup, struct schema **ret_schema)
{
    struct reader r = reader_make(data, len);
    struct setup *setup = mem_zalloc(sizeof *setup);

    setup->is_check = decode_flag(&r);
    setup->is_trial = decode_flag(&r);
    setup->is_replay = decode_flag(&r);
    setup->is_tolerant = decode_flag(&r);
    setup->debug = decode_flag(&r);
    const uint8_t *core_id = reader_bytes(&r, sizeof setup->core_id);
    if (core_id != NULL)
        memcpy(setup->core_id, core_id, sizeof setup->core_id);
    setup->lane_count = reader_u32(&r);
    setup->last_signal = reader_u8(&r);
    setup->daemon_name = decode_required(&r);
    setup->instance_name = decode_required(&r);
    setup->plugin_name = decode_required(&r);
    setup->plugin_dir = decode_required(&r);
    setup->lock_path = decode_string(&r);
    setup->spool_dir = decode_string(&r);
    setup->spool_size = reader_u64(&r);
    setup->shutdown_timeout_s = reader_u32(&r);
    setup->timeout_s = reader_u32(&r);
    setup->spool_only_s = reader_u32(&r);
    setup->has_raw_v4 = decode_flag(&r);
    setup->has_raw_v6 = decode_flag(&r);
    uint32_t count = reader_u32(&r);
    if (r.failed || count > SETTINGS_MAX)
        goto fail;
    setup->settings = mem_calloc(count > 0 ? count : 1, sizeof *setup->settings);
    while (setup->setting_count < count && !r.failed) {
        struct setup_setting *s = &setup->settings[setup->setting_count++];
        s->key = decode_required(&r);
        s->value = decode_string(&r);
        s->number = (int64_t)reader_u64(&r);
    }
    if (r.failed || schema_decode(r.pos, reader_left(&r), ret_schema) < 0)
        goto fail;
    *ret_setup = setup;
    return 0;
fail:
    setup_free(setup);
    return -EBADMSG;
}

static void string_free(const char *string)
{
    mem_free((void *)(uintptr_t)string);
}

void setup_free(struct setup *setup)
{
    if (setup == NULL)
        return;
    string_free(setup->daemon_name);
    string_free(setup->instance_name);
    string_free(setup->plugin_name);
    string_free(setup->plugin_dir);
    string_free(setup->lock_path);
    string_free(setup->spool_dir);
    for (uint32_t i = 0; i < setup->setting_count; i++) {
        string_free(setup->settings[i].key);
        string_free(setup->settings[i].value);
    }
    mem_free(setup->settings);
    mem_free(setup);
}

void host_state_encode(const struct host_state *state, struct text *out)
{
    encode_flag(out, state->is_open);
    encode_flag(out, state->is_failing);
    encode_flag(out, state->is_spool_full);
    encode_flag(out, state->is_finished);
    encode_u32(out, state->thread);
    encode_u64(out, state->commits);
    encode_u64(out, state->spooled_count);
    encode_u64(out, state->spooled_flows);
    encode_u64(out, state->kept_count);
    encode_u64(out, state->spooled_bytes);
    encode_u64(out, (uint64_t)state->spooled_since_ns);
    encode_u64(out, state->failures);
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        encode_u64(out, state->commit_time.buckets[i]);
    encode_u64(out, state->commit_time.sum_ns);
}

int host_state_decode(const void *data, size_t len, struct host_state *ret_state)
{
    struct reader r = reader_make(data, len);
    struct host_state state = {0};
    state.is_open = decode_flag(&r);
    state.is_failing = decode_flag(&r);
    state.is_spool_full = decode_flag(&r);
    state.is_finished = decode_flag(&r);
    state.thread = reader_u32(&r);
    state.commits = reader_u64(&r);
    state.spooled_count = reader_u64(&r);
    state.spooled_flows = reader_u64(&r);
    state.kept_count = reader_u64(&r);
    state.spooled_bytes = reader_u64(&r);
    state.spooled_since_ns = (int64_t)reader_u64(&r);
    state.failures = reader_u64(&r);
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        state.commit_time.buckets[i] = reader_u64(&r);
    state.commit_time.sum_ns = reader_u64(&r);
    if (r.failed || reader_left(&r) > 0)
        return -EBADMSG;
    *ret_state = state;
    return 0;
}
