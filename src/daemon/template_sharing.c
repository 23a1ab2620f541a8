/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Checks, opens and stores what sharing of templates needs. See template_sharing.h. */
#include "daemon/template_sharing.h"
#include "base/log.h"
#include "daemon/daemon_private.h"
#include "input/kept_sockets.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define RECEIVER_KEY "nfacctd_templates_receiver"
#define PORT_KEY     "nfacctd_templates_port"
/* Before the number in the name that the manager has for the socket. */
#define STORED_AS "nfacctd_templates"

/* True if a socket can be bound to it. */
static bool is_of_this_machine(const struct ip_addr *ip)
{
    struct sockaddr_storage sa;
    socklen_t len = ip_addr_to_sockaddr(ip, 0, &sa);
    int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_bound = fd >= 0 && bind(fd, (struct sockaddr *)&sa, len) == 0;

    if (fd >= 0)
        close(fd);
    return is_bound;
}

/* True if the flow sockets would get what is sent to the receiver. */
static bool is_own_port(const struct daemon *d)
{
    const struct address_port *to = &d->crew.templates.to;
    struct ip_addr own;

    if (to->port != d->udp.port || !is_of_this_machine(&to->ip))
        return false;
    return !d->udp.listen_ip || ip_addr_parse(d->udp.listen_ip, &own) < 0 ||
           ip_addr_is_zero(&own) || ip_addr_equal(&own, &to->ip);
}

int template_sharing_check(struct daemon *d, struct text *errors)
{
    struct template_share_settings *s = &d->crew.templates;
    int err = 0;

    template_share_settings_finish(s);
    if (s->receiver && d->crew.replay.path) {
        text_append_printf(&d->notices,
                           "%s: " RECEIVER_KEY ": templates of a capture file are not sent on\n",
                           config_place(d->config, RECEIVER_KEY, CONFIG_GLOBAL));
        s->receiver = NULL;
    }
    if (s->receiver && is_own_port(d)) {
        text_append_printf(errors,
                           "%s: " RECEIVER_KEY
                           ": %s is this daemon's own port: each template would "
                           "come back without end; name another collector's " PORT_KEY "\n",
                           config_place(d->config, RECEIVER_KEY, CONFIG_GLOBAL), s->receiver);
        err = -EINVAL;
    }
    if (s->listen_port > 0 && s->listen_port == d->udp.port) {
        text_append_printf(errors,
                           "%s: " PORT_KEY ": %u is the port for exports; choose another one\n",
                           config_place(d->config, PORT_KEY, CONFIG_GLOBAL), s->listen_port);
        err = -EINVAL;
    }
    d->sharing.udp = d->udp;
    d->sharing.udp.stored_as = STORED_AS;
    d->sharing.udp.port = s->listen_port;
    d->sharing.udp.worker_count = 1;
    d->sharing.udp.multicast_groups = NULL;
    d->sharing.udp.receive_buffer = 0; /* what is usually enough */
    return err;
}

int template_sharing_open(struct daemon *d, struct passed_sockets *passed, struct text *errors)
{
    struct template_sharing *s = &d->sharing;
    bool is_wanted = d->crew.templates.listen_port > 0 && !d->crew.replay.path;
    struct kept_sockets kept;
    int err = 0;

    THREAD_ASSERT(main_thread);
    passed_sockets_part(passed, STORED_AS ".", &s->passed);
    kept_sockets_take(is_wanted ? &s->udp : NULL, &s->passed, &kept);
    if (is_wanted) {
        bool is_kept = kept.count > 0 && kept.is_same_group;
        err = udp_receivers_open(&s->udp, &kept, errors, &s->receiver);
        s->is_open = err == 0;
        s->is_stored = s->is_open && is_kept;
    }
    if (s->is_open)
        s->fd = udp_receiver_fd(s->receiver);
    for (uint32_t i = 0; err == 0 && i < kept.count; i++) /* one is enough */
        close(kept.fds[i]);
    kept_sockets_clear(&kept);
    return err;
}

int template_sharing_give(struct daemon *d)
{
    struct udp_receiver *receiver = d->sharing.receiver;

    THREAD_ASSERT(main_thread);
    d->sharing.receiver = NULL;
    return receiver ? worker_set_template_receiver(d->crew.workers[0], receiver) : 0;
}

void template_sharing_store(struct daemon *d)
{
    struct template_sharing *s = &d->sharing;
    const struct service *service = &d->watchdog.service;
    char name[SERVICE_NAME_LEN];

    THREAD_ASSERT(main_thread);
    if (s->is_stored || service->fd < 0)
        return;
    for (size_t i = s->passed.count; i-- > 0;)
        service_unstore(service, s->passed.items[i].name);
    if (!s->is_open)
        return;
    kept_socket_name(&s->udp, 0, name);
    int err = service_store(service, s->fd, name);
    if (err < 0)
        log_warning("the service manager does not take the socket of " PORT_KEY
                    " (%s): templates that are sent during a restart will be lost",
                    strerror(-err));
    s->is_stored = err == 0;
}

void template_sharing_say(const struct daemon *d)
{
    const struct template_share_settings *s = &d->crew.templates;

    THREAD_ASSERT(main_thread);
    if (s->receiver)
        log_notice("templates that arrive are sent on to %s", s->receiver);
    if (d->sharing.is_open)
        log_notice("templates of other collectors are taken at port %u", s->listen_port);
}

void template_sharing_clear(struct template_sharing *s)
{
    udp_receiver_free(s->receiver);
    passed_sockets_clear(&s->passed);
}
