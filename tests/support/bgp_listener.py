# SPDX-License-Identifier: GPL-2.0-or-later
"""The BGP thread alone (tests/tools/bgp_listen.c), asked line by line."""
import json
import socket
import subprocess

from harness import free_port, need_built, wait_for


class Listener:
    def __init__(self, test, name="listener", **keys):
        self.port = keys.pop("port", None) or free_port(socket.SOCK_STREAM)
        keys = {"bgp_daemon_ip": "127.0.0.1", "bgp_daemon_port": self.port, **keys}
        self.log = test.dir / f"{name}.log"
        with open(self.log, "a") as log:
            self.process = subprocess.Popen([need_built("tests/bgp_listen"), *(f"{k}: {v}" for k, v in keys.items())], text=True,
                                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)
        test.cleanups.append(self.process.kill)
        self.peers()

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, self.log.read_text()
        return json.loads(answer)

    def peers(self):
        return self.ask("peers")["peers"]

    def established(self):
        return sorted(p["address"] for p in self.peers() if p["established"])

    def peer(self, address, seconds=30, families=(0,)):
        """The peer at `address`, once these of its families (0: IPv4, 1: IPv6) are loaded."""
        return wait_for(lambda: next((p for p in self.peers() if p["address"] == address and p["established"]
                                      and all(p["families"][f]["loaded"] for f in families)), None),
                        f"a loaded session with {address}: {self.log.read_text()}", seconds)

    def lookup(self, peer, address, next_hop="", rd="0"):
        return self.ask(f"lookup {peer['index']} {rd} {address} {next_hop}")

    def stats(self):
        return self.ask("stats")

    def wait_stat(self, name, value=1, seconds=20):
        return wait_for(lambda: self.stats()[name] >= value, f"{name} >= {value}: {self.log.read_text()}", seconds)

    def stop(self):
        self.process.stdin.write("quit\n")
        self.process.stdin.close()
        assert self.process.wait(20) == 0, self.log.read_text()
