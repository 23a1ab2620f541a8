/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of elements.def (RFC 7012) as an array. It is searched only while templates are
 * compiled. */
#include "nfacctd/element.h"

#include "base/hash.h"
#include "base/reader.h"

#define APPLICATION_SEED UINT64_C(0x95) /* the same key after a restart: names are kept */

const struct element elements[ELEMENT_ROW_COUNT] = {
#define ELEMENT(enterprise, id, name, member, type)                                                \
    {enterprise, id, FLOW_##member, ELEMENT_##type, #name},
#include "nfacctd/elements.def"
#undef ELEMENT
};

const struct element *element_find(uint32_t enterprise, uint16_t id)
{
    if (enterprise == ENTERPRISE_REVERSE)
        enterprise = 0;
    for (size_t i = 0; i < ELEMENT_ROW_COUNT; i++) {
        if (elements[i].id == id && elements[i].enterprise == enterprise)
            return &elements[i];
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
