/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs a daemon in order. Start: read the configuration, let plugins check theirs, open sockets, go
 * into the background, start log, plugin processes, BGP and workers. End: workers stop reading and
 * hand everything over, plugins write it, BGP says goodbye.
 */
#include "daemon/daemon.h"
#include "base/clock.h"
#include "base/file_trial.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/named_file.h"
#include "base/process_title.h"
#include "bmp/bmp_tables.h"
#include "daemon/daemon_private.h"
#include "daemon/ending.h"
#include "daemon/errands.h"
#include "daemon/msglog.h"
#include "daemon/problem_list.h"
#include "daemon/process.h"
#include "daemon/spool_use.h"
#include "daemon/user.h"
#include "daemon/written_places.h"
#include "maps/agent_map.h"
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

enum { TEMPLATES_TICK_S = 5, WATCH_S = 60 };

struct statistics_sources daemon_statistics(struct daemon *d, bool is_final)
{
    return (struct statistics_sources){.daemon_name = d->description->name,
                                       .core_proc_name = d->process.core_proc_name,
                                       .started_ns = d->started_ns,
                                       .crew = &d->crew,
                                       .instances = d->instances,
                                       .instance_count = d->instance_count,
                                       .table_dump = d->table_dump,
                                       .supervisor = d->supervisor,
                                       .confinement = &d->confinement,
                                       .progress = d->progress,
                                       .bmp = d->bmp,
                                       .reader = d->reader,
                                       .is_final = is_final};
}

/* Wakes all who feed instances. */
static void wake_workers(struct daemon *d)
{
    for (uint32_t i = 0; i < d->crew.worker_count; i++)
        worker_wake(d->crew.workers[i]);
    for (uint32_t i = d->crew.instance_count; i < d->instance_count; i++)
        poller_event_wake(d->foreign_events[i]);
}

/* ---- signals ---- */

void log_lines(struct text *lines, enum log_level level)
{
    char *rest = lines->len ? (char *)(uintptr_t)text_cstr(lines) : NULL;

    for (char *line; rest && (line = strtok_r(rest, "\n", &rest)) != NULL;)
        log_write(level, "%s", line);
    text_reset(lines);
}

void daemon_name_peers(struct daemon *d)
{
    const struct maps *maps = rcu_read(&d->maps);
    size_t count = maps && maps->agents ? agent_map_peer_count(maps->agents) : 0;

    if (!d->bgp)
        return;
    struct ip_addr *addresses = mem_calloc(count + 1, sizeof *addresses);
    for (size_t i = 0; i < count; i++)
        addresses[i] = agent_map_peer_at(maps->agents, i)->address;
    bgp_name_addresses(d->bgp, addresses, count);
    mem_free(addresses);
}

/*
 * Begins the end. Backends have shutdown_timeout from here. Plugin processes end when they have
 * written the last marker's rows, so they are told before workers send it.
 */
static void daemon_stop(struct daemon *d) ON_THREAD(main_thread)
{
    if (d->is_stopping)
        return;
    d->is_stopping = true;
    progress_end(d->progress);
    watchdog_stopping(&d->watchdog);
    supervisor_stop(d->supervisor);
    table_dump_stop(d->table_dump);
    poller_timer_set_in(d->poller, &d->shutdown_timer, d->process.shutdown_timeout_s * NS_PER_S);
    atomic_store_explicit(&d->crew.is_stopping, true, memory_order_release);
    wake_workers(d);
}

static void on_signal(void *arg, int number) ON_THREAD(main_thread)
{
    struct daemon *d = arg;

    THREAD_ASSERT(main_thread);
    switch (number) {
    case SIGINT:
    case SIGTERM:
        log_notice("signal %d: the end; what was received is written first", number);
        daemon_stop(d);
        break;
    case SIGHUP:
        if (!d->is_reloading) /* a unit of Type=notify-reload waits for it */
            watchdog_reloading(&d->watchdog);
        log_reopen();
        supervisor_reopen(d->supervisor);
        if (d->process.logfile)
            log_notice("log opened anew: %s", d->process.logfile);
        else
            log_notice(
                "logfile is not set, so no log is opened anew; backends open their files anew");
        if (!d->is_reloading && !d->is_stopping)
            status_line_ready(d);
        break;
    case SIGUSR1:
        errands_write_statistics(d, false);
        break;
    case SIGUSR2:
        errands_reload(d);
        break;
    default:
        break;
    }
}

