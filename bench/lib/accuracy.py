# SPDX-License-Identifier: GPL-2.0-or-later
"""How right the paths are: routers whose tables change all the time, and flows that are exported long after they ended.

A router here is a BGP speaker with ADD-PATH and an exporter at one address of 127.0.3.0/24, and knows which AS path each of its
flows took. The situations run side by side, as routers of one daemon, and two daemons are told the same by the same process: what
a router says about a flow is one datagram for both.
"""
import bisect
import collections
import contextlib
import csv
import dataclasses
import heapq
import itertools
import pathlib
import random
import signal
import socket
import struct
import sys
import time

from lib import net, process, replay

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tests/support"))
import bgp_speaker as bgp  # noqa: E402
import exports  # noqa: E402

LENGTHS = (16, 20, 24)
PATHS_MOST = 4
NEXT_HOPS = [f"10.255.0.{n}" for n in range(1, 9)]
FLOW_S = 10      # flows last so long at most
CLOCK_S = 2.0    # how far a clock may be off: headers count whole seconds, and less than this counts as right
WARM_UP_S = 4    # from the tables to the first flow
KEEPALIVE_S = 20
REFRESH_S = 4
FLOWS_TOGETHER = 20
FIELDS = {"IPFIX": [(8, 4), (12, 4), (18, 4), (152, 8), (153, 8), (1, 8), (2, 8)],
          "NetFlow v9": [(8, 4), (12, 4), (18, 4), (22, 4), (21, 4), (1, 4), (2, 4)]}
FIRST_SOURCE = 11 << 24  # source addresses number the flows


@dataclasses.dataclass(frozen=True)
class Situation:
    name: str
    title: str
    offset_s: float = 0  # of the exporter's clock
    has_bounces: bool = False


SITUATIONS = [
    Situation("right-clock", "clocks are right"),
    Situation("clock-10s-behind", "the exporter's clock is 10 s behind", -10),
    Situation("clock-600s-behind", "the exporter's clock is 600 s behind", -600),
    Situation("clock-120s-ahead", "the exporter's clock is 120 s ahead", 120),
    Situation("bounce", "the session is reset, and comes back at once with the same table", has_bounces=True),
]


@dataclasses.dataclass(frozen=True)
class Size:
    """How large a run is. Rates are those of a router, of which each situation has two."""
    seconds: float          # in which flows end
    delay_s: float          # flows are exported at most this long afterwards
    flows_per_s: float
    changes_per_s: float
    bounces: int
    prefixes: int           # the shortest; half as many more specific ones of each length lie in them


FULL = Size(seconds=70, delay_s=40, flows_per_s=75, changes_per_s=5, bounces=4, prefixes=100)
QUICK = Size(seconds=18, delay_s=14, flows_per_s=75, changes_per_s=10, bounces=2, prefixes=80)


