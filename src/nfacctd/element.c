/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rows of elements.def (RFC 7012) as an array. It is searched only while templates are
 * compiled. */
#include "nfacctd/element.h"

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
        return len == 4;
    case ELEMENT_IPV6:
        return len == 16;
    case ELEMENT_MAC:
        return len == 6;
    case ELEMENT_LABEL:
        return len == 3;
    case ELEMENT_RD:
    case ELEMENT_TIME_NTP_US:
    case ELEMENT_TIME_NTP_NS:
        return len == 8;
    case ELEMENT_TEXT:
    case ELEMENT_SEGMENT_LIST:
    case ELEMENT_FRAME_ETHERNET:
    case ELEMENT_FRAME_IP:
    case ELEMENT_FRAME_MPLS:
        return true;
    default:
        return len >= 1 && len <= 8;
    }
}
