# SPDX-License-Identifier: GPL-2.0-or-later
"""What it costs a worker that the daemon is asked: the worker alone on one processor; on another one the control thread, and ten
clients in a loop; 50,000 exporters. Time varies on a machine that does other things too; the worker's instructions, counted by
callgrind with fewer exporters, do not."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time

from lib import config, process, replay, truth
from lib.bench import Measurement, Row
from lib.config import TUPLE, Instance
from lib.data import Flows

ORDER = 26
SOURCE = pathlib.Path(__file__).resolve().parent.parent
EXPORTERS, CLIENTS, ROUNDS, DELAY_S = 50000, 10, 3, 1
PAGES = ["/metrics", "/api/v1/status", "/api/v1/exporters?limit=100"]
INSTANCES = [Instance(TUPLE, "tuple")]


def threads(pid):
    """(id, name) of each thread of a process."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            yield int(task.name), (task / "comm").read_text().strip()


def place(d):
    """Gives the first processor to the worker and the second to all else. The worker's process and thread."""
    found = None
    for pid in d.processes():
        with contextlib.suppress(OSError):
            for tid, name in threads(pid):
                is_worker = name == "worker 0"
                os.sched_setaffinity(tid, {0 if is_worker else 1})
                found = (pid, tid) if is_worker else found
    if not found:
        raise process.Failed("there is no thread named 'worker 0'")
    return found


def thread_ns(pid, tid):
    """CPU time of one thread, to the nanosecond."""
    return int(pathlib.Path(f"/proc/{pid}/task/{tid}/schedstat").read_text().split()[0])


@contextlib.contextmanager
def clients(folder):
    """Asks all the while; afterwards folder/asking.json tells how often."""
    args = [sys.executable, SOURCE / "lib" / "asking.py", folder / "control.sock", CLIENTS, *PAGES]
    with open(folder / "asking.json", "w") as out:
        popen = subprocess.Popen([str(a) for a in args], stdin=subprocess.DEVNULL, stdout=out,
                                 preexec_fn=lambda: os.sched_setaffinity(0, {1}))
    process.leave_out(popen.pid)
    try:
        yield
    finally:
        popen.send_signal(signal.SIGTERM)
        popen.wait(120)


def wait_socket(d, path):
    deadline = time.monotonic() + 60
    while not path.exists():
        if time.monotonic() > deadline:
            raise process.Failed(f"no control socket:\n{d.log()[-2000:]}")
        time.sleep(0.01)


def wait_end(pid, tid):
    """CPU time of the worker when it has been idle for longer than between two rounds."""
    since, last, deadline = time.monotonic(), thread_ns(pid, tid), time.monotonic() + 600
    while time.monotonic() - since < 3 * DELAY_S:
        if time.monotonic() > deadline:
            raise process.Failed("the worker does not come to an end")
        time.sleep(0.2)
        now = thread_ns(pid, tid)
        if now - last > 10000000:  # an idle one only beats
            since = time.monotonic()
        last = now
    return last


def worker_ns(bench, capture, is_asked):
    """CPU time of the worker per flow, and how many answers the clients got meanwhile."""
    with replay.work_folder() as folder:
        more = [f"control_socket: {folder}/control.sock", "exporters_max: 65536", "domains_max: 65536", "templates_max: 131072",
                f"pcap_savefile_replay: {ROUNDS}", f"pcap_savefile_delay: {DELAY_S}", "pcap_savefile_wait: true"]
        conf = config.configuration("pathacct", folder, INSTANCES, capture, pcap=capture.path, more=more)
        with process.daemon([bench.program("pathacct"), "-f", conf], folder) as d:
            wait_socket(d, folder / "control.sock")
            pid, tid = place(d)
            before = thread_ns(pid, tid)
            with clients(folder) if is_asked else contextlib.nullcontext():
                used = wait_end(pid, tid) - before
            d.finish(end=signal.SIGTERM)
        replay.check_outputs(bench, "pathacct", folder, INSTANCES, capture, ROUNDS)
        answers = json.loads((folder / "asking.json").read_text()) if is_asked else {"answers": 0}
        if is_asked and answers["clients"] < CLIENTS:
            raise truth.Wrong(f"only {answers['clients']} of {CLIENTS} clients got an answer")
        return used / (capture.flows * ROUNDS), answers["answers"]


