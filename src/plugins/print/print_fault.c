/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the remedy of an error of a file in a table. See print_fault.h. */
#include "plugins/print/print_fault.h"
#include "base/clock.h"
#include "base/memory.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SAY_AGAIN_NS (600 * NS_PER_S)

static const struct {
    int error;
    const char *remedy;
} remedies[] = {
    {EACCES, "let the user of this process write in its folder (chown, chmod), or choose another "
             "folder in print_output_file"},
    {EPERM, "the file may be immutable (lsattr), or files_uid and files_gid ask for what this user "
            "may not give"},
    {EROFS, "its file system is read-only for this process; under systemd, ReadWritePaths= of the "
            "unit must name the folder"},
    {ENOSPC, "no room is left on its disk; rows wait until there is"},
    {EDQUOT, "the disk quota of this user is used up; rows wait until there is room"},
    {ENOENT, "its folder is not there and cannot be made; make it, or choose another one in "
             "print_output_file"},
    {ENOTDIR, "what should be a folder on the way to it is a file; remove that, or choose another "
              "folder in print_output_file"},
    {EISDIR, "there is a folder of that name; remove it, or choose another name in "
             "print_output_file"},
    {ETXTBSY, "a program runs from that file; choose another name in print_output_file"},
    {EMFILE, "too many files are open; lower print_open_files, or raise the limit (ulimit -n)"},
    {EIO, "its disk has a fault: see the kernel's log"},
    {ENXIO, "nobody reads that pipe; rows wait until somebody does"},
    {EPIPE, "who read that pipe has gone; rows wait until it is read again"},
};

const char *print_fault_remedy(int error)
{
    for (size_t i = 0; i < sizeof remedies / sizeof remedies[0]; i++)
        if (remedies[i].error == error)
            return remedies[i].remedy;
    return "rows wait until it can be written";
}

int print_fault_say(struct print_fault *fault, const struct pa_host *host, const char *name,
                    int err)
{
    int64_t now_ns = clock_mono().ns;
    bool waits = err == -ENOSPC || err == -EDQUOT || err == -ENXIO || err == -EPIPE;

    if (fault->name && fault->error == err && strcmp(fault->name, name) == 0 &&
        now_ns - fault->said_ns < SAY_AGAIN_NS)
        return -EAGAIN;
    print_fault_clear(fault);
    *fault = (struct print_fault){mem_strdup(name), err, now_ns};
    host->log(host, waits ? PA_LOG_WARNING : PA_LOG_ERROR, "cannot write %s: %s (user id %u): %s",
              name, strerrordesc_np(-err), (unsigned)geteuid(), print_fault_remedy(-err));
    return -EAGAIN;
}

void print_fault_clear(struct print_fault *fault)
{
    mem_free(fault->name);
    *fault = (struct print_fault){0};
}