class Table:
    """A router's paths, now and before."""

    def __init__(self, rng, tops):
        self.rng, self.numbers = rng, itertools.count(1)
        self.prefixes = {}  # (length, network) -> [(since, {path id: (next hop, AS path)})]
        above = [0]
        for length in LENGTHS:
            count, made = tops if length == LENGTHS[0] else tops // 2, []
            while len(made) < count:
                step = 8 if length == LENGTHS[0] else 4
                base = 20 << 24 if length == LENGTHS[0] else rng.choice(above)
                key = length, base | rng.randrange(1 << step) << (32 - length)
                if key not in self.prefixes:
                    self.prefixes[key] = [(0, {})]
                    made.append(key[1])
            above = made
        self.keys = list(self.prefixes)
        for key in self.keys:
            for _ in range(rng.randint(1, PATHS_MOST)):
                self.prefixes[key][0][1][next(self.numbers)] = self.path(self.prefixes[key][0][1])

    def path(self, others, next_hop=None):
        """Makes a path that never was before, behind a next hop that none of `others` has."""
        taken = {hop for hop, _ in others.values()}
        hop = next_hop or self.rng.choice([hop for hop in NEXT_HOPS if hop not in taken])
        return hop, (64512 + NEXT_HOPS.index(hop), 100000 + next(self.numbers), self.rng.randint(1000, 9999))

    @staticmethod
    def announcement(key, path_id, path):
        return bgp.update(bgp.attributes(path[1], path[0]), bgp.prefix(text_of(key), path_id))

    def announcements(self):
        """The whole table, with its end."""
        out = [self.announcement(key, path_id, path) for key in self.keys for path_id, path in self.prefixes[key][-1][1].items()]
        return b"".join(out) + bgp.update()

    def change(self):
        """Changes one prefix; the UPDATE that says so."""
        key = self.rng.choice(self.keys)
        paths = dict(self.prefixes[key][-1][1])
        kind = self.rng.choices(("attributes", "withdraw", "announce", "move"), (40, 25, 25, 10))[0]
        if not paths or (kind == "announce" and len(paths) < PATHS_MOST):
            path_id = next(self.numbers)
            paths[path_id] = self.path(paths)
            said = self.announcement(key, path_id, paths[path_id])
        elif kind == "withdraw":
            path_id = self.rng.choice(list(paths))
            del paths[path_id]
            said = bgp.update(withdrawn=bgp.prefix(text_of(key), path_id))
        elif kind == "move":  # the same path id, and another next hop
            path_id = self.rng.choice(list(paths))
            paths[path_id] = self.path(paths)
            said = self.announcement(key, path_id, paths[path_id])
        else:
            old_id = self.rng.choice(list(paths))
            next_hop, _ = paths.pop(old_id)
            new_id = self.rng.choice((old_id, next(self.numbers)))
            paths[new_id] = self.path(paths, next_hop)
            said = b"" if new_id == old_id else bgp.update(withdrawn=bgp.prefix(text_of(key), old_id))
            said += self.announcement(key, new_id, paths[new_id])
        self.prefixes[key].append((time.time(), paths))
        return said

    def histories(self, address):
        """Yields the histories of the prefixes that contain the address, the longest first."""
        for length in reversed(LENGTHS):
            history = self.prefixes.get((length, address >> (32 - length) << (32 - length)))
            if history:
                yield history

    def paths_at(self, address, when):
        """Returns the paths of the longest prefix that has any."""
        for history in self.histories(address):
            paths = history[bisect.bisect(history, when, key=lambda entry: entry[0]) - 1][1]
            if paths:
                return paths
        return {}

    def as_path_at(self, address, next_hop, when):
        return next((path for hop, path in self.paths_at(address, when).values() if hop == next_hop), None)

    def is_near_change(self, flow):
        """Was the flow's path another one at an instant that may be taken for its end?"""
        first, last = flow.end - CLOCK_S, flow.end + CLOCK_S
        instants = [since for history in self.histories(flow.destination) for since, _ in history if first < since <= last]
        return any(self.as_path_at(flow.destination, flow.next_hop, when) != flow.as_path for when in [first, *instants])


def text_of(key):
    return f"{socket.inet_ntoa(struct.pack('!I', key[1]))}/{key[0]}"


@dataclasses.dataclass
class Flow:
    number: int
    destination: int
    next_hop: str
    start: float
    end: float
    as_path: tuple