/* ---- timers ---- */

/* Sets the timer to the next whole multiple of the refresh time, or later by the delay, which the
 * first epoch keeps even if it is longer than that time; epochs only rise, whatever the wall clock
 * does. */
static void set_epoch_timer(struct daemon *d, struct instance *instance, bool is_first)
{
    int64_t refresh_ns = instance->refresh_s * NS_PER_S, delay_ns = instance->delay_s * NS_PER_S;
    int64_t now_ns = clock_wall().ns, from_ns = is_first ? now_ns : now_ns - delay_ns;

    poller_timer_set_in(d->poller, &instance->epoch_timer,
                        clock_next_multiple(from_ns, refresh_ns) + delay_ns - now_ns);
}

struct epoch_owner {
    struct daemon *daemon;
    struct instance *instance;
};

static void on_epoch(void *arg) ON_THREAD(main_thread)
{
    struct epoch_owner *owner = arg;

    THREAD_ASSERT(main_thread);
    atomic_fetch_add_explicit(&owner->instance->epoch, 1, memory_order_release);
    wake_workers(owner->daemon);
    set_epoch_timer(owner->daemon, owner->instance, false);
}

static void check_rib(struct daemon *d) ON_THREAD(main_thread)
{
    bool is_loaded, is_late = d->seconds >= (uint64_t)d->process.wait_for_rib_s;

    if (!d->rib_wait || !atomic_load_explicit(&d->crew.is_holding, memory_order_relaxed))
        return;
    rcu_online(d->reader);
    const struct route_sources sources = {d->bgp ? bgp_peers(d->bgp) : NULL,
                                          d->crew.bmp ? bmp_tables_views(d->crew.bmp) : NULL};
    is_loaded = rib_wait_is_over(d->rib_wait, &sources);
    rcu_offline(d->reader);
    if (!is_loaded && !is_late)
        return;
    if (is_loaded)
        log_notice("BGP: the tables of all expected peers are loaded; flows go on");
    else
        log_warning("BGP: not all expected peers have sent their tables after %" PRId64
                    " s; flows go on without",
                    d->process.wait_for_rib_s);
    atomic_store_explicit(&d->crew.is_holding, false, memory_order_release);
    wake_workers(d);
}

static void on_second(void *arg) ON_THREAD(main_thread)
{
    struct daemon *d = arg;
    struct statistics_sources s = daemon_statistics(d, false);
    struct text progress = {0};

    THREAD_ASSERT(main_thread);
    d->seconds++;
    if (!d->is_stopping)
        progress_tick(d->progress, &progress);
    status_line_tick(d, watchdog_tick(&d->watchdog), text_cstr(&progress));
    text_clear(&progress);
    control_use_tick(d->control);
    check_rib(d);
    if (d->templates && d->seconds % TEMPLATES_TICK_S == 1)
        templates_file_tick(d->templates);
    statistics_watch_pools(&s);
    if (d->is_stopping)
        ending_tick(d);
    else if (d->seconds % WATCH_S == 0)
        statistics_watch(&s, &d->watch);
    rcu_queue_poll(d->retired);
    poller_timer_set_in(d->poller, &d->second_timer, NS_PER_S);
}

static void on_worker(void *arg, int fd, unsigned events) ON_THREAD(main_thread)
{
    struct daemon *d = arg;

    THREAD_ASSERT(main_thread);
    (void)events;
    poller_event_drain(fd);
    if (d->templates)
        templates_file_collect(d->templates);
    control_use_publish(d->control);
}

