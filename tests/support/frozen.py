# SPDX-License-Identifier: GPL-2.0-or-later
"""A thread that stands still while the rest of its process goes on."""
import ctypes
import os
import pathlib

from harness import Skip

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT, WALL = 17, 0x4206, 0x4207, 0x40000000


class Frozen:
    """One thread of a process, stopped as a debugger stops it."""

    def __init__(self, pid, name):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self.tid = next(int(task.name) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
                        if (task / "comm").read_text().startswith(name))

    def __enter__(self):
        for request in PTRACE_SEIZE, PTRACE_INTERRUPT:
            if self.libc.ptrace(request, self.tid, None, None) < 0:
                raise Skip(f"a thread cannot be stopped here: {os.strerror(ctypes.get_errno())}")
        os.waitpid(self.tid, WALL)
        return self

    def __exit__(self, *_):
        self.libc.ptrace(PTRACE_DETACH, self.tid, None, None)
