"""How rows are spread over bucket keys: a bucket covers a range of 32-bit points and splits when it is full.

The point of an identifier is a keyed hash of its value, the point of a binding the start of its id (a hash
already), so buckets fill evenly and a bucket of a few hundred rows says little about any one of them.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

POINTS = 1 << 32
FANOUT = 8
IDENTIFIERS, BINDINGS = "identifiers", "bindings"
FAMILIES = (IDENTIFIERS, BINDINGS)


class Bucket(NamedTuple):
    """A range that begins at `start`; its key stands in `slot` and was made in `epoch`."""

    family: str
    start: int
    slot: int
    epoch: int


def point_of(digest: bytes) -> int:
    """The point of a hash: its first 32 bits."""
    return int.from_bytes(digest[:4], "big")


@dataclass(frozen=True)
class Directory:
    """All buckets of one family, ordered by start; the first starts at 0."""

    starts: list[int]
    buckets: list[Bucket]

    @classmethod
    def of(cls, buckets: Iterable[Bucket]) -> Self:
        """Of all buckets of a family."""
        ordered = sorted(buckets, key=lambda bucket: bucket.start)
        return cls([bucket.start for bucket in ordered], ordered)

    def updated(self, changed: Iterable[Bucket]) -> "Directory":
        """With these buckets in place of those with the same start, or new."""
        merged = {bucket.start: bucket for bucket in self.buckets}
        merged.update((bucket.start, bucket) for bucket in changed)
        return Directory.of(merged.values())

    def covering(self, point: int) -> Bucket:
        """The bucket of a point."""
        return self.buckets[bisect_right(self.starts, point) - 1]

    def at(self, start: int) -> Bucket:
        """The bucket that begins at `start`. Raises KeyError."""
        bucket = self.covering(start)
        if bucket.start != start:
            raise KeyError(start)
        return bucket

    def parts(self, start: int) -> list[int]:
        """Where the buckets begin that the one at `start` splits into; only itself when it is too narrow."""
        index = bisect_right(self.starts, start)
        end = self.starts[index] if index < len(self.starts) else POINTS
        width = (end - start) // FANOUT
        return [start + part * width for part in range(FANOUT)] if width else [start]
