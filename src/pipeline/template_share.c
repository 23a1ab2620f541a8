/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Puts messages of templates into packets of a raw socket. See template_share.h. */
#include "pipeline/template_share.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/packet.h"
#include "base/text.h"
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TELL_EVERY_NS (60 * NS_PER_S)
/* Where the system does not tell: what each link has at least (RFC 8200), and Ethernet's. */
#define MTU_V6 1280
#define MTU_V4 1500

enum { MESSAGE_MAX = 65536 };

const struct share_outcome_info template_outcomes[TEMPLATE_OUTCOME_COUNT] = {
#define TEMPLATE_OUTCOME(name, key, what, remedy) {key, what, remedy},
#include "pipeline/template_outcomes.def"
};

static int check_receiver(const char *value, struct text *error)
{
    struct address_port to;
    struct text ignored = {0};
    int err = address_port_parse(value, &to, &ignored);

    text_clear(&ignored);
    if (err < 0)
        text_append_string(error, "ADDRESS:PORT or [IPV6]:PORT of another collector");
    return err;
}

const struct config_key template_share_keys[] = {
    {"NETFLOW_templates_receiver", KEY_STRING_AT(struct template_share_settings, receiver),
     .check = check_receiver,
     .help = "send all templates that arrive to this collector too, ADDRESS:PORT, with the "
             "exporter's address as source; needs CAP_NET_RAW at the start"},
    {"NETFLOW_templates_port", KEY_INT_AT(struct template_share_settings, listen_port, 0, 65535),
     "0", .help = "UDP port to receive other collectors' templates on; 0: none"},
    {0},
};

void template_share_settings_finish(struct template_share_settings *settings)
{
    struct text ignored = {0};

    if (settings->receiver && address_port_parse(settings->receiver, &settings->to, &ignored) < 0)
        settings->receiver = NULL; /* its check has told */
    text_clear(&ignored);
    settings->raw_fd = -1;
}

struct template_share {
    const struct template_share_settings *settings;
    const struct decoder_ops *decoder;
    struct counter *counts;
    struct sockaddr_storage
        to; /* its port is 0: of IPv6 a raw socket takes it for a protocol (raw(7)) */
    socklen_t to_len;
    int mtu_fd; /* a socket that is connected to the receiver, which tells the MTU; -1: none yet */
    size_t mtu;
    uint32_t fragment_id;
    uint64_t told[TEMPLATE_OUTCOME_COUNT];
    int64_t told_ns; /* when drops were logged last; 0: never */
    uint8_t message[MESSAGE_MAX];
};

static void look_at_mtu(struct template_share *s)
{
    const struct address_port *to = &s->settings->to;
    bool is_v6 = to->ip.family == IP_V6;
    struct sockaddr_storage address;
    socklen_t address_len = ip_addr_to_sockaddr(&to->ip, to->port, &address);
    int mtu = 0;
    socklen_t len = sizeof mtu;

    s->mtu = is_v6 ? MTU_V6 : MTU_V4;
    if (s->mtu_fd < 0)
        s->mtu_fd = socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->mtu_fd >= 0 && connect(s->mtu_fd, (struct sockaddr *)&address, address_len) == 0 &&
        getsockopt(s->mtu_fd, is_v6 ? IPPROTO_IPV6 : IPPROTO_IP, is_v6 ? IPV6_MTU : IP_MTU, &mtu,
                   &len) == 0 &&
        mtu > 0)
        s->mtu = (size_t)mtu;
}

struct template_share *template_share_new(const struct template_share_settings *settings,
                                          const struct decoder_ops *decoder, struct counter *counts)
{
    struct template_share *s;

    if (!settings->receiver || !decoder->next_templates)
        return NULL;
    s = mem_zalloc(sizeof *s);
    s->settings = settings;
    s->decoder = decoder;
    s->counts = counts;
    s->mtu_fd = -1;
    s->fragment_id = (uint32_t)clock_wall().ns; /* not those of the daemon before */
    s->to_len = ip_addr_to_sockaddr(&settings->to.ip, 0, &s->to);
    look_at_mtu(s);
    return s;
}

