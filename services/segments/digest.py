"""Decoders of the sealed columns for `libs.common.digest`: the same events give the same plaintext rows."""

from collections.abc import Mapping, Sequence

from libs.common import fragment
from libs.common.contracts.vault import ERASED, LIVE
from libs.common.digest import Decode, Row
from libs.common.vault_client import HeldKey
from services.segments.loading import Keys
from services.segments.sealing import Sealed
from services.segments.state import SegmentsFault


def decoders(vault: Keys) -> Mapping[str, Decode]:
    """By table."""

    async def bindings(rows: Sequence[Row]) -> Sequence[Row]:
        """Fragments in their canonical form; none where the key is destroyed."""
        keys = await vault.keys([row["binding"] for row in rows])
        return [row | {"fragment": _opened(row, keys[row["binding"]])} for row in rows]

    def _opened(row: Row, held: HeldKey) -> bytes | None:
        state = held.state
        if state == ERASED or row["fragment"] is None:
            return None
        if state != LIVE:
            raise SegmentsFault(f"the vault has neither a key nor an erasure of binding {row['binding'].hex()}")
        sealed = Sealed(held.sealer, row["suite"], row["workspace"], row["binding"])
        return fragment.canonical(sealed.fragment(row["fragment"]))

    return {"bindings": bindings}
