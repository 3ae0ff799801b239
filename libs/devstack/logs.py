"""Logs of bounded size: at every start the last run's log is kept as `.1`, and a long run is cut."""

import shutil
from pathlib import Path

MAX_BYTES = 16 * 1024 * 1024


def rotate(path: Path) -> None:
    """Makes room for a new run's log."""
    if path.exists():
        path.replace(previous(path))


def bound(path: Path, limit: int = MAX_BYTES) -> None:
    """Cuts a log that is being written: its content becomes `.1`. What is written meanwhile may be lost."""
    if path.exists() and path.stat().st_size > limit:
        shutil.copyfile(path, previous(path))
        with path.open("r+b") as file:
            file.truncate(0)


def previous(path: Path) -> Path:
    """Where the content before the last rotation stands."""
    return path.with_name(path.name + ".1")


def tail(path: Path, lines: int = 15) -> str:
    """The last lines, for a message."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 16_384, 0))
        return b"\n".join(file.read().splitlines()[-lines:]).decode(errors="replace")
