/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shows rows in the forms of pmacct's client, which differ a little from those of its print plugin:
 * interfaces stand after the class, flows between packets and bytes in JSON too, times have 'T' and
 * an offset, and the fixed-width form takes values of any length.
 */
#include "base/memory.h"
#include "base/row_number.h"
#include "plugins/memory/query_private.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The columns that -a shows although the table does not have them. */
static const struct shown_column {
    const char *name, *title;
    uint8_t format;
    uint16_t place;
    const char *csv, *formatted;
} shown_columns[] = {
#define SHOWN_COLUMN(name, title, format, place, csv, formatted)                                   \
    {#name, title, PA_FORMAT_##format, place, csv, formatted},
#include "plugins/memory/all_columns.def"
#undef SHOWN_COLUMN
};
#define SHOWN_COUNT (sizeof shown_columns / sizeof shown_columns[0])

struct query_output {
    struct query_output_options options;
    struct pa_schema schema; /* the table's columns with the places that this client gives them */
    uint32_t own_count;      /* columns that the table has; those that it has not follow them */
    struct pa_column *columns;
    struct format *format; /* CSV and JSON */
    struct value_time *time;
    struct value *cells;
    const struct pa_column **cell_columns;
    /* Texts of columns that the table does not have; NULL: it has the column. */
    const char **blanks;
    uint32_t *widths;
    size_t cell_count;
    struct text scratch, cell;
};

/* ---- places ---- */

static struct pa_column *find_shown_column(struct query_output *o, const char *name)
{
    for (uint32_t i = 0; i < o->schema.column_count; i++)
        if (!strcmp(o->columns[i].name, name))
            return &o->columns[i];
    return NULL;
}

static void place_columns(struct query_output *o)
{
    /* Places of columns that differ: the class is in CSV place 40, the source MAC address in 50. */
    static const struct {
        const char *name;
        uint16_t csv_place;
    } moved[] = {{"in_iface", 42}, {"out_iface", 44}};
    struct pa_column *packets = find_shown_column(o, "packets"),
                     *flows = find_shown_column(o, "flows"), *bytes = find_shown_column(o, "bytes"),
                     *exported = find_shown_column(o, "timestamp_export"),
                     *sequence = find_shown_column(o, "export_proto_seqno");

    for (size_t i = 0; i < sizeof moved / sizeof moved[0]; i++) {
        struct pa_column *c = find_shown_column(o, moved[i].name);
        if (c)
            c->csv_place = moved[i].csv_place;
    }
    if (exported && sequence)
        exported->json_place = sequence->json_place - 1;
    if (packets)
        packets->json_place = UINT16_MAX - 2;
    if (flows)
        flows->json_place = UINT16_MAX - 1;
    if (bytes)
        bytes->json_place = UINT16_MAX;
}

/* Adds the columns that -a shows beside the table's own. */
static void add_missing_columns(struct query_output *o)
{
    o->columns =
        mem_realloc_array(o->columns, o->schema.column_count + SHOWN_COUNT, sizeof *o->columns);
    for (size_t i = 0; i < SHOWN_COUNT; i++) {
        const struct shown_column *s = &shown_columns[i];
        if (find_shown_column(o, s->name) || (o->options.form == QUERY_FORMATTED && !s->formatted))
            continue;
        o->columns[o->schema.column_count++] = (struct pa_column){
            .name = s->name, .csv_title = s->title, .format = s->format, .csv_place = s->place};
    }
    o->schema.columns = o->columns;
}

static const char *blank_of(const struct query_output *o, const struct pa_column *c)
{
    if (c < o->columns + o->own_count)
        return NULL;
    for (size_t i = 0; i < SHOWN_COUNT; i++)
        if (!strcmp(shown_columns[i].name, c->name))
            return o->options.form == QUERY_CSV ? shown_columns[i].csv : shown_columns[i].formatted;
    return "";
}

/* ---- fixed width ---- */

/* Returns the width of column and gap: the title or ten characters, and two, unless pmacct's client
 * has another. */
static uint32_t column_width(const struct pa_column *c)
{
    static const struct {
        const char *name;
        uint8_t width;
    } widths[] = {
        {"vlan", 7},
        {"cos", 4},
        {"etype", 7},
        {"local_pref", 9},
        {"med", 8},
        {"src_local_pref", 9},
        {"src_med", 8},
        {"src_mask", 10},
        {"dst_mask", 10},
        {"src_port", 10},
        {"dst_port", 10},
        {"tcpflags", 11},
        {"tos", 7},
        {"sampling_rate", 14},
        {"sampling_direction", 19},
        {"peer_src_as", 12},
        {"peer_dst_as", 12},
        {"nat_event", 10},
        {"packets", 22},
        {"flows", 22},
        {"bytes", 22},
    };
    uint32_t title = (uint32_t)strlen(c->csv_title) + 2, width;

    for (size_t i = 0; i < sizeof widths / sizeof widths[0]; i++)
        if (!strcmp(c->name, widths[i].name))
            return widths[i].width;
    switch (c->format) {
    case PA_FORMAT_IP:
        width = 47;
        break;
    case PA_FORMAT_MAC:
        width = 19;
        break;
    case PA_FORMAT_TIME:
        width = 31;
        break;
    case PA_FORMAT_CLASS:
        width = 18;
        break;
    case PA_FORMAT_RD:
        width = 20;
        break;
    case PA_FORMAT_COMMUNITIES:
    case PA_FORMAT_AS_PATH:
        width = 25;
        break;
    default:
        width = 12;
    }
    return title > width ? title : width;
}

/* Returns what the fixed-width form shows for an empty value, so that fields can be counted. */
static const char *stand_in(const struct pa_column *c)
{
    switch (c->format) {
    case PA_FORMAT_AS_PATH:
        return "^$";
    case PA_FORMAT_IP:
    case PA_FORMAT_COMMUNITIES:
        return "0";
    default:
        return "";
    }
}

/* Appends the gap between the cell that begins at `start` and the next. */
static void end_cell(const struct query_output *o, size_t cell, size_t start, struct text *out)
{
    size_t len = out->len - start, width = o->widths[cell], spaces = 1;
    bool is_last = cell + 1 == o->cell_count;

    if (o->options.form == QUERY_CSV) {
        if (!is_last)
            text_append_char(out, o->options.separator);
        return;
    }
    if (is_last && !o->options.is_event)
        return;
    if (len + 1 < width)
        spaces = width - len;
    text_reserve(out, spaces);
    memset(out->data + out->len, ' ', spaces);
    out->len += spaces;
}

/* ---- */

static int make_cells(struct query_output *o, const struct format_options *options)
{
    struct format_options all = *options;
    uint32_t count;
    int err = 0;

    o->cell_columns = format_sort(&o->schema, &all, true, &count);
    o->cells = mem_calloc((size_t)count + 1, sizeof *o->cells);
    o->blanks = mem_calloc((size_t)count + 1, sizeof *o->blanks);
    o->widths = mem_calloc((size_t)count + 1, sizeof *o->widths);
    for (uint32_t i = 0; i < count && err == 0; i++, o->cell_count++) {
        const struct pa_column *c = o->cell_columns[i];
        o->blanks[i] = blank_of(o, c);
        o->widths[i] = column_width(c);
        if (!o->blanks[i])
            err = value_init(&o->cells[i], c, &options->values, o->time);
    }
    return err;
}

int query_output_new(const struct query *q, const struct query_output_options *options,
                     struct query_output **ret_output)
{
    struct query_output *o = mem_zalloc(sizeof *o);
    struct format_options format = {
        .values = q->table.values,
        .time_style = options->time == QUERY_TIME_EPOCH ? VALUE_TIME_EPOCH : VALUE_TIME_RFC3339,
        .is_utc = options->is_utc,
        .is_event = options->is_event,
        .separator = options->separator ? options->separator : ',',
        .has_quotes = true};
    int err;

    format.values.has_numeric_protos |= options->has_numeric_protos;
    o->options = *options;
    o->schema = q->table.schema;
    o->schema.columns = o->columns =
        mem_dup(q->table.schema.columns, o->schema.column_count * sizeof *o->columns);
    o->own_count = o->schema.column_count;
    place_columns(o);
    if (options->has_all_columns && options->form != QUERY_JSON)
        add_missing_columns(o);
    o->time = mem_zalloc(sizeof *o->time);
    value_time_init(o->time, format.time_style, format.is_utc, false);
    err = make_cells(o, &format);
    if (err == 0 &&
        (options->form == QUERY_JSON || (options->form == QUERY_CSV && !options->has_all_columns)))
        err = format_new(options->form == QUERY_CSV ? &format_csv : &format_json, &o->schema,
                         &format, &o->format);
    if (err < 0) {
        query_output_free(o);
        return err;
    }
    *ret_output = o;
    return 0;
}

void query_output_free(struct query_output *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->cell_count; i++)
        value_clear(&o->cells[i]);
    mem_free(o->cells);
    mem_free(o->cell_columns);
    mem_free(o->blanks);
    mem_free(o->widths);
    mem_free(o->columns);
    mem_free(o->time);
    format_free(o->format);
    text_clear(&o->scratch);
    text_clear(&o->cell);
    mem_free(o);
}