static void on_shutdown_timeout(void *arg) ON_THREAD(main_thread)
{
    struct daemon *d = arg;

    THREAD_ASSERT(main_thread);
    atomic_store_explicit(&d->crew.is_abandoned, true, memory_order_release);
    wake_workers(d);
}

/* ---- start ---- */

static bool is_test(const struct daemon *d)
{
    return d->options.action == ACTION_CHECK || d->options.action == ACTION_SETUP;
}

static int start_log(struct daemon *d)
{
    struct log_settings settings = {
        .name = d->process.core_proc_name,
        .type = d->description->name,
        .file = d->process.logfile,
        .syslog_facility = d->process.syslog,
        .syslog_ident = d->process.syslog_ident,
        .stderr_too = !d->process.daemonize,
        .stderr_timestamp = d->process.log_stderr_tstamp,
        .debug = d->process.debug,
    };
    int err = log_start(&settings);

    if (err < 0)
        fprintf(stderr, "%s: logfile %s: %s\n", d->description->name,
                d->process.logfile ? d->process.logfile : "", named_file_error(err));
    return err;
}

static int become_daemon(struct daemon *d, int argc, char **argv)
{
    char *title =
        mem_printf("%s: Core Process [%s]", d->description->name, d->process.core_proc_name);
    int err = 0;

    if (d->process.files_umask)
        err = process_set_umask(d->process.files_umask);
    if (err < 0)
        fprintf(stderr, "%s: files_umask: '%s' is not an octal number up to 777\n",
                d->description->name, d->process.files_umask);
    if (err == 0 && d->process.daemonize)
        err = process_daemonize();
    if (err == 0)
        confinement_start(d, argc, argv);
    if (err == 0)
        err = start_log(d);
    if (err == 0)
        log_lines(&d->warnings, LOG_LEVEL_WARNING);
    if (err == 0)
        log_lines(&d->notices, LOG_LEVEL_NOTICE);
    if (err == 0 && d->process.pidfile) {
        int pid_err = process_write_pidfile(d->process.pidfile);
        if (pid_err == 0)
            process_give_file(d->process.pidfile, d->process.files_uid, d->process.files_gid);
        else
            log_error("pidfile %s: %s", d->process.pidfile, named_file_error(pid_err));
    }
    process_title_set(argc, argv, title);
    mem_free(title);
    return err;
}

static int start_plugins(struct daemon *d) ON_THREAD(main_thread)
{
    for (uint32_t i = 0; i < d->instance_count; i++) {
        if (d->instances[i]->spool_lock_fd >= 0 && d->process.daemonize)
            spool_use_sign(d->instances[i]->spool_lock_fd, d->description->name, d->options.file);
        struct supervisor_plugin plugin = instance_plugin(d->instances[i]);
        int err = supervisor_start(d->supervisor, &plugin);
        if (err < 0) {
            log_error("plugin %s[%s]: its process cannot be run: %s", plugin.plugin_name,
                      plugin.instance_name, strerror(-err));
            return err;
        }
    }
    return 0;
}

struct listening_place {
    const char *ip; /* NULL: all addresses */
    unsigned port;
};

/* Returns where it waits for what it is there for. */
static struct listening_place place_of(const struct daemon *d)
{
    if (d->description->decoder)
        return (struct listening_place){d->udp.listen_ip, d->udp.port};
    if (d->bgp_settings.enabled)
        return (struct listening_place){d->bgp_settings.listen_ip, d->bgp_settings.port};
    return (struct listening_place){d->bmp_settings.listen_ip, d->bmp_settings.port};
}

/* Says what it waits for, with the address as people write it: 192.0.2.1:2100,
 * [2001:db8::1]:2100. */
