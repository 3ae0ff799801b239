"""Whom PostgreSQL runs as. It refuses to run as root, and root is who runs containers and CI.

As an ordinary user: as that user, nothing to arrange. As root: as `nobody`, owning only its cluster
directory. Where a directory on the way is closed to others (a clone under a home of mode 700), the server
keeps one capability, CAP_DAC_READ_SEARCH (or CAP_DAC_OVERRIDE where a container lacks it), which lets it
pass through. So no mode of any directory outside the data directory is ever changed, nothing is copied,
and nothing stays behind. Not chmod of the way (opens a home
to everyone for good), not a copy of the server (stays behind), not a user namespace (forbidden in many
containers).
"""

import os
import pwd
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from libs.devstack.errors import StackError

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2
UNCHANGED = -1


@dataclass(frozen=True)
class Identity:
    """The user that a child runs as; -1 means unchanged, and no capability."""

    uid: int = UNCHANGED
    gid: int = UNCHANGED
    capability: int = UNCHANGED


def postgres_identity(paths: Iterable[Path]) -> Identity:
    """Whom to run PostgreSQL as so that it reaches `paths`. Raises StackError when there is no way."""
    if os.geteuid() != 0:
        _must_have_a_name(os.geteuid())
        return Identity()
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        raise StackError(
            "PostgreSQL does not run as root, and this system has no user 'nobody' to run it as: "
            "run wanliu as an ordinary user, or create 'nobody'"
        ) from None
    closed = [place for path in paths if (place := closed_to_others(path)) is not None]
    if not closed:
        return Identity(entry.pw_uid, entry.pw_gid)
    return Identity(entry.pw_uid, entry.pw_gid, _passing_capability(closed[0]))


def _must_have_a_name(uid: int) -> None:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        raise StackError(
            f"this system knows no user {uid}, and PostgreSQL wants to know who makes its cluster: "
            "run wanliu as a user that /etc/passwd names"
        ) from None


def closed_to_others(path: Path) -> Path | None:
    """The first directory above `path` that users who neither own it nor are in its group cannot pass."""
    for place in reversed(path.resolve().parents):
        if not place.stat().st_mode & stat.S_IXOTH:
            return place
    return None


def _passing_capability(closed: Path) -> int:
    held = _permitted_capabilities()
    for capability in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE):
        if held >> capability & 1:
            return capability
    raise StackError(
        f"PostgreSQL does not run as root, and the user 'nobody' cannot pass {closed}: put the project and "
        "--data where others may pass (chmod o+x), or run wanliu as an ordinary user"
    )


def _permitted_capabilities() -> int:
    """The capabilities that this process may use, as a bit mask; 0 where the system has none."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1], 16) for line in lines if line.startswith("CapPrm:")), 0)
