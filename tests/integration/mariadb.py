# SPDX-License-Identifier: GPL-2.0-or-later
"""A private MariaDB server for one test: its own folder, a Unix socket in it, a free port of 127.0.0.1.

The server does not run as root where there is a user for it. It is one process, ended by its id.
"""
import atexit
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

from harness import Skip, free_port, wait_for
from server_user import ServerUser

PASSWORD = "arealsmartpwd"
TEMPLATE, TEMPLATE_LOCK = [], threading.Lock()


def program(*names):
    for name in names:
        for folder in ("/usr/sbin", "/usr/bin", "/usr/local/bin"):
            if os.access(f"{folder}/{name}", os.X_OK):
                return f"{folder}/{name}"
    raise Skip("MariaDB (package mariadb-server) is not installed")


class MariaDB(ServerUser):
    """A server with `settings` on its command line. `root` comes in by the socket; `pmacct` owns database pmacct and comes in by
    password, by socket and TCP."""

    def __init__(self, test, name="maria", settings=None):
        self.test, self.name = test, name
        self.server, self.client = program("mariadbd", "mysqld"), program("mariadb", "mysql")
        self.choose_user("MariaDB", "mysql")
        self.dir = test.dir / name
        self.dir.mkdir()
        self.data, self.socket, self.port = self.dir / "data", self.dir / "s", free_port(socket.SOCK_STREAM)
        # A server that is killed must have what it acknowledged, which the kernel keeps without fsync.
        self.settings = {"innodb-flush-log-at-trx-commit": 2, "innodb-buffer-pool-size": "32M", "innodb-log-file-size": "32M",
                         "max-connections": 200, "sync-binlog": 0, "tmpdir": self.dir, **(settings or {})}
        self.give(self.dir)
        with TEMPLATE_LOCK:
            template = self.template()
        self.run("cp", "-a", template, self.data)
        self.process = None
        self.start()
        self.sql(f"CREATE DATABASE pmacct; CREATE USER pmacct@'%' IDENTIFIED BY '{PASSWORD}'; CREATE USER pmacct@localhost IDENTIFIED BY "
                 f"'{PASSWORD}'; GRANT ALL ON pmacct.* TO pmacct@'%'; GRANT ALL ON pmacct.* TO pmacct@localhost", db="")
        test.cleanups.append(self.close)

    def template(self):
        """The folder that mariadb-install-db makes, made once for all tests of a script."""
        if not TEMPLATE:
            folder = pathlib.Path(tempfile.mkdtemp(prefix="pathacct-mariadb-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            self.give(folder)
            self.run(program("mariadb-install-db", "mysql_install_db"), "--no-defaults", f"--datadir={folder}/data", "--skip-test-db",
                     "--auth-root-authentication-method=normal", "--innodb-log-file-size=32M", f"--tmpdir={folder}")
            TEMPLATE.append(folder / "data")
        return TEMPLATE[0]

    def start(self):
        options = [f"--{key}={value}" for key, value in self.settings.items()]
        self.process = self.test.start([*self.become(), self.server, "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}",
                                        f"--pid-file={self.dir}/pid", f"--port={self.port}", "--bind-address=127.0.0.1",
                                        "--skip-name-resolve", *options], self.name, cwd="/")
        wait_for(self.is_ready, f"a MariaDB server on {self.dir}:\n{self.process.output()}", 60)

    def is_ready(self):
        assert self.process.popen.poll() is None, self.process.output()
        with contextlib.suppress(subprocess.CalledProcessError):
            return self.value("SELECT 1", db="") == "1"
        return False

    def stop(self, how=signal.SIGTERM):
        """SIGTERM: an orderly end. SIGKILL: a crash."""
        if self.process and self.process.popen.poll() is None:
            self.process.signal(how)
            self.process.wait(60)
        self.process = None

    def close(self):
        with contextlib.suppress(Exception):
            self.stop(signal.SIGKILL)

    def sql(self, text, db="pmacct", user="root", check=True):
        """Runs statements; the rows of all of them, as lists of strings, without their titles."""
        done = subprocess.run([self.client, "--no-defaults", "-S", self.socket, "-u", user, *([f"-p{PASSWORD}"] if user == "pmacct" else []),
                               "--default-character-set=utf8mb4", "--batch", "--raw", "--skip-column-names", "--connect-timeout=10",
                               *([db] if db else [])], input=text, check=False, capture_output=True, text=True)
        if check and done.returncode != 0:
            raise subprocess.CalledProcessError(done.returncode, text, done.stdout, done.stderr)
        return [line.split("\t") for line in done.stdout.splitlines()]

    def value(self, text, **kwargs):
        return self.sql(text, **kwargs)[0][0]

    def has_table(self, name, db="pmacct"):
        return self.value(f"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{db}' AND table_name = '{name}'", db="") == "1"

    def keys(self, instance=None, by_tcp=False):
        """Lines of configuration that reach it."""
        at = f"[{instance}]" if instance else ""
        where = f"sql_host{at}: 127.0.0.1\nsql_port{at}: {self.port}\n" if by_tcp else f"sql_host{at}: unix:{self.socket}\n"
        return f"{where}sql_db{at}: pmacct\nsql_user{at}: pmacct\nsql_passwd{at}: {PASSWORD}\n"
