# SPDX-License-Identifier: GPL-2.0-or-later
"""Describes the machine and the programs that the figures were measured with."""
import os
import pathlib
import platform
import re
import subprocess


def _first(path, pattern, otherwise):
    try:
        match = re.search(pattern, pathlib.Path(path).read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match.group(1).strip() if match else otherwise


def _line(args):
    try:
        out = subprocess.run([str(a) for a in args], capture_output=True, text=True, check=False)
    except OSError:
        return "not there"
    return (out.stdout or out.stderr).splitlines()[0].strip() if out.stdout or out.stderr else "unknown"


def machine():
    kilobytes = int(_first("/proc/meminfo", r"^MemTotal:\s+(\d+)", "0"))
    cache = pathlib.Path("/sys/devices/system/cpu/cpu0/cache")
    sizes = [f"L{(c / 'level').read_text().strip()} {(c / 'size').read_text().strip()}" for c in sorted(cache.glob("index*"))
             if (c / "type").read_text().strip() != "Instruction"]
    return {"CPU": _first("/proc/cpuinfo", r"^model name\s*:\s*(.*)", platform.machine()),
            "cores": str(os.cpu_count()),
            "caches": ", ".join(sizes) or "unknown",
            "memory": f"{kilobytes / (1 << 20):.1f} GiB",
            "kernel": platform.release()}


def versions(source, build, pmacct):
    cache = (build / "CMakeCache.txt").read_text()
    compiler = re.search(r"^CMAKE_C_COMPILER:\w+=(.*)", cache, re.MULTILINE).group(1)
    found = {"pathacct": _line(["git", "-C", source, "describe", "--always", "--dirty"]), "compiler": _line([compiler, "--version"]),
             "build type": re.search(r"^CMAKE_BUILD_TYPE:\w+=(.*)", cache, re.MULTILINE).group(1)}
    found["pmacct"] = _line([pmacct, "-V"]) if pmacct else "not there"
    return found


def load():
    """Processes that wanted a CPU in the last minute: how quiet it was."""
    return os.getloadavg()[0]
