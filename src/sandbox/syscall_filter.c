/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Makes a filter of the table by libseccomp, and answers what it refuses. See syscall_filter.h. */
#include "sandbox/syscall_filter.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *plugin_name;
    enum syscall_user user;
} plugins[] = {{"print", SYSCALLS_OF_PRINT},     {"memory", SYSCALLS_OF_MEMORY},
               {"sqlite3", SYSCALLS_OF_SQLITE3}, {"pgsql", SYSCALLS_OF_PGSQL},
               {"mysql", SYSCALLS_OF_MYSQL},     {"kafka", SYSCALLS_OF_KAFKA},
               {"tee", SYSCALLS_OF_TEE},         {"amqp", SYSCALLS_OF_AMQP}};

int syscall_user_find(const char *plugin_name, enum syscall_user *ret_user)
{
    for (size_t i = 0; i < sizeof plugins / sizeof plugins[0]; i++)
        if (strcmp(plugins[i].plugin_name, plugin_name) == 0) {
            *ret_user = plugins[i].user;
            return 0;
        }
    return -ENOENT;
}

#ifdef WITH_SECCOMP

#include <sched.h>
#include <seccomp.h>
#include <stdlib.h>

/* From here on numbers are the same on all processors, and libc knows kernels that lack the call. */
#define FIRST_NEW_CALL 424
#define LAST_NEW_CALL  600

#define CORE    (1u << SYSCALLS_OF_CORE)
#define PRINT   (1u << SYSCALLS_OF_PRINT)
#define MEMORY  (1u << SYSCALLS_OF_MEMORY)
#define SQLITE3 (1u << SYSCALLS_OF_SQLITE3)
#define PGSQL   (1u << SYSCALLS_OF_PGSQL)
#define MYSQL   (1u << SYSCALLS_OF_MYSQL)
#define KAFKA   (1u << SYSCALLS_OF_KAFKA)
#define TEE     (1u << SYSCALLS_OF_TEE)
#define AMQP    (1u << SYSCALLS_OF_AMQP)
#define SERVED  (PGSQL + MYSQL + KAFKA + AMQP)
#define HOSTS   (PRINT + MEMORY + SQLITE3 + TEE + SERVED)
#define ALL     (CORE + HOSTS)

#if defined(__s390__) || defined(__s390x__)
#define CLONE_FLAGS 1 /* the stack comes first there */
#else
#define CLONE_FLAGS 0
#endif

enum rule { RULE_ALLOW, RULE_THREAD, RULE_FALLBACK };

static const struct {
    const char *name;
    unsigned users;
    enum rule rule;
} calls[] = {
#define CALL(name, who, why)        {#name, who, RULE_ALLOW},
#define THREAD_CALL(name, who, why) {#name, who, RULE_THREAD},
#define FALLBACK(name, who, why)    {#name, who, RULE_FALLBACK},
#include "sandbox/syscalls.def"
};

bool syscall_filter_is_built(void)
{
    return true;
}

static int answer_of(int number)
{
    return number >= FIRST_NEW_CALL ? ENOSYS : EPERM;
}

static int add_rule(scmp_filter_ctx filter, enum rule rule, int number)
{
    switch (rule) {
    case RULE_THREAD:
        return seccomp_rule_add(
            filter, SCMP_ACT_ALLOW, number, 1,
            SCMP_CMP(CLONE_FLAGS, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    case RULE_FALLBACK:
        return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number, 0);
    default:
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    }
}

/* Adds the rows of the table. A name that this libseccomp does not know has no rule: libc gets ENOSYS
 * for it, as it is a new one. */
static int add_rules(scmp_filter_ctx filter, enum syscall_user user)
{
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        int number = seccomp_syscall_resolve_name(calls[i].name);
        if (number == __NR_SCMP_ERROR || !(calls[i].users & 1u << user))
            continue;
        int err = add_rule(filter, calls[i].rule, number);
        if (err < 0)
            return err;
    }
    return 0;
}

