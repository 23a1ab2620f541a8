/* SPDX-License-Identifier: GPL-2.0-or-later */
#pragma once
/* These settings decide how rows become messages, whatever carries them: which rows share one, what it
 * looks like, where it goes. */
#include "plugins/common/choice.h"
#include "plugins/text/format.h"
#include <stdbool.h>
#include <stdint.h>

struct file_name;
struct row_filter;

/* All but avro are lines of text. */
#define MESSAGE_OUTPUTS(EACH)                                                                      \
    EACH(MESSAGE_OUTPUT_JSON, "json")                                                              \
    EACH(MESSAGE_OUTPUT_AVRO, "avro")                                                              \
    EACH(MESSAGE_OUTPUT_AVRO_JSON, "avro_json")

enum message_output { MESSAGE_OUTPUTS(CHOICE_ENUMERATOR) };

struct message_settings {
    enum message_output output;
    struct format_options options;
    struct file_name *destination;    /* a topic of Kafka, a routing key of AMQP */
    uint32_t destination_count;       /* messages go to so many in turn; 0: to the one */
    size_t destination_max;           /* most characters */
    const char *destination_replaces; /* characters of values that it may not have: they become
                                            '_' */
    struct file_name *key;            /* NULL: messages have no key */
    bool is_sliced;                   /* the key is a slice of the rows' keys (packer.h) */
    uint64_t bytes_max, rows_max;     /* of a message; a row that is larger goes alone */
    const char *avro_schema_file;     /* borrowed from the host; NULL: none */
    const char *avro_schema_file_key; /* the key that names it, for errors */
    struct row_filter *filter;        /* NULL: all rows pass */
};

/* Frees what it points to. */
void message_settings_clear(struct message_settings *settings);