static void say_ready(struct daemon *d) ON_THREAD(main_thread)
{
    struct listening_place place = place_of(d);
    const char *ip = place.ip ? place.ip : "::";
    bool is_v6 = strchr(ip, ':') != NULL;
    const char *plural = d->crew.worker_count == 1 ? "" : "s";

    if (!d->description->decoder)
        d->status = mem_printf("waiting for %s sessions on %s%s%s:%u", d->description->data_name,
                               is_v6 ? "[" : "", ip, is_v6 ? "]" : "", place.port);
    else if (d->crew.replay.path)
        d->status =
            mem_printf("reading %s data from %s with %u worker%s", d->description->data_name,
                       d->crew.replay.path, d->crew.worker_count, plural);
    else
        d->status = mem_printf("waiting for %s data on %s%s%s:%u with %u worker%s",
                               d->description->data_name, is_v6 ? "[" : "", ip, is_v6 ? "]" : "",
                               place.port, d->crew.worker_count, plural);
    log_notice("%s", d->status);
    template_sharing_say(d);
}

/* Opens the control interface. Only one that was asked for has to open. */
static int start_control(struct daemon *d) ON_THREAD(main_thread)
{
    const struct control_use_settings settings = {.control = &d->control_settings,
                                                  .config = d->config,
                                                  .sources = daemon_statistics(d, false),
                                                  .daemon_name = d->description->name,
                                                  .identity = d->supervisor_settings.identity,
                                                  .troubles = &d->troubles,
                                                  .traffic_path = d->traffic_path,
                                                  .rcu = d->rcu,
                                                  .main_event = d->crew.main_event,
                                                  .metrics_exporters_max =
                                                      d->control_settings.metrics_exporters_max};
    bool is_asked_for = d->control_settings.socket || d->control_settings.http_listen;
    struct text error = {0};
    int err = control_use_start(&settings, &error, &d->control);

    if (err < 0 && is_asked_for)
        log_error("%s", text_cstr(&error));
    else if (err < 0)
        log_notice("nobody can ask this daemon how it is: %s; control_socket names another place",
                   text_cstr(&error));
    text_clear(&error);
    return is_asked_for ? err : 0;
}

/* True if a line may stand on standard error: it would get between rows that go to the same terminal. */
static bool may_show_bar(const struct daemon *d)
{
    if (d->process.daemonize)
        return false;
    for (uint32_t i = 0; i < d->instance_count; i++)
        if (strcmp(config_instance_at(d->config, i)->type, "print") == 0 &&
            !config_is_set(d->config, "print_output_file", i) && isatty(STDOUT_FILENO))
            return false;
    return true;
}

static void load_templates(struct daemon *d) ON_THREAD(main_thread)
{
    if (!d->templates)
        return;
    progress_templates(d->progress, d->process.templates_file, false);
    service_tell(&d->watchdog.service, "STATUS=reading the templates file");
    templates_file_load(d->templates, d->flow_sockets.kept_count > 0);
    progress_templates(d->progress, d->process.templates_file, true);
}

static int start_all(struct daemon *d, struct epoch_owner *owners) ON_THREAD(main_thread)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, 0};
    struct statistics_sources sources = daemon_statistics(d, false);

    d->progress = progress_new(&sources, may_show_bar(d));
    int err = poller_add_signals(d->poller, signals, on_signal, d);

    if (err == 0)
        err = chores_new(d->poller, &d->chores);
    if (err == 0 && d->process.templates_file)
        d->templates =
            templates_file_new(d->process.templates_file, &d->crew, d->chores, &d->troubles);
    if (err == 0)
        err = poller_add(d->poller, d->crew.main_event, POLLER_READ, on_worker, d);
    if (err == 0)
        err = start_control(d);
    if (err == 0)
        confinement_enter(d);
    if (err == 0)
        err = start_plugins(d);
    if (err == 0 && d->bmp)
        bmp_station_say(d->bmp);
    if (err == 0 && d->bgp)
        err = bgp_start(d->bgp);
    if (err == 0 && d->rtr)
        err = rtr_start(d->rtr);
    if (err == 0 && d->table_dump)
        err = table_dump_start(d->table_dump);
    if (err < 0)
        return err;
    load_templates(d);
    flow_sockets_count_lost(d);
    flow_sockets_store(d);
    template_sharing_store(d);
    for (uint32_t i = 0; i < d->instance_count; i++) {
        owners[i] = (struct epoch_owner){d, d->instances[i]};
        d->instances[i]->epoch_timer.fn = on_epoch;
        d->instances[i]->epoch_timer.arg = &owners[i];
        if (!d->crew.replay.path)
            set_epoch_timer(d, d->instances[i], true);
    }
    d->shutdown_timer = (struct poller_timer){.fn = on_shutdown_timeout, .arg = d};
    d->second_timer = (struct poller_timer){.fn = on_second, .arg = d};
    poller_timer_set_in(d->poller, &d->second_timer, NS_PER_S);
    say_ready(d);
    for (uint32_t i = 0; err == 0 && i < d->crew.worker_count; i++)
        err = worker_start(d->crew.workers[i]);
    if (err == 0)
        status_line_ready(d);
    return err;
}