/* Has calls that came with new kernels fail otherwise than all else, where nobody listens. */
static int add_new_calls(scmp_filter_ctx filter, enum syscall_user user)
{
    bool is_known[LAST_NEW_CALL + 1] = {false};
    int err = 0;

    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        int number = seccomp_syscall_resolve_name(calls[i].name);
        if (number >= FIRST_NEW_CALL && number <= LAST_NEW_CALL && calls[i].users & 1u << user)
            is_known[number] = true;
    }
    for (int number = FIRST_NEW_CALL; number <= LAST_NEW_CALL && err == 0; number++)
        if (!is_known[number])
            err = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), number, 0);
    return err;
}

/* Without CTL_SSB kernels before 5.16 slow the whole process down; see spec_store_bypass_disable in
 * the kernel's parameters. Calls by another architecture's door fail as unknown ones do. */
static int set_attributes(scmp_filter_ctx filter, bool sets_no_new_privs)
{
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    int err = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (err == 0)
        err = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
    return err < 0 ? err : seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, sets_no_new_privs);
}

static int install(enum syscall_user user, uint32_t action, bool sets_no_new_privs,
                   int *ret_listener)
{
    scmp_filter_ctx filter = seccomp_init(action);
    int listener;

    if (!filter)
        return -ENOMEM;
    int err = set_attributes(filter, sets_no_new_privs);
    if (err == 0)
        err = add_rules(filter, user);
    if (err == 0 && action == SCMP_ACT_ERRNO(EPERM))
        err = add_new_calls(filter, user);
    if (err == 0)
        err = seccomp_load(filter);
    listener = err == 0 && action == SCMP_ACT_NOTIFY ? seccomp_notify_fd(filter) : -1;
    seccomp_release(filter);
    if (err == 0)
        *ret_listener = listener;
    return err;
}

int syscall_filter_install(enum syscall_user user, enum syscall_mode mode, int *ret_listener)
{
    /* Where a container listens already there can be no second listener. */
    static const uint32_t refusals[] = {SCMP_ACT_NOTIFY, SCMP_ACT_ERRNO(EPERM)};
    int err = -EINVAL;

    if (mode == SYSCALLS_KILL) {
        err = install(user, SCMP_ACT_KILL_PROCESS, false, ret_listener);
        return err < 0 ? install(user, SCMP_ACT_KILL_PROCESS, true, ret_listener) : 0;
    }
    for (size_t i = 0; i < 4 && err < 0; i++)
        err = install(user, refusals[i / 2], i % 2 == 1, ret_listener);
    return err;
}

int syscall_filter_take(int listener, struct refused_call *ret_call)
{
    struct seccomp_notif *request = NULL;
    int err = seccomp_notify_alloc(&request, NULL);

    if (err < 0)
        return err;
    if (seccomp_notify_receive(listener, request) == 0)
        *ret_call = (struct refused_call){.number = request->data.nr,
                                          .thread_id = (int)request->pid,
                                          .answer = answer_of(request->data.nr),
                                          .id = request->id};
    else
        err = -EAGAIN;
    seccomp_notify_free(request, NULL);
    return err;
}

void syscall_filter_answer(int listener, const struct refused_call *call)
{
    struct seccomp_notif_resp *response = NULL;

    if (seccomp_notify_alloc(NULL, &response) < 0)
        return;
    response->id = call->id;
    response->error = -call->answer;
    (void)seccomp_notify_respond(listener, response); /* fails if the thread is gone */
    seccomp_notify_free(NULL, response);
}

void syscall_name(int number, char name[SYSCALL_NAME_LEN])
{
    char *known = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);

    if (known)
        snprintf(name, SYSCALL_NAME_LEN, "%s", known);
    else
        snprintf(name, SYSCALL_NAME_LEN, "number %d", number);
    free(known); /* NOLINT: libseccomp allocated it */
}

#else

bool syscall_filter_is_built(void)
{
    return false;
}

int syscall_filter_install(enum syscall_user user, enum syscall_mode mode, int *ret_listener)
{
    (void)user, (void)mode, (void)ret_listener;
    return -ENOSYS;
}

int syscall_filter_take(int listener, struct refused_call *ret_call)
{
    (void)listener, (void)ret_call;
    return -EAGAIN;
}

void syscall_filter_answer(int listener, const struct refused_call *call)
{
    (void)listener, (void)call;
}

void syscall_name(int number, char name[SYSCALL_NAME_LEN])
{
    snprintf(name, SYSCALL_NAME_LEN, "number %d", number);
}

#endif
