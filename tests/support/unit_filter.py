#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a program under the filter of system calls and MemoryDenyWriteExecute of a systemd unit, without systemd.

usage: unit_filter.py UNIT PROGRAM [ARGUMENT...]

The sets of calls (@system-service...) are those that systemd-analyze knows. Exit status 77: something that this needs is not there.
"""
import ctypes
import os
import pathlib
import re
import shutil
import subprocess
import sys

ALLOW, EPERM = 0x7fff0000, 0x00050001  # SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EPERM)
PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 38, 65


def call_sets():
    told = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True, text=True, check=True).stdout
    sets, current = {}, []
    for line in told.splitlines():
        if line.startswith("@"):
            current = sets[line.strip()] = []
        elif line.startswith("    ") and not line.strip().startswith("#"):
            current.append(line.strip())
    return sets


def expand(sets, name):
    return set().union(*(expand(sets, n) for n in sets[name])) if name.startswith("@") else {name}


def allowed(unit):
    """The calls that the lines SystemCallFilter= leave, in their order."""
    sets = call_sets()
    calls = expand(sets, "@default")
    for line in re.findall(r"^SystemCallFilter=(.*)", pathlib.Path(unit).read_text(), re.M):
        names = set().union(*(expand(sets, n) for n in line.lstrip("~").split()))
        calls = calls - names if line.startswith("~") else calls | names
    return calls


def main():
    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        sys.exit(77)
    if not shutil.which("systemd-analyze"):
        sys.exit(77)
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(EPERM))
    for call in allowed(sys.argv[1]):
        number = library.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:
            library.seccomp_rule_add(context, ALLOW, number, 0)
    c = ctypes.CDLL(None)
    if c.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or library.seccomp_load(context) != 0:
        sys.exit(77)
    c.prctl(PR_SET_MDWE, 1, 0, 0, 0)  # since Linux 6.3; without it the rest is still worth a test
    os.execv(sys.argv[2], sys.argv[2:])


main()
