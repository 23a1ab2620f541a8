/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Proves that a process with a filter makes the calls of the table and no others, that those are
 * answered and told, and that its launcher starts what it was told of, unfiltered, and nothing else.
 * Whatever has a filter is a child that is thrown away.
 */
#include "base/text.h"
#include "sandbox/host_bounds.h"
#include "sandbox/launcher.h"
#include "sandbox/syscall_filter.h"
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef HAS_SECCOMP
#include <seccomp.h>
#endif

enum { NO_SUCH_CALL = 599, DEADLINE_MS = 30000 };

/* The exit status of a child tells the line where something is wrong. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition))                                                                          \
            _exit(__LINE__ % 200 + 1);                                                             \
    } while (0)

static int status_of(void (*fn)(void))
{
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        fn();
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void try_to_listen(void)
{
    int listener = -1;

    EXPECT(syscall_filter_install(SYSCALLS_OF_PRINT, SYSCALLS_REFUSED, &listener) == 0);
    EXPECT(listener >= 0);
}

/* Nor where the machine, or a container around us, lets nobody listen. */
static void skip_unless_built(void)
{
    if (!syscall_filter_is_built() || status_of(try_to_listen) != 0)
        skip();
}

static struct launcher_report next_report(struct launcher *launcher)
{
    struct pollfd p = {.fd = launcher_report_fd(launcher), .events = POLLIN};
    struct launcher_report report;

    EXPECT(poll(&p, 1, DEADLINE_MS) == 1);
    EXPECT(launcher_take_report(launcher, &report) == 0);
    return report;
}

/* The program writes what it sees: a filter, its variables; it may do what the filter forbids. */
static char *const shell[] = {(char[]){"sh"}, (char[]){"-c"},
                              (char[]){"grep -q 'Seccomp:.*0' /proc/self/status && "
                                       "[ \"$TOLD\" = \"a b\" ] && [ \"$OTHER\" = yes ] && exit 7"},
                              NULL};
static char *const own[] = {(char[]){"OTHER=yes"}, NULL};
static const struct launcher_program programs[] = {
    {.path = "/bin/sh", .arguments = shell, .variables = own, .has_standard_fds_only = true},
    {.path = "/no/such/program", .arguments = shell},
};
static const char *const variables[] = {"TOLD", NULL};
static char *const environment[] = {(char[]){"PATH=/usr/bin:/bin"}, (char[]){"OTHER=no"},
                                    (char[]){"TOLD=before"}, NULL};

static struct launcher *make_launcher(void)
{
    static char title[] = "test_sandbox";
    static char *arguments[] = {title, NULL};
    struct launcher_settings settings = {.programs = programs,
                                         .program_count = 2,
                                         .environment = environment,
                                         .variables = variables,
                                         .title = "launcher",
                                         .argc = 1,
                                         .argv = arguments};
    struct launcher *launcher = NULL;

    EXPECT(launcher_new(&settings, &launcher) == 0);
    return launcher;
}

static struct launcher *filter_self(void)
{
    struct launcher *launcher = make_launcher();
    int listener = -1;

    EXPECT(syscall_filter_install(SYSCALLS_OF_PRINT, SYSCALLS_REFUSED, &listener) == 0);
    EXPECT(listener >= 0);
    EXPECT(launcher_listen(launcher, "print[out]", listener) == 0);
    return launcher;
}

static void call_what_is_refused(void)
{
    struct launcher *launcher = filter_self();
    char name[SYSCALL_NAME_LEN];

    prctl(PR_SET_NAME, "caller");
    for (int i = 0; i < 3; i++)
        EXPECT(personality(0xffffffff) == -1 && errno == EPERM);
    EXPECT(syscall(NO_SUCH_CALL) == -1 && errno == ENOSYS);
    EXPECT(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS); /* nobody is told of it */
    EXPECT(fork() == -1 && errno == EPERM);
    struct launcher_report r = next_report(launcher);
    EXPECT(strcmp(r.who, "print[out]") == 0 && strcmp(r.thread, "caller") == 0);
    EXPECT(r.number == SYS_personality && r.count == 1 && r.answer == EPERM);
    EXPECT(r.thread_id == (int)getpid());
    syscall_name(r.number, name);
    EXPECT(strcmp(name, "personality") == 0);
    r = next_report(launcher);
    EXPECT(r.number == NO_SUCH_CALL && r.count == 1 && r.answer == ENOSYS);
    syscall_name(r.number, name);
    EXPECT(strcmp(name, "number 599") == 0);
    r = next_report(launcher);
    EXPECT(r.number == SYS_clone && r.count == 1);
    r = next_report(launcher); /* the sums follow within a second or so */
    EXPECT(r.number == SYS_personality && r.count == 2);
    launcher_free(launcher);
}