void template_share_free(struct template_share *s)
{
    if (!s)
        return;
    if (s->mtu_fd >= 0)
        close(s->mtu_fd);
    mem_free(s);
}

/* ---- sending ---- */

static int send_packet(struct template_share *s, struct iovec parts[2])
{
    struct msghdr message = {
        .msg_name = &s->to, .msg_namelen = s->to_len, .msg_iov = parts, .msg_iovlen = 2};

    while (sendmsg(s->settings->raw_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        if (errno != EINTR)
            return -errno;
    return 0;
}

static int send_whole(struct template_share *s, const struct packet_ends *ends, size_t len)
{
    uint8_t header[PACKET_HEADER_MAX];
    int header_len = packet_write_header(ends, s->message, len, header);
    struct iovec parts[] = {{header, (size_t)header_len}, {s->message, len}};

    return header_len < 0 ? header_len : send_packet(s, parts);
}

static int send_fragments(struct template_share *s, const struct packet_ends *ends, size_t len)
{
    int from = 0;

    s->fragment_id++;
    do {
        struct packet_fragment f;
        from =
            packet_make_fragment(ends, s->message, len, s->mtu, s->fragment_id, (size_t)from, &f);
        if (from < 0)
            return from;
        struct iovec parts[] = {{f.header, f.header_len},
                                {s->message + f.payload_from, f.payload_len}};
        int err = send_packet(s, parts);
        if (err < 0)
            return err;
    } while (from > 0);
    return 0;
}

static int send_message(struct template_share *s, const struct packet_ends *ends, size_t len)
{
    return len > packet_payload_max(ends->source.family, s->mtu) ? send_fragments(s, ends, len)
                                                                 : send_whole(s, ends, len);
}

static enum share_outcome outcome_of(int err)
{
    return err == 0                            ? TEMPLATE_SENT
           : err == -EAGAIN || err == -ENOBUFS ? TEMPLATE_BUFFER
           : err == -EMSGSIZE                  ? TEMPLATE_TOO_LONG
                                               : TEMPLATE_UNREACHABLE;
}

void template_share_offer(struct template_share *s, const struct datagram *datagram)
{
    const struct address_port *to = &s->settings->to;
    const struct packet_ends ends = {.source = datagram->source,
                                     .destination = to->ip,
                                     .source_port = datagram->source_port,
                                     .destination_port = to->port};
    size_t offset = 0, len;

    while ((len = s->decoder->next_templates(datagram, &offset, s->message)) > 0) {
        enum share_outcome outcome = TEMPLATE_FAMILY;
        if (datagram->source.family == to->ip.family) {
            int err = send_message(s, &ends, len);
            if (err == -EMSGSIZE) { /* the MTU may have become less */
                look_at_mtu(s);
                err = send_message(s, &ends, len);
            }
            outcome = outcome_of(err);
        }
        counter_add(&s->counts[outcome], 1);
        if (outcome != TEMPLATE_SENT && s->told_ns == 0) /* the next may be long in coming */
            template_share_tick(s, clock_mono().ns);
    }
}

void template_share_tick(struct template_share *s, int64_t now_ns)
{
    bool has_told = false;

    if (s->told_ns != 0 && now_ns - s->told_ns < TELL_EVERY_NS)
        return;
    for (int i = TEMPLATE_SENT + 1; i < TEMPLATE_OUTCOME_COUNT; i++) {
        uint64_t count = counter_get(&s->counts[i]), news = count - s->told[i];
        if (news == 0)
            continue;
        log_warning(
            "nfacctd_templates_receiver: %s: %" PRIu64 " messages of templates dropped: %s; %s",
            s->settings->receiver, news, template_outcomes[i].what, template_outcomes[i].remedy);
        s->told[i] = count;
        has_told = true;
    }
    if (has_told)
        s->told_ns = now_ns;
}
