"""A process that erases, or rotates, and kills itself at a seam: `forgetting_child URL DIRECTORY SEAM < history`."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from libs.common.db import open_engine
from services.privacy import keyfiles
from services.privacy.forgetting import Forgetting
from services.privacy.keyfiles import KeyFiles
from services.privacy.keyring import Keyring
from services.privacy.rotation import rotate
from tests.vaults import STREAM, WORKSPACE, VaultProcess


def die(*_: object) -> None:
    """kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def after(original: Callable[..., Any]) -> Callable[..., Any]:
    """Does it, then dies."""

    def dying(*arguments: Any, **named: Any) -> None:
        original(*arguments, **named)
        die()

    return dying


async def apply_and_die(*arguments: Any) -> None:
    """All rows are rewritten, nothing is committed."""
    await _apply(*arguments)
    die()


def half_wipe(self: KeyFiles, name: str, slots: Iterable[int]) -> None:
    """Overwrites half of the slots."""
    ordered = sorted(slots)
    _wipe(self, name, ordered[: len(ordered) // 2])
    die()


def shred_kek_only(path: Path) -> None:
    """Dies between the KEK and its slots."""
    if path.name.startswith("slots."):
        die()
    _shred(path)


_apply, _wipe, _shred = Forgetting.apply, KeyFiles.wipe, keyfiles._shred


def arm(seam: str) -> None:
    """Where to die; once the first sweep of a fresh process is over."""
    places: dict[str, tuple[Any, str, Any]] = {
        "slots written": (KeyFiles, "write", after(KeyFiles.write)),
        "rows rewritten": (Forgetting, "apply", apply_and_die),
        "committed": (Keyring, "settle", die),
        "half overwritten": (KeyFiles, "wipe", half_wipe),
        "overwritten": (KeyFiles, "wipe", after(KeyFiles.wipe)),
        "new files written": (KeyFiles, "create", after(KeyFiles.create)),
        "rotation committed": (Keyring, "settle", die),
        "old KEK overwritten": (keyfiles, "_shred", shred_kek_only),
    }
    owner, name, replacement = places[seam]
    setattr(owner, name, replacement)


async def main(url: str, directory: Path, seam: str) -> None:
    """Never returns when the seam is reached."""
    log_id, entries = msgspec.msgpack.decode(sys.stdin.buffer.read())
    async with open_engine(url, "vault") as engine:
        process = VaultProcess(engine, directory)
        stream = process.log._streams[STREAM]
        stream.id = log_id
        worker = process.worker
        assert worker.settle is not None
        await worker.settle()
        arm(seam)
        if "rotation" in seam or "KEK" in seam or "files" in seam:
            await rotate(process.ring, WORKSPACE)
        else:
            stream.entries = entries
            await worker.catch_up()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