/* ---- run and end ---- */

static bool all_workers(const struct daemon *d, bool (*is_so)(const struct worker *worker))
{
    for (uint32_t i = 0; i < d->crew.worker_count; i++)
        if (!is_so(d->crew.workers[i]))
            return false;
    return true;
}

static void daemon_run(struct daemon *d) ON_THREAD(main_thread)
{
    bool has_end = d->crew.replay.path && !d->crew.replay.waits_at_end;

    while (!d->is_stopping || !all_workers(d, worker_is_finished) ||
           !supervisor_is_done(d->supervisor)) {
        if (has_end && all_workers(d, worker_is_at_end))
            daemon_stop(d);
        poller_wait(d->poller, 1000);
    }
    poller_timer_cancel(d->poller, &d->shutdown_timer);
    poller_timer_cancel(d->poller, &d->second_timer);
    for (uint32_t i = 0; i < d->instance_count; i++)
        poller_timer_cancel(d->poller, &d->instances[i]->epoch_timer);
}

static int daemon_end(struct daemon *d) ON_THREAD(main_thread)
{
    uint64_t lost;

    control_use_end(d->control);
    d->control = NULL;
    for (uint32_t i = 0; i < d->crew.worker_count; i++)
        worker_join(d->crew.workers[i]);
    ending_tell_waiting_sets(d);
    for (uint32_t i = 0; i < d->crew.worker_count; i++)
        worker_settle(d->crew.workers[i], true);
    if (d->templates)
        templates_file_save_now(d->templates);
    table_dump_join(d->table_dump);
    if (d->bgp)
        bgp_stop(d->bgp);
    msglog_settle(d);
    if (d->rtr)
        rtr_stop(d->rtr);
    errands_write_statistics(d, true);
    chores_finish(d->chores);
    lost = ending_tell_lost(d);
    if (d->process.pidfile)
        named_file_remove(d->process.pidfile);
    /* Sets that they still hold back are told as lost, and nothing is told after the end. */
    for (uint32_t i = 0; i < d->crew.worker_count; i++) {
        worker_free(d->crew.workers[i]);
        d->crew.workers[i] = NULL;
    }
    log_notice("ended");
    return lost > 0 || !supervisor_all_clean(d->supervisor);
}

static void print_primitives(const struct daemon *d)
{
    for (size_t i = 0; i < primitive_table_count(d->primitives); i++) {
        const struct primitive *p = primitive_table_at(d->primitives, i);
        struct primitive_list list = {0};
        struct text error = {0};
        /* Some primitives come without being asked for, and may not be named in `aggregate`. */
        if (primitive_list_parse(d->primitives, p->name, &error, &list) == 0)
            printf("%-24s %s\n", p->name, p->help);
        primitive_list_clear(&list);
        text_clear(&error);
    }
}

