/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of address families (IANA: Address Family Numbers; SAFI Namespace). */
#include "bgp/address_family.h"

const struct address_family_info address_families[FAMILY_COUNT] = {
    [FAMILY_IPV4_UNICAST] = {AFI_IPV4, SAFI_UNICAST, IP_V4, 32, false, false, RIB_IPV4, RIB_UNICAST,
                             "ipv4-unicast"},
    [FAMILY_IPV6_UNICAST] = {AFI_IPV6, SAFI_UNICAST, IP_V6, 128, false, false, RIB_IPV6,
                             RIB_UNICAST, "ipv6-unicast"},
    [FAMILY_IPV4_LABELLED] = {AFI_IPV4, SAFI_LABELLED, IP_V4, 32, true, false, RIB_IPV4,
                              RIB_LABELLED, "ipv4-labelled"},
    [FAMILY_IPV6_LABELLED] = {AFI_IPV6, SAFI_LABELLED, IP_V6, 128, true, false, RIB_IPV6,
                              RIB_LABELLED, "ipv6-labelled"},
    [FAMILY_IPV4_VPN] = {AFI_IPV4, SAFI_VPN, IP_V4, 32, true, true, RIB_IPV4, RIB_VPN, "vpnv4"},
    [FAMILY_IPV6_VPN] = {AFI_IPV6, SAFI_VPN, IP_V6, 128, true, true, RIB_IPV6, RIB_VPN, "vpnv6"},
};

int address_family_find(uint16_t afi, uint8_t safi)
{
    for (int i = 0; i < FAMILY_COUNT; i++) {
        if (address_families[i].afi == afi && address_families[i].safi == safi)
            return i;
    }
    return -1;
}

const struct address_family_info *address_family_of(enum rib_safi safi, enum rib_family family)
{
    int i = 0;

    while (address_families[i].rib_safi != safi || address_families[i].rib_family != family)
        i++;
    return &address_families[i];
}
