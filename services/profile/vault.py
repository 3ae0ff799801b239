"""What profile needs of the vault. Two implementations stand: over NATS (libs.common.vault_client) and in tests."""

from collections.abc import Sequence
from typing import Protocol

from libs.common.contracts.vault import Identifier, WorkspaceReply
from libs.common.vault_client import HeldKey


class Keys(Protocol):
    """All that folding needs."""

    async def keys(self, bindings: Sequence[bytes]) -> dict[bytes, HeldKey]:
        """The data key of each binding, or the word that it is erased or unknown. Raises errors.Unavailable."""
        ...


class Vault(Keys, Protocol):
    """What answering needs. All raise errors.Unavailable when the vault does not answer."""

    async def workspace(self) -> WorkspaceReply:
        """Where the workspace lives; asked once."""
        ...

    async def find(self, identifiers: Sequence[Identifier]) -> list[bytes | None]:
        """The pseudonyms of normalised identifiers, None where one is not known."""
        ...

    async def reveal(self, pseudonyms: Sequence[bytes]) -> list[Identifier | None]:
        """The identifiers behind pseudonyms, None where erased or unknown."""
        ...