/* Does what needs no daemon: help, lists, the result of the check. True: the process is done. */
static bool other_action(struct daemon *d) ON_THREAD(main_thread)
{
    switch (d->options.action) {
    case ACTION_HELP:
        options_print_help(d->description);
        return true;
    case ACTION_VERSION:
        printf("%s (pathacct) %s\n", d->description->name, PATHACCT_VERSION);
        return true;
    case ACTION_PRIMITIVES:
        print_primitives(d);
        return true;
    case ACTION_KEYS:
        config_list(d->config, stdout, d->options.list_format);
        return true;
    case ACTION_CHECK:
        printf("the configuration is right\n");
        return true;
    case ACTION_SETUP:
        printf("a start would succeed\n");
        return true;
    default:
        return false;
    }
}

/* Prints each line of a kind on the terminal, the only place where a person reads who asked for the
 * background. */
static void print_lines(struct text *lines, const char *kind)
{
    for (const char *line = lines->len ? text_cstr(lines) : ""; *line;) {
        size_t len = strcspn(line, "\n");
        fprintf(stderr, "%s%.*s\n", kind, (int)len, line);
        line += len + (line[len] == '\n');
    }
}

struct output_search {
    int fd;
    bool is_found;
};

static void look_for_descriptor(void *arg, const struct config_setting *setting)
{
    struct output_search *search = arg;
    int fd, end = 0;

    if ((setting->key->role == PA_ROLE_OUTPUT || setting->key->role == PA_ROLE_OWN_OUTPUT) &&
        setting->value &&
        (sscanf(setting->value, "/dev/fd/%d%n", &fd, &end) == 1 ||
         sscanf(setting->value, "/proc/self/fd/%d%n", &fd, &end) == 1))
        search->is_found = search->is_found || (fd == search->fd && setting->value[end] == 0);
}

/* True if an instance writes to this descriptor: /dev/fd/3. */
static bool is_output(void *arg, int fd)
{
    struct output_search search = {.fd = fd};
    struct daemon *d = arg;

    for (uint32_t i = 0; i < d->instance_count; i++)
        config_each_setting(d->config, i, look_for_descriptor, &search);
    return search.is_found;
}

/* Nobody has asked for this file, so that it cannot be written is no error. */
static void try_state_file(struct daemon *d)
{
    int err = d->state_file ? file_trial_replace(d->state_file) : 0;

    if (err == 0)
        return;
    text_append_printf(
        &d->notices,
        "STATE_DIRECTORY: %s cannot be written (%s), so templates, options and clocks "
        "are not kept; name another place with nfacctd_templates_file\n",
        d->state_file, strerror(-err));
    d->process.templates_file = NULL;
}

/* Looks at what only the user whom the daemon will be can tell. */
static int check_as_user(struct daemon *d, struct text *errors) ON_THREAD(main_thread)
{
    int err = user_enter(d, errors);

    process_keep_descriptors(is_output, d);
    if (err < 0)
        return err;
    try_state_file(d);
    if (setup_check_plugins(d, errors) < 0)
        err = -EINVAL;
    if (user_check_files(d, errors) < 0)
        err = -EINVAL;
    user_leave(d);
    return err;
}

/* Ends the answer of a test that has failed, which may be longer than the screen. */
static void print_counts(size_t errors, size_t warnings, size_t notices)
{
    fprintf(stderr, "%zu error%s", errors, errors == 1 ? "" : "s");
    if (warnings > 0)
        fprintf(stderr, ", %zu warning%s", warnings, warnings == 1 ? "" : "s");
    if (notices > 0)
        fprintf(stderr, ", %zu notice%s", notices, notices == 1 ? "" : "s");
    fputc('\n', stderr);
}

