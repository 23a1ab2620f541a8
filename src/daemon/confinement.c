/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Starts the launcher, filters the core, and tells what is refused. See confinement.h. */
#include "daemon/confinement.h"
#include "base/log.h"
#include "base/memory.h"
#include "daemon/daemon_private.h"
#include "daemon/process.h"
#include "sandbox/host_bounds.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CANNOT_FILTER                                                                              \
    "system calls cannot be filtered: %s; the daemon and its plugins go on without; let the "      \
    "process call seccomp (in a unit: SystemCallFilter=seccomp), or set seccomp: off"
#define CANNOT_LISTEN                                                                              \
    "system calls that are refused cannot be told here, as this kernel or container lets nobody "  \
    "listen; they fail all the same"

static enum syscall_mode plugin_mode(enum syscall_mode core_mode, enum plugin_seccomp choice)
{
    switch (choice) {
    case PLUGIN_SECCOMP_REFUSE:
        return SYSCALLS_REFUSED;
    case PLUGIN_SECCOMP_KILL:
        return SYSCALLS_KILL;
    case PLUGIN_SECCOMP_OFF:
        return SYSCALLS_FREE;
    case PLUGIN_SECCOMP_AS_CORE:
        break;
    }
    return core_mode;
}

/* Warns where a key asks for what this build lacks; its default asks for nothing. */
static void warn_of_lack(const struct daemon *d, const char *key, size_t instance, bool is_off,
                         struct text *warnings)
{
    if (config_is_set(d->config, key, instance) && !is_off)
        text_append_printf(warnings,
                           "%s: %s: this build has no filter of system calls (libseccomp); it "
                           "goes on without\n",
                           config_place(d->config, key, instance), key);
}

void confinement_check(const struct daemon *d, struct text *warnings)
{
    if (syscall_filter_is_built())
        return;
    warn_of_lack(d, "seccomp", CONFIG_GLOBAL, d->process.syscall_mode == SYSCALLS_FREE, warnings);
    for (uint32_t i = 0; d->instance_settings && i < d->instance_count; i++)
        warn_of_lack(d, "plugin_seccomp", i, d->instance_settings[i].seccomp == PLUGIN_SECCOMP_OFF,
                     warnings);
}

/* ---- the launcher ---- */

static bool filters_anybody(const struct daemon *d)
{
    bool does = d->process.syscall_mode != SYSCALLS_FREE;

    for (uint32_t i = 0; i < d->instance_count; i++)
        does = does || plugin_mode(d->process.syscall_mode, d->instance_settings[i].seccomp) !=
                           SYSCALLS_FREE;
    return does && syscall_filter_is_built();
}

/* The programs that the supervisor would start by itself: one an instance, in their order. */
struct hosts {
    struct launcher_program *programs;
    char *(*arguments)[3];
    char *(*variables)[2];
};

static void add_program(void *arg, const struct config_setting *setting)
{
    if (setting->key->role == PA_ROLE_PROGRAM && setting->value)
        text_append_printf(arg, "%s\n", setting->value);
}

static char *bounds_of(const struct daemon *d, uint32_t index)
{
    struct text programs = {0}, variable = {0};

    config_each_setting(d->config, index, add_program, &programs);
    struct host_bounds bounds = {
        .mode = plugin_mode(d->process.syscall_mode, d->instance_settings[index].seccomp),
        .plugin_dir = d->places.plugin_dir,
        .programs = text_cstr(&programs)};
    host_bounds_format(&bounds, &variable);
    char *result = mem_strdup(text_cstr(&variable));
    text_clear(&programs);
    text_clear(&variable);
    return result;
}

static struct hosts hosts_make(const struct daemon *d)
{
    static char name[] = "pathacct-host";
    struct hosts hosts = {mem_calloc(d->instance_count + 1, sizeof *hosts.programs),
                          mem_calloc(d->instance_count + 1, sizeof *hosts.arguments),
                          mem_calloc(d->instance_count + 1, sizeof *hosts.variables)};

    for (uint32_t i = 0; i < d->instance_count; i++) {
        struct supervisor_plugin plugin = instance_plugin(d->instances[i]);
        hosts.arguments[i][0] = name;
        hosts.arguments[i][1] = supervisor_host_name(&plugin);
        hosts.variables[i][0] = bounds_of(d, i);
        hosts.programs[i] = (struct launcher_program){.path = d->places.host,
                                                      .arguments = hosts.arguments[i],
                                                      .variables = hosts.variables[i],
                                                      .blocks_signals = true};
    }
    return hosts;
}

static void hosts_clear(struct hosts *hosts, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        mem_free(hosts->arguments[i][1]);
        mem_free(hosts->variables[i][0]);
    }
    mem_free(hosts->arguments);
    mem_free(hosts->variables);
    mem_free(hosts->programs);
}

