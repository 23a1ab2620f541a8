#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that the Debian packages are built without a word of lintian, hold what belongs into each, and take the place of a running pmacct:
in a Debian system of its own, with the configuration that pmacct had, rows go on."""
import concurrent.futures
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time

from harness import SOURCE, free_port, json_lines, main, need, wait_for
from debian import Root, package, packages, run
import exports

PACKAGES = {
    "pathacct": ["usr/sbin/nfacctd", "usr/sbin/sfacctd", "usr/bin/pmacct", "usr/bin/pathacct", "usr/libexec/pathacct-host", "lib/systemd/system/nfacctd.service",
                 "lib/systemd/system/sfacctd.service", "usr/lib/sysusers.d/pathacct.conf", "usr/lib/tmpfiles.d/pathacct.conf",
                 "usr/sbin/pmbgpd", "lib/systemd/system/pmbgpd.service", "usr/share/pathacct/pmbgpd.conf", "usr/share/man/man8/pmbgpd.8.gz",
                 "usr/sbin/pmbmpd", "lib/systemd/system/pmbmpd.service", "usr/share/pathacct/pmbmpd.conf", "usr/share/man/man8/pmbmpd.8.gz",
                 "usr/share/pathacct/nfacctd.conf", "usr/share/man/man5/nfacctd.conf.5.gz", "usr/share/man/man8/sfacctd.8.gz"],
    "pathacct-sqlite3": ["usr/share/man/man7/pathacct-sql.7.gz"],
    "pathacct-pgsql": ["usr/share/man/man7/pathacct-pgsql.7.gz"],
    "pathacct-mysql": ["usr/share/man/man7/pathacct-mysql.7.gz"],
    "pathacct-kafka": ["usr/share/man/man7/pathacct-kafka.7.gz"],
    "pathacct-amqp": ["usr/share/man/man7/pathacct-amqp.7.gz"],
    "pathacct-dev": ["usr/include/pathacct_plugin.h", "usr/share/man/man3/pathacct_plugin.3.gz"],
    "pathacct-doc": ["usr/share/doc/pathacct/switching.md", "usr/share/doc/pathacct/examples/multipath/nfacctd.conf"],
}
LIBRARIES = {"pathacct-sqlite3": "libsqlite3-0", "pathacct-pgsql": "libpq5", "pathacct-mysql": "libmariadb3", "pathacct-kafka": "librdkafka1",
             "pathacct-amqp": "librabbitmq4"}


def test_each_package_holds_its_part(_):
    for name, expected in PACKAGES.items():
        files = {line.split(None, 5)[5].removeprefix("./") for line in run("dpkg-deb", "-c", package(name)).splitlines()}
        assert not set(expected) - files, (name, set(expected) - files)
        depends = run("dpkg-deb", "-f", package(name), "Depends")
        for backend, library in LIBRARIES.items():
            assert (library in depends) == (backend == name), (name, depends)
            holds = any(f.endswith(f"/pathacct/{backend.removeprefix('pathacct-')}.so") for f in files)
            assert holds == (backend == name), (name, backend)
    fields = run("dpkg-deb", "-f", package("pathacct"))
    for field in ("Conflicts: pmacct", "Replaces: pmacct", "Provides: nfacctd, sfacctd"):
        assert field in fields, fields
    version = re.search(r"project\(pathacct VERSION (\S+)", (SOURCE / "CMakeLists.txt").read_text())[1]
    assert f"\nVersion: {version}\n" in fields, fields


def test_lintian_has_nothing_to_say(_):
    lintian = need("lintian")
    (changes,) = packages().glob("*.changes")
    told = subprocess.run([lintian, "--tag-display-limit", "0", changes], capture_output=True, text=True, check=False)
    assert told.returncode == 0 and not re.findall(r"^[EW]: .*", told.stdout, re.M), told.stdout


class System(Root):
    """A Debian system whose units are read as systemd does."""

    def unit(self, name):
        """(environment, settings) of a unit with its drop-ins, as systemd reads them."""
        environment, settings = {}, {}
        files = [self.root / f"lib/systemd/system/{name}.service", *sorted((self.root / f"etc/systemd/system/{name}.service.d").glob("*.conf"))]
        for file in files:
            for line in file.read_text().splitlines():
                key, equals, value = line.partition("=")
                if equals and not line.startswith(("#", "[")):
                    settings.setdefault(key, []).append(value)
        for value in settings.get("Environment", []):
            environment.update(word.split("=", 1) for word in shlex.split(value))
        for value in settings.get("EnvironmentFile", []):
            file = self.root / value.lstrip("-/")
            lines = file.read_text().splitlines() if file.exists() else []
            environment.update(shlex.split(line)[0].split("=", 1) for line in lines if line and not line.startswith("#"))
        return environment, settings

    def start(self, test, name, **env):
        """What the unit would start."""
        environment, settings = self.unit(name)
        words = []
        for word in settings["ExecStart"][-1].split():
            if word.startswith("${"):
                words.append(environment[word[2:-1]])
            else:
                words += environment.get(word[1:], "").split() if word.startswith("$") else [word]
        return test.start(self.inside(*words), f"{name}-{time.monotonic_ns()}", env={"PATH": "/usr/sbin:/usr/bin", **environment, **env})


def has_ended(pid):
    """True also of a process that has ended but whose parent has not asked: that parent is none of ours."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def end(pid):
    """Ends pmacct's daemon, which sometimes waits for a plugin of its own for ever."""
    os.kill(pid, signal.SIGINT)
    try:
        wait_for(lambda: has_ended(pid), "pmacct's end", 15)
    except AssertionError:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in (pid, *map(int, children)):
            os.kill(each, signal.SIGKILL)
        wait_for(lambda: has_ended(pid), "pmacct's end by force")