class Router:
    """A situation's router, seen from both daemons."""

    def __init__(self, run, situation, protocol, number):
        self.run, self.situation, self.protocol, self.address = run, situation, protocol, f"127.0.3.{number}"
        self.rng = random.Random(f"{run.seed} {self.address}")
        self.table = Table(self.rng, run.size.prefixes)
        self.flows, self.waiting, self.sequence, self.speakers = [], [], 0, {}
        self.cleanups = []  # the speaker's
        self.boot = time.time() - 3600
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((self.address, 0))

    def connect(self, side):
        """Opens a session and sends the table. pmacct may take a while until it knows that the last session is over."""
        capabilities = bgp.multiprotocol(1, 1) + bgp.add_path_send((1, 1)) + bgp.four_octet_as(65000)
        deadline = time.monotonic() + 30
        while True:
            try:
                speaker = bgp.Speaker(self, side.bgp_port, self.address, hold_time=90, capabilities=capabilities).establish()
                break
            except (AssertionError, OSError) as error:
                if time.monotonic() > deadline:
                    raise process.Failed(f"{side.product} has no session with {self.address}: {error!r}") from error
                time.sleep(0.2)
        speaker.send(self.table.announcements())
        self.speakers[side.product] = speaker

    def say(self, data):
        for speaker in self.speakers.values():
            speaker.send(data)

    def bounce(self, _when):
        for side in self.run.sides:
            self.speakers[side.product].socket.close()
            self.connect(side)

    def change(self, when):
        self.say(self.table.change())
        self.run.later(when + self.rng.expovariate(self.run.size.changes_per_s), self.change)

    def keepalive(self, when):
        self.say(bgp.message(bgp.KEEPALIVE))
        self.run.later(when + KEEPALIVE_S, self.keepalive)

    def flow(self, when):
        """A flow that ends now, or rather when this is done: the table is what it is."""
        now = time.time()
        length, network = self.rng.choice(self.table.keys)
        destination = network | self.rng.randrange(1 << (32 - length))
        paths = self.table.paths_at(destination, now)
        if paths:
            next_hop, as_path = self.rng.choice(list(paths.values()))
            flow = Flow(next(self.run.numbers), destination, next_hop, now - self.rng.uniform(0, FLOW_S), now, as_path)
            self.flows.append(flow)
            heapq.heappush(self.waiting, (now + self.rng.uniform(0, self.run.size.delay_s), flow.number, flow))
        if when < self.run.flows_until:
            self.run.later(when + self.rng.expovariate(self.run.size.flows_per_s), self.flow)

    def export(self, when):
        """A datagram of what is due, at no regular times."""
        due, now = [], time.time()
        while self.waiting and self.waiting[0][0] <= now and len(due) < FLOWS_TOGETHER:
            due.append(heapq.heappop(self.waiting)[2])
        self.send(due, now)
        self.run.later(when + self.rng.uniform(0.05, 0.35), self.export)

    def send(self, flows, now):
        clock, fields = now + self.situation.offset_s, FIELDS[self.protocol]
        since = -self.situation.offset_s if self.protocol == "IPFIX" else self.boot
        rows = [exports.record(fields, [FIRST_SOURCE + flow.number, flow.destination, flow.next_hop, int((flow.start - since) * 1000),
                                        int((flow.end - since) * 1000), 1000, 1]) for flow in flows]
        sets = [exports.template(256, fields), b"".join(rows)]
        if self.protocol == "IPFIX":
            sets = [exports.ipfix_set(kind, body) for kind, body in zip((2, 256), sets) if body]
            data = exports.ipfix(sets, self.sequence, export_time=clock)
            self.sequence += len(flows)
        else:
            sets = [exports.ipfix_set(kind, body, 4) for kind, body in zip((0, 256), sets) if body]
            data = exports.netflow9(sets, 1 + len(flows), self.sequence, export_time=clock, uptime_ms=int((now - self.boot) * 1000))
            self.sequence += 1
        for side in self.run.sides:
            self.socket.sendto(data, ("127.0.0.1", side.udp_port))

    def close(self):
        self.socket.close()
        for cleanup in self.cleanups:
            cleanup()


