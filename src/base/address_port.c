/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads an address with its port. See address_port.h. */
#include "base/address_port.h"
#include "base/text.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* 127.0.0.0/8 and ::1 (RFC 1122 section 3.2.1.3, RFC 4291 section 2.5.3). */
bool address_port_is_loopback(const struct address_port *address)
{
    const struct ip_addr *ip = &address->ip;
    static const uint8_t v6[16] = {[15] = 1};

    return ip->family == IP_V4 ? ip->bytes[12] == 127 : memcmp(ip->bytes, v6, sizeof v6) == 0;
}

/* Takes the two parts; both end within `value`. */
static bool split(const char *value, char *ip, size_t ip_size, const char **ret_port)
{
    const char *colon = strrchr(value, ':');
    bool has_brackets = value[0] == '[';
    size_t len;

    if (!colon || (has_brackets && (colon < value + 2 || colon[-1] != ']')))
        return false;
    len = (size_t)(colon - value) - (has_brackets ? 2 : 0);
    if (len >= ip_size || (!has_brackets && memchr(value, ':', len)))
        return false;
    memcpy(ip, value + has_brackets, len);
    ip[len] = '\0';
    *ret_port = colon + 1;
    return true;
}

int address_port_parse(const char *value, struct address_port *ret_address, struct text *error)
{
    char ip[IP_TEXT_LEN], *end;
    const char *port;

    if (split(value, ip, sizeof ip, &port) && ip_addr_parse(ip, &ret_address->ip) == 0) {
        unsigned long number = strtoul(port, &end, 10);
        if (port[0] >= '0' && port[0] <= '9' && *end == '\0' && number > 0 && number <= 65535) {
            ret_address->port = (uint16_t)number;
            return 0;
        }
    }
    text_append_string(error, "an address and a port, such as 127.0.0.1:9570 or [::1]:9570");
    return -EINVAL;
}
