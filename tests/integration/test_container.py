#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""examples/compose: its Containerfile is built on a Debian root, by buildah, or, where that or its namespaces are not to be had, step by step in a
chroot: the first line says which. What it makes is started as the image says; exports, Prometheus and the health check find it well.
compose.yml and Grafana's files are held against each other: neither compose nor Grafana is here."""
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import time

from harness import SOURCE, Skip, main, need, need_root, wait_for
from debian import Root, packages, root_archive, run

EXAMPLE = SOURCE / "examples/compose"
METRICS = SOURCE / "examples/metrics"
CONTAINERFILE = (EXAMPLE / "Containerfile").read_text()


def instructions():
    """(word, rest) of each instruction of the Containerfile; FROM begins a stage."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE, flags=re.M).replace("\\\n", " ")
    return [tuple(line.split(None, 1)) for line in text.splitlines() if line.strip()]


def context(test):
    """The folder that an image is built from: packages that lie there spare the build, which test_debian_packages.py has."""
    folder = test.dir / "context"
    (folder / "packages").mkdir(parents=True)
    for path in packages().glob("*.deb"):
        shutil.copy(path, folder / "packages")
    return folder


class Image:
    """Built by buildah, whose `chroot` isolation wants no namespaces but is not the host's root."""
    how = "buildah"

    def __init__(self, test):
        self.program, self.test = need("buildah"), test
        self.options = ["--storage-driver", "vfs", "--root", test.dir / "storage", "--runroot", test.dir / "run"]
        base = self.buildah("from", "scratch").strip()
        self.buildah("add", "-q", base, root_archive(), "/")
        self.buildah("commit", "-q", base, "localhost/debian")
        self.buildah("rm", base)
        self.buildah("build", "--isolation", "chroot", "--pull-never", "--format", "docker", "--build-arg", "BASE=localhost/debian", "-t", "localhost/pathacct",
                     "-f", EXAMPLE / "Containerfile", context(test))
        self.config = json.loads(self.buildah("inspect", "--type", "image", "localhost/pathacct"))["Docker"]["config"]
        self.container = self.buildah("from", "--pull-never", "localhost/pathacct").strip()
        self.root = pathlib.Path(self.buildah("mount", self.container).strip())
        self.data = test.dir / "data"
        self.data.mkdir()
        os.chown(self.data, 2100, 2100)  # as its README says of a folder of the host

    def buildah(self, *words):
        return run(self.program, *self.options, *words)

    def command(self, *words):
        """As `docker run` would: its user, its environment, its volume; in the network of who calls."""
        return [self.program, *self.options, "run", "--isolation", "chroot", "--volume", f"{self.data}:/var/lib/pathacct", self.container, "--", *words]


class Chroot:
    """The same steps one by one."""
    how = "chroot"

    def __init__(self, test):
        self.build, self.final = Root(test), None
        folder, system, self.config = context(test), self.build, {"Env": [], "Healthcheck": {}}
        for word, rest in instructions():
            if word == "FROM" and rest != "${BASE} AS build":
                first, test.dir = test.dir, test.dir / "final"
                test.dir.mkdir()
                system, test.dir = Root(test), first
            elif word == "WORKDIR":
                shutil.copytree(folder, system.root / rest[1:])
            elif word == "COPY" and rest.startswith("--from=build"):
                shutil.copytree(self.build.root / "packages", system.root / "packages")
            elif word == "RUN":
                place = "/source" if system is self.build else "/"
                system.run("sh", "-c", f"cd {place} && {rest}")
            elif word == "USER":
                self.config["User"] = rest
            elif word == "CMD":
                self.config["Cmd"] = json.loads(rest)
            elif word == "HEALTHCHECK":
                self.config["Healthcheck"] = {"Test": ["CMD-SHELL", rest.split("CMD ", 1)[1]]}
        self.root, self.system = system.root, system
        self.data = self.root / "var/lib/pathacct"

    def command(self, *words):
        return self.system.inside("setpriv", "--reuid", self.config["User"], "--regid", self.config["User"], "--init-groups", "--no-new-privs",
                                  "--bounding-set=-all", *words)


