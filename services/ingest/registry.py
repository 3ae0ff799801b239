"""Write keys and their sources: made here, kept as hashes, looked up on every request from a short-lived cache."""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from libs.common.clock import SECOND, Clock
from services.ingest.pipeline import Source

WRITE_KEY_PREFIX = "wk_"
_WRITE_KEY_BYTES = 20  # 160 random bits
MAX_WRITE_KEY = 256
_CAPACITY = 10_000


class WriteKey(NamedTuple):
    """The key is shown once; only its hash is stored."""

    text: str
    hash: bytes


def new_write_key() -> WriteKey:
    """A random key of 160 bits; not a UUID, which people paste into the wrong field."""
    text = WRITE_KEY_PREFIX + secrets.token_hex(_WRITE_KEY_BYTES)
    return WriteKey(text, hash_of(text))


def hash_of(write_key: str) -> bytes:
    """SHA-256: enough for keys of 160 random bits, which cannot be guessed from it."""
    return hashlib.sha256(write_key.encode("utf-8", "replace")).digest()


class _Entry(NamedTuple):
    source: Source | None
    expires: int


class SourceCache:
    """Finds sources by write key. A deleted key stops working within `seconds`.

    Known and unknown keys are held apart, so that a flood of invented keys displaces no real one.
    """

    def __init__(self, load: Callable[[bytes], Awaitable[Source | None]], clock: Clock, seconds: float) -> None:
        self._load, self._clock, self._life = load, clock, int(seconds * SECOND)
        self._known: OrderedDict[bytes, _Entry] = OrderedDict()
        self._unknown: OrderedDict[bytes, _Entry] = OrderedDict()
        self._loading: dict[bytes, asyncio.Task[Source | None]] = {}

    async def find(self, write_key: str) -> Source | None:
        """The live source of the key, or None. Concurrent misses of one key ask once."""
        if not write_key or len(write_key) > MAX_WRITE_KEY:
            return None
        key_hash = hash_of(write_key)
        held = self._known.get(key_hash) or self._unknown.get(key_hash)
        if held is not None and held.expires > self._clock.now():
            return held.source
        task = self._loading.get(key_hash)
        if task is None:
            task = self._loading[key_hash] = asyncio.create_task(self._refresh(key_hash))
            task.add_done_callback(lambda _: self._loading.pop(key_hash, None))
        # Shielded: one caller that goes away must not fail the others.
        return await asyncio.shield(task)

    def forget(self) -> None:
        """Looks everything up anew."""
        self._known.clear()
        self._unknown.clear()

    async def _refresh(self, key_hash: bytes) -> Source | None:
        expires = self._clock.now() + self._life  # counted from before the look-up
        source = await self._load(key_hash)
        self._known.pop(key_hash, None)
        self._unknown.pop(key_hash, None)
        entries = self._unknown if source is None else self._known
        entries[key_hash] = _Entry(source, expires)
        if len(entries) > _CAPACITY:
            entries.popitem(last=False)
        return source
