# SPDX-License-Identifier: GPL-2.0-or-later
"""How long a plugin's purges take, by the lines in the log that both products write."""
import threading
import time

START, END = "*** Purging cache - START", "*** Purging cache - END"


class Watch:
    """Seconds from the first purge's start to the last one's end, by when the lines appear in the log."""

    def __init__(self, folder):
        self.path, self.seconds, self._begun, self._is_on = folder / "daemon.log", 0.0, None, True
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _look(self, seen):
        text = self.path.read_text(errors="replace")[seen:] if self.path.exists() else ""
        lines, now = text[:text.rfind("\n") + 1], time.monotonic()
        for line in lines.splitlines():
            if START in line and self._begun is None:
                self._begun = now
            if END in line and "QN: 0/0" not in line and self._begun is not None:
                self.seconds = now - self._begun
        return seen + len(lines)

    def _follow(self):
        seen = 0
        while self._is_on:
            seen = self._look(seen)
            time.sleep(0.002)
        self._look(seen)

    def end(self):
        self._is_on = False
        self._thread.join()
