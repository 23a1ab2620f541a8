# SPDX-License-Identifier: GPL-2.0-or-later
"""Sends one capture through one daemon, from a file, and measures what that cost.

Start-up and loading of the table are not flows: the CPU time that the daemon had used when the first flow could come is taken
off. pathacct says when that is; pmacct gets the capture through a named pipe, of which the flows come when it has become idle."""
import contextlib
import dataclasses
import os
import pathlib
import shutil
import tempfile
import threading

from lib import config, net, process, truth

PCAP_HEADER = 24


@dataclasses.dataclass
class Cost:
    """The figures of a replay: time and memory, and the rows it wrote."""
    cpu_s: float        # for the flows
    wall_s: float
    peak_bytes: int     # of memory, with watch_memory
    rows: int           # of the first instance's output
    output_bytes: int   # of all outputs


@contextlib.contextmanager
def work_folder():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="pathacct-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def feeder(bench, rib, port, folder, address=config.FEEDER):
    """bgpfeed; wait for its `folder/ready-ADDRESS` to know that it has sent the table."""
    args = [bench.tool("bgpfeed"), "--port", port, "--prefixes", rib.prefixes, "--paths", rib.paths, "--churn", rib.churn,
            "--address", address, "--ready", folder / f"ready-{address}"]
    with process.helper(args, folder / f"feeder-{address}.log") as popen:
        yield popen


def check_outputs(bench, product, folder, instances, capture, times=1):
    """Raises truth.Wrong; rows of the first instance's output."""
    rows = []
    for instance in instances:
        if instance.plugin != "print":
            continue
        found = truth.tally(bench.tool("tally"), instance.form, instance.view, [folder / f"{instance.name}.{instance.form}"])
        rows.append(truth.check(found, capture.view(instance.view, times), product == "pathacct" and times == 1))
    return rows[0] if rows else 0


def replay(bench, product, flows, instances, rib=None, workers=1, watch_memory=False, more=(), check=check_outputs,
           prepare=None):
    """`check(bench, product, folder, instances, capture)` returns the rows written or raises truth.Wrong; `prepare(folder)` comes
    before the daemon."""
    capture = bench.store.capture(flows)
    with work_folder() as folder, contextlib.ExitStack() as stack:
        if prepare:
            prepare(folder)
        port = net.free_tcp_port() if rib else 0
        path = capture.path
        if product == "pmacct":
            path = folder / "pipe.pcap"
            os.mkfifo(path)
        conf = config.configuration(product, folder, instances, capture, rib, port, workers, pcap=path, more=more)
        d = stack.enter_context(process.daemon([bench.program(product, flows.daemon()), "-f", conf], folder, watch_memory=watch_memory,
                                               any_status=product == "pmacct"))
        if product == "pmacct":
            start_cpu_s = _feed_pipe(bench, d, stack, folder, path, capture, rib, port)
        elif rib:
            stack.enter_context(feeder(bench, rib, port, folder))
            d.wait_log("the tables of all expected peers are loaded", 600)
            start_cpu_s = d.cpu_now()
        else:
            start_cpu_s = 0.0  # some 10 ms, left in
        d.finish()
        rows = check(bench, product, folder, instances, capture)
        written = sum(path.stat().st_size for i in instances for path in folder.glob(f"{i.name}.{i.form}"))
        return Cost(d.cpu_s - start_cpu_s, d.wall_s, d.peak_bytes, rows, written)


def _feed_pipe(bench, d, stack, folder, path, capture, rib, port):
    source, pipe = open(capture.path, "rb"), open(path, "wb")
    pipe.write(source.read(PCAP_HEADER))
    pipe.flush()
    if rib:
        d.wait_log("waiting for BGP data on", 60)
        d.wait_idle(1)
        feed = stack.enter_context(feeder(bench, rib, port, folder))
        net.wait_file(folder / f"ready-{config.FEEDER}", 600, feed)
    start_cpu_s = d.wait_idle(1)

    def copy():
        with contextlib.suppress(BrokenPipeError), source, pipe:
            shutil.copyfileobj(source, pipe, 1 << 20)
    threading.Thread(target=copy, daemon=True).start()
    return start_cpu_s
