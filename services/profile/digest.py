"""Decoders of the sealed columns for `libs.common.digest`: the same events give the same plaintext rows."""

from collections.abc import Mapping, Sequence

from libs.common import fragment
from libs.common.contracts.body import encode_body
from libs.common.contracts.vault import ERASED, LIVE
from libs.common.digest import Decode, Row
from libs.common.vault_client import HeldKey
from services.profile.folding import ProjectionFault
from services.profile.sealing import Sealed
from services.profile.vault import Keys


class Decoders:
    """Opens `bindings` and then `timeline`, which is sealed under what a binding's row says."""

    def __init__(self, vault: Keys) -> None:
        self._vault = vault
        self._common: tuple[str, str] = ("", "")
        self._others: dict[bytes, tuple[str, str]] = {}  # hardly any: workspaces have one suite

    async def bindings(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Fragments in their canonical form; none where the key is destroyed."""
        keys = await self._vault.keys([row["binding"] for row in rows])
        return [self._binding(row, keys[row["binding"]]) for row in rows]

    async def timeline(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Bodies in the clear; without the rows whose key is destroyed."""
        keys = await self._vault.keys(list({row["binding"]: None for row in rows}))
        opened: dict[bytes, Sealed | None] = {key: self._sealed(key, held) for key, held in keys.items()}
        decoded = []
        for row in rows:
            sealed = opened[row["binding"]]
            if sealed is not None:
                decoded.append(row | {"sealed": encode_body(sealed.body(row["event_id"], row["sealed"]))})
        return decoded

    def _binding(self, row: Row, held: HeldKey) -> Row:
        self._remember(row["binding"], (row["workspace"], row["suite"]))
        sealed = self._sealed(row["binding"], held)
        if row["fragment"] is None or sealed is None:
            return row | {"fragment": None}
        return row | {"fragment": fragment.canonical(sealed.fragment(row["fragment"]))}

    def _remember(self, binding: bytes, found: tuple[str, str]) -> None:
        if self._common == ("", ""):
            self._common = found
        if found != self._common:
            self._others[binding] = found

    def _sealed(self, binding: bytes, held: HeldKey) -> Sealed | None:
        """None when the binding is erased. Raises ProjectionFault when the vault does not know it."""
        if held.state == LIVE:
            workspace, suite = self._others.get(binding, self._common)
            return Sealed(held.sealer, suite, workspace, binding)
        if held.state == ERASED:
            return None
        raise ProjectionFault(f"the vault has neither a key nor an erasure of binding {binding.hex()}")


def decoders(vault: Keys) -> Mapping[str, Decode]:
    """By table; for one digest (`bindings` comes before `timeline`, as tables are hashed by name)."""
    opened = Decoders(vault)
    return {"bindings": opened.bindings, "timeline": opened.timeline}