void query_output_title(const struct query_output *o, struct text *out)
{
    if (o->options.form == QUERY_JSON)
        return;
    if (o->format) {
        format_append_title(o->format, out);
        return;
    }
    for (size_t i = 0; i < o->cell_count; i++) {
        size_t start = out->len;
        text_append_string(out, o->cell_columns[i]->csv_title);
        end_cell(o, i, start, out);
    }
    text_append_char(out, '\n');
}

void query_output_row(struct query_output *o, const struct pa_batch *batch, const uint8_t *row,
                      struct text *out)
{
    if (o->format) {
        format_append_row(o->format, batch, row, out);
        return;
    }
    for (size_t i = 0; i < o->cell_count; i++) {
        size_t start = out->len;
        if (o->options.form == QUERY_CSV) {
            text_reset(&o->cell);
            query_cell_append(o, i, batch, row, &o->cell);
            text_append_csv_string(out, o->cell.data, o->cell.len, o->options.separator);
        } else {
            query_cell_append(o, i, batch, row, out);
            if (out->len == start)
                text_append_string(out, stand_in(o->cell_columns[i]));
        }
        end_cell(o, i, start, out);
    }
    text_append_char(out, '\n');
}

size_t query_cell_count(const struct query_output *o)
{
    return o->cell_count;
}

const struct pa_column *query_cell_column(const struct query_output *o, size_t cell)
{
    return o->cell_columns[cell];
}

void query_cell_append(struct query_output *o, size_t cell, const struct pa_batch *batch,
                       const uint8_t *row, struct text *out)
{
    if (o->blanks[cell])
        text_append_string(out, o->blanks[cell]);
    else
        value_append_shown(&o->cells[cell], batch, row, &o->scratch, out);
}

uint64_t query_number(const struct pa_column *c, const uint8_t *row)
{
    return row_number_load(row + c->offset, c->width);
}
