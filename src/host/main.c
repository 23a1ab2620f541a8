/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pathacct-host: the process around one plugin instance. The core starts it with a socket as its
 * standard input and the instance's name as its only argument; `--describe NAME [FOLDER]` prints a
 * plugin's key table instead, by default from the folder where the daemons look for plugins.
 */
#include "base/program_place.h"
#include "base/text.h"
#include "host/backend.h"
#include "host/describe.h"
#include "host/host.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int print_description(const struct pa_plugin *plugin)
{
    struct text out = {0};
    int status = 0;

    if (describe_plugin(plugin, &out) < 0) {
        fprintf(stderr, "pathacct-host: the keys of %s are not UTF-8\n", plugin->name);
        status = 1;
    } else if (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0) {
        status = 1;
    }
    text_clear(&out);
    return status;
}

/* Looks where the daemons look if `plugin_dir` is NULL. */
static int describe_named(const char *name, const char *plugin_dir)
{
    const struct pa_plugin *plugin = NULL;
    char own_dir[PATH_MAX];
    struct text error = {0};
    int status = 1;

    if (!plugin_dir) {
        program_place_find(own_dir, "PATHACCT_PLUGIN_DIR", PATHACCT_PLUGINS_BELOW,
                           PATHACCT_PLUGIN_DIR);
        plugin_dir = own_dir;
    }
    if (plugin_load(plugin_dir, name, &error, &plugin) < 0)
        fprintf(stderr, "pathacct-host: %s\n", text_cstr(&error));
    else
        status = print_description(plugin);
    text_clear(&error);
    return status;
}

/* Moves the supervisor's socket away from standard input, where a plugin might read. */
static int take_socket(void)
{
    int type = 0;
    socklen_t len = sizeof type;
    if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_SEQPACKET)
        return -EINVAL;
    int socket = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (socket < 0 || null < 0 || dup2(null, STDIN_FILENO) < 0)
        return -errno;
    close(null);
    return socket;
}

/*
 * Root may need these for files of others; nothing else that root has is of use to a backend.
 * What a program that we start has as root is not less by that: see capabilities(7), "Execution by
 * root".
 */
static void keep_capabilities(void)
{
    static const unsigned kept[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER,
                                    CAP_FSETID};
    bool has[sizeof kept / sizeof kept[0]];

    if (capng_get_caps_process() < 0)
        return;
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        has[i] = capng_have_capability(CAPNG_EFFECTIVE, kept[i]) == 1;
    capng_clear(CAPNG_SELECT_CAPS);
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++)
        if (has[i])
            capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, kept[i]);
    capng_apply(CAPNG_SELECT_CAPS); /* where a filter forbids it, we go on with what we have */
}

int main(int argc, char **argv)
{
    if ((argc == 3 || argc == 4) && strcmp(argv[1], "--describe") == 0)
        return describe_named(argv[2], argc == 4 ? argv[3] : NULL);
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        puts("pathacct-host " PATHACCT_VERSION);
        return 0;
    }
    /* The daemon's only argument is the instance's name, for lists of processes. */
    bool is_started = argc == 1 || (argc == 2 && argv[1][0] != '-');
    int socket = is_started ? take_socket() : -EINVAL;
    if (socket < 0) {
        fputs("usage: pathacct-host --describe NAME [FOLDER] | --version\n"
              "(the daemons start it themselves for each plugin instance)\n",
              stderr);
        return 2;
    }
    keep_capabilities();
    return host_run(socket, argc, argv);
}