static void test_other_calls_are_refused_and_told(void **state)
{
    (void)state;
    skip_unless_built();
    assert_int_equal(status_of(call_what_is_refused), 0);
}

static void call_many_numbers(void)
{
    struct launcher *launcher = filter_self();
    uint64_t told = 0, others = 0;

    for (int number = 10000; number < 10200; number++)
        EXPECT(syscall(number) == -1 && errno == ENOSYS);
    while (told + others < 200) {
        struct launcher_report r = next_report(launcher);
        if (r.number == -1)
            others += r.count;
        else
            told += r.count;
    }
    EXPECT(told == 64 && others == 136);
    launcher_free(launcher);
}

static void test_a_caller_of_many_numbers_fills_nothing(void **state)
{
    (void)state;
    skip_unless_built();
    assert_int_equal(status_of(call_many_numbers), 0);
}

static void *nothing(void *arg)
{
    return arg;
}

static void do_what_is_needed(void)
{
    struct launcher *launcher = filter_self();
    struct addrinfo *found = NULL;
    pthread_t thread;
    char *memory = malloc(64 << 20);

    EXPECT(pthread_create(&thread, NULL, nothing, NULL) == 0 && pthread_join(thread, NULL) == 0);
    EXPECT(getaddrinfo("localhost", "80", NULL, &found) == 0);
    freeaddrinfo(found);
    (void)getaddrinfo("no-such-host.invalid", "80", NULL, &found); /* by all of NSS */
    memset(memory, 1, 64 << 20);
    EXPECT(realloc(memory, 128 << 20) != NULL);
    struct launcher_report report;
    EXPECT(launcher_take_report(launcher, &report) == -EAGAIN);
    launcher_free(launcher);
}

static void test_threads_memory_and_names_work(void **state)
{
    (void)state;
    skip_unless_built();
    assert_int_equal(status_of(do_what_is_needed), 0);
}

static void start_programs(void)
{
    struct launcher *launcher = filter_self();
    char *const told[] = {(char[]){"TOLD=a b"}, NULL};
    char *const preload[] = {(char[]){"LD_PRELOAD=/tmp/evil.so"}, NULL};
    char *const prefix[] = {(char[]){"TOL=x"}, NULL};
    char *const none[] = {(char[]){"TOLD"}, NULL};
    int status = 0;
    pid_t pid = 0;

    EXPECT(launcher_run(launcher, 0, told, -1, &pid) == 0);
    EXPECT(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7); /* a child of ours */
    EXPECT(launcher_run(launcher, 1, NULL, -1, &pid) == -ENOENT);
    EXPECT(launcher_run(launcher, 2, NULL, -1, &pid) == -EPERM);
    EXPECT(launcher_run(launcher, 0, preload, -1, &pid) == -EPERM);
    EXPECT(launcher_run(launcher, 0, prefix, -1, &pid) == -EPERM);
    EXPECT(launcher_run(launcher, 0, none, -1, &pid) == -EPERM);
    EXPECT(execl("/bin/true", "true", NULL) == -1 && errno == EPERM);
    launcher_free(launcher);
    EXPECT(waitpid(-1, &status, 0) == -1 && errno == ECHILD); /* nothing is left over */
}

static void test_programs_are_started_outside_of_the_filter(void **state)
{
    (void)state;
    skip_unless_built();
    assert_int_equal(status_of(start_programs), 0);
}

static void be_killed(void)
{
    int listener = 0;

    EXPECT(syscall_filter_install(SYSCALLS_OF_CORE, SYSCALLS_KILL, &listener) == 0);
    EXPECT(listener == -1);
    personality(0xffffffff);
}

static void test_kill_ends_the_process(void **state)
{
    (void)state;
    skip_unless_built();
    int status = status_of(be_killed);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* Some managers of containers do this: they have a listener of their own. */
static void listen_before(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4095, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof code / sizeof code[0], .filter = code};

    EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    EXPECT(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                   &program) >= 0);
}

