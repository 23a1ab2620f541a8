/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of protocols' names. */
#include "base/protocol_name.h"

#include <string.h>
#include <strings.h>

#define NAME(text)                                                                                 \
    {                                                                                              \
        (text), sizeof(text) - 1                                                                   \
    }
const struct protocol_name protocol_names[256] = {
    [1] = NAME("icmp"),       [2] = NAME("igmp"),        [3] = NAME("ggp"),
    [4] = NAME("ipencap"),    [6] = NAME("tcp"),         [8] = NAME("egp"),
    [9] = NAME("igp"),        [17] = NAME("udp"),        [18] = NAME("mux"),
    [41] = NAME("ipv6"),      [43] = NAME("ipv6-route"), [44] = NAME("ipv6-frag"),
    [46] = NAME("rsvp"),      [47] = NAME("gre"),        [50] = NAME("esp"),
    [51] = NAME("ah"),        [55] = NAME("mobile"),     [56] = NAME("tlsp"),
    [58] = NAME("ipv6-icmp"), [59] = NAME("ipv6-nonxt"), [60] = NAME("ipv6-opts"),
    [80] = NAME("iso-ip"),    [83] = NAME("vines"),      [88] = NAME("eigrp"),
    [89] = NAME("ospf"),      [91] = NAME("larp"),       [93] = NAME("ax.25"),
    [94] = NAME("ipip"),      [98] = NAME("encap"),      [102] = NAME("pnni"),
    [103] = NAME("pim"),      [108] = NAME("IPcomp"),    [111] = NAME("ipx-in-ip"),
    [112] = NAME("vrrp"),     [115] = NAME("l2tp"),      [124] = NAME("isis"),
    [132] = NAME("sctp"),     [133] = NAME("fc"),
};

int protocol_number(const char *name)
{
    size_t len = strlen(name);

    for (int i = 0; len > 0 && i < 256; i++)
        if (protocol_names[i].len == len && strncasecmp(protocol_names[i].text, name, len) == 0)
            return i;
    return -1;
}