def worker_instructions(bench, capture, is_asked):
    """Instructions of the worker's thread per flow."""
    with replay.work_folder() as folder:
        more = [f"control_socket: {folder}/control.sock", f"pcap_savefile_delay: {DELAY_S}", f"pcap_savefile_replay: {ROUNDS}",
                "shutdown_timeout: 2"]
        conf = config.configuration("pathacct", folder, INSTANCES, capture, pcap=capture.path, more=more)
        args = ["valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={folder}/calls.%p",
                bench.program("pathacct"), "-f", conf]
        # valgrind 3.19 has no pidfd_open(2), so the daemon does not see its plugin end, and says so with its status.
        with process.daemon(args, folder, any_status=True) as d:
            wait_socket(d, folder / "control.sock")
            with clients(folder) if is_asked else contextlib.nullcontext():
                d.finish()
        if is_asked and json.loads((folder / "asking.json").read_text())["answers"] == 0:
            raise truth.Wrong("the clients got no answer")
        counts = [path.read_text() for path in folder.glob("calls.*-*")]
    counts = [re.search(r"^totals: (\d+)$", text, re.M) for text in counts if re.search(r"^c?fn=\(\d+\) worker_run_replay\b", text, re.M)]
    if len(counts) != 1:
        raise process.Failed(f"callgrind tells of {len(counts)} workers")
    return int(counts[0][1]) / (capture.flows * ROUNDS)


def measure_instructions(bench, _product):
    """By how many percent the worker takes more instructions per flow while the daemon is asked."""
    if not shutil.which("valgrind"):
        raise process.Failed("valgrind is not installed")
    flows = Flows(60000, keys=5000, exporters=2000)
    capture = bench.store.capture(flows)
    plain, asked = (worker_instructions(bench, capture, is_asked) for is_asked in (False, True))
    return Measurement([100 * (asked / plain - 1)], {"input": f"{flows.text()}, 2,000 exporters, {ROUNDS} times", "asked": f"{CLIENTS} clients",
                                                     "worker, not asked": f"{plain:.1f} instructions/flow",
                                                     "worker, asked": f"{asked:.1f} instructions/flow"})


def measure(bench, _product):
    """By how many percent the worker's CPU time per flow is longer while the daemon is asked."""
    if len(os.sched_getaffinity(0)) < 2:
        raise process.Failed("it takes two processors")
    flows = Flows(bench.flows(3000000, 1000000), keys=int(170000 / bench.scale), exporters=EXPORTERS)
    capture = bench.store.capture(flows)
    plain, asked, answers = [], [], 0
    for _ in range(bench.runs("pathacct")):  # in turns, as a machine is not the same all the time
        plain.append(worker_ns(bench, capture, False)[0])
        value, count = worker_ns(bench, capture, True)
        asked.append(value)
        answers += count
    return Measurement([100 * (value / statistics.median(plain) - 1) for value in asked],
                       {"input": f"{flows.text()}, {EXPORTERS:,} exporters, {ROUNDS} times", "asked": f"{CLIENTS} clients, {', '.join(PAGES)}",
                        "answers": f"{answers:,}", "worker, not asked": f"{statistics.median(plain):.1f} ns/flow",
                        "worker, asked": f"{statistics.median(asked):.1f} ns/flow"})


ROWS = [Row("control-asked", "CPU of a worker with 50 k exporters while ten clients ask the control thread: so much more", "%", measure, must=2,
            has_pmacct=False, is_quick=False, digits=1),
        Row("control-instructions", "the same in instructions per flow, counted by callgrind", "%", measure_instructions, must=0.5,
            has_pmacct=False, is_quick=False, digits=2)]