class Side:
    """One of the two daemons, its ports and its output."""

    def __init__(self, stack, product, program, folder):
        self.product, self.folder = product, folder / product
        self.folder.mkdir()
        self.bgp_port, self.udp_port = net.free_tcp_port(), net.free_udp_port()
        self.output, self.log = self.folder / "out.csv", self.folder / "daemon.log"
        lines = ["daemonize: false", "plugins: print[out]", "nfacctd_ip: 127.0.0.1", f"nfacctd_port: {self.udp_port}",
                 "bgp_daemon: true", "bgp_daemon_ip: 127.0.0.1", f"bgp_daemon_port: {self.bgp_port}", "bgp_daemon_max_peers: 100",
                 "nfacctd_as: bgp", "nfacctd_net: bgp", "print_output[out]: csv", f"print_output_file[out]: {self.output}",
                 "print_output_file_append[out]: true", f"print_refresh_time[out]: {REFRESH_S}",
                 "aggregate[out]: peer_src_ip, src_host, as_path" + (", path_match" if product == "pathacct" else "")]
        conf = self.folder / "nfacctd.conf"
        conf.write_text("\n".join(lines) + "\n")
        # Neither is under measurement, so each may be a helper, of which there are many.
        self.popen = stack.enter_context(process.helper([program, "-f", conf], self.log, cwd=self.folder))

    def wait_ready(self, seconds=60):
        deadline = time.monotonic() + seconds
        while "waiting for NetFlow/IPFIX data on" not in self.log.read_text(errors="replace"):
            if time.monotonic() > deadline or self.popen.poll() is not None:
                raise process.Failed(f"{self.product} does not listen:\n{self.log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)

    def answers(self):
        """Returns the rows that are written so far, by the number of the flow: (AS path as text, verdict)."""
        found = {}
        if not self.output.exists():
            return found
        with open(self.output, encoding="ascii") as file:
            for row in csv.DictReader(line for line in file if line.endswith("\n")):
                if row["SRC_IP"] == "SRC_IP":  # the title, which a file that is appended to may have again
                    continue
                number = struct.unpack("!I", socket.inet_aton(row["SRC_IP"]))[0] - FIRST_SOURCE
                found[number] = row["AS_PATH"].replace(" ", "_"), row.get("PATH_MATCH", "")
        return found

    def finish(self, count):
        """Waits until all flows are written, and ends the daemon; the answers."""
        deadline = time.monotonic() + 3 * REFRESH_S
        while len(self.answers()) < count and time.monotonic() < deadline and self.popen.poll() is None:
            time.sleep(1)
        if self.popen.poll() is not None:
            raise process.Failed(f"{self.product} ended with {self.popen.returncode}:\n{self.log.read_text(errors='replace')[-2000:]}")
        self.popen.send_signal(signal.SIGTERM if self.product == "pathacct" else signal.SIGINT)
        self.popen.wait(60)
        return self.answers()


@dataclasses.dataclass
class Score:
    """How one product did in one situation. Flows near a change of their path are counted apart."""
    right: int = 0
    wrong: int = 0
    empty: int = 0
    wrong_exact: int = 0
    missing: int = 0
    near: int = 0
    near_right: int = 0
    near_wrong_exact: int = 0
    verdicts: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    examples: list = dataclasses.field(default_factory=list)  # (router, flow, answer)

    @property
    def flows(self):
        return self.right + self.wrong + self.empty + self.missing

    @property
    def share(self):
        """Percent of the flows that are right."""
        return 100 * self.right / self.flows if self.flows else 0.0

    def add(self, router, flow, answer):
        as_path, verdict = answer or (None, "missing")
        is_right = as_path == "_".join(map(str, flow.as_path))
        is_wrong_exact = bool(as_path) and not is_right and verdict == "exact"
        if router.table.is_near_change(flow):
            self.near += 1
            self.near_right += is_right
            self.near_wrong_exact += is_wrong_exact
            return
        self.verdicts[verdict] += 1
        self.wrong_exact += is_wrong_exact
        if is_right:
            self.right += 1
            return
        self.examples.append((router, flow, answer))
        if answer is None:
            self.missing += 1
        elif as_path:
            self.wrong += 1
        else:
            self.empty += 1


class Run:
    """One run of all situations."""

    def __init__(self, size, programs, seed=1):
        """Takes in `programs` the nfacctd of each product."""
        self.size, self.programs, self.seed = size, programs, seed
        self.numbers, self.events, self.order = itertools.count(1), [], itertools.count()
        self.routers, self.sides = [], []
        self.flows_until = 0

    def later(self, when, what):
        heapq.heappush(self.events, (when, next(self.order), what))

    def play(self, until):
        """Does everything that is due until then, each thing at its time."""
        while self.events and self.events[0][0] < until:
            when, _, what = heapq.heappop(self.events)
            time.sleep(max(0, when - time.time()))
            what(when)
        time.sleep(max(0, until - time.time()))

    def start(self, stack, folder):
        for product, program in self.programs.items():
            self.sides.append(Side(stack, product, program, folder))
        for side in self.sides:
            side.wait_ready()
        pairs = itertools.product(SITUATIONS, FIELDS)
        self.routers = [Router(self, situation, protocol, n) for n, (situation, protocol) in enumerate(pairs, 1)]
        for router in self.routers:
            stack.callback(router.close)
            for side in self.sides:
                router.connect(side)

    def schedule(self):
        begin = time.time() + WARM_UP_S
        self.flows_until = begin + self.size.seconds
        for router in self.routers:
            for what in (router.keepalive, router.export, router.change):
                self.later(time.time() + router.rng.random(), what)
            self.later(begin + router.rng.random(), router.flow)
            if router.situation.has_bounces:
                # The last one when flows have ended and are not all exported.
                for n in range(1, self.size.bounces + 1):
                    self.later(begin + (self.size.seconds + 1) * n / self.size.bounces, router.bounce)
        return self.flows_until + self.size.delay_s + 3

    def scores(self):
        """Returns the scores by product and by name of the situation."""
        out = {}
        for side in self.sides:
            answers = side.finish(sum(len(router.flows) for router in self.routers))
            scores = out[side.product] = {situation.name: Score() for situation in SITUATIONS}
            for router in self.routers:
                for flow in router.flows:
                    scores[router.situation.name].add(router, flow, answers.get(flow.number))
        return out

    def run(self):
        with replay.work_folder() as folder, contextlib.ExitStack() as stack:
            self.start(stack, folder)
            self.play(self.schedule())
            return self.scores()
