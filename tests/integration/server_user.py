# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers of others do not run as root: who they are in place of it, and what belongs to that user."""
import contextlib
import os
import pwd
import subprocess

from harness import Skip, need


class ServerUser:
    """What such a server's class has. `owner` is None where the tests are not root's."""

    def choose_user(self, server, name):
        self.owner = None
        if os.geteuid() != 0:
            return
        for user in (name, "nobody"):
            with contextlib.suppress(KeyError):
                self.owner = pwd.getpwnam(user)
                return
        raise Skip(f"there is no user that {server} could run as")

    def give(self, path):
        if self.owner:
            os.chown(path, self.owner.pw_uid, self.owner.pw_gid)

    def become(self):
        """What stands before a command that is to run as this user."""
        if not self.owner:
            return []
        return [need("setpriv"), f"--reuid={self.owner.pw_uid}", f"--regid={self.owner.pw_gid}", "--clear-groups"]

    def run(self, *args):
        subprocess.run([*self.become(), *map(str, args)], check=True, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
