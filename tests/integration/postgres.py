# SPDX-License-Identifier: GPL-2.0-or-later
"""A private PostgreSQL server for one test: its own folder, a Unix socket in it, a free port of 127.0.0.1.

The server does not run as root, so its files belong to `postgres` or `nobody`. Its processes are children of the first one and
leave when that one is killed.
"""
import atexit
import contextlib
import csv
import glob
import io
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


def programs():
    """The folder of the newest server that is installed."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"), key=lambda p: float(p.split("/")[4]))
    if not found:
        raise Skip("PostgreSQL (package postgresql) is not installed")
    return pathlib.Path(found[-1]).parent


class Postgres(ServerUser):
    """A server with `settings` in its postgresql.conf. The superuser is `postgres`; `pmacct` owns database pmacct and comes in by
    password over TCP, by nothing over the socket."""

    def __init__(self, test, name="pg", settings=None, start=True):
        self.test, self.name = test, name
        self.bin = programs()
        self.choose_user("PostgreSQL", "postgres")
        self.dir = test.dir / name
        self.dir.mkdir()
        self.data, self.port = self.dir / "data", free_port(socket.SOCK_STREAM)
        self.host = str(self.dir)
        self.settings = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "256MB", "shared_buffers": "32MB",
                         "log_checkpoints": "off", **(settings or {})}
        self.give(self.dir)
        with TEMPLATE_LOCK:
            template = self.template()
        self.run("cp", "-a", template, self.data)
        (self.data / "pg_hba.conf").write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        self.process = None
        if start:
            self.start()
            self.sql(f"CREATE ROLE pmacct LOGIN PASSWORD '{PASSWORD}'", db="postgres")
            self.sql("CREATE DATABASE pmacct OWNER pmacct", db="postgres")
        test.cleanups.append(self.close)

    def template(self):
        """The folder that initdb makes, made once for all tests of a script."""
        if not TEMPLATE:
            folder = pathlib.Path(tempfile.mkdtemp(prefix="pathacct-initdb-"))
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            self.give(folder)
            self.run(self.bin / "initdb", "-D", folder / "data", "-U", "postgres", "-N", "--no-instructions", "-A", "trust",
                     "-E", "UTF8", "--locale=C.UTF-8")
            TEMPLATE.append(folder / "data")
        return TEMPLATE[0]

    def start(self):
        options = [arg for key, value in self.settings.items() for arg in ("-c", f"{key}={value}")]
        self.process = self.test.start([*self.become(), self.bin / "postgres", "-D", self.data, "-k", self.dir, "-p", self.port,
                                        "-c", "listen_addresses=127.0.0.1", *options], self.name, cwd="/")
        wait_for(self.is_ready, f"a PostgreSQL server on {self.dir}:\n{self.process.output()}")

    def is_ready(self):
        assert self.process.popen.poll() is None, self.process.output()
        return subprocess.run([self.bin / "pg_isready", "-q", "-U", "postgres", "-h", self.host, "-p", str(self.port)], check=False).returncode == 0

    def stop(self, how=signal.SIGINT):
        """SIGINT: sessions are cut off (fast). SIGQUIT: like a crash (immediate). SIGKILL: the first process dies, and the
        others when they notice."""
        if self.process and self.process.popen.poll() is None:
            self.process.signal(how)
            self.process.wait(30)
        self.wait_gone()
        self.process = None

    def wait_gone(self):
        """Its shared memory is still in use while one of the server's processes lives."""
        def gone():
            for stat in glob.glob("/proc/[0-9]*/cwd"):
                with contextlib.suppress(OSError):
                    if os.readlink(stat) == str(self.data):
                        return False
            return True
        wait_for(gone, "the end of all processes of the server", 30)
        with contextlib.suppress(FileNotFoundError):
            (self.data / "postmaster.pid").unlink()

    def close(self):
        with contextlib.suppress(Exception):
            self.stop(signal.SIGQUIT)

    def psql(self, *args, db="pmacct", user="postgres", **kwargs):
        """Returns what psql prints; an error of the server raises."""
        return subprocess.run([self.bin / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", self.host, "-p", str(self.port), "-U", user,
                               "-d", db, *args], check=True, capture_output=True, text=True, **kwargs).stdout

    def sql(self, text, db="pmacct", user="postgres"):
        """Runs statements; the rows of the last one, as lists of strings."""
        return list(csv.reader(io.StringIO(self.psql("--csv", "-t", "-c", text, db=db, user=user))))

    def value(self, text, **kwargs):
        return self.sql(text, **kwargs)[0][0]

    def has_table(self, name, **kwargs):
        return self.value(f"SELECT to_regclass('{name}') IS NOT NULL", **kwargs) == "t"

    def keys(self, instance=None, by_password=False):
        """Lines of configuration that reach it."""
        at = f"[{instance}]" if instance else ""
        return (f"sql_host{at}: {'127.0.0.1' if by_password else self.host}\nsql_port{at}: {self.port}\n"
                f"sql_db{at}: pmacct\nsql_user{at}: pmacct\nsql_passwd{at}: {PASSWORD}\n")


