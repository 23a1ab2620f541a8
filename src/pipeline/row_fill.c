/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fills rows column by column over a whole batch: the switch over widths is left once per column
 * and not once per value, and nothing is read so soon after it was written in other pieces that the
 * processor has to wait for its own stores (the hash reads words, the columns have 17, 4 and 1
 * bytes).
 */
#include "pipeline/row_fill.h"
#include "base/clock.h"
#include "base/row_number.h"

#define EACH_ROW for (uint32_t i = 0; i < count; i++, to += row_size)

#define COPY_LOOP(len) EACH_ROW memcpy(to, (const uint8_t *)flows[i] + from, len)

static void fill_column(const struct copy_op *op, const struct flow *const *flows, uint32_t count,
                        uint8_t *rows, uint32_t row_size)
{
    const uint32_t from = op->flow_offset;
    uint8_t *to = rows + op->row_offset;

    switch (op->len) { /* of known length: moves instead of calls */
    case 1:
        COPY_LOOP(1);
        break;
    case 2:
        COPY_LOOP(2);
        break;
    case 4:
        COPY_LOOP(4);
        break;
    case 8:
        COPY_LOOP(8);
        break;
    case 16:
        COPY_LOOP(16);
        break;
    case 24:
        COPY_LOOP(24);
        break;
    case 2 * sizeof(struct ip_addr):
        COPY_LOOP(2 * sizeof(struct ip_addr));
        break;
    case sizeof(struct ip_addr):
        COPY_LOOP(sizeof(struct ip_addr));
        break;
    default:
        COPY_LOOP(op->len);
        break;
    }
}

static void fill_bins(const int64_t *bins, uint32_t count, uint8_t *to, uint32_t row_size)
{
    EACH_ROW memcpy(to, &bins[i], sizeof bins[i]);
}

/* Clears the word that ends in padding. The columns come afterwards and cover all of it that is
 * not padding. */
static void fill_zero(uint32_t count, uint8_t *to, uint32_t row_size)
{
    EACH_ROW memset(to, 0, sizeof(uint64_t));
}

static void cut_to_seconds(uint32_t count, uint8_t *to, uint32_t row_size)
{
    EACH_ROW
    {
        int64_t ns;
        memcpy(&ns, to, sizeof ns);
        ns -= ns % NS_PER_S;
        memcpy(to, &ns, sizeof ns);
    }
}

/* Makes the arrival of each record a microsecond later than that of the one before it in its
 * datagram: as if the clock had been read for each, and the same in every replay. */
static void tell_records_apart(const struct flow *const *flows, uint32_t count, uint8_t *to,
                               uint32_t row_size)
{
    EACH_ROW
    {
        int64_t ns;
        memcpy(&ns, to, sizeof ns);
        ns += (int64_t)flow_record_index(flows[i]) * NS_PER_US;
        memcpy(to, &ns, sizeof ns);
    }
}

/* Clears the two bits of ECN (RFC 3168 section 5). */
static void cut_to_dscp(uint32_t count, uint8_t *to, uint32_t row_size)
{
    EACH_ROW *to &= 0xfc;
}

void row_fill(const struct aggregate_plan *plan, const struct flow *const *flows,
              const int64_t *bins, uint32_t count, uint8_t *rows)
{
    const uint32_t row_size = plan->view->row_size;

    if (plan->has_pad)
        fill_zero(count, rows + plan->pad_offset, row_size);
    if (plan->has_bins)
        fill_bins(bins, count, rows + plan->view->bin_offset, row_size);
    for (uint32_t i = 0; i < plan->copy_count; i++)
        fill_column(&plan->copies[i], flows, count, rows, row_size);
    for (uint32_t i = 0; i < plan->second_count; i++)
        cut_to_seconds(count, rows + plan->seconds[i], row_size);
    for (uint32_t i = 0; i < plan->arrival_count; i++)
        tell_records_apart(flows, count, rows + plan->arrivals[i], row_size);
    for (uint32_t i = 0; i < plan->tos_count; i++)
        cut_to_dscp(count, rows + plan->tos[i], row_size);
}

void row_fill_other_ends(const struct aggregate_plan *plan, const struct flow *const *flows,
                         uint32_t first, uint32_t count, uint8_t *rows)
{
    const struct pa_schema *view = plan->view;

    for (uint32_t i = 0; i < count; i++) {
        uint8_t *row = rows + (size_t)i * view->row_size;
        bool is_other = (first + i) % 2 != 0;
        if (is_other)
            memcpy(row + plan->other_end.row_offset,
                   (const uint8_t *)flows[i] + plan->other_end.flow_offset, plan->other_end.len);
        if (view->order_offset >= 0) {
            uint64_t order = 2 * word_load(row + view->order_offset) + is_other;
            memcpy(row + view->order_offset, &order, sizeof order);
        }
    }
}

static void squeeze_ports(const struct value_list *list, uint32_t count, uint8_t *to,
                          uint32_t row_size)
{
    EACH_ROW
    {
        uint16_t port;
        memcpy(&port, to, sizeof port);
        port = value_list_has(list, port) ? port : 0;
        memcpy(to, &port, sizeof port);
    }
}

static void squeeze_octets(const struct value_list *list, unsigned shift, uint32_t count,
                           uint8_t *to, uint32_t row_size)
{
    EACH_ROW *to = value_list_has(list, *to >> shift) ? *to : UINT8_MAX;
}

void row_squeeze(const struct aggregate_plan *plan, const struct value_list *const *lists,
                 uint32_t count, uint8_t *rows)
{
    for (uint32_t i = 0; i < plan->squeeze_count; i++) {
        const struct squeeze_op *op = &plan->squeezes[i];
        const struct value_list *list = lists[op->kind];
        if (list && op->kind == VALUE_LIST_PORTS)
            squeeze_ports(list, count, rows + op->row_offset, plan->view->row_size);
        else if (list)
            squeeze_octets(list, op->shift, count, rows + op->row_offset, plan->view->row_size);
    }
}

void row_combine_counter(const struct counter_op *op, uint8_t *row, const uint8_t *more)
{
    row_number_add(row + op->row_offset, op->width, op->combine, more + op->row_offset);
}