void confinement_start(struct daemon *d, int argc, char **argv)
{
    struct confinement *c = &d->confinement;

    c->core_mode = d->process.syscall_mode;
    c->is_stopping = &d->is_stopping;
    if (!filters_anybody(d))
        return;
    struct hosts hosts = hosts_make(d);
    char **environment = process_child_environment();
    char *title = mem_printf("%s: Launcher [%s]", d->description->name, d->process.core_proc_name);
    struct launcher_settings settings = {.programs = hosts.programs,
                                         .program_count = d->instance_count,
                                         .environment = environment,
                                         .title = title,
                                         .argc = argc,
                                         .argv = argv};
    int err = launcher_new(&settings, &c->launcher);
    if (err < 0)
        log_warning("no process can be made that starts plugins: %s; so no system calls are "
                    "filtered",
                    strerror(-err));
    supervisor_use_launcher(d->supervisor, c->launcher);
    mem_free(title);
    mem_free(environment);
    hosts_clear(&hosts, d->instance_count);
}

/* ---- a trial ---- */

/* Puts the filter on a process that is thrown away. Its exit status is an errno, or NOBODY_LISTENS. */
enum { NOBODY_LISTENS = 255 };
static int try_filter(enum syscall_mode mode)
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        int listener = -1, err = syscall_filter_install(SYSCALLS_OF_CORE, mode, &listener);
        _exit(err < 0 ? -err : mode == SYSCALLS_REFUSED && listener < 0 ? NOBODY_LISTENS : 0);
    }
    if (pid < 0)
        return errno;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

void confinement_try_out(const struct daemon *d, struct text *warnings, struct text *notices)
{
    enum syscall_mode mode = d->process.syscall_mode;
    int result = filters_anybody(d) && mode != SYSCALLS_FREE ? try_filter(mode) : 0;

    if (result == NOBODY_LISTENS)
        text_append_printf(notices, CANNOT_LISTEN "\n");
    else if (result != 0)
        text_append_printf(warnings, CANNOT_FILTER "\n", strerror(result));
}

/* ---- what is refused ---- */

static struct refusal *find_refusal(struct confinement *c, const struct launcher_report *report,
                                    bool *ret_is_new)
{
    size_t i = 0;

    while (i < c->refusal_count && (c->refusals[i].number != report->number ||
                                    strcmp(c->refusals[i].who, report->who) != 0))
        i++;
    *ret_is_new = i == c->refusal_count;
    if (*ret_is_new) {
        c->refusals = mem_realloc_array(c->refusals, i + 1, sizeof *c->refusals);
        c->refusals[i] = (struct refusal){.number = report->number};
        memcpy(c->refusals[i].who, report->who, sizeof report->who);
        c->refusal_count++;
    }
    return &c->refusals[i];
}

static void tell_of_refusal(const struct launcher_report *report)
{
    bool is_core = strcmp(report->who, "core") == 0;
    const char *instance = strchr(report->who, '[');
    char name[SYSCALL_NAME_LEN] = "(one of many others)";

    if (report->number >= 0)
        syscall_name(report->number, name);
    log_warning("%s%s: the system call %s is refused to its thread %s (%d), which gets %s: it is "
                "none that this process should need; further ones are only counted; if something "
                "does not work, set %s%s: off and report this line",
                is_core ? "" : "plugin ", report->who, name, report->thread, report->thread_id,
                strerrorname_np(report->answer), is_core ? "seccomp" : "plugin_seccomp",
                instance ? instance : "");
}

static void on_report(void *arg, int fd, unsigned events) ON_THREAD(main_thread)
{
    struct confinement *c = arg;
    struct launcher_report report;
    int err;
    (void)events;

    THREAD_ASSERT(main_thread);
    while ((err = launcher_take_report(c->launcher, &report)) == 0) {
        bool is_new;
        find_refusal(c, &report, &is_new)->count += report.count;
        if (is_new)
            tell_of_refusal(&report);
    }
    if (err == -EAGAIN)
        return;
    poller_remove(c->poller, fd);
    c->poller = NULL;
    if (!*c->is_stopping)
        log_error("the daemon's launcher was killed: a plugin process that ends cannot be started "
                  "again, and refused system calls are not told; start the daemon anew");
}

void confinement_enter(struct daemon *d)
{
    struct confinement *c = &d->confinement;
    int listener = -1, err = 0;

    if (!c->launcher)
        return;
    if (c->core_mode != SYSCALLS_FREE)
        err = syscall_filter_install(SYSCALLS_OF_CORE, c->core_mode, &listener);
    if (err < 0) { /* nor could plugin processes */
        log_warning(CANNOT_FILTER, strerror(-err));
        supervisor_use_launcher(d->supervisor, NULL);
        launcher_free(c->launcher);
        c->launcher = NULL;
        return;
    }
    if (c->core_mode == SYSCALLS_REFUSED && listener < 0)
        log_notice(CANNOT_LISTEN);
    launcher_listen(c->launcher, "core", listener);
    if (poller_add(d->poller, launcher_report_fd(c->launcher), POLLER_READ, on_report, c) == 0)
        c->poller = d->poller;
}

void confinement_clear(struct confinement *c)
{
    if (c->poller)
        poller_remove(c->poller, launcher_report_fd(c->launcher));
    launcher_free(c->launcher);
    mem_free(c->refusals);
}
