# SPDX-License-Identifier: GPL-2.0-or-later
"""The services that a row gets: programs, captures, how many runs, and measurements shared between rows."""
import json
import subprocess

from lib import data, process, row


class Bench:
    """One run of bench/run. scale: 1 for the full size; smaller divides the flows of the rows, for tests of the benchmark."""

    def __init__(self, source, build, pmacct, is_quick, runs, scale):
        self.source, self.build, self.pmacct = source, build, pmacct
        self.is_quick, self.run_count, self.scale = is_quick, runs, scale
        self.store = data.Store(build / "bench-input", self.tool("flowgen"))
        self._memo = {}

    def tool(self, name):
        """A program of bench/."""
        return self.build / "bench" / name

    def tool_json(self, name, *args, **kwargs):
        """Runs a program of bench/ that prints one JSON object."""
        done = subprocess.run([self.tool(name), *map(str, args)], capture_output=True, text=True, check=False, **kwargs)
        if done.returncode != 0:
            raise RuntimeError(f"{name} {args}: {done.stderr.strip() or done.returncode}")
        return json.loads(done.stdout)

    def program(self, product, name="nfacctd"):
        return self.build / "sbin" / name if product == "pathacct" else self.pmacct / "usr/sbin" / name

    def flows(self, full, quick):
        """A number of flows (or prefixes, ...) by the size of the run."""
        return max(1000, int((quick if self.is_quick else full) / self.scale))

    def runs(self, product):
        """pmacct is slow and steady, and sleeps some 8 s in each run: one run of it, so that the whole stays below 20 minutes."""
        return self.run_count if product == "pathacct" else 1

    def repeat(self, product, measure, runs=None):
        """The results of measure(), as often as the product is to be measured. pmacct may crash once a run: at the end of a
        capture its BGP thread and its main thread sometimes free the same memory."""
        def attempt():
            try:
                return measure()
            except process.Failed:
                if product != "pmacct":
                    raise
                return measure()
        return [attempt() for _ in range(runs or self.runs(product))]

    def once(self, key, make):
        """make() the first time that a row asks for `key`; the same result afterwards."""
        if key not in self._memo:
            self._memo[key] = make()
        return self._memo[key]

    def best(self, key, make):
        """A limit: the best of three, measured once."""
        return self.once(key, lambda: min(make() for _ in range(1 if self.is_quick else 3)))


Measurement, Limit, Row = row.Measurement, row.Limit, row.Row
