# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts that integration tests share: processes that end with the test, free ports, waiting, real routers.

A test is a script whose functions named test_* run in order, each with a folder of its own. All traffic stays on
127.0.0.0/8 and ::1 or in namespaces that the test made.
"""
import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

SOURCE = pathlib.Path(os.environ.get("SOURCE_DIR", pathlib.Path(__file__).resolve().parents[2]))
BUILD = pathlib.Path(os.environ.get("BUILD_DIR", SOURCE / "build-release"))
SHARED = pathlib.Path(os.environ.get("SHARED_DIR", SOURCE.parent / "shared"))
NFACCTD = BUILD / "sbin/nfacctd"
SFACCTD = BUILD / "sbin/sfacctd"
PMBGPD = BUILD / "sbin/pmbgpd"
PMBMPD = BUILD / "sbin/pmbmpd"
sys.path.insert(0, str(SOURCE / "tests/support"))

SANITIZER = re.compile(r"(ERROR|WARNING): (Address|Thread|Leak)Sanitizer|runtime error: ")
REFUSED_CALL = re.compile(r".*(the system call .* is refused to its thread|Bad system call).*")


class Skip(Exception):
    """Raised by a test that cannot run here; the text says why."""


def need(*programs):
    """Paths of real programs, which Debian may keep in places that are not in PATH."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin:/usr/lib/frr"
    found = [shutil.which(program, path=path) for program in programs]
    for program, place in zip(programs, found):
        if not place:
            raise Skip(f"{program} is not installed")
    return found[0] if len(found) == 1 else found


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def left_out():
    """Options that are off in this build."""
    cache = BUILD / "CMakeCache.txt"
    return set(re.findall(r"^(\w+):BOOL=OFF$", cache.read_text(), re.M)) if cache.exists() else set()


def need_option(option, what):
    if option in left_out():
        raise Skip(f"built with -D{option}=OFF, so without {what}")


def need_built(*paths):
    """Parts of the build, as paths in its folder (a plugin by its name alone). One that an option left out is a reason to
    skip; one that is not there although it should be is a failure."""
    places = []
    for path in paths:
        found = sorted(BUILD.glob(f"lib*/**/{path}.so")) if "/" not in path else [BUILD / path]
        if found and found[0].exists():
            places.append(found[0])
            continue
        options = [f"WITH_{path.split('/')[-1].split('_')[0].upper()}", *(["BUILD_TESTS"] if path.startswith("tests/") else [])]
        for option in options:
            need_option(option, path)
        raise AssertionError(f"{path} is not in {BUILD}, although no option leaves it out")
    return places[0] if len(places) == 1 else places


def need_sample(place):
    """A capture made by hand after public reports, which are kept beside the project."""
    path = pathlib.Path(os.environ.get("FIELD_SAMPLES", SOURCE.parent / "shared/field")) / place
    if not path.exists():
        raise Skip(f"the samples of the field are not there: {place}")
    return path


def need_pmacct(place):
    """A file of Debian's pmacct, such as sbin/nfacctd. Its programs must find their libraries."""
    for peers in (BUILD.parent / "build-peers", SOURCE / "build-peers"):
        path = peers / "pmacct/usr" / place
        if path.exists():
            break
    else:
        raise Skip(f"Debian's {place} (package pmacct) is not unpacked in build-peers: scripts/test does that")
    if os.access(path, os.X_OK) and path.is_file():
        told = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        missing = re.findall(r"^\s*(\S+) => not found", told, re.M)
        if missing:
            raise Skip(f"Debian's {place} (package pmacct) does not find {', '.join(missing)}: scripts/test installs its libraries")
    return path.resolve()


chosen_ports = []  # what keeps other tests from choosing them, until this one ends


