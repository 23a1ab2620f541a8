#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Proves that the Debian packages are built without a word of lintian, hold what belongs into each, and take the place of a running pmacct:
in a Debian system of its own, with the configuration that pmacct had, rows go on."""
import os
import pathlib
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from harness import SOURCE, Skip, free_port, json_lines, main, need, need_root, wait_for
import exports

PACKAGES = {
    "pathacct": ["usr/sbin/nfacctd", "usr/sbin/sfacctd", "usr/bin/pmacct", "usr/bin/pathacct", "usr/libexec/pathacct-host", "lib/systemd/system/nfacctd.service",
                 "lib/systemd/system/sfacctd.service", "usr/lib/sysusers.d/pathacct.conf", "usr/lib/tmpfiles.d/pathacct.conf",
                 "usr/share/pathacct/nfacctd.conf", "usr/share/man/man5/nfacctd.conf.5.gz", "usr/share/man/man8/sfacctd.8.gz"],
    "pathacct-sqlite3": ["usr/share/man/man7/pathacct-sql.7.gz"],
    "pathacct-pgsql": ["usr/share/man/man7/pathacct-pgsql.7.gz"],
    "pathacct-mysql": ["usr/share/man/man7/pathacct-mysql.7.gz"],
    "pathacct-kafka": ["usr/share/man/man7/pathacct-kafka.7.gz"],
    "pathacct-dev": ["usr/include/pathacct_plugin.h", "usr/share/man/man3/pathacct_plugin.3.gz"],
    "pathacct-doc": ["usr/share/doc/pathacct/switching.md", "usr/share/doc/pathacct/examples/multipath/nfacctd.conf"],
}
LIBRARIES = {"pathacct-sqlite3": "libsqlite3-0", "pathacct-pgsql": "libpq5", "pathacct-mysql": "libmariadb3", "pathacct-kafka": "librdkafka1"}
made = {}  # what more than one test needs: made by the first


def run(*args, **kwargs):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, check=False, **kwargs)
    assert done.returncode == 0, f"{args}: {done.returncode}\n{(done.stdout + done.stderr)[-4000:]}"
    return done.stdout


def packages():
    """The folder with all packages, built from the files that git knows."""
    if "packages" not in made:
        need("dpkg-buildpackage", "dh")
        if subprocess.run(["git", "-C", SOURCE, "rev-parse"], capture_output=True, check=False).returncode != 0:
            raise Skip("this is no git checkout, so what belongs to the source is not known")
        folder = pathlib.Path(tempfile.mkdtemp(prefix="pathacct-packages-"))
        made["packages"] = folder
        source = folder / "pathacct"
        source.mkdir()
        files = [f for f in run("git", "-C", SOURCE, "ls-files").splitlines() if (SOURCE / f).exists()]
        subprocess.run(f"tar -C {shlex.quote(str(SOURCE))} -cf - -T - | tar -C {source} -xf -", shell=True, input="\n".join(files), text=True, check=True)
        env = {**os.environ, "PATH": "/usr/lib/ccache:" + os.environ["PATH"], "DEB_BUILD_OPTIONS": f"parallel={os.cpu_count()} noautodbgsym"}
        run("dpkg-buildpackage", "-us", "-uc", "-b", cwd=source, env=env)
    if not list(made["packages"].glob("*.deb")):
        raise Skip("the packages could not be built; the first test says why")
    return made["packages"]


def package(name):
    (path,) = packages().glob(f"{name}_*.deb")
    return path


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


class System:
    """A Debian system in a folder, which shares this one's network. Nothing in it starts by itself."""

    def __init__(self, test):
        need_root()
        program = need("mmdebstrap")
        self.root = test.dir / "root"
        sources = [p for p in [*pathlib.Path("/etc/apt/sources.list.d").glob("debian.sources"), pathlib.Path("/etc/apt/sources.list")] if p.exists()]
        release = re.search(r"VERSION_CODENAME=(\w+)", pathlib.Path("/etc/os-release").read_text())[1]
        done = subprocess.run([program, "--variant=apt", "--include=pmacct", release, self.root, sources[0]], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Skip(f"no Debian system can be made: {done.stderr.strip().splitlines()[-1]}")
        test.cleanups.append(lambda: shutil.rmtree(self.root, ignore_errors=True))
        (self.root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
        (self.root / "usr/sbin/policy-rc.d").chmod(0o755)

    def inside(self, *words):
        """The command that runs another in the system, with /proc, which is gone with it."""
        return ["unshare", "--mount", "sh", "-c", 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', self.root, *words]

    def run(self, *words):
        return run(*self.inside(*words), env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"})

    def install(self, *names):
        for name in names:
            shutil.copy(package(name), self.root / "tmp")
        self.run("apt-get", "update", "-qq")
        return self.run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *(f"/tmp/{package(name).name}" for name in names))

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


def test_clean_up(_):
    shutil.rmtree(made.get("packages", "/nonexistent"), ignore_errors=True)


if __name__ == "__main__":
    main(globals())
