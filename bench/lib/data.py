# SPDX-License-Identifier: GPL-2.0-or-later
"""The input of the rows: captures from flowgen, each with the truth about it, kept between runs."""
import dataclasses
import json
import pathlib
import subprocess


@dataclasses.dataclass(frozen=True)
class Flows:
    """The choices for flowgen; each value has one capture. Destinations lie in the first `prefixes` of the world that bgpfeed announces."""
    flows: int
    keys: int
    prefixes: int = 1000000
    paths: int = 4
    form: str = "ipfix"
    zipf: float = 0
    exporters: int = 4

    def name(self):
        return "-".join(f"{key[0]}{value}" for key, value in dataclasses.asdict(self).items())

    def daemon(self):
        return "sfacctd" if self.form == "sflow" else "nfacctd"

    def text(self):
        skew = f", Zipf {self.zipf:g}" if self.zipf else ""
        return f"{self.flows:,} {self.form} flows, {self.keys:,} distinct 5-tuples{skew}"

    def arguments(self):
        for key, value in dataclasses.asdict(self).items():
            yield f"--{'format' if key == 'form' else key}"
            yield str(value)


@dataclasses.dataclass(frozen=True)
class Capture:
    """A capture file and what is true of it: totals and the digest of each view (bench/truth.h)."""
    made_of: Flows
    path: pathlib.Path
    totals: dict

    @property
    def flows(self):
        return self.totals["flows"]

    def view(self, name, times=1):
        """Returns the sums that an output must have when the capture was sent `times` times."""
        view = dict(self.totals["views"][name])
        for key in ("packets", "bytes"):
            view[key] *= times
        for key in ("by_packets", "by_bytes"):
            view[key] = view[key] * times % (1 << 64)
        return view


class Store:
    """Captures by what they are made of. Another generator makes others: the program's time is part of the name."""

    def __init__(self, folder, flowgen):
        self.folder, self.flowgen = folder, flowgen
        folder.mkdir(parents=True, exist_ok=True)

    def capture(self, flows):
        generation = int(self.flowgen.stat().st_mtime)
        path = self.folder / f"{flows.name()}-{generation}.pcap"
        totals = path.with_suffix(".json")
        if not totals.exists():
            for old in self.folder.glob(f"{flows.name()}-*"):
                old.unlink()
            out = subprocess.run([self.flowgen, *flows.arguments(), "--pcap", path, "--views"], check=True, capture_output=True, text=True)
            totals.write_text(out.stdout)
        return Capture(flows, path, json.loads(totals.read_text()))