def image(test):
    need_root()
    for kind in (Image, Chroot):
        try:
            made = kind(test)
        except Skip as reason:
            if kind is Chroot:
                raise
            print(f"        buildah: {reason}")
            continue
        except AssertionError as error:
            if kind is Chroot or not re.search(r"operation not permitted|user namespace|cannot clone|permission denied", str(error), re.I):
                raise
            print(f"        buildah: {str(error).strip().splitlines()[-1]}")
            continue
        print(f"        the Containerfile was built by {made.how}")
        return made
    raise AssertionError


class Network:
    """A network of its own for the ports that stand in the files: nothing but loopback."""

    def __init__(self, test):
        self.holder = test.start(["unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 600"], "network")
        self.holder.wait_log("up")

    def inside(self, *words):
        return ["nsenter", "-t", self.holder.pid, "-n", *words]

    def run(self, *words):
        return run(*self.inside(*words))


def below(pid, name):
    """The first process that calls itself so and came of `pid`."""
    parents = {int(child): (int(parent), title) for child, parent, title in (line.split(None, 2) for line in run("ps", "-eo", "pid=,ppid=,args=").splitlines())}

    def came_of(child):
        while child in parents and child != pid:
            child = parents[child][0]
        return child == pid
    return min(child for child, (_, title) in parents.items() if title.startswith(name) and came_of(child))


def test_the_container(test):
    began = time.monotonic()
    made, network = image(test), Network(test)
    print(f"        in {time.monotonic() - began:.0f} s, with the packages and the root where these were not there yet")
    assert made.config["User"] == "pathacct" and made.config["Cmd"] == ["nfacctd", "-f", "/etc/pathacct/nfacctd.conf"], made.config
    owner = (made.root / "var/lib/pathacct").stat()
    assert (owner.st_uid, owner.st_gid) == (2100, 2100)
    assert not (made.root / "packages").exists()

    kind, *words = made.config["Healthcheck"]["Test"]
    health = words if kind == "CMD" else ["sh", "-c", words[0]]

    def is_healthy():
        return subprocess.run([str(w) for w in network.inside(*made.command(*health))], capture_output=True, check=False, timeout=60).returncode == 0
    assert not is_healthy(), "nothing runs"
    # First with the configuration that is in it, then with the one that compose.yml mounts.
    for mounted in (None, EXAMPLE / "nfacctd.conf"):
        if mounted:
            shutil.copy(mounted, made.root / "etc/pathacct/nfacctd.conf")
            (made.root / "etc/pathacct/nfacctd.conf").chmod(0o644)
        daemon = test.start(network.inside(*made.command(*made.config["Cmd"])), f"container-{bool(mounted)}")
        daemon.wait_log("waiting for NetFlow/IPFIX data on", 60)
        assert "bgp: waiting for peers on" in daemon.output() and ":1179" in daemon.output(), daemon.output()
        wait_for(is_healthy, lambda: f"health: {daemon.output()}")
        pid = below(daemon.pid, "nfacctd")
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"^Uid:\t2100\t2100\t2100", status, re.M) and re.search(r"^CapEff:\t0+$", status, re.M), status
        network.run(SOURCE / "examples/multipath/send-exports", "2100")
        if mounted:
            prometheus_reads_it(test, network)
        os.kill(pid, 15)
        daemon.wait(60)
        rows = [json.loads(line) for path in made.data.glob("matrix-*.json") for line in path.read_text().splitlines()]
        assert sum(row["bytes"] for row in rows) == 50500000 * (2 if mounted else 1), (rows, daemon.output())
        assert not is_healthy(), "it has ended"


def prometheus_reads_it(test, network):
    """Debian's, in the container's network as compose.yml has it, with the file that is mounted there."""
    need("prometheus")
    for name in ("prometheus.yml", "alerts.yml"):
        text = (METRICS / name).read_text()
        test.write(name, text.replace("_interval: 15s", "_interval: 1s"))
    test.start(network.inside("prometheus", f"--config.file={test.dir}/prometheus.yml", f"--storage.tsdb.path={test.dir}/tsdb",
                              "--web.listen-address=127.0.0.1:9090"), "prometheus")

    def asked():
        ask = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9090/api/v1/query?query=sum(pathacct_exporter_flows_total)').read().decode())"
        done = subprocess.run([str(w) for w in network.inside(sys.executable, "-c", ask)], capture_output=True, text=True, check=False,
                              env={name: value for name, value in os.environ.items() if "proxy" not in name.lower()})
        return done.returncode == 0 and [series["value"][1] for series in json.loads(done.stdout)["data"]["result"]] == ["1001"]
    wait_for(asked, "all flows in Prometheus", 60)


