# SPDX-License-Identifier: GPL-2.0-or-later
"""What the machine allows for parts of the work, by bench/limits, in nanoseconds or bytes of the same run."""
import tempfile


def read_ns(bench, capture):
    """Reading every byte of a flow's export from the file."""
    def measure():
        return bench.tool_json("limits", "read", capture.path)["cpu_s"] / capture.flows * 1e9
    return bench.best(("read", capture.path), measure)


def access_ns(bench, lines):
    """One random read-modify-write of a cache line among `lines`, issued in batches: an upsert, or the last step of a lookup."""
    def measure():
        found = bench.tool_json("limits", "lookup", max(1, lines))
        return found["cpu_s"] / found["accesses"] * 1e9
    return bench.best(("access", lines), measure)


def write_ns(bench, size):
    """write(2) of so many bytes to a file, nanoseconds a byte."""
    size = max(1 << 26, size)

    def measure():
        with tempfile.TemporaryDirectory(prefix="pathacct-bench-") as folder:
            found = bench.tool_json("limits", "write", size, cwd=folder)
        return found["cpu_s"] / found["bytes"] * 1e9
    return bench.best(("write", size), measure)