static void print_problems(struct daemon *d, struct text *errors, int err)
{
    size_t error_count = problem_list_sort(errors), warning_count = problem_list_sort(&d->warnings),
           notice_count = problem_list_sort(&d->notices);
    bool has_read = !d->options.is_unusable;

    if (has_read && (err < 0 || is_test(d) || d->process.daemonize)) {
        print_lines(&d->warnings, "warning: "); /* otherwise the log tells them */
        print_lines(&d->notices, "notice: ");
    }
    print_lines(errors, "");
    if (error_count > 0 && is_test(d) && error_count + warning_count + notice_count > 1)
        print_counts(error_count, warning_count, notice_count);
    else if (error_count == 0 && err < 0)
        fprintf(stderr, "%s: %s\n", d->description->name, strerror(-err));
    if (error_count > 0 && has_read && (d->has_row_error || config_is_too_strict(d->config)))
        fputs("strict_config: false passes over lines that are wrong or not supported, with a "
              "warning, as pmacct does\n",
              stderr);
}

/* Notes whether a start again would fail the same way: what is missing, forbidden or wrong stays so,
 * where a port that is taken or memory that is short may be there in a while. */
static void note_failure(struct daemon *d, int err)
{
    static const int lasting[] = {EACCES, EPERM, EINVAL,  ENOENT,       ENOTDIR,        EISDIR,
                                  ELOOP,  EROFS, EBADMSG, ENAMETOOLONG, EPROTONOSUPPORT};

    for (size_t i = 0; i < sizeof lasting / sizeof lasting[0]; i++)
        if (err == -lasting[i])
            d->is_misconfigured = true;
}

static int daemon_prepare(struct daemon *d, int argc, char **argv) ON_THREAD(main_thread)
{
    struct text errors = {0};
    int err = setup_read(d, argc, argv, &errors, &d->warnings);
    bool runs = d->options.action == ACTION_RUN || is_test(d);

    if (runs && !d->options.is_unusable && check_as_user(d, &errors) < 0)
        err = -EINVAL;
    d->is_misconfigured = err < 0;
    if (err == 0 && d->options.action != ACTION_CHECK && runs) {
        err = setup_open(d, &errors);
        if ((err == 0 || d->options.action == ACTION_SETUP) && user_become(d, &errors) < 0)
            err = -EINVAL;
        if (err == 0 && d->options.action == ACTION_RUN)
            err = setup_take_spools(d, &errors);
        note_failure(d, err);
    }
    if (d->options.action == ACTION_SETUP && (err == 0 || d->rcu) &&
        setup_try_out(d, &errors) < 0) /* only if the configuration, maps apart, is right */
        err = -EINVAL;
    if (d->options.action == ACTION_SETUP)
        written_places_print(d);
    if (runs || err < 0)
        print_problems(d, &errors, err);
    text_clear(&errors);
    return err;
}

int daemon_main(int argc, char **argv, const struct daemon_description *description)
{
    struct daemon *d = mem_aligned_zalloc(CACHE_LINE, sizeof *d);
    struct epoch_owner *owners = NULL;
    int status = 1, err;

    thread_enter_role(&main_thread);
    process_raise_descriptors();
    json_object_seed(0); /* must come before there are threads */
    log_hold();
    log_keep();
    d->description = description;
    d->started_ns = clock_wall().ns;
    d->config = config_new();
    d->raw_sockets = (struct raw_sockets){-1, -1};
    if (daemon_prepare(d, argc, argv) < 0)
        goto failed;
    if (other_action(d)) {
        status = 0;
        goto out;
    }
    err = become_daemon(d, argc, argv);
    note_failure(d, err);
    if (err < 0)
        goto failed;
    watchdog_init(&d->watchdog, &d->crew);
    owners = mem_calloc(d->instance_count + 1, sizeof *owners);
    err = start_all(d, owners);
    note_failure(d, err);
    if (err < 0)
        goto failed;
    daemon_run(d);
    status = daemon_end(d);
    goto out;
failed:
    /* The units have this status in RestartPreventExitStatus=. */
    if (d->is_misconfigured && service_is_managed())
        status = EX_CONFIG;
out:
    log_stop();
    setup_close(d);
    progress_free(d->progress);
    mem_free(owners);
    mem_free(d);
    thread_leave_role(&main_thread);
    return status;
}