def free_port(kind=socket.SOCK_DGRAM, address="127.0.0.1"):
    """A port that neither the system nor a test beside this one gives to anybody until this test ends: it lies below those
    that the system chooses, and an abstract socket is named after it."""
    above = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for _ in range(1000):
        port = random.SystemRandom().randrange(min(10240, above // 2), above)
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0pathacct-test-port-{port}")
            with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind) as s:
                s.bind((address, port))
        except OSError:
            claim.close()
            continue
        chosen_ports.append(claim)
        return port
    raise AssertionError(f"no port below {above} is free")


def wait_for(condition, what, seconds=30):
    """The first true value of condition(); an AssertionError that says what did not come about. `what` may be a function:
    what it knows at the end is worth more than what was known before. The deadline is for what never comes: it costs
    nothing when all goes well, and is long enough for a machine that does much else."""
    deadline, pause = time.monotonic() + seconds, 0.005
    while True:
        is_last = time.monotonic() > deadline  # looked at before the condition, which a busy machine may have kept waiting
        value = condition()
        if value:
            return value
        if is_last:
            raise AssertionError(f"{seconds} s passed without: {what() if callable(what) else what}")
        time.sleep(pause)
        pause = min(2 * pause, 0.05)


def flowgen(*args):
    """Runs bench/flowgen, and returns what its flows add up to."""
    done = subprocess.run([BUILD / "bench/flowgen", *map(str, args)], capture_output=True, text=True, check=True, timeout=120)
    return json.loads(done.stdout)


def flowgen_capture(test, *args):
    """The same into the capture in.pcap of the test."""
    return flowgen(*args, "--pcap", test.dir / "in.pcap")


def host_pids(daemon):
    """The processes of a daemon's plugins."""
    found = []
    with contextlib.suppress(OSError):
        for pid in pathlib.Path(f"/proc/{daemon.pid}/task/{daemon.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if "pathacct-host" in pathlib.Path(f"/proc/{pid}/cmdline").read_text(errors="replace"):
                    found.append(int(pid))
    return found


def print_config(test, more=""):
    """One instance of print, which writes rows of port and destination as JSON to out.json of the test's folder each second."""
    return f"""
plugins: print[out]
aggregate[out]: peer_src_ip, dst_host, dst_port
print_output[out]: json
print_output_file[out]: {test.dir}/out.json
print_output_file_append[out]: true
print_refresh_time[out]: 1
{more}
"""


def json_lines(path):
    """Records of a file that may still grow."""
    try:
        text = pathlib.Path(path).read_text()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


class Process:
    """A program whose output goes to a file and that does not outlive its test."""

    def __init__(self, args, log, **kwargs):
        self.args, self.log = [str(a) for a in args], pathlib.Path(log)
        with open(self.log, "ab") as out:
            self.popen = subprocess.Popen(self.args, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                          start_new_session=True, **kwargs)

    @property
    def pid(self):
        return self.popen.pid

    def output(self):
        return self.log.read_text(errors="replace")

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, seconds=40):
        return self.popen.wait(seconds)

    def stop(self, seconds=40):
        """SIGTERM and the exit status."""
        if self.popen.poll() is None:
            self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait_log(self, text, seconds=30):
        def seen():
            if text in self.output():
                return True
            if self.popen.poll() is not None and text not in self.output():
                raise AssertionError(f"{self.args[0]} ended with {self.popen.returncode}:\n{self.output()}")
            return False
        wait_for(seen, lambda: f"'{text}' in the log of {self.args[0]}:\n{self.output()}", seconds)

    def kill_all(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if self.popen.poll() is None:
            self.popen.wait(10)


class Test:
    """A test's folder and all that it started."""

    def __init__(self, name):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"pathacct-{name}-"))
        self.dir.chmod(0o755)
        self.processes, self.cleanups = [], []
        self.may_be_refused = False  # system calls of the daemon and its plugins

    def start(self, args, name=None, **kwargs):
        process = Process(args, self.dir / f"{name or pathlib.Path(str(args[0])).name}.log", **kwargs)
        self.processes.append(process)
        return process

    def write(self, name, text):
        path = self.dir / name
        path.write_text(text)
        return path

    def nfacctd(self, config, *args, name="nfacctd", **kwargs):
        """Starts nfacctd with a configuration text; `stats_file` and a port are added unless it has them. A capture
        file needs no port: without one, all that was sent to any port is read."""
        return self.daemon(NFACCTD, "NetFlow/IPFIX", config, *args, name=name, **kwargs)

    def sfacctd(self, config, *args, name="sfacctd", **kwargs):
        return self.daemon(SFACCTD, "sFlow", config, *args, name=name, **kwargs)

    def pmbgpd(self, config, *args, name="pmbgpd", **kwargs):
        return self.routes(PMBGPD, "BGP", config, *args, name=name, **kwargs)

    def pmbmpd(self, config, *args, name="pmbmpd", **kwargs):
        return self.routes(PMBMPD, "BMP", config, *args, name=name, **kwargs)

    def routes(self, program, data_name, config, *args, name, ready=True, prefix=(), **kwargs):
        """Starts a program of routes; `stats_file` is added, and so are address and port (`self.port`) where routers connect."""
        service = f"{data_name.lower()}_daemon"
        if f"{service}_port" not in config:
            self.port = free_port(socket.SOCK_STREAM)
            config += f"\n{service}_ip: 127.0.0.1\n{service}_port: {self.port}\n"
        config += f"\nstats_file: {self.dir}/{name}.stats\n"
        process = self.start([*prefix, program, "-f", self.write(f"{name}.conf", config), *args], name, **kwargs)
        if ready:
            process.wait_log(f"waiting for {data_name} sessions on", 30)
        return process

    def daemon(self, program, data_name, config, *args, name, ready=True, prefix=(), **kwargs):
        """Starts a daemon. `prefix` stands before the command, to say where it is to run."""
        is_replay = any(str(a) == "-I" for a in args) or "pcap_savefile" in config
        self.port = None
        for line in config.splitlines():
            if line.split(":")[0].strip() == f"{program.name}_port":
                self.port = int(line.split(":")[1])
        if self.port is None and not is_replay:
            self.port = free_port()
            config += f"\n{program.name}_ip: 127.0.0.1\n{program.name}_port: {self.port}\n"
        if "stats_file" not in config:
            config += f"\nstats_file: {self.dir}/{name}.stats\n"
        process = self.start([*prefix, program, "-f", self.write(f"{name}.conf", config), *args], name, **kwargs)
        if ready and not is_replay:
            process.wait_log(f"waiting for {data_name} data on", 30)
        return process

    def stats(self, name="nfacctd"):
        return json.loads((self.dir / f"{name}.stats").read_text())

    def now(self, daemon, name="nfacctd"):
        """The ledger of this moment, which SIGUSR1 has written. The file comes whole: it is renamed to its name."""
        path = self.dir / f"{name}.stats"
        path.unlink(missing_ok=True)
        daemon.signal(signal.SIGUSR1)
        wait_for(path.exists, lambda: f"{path.name} after SIGUSR1:\n{daemon.output()}")
        return self.stats(name)

    def wait_now(self, daemon, condition, what, name="nfacctd", seconds=30):
        """The first ledger of which condition() is true."""
        seen = [None]

        def holds():
            seen[0] = self.now(daemon, name)
            return condition(seen[0])
        wait_for(holds, lambda: f"{what}: {json.dumps(seen[0])}", seconds)
        return seen[0]

    def wait_handed_over(self, daemon, flows):
        """Waits until so many flows of each instance lie with its plugin, unwritten, and none is in an open epoch."""
        self.wait_now(daemon, lambda stats: all(i["handed_over"]["flows"] == flows and i["open"]["flows"] == 0 for i in stats["instances"]),
                      f"{flows} flows handed over")

    def send(self, *payloads, source="127.0.0.1", port=None):
        """Datagrams to nfacctd from `source`, from one port per source."""
        sockets = self.__dict__.setdefault("sockets", {})
        if source not in sockets:
            sockets[source] = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
            sockets[source].bind((source, 0))
        for payload in payloads:
            sockets[source].sendto(payload, ("::1" if ":" in source else "127.0.0.1", port or self.port))

    def close(self):
        for process in reversed(self.processes):
            process.kill_all()
        for cleanup in reversed(self.cleanups):
            cleanup()
        for s in self.__dict__.get("sockets", {}).values():
            s.close()
        if not os.environ.get("KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)


BIRD_PATH = """
protocol static p{index} {{
    {family} {{ import filter {{ bgp_path = +empty+; {prepends} bgp_next_hop = {next_hop};
        bgp_origin = ORIGIN_IGP; bgp_local_pref = {local_pref}; bgp_med = {med}; {more} accept; }}; }};
    route {prefix} blackhole;
}}
"""


def bird_path(index, prefix, next_hop, as_path, local_pref=100, med=100, more=""):
    """A static route that BIRD announces with these attributes; `as_path` as "321 654 789"."""
    prepends = " ".join(f"bgp_path.prepend({asn});" for asn in reversed(as_path.split()))
    return BIRD_PATH.format(index=index, family="ipv6" if ":" in prefix else "ipv4", prepends=prepends, prefix=prefix,
                            next_hop=next_hop, local_pref=local_pref, med=med, more=more)


class Bird:
    """A real BIRD 2 that speaks iBGP with ADD-PATH from `address` to a collector at 127.0.0.1."""

    def __init__(self, test, collector_port, paths, address="127.0.0.11", asn=65000, add_path=True, families=("ipv4", "ipv6"),
                 name="bird", collector="127.0.0.1", more=""):
        self.test, self.name = test, name
        self.program, self.client = need("bird", "birdc")
        self.collector_port, self.address, self.asn, self.add_path = collector_port, address, asn, add_path
        self.families, self.collector, self.more = families, collector, more
        self.control = test.dir / f"{name}.ctl"
        self.conf = self.write(paths)
        self.process = test.start([self.program, "-f", "-c", self.conf, "-s", self.control, "-P", test.dir / f"{name}.pid"], name)

    def write(self, paths):
        channels = "".join(f"{f} {{ import none; export all; next hop keep; {'add paths tx;' if self.add_path else ''} }};\n"
                           for f in self.families)
        router_id = self.address if "." in self.address else "127.0.0.99"
        return self.test.write(f"{self.name}.conf", f"""
router id {router_id};
# A scan wakes BIRD up each second; what it has to say does not wait longer.
protocol device {{ scan time 1; }}
{''.join(paths)}
protocol bgp collector {{
    local {self.address} port {free_port(socket.SOCK_STREAM)} as {self.asn};
    neighbor {self.collector} port {self.collector_port} as {self.asn};
    strict bind; multihop 2; connect delay time 1; connect retry time 1; error wait time 1, 2; rr client;
    {self.more}
    {channels}
}}
""")

    def command(self, *words):
        return subprocess.run([self.client, "-s", str(self.control), *words], capture_output=True, text=True, check=True).stdout

    def configure(self, paths):
        """Announces and withdraws until what is announced is `paths`."""
        port = [l for l in self.conf.read_text().splitlines() if l.strip().startswith("local ")]
        text = self.write(paths).read_text()
        new = [l for l in text.splitlines() if l.strip().startswith("local ")]
        self.conf.write_text(text.replace(new[0], port[0]))
        return self.command("configure")


# The four paths of the operators' talk: a prefix behind four next hops.
FOUR_PATHS = [("10.0.0.1", "789", 200), ("10.0.0.2", "123 456 789", 100), ("10.0.0.3", "321 654 789", 100),
              ("10.0.0.4", "213 546 789", 100)]


def four_paths(prefix="192.168.1.0/24"):
    return [bird_path(i, prefix, nh, path, pref) for i, (nh, path, pref) in enumerate(FOUR_PATHS, 1)]


def main(namespace):
    """Runs the script's test_* functions; exit status 0, 1 (a failure) or 77 (all were skipped)."""
    tests = [(name, fn) for name, fn in namespace.items() if name.startswith("test_") and callable(fn)]
    chosen = sys.argv[1:]
    failed = skipped = 0
    for name, fn in tests:
        if chosen and name not in chosen:
            continue
        test = Test(name[5:40])
        started = time.monotonic()
        try:
            fn(test)
            for process in test.processes:
                assert not SANITIZER.search(process.output()), f"a sanitizer speaks in the log of {process.args[0]}"
                refused = REFUSED_CALL.search(process.output())
                assert test.may_be_refused or not refused, f"a row is missing in sandbox/syscalls.def: {refused[0]}"
            print(f"ok      {name} ({time.monotonic() - started:.1f} s)", flush=True)
        except Skip as reason:
            skipped += 1
            print(f"SKIP    {name}: {reason}", flush=True)
        except Exception:  # every failure is reported, and the next test runs
            failed += 1
            print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
            for process in test.processes:
                print(f"--- {process.log.name} ({' '.join(process.args)}, status {process.popen.poll()})")
                print("\n".join(process.output().splitlines()[-60:]), flush=True)
        finally:
            test.close()
    sys.exit(1 if failed else 77 if skipped and skipped == len(tests) else 0)
