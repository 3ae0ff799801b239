"""A disk that was full and has room again.

nats-server 2.15 does not try again what it once failed to write for lack of room: it acknowledges nothing more
on that stream, whatever is freed, until it is started anew (m). Nothing acknowledged is lost meanwhile.
"""

import shutil
from pathlib import Path

NO_ROOM = b"no space left on device"
ENOUGH_BYTES = 16 * 1024 * 1024


class Room:
    """Watches nats-server's log for refused writes, and the disk that they were meant for."""

    def __init__(self, disk: Path, log: Path) -> None:
        self._disk, self._log = disk, log
        self._read = 0

    def is_back(self) -> bool:
        """Whether writes were refused for lack of room since the last look, although there is room now."""
        return NO_ROOM in self._news() and shutil.disk_usage(self._disk).free >= ENOUGH_BYTES

    def _news(self) -> bytes:
        if not self._log.exists():
            return b""
        with self._log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(self._read if self._read <= size else 0)  # a log that was cut begins again
            news = file.read()
        self._read = size
        return news
