/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finds the remedy of an error of a file in a table. See print_fault.h. */
#include "plugins/print/print_fault.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/named_file.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SAY_AGAIN_NS  (600 * NS_PER_S)
#define SAY_LOCKED_NS (60 * NS_PER_S)

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
    {ENOTSUP,
     "it is a pipe or a device: a print_output_file that is to be written to as a stream has "
     "no % and no $, and is there when the daemon starts"},
    {ESTALE, "another process changed it meanwhile; its rows are written again"},
    {EBADF, "whoever started the daemon did not give it that descriptor"},
    {ELOOP, "rows wait until it can be written"},
    {EPROTONOSUPPORT, "start that version again, or move the file and its .state elsewhere; rows "
                      "wait"},
    {EPIPE, "who read that pipe has gone; rows wait until it is read again"},
};

const char *print_fault_remedy(int error)
{
    for (size_t i = 0; i < sizeof remedies / sizeof remedies[0]; i++)
        if (remedies[i].error == error)
            return remedies[i].remedy;
    return "rows wait until it can be written";
}

const char *print_fault_words(int err)
{
    return err == -EPROTONOSUPPORT ? "its .state is of a later version of this program"
                                   : named_file_error(err);
}

/* Notes what is about to be said. False: it was said less than `again_ns` ago. */
static bool note(struct print_fault *fault, const char *name, int err, int64_t again_ns)
{
    int64_t now_ns = clock_mono().ns;

    if (fault->name && fault->error == err && strcmp(fault->name, name) == 0 &&
        now_ns - fault->said_ns < again_ns)
        return false;
    print_fault_clear(fault);
    *fault = (struct print_fault){mem_strdup(name), err, now_ns};
    return true;
}

int print_fault_say(struct print_fault *fault, const struct pa_host *host, const char *name,
                    int err)
{
    bool waits = err == -ENOSPC || err == -EDQUOT || err == -ENXIO || err == -EPIPE;

    if (!note(fault, name, err, SAY_AGAIN_NS))
        return -EAGAIN;
    host->log(host, waits ? PA_LOG_WARNING : PA_LOG_ERROR, "cannot write %s: %s (user id %u): %s",
              name, print_fault_words(err), (unsigned)geteuid(), print_fault_remedy(-err));
    return -EAGAIN;
}

int print_fault_say_locked(struct print_fault *fault, const struct pa_host *host, const char *name,
                           const struct file_lock_holder *holder)
{
    if (!note(fault, name, -EBUSY, holder->is_orphan ? SAY_AGAIN_NS : SAY_LOCKED_NS))
        return -EAGAIN;
    if (holder->is_orphan)
        host->log(host, PA_LOG_NOTICE,
                  "%s: %s (process %d), whose daemon has ended, still writes it; rows wait for its "
                  "end",
                  name, holder->who, (int)holder->pid);
    else
        host->log(host, PA_LOG_ERROR,
                  "cannot write %s: %s (process %d) writes it, and two would spoil it; choose "
                  "another name in print_output_file for one of them; rows wait",
                  name, holder->who, (int)holder->pid);
    return -EAGAIN;
}

void print_fault_clear(struct print_fault *fault)
{
    mem_free(fault->name);
    *fault = (struct print_fault){0};
}