def rows(system):
    path = system.root / "srv/flows/out.json"
    return sum(row["packets"] for row in json_lines(path)) if path.exists() else 0


def test_it_takes_the_place_of_a_running_pmacct(test):
    packages()
    system, port = System(test), free_port()
    system.get("pmacct")
    (system.root / "srv/flows").mkdir()
    (system.root / "etc/pmacct/nfacctd.conf").write_text(f"""! what pmacct had
daemonize: true
pidfile: /var/run/nfacctd.pid
syslog: daemon
nfacctd_ip: 127.0.0.1
nfacctd_port: {port}
plugins: print[out]
aggregate[out]: src_host, dst_host
print_output[out]: json
print_output_file[out]: /srv/flows/out.json
print_output_file_append[out]: true
print_refresh_time[out]: 1
""")
    before, _ = system.unit("nfacctd")
    assert before["NFACCTD_CONF"] == "/etc/pmacct/nfacctd.conf"
    system.start(test, "nfacctd")
    pid_file = system.root / "run/nfacctd.pid"
    pid = wait_for(lambda: pid_file.exists() and pid_file.read_text().strip(), "pmacct's daemon")
    stream = exports.Ipfix()
    test.port = port

    def send():
        test.send(stream.announce(), stream.data([exports.common_flow("10.0.0.1", "192.0.2.1", "10.0.0.9")]))
        return rows(system)
    wait_for(send, "pmacct's rows")
    end(int(pid))
    seen = rows(system)

    told = system.install("pathacct", "pathacct-sqlite3")
    assert "nfacctd uses /etc/pmacct/nfacctd.conf, as root" in told, told
    environment, settings = system.unit("nfacctd")
    assert environment["NFACCTD_CONF"] == "/etc/pmacct/nfacctd.conf" and settings["User"][-1] == "root", settings
    assert {"-/srv/flows", "-/run"} <= set(settings["ReadWritePaths"]), settings
    assert not (system.root / "etc/pathacct/nfacctd.conf").exists()

    # As under systemd: it waits for the daemon in the foreground, and hears that it is ready.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(system.root / "run/notify"))
        manager.settimeout(60)
        daemon = system.start(test, "nfacctd", NOTIFY_SOCKET="/run/notify")
        while "READY=1" not in manager.recv(4096).decode():
            pass
    assert daemon.popen.poll() is None and "daemonize: has no effect under systemd" in daemon.output(), daemon.output()
    wait_for(lambda: send() > seen, "rows after pmacct's")
    assert daemon.stop() == 0, daemon.output()

    # An upgrade keeps all that; a purge takes what the package made, and a new installation has a configuration of its own.
    dropin = system.root / "etc/systemd/system/nfacctd.service.d/pmacct.conf"
    dropin.write_text(dropin.read_text() + "# mine\n")
    system.run("dpkg", "-i", f"/tmp/{package('pathacct').name}")
    assert dropin.read_text().endswith("# mine\n") and not (system.root / "etc/pathacct/nfacctd.conf").exists()
    system.run("apt-get", "purge", "-y", "-qq", "pathacct", "pathacct-sqlite3", "pmacct")
    assert not dropin.exists() and not (system.root / "etc/pathacct").exists() and (system.root / "srv/flows/out.json").exists()
    shutil.rmtree(system.root / "etc/pmacct", ignore_errors=True)
    system.install("pathacct")
    environment, settings = system.unit("nfacctd")
    assert environment["NFACCTD_CONF"] == "/etc/pathacct/nfacctd.conf" and settings["User"] == ["pathacct"], (environment, settings)
    group = re.search(r"^pathacct:x:(\d+):", (system.root / "etc/group").read_text(), re.M)
    status = (system.root / "etc/pathacct/nfacctd.conf").stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (0, int(group[1]), 0o640), status
    system.run("nfacctd", "-f", "/etc/pathacct/nfacctd.conf", "--check")
    for link in ("nfacctd", "sfacctd"):
        assert (system.root / f"etc/systemd/system/multi-user.target.wants/{link}.service").is_symlink(), link
    for name in ("pmbgpd", "pmbmpd"):  # they would open a port to everybody
        assert not (system.root / f"etc/systemd/system/multi-user.target.wants/{name}.service").exists(), name
        system.run(name, "-f", f"/etc/pathacct/{name}.conf", "--check")


def test_examples_do_what_their_pages_say_as_packaged(_):
    """What stands in the pages of examples is run where the packages put them."""
    folder = packages()

    def run_page(page):
        return subprocess.run([SOURCE / "tests/documents/run_document", page], env={**os.environ, "PACKAGES": str(folder)}, capture_output=True, text=True, check=False)
    pages = sorted(str(path.relative_to(SOURCE)) for path in (SOURCE / "examples").glob("*/README.md"))
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for page, done in zip(pages, pool.map(run_page, pages)):
            if done.returncode == 77:
                print(done.stdout.strip())
            assert done.returncode in (0, 77), done.stdout + done.stderr
    assert len(pages) >= 16, pages


if __name__ == "__main__":
    main(globals())
