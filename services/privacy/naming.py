"""Identifiers as callers write them, and the pseudonyms behind them. No message repeats a value."""

from collections.abc import Sequence

from libs.common.contracts.events import Pseudonym
from libs.common.contracts.vault import FindRequest, Identifier
from libs.common.errors import BadRequest, NotFound
from libs.common.identifiers import KINDS, normalise
from services.privacy.schemas import IdentifierIn
from services.privacy.vault import Vault


def normalised(items: Sequence[IdentifierIn]) -> list[Identifier]:
    """As ingest writes them. Raises BadRequest."""
    found = []
    for item in items:
        if item.kind not in KINDS:
            raise BadRequest(f"{item.kind!r} is no kind of identifier; kinds are {', '.join(KINDS)}")
        value = normalise(item.kind, item.value)
        if value is None:
            raise BadRequest(f"the value given as {item.kind} is not one: empty, malformed or a word for nobody")
        found.append(Identifier(item.kind, value))
    return found


async def known(vault: Vault, workspace: str, items: Sequence[IdentifierIn]) -> list[Pseudonym]:
    """The pseudonyms of those that are known. Raises BadRequest, and NotFound when none is."""
    wanted = normalised(items)
    found = (await vault.find(FindRequest(workspace, wanted))).pseudonyms
    pairs = zip(wanted, found, strict=True)
    seeds = {id: Pseudonym(identifier.kind, id) for identifier, id in pairs if id is not None}
    if not seeds:
        raise NotFound("none of these identifiers is known here: nothing is held under them")
    return list(seeds.values())