static void be_refused_unheard(void)
{
    int listener = 0;

    listen_before();
    EXPECT(syscall_filter_install(SYSCALLS_OF_PGSQL, SYSCALLS_REFUSED, &listener) == 0);
    EXPECT(listener == -1);
    EXPECT(personality(0xffffffff) == -1 && errno == EPERM);
    EXPECT(syscall(NO_SUCH_CALL) == -1 && errno == ENOSYS);
}

static void test_without_a_listener_calls_fail_all_the_same(void **state)
{
    (void)state;
    skip_unless_built();
    assert_int_equal(status_of(be_refused_unheard), 0);
}

static void lose_the_launcher(void)
{
    launcher_free(filter_self());
    EXPECT(personality(0xffffffff) == -1 && errno == ENOSYS);
}

static void test_nobody_hangs_when_the_launcher_is_gone(void **state)
{
    (void)state;
    skip_unless_built();
    assert_int_equal(status_of(lose_the_launcher), 0);
}

static void test_bounds_come_out_as_they_went_in(void **state)
{
    struct host_bounds bounds = {
        .mode = SYSCALLS_KILL, .plugin_dir = "/usr/lib/pathacct", .programs = "/bin/a\n/opt/b c\n"};
    struct host_bounds out;
    struct text variable = {0};

    (void)state;
    host_bounds_format(&bounds, &variable);
    assert_int_equal(putenv((char *)(uintptr_t)text_cstr(&variable)), 0);
    assert_true(host_bounds_take(&out));
    assert_false(host_bounds_take(&out)); /* programs that are started do not see it */
    text_clear(&variable);
    assert_int_equal(out.mode, SYSCALLS_KILL);
    assert_string_equal(out.plugin_dir, "/usr/lib/pathacct");
    assert_true(host_bounds_allow(&out, "/bin/a"));
    assert_true(host_bounds_allow(&out, "/opt/b c"));
    assert_false(host_bounds_allow(&out, "/opt/b"));
    assert_false(host_bounds_allow(&out, "/bin/a\n/opt/b c"));
    assert_false(host_bounds_allow(&out, ""));
    host_bounds_clear(&out);
    static const char *const wrong[] = {"", "0", "3\n/x\n", "00\n/x\n", "0\n/x", "\n/x\n"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        setenv("PATHACCT_HOST_BOUNDS", wrong[i], 1);
        assert_false(host_bounds_take(&out));
    }
}

static void test_only_our_plugins_have_a_filter(void **state)
{
    enum syscall_user user;

    (void)state;
    assert_int_equal(syscall_user_find("kafka", &user), 0);
    assert_int_equal(user, SYSCALLS_OF_KAFKA);
    assert_int_equal(syscall_user_find("lines", &user), -ENOENT);
}

static void test_names_of_the_table_are_right(void **state)
{
#ifdef HAS_SECCOMP
    /* Calls that came after libseccomp 2.5.4. */
    static const char *const newer[] = {"mseal",         "futex_wait",       "futex_wake",
                                        "futex_requeue", "map_shadow_stack", "riscv_hwprobe",
                                        "fchmodat2"};
    static const char *const names[] = {
#define CALL(name, who, why)        #name,
#define THREAD_CALL(name, who, why) #name,
#define FALLBACK(name, who, why)    #name,
#include "sandbox/syscalls.def"
    };

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        bool is_newer = false;
        for (size_t k = 0; k < sizeof newer / sizeof newer[0]; k++)
            is_newer = is_newer || strcmp(newer[k], names[i]) == 0;
        if (!is_newer && seccomp_syscall_resolve_name(names[i]) == __NR_SCMP_ERROR)
            fail_msg("there is no call %s", names[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(names[i], names[k]) == 0)
                fail_msg("%s stands there twice", names[i]);
    }
#else
    (void)state;
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_calls_are_refused_and_told),
        cmocka_unit_test(test_a_caller_of_many_numbers_fills_nothing),
        cmocka_unit_test(test_threads_memory_and_names_work),
        cmocka_unit_test(test_programs_are_started_outside_of_the_filter),
        cmocka_unit_test(test_kill_ends_the_process),
        cmocka_unit_test(test_without_a_listener_calls_fail_all_the_same),
        cmocka_unit_test(test_nobody_hangs_when_the_launcher_is_gone),
        cmocka_unit_test(test_bounds_come_out_as_they_went_in),
        cmocka_unit_test(test_only_our_plugins_have_a_filter),
        cmocka_unit_test(test_names_of_the_table_are_right),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
