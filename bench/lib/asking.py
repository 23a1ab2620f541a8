#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that ask a daemon's control interface again and again: asking.py SOCKET CLIENTS PAGE..., until SIGTERM. Then prints how
many answers there were, as JSON."""
import http.client
import json
import signal
import socket
import sys
import threading


class LocalConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self.path)


def ask(path, pages, counts, number, is_ending):
    while not is_ending.is_set():
        for page in pages:
            connection = LocalConnection(path)
            try:
                connection.request("GET", page)
                answer = connection.getresponse()
                counts[number] += answer.status == 200 and len(answer.read()) > 0
            except (OSError, http.client.HTTPException):
                is_ending.wait(0.01)  # it ends, or has not begun yet
            finally:
                connection.close()
            if is_ending.is_set():
                return


def main():
    path, count, pages = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    counts, is_ending = [0] * count, threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: is_ending.set())
    threads = [threading.Thread(target=ask, args=(path, pages, counts, n, is_ending)) for n in range(count)]
    for thread in threads:
        thread.start()
    is_ending.wait()
    for thread in threads:
        thread.join()
    print(json.dumps({"answers": sum(counts), "clients": sum(c > 0 for c in counts)}))


if __name__ == "__main__":
    main()
