"""Versioned entries: `[type, version, data]` in msgpack, upcast step by step to the version this build knows.

A type is registered once with its newest struct and one pure upcaster per older version. Registration
refuses a gap in the chain, so an entry that was ever written can always be read. An entry that is newer
than this build stops its reader: guessing would corrupt every table folded from it.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

Upcaster = Callable[[Any], Any]


class UnknownEntry(Exception):
    """The entry's type or version is not known to this build; the reader must stop, not skip."""


class _Envelope(msgspec.Struct, array_like=True, frozen=True):
    type: str
    version: int
    data: msgspec.Raw


class Registry:
    """Encodes and decodes the entry types of one stream family."""

    def __init__(self) -> None:
        self._structs: dict[str, tuple[int, Any]] = {}
        self._names: dict[type, tuple[str, int]] = {}
        self._upcasters: dict[tuple[str, int], Upcaster] = {}
        self._encoder = msgspec.msgpack.Encoder()
        self._envelopes = msgspec.msgpack.Decoder(_Envelope)
        self._decoders: dict[str, msgspec.msgpack.Decoder[Any]] = {}

    def register(self, name: str, version: int, struct: type, upcasters: Mapping[int, Upcaster] | None = None) -> None:
        """Registers `struct` as `name` at `version`; `upcasters[v]` turns builtins of v into those of v + 1."""
        steps = dict(upcasters or {})
        if name in self._structs:
            raise ValueError(f"entry type {name!r} is registered twice")
        if sorted(steps) != list(range(1, version)):
            raise ValueError(
                f"{name!r} v{version} needs upcasters from exactly {list(range(1, version))}, got {sorted(steps)}"
            )
        self._structs[name] = (version, struct)
        self._names[struct] = (name, version)
        self._decoders[name] = msgspec.msgpack.Decoder(struct)
        for source, step in steps.items():
            self._upcasters[name, source] = step

    @property
    def versions(self) -> dict[str, int]:
        """The newest known version of each type."""
        return {name: version for name, (version, _) in self._structs.items()}

    def encode(self, value: Any) -> bytes:
        """The bytes of an entry; `value` must be of a registered struct."""
        name, version = self._names[type(value)]
        return self._encoder.encode([name, version, value])

    def decode(self, data: bytes) -> Any:
        """The entry as its newest struct. Raises UnknownEntry, or msgspec.DecodeError on damaged bytes."""
        envelope = self._envelopes.decode(data)
        if envelope.type not in self._structs:
            raise UnknownEntry(f"entry type {envelope.type!r} is not known to this build: upgrade the reader first")
        version, struct = self._structs[envelope.type]
        if envelope.version == version:
            return self._decoders[envelope.type].decode(envelope.data)
        if not 0 < envelope.version < version:
            raise UnknownEntry(
                f"entry {envelope.type!r} has version {envelope.version}, this build knows 1 to {version}: "
                "upgrade the reader first"
            )
        value = msgspec.msgpack.decode(envelope.data)
        for step in range(envelope.version, version):
            value = self._upcasters[envelope.type, step](value)
        return msgspec.convert(value, struct)
