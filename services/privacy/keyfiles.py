"""The files that forgetting rests on: a key-encryption key and a file of key slots per workspace.

`<directory>/<workspace>/kek.<name>` and `slots.<name>` belong together and are made, like everything here,
before a row names them. A slot is written once, in place, and synced before a transaction refers to it; when
no row refers to it any more it is overwritten with random bytes, in place, and synced. A slot's number is
never used again within a file, and a file's name never at all, so a process that was frozen for an hour can
only write to places that nobody else uses.

What a file system or a disk may have kept of an overwritten block is sealed under the KEK; rotation (see
rotation.py) ends that by destroying the KEK.
"""

import os
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SLOT_BYTES = 64
_sync = getattr(os, "fdatasync", os.fsync)
_CREATING = "creating"
_WORKSPACE = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class MissingKeyFile(Exception):
    """A key file that the database names is not there. Without it the vault's rows are noise."""


class UnknownKeyFiles(Exception):
    """Key files without a row in the database. They may be all that can open a lost database: not touched."""


class KeyFiles:
    """The key files of one workspace. All calls block; writes return when the bytes are on disk."""

    def __init__(self, directory: Path, workspace: str) -> None:
        if not _WORKSPACE.fullmatch(workspace):
            raise ValueError(f"a workspace is named with a-z, 0-9, '-' and '_', at most 63, not {workspace!r}")
        self._directory = directory / workspace

    def create(self, kek: bytes, slots: Mapping[int, bytes]) -> str:
        """Writes a new pair of files and returns its name."""
        _make_directory(self._directory)
        name = secrets.token_hex(8)
        _write_new(self._directory / f"kek.{name}", kek)
        size = max(slots, default=-1) + 1
        content = b"".join(_padded(slots[number]) if number in slots else _noise() for number in range(size))
        _write_new(self._directory / f"slots.{name}", content)
        _sync_directory(self._directory)
        return name

    def begin_creation(self) -> None:
        """Before a workspace's first pair. Raises UnknownKeyFiles when keys are there that no creation left."""
        marker = self._directory / _CREATING
        if self.names() and not marker.exists():
            raise UnknownKeyFiles(
                f"{self._directory} holds keys of a workspace that the vault's database does not know: restore the "
                "database, or remove the directory to destroy the workspace for good"
            )
        _make_directory(self._directory)
        marker.touch(mode=0o600)
        _sync_directory(self._directory)

    def end_creation(self) -> None:
        """Once a row names the pair; repeatable."""
        (self._directory / _CREATING).unlink(missing_ok=True)

    def kek(self, name: str) -> bytes:
        """The key-encryption key. Raises MissingKeyFile."""
        try:
            return (self._directory / f"kek.{name}").read_bytes()
        except FileNotFoundError:
            raise MissingKeyFile(f"kek.{name} is not in {self._directory}") from None

    def read(self, name: str, slot: int) -> bytes:
        """The 64 bytes of a slot, fewer beyond the end. Raises MissingKeyFile."""
        with self._slots(name, os.O_RDONLY) as file:
            return os.pread(file, SLOT_BYTES, slot * SLOT_BYTES)

    def write(self, name: str, slots: Mapping[int, bytes]) -> None:
        """Fills slots that nobody refers to yet. Raises MissingKeyFile."""
        with self._slots(name, os.O_WRONLY) as file:
            for slot, content in slots.items():
                _write_all(file, _padded(content), slot * SLOT_BYTES)
            _sync(file)

    def wipe(self, name: str, slots: Iterable[int]) -> None:
        """Overwrites slots that nobody refers to any more; nothing to do when the file is gone."""
        try:
            self.write(name, {slot: _noise() for slot in slots})
        except MissingKeyFile:
            return

    def names(self) -> set[str]:
        """The names of all pairs, whole or not."""
        if not self._directory.exists():
            return set()
        return {path.suffix[1:] for path in self._directory.iterdir() if path.stem in ("kek", "slots")}

    def destroy(self, name: str) -> None:
        """Overwrites and removes a pair; the key-encryption key first."""
        for path in (self._directory / f"kek.{name}", self._directory / f"slots.{name}"):
            _shred(path)
        _sync_directory(self._directory)

    @contextmanager
    def _slots(self, name: str, flags: int) -> Iterator[int]:
        try:
            file = os.open(self._directory / f"slots.{name}", flags)
        except FileNotFoundError:
            raise MissingKeyFile(f"slots.{name} is not in {self._directory}") from None
        try:
            yield file
        finally:
            os.close(file)


def _noise() -> bytes:
    return os.urandom(SLOT_BYTES)


def _padded(content: bytes) -> bytes:
    return content + os.urandom(SLOT_BYTES - len(content))


def _write_all(file: int, content: bytes, offset: int) -> None:
    while content:
        written = os.pwrite(file, content, offset)
        content, offset = content[written:], offset + written


def _write_new(path: Path, content: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        _write_all(file, content, 0)
        os.fsync(file)
    finally:
        os.close(file)


def _shred(path: Path) -> None:
    try:
        file = os.open(path, os.O_WRONLY)
    except FileNotFoundError:
        return
    try:
        _write_all(file, os.urandom(os.fstat(file).st_size), 0)
        os.fsync(file)
    finally:
        os.close(file)
    path.unlink(missing_ok=True)


def _make_directory(path: Path) -> None:
    for directory in (path.parent, path):
        if not directory.exists():
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync_directory(directory.parent)


def _sync_directory(path: Path) -> None:
    file = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
