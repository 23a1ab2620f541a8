# SPDX-License-Identifier: GPL-2.0-or-later
"""A small service manager for tests, in place of systemd where that is not PID 1: it does what sd_notify(3) and sd_listen_fds(3) say
of descriptors, and no more. It keeps those that a daemon gives it, and passes them to the next daemon that it starts."""
import os
import socket
import sys
import threading

from harness import wait_for

# Puts descriptors where sd_listen_fds(3) says, and becomes the daemon, which has to find its own number in LISTEN_PID.
BECOME = """
import os, sys
fds = [os.dup2(os.dup(int(fd)), 500 + i) for i, fd in enumerate(sys.argv[1].split(",")) if fd]
for i, fd in enumerate(fds):
    os.dup2(fd, 3 + i, inheritable=True)
    os.close(fd)
os.closerange(3 + len(fds), 500)
if fds:
    os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class SmallServiceManager:
    """Its store is `kept`, a list of (name, descriptor) in the order in which they came."""

    def __init__(self, test, store_max=128):
        self.test, self.store_max, self.kept, self.messages = test, store_max, [], []
        self.path = test.dir / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.lock = threading.Lock()
        self.count = 0
        threading.Thread(target=self.listen, daemon=True).start()
        test.cleanups.append(self.close)

    def listen(self):
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.socket, 4096, 16)
            except OSError:
                return
            if not data:
                return
            lines = data.decode().splitlines()
            values = dict(line.split("=", 1) for line in lines)
            with self.lock:
                if values.get("FDSTOREREMOVE") == "1":
                    for name, fd in [k for k in self.kept if k[0] == values["FDNAME"]]:
                        os.close(fd)
                        self.kept.remove((name, fd))
                for fd in fds:
                    self.store(fd, values)
                self.messages.append(lines)

    def store(self, fd, values):
        assert values.get("FDPOLL") == "0", "it would be watched, and closed at the first error"
        known = {os.fstat(kept).st_ino for _, kept in self.kept}
        if values.get("FDSTORE") != "1" or len(self.kept) >= self.store_max or os.fstat(fd).st_ino in known:
            os.close(fd)
        else:
            self.kept.append((values.get("FDNAME", "stored"), fd))

    def names(self):
        with self.lock:
            return [name for name, _ in self.kept]

    def wait_names(self, names):
        wait_for(lambda: sorted(self.names()) == sorted(names), lambda: f"{names} in the store, which has {self.names()}")

    def wait_line(self, text):
        """The first message with a line that begins so, of those that came since the daemon was started."""
        def found():
            with self.lock:
                return [m for m in self.messages if any(line.startswith(text) for line in m)]
        return wait_for(found, lambda: f"{text} among {self.messages}")[0]

    def start(self, config, *args, program="nfacctd", state=True, **kwargs):
        """The next daemon, under a name of its own, which takes what is in the store. `state`: it has a folder for its state."""
        self.count += 1
        environment = {**os.environ, **kwargs.pop("env", {}), "NOTIFY_SOCKET": str(self.path)}
        if state:
            folder = self.test.dir / "state"
            folder.mkdir(exist_ok=True)
            environment["STATE_DIRECTORY"] = str(folder)
        with self.lock:
            self.messages = []
            if self.kept:
                environment.update(LISTEN_FDS=str(len(self.kept)), LISTEN_FDNAMES=":".join(name for name, _ in self.kept))
            fds = [fd for _, fd in self.kept]
            start = getattr(self.test, program)
            daemon = start(config, *args, name=f"{program}{self.count}", ready=False, env=environment, pass_fds=fds,
                           prefix=[sys.executable, "-c", BECOME, ",".join(map(str, fds))], **kwargs)
        daemon.name = f"{program}{self.count}"
        return daemon

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for _, fd in self.kept:
            os.close(fd)
