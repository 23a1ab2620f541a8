# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts that attack tests share. Each attack goes on beside a good router, whose session and routes must come to no harm."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

# pylint: disable=wrong-import-position
import harness  # noqa: E402
from bgp_speaker import KEEPALIVE, Speaker, attributes, message, prefix, update  # noqa: E402


class GoodRouter:
    """A session of well-formed messages with 200 routes, each of a path of its own."""

    ROUTES = 200

    def __init__(self, test, listener, address="127.0.0.21"):
        self.test, self.listener, self.address = test, listener, address
        self.connect()

    def connect(self):
        self.speaker = Speaker(self.test, self.listener.port, address=self.address).establish()
        self.speaker.send(*(update(attributes(path=(65001, 100 + i)), prefix(f"192.0.{i}.0/24")) for i in range(self.ROUTES)), update())
        self.peer = self.listener.peer(self.address)

    def keep(self):
        self.speaker.send(message(KEEPALIVE))

    def check(self):
        """The session is up, and each route is there as it was announced."""
        self.keep()
        assert not harness.SANITIZER.search(self.listener.log.read_text()), self.listener.log.read_text()
        peer = self.listener.peer(self.address)
        assert peer["port"] == self.speaker.socket.getsockname()[1], "the session is another one than before"
        assert peer["paths"] == self.ROUTES or harness.wait_for(
            lambda: self.listener.peer(self.address)["paths"] == self.ROUTES, lambda: self.listener.peer(self.address), 15), peer
        for i in range(self.ROUTES):
            got = self.listener.lookup(peer, f"192.0.{i}.1", "10.0.0.1")
            assert (got["match"], got.get("as_path")) == ("exact", f"65001_{100 + i}") or got.get("as_path") == f"65001_{100 + i}", got


def connections_add_up(listener):
    """Each connection that was taken was established, failed, was given up for another one, or is still silent."""
    stats, established = listener.stats(), len(listener.established())
    while any((now := listener.stats())[name] != stats[name] for name in ("sessions_established", "sessions_lost")):
        stats, established = now, len(listener.established())  # one came or went between the two questions
    ended = stats["sessions_established"] + stats["opens_failed"] + stats["connections_displaced"]
    assert stats["sessions_established"] - stats["sessions_lost"] == established, stats
    return stats["connections_accepted"] - ended
