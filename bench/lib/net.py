# SPDX-License-Identifier: GPL-2.0-or-later
"""Ports, and waiting for files."""
import socket
import time


def _free_port(kind):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def free_tcp_port():
    return _free_port(socket.SOCK_STREAM)


def free_udp_port():
    return _free_port(socket.SOCK_DGRAM)


def wait_file(path, seconds, helper):
    """Waits until the file is there; RuntimeError when time is up or the helper that makes it has ended."""
    deadline = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > deadline or helper.poll() is not None:
            raise RuntimeError(f"{path.name} was not made in {seconds} s")
        time.sleep(0.01)
