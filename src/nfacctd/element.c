/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of elements.def (RFC 7012) as an array, and lists of those that belong together. They are
 * searched only while templates are compiled. */
#include "nfacctd/element.h"

#include <pthread.h>

#include "base/hash.h"
#include "base/reader.h"

#define APPLICATION_SEED UINT64_C(0x95) /* the same key after a restart: names are kept */

const struct element elements[ELEMENT_ROW_COUNT] = {
#define ELEMENT(enterprise, id, name, member, type)                                                \
    {enterprise, id, FLOW_##member, ELEMENT_##type, #name},
#include "nfacctd/elements.def"
#undef ELEMENT
};

static struct element_lists lists;

static void put_first(uint16_t *first, uint16_t *next, uint16_t row)
{
    next[row] = *first;
    *first = row;
}

static void lists_make(void)
{
    for (size_t m = 0; m < FLOW_MEMBER_COUNT; m++)
        lists.first_of_member[m] = ELEMENT_ROW_COUNT;
    for (size_t i = 0; i < ELEMENT_ID_LISTS; i++)
        lists.first_of_id[i] = ELEMENT_ROW_COUNT;
    lists.first_frame = ELEMENT_ROW_COUNT;
    for (uint16_t row = ELEMENT_ROW_COUNT; row-- > 0;) {
        const struct element *e = &elements[row];
        put_first(&lists.first_of_member[e->member], lists.next_of_member, row);
        put_first(&lists.first_of_id[e->id % ELEMENT_ID_LISTS], lists.next_of_id, row);
        if (element_type_is_frame(e->type))
            put_first(&lists.first_frame, lists.next_frame, row);
    }
}

const struct element_lists *element_lists(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, lists_make);
    return &lists;
}

const struct element *element_find(uint32_t enterprise, uint16_t id)
{
    const struct element_lists *l = element_lists();

    if (enterprise == ENTERPRISE_REVERSE)
        enterprise = 0;
    for (uint16_t row = l->first_of_id[id % ELEMENT_ID_LISTS]; row < ELEMENT_ROW_COUNT;
         row = l->next_of_id[row]) {
        if (elements[row].id == id && elements[row].enterprise == enterprise)
            return &elements[row];
    }
    return NULL;
}

bool element_type_fits(enum element_type type, size_t len)
{
    switch (type) {
    case ELEMENT_IPV4:
    case ELEMENT_IPV6:
    case ELEMENT_IPV4_BY_LEN:
    case ELEMENT_IPV6_BY_LEN:
        return len == 4 || len == 16;
    case ELEMENT_MAC:
        return len == 6;
    case ELEMENT_LABEL:
        return len == 3 || len == 4;
    case ELEMENT_RD:
        return len == 8;
    case ELEMENT_TIME_S: /* as many bytes as an instant of today takes */
        return len >= 4;
    case ELEMENT_TIME_MS:
    case ELEMENT_SYSTEM_INIT:
        return len >= 6;
    case ELEMENT_TIME_NTP_US:
    case ELEMENT_TIME_NTP_NS:
        return len == 8 || len == 16;
    case ELEMENT_TEXT:
    case ELEMENT_SEGMENT_LIST:
    case ELEMENT_FRAME_ETHERNET:
    case ELEMENT_FRAME_IP:
    case ELEMENT_FRAME_MPLS:
        return true;
    default:
        return len >= 1;
    }
}

bool template_field_is_misfit(const struct template_field *field)
{
    const struct element *element = element_find(field->enterprise, field->id);

    return element && field->len != 0 && field->len != FIELD_LEN_VARIABLE &&
           !element_type_fits(element->type, field->len);
}

bool template_field_may_misfit(const struct template_field *field)
{
    const struct element *element =
        field->len == FIELD_LEN_VARIABLE ? element_find(field->enterprise, field->id) : NULL;

    return element && !element_type_fits(element->type, 1);
}

static bool is_number(enum element_type type)
{
    switch (type) {
    case ELEMENT_UINT:
    case ELEMENT_UINT_V4:
    case ELEMENT_UINT_V6:
    case ELEMENT_UINT_RESPONDER:
    case ELEMENT_TCP_FLAGS:
    case ELEMENT_TIME_S:
    case ELEMENT_TIME_MS:
    case ELEMENT_TIME_UPTIME:
    case ELEMENT_TIME_DELTA_US:
    case ELEMENT_SYSTEM_INIT:
    case ELEMENT_FLOW_ID:
    case ELEMENT_ICMP:
    case ELEMENT_SEGMENT_ID:
        return true;
    default:
        return false;
    }
}

bool template_field_is_large(const struct template_field *field)
{
    const struct element *element =
        field->len > sizeof(uint64_t) ? element_find(field->enterprise, field->id) : NULL;

    return element && is_number(element->type);
}

enum element_type element_type_as_read(enum element_type type, size_t len)
{
    if (type == ELEMENT_IPV4 && len != 4)
        return ELEMENT_IPV4_BY_LEN;
    return type == ELEMENT_IPV6 && len != 16 ? ELEMENT_IPV6_BY_LEN : type;
}

struct ip_addr element_ipv4_in_16(const uint8_t *value)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    static const uint8_t zeros[12];
    bool is_v4 =
        memcmp(value, mapped, sizeof mapped) == 0 || memcmp(value, zeros, sizeof zeros) == 0;

    return is_v4 ? ip_addr_v4(value + sizeof mapped) : ip_addr_v6(value);
}

bool element_uint_is_large(const uint8_t *value, size_t len)
{
    for (size_t i = 0; i + sizeof(uint64_t) < len; i++) {
        if (value[i] != 0)
            return true;
    }
    return false;
}

uint64_t element_uint(const uint8_t *value, size_t len)
{
    return element_uint_is_large(value, len) ? 0 : wire_uint(value, len);
}

uint64_t element_application_key(const uint8_t *value, size_t len)
{
    return element_uint_is_large(value, len) ? hash_bytes(value, len, APPLICATION_SEED)
                                             : wire_uint(value, len);
}