def yaml(path):
    try:
        import yaml as parser
    except ImportError:
        raise Skip("python3-yaml is not installed") from None
    return parser.safe_load(path.read_text())


def container_side(volume):
    return volume.split(":")[1]


def test_compose_file(_):
    """Its keys are those of the Compose Specification; what it mounts is there; ports and names agree with the files."""
    compose = yaml(EXAMPLE / "compose.yml")
    assert set(compose) == {"services", "volumes"} and set(compose["services"]) == {"collector", "prometheus", "grafana"}
    known = {"image", "build", "ports", "volumes", "cap_drop", "security_opt", "stop_grace_period", "restart", "network_mode", "depends_on", "environment"}
    for name, service in compose["services"].items():
        assert set(service) <= known, (name, set(service) - known)
        assert re.fullmatch(r"\$\{[A-Z]+:-[\w./:-]+\}", service["image"]), f"{name}: the image is an argument"
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (EXAMPLE / source).is_file(), volume
            assert source in compose["volumes"] or volume.endswith(":ro"), volume
    collector, prometheus, grafana = (compose["services"][name] for name in ("collector", "prometheus", "grafana"))
    assert collector["build"]["args"]["BASE"].startswith("${BASE:-") and (EXAMPLE / collector["build"]["dockerfile"]).exists()
    assert "\nARG BASE=" in CONTAINERFILE and collector["build"]["args"]["BASE"].removeprefix("${BASE:-")[:-1] in CONTAINERFILE
    config = (EXAMPLE / "nfacctd.conf").read_text()
    published = dict(port.split("/")[0].rsplit(":", 1) for port in collector["ports"])
    for port, key in (("2100", "nfacctd_port: 2100"), ("179", "bgp_daemon_port: 1179")):
        assert published[port] == key.split(": ")[1] and f"\n{key}\n" in config, (port, published)
    assert "/etc/pathacct/nfacctd.conf" in map(container_side, collector["volumes"])
    # Prometheus is in the collector's network, so its target is the daemon's loopback address, and its port is the collector's.
    assert prometheus["network_mode"] == "service:collector" and "ports" not in prometheus
    (target,) = yaml(METRICS / "prometheus.yml")["scrape_configs"][0]["static_configs"][0]["targets"]
    assert f"\nhttp_listen: {target}\n" in config and published["127.0.0.1:9090"] == "9090"
    rules = {container_side(volume) for volume in prometheus["volumes"]}
    assert {"/etc/prometheus/prometheus.yml", "/etc/prometheus/alerts.yml", "/prometheus"} == rules
    (source,) = yaml(EXAMPLE / "grafana/datasources.yml")["datasources"]
    assert source["url"] == "http://collector:9090" and source["type"] == "prometheus"
    (provider,) = yaml(EXAMPLE / "grafana/dashboards.yml")["providers"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home in map(container_side, grafana["volumes"]) and os.path.dirname(home) == provider["options"]["path"]
    dashboard = json.loads((METRICS / "grafana.json").read_text())
    assert any(v["type"] == "datasource" and v["query"] == "prometheus" for v in dashboard["templating"]["list"])


def test_the_containerfile_has_what_an_image_should(_):
    words = instructions()
    assert [rest for word, rest in words if word == "FROM"] == ["${BASE} AS build", "${BASE}"]
    assert ("USER", "pathacct") in words and ("VOLUME", "/var/lib/pathacct") in words
    assert any(word == "HEALTHCHECK" and "pathacct --json status" in rest for word, rest in words)
    ignored = (SOURCE / ".dockerignore").read_text().split()
    assert ".git" in ignored and "build*" in ignored, ignored
    # What it builds from source with is what debian/control names, and test_debian_packages.py runs.
    build = next(rest for word, rest in words if word == "RUN")
    assert "apt-get build-dep" in build and "dpkg-buildpackage -us -uc -b" in build, shlex.split(build)


if __name__ == "__main__":
    main(globals())
